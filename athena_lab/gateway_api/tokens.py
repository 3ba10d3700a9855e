"""Verify the gateway's tokens: EdDSA JSON Web Tokens (RFC 7519, RFC 8037) against its public keys.

Whoever verifies holds no secret: `public/jwks.json` has the keys, `public/revoked.json` what was
withdrawn before its time. Both files are read anew when they change.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from athena_lab.errors import ConfigurationError, UnauthenticatedError

ISSUER = "athena-gateway"
ALGORITHM = "EdDSA"
WAREHOUSE = "warehouse"
"""Audience of the tokens that the emulator accepts."""
GATEWAY = "gateway"
"""Audience of the tokens that the gateway itself accepts (a run's)."""
RUN, REHEARSAL = "run", "rehearsal"
"""Purposes of the tokens that a run's kernel holds; a rehearsal's writes into its scratch dataset only."""
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says: for whom, for what, and, in a run, which attempt of which run.

    `scratch` names the only dataset that a rehearsal's token may write to; whoever enforces it takes None for no limit.
    """

    user: str
    groups: tuple[str, ...]
    purpose: str
    token_id: str
    expires_at: int
    run: str | None = None
    attempt: int | None = None
    scratch: str | None = None


class TokenVerifier:
    """Verify tokens against the published keys; remembers the files as long as they do not change."""

    def __init__(self, jwks: Path, revoked: Path, audience: str) -> None:
        self._audience = audience
        self._jwks = _Published(jwks)
        self._revoked = _Published(revoked)

    def verify(self, token: str) -> Claims:
        """Give the claims of a valid token, else raise UnauthenticatedError saying why."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            payload = jwt.decode(
                token,
                key=self._key(kid),
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=ISSUER,
                options={"require": ["exp", "iat", "sub", "jti", "aud", "iss"]},
            )
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(f"Cannot accept the token: {error}. Ask the gateway for a new one.") from error
        claims = _claims_of(payload)
        self._refuse_revoked(claims)
        return claims

    def _key(self, kid: object) -> Any:
        for entry in self._jwks.read().get("keys", ()):
            if entry.get("kid") == kid and entry.get("kty") == "OKP":
                return jwt.PyJWK(entry, algorithm=ALGORITHM).key
        raise UnauthenticatedError(
            f"Cannot accept the token: its key '{kid}' is not the gateway's. Ask the gateway for a new one."
        )

    def _refuse_revoked(self, claims: Claims) -> None:
        revoked = self._revoked.read()
        is_old = claims.run is not None and (claims.attempt or 0) <= revoked.get("attempts", {}).get(claims.run, 0)
        if is_old or claims.token_id in revoked.get("token_ids", ()):
            raise UnauthenticatedError(
                f"Cannot accept the token '{claims.token_id}': it was revoked. Ask the gateway for a new one."
            )


class _Published:
    """A JSON file that another process replaces atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._content: dict[str, Any] = {}

    def read(self) -> dict[str, Any]:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp != self._stamp:
                self._content = json.loads(self._path.read_bytes())
                self._stamp = stamp
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"Cannot verify tokens: '{self._path}' cannot be read ({error}). Start the gateway first."
            ) from error
        return self._content


def _claims_of(payload: dict[str, Any]) -> Claims:
    return Claims(
        user=payload["sub"],
        groups=tuple(payload.get("groups", ())),
        purpose=payload.get("purpose", "interactive"),
        token_id=payload["jti"],
        expires_at=int(payload["exp"]),
        run=payload.get("run"),
        attempt=payload.get("attempt"),
        scratch=_scratch_of(payload),
    )


def _scratch_of(payload: dict[str, Any]) -> str | None:
    """Read the claim; a rehearsal's token without a dataset's name in it would be bound to nothing."""
    scratch = payload.get("scratch")
    if "scratch" not in payload and payload.get("purpose") != REHEARSAL:
        return None
    if payload.get("purpose") != REHEARSAL or not isinstance(scratch, str) or not _DATASET.fullmatch(scratch):
        raise UnauthenticatedError(
            "Cannot accept the token: a rehearsal's names its scratch dataset in 'scratch', and no other's does. "
            "Ask the gateway for a new one."
        )
    return scratch

"""Mint the platform's short-lived tokens: a run's, a user's for the warehouse, the platform's own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import jwt

from athena_lab.gateway.keys import Secrets
from athena_lab.gateway_api.tokens import ALGORITHM, GATEWAY, ISSUER, REHEARSAL, RUN, WAREHOUSE
from athena_lab.gateway_api.wire import Principal

PLATFORM_USER = "athena-platform"
PLATFORM_TOKEN_S = 60


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A token, its id (for the audit and for revocation) and when it ends (UTC, whole seconds)."""

    token: str = field(repr=False)
    token_id: str
    expires_at: datetime


class Mint:
    """Sign tokens with the gateway's key; nobody else holds it."""

    def __init__(
        self, secrets_: Secrets, *, run_token_s: int, warehouse_token_s: int, now: Callable[[], datetime]
    ) -> None:
        self._secrets = secrets_
        self._run_token_s = run_token_s
        self._warehouse_token_s = warehouse_token_s
        self._now = now

    @property
    def longest_life_s(self) -> int:
        """Seconds after which no token minted before can still be valid."""
        return max(self._run_token_s, self._warehouse_token_s, PLATFORM_TOKEN_S)

    def mint_run_token(
        self, owner: str, groups: Sequence[str], run: str, attempt: int, scratch: str | None = None
    ) -> MintedToken:
        """Mint the only credential of a run's kernel: for the gateway and the warehouse, on the owner's behalf.

        With `scratch` the run is a rehearsal: in the warehouse it may write to that dataset only.
        """
        principal = Principal(
            kind="run",
            user=owner,
            groups=tuple(groups),
            purpose=RUN if scratch is None else REHEARSAL,
            run=run,
            attempt=attempt,
            scratch=scratch,
        )
        return self._mint(principal, [GATEWAY, WAREHOUSE], self._run_token_s)

    def mint_warehouse_token(self, principal: Principal) -> MintedToken:
        """Mint a warehouse token for whoever asks; a run's stays bound to its attempt, so that it ends with it.

        A rehearsal's stays bound to its scratch dataset too.
        """
        life_s = self._run_token_s if principal.kind == "run" else self._warehouse_token_s
        return self._mint(principal, [WAREHOUSE], life_s)

    def mint_platform_token(self) -> MintedToken:
        """Mint the gateway's own token for the warehouse: it reads the catalog, cancels jobs, drops datasets."""
        principal = Principal(kind="platform", user=PLATFORM_USER, purpose="platform")
        return self._mint(principal, [WAREHOUSE], PLATFORM_TOKEN_S)

    def _mint(self, principal: Principal, audience: list[str], life_s: int) -> MintedToken:
        issued = int(self._now().timestamp())
        token_id = secrets.token_hex(16)
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "sub": principal.user,
            "groups": list(principal.groups),
            "purpose": principal.purpose,
            "jti": token_id,
            "iat": issued,
            "exp": issued + life_s,
        }
        if principal.run is not None:
            claims |= {"run": principal.run, "attempt": principal.attempt}
        if principal.scratch is not None:
            claims["scratch"] = principal.scratch
        token = jwt.encode(
            claims, self._secrets.signing_key, algorithm=ALGORITHM, headers={"kid": self._secrets.key_id}
        )
        return MintedToken(token, token_id, datetime.fromtimestamp(issued, UTC) + timedelta(seconds=life_s))

"""Who asks: a chain of providers turns a bearer credential into a caller. JupyterHub's plugs in here."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from athena_lab.errors import ConfigurationError, UnauthenticatedError
from athena_lab.gateway.keys import token_digest
from athena_lab.gateway_api.tokens import REHEARSAL, RUN, TokenVerifier
from athena_lab.gateway_api.wire import Principal

LONGEST_CREDENTIAL = 8192
_WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal with the id of its credential (no secret), for the audit."""

    principal: Principal
    token_id: str


class IdentityProvider(Protocol):
    """One way of knowing who holds a credential."""

    def identify(self, credential: str) -> Caller | None:
        """Give the caller, or None if the credential is not of this provider's kind."""


class Identities:
    """Ask the providers in order; the first that knows the credential decides."""

    def __init__(self, providers: Sequence[IdentityProvider]) -> None:
        self._providers = tuple(providers)

    def identify(self, credential: str | None) -> Caller:
        """Give the caller, else raise UnauthenticatedError; the credential is in no message."""
        if not credential:
            raise UnauthenticatedError(
                "Cannot answer: the request carries no credential. "
                "Send 'Authorization: Bearer <token>'; your token is in Athena's home, in `analyst/token`."
            )
        if len(credential) <= LONGEST_CREDENTIAL:
            for provider in self._providers:
                caller = provider.identify(credential)
                if caller is not None:
                    return caller
        raise UnauthenticatedError(
            "Cannot answer: the request's credential is unknown. Use the token in Athena's home, in `analyst/token`."
        )


class LocalUsers:
    """The users of `users.json`; it holds the SHA-256 of their tokens, and is read anew when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._users: list[dict[str, Any]] = []

    def identify(self, credential: str) -> Caller | None:
        digest = token_digest(credential)
        found = None
        # Every entry is compared in full, so that the time taken tells nothing about the digests.
        for entry in self._read():
            if hmac.compare_digest(entry["token_sha256"], digest):
                found = entry
        if found is None:
            return None
        principal = Principal(kind="user", user=found["user"], groups=tuple(found["groups"]))
        return Caller(principal, token_id=digest[:16])

    def groups_of(self, user: str) -> tuple[str, ...]:
        """Give a user's present groups; none for a user who is no longer known."""
        for entry in self._read():
            if entry["user"] == user:
                return tuple(entry["groups"])
        return ()

    def is_known(self, user: str) -> bool:
        """Say whether there is such a user."""
        return any(entry["user"] == user for entry in self._read())

    def _read(self) -> list[dict[str, Any]]:
        with self._lock:
            try:
                stat = self._path.stat()
                stamp = (stat.st_mtime_ns, stat.st_ino)
                if stamp != self._stamp:
                    self._users = json.loads(self._path.read_bytes())
                    self._stamp = stamp
            except (OSError, ValueError) as error:
                raise ConfigurationError(
                    f"Cannot identify users: '{self._path}' cannot be read ({error}). Run `athena gateway --init`."
                ) from error
            return self._users


class RunTokens:
    """Tokens that the gateway minted for a run's kernel; a rehearsal's have the rights of a run's."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    def identify(self, credential: str) -> Caller | None:
        if credential.count(".") != 2:
            return None
        claims = self._verifier.verify(credential)
        if claims.purpose not in (RUN, REHEARSAL) or claims.run is None:
            return None
        principal = Principal(
            kind="run",
            user=claims.user,
            groups=claims.groups,
            purpose=claims.purpose,
            run=claims.run,
            attempt=claims.attempt,
            scratch=claims.scratch,
        )
        return Caller(principal, token_id=claims.token_id)


class WorkerKey:
    """The Airflow workers' own key."""

    def __init__(self, worker_key: str) -> None:
        self._worker_key = worker_key.encode()

    def identify(self, credential: str) -> Caller | None:
        if not hmac.compare_digest(credential.encode(), self._worker_key):
            return None
        return Caller(Principal(kind="worker", user="airflow-worker", purpose="platform"), token_id=_WORKER)

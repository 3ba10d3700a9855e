"""Who asks: every request, REST and gRPC, proves itself with a token of the gateway's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.responses import JSONResponse

from athena_lab.emulator.faults import BigQueryError
from athena_lab.errors import AthenaError, UnauthenticatedError
from athena_lab.gateway_api.tokens import TokenVerifier

LOCAL_DOMAIN = "athena.local"
"""Of the addresses of users whose names are none."""
ADMINISTRATORS = "admins"
"""The group whose members administrate the warehouse: they define policies, and see every column raw."""
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Principal:
    """For whom a request is made; `is_platform` for the gateway, which sees everybody's jobs.

    `scratch` is the only dataset that a rehearsal may write to, None for whoever is not rehearsing (confinement.py).
    """

    user: str
    groups: tuple[str, ...] = ()
    run: str | None = None
    is_platform: bool = False
    scratch: str | None = None

    @property
    def email(self) -> str:
        return self.user if "@" in self.user else f"{self.user}@{LOCAL_DOMAIN}"

    @property
    def is_administrator(self) -> bool:
        """Whether policies may be defined, and data policies do not bind."""
        return self.is_platform or ADMINISTRATORS in self.groups


ITSELF = Principal("athena-emulator", is_platform=True)
"""Of what the warehouse does on nobody's behalf: what has expired, what a crash left."""
_ASKING: ContextVar[Principal] = ContextVar("asking")


@contextmanager
def asking(principal: Principal) -> Iterator[None]:
    """Say for whom this thread or task works until the block ends.

    Said wherever a request or a job begins. The catalog, the one road of every write, asks with `who_asks`: so a new
    handler or statement cannot forget to pass it on.
    """
    before = _ASKING.set(principal)
    try:
        yield
    finally:
        _ASKING.reset(before)


def who_asks() -> Principal:
    """Give for whom this thread or task works; raise LookupError where nobody said so: nothing may be written then."""
    return _ASKING.get()


class Guard(Protocol):
    """Tells from an Authorization header who asks, or raises UnauthenticatedError."""

    def identify(self, authorization: str | None) -> Principal: ...


class TokenGuard:
    """Accept the gateway's warehouse tokens only."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    def identify(self, authorization: str | None) -> Principal:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise UnauthenticatedError(
                "Cannot answer: the request carries no bearer token. Ask the gateway for a warehouse token."
            )
        claims = self._verifier.verify(token.strip())
        return Principal(claims.user, claims.groups, claims.run, claims.purpose == "platform", claims.scratch)


class AnonymousGuard:
    """Take everybody for an administrator (`--trust-anonymous`, on loopback only)."""

    def identify(self, authorization: str | None) -> Principal:
        del authorization
        return Principal("anonymous", is_platform=True)


class AccessMiddleware:
    """Identify whoever asks before anything else looks at a request."""

    def __init__(self, app: Application, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._refuse_browsers(headers)
            scope["principal"] = self._guard.identify(headers.get("authorization"))
        except BigQueryError as fault:
            await JSONResponse(fault.body(), fault.status)(scope, receive, send)
        except AthenaError as error:
            refusal = BigQueryError("required", f"Request is missing a valid credential. {error}", "Authorization")
            body = refusal.body()
            body["error"]["code"] = 401
            await JSONResponse(body, 401, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
        else:
            with asking(scope["principal"]):
                await self._app(scope, receive, send)

    def _refuse_browsers(self, headers: dict[str, str]) -> None:
        """Without tokens a web page could reach loopback (DNS rebinding, cross-site posts)."""
        if not isinstance(self._guard, AnonymousGuard):
            return
        host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        if host not in _LOOPBACK_NAMES or "origin" in headers:
            raise BigQueryError("accessDenied", "Access Denied: this server trusts only programs on this machine.")

"""Guard every route: who asks, may they, is it recorded, before one byte of the body is read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive

from athena_lab.errors import ConfigurationError, ForbiddenError, TooLargeError
from athena_lab.gateway.answers import answer_of, error_of
from athena_lab.gateway.audit import Audit, AuditEntry
from athena_lab.gateway.identity import Caller, Identities
from athena_lab.gateway.repeats import Repeats
from athena_lab.gateway_api.once import KEY_HEADER, KEY_PATTERN, LONGEST_KEY
from athena_lab.gateway_api.wire import Principal

USER = frozenset({"user"})
USER_OR_RUN = frozenset({"user", "run"})
WORKER = frozenset({"worker"})
MEBIBYTE = 1024**2
_LONGEST_NAME = 200
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Recording(Enum):
    """When it goes on record that a request is allowed; never after the answer."""

    BEFORE = "before"
    """Before the handler runs: it acts without looking back."""
    AFTER = "after"
    """After the handler, before its answer leaves; unless the handler did so itself before it acted."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks of its caller.

    `is_polled`: the same caller asks the same thing again and again; recorded once a minute.
    """

    action: str
    kinds: frozenset[str]
    recording: Recording
    is_polled: bool
    limit_bytes: int


def guard(
    action: str,
    kinds: frozenset[str],
    *,
    recording: Recording = Recording.AFTER,
    is_polled: bool = False,
    limit_bytes: int = MEBIBYTE,
) -> Callable[[Endpoint], Endpoint]:
    """Say what a route asks of its caller; a route without it cannot be made."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__dict__["access"] = Access(action, kinds, recording, is_polled, limit_bytes)
        return endpoint

    return mark


class Guardian:
    """What a guarded route needs: who is who, the audit, and what was recorded a moment ago."""

    def __init__(self, identities: Identities, audit: Audit, repeats: Repeats) -> None:
        self.identities = identities
        self.audit = audit
        self.repeats = repeats


class Act:
    """One request on its way: who asks for what, and whether the decision is on record yet."""

    def __init__(self, guardian: Guardian, access: Access, target: Mapping[str, Any]) -> None:
        self._guardian = guardian
        self._access = access
        self._target = target
        self._caller: Caller | None = None
        self._is_allowed = False

    @property
    def principal(self) -> Principal:
        """Whoever asks, after `admit`."""
        if self._caller is None:
            raise ConfigurationError("Cannot tell who asks: the route has no guard. Mark it with @guard.")
        return self._caller.principal

    def admit(self, credential: str | None) -> None:
        """Identify the caller and let them in, else raise UnauthenticatedError or ForbiddenError."""
        self._caller = self._guardian.identities.identify(credential)
        if self._caller.principal.kind not in self._access.kinds:
            raise ForbiddenError(
                f"Cannot do '{self._access.action}': a credential of kind '{self._caller.principal.kind}' "
                f"has no right to it. Use one of kind '{' or '.join(sorted(self._access.kinds))}'."
            )
        if self._access.recording is Recording.BEFORE:
            self.allow()

    def allow(self) -> None:
        """Record that the request is allowed, if it is not yet; raise AuditError if that cannot be written."""
        if self._is_allowed or self._caller is None:
            return
        if not self._access.is_polled:
            self.audit(self._access.action, {})
            return
        key = (self._caller.token_id, self._access.action, tuple(sorted(self._target.items())))
        if self._guardian.repeats.is_new(key):
            self.audit(self._access.action, {})
            self._guardian.repeats.remember(key)

    def audit(self, action: str, details: Mapping[str, Any]) -> None:
        """Record an allowed action on `details` (names and numbers only); what the domains call before they act."""
        self._write("allowed", "", action, {**self._target, **details})
        self._is_allowed = True

    def refuse(self, problem: Exception) -> None:
        """Record why the answer is no; behind an "allowed" of the same request it says that nothing came of it."""
        reason = type(error_of(problem) or problem).__name__
        self._write("denied", reason, self._access.action, self._target)

    def _write(self, decision: str, reason: str, action: str, target: Mapping[str, Any]) -> None:
        caller = self._caller
        self._guardian.audit.record(
            AuditEntry(
                user=caller.principal.user if caller else "",
                kind=caller.principal.kind if caller else "unknown",
                token_id=caller.token_id if caller else None,
                purpose=caller.principal.purpose if caller else "",
                action=action,
                object={name: _short(value) for name, value in target.items()},
                decision=decision,
                reason=reason,
            )
        )


class GuardedRoute(APIRoute):
    """A route that admits its caller first, and answers every problem in the shape of `ErrorBody`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler; raise ConfigurationError for a route without `@guard`."""
        access = getattr(self.endpoint, "access", None)
        if not isinstance(access, Access):
            raise ConfigurationError(f"Cannot serve the route '{self.path}': it has no guard. Mark it with @guard.")
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            act = Act(request.app.state.guardian, access, dict(request.path_params))
            request.state.act = act
            try:
                await run_in_threadpool(act.admit, _bearer(request))
                response = await handle(Request(request.scope, _limited(request.receive, access.limit_bytes)))
                await run_in_threadpool(act.allow)
            except Exception as problem:  # noqa: BLE001 (a front's edge: logged with its id in `answer_of`)
                return await run_in_threadpool(_refused, act, problem)
            return response

        return guarded


def current_act(request: Request) -> Act:
    """Give the request's own `Act` to its handler."""
    act: Act = request.state.act
    return act


CurrentAct = Annotated[Act, Depends(current_act)]
RequestKey = Annotated[str | None, Header(alias=KEY_HEADER, max_length=LONGEST_KEY, pattern=KEY_PATTERN)]
"""By which the caller's own request is known again for a day."""


def _refused(act: Act, problem: Exception) -> Response:
    try:
        act.refuse(problem)
    except Exception as unwritten:  # noqa: BLE001 (a front's edge: logged with its id in `answer_of`)
        return answer_of(unwritten)
    return answer_of(problem)


def _bearer(request: Request) -> str | None:
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else None


def _limited(receive: Receive, limit_bytes: int) -> Receive:
    """Pass on a request's body until it grows over the limit."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit_bytes:
            raise TooLargeError(
                f"Cannot accept the request: its body is over {limit_bytes} bytes. Send less, or leave files out."
            )
        return message

    return counted


def _short(value: Any) -> Any:
    return value if isinstance(value, int | float | None) else str(value)[:_LONGEST_NAME]

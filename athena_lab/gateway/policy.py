"""Who may do what to whose job or run: functions of the principal, nothing else."""

from __future__ import annotations

from athena_lab.errors import ForbiddenError
from athena_lab.gateway_api.wire import Principal


def may_read_run(principal: Principal, *, run_id: str, owner: str) -> bool:
    """Is the run the caller's own? A run's credential reads that run alone."""
    if principal.kind == "run":
        return principal.run == run_id
    return principal.user == owner


def require_owner(principal: Principal, what: str, *, owner: str) -> None:
    """Raise ForbiddenError unless the caller is the person who owns `what` ("job 'x'")."""
    if principal.kind != "user" or principal.user != owner:
        raise ForbiddenError(f"Cannot use {what}: it belongs to somebody else. Ask its owner.")

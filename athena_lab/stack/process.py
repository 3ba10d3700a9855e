"""A process of the stack as data: what to run, as whom, after whom, and how to tell that it is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from athena_lab.stack.accounts import Account


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of a process: since when (seconds of the epoch), and its log from `log_offset` on."""

    started_at: float
    log: Path
    log_offset: int


ReadyCheck = Callable[[Launch], bool]


@dataclass(frozen=True, slots=True)
class Process:
    """A process that the supervisor starts, watches and stops.

    `after` names the processes that must be ready before; `is_oneshot` ends by itself, and is ready when
    it ended with 0. `stop_signal` asks it to end; after `grace_s` its whole session is killed.
    """

    name: str
    argv: tuple[str, ...]
    account: Account
    directory: Path
    environment: Mapping[str, str]
    is_ready: ReadyCheck
    after: tuple[str, ...] = ()
    is_oneshot: bool = False
    umask: int = 0o077
    stop_signal: str = "TERM"
    grace_s: float = 10.0
    start_timeout_s: float = 180.0


def never(launch: Launch) -> bool:  # noqa: ARG001 (the signature of a ready check)
    """Say no: a one-shot process is ready by its exit code alone."""
    return False

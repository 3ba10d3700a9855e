"""stack.json and the lock beside it: what runs in this home, for `status`, `down` and the next `up`."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from athena_lab.errors import ConfigurationError
from athena_lab.settings import Home
from athena_lab.stack.dropped import write_private
from athena_lab.stack.processes import boot_id, find_process


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """What is known of one process; `pid` and `start` are None while it does not run."""

    name: str
    state: str
    pid: int | None = None
    start: str | None = None
    started_at: float | None = None
    port: int | None = None
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class StackRecord:
    """What stands in stack.json. Anybody may read it: no secret is in it."""

    boot: str
    pid: int
    start: str
    state: str
    started_at: float
    is_isolated: bool
    urls: Mapping[str, str] = field(default_factory=dict)
    processes: tuple[ProcessRecord, ...] = ()
    ready_s: float | None = None


class StackLock:
    """The supervisor's lock on a home: held while it lives, gone with it however it dies (flock(2))."""

    def __init__(self, home: Home) -> None:
        self._path = home.root / "stack.lock"
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock; False where another process has it. Raises ConfigurationError where it may not."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise ConfigurationError(
                f"Cannot lock the state directory '{self._path.parent}': '{self._path}': {error.strerror}. "
                "Choose one that you may write with --home or ATHENA_HOME."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def is_held(self) -> bool:
        """Tell whether a supervisor lives; needs only the right to read."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def record_path(home: Home) -> Path:
    """Give the place of stack.json."""
    return home.root / "stack.json"


def write_record(home: Home, record: StackRecord) -> None:
    """Replace stack.json at once."""
    write_private(record_path(home), json.dumps(asdict(record), indent=1), mode=0o644)


def read_record(home: Home) -> StackRecord | None:
    """Read stack.json; None where there is none, or where it is not whole."""
    try:
        content: dict[str, Any] = json.loads(record_path(home).read_text())
        processes = tuple(ProcessRecord(**item) for item in content.pop("processes"))
        return StackRecord(**content, processes=processes)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        return None


def own_identity() -> tuple[str, int, str]:
    """Give this boot, this process's pid and its start."""
    entry = find_process(os.getpid())
    return boot_id(), os.getpid(), entry.start if entry else ""

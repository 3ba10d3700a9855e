"""`athena down`: stop the stack of a home, also one whose supervisor is gone."""

from __future__ import annotations

import signal
import time

from athena_lab.errors import UnreachableError
from athena_lab.settings import Home
from athena_lab.stack.orphans import stop_orphans
from athena_lab.stack.processes import is_alive, send
from athena_lab.stack.record import StackLock, read_record, record_path

PATIENCE_S = 60.0


def down(home: Home) -> bool:
    """Stop what runs; False where nothing ran. Raises UnreachableError where it is another user's."""
    lock = StackLock(home)
    was_running = lock.is_held()
    record = read_record(home)
    if was_running and record is not None:
        _stop_supervisor(lock, record.pid, record.start)
    record = read_record(home)
    stopped = stop_orphans(record) if record is not None else 0
    if record is not None:
        record_path(home).unlink(missing_ok=True)
    return was_running or stopped > 0


def _stop_supervisor(lock: StackLock, pid: int, start: str) -> None:
    if not is_alive(pid, start):
        return
    try:
        send([pid], signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_S
        while lock.is_held() and time.monotonic() < deadline:
            time.sleep(0.05)
        if lock.is_held():
            send([pid])
    except PermissionError as error:
        raise UnreachableError(
            f"Cannot stop Athena: its process '{pid}' belongs to another user. "
            "Run `athena down` as the user who started it."
        ) from error

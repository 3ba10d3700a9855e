"""What a killed supervisor left running: found by what stack.json recorded, and stopped."""

from __future__ import annotations

import signal
import time

from athena_lab.stack.processes import boot_id, find_descendants, find_members, list_processes, send
from athena_lab.stack.record import StackRecord

GRACE_S = 8.0


def stop_orphans(record: StackRecord) -> int:
    """Stop every process of a recorded stack that still lives; give how many there were.

    Pids of an earlier boot, and pids that another process has been given since, are left alone.
    """
    if record.boot != boot_id():
        return 0
    found: dict[int, str] = {}
    deadline = time.monotonic() + GRACE_S
    while left := _find_left(record, found):
        fresh = left - found.keys()
        table = list_processes()
        found |= {pid: table[pid].start for pid in fresh if pid in table}
        is_late = time.monotonic() > deadline
        send(left if is_late else fresh, signal.SIGKILL if is_late else signal.SIGTERM)
        time.sleep(0.05)
    return len(found)


def _find_left(record: StackRecord, found: dict[int, str]) -> set[int]:
    """Give the recorded sessions' members, their descendants, and what was found before and still lives."""
    table = list_processes()
    left = {
        pid for pid, start in found.items() if pid in table and table[pid].start == start and not table[pid].is_zombie
    }
    for process in record.processes:
        if process.pid is not None and process.start is not None:
            left |= find_members(process.pid, process.start, table)
    return left | find_descendants(left, table)

"""What the machine's process table says: who lives, who is whose child, in which session."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Entry:
    """One process; `start` tells it from a later one that was given the same pid."""

    pid: int
    parent: int
    session: int
    start: str
    is_zombie: bool


def list_processes() -> dict[int, Entry]:
    """Read the process table, by pid."""
    if not (_PROC / "self" / "stat").exists():
        return _list_with_ps()
    entries = (_read_entry(int(path.name)) for path in _PROC.iterdir() if path.name.isdigit())
    return {entry.pid: entry for entry in entries if entry is not None}


def find_process(pid: int) -> Entry | None:
    """Give one process, None where it is gone."""
    if (_PROC / "self" / "stat").exists():
        return _read_entry(pid)
    return _list_with_ps().get(pid)


def is_alive(pid: int, start: str) -> bool:
    """Tell whether the process that started at `start` still runs (a reused pid is another one)."""
    entry = find_process(pid)
    return entry is not None and entry.start == start and not entry.is_zombie


def boot_id() -> str:
    """Name this boot of the machine; pids of an earlier boot mean nothing."""
    path = _PROC / "sys" / "kernel" / "random" / "boot_id"
    if path.exists():
        return path.read_text().strip()
    answer = subprocess.run(["sysctl", "-n", "kern.boottime"], capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def find_members(leader: int, start: str, table: dict[int, Entry]) -> set[int]:
    """Give the living processes of the session that `leader` began, itself included.

    A session's number stays taken while it has members, so a leader of another start means that all
    of the old session are gone.
    """
    present = table.get(leader)
    if present is not None and present.start != start:
        return set()
    return {entry.pid for entry in table.values() if entry.session == leader and not entry.is_zombie}


def find_descendants(roots: Iterable[int], table: dict[int, Entry]) -> set[int]:
    """Give the living children of `roots` and theirs, without the roots."""
    children: dict[int, list[int]] = {}
    for entry in table.values():
        children.setdefault(entry.parent, []).append(entry.pid)
    found: set[int] = set()
    pending = list(roots)
    while pending:
        for pid in children.get(pending.pop(), []):
            if pid not in found:
                found.add(pid)
                pending.append(pid)
    return {pid for pid in found if not table[pid].is_zombie}


def send(pids: Iterable[int], number: int = signal.SIGKILL) -> None:
    """Signal every one of `pids` that still lives."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def resident_bytes(pid: int) -> int:
    """Give the proportional memory of a process (shared pages divided), or its resident set."""
    try:
        rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read_entry(pid: int) -> Entry | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name stands in brackets and may itself hold spaces and brackets (proc_pid_stat(5)).
    fields = text.rpartition(")")[2].split()
    return Entry(pid, int(fields[1]), int(fields[3]), fields[19], fields[0] in "ZX")


def _list_with_ps() -> dict[int, Entry]:
    command = ["ps", "-axo", "pid=,ppid=,pgid=,state=,lstart="]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    entries = {}
    for line in answer.stdout.splitlines():
        pid, parent, group, state, start = line.split(None, 4)
        entries[int(pid)] = Entry(int(pid), int(parent), int(group), start.strip(), state.startswith("Z"))
    return entries

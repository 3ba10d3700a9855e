"""The process between a worker and a run's kernel: no kernel, nor any child of it, outlives this process's leash.

Run by path (`python -I -S guard.py '<json>'`), so it imports the standard library only. The leash is a pipe: the
worker writes one byte to interrupt the kernel; when the worker closes it or dies, whatever the kernel started is
killed. In its own PID namespace the guard is process 1, so that its end is the end of all.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

INTERRUPT = b"i"
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
MS_BIND = 4096
MS_NOSUID_NODEV = 6


def main() -> None:
    """Start the kernel that the one argument describes and hold it until it ends or the leash is closed."""
    order = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    os.umask(0o007)
    if libc is not None:
        # Code of the same user must not attach to this process and make it ignore its leash (ptrace(2)).
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if order["hide"]:
        _hide_other_runs(libc, Path(order["folder"]))
    if libc is not None:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    code = 1
    try:
        code = _hold(order)
    finally:
        _kill_descendants()
        _empty(Path(order["folder"]))
    os._exit(code)


def _hide_other_runs(libc: Any, folder: Path) -> None:
    """Let the kernel's file system have this run's folder only: another run's connection file is its key."""
    own = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    runs = str(folder.parent).encode()
    _check(libc.mount(b"none", runs, b"tmpfs", MS_NOSUID_NODEV, b"size=64k,mode=0755"), "hide the other runs")
    folder.mkdir()
    source = f"/proc/self/fd/{own}".encode()
    _check(libc.mount(source, str(folder).encode(), None, MS_BIND, None), "show the run's own folder")
    os.close(own)


def _check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"Cannot {what}: {os.strerror(ctypes.get_errno())}")


def _hold(order: dict[str, Any]) -> int:
    leash = order["leash"]
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    kernel = subprocess.Popen(
        order["command"],
        cwd=order["cwd"],
        pass_fds=order["pass_fds"],
        start_new_session=True,
        preexec_fn=_restore_signals,
    )
    for descriptor in order["pass_fds"]:
        os.close(descriptor)
    while True:
        readable, _, _ = select.select([leash, wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 4096)
            if (status := _reap(kernel.pid)) is not None:
                return status
        if leash in readable:
            command = os.read(leash, 1)
            if command != INTERRUPT:
                return 137
            os.kill(kernel.pid, signal.SIGINT)


def _restore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def _reap(kernel: int) -> int | None:
    """Collect every child that ended; give the kernel's exit code once it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == kernel:
            code = os.waitstatus_to_exitcode(status) % 256


def _kill_descendants() -> None:
    """Kill until nobody is left; a process that left its session is still our descendant (subreaper)."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        living = _descendants()
        for pid in living:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        _reap(0)
        if not living:
            return
        time.sleep(0.005)


def _descendants() -> list[int]:
    if not Path("/proc/self/stat").exists():
        return _listed_descendants()
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 (names only; a Path for each costs time)
        if not entry.isdigit():
            continue
        try:
            fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in ("Z", "X"):
            parents[int(entry)] = int(fields[1])
    return _below(os.getpid(), parents)


def _listed_descendants() -> list[int]:
    """Ask `ps` where there is no /proc (macOS); what left the kernel's tree is out of reach there."""
    listing = subprocess.Popen(["ps", "-A", "-o", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True)
    rows = [line.split() for line in listing.communicate()[0].splitlines()]
    living = {int(pid): int(parent) for pid, parent, state in rows if state[0] != "Z" and int(pid) != listing.pid}
    return _below(os.getpid(), living)


def _below(root: int, parents: dict[int, int]) -> list[int]:
    found = {root}
    grown = True
    while grown:
        new = {pid for pid, parent in parents.items() if parent in found} - found
        found |= new
        grown = bool(new)
    return sorted(found - {root})


def _empty(folder: Path) -> None:
    """Remove what the run left; the folder itself belongs to the worker."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


if __name__ == "__main__":
    main()

"""Notice that a task was abandoned: its supervisor, or the Celery or scheduler process above it, was killed.

`kill -9` of a Celery parent leaves its pool child and the task running; Airflow's heartbeats would go on, and the run
would neither end nor be given to another worker. So the task ends its supervisor and itself.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

_EVERY_S = 0.5
_log = logging.getLogger("athena_lab.airflow")


class AncestryWatch:
    """Watch the two processes above this one until closed; `kill_kernel` is called before this process ends."""

    def __init__(self, kill_kernel: Callable[[], None]) -> None:
        self._kill_kernel = kill_kernel
        self._supervisor = os.getppid()
        self._above = _parent_of(self._supervisor) if self._is_forked_from_above() else None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="athena-ancestry", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _is_forked_from_above(self) -> bool:
        """Whether the supervisor is a pool's child: then it shares its parent's session."""
        above = _parent_of(self._supervisor)
        if above is None or above <= 1:
            return False
        try:
            return os.getsid(above) == os.getsid(self._supervisor)
        except OSError:
            return False

    def _watch(self) -> None:
        while not self._closed.wait(_EVERY_S):
            if os.getppid() != self._supervisor:
                self._end(None)
            if self._above is not None and _parent_of(self._supervisor) != self._above:
                self._end(self._supervisor)

    def _end(self, supervisor: int | None) -> None:
        _log.error("The worker above this task is gone: ending the task and its kernel")
        self._kill_kernel()
        if supervisor is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it may have ended meanwhile
                os.kill(supervisor, signal.SIGKILL)
        os._exit(1)


def _parent_of(pid: int) -> int | None:
    """Give a process's parent, None where it has ended or the machine has no /proc."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None

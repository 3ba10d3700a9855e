"""Do something again and again in a thread of its own, until told to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)
AFTER_FAULT_S = 2.0


class Beat:
    """Call `work` over and over; it says in how many seconds it wants to be called again."""

    def __init__(self, name: str, work: Callable[[], float]) -> None:
        self._work = work
        self._wake = threading.Event()
        self._done = threading.Condition()
        self._rounds = 0
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 20.0) -> None:
        """End after the present round."""
        self._is_stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def wake(self) -> None:
        """Begin the next round at once."""
        self._wake.set()

    def wait_for_round(self, timeout_s: float) -> None:
        """Return when a round ends, or time is up."""
        with self._done:
            before = self._rounds
            self._done.wait_for(lambda: self._rounds != before or self._is_stopping, timeout_s)

    def _run(self) -> None:
        while not self._is_stopping:
            pause_s = self._try()
            with self._done:
                self._rounds += 1
                self._done.notify_all()
            self._wake.wait(pause_s)
            self._wake.clear()

    def _try(self) -> float:
        try:
            return self._work()
        except Exception:  # noqa: BLE001 (a front's edge: the thread must outlive every fault)
            _log.exception("A round of '%s' failed", self._thread.name)
            return AFTER_FAULT_S

"""One process of the stack as it lives: started, ready, crashed and started again, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from athena_lab.stack.accounts import launch_prefix
from athena_lab.stack.process import Launch, Process
from athena_lab.stack.processes import Entry, find_members, find_process, send
from athena_lab.stack.record import ProcessRecord

QUICK_CRASH_S = 30.0
QUICK_CRASHES_ALLOWED = 5
LONGEST_BACKOFF_S = 15.0


class State(StrEnum):
    """What a process of the stack does at present."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(slots=True)
class Child:
    """A process with its present life; only the supervisor's thread touches it.

    The parent-death signal is tied to the thread that starts a child (prctl(2)), so that thread must
    live as long as the supervisor: its main thread.
    """

    process: Process
    log: Path
    is_isolated: bool
    state: State = State.WAITING
    restarts: int = 0
    quick_crashes: int = 0
    popen: subprocess.Popen[bytes] | None = None
    start: str = ""
    launch: Launch | None = None
    next_start: float = 0.0
    next_check: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def spawn(self) -> None:
        """Start the process in a session of its own, its output into its log."""
        offset = self.log.stat().st_size if self.log.exists() else 0
        self.launch = Launch(time.time(), self.log, offset)
        self.began = time.monotonic()
        prefix = launch_prefix(
            self.process.account, is_isolated=self.is_isolated, death_signal=self.process.stop_signal
        )
        with self.log.open("ab") as output:
            self.popen = subprocess.Popen(
                [*prefix, *self.process.argv],
                cwd=self.process.directory,
                env=dict(self.process.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=self.process.umask,
            )
        entry = find_process(self.popen.pid)
        self.start = entry.start if entry else ""
        self.state = State.STARTING

    def exit_code(self) -> int | None:
        """Give the code with which the present life ended, None while it lasts."""
        return self.popen.poll() if self.popen else None

    def check_ready(self, now: float) -> bool:
        """Ask the process whether it is ready, at most four times a second."""
        if self.launch is None or now < self.next_check:
            return False
        self.next_check = now + 0.25
        return self.process.is_ready(self.launch)

    def is_overdue(self, now: float) -> bool:
        """Tell whether it has had long enough to become ready."""
        return now - self.began > self.process.start_timeout_s

    def note_crash(self, now: float) -> None:
        """Count a crash: start again after a growing pause, or give up (a one-shot at once, others in the end)."""
        self.quick_crashes = self.quick_crashes + 1 if now - self.began < QUICK_CRASH_S else 1
        if self.process.is_oneshot or self.quick_crashes > QUICK_CRASHES_ALLOWED:
            self.state = State.FAILED
            return
        self.restarts += 1
        self.next_start = now + min(0.25 * 2**self.quick_crashes, LONGEST_BACKOFF_S)
        self.state = State.RESTARTING

    def ask_to_stop(self) -> None:
        """Send the process its stop signal."""
        if self.popen is not None and self.popen.poll() is None:
            send([self.popen.pid], signal.Signals[f"SIG{self.process.stop_signal}"])

    def kill_session(self, table: dict[int, Entry]) -> None:
        """Kill what is left of the session, so that nothing outlives its leader."""
        if self.popen is not None:
            send(find_members(self.popen.pid, self.start, table) - {os.getpid()})

    def record(self, port: int | None) -> ProcessRecord:
        """Give what stack.json says of it."""
        is_alive = self.popen is not None and self.popen.returncode is None
        return ProcessRecord(
            name=self.process.name,
            state=self.state.value,
            pid=self.popen.pid if is_alive and self.popen else None,
            start=self.start if is_alive else None,
            started_at=self.launch.started_at if self.launch else None,
            port=port,
            restarts=self.restarts,
        )

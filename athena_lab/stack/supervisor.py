"""Starts the processes of the stack in the order of their needs, watches them, and stops them all."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from athena_lab.errors import UnreachableError
from athena_lab.stack.child import Child, State
from athena_lab.stack.process import Process
from athena_lab.stack.processes import Entry, find_descendants, list_processes, send

_TICK_S = 0.05
_SWEEP_S = 1.0
_PR_SET_CHILD_SUBREAPER = 36

Announce = Callable[[str], None]


class Supervisor:
    """Run processes until told to stop. Not to be shared between threads.

    `announce` gets a line for each event; `on_change` is called after any change of state.
    """

    def __init__(
        self,
        processes: Sequence[Process],
        logs: Path,
        *,
        is_isolated: bool,
        announce: Announce,
        on_change: Callable[[], None],
    ) -> None:
        self.children = [Child(process, logs / f"{process.name}.log", is_isolated) for process in processes]
        self._by_name = {child.process.name: child for child in self.children}
        self._announce, self._on_change = announce, on_change
        self._adopted: set[int] = set()
        self._strangers: set[int] = set()
        self._next_sweep = 0.0

    def start(self, should_stop: Callable[[], bool]) -> bool:
        """Start everything and wait until all is ready; False if told to stop meanwhile.

        Raises UnreachableError naming the log of the first process that cannot be started.
        """
        _adopt_orphans()
        # Children that this process had before (a test's, a program's that embeds the supervisor) are not ours.
        self._strangers = self._orphans(list_processes())
        while not should_stop():
            self._tick()
            failed = [child for child in self.children if child.state is State.FAILED]
            if failed:
                raise UnreachableError(
                    f"Cannot start '{failed[0].process.name}': it ended or did not answer. "
                    f"Read its log '{failed[0].log}', mend the cause and start again."
                )
            if all(child.state in (State.READY, State.DONE) for child in self.children):
                return True
            time.sleep(_TICK_S)
        return False

    def watch(self, should_stop: Callable[[], bool]) -> None:
        """Start crashed processes again until told to stop."""
        while not should_stop():
            self._tick()
            time.sleep(2 * _TICK_S)

    def stop(self) -> None:
        """Stop everything, those that need others first, and leave no descendant of this process."""
        for child in self.children:
            if child.exit_code() is None and child.popen is not None:
                continue
            child.state = State.STOPPED
        while running := [child for child in self.children if child.state is not State.STOPPED]:
            needed = {name for child in running for name in child.process.after}
            self._stop_together([child for child in running if child.process.name not in needed] or running)
        while left := self._left():
            send(left)
            self._reap()
            time.sleep(_TICK_S)
        self._reap()
        self._on_change()

    def _tick(self) -> None:
        now = time.monotonic()
        for child in self.children:
            self._advance(child, now)
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_S
            self._adopted = self._reap()

    def _advance(self, child: Child, now: float) -> None:
        if child.state in (State.STARTING, State.READY):
            self._observe(child, now)
        elif self._is_due(child, now):
            self._spawn(child)

    def _observe(self, child: Child, now: float) -> None:
        code = child.exit_code()
        if code is not None:
            self._note_end(child, code, now)
        elif child.state is State.STARTING and child.check_ready(now):
            child.state = State.READY
            self._announce(f"{child.process.name} ready {now - child.began:.1f} s")
            self._on_change()
        elif child.state is State.STARTING and child.is_overdue(now):
            self._announce(f"{child.process.name} did not answer within {child.process.start_timeout_s:.0f} s")
            child.state = State.FAILED
            self._on_change()

    def _note_end(self, child: Child, code: int, now: float) -> None:
        if child.process.is_oneshot and code == 0:
            child.state = State.DONE
            self._announce(f"{child.process.name} done {now - child.began:.1f} s")
        else:
            self._clean_after(child)
            child.note_crash(now)
            what = "given up" if child.state is State.FAILED else "starting it again"
            self._announce(f"{child.process.name} ended with {code}, {what}; log: {child.log}")
        self._on_change()

    def _clean_after(self, child: Child) -> None:
        """Kill what a crashed process left: its session, and descendants that moved to this process."""
        table = list_processes()
        child.kill_session(table)
        fresh = self._orphans(table) - self._adopted
        send(fresh | find_descendants(fresh, table))

    def _is_due(self, child: Child, now: float) -> bool:
        if child.state is State.RESTARTING:
            return now >= child.next_start
        if child.state is not State.WAITING:
            return False
        return all(self._by_name[name].state in (State.READY, State.DONE) for name in child.process.after)

    def _spawn(self, child: Child) -> None:
        try:
            child.spawn()
        except OSError as error:
            self._announce(f"{child.process.name} cannot be started: {error.strerror} ('{error.filename}')")
            child.state = State.FAILED
        self._on_change()

    def _stop_together(self, children: Sequence[Child]) -> None:
        for child in children:
            child.ask_to_stop()
        deadlines = {id(child): time.monotonic() + child.process.grace_s for child in children}
        while any(self._is_still_stopping(child, deadlines[id(child)]) for child in children):
            time.sleep(_TICK_S)
        table = list_processes()
        for child in children:
            if child.exit_code() is None and child.popen is not None:
                self._announce(f"{child.process.name} did not end within {child.process.grace_s:.0f} s, killed")
            child.kill_session(table)
            if child.popen is not None:
                child.popen.wait()
            child.state = State.STOPPED
        self._on_change()

    @staticmethod
    def _is_still_stopping(child: Child, deadline: float) -> bool:
        return child.popen is not None and child.popen.poll() is None and time.monotonic() < deadline

    def _orphans(self, table: dict[int, Entry]) -> set[int]:
        own = {child.popen.pid for child in self.children if child.popen is not None}
        return {entry.pid for entry in table.values() if entry.parent == os.getpid()} - own - self._strangers

    def _left(self) -> set[int]:
        """Give every living descendant of this process but the strangers' own."""
        table = list_processes()
        ours = self._orphans(table)
        return {pid for pid in ours if not table[pid].is_zombie} | find_descendants(ours, table)

    def _reap(self) -> set[int]:
        """Bury dead orphans; give the living ones."""
        table = list_processes()
        orphans = self._orphans(table)
        for pid in [pid for pid in orphans if table[pid].is_zombie]:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
        return {pid for pid in orphans if not table[pid].is_zombie}


def _adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, so that they can be found (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

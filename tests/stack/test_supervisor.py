"""The supervisor on small real processes: order, restarts, giving up, and nothing left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from athena_lab.errors import UnreachableError
from athena_lab.stack import child as child_module
from athena_lab.stack.child import State
from athena_lab.stack.process import Process
from athena_lab.stack.processes import find_process, list_processes
from athena_lab.stack.supervisor import Supervisor

SERVE = "import os, pathlib, time; pathlib.Path(os.environ['MARK']).write_text(str(os.getpid())); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVE
# A grandchild in a session of its own, as Jupyter's and papermill's kernels are.
PARENT = (
    "import os, pathlib, subprocess, sys, time; "
    "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True); "
    "pathlib.Path(os.environ['MARK']).write_text(str(c.pid)); time.sleep(600)"
)


@pytest.fixture
def supervise(tmp_path: Path):
    started: list[Supervisor] = []
    lines: list[str] = []

    def make(*processes: Process) -> tuple[Supervisor, list[str]]:
        logs = tmp_path / "logs"
        logs.mkdir(exist_ok=True)
        supervisor = Supervisor(processes, logs, is_isolated=False, announce=lines.append, on_change=lambda: None)
        started.append(supervisor)
        return supervisor, lines

    yield make
    for supervisor in started:
        supervisor.stop()


def _go_on(supervisor: Supervisor, until: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    supervisor.watch(lambda: until() or time.monotonic() > deadline)
    assert until()


def _is_gone(pid: int) -> bool:
    entry = find_process(pid)
    return entry is None or entry.is_zombie


def test_process_starts_only_after_those_it_needs_are_ready(supervise, make_process, tmp_path):
    second = "import os, pathlib, time; assert pathlib.Path(os.environ['MARK']).with_name('first').exists(); " + SERVE
    supervisor, lines = supervise(
        make_process("second", second, after=("first", "prepare")),
        make_process("prepare", "print('prepared')", is_oneshot=True),
        make_process("first", SERVE),
    )
    assert supervisor.start(lambda: False)
    assert lines[-1].startswith("second ready ")
    assert (tmp_path / "logs" / "prepare.log").read_text() == "prepared\n"


def test_crashed_process_is_started_again_with_a_new_pid(supervise, make_process):
    supervisor, lines = supervise(make_process("only", SERVE))
    supervisor.start(lambda: False)
    only = supervisor.children[0]
    former = only.popen.pid
    os.kill(former, signal.SIGKILL)
    _go_on(supervisor, lambda: only.restarts == 1 and only.state is State.READY)
    assert only.popen.pid != former
    assert any("ended with -9, starting it again" in line for line in lines)


def test_process_that_keeps_crashing_is_given_up_naming_its_log(supervise, make_process, monkeypatch):
    monkeypatch.setattr(child_module, "LONGEST_BACKOFF_S", 0.05)
    supervisor, _ = supervise(make_process("broken", "raise SystemExit(7)"))
    with pytest.raises(UnreachableError, match=r"Cannot start 'broken'.*broken\.log"):
        supervisor.start(lambda: False)
    assert supervisor.children[0].quick_crashes == child_module.QUICK_CRASHES_ALLOWED + 1


def test_failing_oneshot_is_not_tried_again(supervise, make_process):
    supervisor, _ = supervise(make_process("migrate", "raise SystemExit(1)", is_oneshot=True))
    with pytest.raises(UnreachableError, match="Cannot start 'migrate'"):
        supervisor.start(lambda: False)
    assert supervisor.children[0].restarts == 0


def test_stop_leaves_no_descendant_in_another_session(supervise, make_process, tmp_path):
    supervisor, _ = supervise(make_process("parent", PARENT))
    supervisor.start(lambda: False)
    grandchild = int((tmp_path / "parent").read_text())
    assert not _is_gone(grandchild)
    supervisor.stop()
    assert _is_gone(grandchild)
    assert not [entry for entry in list_processes().values() if entry.parent == os.getpid() and entry.is_zombie]


def test_crash_takes_the_descendants_of_the_crashed_process_with_it(supervise, make_process, tmp_path):
    supervisor, _ = supervise(make_process("parent", PARENT), make_process("other", PARENT))
    supervisor.start(lambda: False)
    lost, kept = (int((tmp_path / name).read_text()) for name in ("parent", "other"))
    os.kill(supervisor.children[0].popen.pid, signal.SIGKILL)
    _go_on(supervisor, lambda: _is_gone(lost))
    assert not _is_gone(kept)


def test_process_that_ignores_its_stop_signal_is_killed_after_its_grace(supervise, make_process):
    supervisor, _ = supervise(make_process("stubborn", STUBBORN))
    supervisor.start(lambda: False)
    pid = supervisor.children[0].popen.pid
    supervisor.stop()
    assert _is_gone(pid)


def test_stop_reaches_those_that_need_others_first(supervise, make_process, tmp_path):
    order = tmp_path / "order"
    code = (
        "import os, pathlib, signal, sys, time\n"
        f"def end(*_):\n    open({str(order)!r}, 'a').write(os.environ['MARK'][-1]); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "pathlib.Path(os.environ['MARK']).touch()\n"
        "time.sleep(600)"
    )
    supervisor, _ = supervise(make_process("a", code), make_process("b", code, after=("a",)))
    supervisor.start(lambda: False)
    supervisor.stop()
    assert order.read_text() == "ba"

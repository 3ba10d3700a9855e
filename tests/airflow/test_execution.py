"""A run from its bundle to its last report, with real papermill and real kernels."""

from __future__ import annotations

import json
import threading

import pytest

from athena_lab.airflow.execution import RunFailedError, RunStoppedError, execute_run


def outputs_of(notebook):
    return ["".join(o.get("text", "") for o in cell.get("outputs", ())) for cell in notebook["cells"]]


def test_run_reports_each_cell_and_keeps_the_output(gateway, worker, lab, a_notebook):
    bundle = a_notebook("x = 20", "print(x + 1)")
    execute_run(lab.order(lab.spec(bundle)), worker)
    assert [(c.index, c.state) for c in gateway.cells] == [
        (0, "running"), (0, "succeeded"), (1, "running"), (1, "succeeded"),
    ]  # fmt: skip
    assert {c.cells_total for c in gateway.cells} == {2}
    assert outputs_of(gateway.output) == ["", "21\n"]
    assert [f.state for f in gateway.finishes] == ["succeeded"]
    assert gateway.output["metadata"]["papermill"]["input_path"] == "reports/daily.ipynb"
    request = gateway.requests[0]
    assert (request.worker, request.version, request.is_isolated) == ("test-worker", 3, False)


def test_failing_cell_fails_at_once_and_keeps_the_partial_output(gateway, worker, lab, a_notebook):
    bundle = a_notebook("print('before')", "1 / 0", "print('never')")
    with pytest.raises(RunFailedError, match=r"ZeroDivisionError: division by zero \(code cell 2 of 3\)") as failure:
        execute_run(lab.order(lab.spec(bundle)), worker)
    assert not failure.value.may_retry
    texts = outputs_of(gateway.output)
    assert "before\n" in texts
    assert "never\n" not in texts
    assert gateway.cells[-1].state == "failed"
    assert gateway.finishes[0].state == "failed"
    assert gateway.finishes[0].error == "ZeroDivisionError: division by zero (code cell 2 of 3)"


@pytest.mark.parametrize(
    "case",  # failed before, try number, may retry
    [(0, 3, True), (1, 2, False), (None, 1, True), (None, 2, False)],
)
def test_owners_retries_are_counted_by_failed_attempts(case, gateway, worker, lab, a_notebook):
    gateway.failed_before, try_number, may_retry = case
    gateway.parameters = {"no such": 1}  # fails without the seconds of a kernel
    with pytest.raises(RunFailedError) as failure:
        execute_run(lab.order(lab.spec(a_notebook("1"), retries=1), try_number=try_number), worker)
    assert failure.value.may_retry is may_retry


def test_side_files_lie_beside_the_notebook(gateway, worker, lab, a_notebook):
    files = {"helper.py": b"ANSWER = 42", "data/sales.csv": b"a\n1\n", "random.py": b"raise SystemExit('shadowed')"}
    bundle = a_notebook("import helper; print(helper.ANSWER)", "print(open('data/sales.csv').read())", files=files)
    execute_run(lab.order(lab.spec(bundle)), worker)
    assert outputs_of(gateway.output) == ["42\n", "a\n1\n\n"]


def test_cancelled_run_stops_its_kernel_and_says_so(gateway, worker, lab, a_notebook):
    bundle = a_notebook("import time\nprint('started', flush=True)\ntime.sleep(600)", "print('never')")

    def cancel():
        gateway.wait_for(lambda: any(c.state == "running" for c in gateway.cells))
        gateway.is_cancelled = True

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(RunStoppedError, match="cancelled"):
        execute_run(lab.order(lab.spec(bundle)), worker)
    thread.join()
    assert [f.state for f in gateway.finishes] == ["cancelled"]
    assert "KeyboardInterrupt" in json.dumps(gateway.output)
    assert "never\n" not in outputs_of(gateway.output)


def test_cell_that_ignores_the_interrupt_is_killed(gateway, worker, lab, a_notebook):
    stubborn = (
        "import time\nwhile True:\n    try:\n        time.sleep(600)\n    except KeyboardInterrupt:\n        pass"
    )
    bundle = a_notebook(stubborn)
    gateway.is_cancelled = True
    with pytest.raises(RunStoppedError):
        execute_run(lab.order(lab.spec(bundle)), worker)
    assert [f.state for f in gateway.finishes] == ["cancelled"]


def test_run_over_its_time_fails_with_its_partial_output(gateway, worker, lab, a_notebook):
    gateway.timeout_s = 3
    bundle = a_notebook("print('kept')", "import time; time.sleep(600)")
    with pytest.raises(RunFailedError, match="longer than the 3 s"):
        execute_run(lab.order(lab.spec(bundle)), worker)
    assert gateway.finishes[0].state == "failed"


def test_superseded_attempt_stops_without_a_word(gateway, worker, lab, a_notebook):
    bundle = a_notebook("import time; time.sleep(600)")

    def supersede():
        gateway.wait_for(lambda: any(c.state == "running" for c in gateway.cells))
        gateway.is_superseded = True

    thread = threading.Thread(target=supersede)
    thread.start()
    with pytest.raises(RunStoppedError, match="superseded"):
        execute_run(lab.order(lab.spec(bundle)), worker)
    thread.join()
    assert gateway.finishes == []


def test_gateway_that_restarts_does_not_fail_the_run(gateway, worker, lab, a_notebook):
    bundle = a_notebook("print('one')", "import time; time.sleep(2)", "print('three')")

    def restart():
        gateway.wait_for(lambda: any(c.index == 1 for c in gateway.cells))
        gateway.stop()
        lab.eventually(lambda: threading.Event().wait(3) is False)
        gateway.start()

    thread = threading.Thread(target=restart)
    thread.start()
    execute_run(lab.order(lab.spec(bundle)), worker)
    thread.join()
    assert [f.state for f in gateway.finishes] == ["succeeded"]
    assert [(c.index, c.state) for c in gateway.cells][-1] == (2, "succeeded")
    assert outputs_of(gateway.output) == ["one\n", "", "three\n"]


def test_dead_kernel_is_said_clearly(gateway, worker, lab, a_notebook):
    bundle = a_notebook("print('kept', flush=True)", "import os; os._exit(3)")
    with pytest.raises(RunFailedError, match=r"The kernel died: its process exited with code 3 \(code cell 2 of 2\)"):
        execute_run(lab.order(lab.spec(bundle)), worker)
    assert outputs_of(gateway.output)[0] == "kept\n"
    assert (gateway.cells[-1].index, gateway.cells[-1].state) == (1, "failed")


def test_exit_with_zero_ends_the_run_well(gateway, worker, lab, a_notebook):
    bundle = a_notebook("import sys; sys.exit(0)", "print('never')")
    execute_run(lab.order(lab.spec(bundle)), worker)
    assert gateway.finishes[0].state == "succeeded"


def test_task_ended_by_airflow_stops_the_kernel_and_says_so(gateway, worker, lab, a_notebook):
    from athena_lab.airflow.reporting import StopReason

    reporters = []

    def end():
        gateway.wait_for(lambda: any(c.state == "running" for c in gateway.cells))
        reporters[0].stop(StopReason.ENDED_BY_AIRFLOW)

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(RunStoppedError):
        execute_run(lab.order(lab.spec(a_notebook("import time; time.sleep(600)"))), worker, reporters.append)
    thread.join()
    assert [f.state for f in gateway.finishes] == ["cancelled"]


def test_gateway_that_stays_away_ends_the_run_for_a_retry(gateway, worker, lab, a_notebook):
    from dataclasses import replace

    from athena_lab.airflow.execution import WorkerTroubleError
    from athena_lab.airflow.reporting import Pace

    impatient = replace(worker, pace=Pace(heartbeat_s=0.2, retry_s=0.1, give_up_s=2, grace_s=1))

    def leave():
        gateway.wait_for(lambda: any(c.state == "running" for c in gateway.cells))
        gateway.stop()

    thread = threading.Thread(target=leave)
    thread.start()
    with pytest.raises(WorkerTroubleError, match="gateway does not answer"):
        execute_run(lab.order(lab.spec(a_notebook("import time; time.sleep(600)"))), impatient)
    thread.join()
    gateway.start()


def test_bundle_with_other_content_than_its_name_is_refused(gateway, worker, lab, a_notebook):
    from athena_lab.airflow.execution import WorkerTroubleError

    right, wrong = a_notebook("print(1)"), a_notebook("print(2)")
    gateway.bundles[right] = gateway.bundles[wrong]
    with pytest.raises(WorkerTroubleError, match="sent other content"):
        execute_run(lab.order(lab.spec(right), is_last_try=True), worker)
    assert gateway.finishes[0].state == "failed"
    assert gateway.cells == []


@pytest.mark.parametrize("name", ["files/../../evil.py", "files//etc/evil", "files/a\\..\\b"])
def test_file_that_would_land_outside_is_not_unpacked(name, tmp_path):
    import zipfile

    from athena_lab.airflow.bundle_cache import unpack
    from athena_lab.airflow.sandbox import RunFolder, choose_sandbox
    from athena_lab.errors import UpstreamError

    folder = RunFolder(tmp_path / "run")
    folder.work.mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("notebook.ipynb", "{}")
        archive.writestr(name, "evil")
    with pytest.raises(UpstreamError, match="lies outside"):
        unpack(tmp_path / "b.zip", folder, choose_sandbox({}))
    assert list(folder.work.rglob("*")) == []


def test_expected_exception_does_not_fail_the_run(gateway, worker, lab, a_notebook):
    execute_run(lab.order(lab.spec(a_notebook(("1 / 0", "raises-exception"), "print('on')"))), worker)
    assert gateway.finishes[0].state == "succeeded"
    assert outputs_of(gateway.output)[1] == "on\n"

"""The limits that a job sets for its runs, as a worker keeps them."""

from __future__ import annotations

import time

import pytest

from athena_lab.airflow.execution import RunFailedError, RunSkippedError, execute_run

SLOW = "import time; time.sleep(60)"
DEAF = """
import time
for _ in range(600):
    try:
        time.sleep(0.1)
    except KeyboardInterrupt:
        pass
"""
CALM = """
import time
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("so be it")
"""


@pytest.mark.parametrize("cell", [SLOW, DEAF, CALM], ids=["interrupted", "deaf", "calm"])
def test_slow_cell_is_stopped_and_the_error_says_so(cell, gateway, worker, lab, a_notebook):
    bundle = a_notebook("print('before')", cell, "print('never')")
    began = time.monotonic()
    with pytest.raises(
        RunFailedError, match=r"The cell took longer than the 1 s that its job allows \(code cell 2 of 3"
    ):
        execute_run(lab.order(lab.spec(bundle, guards={"cell_timeout_s": 1})), worker)
    assert time.monotonic() - began < 40
    assert [(event.index, event.state) for event in gateway.cells][-1] == (1, "failed")
    assert "never" not in str([cell.get("outputs") for cell in gateway.output["cells"]])


def test_cells_timeout_is_a_cells_own(gateway, worker, lab, a_notebook):
    bundle = a_notebook(*["import time; time.sleep(0.8)"] * 3)
    execute_run(lab.order(lab.spec(bundle, guards={"cell_timeout_s": 2})), worker)
    assert gateway.finishes[0].state == "succeeded"


def test_skipped_run_starts_no_kernel(gateway, worker, lab, a_notebook):
    gateway.is_skipped = True
    with pytest.raises(RunSkippedError, match="overlaps are skipped"):
        execute_run(lab.order(lab.spec(a_notebook("1"))), worker)
    assert (gateway.cells, gateway.finishes) == ([], [])

"""Rehearsals: one static DAG, whose runs execute the spec in their conf on the path of any run."""

from __future__ import annotations

import json

import pytest

from athena_lab.gateway_api.worker import REHEARSAL_DAG_ID
from athena_lab.jobs.platform_files import PLATFORM_FILES

# Parses a folder as the DAG processor does, in safe mode; then executes the task with each conf, as a worker does.
PROGRAM = """
import json, sys
from datetime import datetime, UTC
from types import SimpleNamespace
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(dag_folder=sys.argv[1], bundle_path=None, bundle_name="jobs", safe_mode=True)
dags = {}
for dag_id, dag in bag.dags.items():
    back = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    dags[dag_id] = {
        "tags": sorted(back.tags), "catchup": back.catchup, "active": back.max_active_runs,
        "paused": back.is_paused_upon_creation, "timetable": type(back.timetable).__name__,
        "tasks": {task.task_id: [task.retries, len(task.outlets)] for task in back.tasks},
    }
heavy = [m for m in ("papermill", "nbclient", "pandas", "duckdb", "fastapi.applications") if m in sys.modules]
ends = []
for number, conf in enumerate(json.load(sys.stdin)):
    run = SimpleNamespace(
        dag_id=sys.argv[2], run_id=f"manual__{number}", run_type="manual", run_after=datetime.now(UTC),
        logical_date=None, conf=conf,
    )
    task = bag.dags[sys.argv[2]].get_task("notebook")
    try:
        task.execute.__wrapped__(task, {"dag_run": run, "ti": SimpleNamespace(try_number=1, max_tries=2)})
        ends.append("success")
    except Exception as error:
        ends.append([type(error).__name__, str(error)])
print(json.dumps({"dags": dags, "errors": dict(bag.import_errors), "heavy": heavy, "ends": ends}))
"""


def conf_of(bundle, **changes):
    spec = {
        "id": "~rehearsal", "version": 1, "bundle": bundle, "parameters": [], "retries": 0, "timeout_s": 300,
        "source": {"path": "reports/daily.ipynb"}, "guards": {"cell_timeout_s": None},
    }  # fmt: skip
    return {"athena_request": "0" * 32, "spec": spec | changes}


@pytest.fixture
def in_airflow(airflow_process, tmp_path):
    def run(confs, **environ):
        folder = tmp_path / "dags"
        folder.mkdir()
        for path, text in PLATFORM_FILES.items():
            (tmp_path / path).write_text(text)
        done = airflow_process(PROGRAM, folder, REHEARSAL_DAG_ID, stdin=json.dumps(confs), **environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_platforms_files_become_dags_that_run_only_when_asked_and_cost_no_parse(in_airflow):
    parsed = in_airflow([])
    assert parsed["errors"] == {}
    assert set(parsed["dags"]) == {"athena_beacon", "athena__platform__rehearsal"}
    assert parsed["dags"][REHEARSAL_DAG_ID] == {
        "tags": ["athena"], "catchup": False, "active": 16, "paused": False, "timetable": "NullTimetable",
        "tasks": {"notebook": [2, 0]},
    }  # fmt: skip
    assert parsed["heavy"] == []


def test_run_executes_the_spec_in_its_conf_and_refuses_any_other(in_airflow, lab, gateway, a_notebook, worker):
    good = a_notebook(
        ("print('makes scratch tables')", "athena-rehearsal"), ("day = '2026-01-01'", "parameters"), "print(day)"
    )
    bad = a_notebook(("print('makes scratch tables')", "athena-rehearsal"), "print(1)", "1 / 0")
    broken = a_notebook(("1 / 0", "athena-rehearsal"), "print(1)")
    gateway.parameters = {"day": "2026-11-23"}
    declared = [{"name": "day", "type": "str", "default": "2026-01-01"}]
    wrong = {
        "its conf has no spec": None,
        "its conf has no spec ": {"spec": ["a list"]},
        "its id is not '~rehearsal'": conf_of(good, id="daily"),
        "its bundle is no SHA-256": conf_of("../../etc/passwd"),
        "its timeout_s is no whole number": conf_of(good, timeout_s="1; import os"),
        "its version is no whole number": conf_of(good, version=True),
        "it has retries": conf_of(good, retries=3),
        "its guards is no object": conf_of(good, guards=[1]),
        "its cell_timeout_s is no whole number": conf_of(good, guards={"cell_timeout_s": "soon"}),
        "its parameters are no list": conf_of(good, parameters=[{"name": "day"}]),
        "its schema_version is not 1": conf_of(good, schema_version=2),
    }
    right = [conf_of(bundle, parameters=declared) for bundle in (good, bad, broken)]
    ends = in_airflow([*wrong.values(), *right], **worker.environ, ATHENA_WORKER_KEY_FILE=str(worker.key_file))["ends"]
    for number, (reason, (kind, message)) in enumerate(zip(wrong, ends, strict=False)):
        assert kind == "AirflowFailException"
        assert message.startswith(f"Cannot rehearse 'manual__{number}': {reason.strip()}")
        assert message.endswith("Start rehearsals from a notebook's schedule in JupyterLab.")
    assert ends[len(wrong) :] == [
        "success",
        ["AirflowFailException", "ZeroDivisionError: division by zero (code cell 2 of 2)"],
        [
            "AirflowFailException",
            "ZeroDivisionError: division by zero (the rehearsal's own cell, which makes the scratch tables)",
        ],
    ]
    assert [(one.dag_id, one.job_id, one.version, one.bundle) for one in gateway.requests] == [
        (REHEARSAL_DAG_ID, "~rehearsal", 1, bundle) for bundle in (good, bad, broken)
    ], "what is refused is not even begun"
    assert [finish.state for finish in gateway.finishes] == ["succeeded", "failed", "failed"]
    first = [(cell.index, cell.state) for cell in gateway.cells if cell.cells_total == 3][:6]
    assert first == [(n, state) for n in range(3) for state in ("running", "succeeded")]
    printed = [cell.get("outputs", ()) for output in gateway.outputs for cell in json.loads(output)["cells"]]
    assert any(output.get("text") == "2026-11-23\n" for outputs in printed for output in outputs)

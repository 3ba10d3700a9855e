"""Specs become DAGs, as Airflow's own processor reads and serializes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from athena_lab.jobs.platform_files import PLATFORM_FILES

LOADER = "from athena_lab.airflow.loader import load_shard\n\nglobals().update(load_shard(__file__))  # DAG airflow\n"


@pytest.fixture
def shard(tmp_path, lab):
    """A loader file and the folder of its specs; call it with specs."""
    (tmp_path / "shard_000").mkdir()
    (tmp_path / "shard_000.py").write_text(LOADER)

    def write(*specs):
        for spec in specs:
            (tmp_path / "shard_000" / f"{spec['id']}.json").write_text(json.dumps(spec, sort_keys=True))
        return tmp_path / "shard_000.py"

    return write


@pytest.fixture
def in_airflow(airflow_process):
    """Give a function that runs a program in Airflow; it gives what was printed as JSON, and all that was told."""

    def run(program, *arguments, **environ):
        done = airflow_process(program, *arguments, **environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr

    return run


PARSE = """
import json, resource, sys, time
from airflow.dag_processing.dagbag import DagBag
start = time.process_time()
bag = DagBag(dag_folder=sys.argv[1], bundle_path=None, bundle_name="jobs")
spent = time.process_time() - start
from airflow.serialization.serialized_objects import DagSerialization
data = {}
for dag_id, dag in bag.dags.items():
    whole = DagSerialization.to_dict(dag)
    back = DagSerialization.from_dict(whole)
    task = back.get_task("notebook")
    data[dag_id] = {
        "tags": sorted(back.tags), "catchup": back.catchup, "max_active_runs": back.max_active_runs,
        "paused": back.is_paused_upon_creation, "name": back.dag_display_name, "start": back.start_date.isoformat(),
        "timetable": [type(back.timetable).__name__, back.timetable.summary], "retries": task.retries,
        "delay": task.retry_delay.total_seconds(), "owner": task.owner, "bytes": len(json.dumps(whole)),
    }
heavy = [m for m in ("papermill", "nbclient", "pandas", "duckdb", "fastapi.applications") if m in sys.modules]
print(json.dumps({"dags": data, "errors": dict(bag.import_errors), "cpu_s": spent, "heavy": heavy}))
"""


def test_spec_becomes_the_dag_that_it_describes(in_airflow, tmp_path, lab, shard):
    loader = shard(lab.spec("a" * 64), lab.spec("b" * 64, id="by_hand", schedule={"cron": None, "timezone": "UTC"}))
    parsed, _ = in_airflow(PARSE, loader)
    assert parsed["errors"] == {}
    dag = parsed["dags"]["athena__analysts__daily"]
    assert dag["tags"] == ["athena", "owner:ada", "v3"]
    assert (dag["catchup"], dag["max_active_runs"], dag["paused"]) == (False, 1, False)
    assert (dag["name"], dag["owner"]) == ("Daily report", "ada")
    assert dag["start"].startswith("2026-11-01T00:00:00")
    assert dag["timetable"] == ["JobTimetable", "30 6 * * *"]
    assert (dag["retries"], dag["delay"]) == (2, 3.0)
    assert parsed["dags"]["athena__analysts__by_hand"]["timetable"][0] == "NullTimetable"
    assert "papermill" not in parsed["heavy"]


def test_broken_spec_does_not_take_down_its_neighbours(in_airflow, tmp_path, lab, shard):
    bundle = "a" * 64
    shard(
        lab.spec(bundle, id="good"),
        lab.spec(bundle, id="bad_cron", schedule={"cron": "61 * * * *", "timezone": "UTC"}),
        lab.spec(bundle, id="bad_zone", schedule={"cron": "1 * * * *", "timezone": "Mars/Olympus"}),
        lab.spec(bundle, id="bad_version", version="1; import os"),
        lab.spec(bundle, id="bad_start", start_at="2026-11-01"),
        lab.spec(bundle, id="rehearsal", team="platform"),
    )
    loader = shard(lab.spec("../../etc", id="bad_bundle"))
    (tmp_path / "shard_000" / "no_json.json").write_text("{")
    (tmp_path / "shard_000" / "a_list.json").write_text("[]")
    (tmp_path / "shard_000" / "other_id.json").write_text(json.dumps(lab.spec("a" * 64)))
    parsed, log = in_airflow(PARSE, loader)
    assert (list(parsed["dags"]), parsed["errors"]) == (["athena__analysts__good"], {})
    bad = ("bad_cron", "bad_zone", "bad_start", "bad_bundle", "bad_version", "no_json", "a_list", "other_id")
    assert all(name in log for name in (*bad, "take the place of the platform's rehearsals"))


def test_only_the_wanted_dag_is_read_before_a_task(in_airflow, tmp_path, lab, shard):
    loader = shard(*(lab.spec("a" * 64, id=f"job_{n}") for n in range(5)))
    parsed, _ = in_airflow(PARSE, loader, _AIRFLOW_PARSING_CONTEXT_DAG_ID="athena__analysts__job_3")
    assert list(parsed["dags"]) == ["athena__analysts__job_3"]


def test_shard_of_40_specs_is_parsed_in_a_second(in_airflow, tmp_path, lab, shard):
    loader = shard(*(lab.spec("a" * 64, id=f"job_{n}", retries=n % 2) for n in range(40)))
    parsed, _ = in_airflow(PARSE, loader)
    print(f"40 specs: {parsed['cpu_s']:.2f} CPU-s, {parsed['dags']['athena__analysts__job_0']['bytes']} bytes a DAG")
    assert len(parsed["dags"]) == 40
    assert parsed["cpu_s"] < 4


RETRIES = """
import json, sys
from athena_lab.airflow.loader import NotebookFailedError, build_dag
spec = json.load(open(sys.argv[1]))
dag = build_dag(spec)
policy = dag.get_task("notebook").retry_policy
errors = [*(NotebookFailedError("x", n) for n in (0, 1, 2, 30)), OSError()]
decisions = [policy.evaluate(error, 1, 3) for error in errors]
delays = [d.retry_delay.total_seconds() if d.retry_delay else None for d in decisions]
print(json.dumps([dag.max_active_runs, delays]))
"""


@pytest.mark.parametrize(
    ("guards", "expected"),
    [
        ({}, [1, [60, 60, 60, 60, None]]),
        ({"retry_delay_s": 5, "has_backoff": True, "overlap": "skip"}, [16, [5, 10, 20, 24 * 3600, None]]),
    ],
)
def test_owner_chooses_overlaps_and_the_pace_of_retries(in_airflow, tmp_path, lab, guards, expected):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(lab.spec("a" * 64, retries=3, guards=guards)))
    told, _ = in_airflow(RETRIES, spec)
    assert told == expected


DESCRIBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(dag_folder=sys.argv[1], bundle_path=None, bundle_name="jobs")
data = {}
for dag_id, dag in bag.dags.items():
    back = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    condition = back.timetable.asset_condition
    data[dag_id] = {
        "timetable": type(back.timetable).__name__,
        "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in back.tasks},
        "all_of": [a.uri for _, a in condition.iter_assets()], "kind": type(condition).__name__,
        "outlets": [a.uri for a in back.get_task("notebook").outlets],
        "waits": back.has_task("wait") and back.get_task("wait").start_from_trigger,
    }
print(json.dumps(data))
"""


def test_tables_become_assets_that_runs_update_and_wait_for(in_airflow, tmp_path, lab, shard):
    def spec(job_id, mode, cron=None):
        return lab.spec("a" * 64) | {
            "id": job_id, "project": "athena", "schedule": {"cron": cron, "timezone": "UTC"},
            "after": {"mode": mode, "tables": ["ds.x", "shop.ds.y"], "deadline_s": 60},
            "tables": {"reads": ["ds.x"], "writes": ["ds.out", "ds.größe"]},
        }  # fmt: skip

    loader = shard(
        spec("woken", "updates"),
        spec("timed", "time_and_updates", "0 6 * * *"),
        lab.spec("a" * 64) | {"id": "former", "tables": {"reads": [], "writes": ["ds.out"]}},
        spec("nothing", "updates") | {"after": {"mode": "updates", "tables": []}},
    )
    dags, log = in_airflow(DESCRIBE, loader)
    woken, timed = dags["athena__analysts__woken"], dags["athena__analysts__timed"]
    assert woken["outlets"] == ["bigquery://athena/ds/out", "bigquery://athena/ds/gr%C3%B6%C3%9Fe"]
    assert (woken["timetable"], woken["tasks"], woken["waits"]) == ("AssetTriggeredTimetable", {"notebook": []}, False)
    assert sorted(woken["all_of"]) == ["bigquery://athena/ds/x", "bigquery://shop/ds/y"]
    assert "All" in woken["kind"], "one updated table is not enough"
    assert timed["tasks"] == {"wait": ["notebook"], "notebook": []}
    assert (timed["timetable"], timed["waits"], timed["all_of"]) == ("JobTimetable", True, [])
    assert dags["athena__analysts__former"]["outlets"] == [], "it does not say whose project its tables are of"
    assert "names no table to run after" in log


EXECUTE = """
import json, sys
from datetime import datetime, UTC
from types import SimpleNamespace
from athena_lab.airflow.loader import build_dag
ends = []
for path in sys.argv[1:]:
    dag = build_dag(json.load(open(path)))
    now = datetime.now(UTC)
    run = SimpleNamespace(dag_id=dag.dag_id, run_id="manual__1", run_type="manual", run_after=now, logical_date=None)
    task = dag.get_task("notebook")
    try:
        task.execute.__wrapped__(task, {"dag_run": run, "ti": SimpleNamespace(try_number=1, max_tries=2)})
        ends.append("success")
    except Exception as error:
        ends.append([type(error).__name__, str(error)])
print(json.dumps(ends))
"""


def test_operator_fails_at_once_unless_its_owner_asked_for_retries(
    in_airflow, tmp_path, lab, gateway, a_notebook, runs_folder
):
    key = tmp_path / "worker.key"
    key.write_text(lab.key)
    bundle = a_notebook("1 / 0")
    specs = [tmp_path / "0.json", tmp_path / "1.json"]
    for retries, spec in enumerate(specs):
        spec.write_text(json.dumps(lab.spec(bundle, retries=retries)))
    places = {"ATHENA_GATEWAY_URL": gateway.url, "ATHENA_RUNS_DIR": str(runs_folder)}
    ends, _ = in_airflow(EXECUTE, *specs, ATHENA_WORKER_KEY_FILE=str(key), **places)
    message = "ZeroDivisionError: division by zero (code cell 1 of 1)"
    assert ends == [["AirflowFailException", message], ["NotebookFailedError", message]]
    assert gateway.requests[0].logical_date is None
    assert gateway.requests[0].run_after <= datetime.now(UTC)


def test_plugin_is_found_through_its_entry_point(in_airflow, tmp_path):
    program = (
        "import json, sys\n"
        "from airflow import plugins_manager\n"
        "names = [p.name for p in plugins_manager._get_plugins()[0]]\n"
        "light = 'athena_lab.airflow.routes' not in sys.modules\n"
        "apps = [a['url_prefix'] for a in plugins_manager.get_fastapi_plugins()[0]]\n"
        "print(json.dumps([names, light, apps]))"
    )
    (names, light, apps), _ = in_airflow(program)
    assert "athena_lab" in names
    assert light
    assert "/athena" in apps


FILES_THAT_AIRFLOW_LOOKS_AT = """
import json, sys
from airflow._shared.module_loading.file_discovery import find_path_from_directory
print(json.dumps(sorted(find_path_from_directory(sys.argv[1], ".airflowignore", "glob"))))
"""


def test_airflow_looks_at_loaders_and_passes_over_the_specs(in_airflow, tmp_path, lab, shard):
    loader = shard(lab.spec("a" * 64), lab.spec("b" * 64, id="other"))
    (tmp_path / ".airflowignore").write_text(PLATFORM_FILES["dags/.airflowignore"])
    seen, _ = in_airflow(FILES_THAT_AIRFLOW_LOOKS_AT, tmp_path)
    assert [path for path in seen if "home" not in path] == [str(loader)]

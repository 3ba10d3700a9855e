"""Celery workers that die: the run goes on elsewhere, nothing of the lost attempt stays, and the record says so."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from athena_lab.errors import AthenaError
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.jobs import RunState
from athena_lab.gateway_api.terms import Schedule
from athena_lab.warehouse.connect import connect
from tests.acceptance.notebooks import notebook_of, promote
from tests.acceptance.running_stack import ATHENA, started_stack, wait_for

pytestmark = [pytest.mark.soak, pytest.mark.stack, pytest.mark.timeout(1200)]
APPEND = """import os, socket, time
from google.cloud import bigquery
client = bigquery.Client()
client.query_and_wait("CREATE SCHEMA IF NOT EXISTS soak")
client.query_and_wait("CREATE TABLE IF NOT EXISTS soak.rows (at TIMESTAMP)")
client.query_and_wait("INSERT INTO soak.rows VALUES (CURRENT_TIMESTAMP())")"""
SLEEP = "time.sleep(25)"


@pytest.fixture(scope="module")
def celery():
    command = [str(ATHENA), "up", "--celery", "--no-lab"]
    with started_stack(command, {"ATHENA_MINIMUM_INTERVAL_S": "60"}) as running:
        yield running


def environ_of(pid: int) -> dict[str, str]:
    try:
        parts = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(part.decode(errors="replace").split("=", 1) for part in parts if b"=" in part)


def pids_with(name: str, value: str) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if environ_of(pid).get(name) == value]


def kill_parent(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def kill_group(pid: int) -> None:
    os.killpg(os.getpgid(pid), signal.SIGKILL)


@pytest.mark.parametrize("kill", [kill_parent, kill_group])
def test_run_of_a_killed_worker_goes_on_elsewhere(celery, kill):
    name = f"survivor {kill.__name__}"
    promotion = promote(celery, name, notebook_of(APPEND, SLEEP))
    run = celery.start_run(promotion.job_id)
    wait_for("the first cell", lambda: celery.get_run(run.id).cells_done >= 1)
    first = celery.get_run(run.id).attempts[0]
    lost = next(p for p in celery.status()["processes"] if p["name"] in first.worker)
    kernels = pids_with("ATHENA_RUN", run.id)
    assert kernels, "the run's kernel is found by its environment"
    killed_at = time.monotonic()
    kill(lost["pid"])
    wait_for(
        "the second attempt",
        lambda: len(celery.get_run(run.id).attempts) > 1,
        deadline_s=45,
    )
    moved_s = time.monotonic() - killed_at
    assert not set(kernels) & set(pids_with("ATHENA_RUN", run.id)), "a kernel of the lost attempt is left behind"
    done = celery.wait_run(run.id, "succeeded", deadline_s=180)
    with celery.gateway() as gateway:
        rows = next(iter(connect(gateway).query_and_wait("SELECT COUNT(*) AS n FROM soak.rows"))).n
        connect(gateway).query_and_wait("DROP TABLE soak.rows")
    assert rows == 1 or done.may_be_doubled
    assert [attempt.state for attempt in done.attempts] == ["abandoned", "succeeded"]
    print(json.dumps({"name": f"moved_s_{kill.__name__}", "value": round(moved_s, 1), "unit": "s", "n": 1}))


def test_abandoned_attempt_cannot_speak_to_the_gateway(celery):
    promotion = promote(celery, "usurped", notebook_of("import time", "time.sleep(8)"))
    run = celery.start_run(promotion.job_id)
    celery.wait_run(run.id, "running")
    key = (celery.home / "worker" / "worker.key").read_text().strip()
    with GatewayClient(celery.url("gateway"), lambda: key) as worker, pytest.raises(AthenaError):
        worker.heartbeat(run.id, 0)
    done = celery.wait_run(run.id, "succeeded")
    assert done.attempts[0].worker.startswith("worker-")


def test_scheduled_runs_happen_with_no_jupyterlab_anywhere(celery):
    assert "lab" not in {process["name"] for process in celery.status()["processes"]}
    schedule = Schedule(cron="* * * * *")
    promotion = promote(celery, "without lab", notebook_of("print('tick')"), schedule=schedule)

    def two_scheduled():
        with celery.gateway() as gateway:
            runs = gateway.list_runs(job_id=promotion.job_id)
        return len([run for run in runs if run.type == "scheduled" and run.state is RunState.SUCCEEDED]) >= 2

    wait_for("two scheduled runs", two_scheduled, deadline_s=240, pause_s=2)


def test_fires_missed_while_the_machine_slept_give_at_most_one_run(celery):
    promotion = promote(celery, "sleeper", notebook_of("print('awake')"), schedule=Schedule(cron="* * * * *"))

    def scheduled():
        with celery.gateway() as gateway:
            return [run for run in gateway.list_runs(job_id=promotion.job_id) if run.type == "scheduled"]

    wait_for("the first scheduled run", scheduled, deadline_s=150, pause_s=1)
    names = ("scheduler", "dag-processor")
    asleep = [process["pid"] for process in celery.status()["processes"] if process["name"] in names]
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    before, fell_asleep = len(scheduled()), time.time()
    wait_for("four missed fires", lambda: time.time() > fell_asleep + 240, deadline_s=300, pause_s=5)
    for pid in asleep:
        os.kill(pid, signal.SIGCONT)
    woke = time.time()
    wait_for("a run after the sleep", lambda: len(scheduled()) > before, deadline_s=150, pause_s=1)
    expected = 1 + int((time.time() - woke) // 60) + 1  # one for all the missed ones, and those due since
    assert len(scheduled()) - before <= expected

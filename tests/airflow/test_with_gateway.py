"""A run against the real gateway (its own process), as a worker executes it."""

from __future__ import annotations

import dataclasses
import json
import threading
from datetime import UTC, datetime

import pytest

from athena_lab.airflow.execution import RunOrder, RunStoppedError, execute_run
from athena_lab.gateway_api.jobs import RunRequest, RunState
from tests.gateway.conftest import Gateway

ASK = """
import time, hashlib
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.settings import Settings
with GatewayClient.from_settings(Settings.from_environment()) as client:
    me = client.get_me()
    begin = time.monotonic()
    while time.monotonic() - begin < 5:
        time.sleep(0.2)
    again = client.get_me()
print(me.kind, me.user, again.attempt, day)
"""


@pytest.fixture(scope="module")
def real_gateway(tmp_path_factory, nursery):
    made = Gateway(tmp_path_factory.mktemp("gw") / "home", nursery, ATHENA_RUN_TOKEN_S="3")
    made.start()
    yield made
    made.close()


@pytest.fixture
def order_run(real_gateway, worker):
    """Ask for a run of a job as ann; give the run, what Airflow would say of it, and the worker that may take it."""
    worker.key_file.write_text(real_gateway.worker_key)
    here = dataclasses.replace(
        worker,
        gateway_url=real_gateway.url,
        environ={**worker.environ, "ATHENA_GATEWAY_URL": real_gateway.url},
    )

    def ask(job, **parameters):
        run = real_gateway.ann.run_job(job.id, RunRequest(parameters=parameters))
        spec = json.loads(real_gateway.airflow.git("show", f"main:dags/{job.team}/shard_000/{job.id}.json"))
        order = RunOrder(
            spec=spec, dag_id=run.dag_id, airflow_run_id=run.airflow_run_id, run_type="manual",
            run_after=datetime.now(UTC), logical_date=None, try_number=1, is_last_try=False,
        )  # fmt: skip
        return run, order, here

    return ask


def test_run_longer_than_its_tokens_life_ends_well(real_gateway, order_run):
    job = real_gateway.deploy(ASK, name="Long")
    run, order, worker = order_run(job, day="2026-01-31")
    execute_run(order, worker)
    seen = real_gateway.ann.get_run(run.id)
    assert (seen.state, seen.cells_done, seen.cells_total) == (RunState.SUCCEEDED, len(seen.cells), len(seen.cells))
    output = json.dumps(real_gateway.ann.get_output(run.id))
    assert "run ann 1 2026-01-31" in output
    assert "eyJ" not in output


def test_cancelled_run_is_cancelled_everywhere(real_gateway, order_run):
    job = real_gateway.deploy("import time; time.sleep(600)", name="Endless")
    run, order, worker = order_run(job)

    def cancel():
        real_gateway_run = real_gateway.ann
        deadline = threading.Event()
        while not any(cell.state == "running" for cell in real_gateway_run.get_run(run.id).cells):
            deadline.wait(0.1)
        real_gateway_run.cancel_run(run.id)

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(RunStoppedError, match="cancelled"):
        execute_run(order, worker)
    thread.join()
    assert real_gateway.ann.get_run(run.id).state is RunState.CANCELLED

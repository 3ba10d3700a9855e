"""A job's terms on a real stack: secrets stay in memory, failures are told, the past is made up for."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from athena_lab.gateway_api.backfills import BackfillRequest
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.jobs import BundleUpload, PromoteRequest, PromotionState, RunRequest, Source
from athena_lab.gateway_api.secrets import SecretValue
from athena_lab.gateway_api.terms import Alert, AlertChannel, Guards, Parameter, ParameterType, RelativeDate, Schedule

pytestmark = pytest.mark.stack
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
SECRET = "wholly-unlikely-value-4711"


@pytest.fixture
def hook():
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.bodies = []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def gateway(stack):
    token = (stack.home.analyst / "token").read_text().strip()
    with GatewayClient(stack.record.urls["gateway"], lambda: token) as client:
        yield client


def deploy(gateway, wait_until, name, *cells, **fields):
    made = [
        {"cell_type": "code", "id": f"c{number}", "source": source, "outputs": [], "execution_count": None,
         "metadata": {"tags": ["parameters"]} if number == 0 else {}}
        for number, source in enumerate(cells)
    ]  # fmt: skip
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": KERNEL, "cells": made}
    bundle = gateway.upload_bundle(BundleUpload(notebook=notebook, source=Source(path=f"{name}.ipynb")))
    promotion = gateway.promote(PromoteRequest(bundle=bundle.hash, name=name, **fields))
    state = lambda: gateway.get_promotion(promotion.job_id, promotion.version, wait_s=5).state  # noqa: E731
    wait_until(lambda: state() is PromotionState.VISIBLE, 60)
    return promotion.job_id


def test_secret_reaches_the_run_and_nothing_else_and_its_failure_is_told(stack, gateway, hook, wait_until):
    gateway.set_secret("API_KEY", SecretValue(value=SECRET))
    gateway.set_secret("HOOK", SecretValue(value=f"http://127.0.0.1:{hook.server_address[1]}/in"))
    key = Parameter(name="key", type=ParameterType.STRING, value={"secret": "API_KEY"})
    job = deploy(
        gateway, wait_until, "With a secret", "key = ''", f"print(key); assert len(key) == {len(SECRET)}",
        "raise ValueError(key)", parameters=(key,), alerts=(Alert(channel=AlertChannel.WEBHOOK, target="HOOK"),),
    )  # fmt: skip
    run = gateway.run_job(job, RunRequest())
    wait_until(lambda: gateway.get_run(run.id).state.is_final, 90)
    run = gateway.get_run(run.id)
    assert [cell.state for cell in run.cells] == ["succeeded", "succeeded", "failed"]
    assert run.error.startswith("ValueError: [secret removed]")
    assert run.parameters == {"key": {"secret": "API_KEY"}}
    wait_until(lambda: bool(hook.bodies), 30)
    assert hook.bodies[0]["text"].endswith("What happened: ValueError (code cell 3 of 3)")
    assert gateway.list_deliveries(job)[0].state == "sent"
    told = [path for path in stack.home.root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert told == []


def test_backfill_makes_up_for_the_past_from_its_own_dates(gateway, wait_until):
    day = Parameter(name="day", type=ParameterType.DATE, relative=RelativeDate.YESTERDAY)
    schedule = Schedule(cron="0 6 * * *", timezone="Europe/London")
    job = deploy(
        gateway, wait_until, "Backfilled", "day = '2026-01-01'", "print(day)", parameters=(day,), schedule=schedule
    )
    now = datetime.now(UTC)
    request = BackfillRequest(from_at=now - timedelta(days=3), to_at=now, max_active_runs=3)
    fires = gateway.preview_backfill(job, request).runs
    assert len(fires) == 3
    backfill = gateway.backfill_job(job, request)
    wait_until(lambda: gateway.list_backfills(job)[0].runs == {"succeeded": 3}, 120)
    assert gateway.list_backfills(job)[0].id == backfill.id
    runs = gateway.list_runs(job_id=job)
    assert {run.type for run in runs} == {"backfill"}
    days = {gateway.get_run(run.id).parameters["day"] for run in runs}
    assert days == {(fire.astimezone(UTC) - timedelta(days=1)).date().isoformat() for fire in fires}
    assert gateway.preview_backfill(job, request).runs == ()


@pytest.mark.soak
def test_run_over_its_budget_is_stopped_whatever_its_code_says(stack, gateway, wait_until):
    """Each query here is billed 10 MB, the least; the plain client asks nobody, and labels itself as another run."""
    spend = (
        "import time\nfrom google.cloud import bigquery\nclient = bigquery.Client()\n"
        "config = bigquery.QueryJobConfig(labels={'athena_run': 'f' * 32}, use_query_cache=False)\n"
        "client.query_and_wait('CREATE SCHEMA IF NOT EXISTS spent')\n"
        "client.query_and_wait('CREATE OR REPLACE TABLE spent.rows AS SELECT 1 AS a')\n"
        "for _ in range(3):\n"
        "    print(client.query('SELECT * FROM spent.rows', job_config=config).result().total_rows)\n"
        "time.sleep(60)"
    )
    job = deploy(gateway, wait_until, "Spender", "x = 1", spend, guards=Guards(run_bytes=20 * 1024**2))
    run = gateway.run_job(job, RunRequest())
    wait_until(lambda: gateway.get_run(run.id).state.is_final, 60)
    run = gateway.get_run(run.id)
    assert run.error.startswith("Cannot go on with the run of 'Spender': it was billed 31457280 bytes, and 20971520")

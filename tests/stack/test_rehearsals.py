"""A rehearsal on a real stack: what it writes lands in scratch, whatever else it tries is refused and told."""

from __future__ import annotations

import json

import pytest

from athena_lab.errors import ConflictError
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.jobs import BundleUpload, PromoteRequest, RunState, Source
from athena_lab.gateway_api.rehearsals import REFUSAL, RehearsalRequest
from athena_lab.gateway_api.terms import Guards
from athena_lab.warehouse.connect import connect

pytestmark = pytest.mark.stack
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
CELLS = (
    "%%athena\nINSERT INTO rehearsed.daily (day, amount) SELECT day, amount FROM rehearsed.orders",
    "%%athena\nCREATE TABLE rehearsed.summary AS SELECT count(*) AS days, sum(amount) AS amount FROM rehearsed.daily",
    (
        "import base64\nfrom google.cloud import bigquery\nclient = bigquery.Client()\n"
        "name = 'rehearsed.' + base64.b64decode('YXVkaXQ=').decode()\n"
        "try:\n    client.query_and_wait(f'CREATE TABLE {name} AS SELECT 1 AS n')\n"
        "except Exception as error:\n    print('caught', type(error).__name__)"
    ),
    "print([tuple(row) for row in client.query_and_wait('SELECT days, amount FROM rehearsed.summary')])",
)


@pytest.fixture
def gateway(stack):
    token = (stack.home.analyst / "token").read_text().strip()
    with GatewayClient(stack.record.urls["gateway"], lambda: token) as client:
        yield client


@pytest.fixture
def warehouse(gateway):
    with connect(gateway) as client:
        yield client


def upload(gateway, name, *cells):
    made = [
        {"cell_type": "code", "id": f"c{number}", "source": source, "outputs": [], "execution_count": None,
         "metadata": {}}
        for number, source in enumerate(cells)
    ]  # fmt: skip
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": KERNEL, "cells": made}
    return gateway.upload_bundle(BundleUpload(notebook=notebook, source=Source(path=f"{name}.ipynb")))


def rows_of(warehouse, sql):
    return [tuple(row.values()) for row in warehouse.query_and_wait(sql)]


def ended(gateway, wait_until, rehearsal):
    wait_until(lambda: gateway.get_rehearsal(rehearsal.id, wait_s=5).state.is_final, 90)
    return gateway.get_rehearsal(rehearsal.id)


def test_a_rehearsal_writes_to_scratch_alone_and_tells_what_would_change(gateway, warehouse, wait_until):
    for statement in (
        "CREATE SCHEMA rehearsed",
        "CREATE TABLE rehearsed.orders AS SELECT DATE '2026-11-01' AS day, 10 AS amount UNION ALL SELECT NULL, 32",
        "CREATE TABLE rehearsed.daily AS SELECT DATE '2026-10-31' AS day, 8 AS amount",
    ):
        warehouse.query_and_wait(statement)
    bundle = upload(gateway, "Rehearsed", *CELLS)
    request = RehearsalRequest(bundle=bundle.hash, guards=Guards(run_bytes=10**9))
    told = ended(gateway, wait_until, gateway.rehearse(request))

    assert (told.state, told.error) == (RunState.SUCCEEDED, None)
    assert told.preparation.state == "succeeded"
    assert [(cell.index, cell.state) for cell in told.cells] == [(at, "succeeded") for at in range(len(CELLS))]
    assert all(cell.started_at <= cell.ended_at for cell in told.cells)
    assert told.billed_bytes > 0
    daily, summary = sorted(told.tables, key=lambda table: table.table)
    assert (daily.table, daily.is_copied, daily.rows_before, daily.rows_after) == ("rehearsed.daily", True, 1, 3)
    assert (daily.columns_added, daily.columns_removed, daily.columns_changed) == ((), (), ())
    assert (summary.table, summary.is_copied, summary.rows_before, summary.rows_after) == (
        "rehearsed.summary", False, None, 1,
    )  # fmt: skip
    assert summary.columns_added == ("days INTEGER", "amount INTEGER")
    assert [(one.cell, REFUSAL in one.text, "audit" in one.text) for one in told.refused] == [(2, True, True)]
    output = json.dumps(gateway.get_rehearsal_output(told.id))
    assert "caught Forbidden" in output
    assert "[(3, 50)]" in output

    assert rows_of(warehouse, "SELECT count(*) FROM rehearsed.daily") == [(1,)]
    tables = [table.table_id for table in warehouse.list_tables("rehearsed")]
    assert sorted(tables) == ["daily", "orders"]
    assert rows_of(warehouse, f"SELECT amount FROM {summary.scratch}") == [(50,)]
    assert told.scratch_dataset not in {table.dataset for table in gateway.get_catalog().tables}
    assert told.id not in {run.id for run in gateway.list_runs()}

    deployed = gateway.promote(PromoteRequest(bundle=bundle.hash, name="Rehearsed"))
    assert [one.rehearsed_at for one in gateway.list_versions(deployed.job_id)] == [told.ended_at]
    other = upload(gateway, "Rehearsed", *CELLS, "print('not rehearsed')")
    gateway.promote(PromoteRequest(bundle=other.hash, name="Rehearsed", job_id=deployed.job_id))
    assert [one.rehearsed_at for one in gateway.list_versions(deployed.job_id)] == [None, told.ended_at]


def test_a_rehearsal_is_cancelled_like_a_run(gateway, wait_until):
    bundle = upload(gateway, "Endless", "import time\ntime.sleep(600)")
    rehearsal = gateway.rehearse(RehearsalRequest(bundle=bundle.hash))
    running = lambda: [cell.state for cell in gateway.get_rehearsal(rehearsal.id, wait_s=2).cells] == ["running"]  # noqa: E731
    wait_until(running, 60)
    gateway.cancel_rehearsal(rehearsal.id)
    told = ended(gateway, wait_until, rehearsal)
    assert (told.state, told.tables, told.refused) == (RunState.CANCELLED, (), ())
    with pytest.raises(ConflictError):
        gateway.cancel_rehearsal(rehearsal.id)

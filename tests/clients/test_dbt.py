"""dbt-bigquery: a project of a seed, two models (one of them incremental), tests and a snapshot."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

FILES = {
    "dbt_project.yml": (
        "name: shop\nversion: '1.0'\nprofile: shop\n"
        "models:\n  shop:\n    +persist_docs: {relation: true, columns: true}\n"
    ),
    "profiles.yml": (
        "shop:\n  target: dev\n  outputs:\n    dev:\n      type: bigquery\n      method: oauth\n"
        "      project: PROJECT\n"
        "      dataset: dbt_shop\n      location: EU\n      threads: 2\n      job_retries: 0\n"
    ),
    "seeds/orders.csv": "id,customer,amount,day\n1,ann,10.5,2026-01-01\n2,bob,20,2026-01-02\n3,ann,5,2026-01-02\n",
    "models/totals.sql": (
        "{{ config(materialized='table', cluster_by=['customer'],"
        " partition_by={'field': 'day', 'data_type': 'date'}, labels={'made_by': 'dbt'}) }}\n"
        "select customer, day, sum(amount) as amount from {{ ref('orders') }} group by customer, day\n"
    ),
    "models/customers.sql": (
        "{{ config(materialized='incremental', unique_key='customer') }}\n"
        "select customer, sum(amount) as amount, max(day) as latest from {{ ref('totals') }}\n"
        "{% if is_incremental() %} where day >= (select max(latest) from {{ this }}) {% endif %}\n"
        "group by customer\n"
    ),
    "models/large.sql": "select * from {{ ref('totals') }} where amount > 9\n",
    "models/schema.yml": (
        "version: 2\nmodels:\n  - name: totals\n    description: what each customer spent a day\n    columns:\n"
        "      - name: customer\n        description: who\n        data_tests: [not_null]\n"
        "  - name: customers\n    columns:\n      - name: customer\n        data_tests: [unique, not_null,"
        " {relationships: {arguments: {to: ref('orders'), field: customer}}}]\n"
    ),
    "snapshots/kept.sql": (
        "{% snapshot kept %}{{ config(target_schema='dbt_shop', unique_key='id', strategy='check',"
        " check_cols=['amount']) }}\n"
        "select * from {{ ref('orders') }}{% endsnapshot %}\n"
    ),
    "tests/no_negative.sql": "select * from {{ ref('totals') }} where amount < 0\n",
}  # fmt: skip
RUN = "from athena_lab.kernel import profile; profile.install(); from dbt.cli.main import cli; cli()"
"""The one hook: what a kernel does at its start, before dbt asks `google.auth.default()`."""


@pytest.fixture(scope="module")
def project(bq: bigquery.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write the project; its dataset is dbt's to make."""
    folder = tmp_path_factory.mktemp("dbt")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("PROJECT", bq.project))
    yield folder
    bq.delete_dataset("dbt_shop", delete_contents=True, not_found_ok=True)


def dbt(project: Path, *arguments: str, fails: bool = False) -> str:
    """Run a command of dbt's as a process of its own; give what it said."""
    command = [sys.executable, "-W", "ignore", "-c", RUN, *arguments, "--project-dir", str(project)]
    command += ["--profiles-dir", str(project), "--no-use-colors", "--no-send-anonymous-usage-stats"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=Path(__file__).parents[2])
    said = done.stdout + done.stderr
    assert (done.returncode != 0) is fails, said[-4000:]
    return said


@pytest.mark.timeout(900)
def test_a_project_is_built_tested_and_built_again(project: Path, bq: bigquery.Client) -> None:
    """debug, seed, run (table, incremental, view), test, snapshot, a second build, docs generate, a failing test"""
    assert "All checks passed!" in dbt(project, "debug")
    dbt(project, "build")
    totals = bq.get_table("dbt_shop.totals")
    assert (totals.time_partitioning.field, totals.clustering_fields) == ("day", ["customer"])
    assert (totals.description, totals.labels) == ("what each customer spent a day", {"made_by": "dbt"})
    assert {item.name: item.description for item in totals.schema}["customer"] == "who"
    assert bq.get_table("dbt_shop.large").table_type == "VIEW"
    found = {row.customer: (row.amount, row.latest) for row in bq.list_rows("athena.dbt_shop.customers")}
    assert found == {"ann": (15.5, datetime.date(2026, 1, 2)), "bob": (20.0, datetime.date(2026, 1, 2))}

    orders = project / "seeds" / "orders.csv"
    orders.write_text(orders.read_text().replace("2,bob,20,", "2,bob,21,") + "4,cat,7,2026-01-03\n")
    dbt(project, "build")
    found = {row.customer: row.amount for row in bq.list_rows("athena.dbt_shop.customers")}
    assert found == {"ann": 5.0, "bob": 21.0, "cat": 7.0}
    versions = bq.query_and_wait("SELECT COUNT(*) AS n, COUNTIF(dbt_valid_to IS NULL) AS present FROM dbt_shop.kept")
    assert [(row.n, row.present) for row in versions] == [(5, 4)]

    dbt(project, "docs", "generate")
    catalog = json.loads((project / "target" / "catalog.json").read_text())
    assert catalog["errors"] is None
    shown = catalog["nodes"]["model.shop.totals"]
    assert (shown["metadata"]["type"], shown["columns"]["customer"]["comment"]) == ("table", "who")
    assert shown["stats"]["num_rows"]["value"] == 4

    orders.write_text(orders.read_text() + "5,,-1,2026-01-04\n")
    dbt(project, "seed")
    dbt(project, "run", "--select", "totals")
    said = dbt(project, "test", "--select", "totals", fails=True)
    assert "Got 1 result, configured to fail" in said

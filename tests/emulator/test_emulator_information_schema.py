"""INFORMATION_SCHEMA as tools read it: statements that make what is there, options, privileges, jobs."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud import bigquery

_MADE = (
    (
        'CREATE TABLE {d}.days (d DATE NOT NULL OPTIONS(description="a \\"day\\""), n NUMERIC(5, 2) DEFAULT 1,'
        " s STRUCT<x INT64, y ARRAY<STRUCT<z STRING(3)>>>) PARTITION BY DATE_TRUNC(d, MONTH) CLUSTER BY n"
        " OPTIONS (partition_expiration_days=10000, labels=[('k', 'v')], require_partition_filter=true,"
        " expiration_timestamp=TIMESTAMP '2099-01-02 03:04:05+00')"
    ),
    "CREATE TABLE {d}.hours (at TIMESTAMP) PARTITION BY TIMESTAMP_TRUNC(at, HOUR)",
    "CREATE TABLE {d}.ranges (n INT64) PARTITION BY RANGE_BUCKET(n, GENERATE_ARRAY(0, 100, 10))",
    "CREATE VIEW {d}.v OPTIONS (description='seen') AS SELECT at FROM {d}.hours",
    "CREATE FUNCTION {d}.f(x INT64) RETURNS INT64 AS (x + 1)",
)


@pytest.fixture(scope="module")
def made(bq: bigquery.Client) -> str:
    bq.create_dataset("made_schema", exists_ok=True)
    for text in _MADE:
        bq.query_and_wait(text.format(d="made_schema"))
    return "made_schema"


def _rows(bq: bigquery.Client, text: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in bq.query_and_wait(text)]


def test_the_ddl_of_a_table_makes_one_like_it(bq: bigquery.Client, made: str, dataset: str) -> None:
    text = "SELECT table_name, ddl FROM {}.INFORMATION_SCHEMA.TABLES ORDER BY 1"
    before = _rows(bq, text.format(made))
    routines = _rows(bq, f"SELECT routine_name, ddl FROM {made}.INFORMATION_SCHEMA.ROUTINES")
    for _, ddl in (*before, *routines):
        bq.query_and_wait(ddl.replace(f".{made}.", f".{dataset}."))
    assert [(name, ddl.replace(dataset, made)) for name, ddl in _rows(bq, text.format(dataset))] == before
    assert 'NOT NULL OPTIONS(description="a \\"day\\"")' in before[0][1]
    assert "PARTITION BY DATE_TRUNC(d, MONTH)\nCLUSTER BY n\nOPTIONS(" in before[0][1]
    assert _rows(bq, f"SELECT {dataset}.f(1)") == [(2,)]
    schema = _rows(bq, f"SELECT ddl FROM INFORMATION_SCHEMA.SCHEMATA WHERE schema_name = '{dataset}'")
    assert schema[0][0].startswith(f"CREATE SCHEMA `athena.{dataset}`")


def test_options_are_literals(bq: bigquery.Client, made: str) -> None:
    columns = "option_name, option_type, option_value"
    text = f"SELECT {columns} FROM {made}.INFORMATION_SCHEMA.TABLE_OPTIONS WHERE table_name = 'days'"
    assert sorted(_rows(bq, text)) == [
        ("expiration_timestamp", "TIMESTAMP", 'TIMESTAMP "2099-01-02T03:04:05.000Z"'),
        ("labels", "ARRAY<STRUCT<STRING, STRING>>", '[STRUCT("k", "v")]'),
        ("partition_expiration_days", "FLOAT64", "10000.0"),
        ("require_partition_filter", "BOOL", "true"),
    ]


def test_privileges_are_told_to_whoever_may_read_the_policy(
    bq: bigquery.Client, emulator: Any, outsider: bigquery.Client
) -> None:
    name = "privileged"
    made = bigquery.Dataset(f"athena.{name}")
    made.access_entries = [
        bigquery.AccessEntry("OWNER", "userByEmail", "ada@athena.local"),
        bigquery.AccessEntry("READER", "groupByEmail", "readers@athena.local"),
    ]
    bq.create_dataset(made, exists_ok=True)
    bq.query_and_wait(f"CREATE TABLE IF NOT EXISTS {name}.t (a INT64)")
    bq.query_and_wait(f"GRANT `roles/bigquery.dataViewer` ON TABLE {name}.t TO 'user:mona@athena.local'")
    text = (
        "SELECT object_schema, object_type, privilege_type, grantee"
        " FROM `region-us`.INFORMATION_SCHEMA.OBJECT_PRIVILEGES"
        f" WHERE object_name = '{name}' OR object_schema = '{name}' ORDER BY grantee"
    )
    assert _rows(bq, text) == [
        (None, "SCHEMA", "roles/bigquery.dataViewer", "group:readers@athena.local"),
        (None, "SCHEMA", "roles/bigquery.dataOwner", "user:ada@athena.local"),
        (name, "TABLE", "roles/bigquery.dataViewer", "user:mona@athena.local"),
    ]
    assert _rows(outsider, text) == []


def test_jobs_tell_their_counts_and_sessions(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t (a INT64)")
    job = bq.query(f"INSERT INTO {dataset}.t VALUES (1), (2)")
    job.result()
    text = (
        "SELECT dml_statistics.inserted_row_count, dml_statistics.deleted_row_count, total_slot_ms >= 0, session_info"
        f" FROM `region-us`.INFORMATION_SCHEMA.JOBS_BY_PROJECT WHERE job_id = '{job.job_id}'"
    )
    assert _rows(bq, text) == [(2, 0, True, None)]

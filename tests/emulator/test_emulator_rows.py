"""Rows on their way in and out: BIGNUMERIC, defaults of columns, lines of JSON, transactions of sessions."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField

from athena_lab.emulator import json_lines, json_rows
from athena_lab.emulator.types import Field

pytestmark = pytest.mark.stack
LEAST = Decimal("1E-38")


def _rows(bq: bigquery.Client, sql: str, config: bigquery.QueryJobConfig | None = None) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in bq.query(sql, job_config=config).result()]


def test_bignumeric_keeps_all_digits_on_every_road(bq: bigquery.Client, dataset: str) -> None:
    schema = [SchemaField("id", "INTEGER"), SchemaField("b", "BIGNUMERIC"), SchemaField("l", "BIGNUMERIC", "REPEATED")]
    table = bq.create_table(bigquery.Table(f"athena.{dataset}.t", schema=schema))
    assert bq.insert_rows_json(table, [{"id": 1, "b": "1E-38", "l": ["1", 2]}]) == []
    config = bigquery.LoadJobConfig(schema=schema)
    bq.load_table_from_json([{"id": 2, "b": "0.5"}], table, job_config=config).result()
    decimals = pa.table({"id": [3], "b": pa.array([Decimal("9.5")], pa.decimal256(50, 20))})
    with io.BytesIO() as file:
        pa.parquet.write_table(decimals, file)
        file.seek(0)
        bq.load_table_from_file(file, table, job_config=bigquery.LoadJobConfig(source_format="PARQUET")).result()
    bq.query_and_wait(f"INSERT {dataset}.t (id, b) SELECT 4, 7")
    bq.query_and_wait(f"UPDATE {dataset}.t SET b = id WHERE id = 4")
    found = _rows(bq, f"SELECT * FROM {dataset}.t ORDER BY id")
    assert found == [
        (1, LEAST, [Decimal(1), Decimal(2)]), (2, Decimal("0.5"), []), (3, Decimal("9.5"), []), (4, Decimal(4), []),
    ]  # fmt: skip
    query = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("x", "BIGNUMERIC", LEAST)])
    assert _rows(bq, "SELECT @x, @x + 1", query) == [(LEAST, Decimal("1." + "0" * 37 + "1"))]
    read = bq.list_rows(table).to_arrow(create_bqstorage_client=False)
    assert read.schema.field("b").type == pa.decimal256(76, 38)


def test_column_that_a_row_has_not_gets_its_default(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.d (id INT64, s STRING DEFAULT 'x', r INT64 NOT NULL DEFAULT 7)")
    rows = [{"id": 1}, {"id": 2, "s": "y", "r": 1}, {"id": 3, "s": None}]
    assert bq.insert_rows_json(f"{dataset}.d", rows) == []
    config = bigquery.LoadJobConfig(schema=[SchemaField("id", "INTEGER")], source_format="CSV")
    bq.load_table_from_file(io.BytesIO(b"4\n"), f"{dataset}.d", job_config=config).result()
    found = _rows(bq, f"SELECT * FROM {dataset}.d ORDER BY id")
    assert found == [(1, "x", 7), (2, "y", 1), (3, None, 7), (4, "x", 7)]


def test_bad_value_of_a_csv_is_an_invalid_row_and_no_invalid_query(bq: bigquery.Client, dataset: str) -> None:
    config = bigquery.LoadJobConfig(schema=[SchemaField("id", "INTEGER")], source_format="CSV")
    with pytest.raises(BadRequest) as caught:
        bq.load_table_from_file(io.BytesIO(b"x\n"), f"{dataset}.c", job_config=config).result()
    assert caught.value.errors[0]["reason"] == "invalid"


LINES: list[dict[str, Any]] = [
    {
        "i": 1,
        "f": 1.5,
        "s": "a",
        "b": True,
        "d": "2024-01-02",
        "t": "2024-01-02 03:04:05 UTC",
        "l": ["x"],
        "r": {"n": 1},
    },
    {"i": 2, "f": 2, "s": "", "b": False, "d": None, "t": "2024-01-02T03:04:05.25", "r": {}},
    {"t": "2024-01-02T03:04:05+02:00", "l": [], "r": {"n": 1}},
]
FIELDS = (
    Field("i", "INTEGER"), Field("f", "FLOAT"), Field("s", "STRING"), Field("b", "BOOLEAN"), Field("d", "DATE"),
    Field("t", "TIMESTAMP"), Field("l", "STRING", "REPEATED"), Field("r", "RECORD", fields=(Field("n", "INTEGER"),)),
)  # fmt: skip


def test_lines_of_json_are_read_by_arrow_as_they_are_one_by_one() -> None:
    lines = [json.dumps(line).encode() + b"\n" for line in LINES]
    assert json_lines.is_plain(FIELDS)
    assert json_lines.read_lines(lines, FIELDS) == json_rows.to_arrow(LINES, FIELDS)


@pytest.mark.parametrize("line", [{"i": "5"}, {"I": 5}, {"s": 3}, {"t": 1700000000}, {"d": "2024-1-2"}, {"q": 1}])
def test_lines_that_arrow_reads_otherwise_are_left_to_the_reader_of_rows(line: dict[str, Any]) -> None:
    assert json_lines.read_lines([json.dumps(line).encode()], FIELDS) is None


def test_transaction_of_a_session_goes_on_over_its_jobs(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.x (a INT64)")
    opened = bq.query("SELECT 1", job_config=bigquery.QueryJobConfig(create_session=True))
    opened.result()
    assert opened.session_info is not None
    named = [bigquery.ConnectionProperty("session_id", opened.session_info.session_id)]

    def run(sql: str) -> list[tuple[Any, ...]]:
        return _rows(bq, sql, bigquery.QueryJobConfig(connection_properties=named))

    run("BEGIN TRANSACTION")
    run(f"INSERT {dataset}.x VALUES (1)")
    run("CREATE TEMP TABLE seen AS SELECT 9 AS z")
    assert run(f"SELECT a, z FROM {dataset}.x, seen") == [(1, 9)]
    assert _rows(bq, f"SELECT COUNT(*) FROM {dataset}.x") == [(0,)]
    run("ROLLBACK TRANSACTION")
    assert run(f"SELECT COUNT(*) FROM {dataset}.x") == [(0,)]
    run("BEGIN TRANSACTION")
    run(f"INSERT {dataset}.x VALUES (5)")
    run("COMMIT TRANSACTION")
    assert _rows(bq, f"SELECT a FROM {dataset}.x") == [(5,)]
    run("BEGIN TRANSACTION")
    run("CALL BQ.ABORT_SESSION()")

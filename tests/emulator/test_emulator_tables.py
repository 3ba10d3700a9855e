"""Datasets, tables, loads and rows, through the real client."""

from __future__ import annotations

import datetime
import decimal
import io
import time
import uuid

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed
from google.cloud import bigquery

pytestmark = [
    pytest.mark.stack,
    pytest.mark.filterwarnings("ignore:Loading pandas DataFrame into BigQuery:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Retrieving DataFrames via google-cloud-bigquery:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Loading DataFrames via google-cloud-bigquery:PendingDeprecationWarning"),
]
Schema = bigquery.SchemaField


def rows_of(bq: bigquery.Client, sql: str, **options: object) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in bq.query_and_wait(sql, **options)]


def test_dataset_keeps_labels_description_and_location(bq: bigquery.Client) -> None:
    name = f"d_{uuid.uuid4().hex[:8]}"
    made = bigquery.Dataset(f"athena.{name}")
    made.labels, made.description = {"team": "grid"}, "meter readings"
    bq.create_dataset(made)
    with pytest.raises(Conflict):
        bq.create_dataset(name)
    got = bq.get_dataset(name)
    assert (got.labels, got.description, got.location) == ({"team": "grid"}, "meter readings", "EU")
    got.description = "changed"
    assert bq.update_dataset(got, ["description"]).description == "changed"
    with pytest.raises(PreconditionFailed):
        bq.update_dataset(got, ["description"])
    assert name in [item.dataset_id for item in bq.list_datasets(filter="labels.team:grid")]
    assert name not in [item.dataset_id for item in bq.list_datasets(filter="labels.team:other")]
    bq.delete_dataset(name)
    with pytest.raises(NotFound):
        bq.get_dataset(name)
    bq.delete_dataset(name, not_found_ok=True)


def test_dataset_with_tables_is_dropped_only_with_its_contents(bq: bigquery.Client, dataset: str) -> None:
    bq.create_table(bigquery.Table(f"athena.{dataset}.t", schema=[Schema("a", "INTEGER")]))
    with pytest.raises(BadRequest, match="still in use"):
        bq.delete_dataset(dataset)
    bq.delete_dataset(dataset, delete_contents=True)
    with pytest.raises(NotFound):
        bq.get_table(f"athena.{dataset}.t")


def test_table_keeps_its_schema_with_modes_and_descriptions(bq: bigquery.Client, dataset: str) -> None:
    schema = [
        Schema("id", "INTEGER", "REQUIRED", description="the key"),
        Schema("tags", "STRING", "REPEATED"),
        Schema("place", "RECORD", fields=[Schema("city", "STRING"), Schema("at", "TIMESTAMP")]),
        Schema("day", "DATE"),
    ]
    made = bigquery.Table(f"athena.{dataset}.t", schema=schema)
    made.time_partitioning = bigquery.TimePartitioning(field="id")
    with pytest.raises(BadRequest, match="partition"):
        bq.create_table(made)
    made.time_partitioning = bigquery.TimePartitioning(field="day")
    made.clustering_fields, made.labels = ["id"], {"x": "y"}
    bq.create_table(made)
    got = bq.get_table(f"athena.{dataset}.t")
    assert [(item.name, item.field_type, item.mode) for item in got.schema] == [
        ("id", "INTEGER", "REQUIRED"), ("tags", "STRING", "REPEATED"), ("place", "RECORD", "NULLABLE"),
        ("day", "DATE", "NULLABLE"),
    ]  # fmt: skip
    assert got.schema[0].description == "the key"
    assert (got.clustering_fields, got.labels, got.num_rows, got.table_type) == (["id"], {"x": "y"}, 0, "TABLE")
    with pytest.raises(Conflict):
        bq.create_table(made)
    got.schema = [*got.schema, Schema("extra", "FLOAT")]
    got.description = "grown"
    grown = bq.update_table(got, ["schema", "description"])
    assert ([item.name for item in grown.schema][-1], grown.description) == ("extra", "grown")
    assert [item.table_id for item in bq.list_tables(dataset)] == ["t"]
    bq.delete_table(f"athena.{dataset}.t")
    bq.delete_table(f"athena.{dataset}.t", not_found_ok=True)
    assert list(bq.list_tables(dataset)) == []


def test_streamed_rows_keep_every_type(bq: bigquery.Client, dataset: str) -> None:
    schema = [
        Schema("i", "INTEGER", "REQUIRED"), Schema("n", "NUMERIC"), Schema("ts", "TIMESTAMP"), Schema("d", "DATE"),
        Schema("t", "TIME"), Schema("dt", "DATETIME"), Schema("b", "BYTES"), Schema("ok", "BOOLEAN"),
        Schema("f", "FLOAT"), Schema("l", "STRING", "REPEATED"),
        Schema("s", "RECORD", "REPEATED", fields=[Schema("x", "INTEGER")]),
    ]  # fmt: skip
    table = bq.create_table(bigquery.Table(f"athena.{dataset}.t", schema=schema))
    row = {
        "i": 7, "n": "12345678901234567890.123456789", "ts": "2026-01-02T03:04:05.678901Z", "d": "2026-01-02",
        "t": "03:04:05", "dt": "2026-01-02T03:04:05", "b": "aGk=", "ok": True, "f": 0.1, "l": ["a", "b"],
        "s": [{"x": 1}, {"x": 2}],
    }  # fmt: skip
    assert bq.insert_rows_json(table, [row]) == []
    (got,) = bq.list_rows(table)
    assert tuple(got.values()) == (
        7, decimal.Decimal("12345678901234567890.123456789"),
        datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC), datetime.date(2026, 1, 2),
        datetime.time(3, 4, 5), datetime.datetime.fromisoformat("2026-01-02T03:04:05"), b"hi", True, 0.1, ["a", "b"],
        [{"x": 1}, {"x": 2}],
    )  # fmt: skip


def test_one_bad_streamed_row_is_named_and_none_is_written(bq: bigquery.Client, dataset: str) -> None:
    table = bq.create_table(bigquery.Table(f"athena.{dataset}.t", schema=[Schema("i", "INTEGER", "REQUIRED")]))
    errors = bq.insert_rows_json(table, [{"i": 1}, {"i": "x"}, {"j": 1}])
    assert {item["index"]: item["errors"][0]["reason"] for item in errors} == {0: "stopped", 1: "invalid", 2: "invalid"}
    assert rows_of(bq, f"SELECT COUNT(*) FROM {dataset}.t") == [(0,)]
    assert len(bq.insert_rows_json(table, [{"i": 1}, {"i": "x"}], skip_invalid_rows=True)) == 1
    assert rows_of(bq, f"SELECT i FROM {dataset}.t") == [(1,)]


def test_a_repeated_streaming_request_does_not_double_its_rows(bq: bigquery.Client, dataset: str) -> None:
    table = bq.create_table(bigquery.Table(f"athena.{dataset}.t", schema=[Schema("i", "INTEGER")]))
    for _ in range(2):
        bq.insert_rows_json(table, [{"i": 1}], row_ids=["once"])
    assert bq.get_table(table).num_rows == 1


def test_dataframe_load_gives_pandas_types_and_reads_back_equal(bq: bigquery.Client, dataset: str) -> None:
    frame = pd.DataFrame(
        {
            "i": [1, 2, 3], "s": ["a", "b", None], "f": [0.5, None, 2.5], "ok": [True, False, True],
            "ts": pd.to_datetime(["2026-01-01", "2026-01-02", None], utc=True), "d": [datetime.date(2026, 1, 1)] * 3,
        }
    )  # fmt: skip
    job = bq.load_table_from_dataframe(frame, f"athena.{dataset}.t")
    assert job.result().output_rows == 3
    kinds = {item.name: item.field_type for item in bq.get_table(f"athena.{dataset}.t").schema}
    assert kinds == {"i": "INTEGER", "s": "STRING", "f": "FLOAT", "ok": "BOOLEAN", "ts": "TIMESTAMP", "d": "DATE"}
    back = bq.query(f"SELECT * FROM {dataset}.t ORDER BY i").to_dataframe(create_bqstorage_client=False)
    assert back["i"].tolist() == [1, 2, 3]
    assert back["s"].tolist()[:2] == ["a", "b"]
    assert back["ts"][0] == pd.Timestamp("2026-01-01", tz="UTC")


def test_json_load_detects_nested_types(bq: bigquery.Client, dataset: str) -> None:
    rows = [{"i": 1, "who": {"name": "x", "tags": ["a"]}, "day": "2026-01-01"}, {"i": 2, "f": 1.5}]
    config = bigquery.LoadJobConfig(autodetect=True)
    bq.load_table_from_json(rows, f"athena.{dataset}.t", job_config=config).result()
    schema = {item.name: (item.field_type, item.mode) for item in bq.get_table(f"athena.{dataset}.t").schema}
    assert schema == {
        "i": ("INTEGER", "NULLABLE"), "who": ("RECORD", "NULLABLE"), "day": ("DATE", "NULLABLE"),
        "f": ("FLOAT", "NULLABLE"),
    }  # fmt: skip
    assert rows_of(bq, f"SELECT who.name, who.tags FROM {dataset}.t WHERE i = 1") == [("x", ["a"])]


def test_csv_resumable_upload_with_header_and_types(bq: bigquery.Client, dataset: str) -> None:
    text = b"id,name,at,amount\n1,x,2026-01-01 10:00:00,1.5\n2,,2026-01-02T00:00:00Z,2\n"
    config = bigquery.LoadJobConfig(autodetect=True, skip_leading_rows=1, source_format="CSV")
    bq.load_table_from_file(io.BytesIO(text), f"athena.{dataset}.t", job_config=config).result()
    kinds = [item.field_type for item in bq.get_table(f"athena.{dataset}.t").schema]
    assert kinds == ["INTEGER", "STRING", "TIMESTAMP", "FLOAT"]
    assert rows_of(bq, f"SELECT name, amount FROM {dataset}.t ORDER BY id") == [("x", 1.5), (None, 2.0)]


def test_load_dispositions_truncate_append_and_empty(bq: bigquery.Client, dataset: str) -> None:
    def load(values: list[int], disposition: str) -> None:
        data = io.BytesIO()
        pa.parquet.write_table(pa.table({"i": values}), data)
        data.seek(0)
        config = bigquery.LoadJobConfig(source_format="PARQUET", write_disposition=disposition)
        bq.load_table_from_file(data, f"athena.{dataset}.t", job_config=config).result()

    load([1, 2], "WRITE_APPEND")
    load([3], "WRITE_APPEND")
    assert rows_of(bq, f"SELECT SUM(i) FROM {dataset}.t") == [(6,)]
    load([9], "WRITE_TRUNCATE")
    assert rows_of(bq, f"SELECT SUM(i) FROM {dataset}.t") == [(9,)]
    with pytest.raises(Conflict):
        load([1], "WRITE_EMPTY")


def test_a_file_that_does_not_fit_changes_nothing(bq: bigquery.Client, dataset: str) -> None:
    table = f"athena.{dataset}.t"
    bq.create_table(bigquery.Table(table, schema=[Schema("i", "INTEGER")]))
    bq.insert_rows_json(table, [{"i": 1}])
    config = bigquery.LoadJobConfig(source_format="CSV", skip_leading_rows=1)
    with pytest.raises(BadRequest):
        bq.load_table_from_file(io.BytesIO(b"i\n2\nno\n"), table, job_config=config).result()
    config = bigquery.LoadJobConfig(source_format="PARQUET")
    with pytest.raises(BadRequest, match="cannot be read"):
        bq.load_table_from_file(io.BytesIO(b"no parquet"), table, job_config=config).result()
    assert rows_of(bq, f"SELECT i FROM {dataset}.t") == [(1,)]


def test_list_rows_pages_and_starts_where_asked(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT i FROM UNNEST(GENERATE_ARRAY(0, 24)) AS i")
    table = bq.get_table(f"athena.{dataset}.t")
    assert [page.num_items for page in bq.list_rows(table, page_size=10).pages] == [10, 10, 5]
    assert [row.i for row in bq.list_rows(table, start_index=20, max_results=3)] == [20, 21, 22]


def test_view_by_api_shows_its_schema_and_follows_its_table(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS a, 'x' AS b")
    view = bigquery.Table(f"athena.{dataset}.v")
    view.view_query = f"SELECT a + 1 AS more FROM `athena.{dataset}.t`"
    assert [(item.name, item.field_type) for item in bq.create_table(view).schema] == [("more", "INTEGER")]
    bq.query_and_wait(f"INSERT INTO {dataset}.t (a, b) VALUES (5, 'y')")
    assert rows_of(bq, f"SELECT SUM(v.more) FROM {dataset}.v AS v") == [(8,)]
    assert bq.get_table(f"athena.{dataset}.v").table_type == "VIEW"


def test_copied_table_equals_its_source(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS a, ['x'] AS b")
    bq.copy_table(f"athena.{dataset}.t", f"athena.{dataset}.u").result()
    assert rows_of(bq, f"SELECT a, b FROM {dataset}.u") == [(1, ["x"])]
    with pytest.raises(Conflict):
        bq.copy_table(f"athena.{dataset}.t", f"athena.{dataset}.u").result()


def test_information_schema_tells_tables_and_columns(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t (a INT64 NOT NULL, b ARRAY<STRING>)")
    assert rows_of(bq, f"SELECT table_name, table_type FROM {dataset}.INFORMATION_SCHEMA.TABLES") == [
        ("t", "BASE TABLE")
    ]
    sql = f"SELECT column_name, data_type, is_nullable FROM `athena.{dataset}.INFORMATION_SCHEMA.COLUMNS` ORDER BY 1"
    assert rows_of(bq, sql) == [("a", "INT64", "NO"), ("b", "ARRAY<STRING>", "YES")]


def test_datasets_whose_names_begin_with_an_underscore_are_listed_with_all_only(bq: bigquery.Client) -> None:
    name = f"_hidden_{uuid.uuid4().hex[:12]}"
    bq.create_dataset(name)
    listed = [[item.dataset_id for item in bq.list_datasets(include_all=all_)] for all_ in (False, True)]
    assert [name in names for names in listed] == [False, True]
    assert not any(names.startswith(("_anon", "_script", "_session")) for names in listed[1])
    bq.query_and_wait(f"CREATE TABLE {name}.t AS SELECT 1 AS id")
    assert [table.table_id for table in bq.list_tables(name)] == ["t"]
    bq.delete_dataset(name, delete_contents=True)


@pytest.mark.parametrize("name", ["_anon1", "_script1", "_session1", "a-b", "`a b`"])
def test_create_schema_takes_no_name_that_insert_refuses(bq: bigquery.Client, name: str) -> None:
    with pytest.raises(BadRequest, match=r"Invalid dataset ID|Syntax error"):
        bq.query_and_wait(f"CREATE SCHEMA {name}")


DAY_S = 86_400


def test_whatever_is_made_in_a_dataset_takes_its_default_lifetime(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.source AS SELECT 1 AS id, DATE '2026-01-01' AS day")
    name = f"_brief_{uuid.uuid4().hex[:12]}"
    for days in (1, 9):  # what is there already keeps its own
        bq.query_and_wait(f"CREATE SCHEMA IF NOT EXISTS {name} OPTIONS (default_table_expiration_days = {days})")
    for text in (
        "CREATE TABLE {n}.plain (id INT64)", "CREATE TABLE {n}.made AS SELECT 1 AS id",
        "CREATE TABLE IF NOT EXISTS {n}.clone CLONE {d}.source", "CREATE TABLE {n}.copy COPY {d}.source",
        "CREATE SNAPSHOT TABLE {n}.snapshot CLONE {d}.source", "CREATE TABLE {n}.parted (day DATE) PARTITION BY day",
        "CREATE OR REPLACE TABLE {n}.clone CLONE {d}.source", "CREATE VIEW {n}.view AS SELECT 1 AS id",
    ):  # fmt: skip
        bq.query_and_wait(text.format(n=name, d=dataset))
    bq.create_table(bigquery.Table(f"athena.{name}.inserted", [bigquery.SchemaField("id", "INTEGER")]))
    bq.load_table_from_json([{"id": 1}], f"athena.{name}.loaded").result()
    bq.copy_table(f"athena.{dataset}.source", f"athena.{name}.copied").result()
    into = bigquery.QueryJobConfig(destination=f"athena.{name}.queried")
    bq.query("SELECT 1 AS id", job_config=into).result()
    now = datetime.datetime.now(datetime.UTC)
    lives = {item.table_id: (bq.get_table(item).expires - now).total_seconds() for item in bq.list_tables(name)}
    assert len(lives) == 11
    assert all(DAY_S - 60 < seconds <= DAY_S for seconds in lives.values()), lives
    bq.query_and_wait(f"ALTER SCHEMA {name} SET OPTIONS (default_table_expiration_days = 0.000003)")
    bq.query_and_wait(f"CREATE OR REPLACE TABLE {name}.fleeting CLONE {dataset}.source")
    deadline = time.monotonic() + 20
    while "fleeting" in [item.table_id for item in bq.list_tables(name)]:
        assert time.monotonic() < deadline
    bq.delete_dataset(name, delete_contents=True)

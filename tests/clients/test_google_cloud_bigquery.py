"""google-cloud-bigquery: the 57 operations of its smoke, numbered in the tests' docstrings, and what else it offers."""

from __future__ import annotations

import datetime
import decimal
import io
import uuid
from pathlib import Path
from typing import Any

import grpc
import pandas as pd
import pyarrow as pa
import pytest
from google.api_core import exceptions
from google.api_core.iam import Policy
from google.cloud import bigquery
from google.cloud.bigquery import QueryJobConfig
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient, types
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport

from athena_lab.kernel.session import current_session
from tests.warehouse.platform_parts import Parts

pytestmark = [
    pytest.mark.filterwarnings("ignore:.* via google-cloud-bigquery.* is deprecated:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Loading pandas DataFrame into BigQuery will require pandas-gbq:FutureWarning"),
]
"""The vendor would rather have its dataframes moved by pandas-gbq."""
UTC = datetime.UTC
ORDERS = [
    bigquery.SchemaField("id", "INTEGER", mode="REQUIRED", description="the order"),
    bigquery.SchemaField("day", "DATE"),
    bigquery.SchemaField("amount", "NUMERIC"),
    bigquery.SchemaField("at", "TIMESTAMP"),
    bigquery.SchemaField("tags", "STRING", mode="REPEATED"),
    bigquery.SchemaField(
        "customer", "RECORD", fields=[bigquery.SchemaField("name", "STRING"), bigquery.SchemaField("age", "INTEGER")]
    ),
]
ROWS = [
    {
        "id": 1, "day": "2026-01-01", "amount": "12.345", "at": "2026-01-01T10:00:00Z", "tags": ["a", "b"],
        "customer": {"name": "Ann", "age": 40},
    },
    {"id": 2, "day": "2026-01-02", "amount": "7", "at": "2026-01-02T10:00:00.5Z", "tags": [], "customer": None},
]  # fmt: skip
NUMBERS = (
    "SELECT i, MOD(i, 7) AS m, CONCAT('row ', CAST(i AS STRING)) AS name FROM UNNEST(GENERATE_ARRAY(1, 5000)) AS i"
)


@pytest.fixture
def orders(bq: bigquery.Client, dataset: str) -> bigquery.Table:
    """Give a partitioned, clustered table with two orders."""
    table = bigquery.Table(f"{bq.project}.{dataset}.orders", ORDERS)
    table.time_partitioning = bigquery.TimePartitioning(field="day")
    table.clustering_fields = ["id"]
    table.description, table.labels = "all orders", {"team": "sales"}
    made = bq.create_table(table)
    assert bq.insert_rows_json(made, ROWS) == []
    return made


@pytest.fixture
def numbers(bq: bigquery.Client, dataset: str) -> str:
    """Give the name of a table of 5,000 rows."""
    bq.query_and_wait(f"CREATE TABLE {dataset}.numbers AS {NUMBERS}")
    return f"{bq.project}.{dataset}.numbers"


def values(rows: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows]


def one(rows: Any) -> Any:
    ((found,),) = values(rows)
    return found


# -- Datasets and tables


def test_a_dataset_is_created_with_its_properties(bq: bigquery.Client) -> None:
    """1: create a dataset with location, labels and description"""
    wanted = bigquery.Dataset(f"{bq.project}.made_{uuid.uuid4().hex[:8]}")
    wanted.location, wanted.labels, wanted.description = bq.location or "EU", {"team": "a"}, "what it is"
    wanted.default_table_expiration_ms = 3_600_000
    made = bq.create_dataset(wanted)
    try:
        assert (made.labels, made.description, made.location) == ({"team": "a"}, "what it is", "EU")
        assert made.default_table_expiration_ms == 3_600_000
        with pytest.raises(exceptions.Conflict):
            bq.create_dataset(wanted)
        assert bq.create_dataset(wanted, exists_ok=True).dataset_id == made.dataset_id
        table = bq.create_table(bigquery.Table(made.table("t"), [bigquery.SchemaField("a", "STRING")]))
        assert abs(table.expires - table.created - datetime.timedelta(hours=1)) < datetime.timedelta(seconds=1)
    finally:
        bq.delete_dataset(made, delete_contents=True)


def test_a_dataset_is_found_listed_and_updated(bq: bigquery.Client, dataset: str) -> None:
    """2: get, list and update a dataset, guarded by its etag"""
    found = bq.get_dataset(dataset)
    found.description, found.labels = "changed", {"a": "1", "b": "2"}
    changed = bq.update_dataset(found, ["description", "labels"])
    assert (changed.description, changed.labels) == ("changed", {"a": "1", "b": "2"})
    changed.labels["a"] = None
    assert bq.update_dataset(changed, ["labels"]).labels == {"b": "2"}
    with pytest.raises(exceptions.PreconditionFailed):
        bq.update_dataset(found, ["description"])
    assert dataset in {item.dataset_id for item in bq.list_datasets()}
    assert [item.dataset_id for item in bq.list_datasets(filter="labels.b:2")] == [dataset]
    assert [item.project_id for item in bq.list_projects()] == [bq.project]


def test_access_entries_of_a_dataset_are_kept(bq: bigquery.Client, dataset: str) -> None:
    """3: access entries of a dataset"""
    found = bq.get_dataset(dataset)
    entry = bigquery.AccessEntry("READER", "userByEmail", "ann@example.org")
    found.access_entries = [*found.access_entries, entry]
    bq.update_dataset(found, ["access_entries"])
    assert entry in bq.get_dataset(dataset).access_entries


def test_a_table_is_created_with_its_schema_partitioning_and_clustering(
    bq: bigquery.Client, orders: bigquery.Table
) -> None:
    """4: create a partitioned and clustered table (REQUIRED, REPEATED, RECORD, descriptions)"""
    found = bq.get_table(orders)
    assert [item.to_api_repr() for item in found.schema] == [item.to_api_repr() for item in ORDERS]
    assert (found.time_partitioning.field, found.clustering_fields) == ("day", ["id"])
    assert (found.description, found.labels, found.num_rows) == ("all orders", {"team": "sales"}, 2)
    assert [item.table_id for item in bq.list_tables(found.dataset_id)] == ["orders"]
    assert sorted(bq.list_partitions(found)) == ["20260101", "20260102"]


def test_a_table_is_changed_guarded_by_its_etag(bq: bigquery.Client, orders: bigquery.Table) -> None:
    """4: update a table's description, labels, expiration and schema"""
    stale, found = bq.get_table(orders), bq.get_table(orders)
    found.schema = [*found.schema, bigquery.SchemaField("note", "STRING", description="new")]
    found.expires = datetime.datetime(2040, 1, 1, tzinfo=UTC)
    found.friendly_name = "Orders"
    changed = bq.update_table(found, ["schema", "expires", "friendly_name"])
    assert changed.schema[-1].name == "note"
    assert (changed.expires.year, changed.friendly_name, changed.description) == (2040, "Orders", "all orders")
    with pytest.raises(exceptions.PreconditionFailed):
        bq.update_table(stale, ["description"])
    assert values(bq.query_and_wait(f"SELECT note FROM {changed.dataset_id}.orders LIMIT 1")) == [(None,)]


# -- Rows in


def test_rows_are_inserted_with_their_types(bq: bigquery.Client, orders: bigquery.Table) -> None:
    """5: insert_rows_json with NUMERIC, TIMESTAMP, arrays and structs"""
    (first, second) = bq.query_and_wait(f"SELECT * FROM {orders.dataset_id}.orders ORDER BY id")
    assert first.amount == decimal.Decimal("12.345")
    assert first.at == datetime.datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert (first.tags, first.customer) == (["a", "b"], {"name": "Ann", "age": 40})
    assert (second.tags, second.customer, second.day) == ([], None, datetime.date(2026, 1, 2))
    assert bq.insert_rows(orders, [(3, datetime.date(2026, 1, 3), decimal.Decimal("1.5"), None, ["c"], None)]) == []
    frame = pd.DataFrame({"id": [4], "amount": ["2"], "tags": [["d"]]})
    assert bq.insert_rows_from_dataframe(orders, frame) == [[]]
    assert one(bq.query_and_wait(f"SELECT SUM(amount) FROM {orders.dataset_id}.orders")) == decimal.Decimal("22.845")


def test_wrong_rows_are_told_one_by_one(bq: bigquery.Client, orders: bigquery.Table) -> None:
    """6: errors of single rows of insert_rows_json"""
    bad = [{"id": 7}, {"id": "many"}, {"id": 8, "unknown": 1}, {"day": "2026-01-01"}]
    errors = bq.insert_rows_json(orders, bad)
    assert {entry["index"] for entry in errors} == {0, 1, 2, 3}
    reasons = {entry["index"]: entry["errors"][0]["reason"] for entry in errors}
    assert reasons == {0: "stopped", 1: "invalid", 2: "invalid", 3: "invalid"}
    assert bq.insert_rows_json(orders, bad[:3], skip_invalid_rows=True, ignore_unknown_values=True) != []
    assert sorted(values(bq.query_and_wait(f"SELECT id FROM {orders.dataset_id}.orders"))) == [(1,), (2,), (7,), (8,)]


def test_a_dataframe_is_loaded(bq: bigquery.Client, dataset: str) -> None:
    """7: load_table_from_dataframe (Parquet, multipart)"""
    frame = pd.DataFrame({"a": [1, 2, None], "b": ["x", None, "z"]}).astype({"a": "Int64"})
    job = bq.load_table_from_dataframe(frame, f"{dataset}.loaded")
    job.result()
    assert (job.state, job.output_rows, job.input_files, job.errors) == ("DONE", 3, 1, None)
    back = bq.query_and_wait(f"SELECT * FROM {dataset}.loaded ORDER BY a NULLS LAST").to_dataframe()
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)


@pytest.mark.filterwarnings("ignore:Could not determine the type of columns:UserWarning")
@pytest.mark.filterwarnings("ignore:Schema could not be detected:PendingDeprecationWarning")
def test_a_dataframes_columns_become_bigquerys_types(bq: bigquery.Client, dataset: str) -> None:
    """8: the types that a loaded dataframe gets, detected and declared"""
    moment = datetime.datetime.fromisoformat("2026-01-02T03:04:05.678901")
    frame = pd.DataFrame(
        {
            "i": [1], "f": [1.5], "s": ["x"], "b": [True], "d": [datetime.date(2026, 1, 2)], "t": [datetime.time(3, 4)],
            "n": [decimal.Decimal("1.23")], "naive": [moment], "aware": [moment.replace(tzinfo=UTC)], "y": [b"raw"],
            "l": [[1, 2]], "r": [{"p": 1, "q": "x"}],
        }
    )  # fmt: skip
    bq.load_table_from_dataframe(frame, f"{dataset}.types").result()
    kinds = {item.name: (item.field_type, item.mode) for item in bq.get_table(f"{dataset}.types").schema}
    assert kinds == {
        "i": ("INTEGER", "NULLABLE"), "f": ("FLOAT", "NULLABLE"), "s": ("STRING", "NULLABLE"),
        "b": ("BOOLEAN", "NULLABLE"), "d": ("DATE", "NULLABLE"), "t": ("TIME", "NULLABLE"),
        "n": ("NUMERIC", "NULLABLE"), "naive": ("DATETIME", "NULLABLE"), "aware": ("TIMESTAMP", "NULLABLE"),
        "y": ("BYTES", "NULLABLE"), "l": ("INTEGER", "REPEATED"), "r": ("RECORD", "NULLABLE"),
    }  # fmt: skip
    config = bigquery.LoadJobConfig(schema=[bigquery.SchemaField("a", "NUMERIC"), bigquery.SchemaField("j", "JSON")])
    declared = pd.DataFrame({"a": [decimal.Decimal("1")], "j": ['{"k": 1}']})
    bq.load_table_from_dataframe(declared, f"{dataset}.declared", job_config=config).result()
    assert [item.field_type for item in bq.get_table(f"{dataset}.declared").schema] == ["NUMERIC", "JSON"]


def test_json_is_loaded_with_its_schema_detected(bq: bigquery.Client, dataset: str) -> None:
    """9: load_table_from_json with autodetection and nesting"""
    rows = [{"a": 1, "b": {"c": ["x", "y"]}, "when": "2026-01-01"}, {"a": 2, "b": {"c": []}, "more": 1.5}]
    bq.load_table_from_json(rows, f"{dataset}.j").result()
    kinds = {item.name: (item.field_type, item.mode) for item in bq.get_table(f"{dataset}.j").schema}
    assert kinds["b"] == ("RECORD", "NULLABLE")
    assert (kinds["a"][0], kinds["when"][0], kinds["more"][0]) == ("INTEGER", "DATE", "FLOAT")
    found = values(bq.query_and_wait(f"SELECT a, b.c, more FROM {dataset}.j ORDER BY a"))
    assert found == [(1, ["x", "y"], None), (2, [], 1.5)]


def test_csv_is_uploaded_in_pieces(bq: bigquery.Client, dataset: str) -> None:
    """10: CSV in a resumable upload, with quoting, NULL markers, a header and bad input"""
    text = (
        "id;name;day\n"
        + "".join(f'{number};"a; ""{number}""";2026-01-01\n' for number in range(60_000))
        + "7;NIL;NIL\n"
    )
    config = bigquery.LoadJobConfig(
        source_format="CSV", skip_leading_rows=1, field_delimiter=";", null_marker="NIL",
        schema=[bigquery.SchemaField(*pair) for pair in (("id", "INTEGER"), ("name", "STRING"), ("day", "DATE"))],
    )  # fmt: skip
    job = bq.load_table_from_file(io.BytesIO(text.encode()), f"{dataset}.c", job_config=config)
    assert job.result().output_rows == 60_001
    found = values(bq.query_and_wait(f"SELECT name, day FROM {dataset}.c WHERE id = 7 ORDER BY name"))
    assert found == [(None, None), ('a; "7"', datetime.date(2026, 1, 1))]
    bad = bq.load_table_from_file(io.BytesIO(b"id;name;day\nx;y;z\n"), f"{dataset}.c", job_config=config)
    with pytest.raises(exceptions.BadRequest):
        bad.result()
    assert bad.state == "DONE"


def test_loads_replace_or_append(bq: bigquery.Client, dataset: str) -> None:
    """11: WRITE_TRUNCATE, WRITE_APPEND and WRITE_EMPTY of loads, and fields added"""
    table = f"{dataset}.w"
    for disposition, count in (("WRITE_APPEND", 2), ("WRITE_APPEND", 4), ("WRITE_TRUNCATE", 2)):
        config = bigquery.LoadJobConfig(write_disposition=disposition)
        bq.load_table_from_dataframe(pd.DataFrame({"a": [1, 2]}), table, job_config=config).result()
        assert bq.get_table(table).num_rows == count
    config = bigquery.LoadJobConfig(write_disposition="WRITE_EMPTY")
    refused = bq.load_table_from_dataframe(pd.DataFrame({"a": [1]}), table, job_config=config)
    with pytest.raises(exceptions.Conflict):
        refused.result()
    wider = [bigquery.SchemaField("a", "INTEGER"), bigquery.SchemaField("b", "STRING")]
    config = bigquery.LoadJobConfig(schema_update_options=["ALLOW_FIELD_ADDITION"], schema=wider)
    bq.load_table_from_json([{"a": 3, "b": "new"}], table, job_config=config).result()
    assert [item.name for item in bq.get_table(table).schema] == ["a", "b"]


@pytest.mark.parametrize("kind", ["CSV", "NEWLINE_DELIMITED_JSON", "PARQUET"])
def test_what_was_extracted_is_loaded_from_its_uri(bq: bigquery.Client, numbers: str, kind: str) -> None:
    """47: extract to gs:// and load_table_from_uri, wildcards included"""
    uri = f"gs://client-bucket/{numbers}/{kind}-*.out"
    job = bq.extract_table(numbers, uri, job_config=bigquery.ExtractJobConfig(destination_format=kind))
    job.result()
    assert sum(job.destination_uri_file_counts) >= 1
    config = bigquery.LoadJobConfig(source_format=kind, autodetect=True)
    loaded = bq.load_table_from_uri(uri, f"{numbers}_{kind.lower()}", job_config=config)
    loaded.result()
    assert (loaded.output_rows, loaded.source_uris) == (5000, [uri])
    check = f"SELECT SUM(i), SUM(m), COUNT(DISTINCT name) FROM `{numbers}_{kind.lower()}`"
    assert values(bq.query_and_wait(check)) == [(12502500, sum(i % 7 for i in range(1, 5001)), 5000)]
    absent = bq.load_table_from_uri("gs://client-bucket/absent.csv", f"{numbers}_no", job_config=config)
    with pytest.raises(exceptions.NotFound):
        absent.result()


# -- Parameters


PARAMETERS = [
    ("INT64", 2**62), ("FLOAT64", 1.5), ("NUMERIC", decimal.Decimal("1.123456789")),
    ("BOOL", True), ("STRING", "it's ümlaut"),
    ("BYTES", b"\x00\xff"), ("DATE", datetime.date(2026, 1, 2)),
    ("DATETIME", datetime.datetime.fromisoformat("2026-01-02T03:04:05.000006")),
    ("TIME", datetime.time(3, 4, 5, 600)), ("TIMESTAMP", datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
    ("JSON", {"a": [1, None]}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), PARAMETERS, ids=[kind for kind, _ in PARAMETERS])
def test_a_named_parameter_keeps_its_value(bq: bigquery.Client, kind: str, value: Any) -> None:
    """12: named parameters of every type, and NULLs"""
    given = [bigquery.ScalarQueryParameter("p", kind, value), bigquery.ScalarQueryParameter("n", kind, None)]
    assert values(bq.query_and_wait("SELECT @p, @n", job_config=QueryJobConfig(query_parameters=given))) == [
        (value, None)
    ]


def test_arrays_and_structs_are_parameters(bq: bigquery.Client) -> None:
    """13: array and struct parameters, nested and empty"""
    given = [
        bigquery.ArrayQueryParameter("list", "STRING", ["a", "b"]),
        bigquery.ArrayQueryParameter("none", "INT64", []),
        bigquery.StructQueryParameter(
            "row",
            bigquery.ScalarQueryParameter("x", "INT64", 1),
            bigquery.ArrayQueryParameter("y", "DATE", [datetime.date(2026, 1, 1)]),
        ),
        bigquery.ArrayQueryParameter(
            "rows", "STRUCT", [bigquery.StructQueryParameter(None, bigquery.ScalarQueryParameter("k", "STRING", "v"))]
        ),
    ]
    sql = "SELECT @list, ARRAY_LENGTH(@none), @row.x + 1, @row.y, (SELECT k FROM UNNEST(@rows))"
    found = values(bq.query_and_wait(sql, job_config=QueryJobConfig(query_parameters=given)))
    assert found == [(["a", "b"], 0, 2, [datetime.date(2026, 1, 1)], "v")]


def test_parameters_by_position(bq: bigquery.Client) -> None:
    """14: positional parameters"""
    given = [bigquery.ScalarQueryParameter(None, "INT64", 4), bigquery.ScalarQueryParameter(None, "STRING", "x")]
    assert values(bq.query_and_wait("SELECT ?, ?", job_config=QueryJobConfig(query_parameters=given))) == [(4, "x")]
    with pytest.raises(exceptions.BadRequest):
        bq.query_and_wait("SELECT ?, ?", job_config=QueryJobConfig(query_parameters=given[:1]))


# -- Dry runs and bytes


DRY = QueryJobConfig(dry_run=True, use_query_cache=False)


def test_a_dry_run_tells_bytes_and_schema(bq: bigquery.Client, numbers: str) -> None:
    """15: dry run: bytes and the result's schema"""
    job = bq.query(f"SELECT i, name FROM `{numbers}`", job_config=DRY)
    assert job.total_bytes_processed > 0
    assert (job.state, job.dry_run) == ("DONE", True)
    assert [(item.name, item.field_type) for item in job.schema] == [("i", "INTEGER"), ("name", "STRING")]


def test_a_dry_runs_bytes_are_exact(bq: bigquery.Client, numbers: str) -> None:
    """16: dry run: exact bytes"""
    lengths = sum(2 + len(f"row {number}") for number in range(1, 5001))
    for columns, size in (("i", 40_000), ("i, m", 80_000), ("name", lengths), ("*", 80_000 + lengths), ("COUNT(*)", 0)):
        assert bq.query(f"SELECT {columns} FROM `{numbers}`", job_config=DRY).total_bytes_processed == size


def test_a_dry_run_tells_the_tables_read(bq: bigquery.Client, numbers: str) -> None:
    """17: dry run: referenced tables"""
    job = bq.query(f"SELECT * FROM `{numbers}` JOIN (SELECT 1 AS i) USING (i)", job_config=DRY)
    assert [str(table) for table in job.referenced_tables] == [numbers]


def test_a_dry_run_refuses_a_wrong_column(bq: bigquery.Client, numbers: str) -> None:
    """18: dry run of a wrong column"""
    with pytest.raises(exceptions.BadRequest, match=r"Unrecognized name: nothing at \[1:8\]"):
        bq.query(f"SELECT nothing FROM `{numbers}`", job_config=DRY)


def test_a_query_over_its_budget_is_refused(bq: bigquery.Client, numbers: str) -> None:
    """19: maximum_bytes_billed"""
    config = QueryJobConfig(maximum_bytes_billed=1, use_query_cache=False)
    with pytest.raises(exceptions.ClientError) as refused:
        bq.query_and_wait(f"SELECT i FROM `{numbers}`", job_config=config)
    assert refused.value.errors[0]["reason"] == "bytesBilledLimitExceeded"


def test_a_table_read_is_billed_as_ten_megabytes_at_least(bq: bigquery.Client, numbers: str) -> None:
    """20: the minimum of 10 MB"""
    job = bq.query(f"SELECT i FROM `{numbers}`", job_config=QueryJobConfig(use_query_cache=False))
    job.result()
    assert (job.total_bytes_processed, job.total_bytes_billed) == (40_000, 10_485_760)


# -- Rows out


def test_rows_become_a_dataframe_over_rest(bq: bigquery.Client, numbers: str) -> None:
    """21: to_dataframe over REST"""
    rows = bq.query(f"SELECT * FROM `{numbers}` ORDER BY i").result()
    frame = rows.to_dataframe(create_bqstorage_client=False)
    assert (len(frame), list(frame.columns), str(frame["i"].dtype)) == (5000, ["i", "m", "name"], "Int64")
    assert frame["name"].iloc[-1] == "row 5000"


def test_rows_become_a_dataframe_over_storage_read(bq: bigquery.Client, numbers: str) -> None:
    """22: to_dataframe of a query's result through Storage Read, the client's own choice"""
    rows = bq.query(f"SELECT * FROM `{numbers}` ORDER BY i", job_config=QueryJobConfig(use_query_cache=False)).result()
    frame = rows.to_dataframe()
    assert frame["i"].tolist() == list(range(1, 5001))
    table = bq.query(f"SELECT * FROM `{numbers}`").to_arrow()
    assert (table.num_rows, table.schema.names) == (5000, ["i", "m", "name"])
    batches = bq.query(f"SELECT * FROM `{numbers}`").result().to_arrow_iterable()
    assert sum(batch.num_rows for batch in batches) == 5000
    frames = bq.query(f"SELECT * FROM `{numbers}`").result().to_dataframe_iterable()
    assert sum(len(part) for part in frames) == 5000


def test_chosen_columns_of_a_table_become_arrow(bq: bigquery.Client, numbers: str) -> None:
    """23: list_rows to Arrow with selected fields"""
    chosen = [item for item in bq.get_table(numbers).schema if item.name != "m"]
    table = bq.list_rows(numbers, selected_fields=chosen).to_arrow()
    assert (table.schema.names, table.num_rows) == (["i", "name"], 5000)
    assert table.schema.field("i").type == pa.int64()


def test_a_tables_rows_come_in_pages(bq: bigquery.Client, numbers: str) -> None:
    """24: list_rows in pages, max_results, start_index"""
    pages = [list(page) for page in bq.list_rows(numbers, page_size=2000).pages]
    assert [len(page) for page in pages] == [2000, 2000, 1000]
    assert len({row.i for page in pages for row in page}) == 5000
    assert len(list(bq.list_rows(numbers, max_results=7))) == 7
    everything = [row.i for row in bq.list_rows(numbers)]
    assert [row.i for row in bq.list_rows(numbers, start_index=4990)] == everything[4990:]
    result = bq.query(f"SELECT i FROM `{numbers}` ORDER BY i").result(page_size=1500)
    assert [page.num_items for page in result.pages] == [1500, 1500, 1500, 500]
    assert result.total_rows == 5000
    skipped = bq.query(f"SELECT i FROM `{numbers}` ORDER BY i").result(start_index=10, max_results=3)
    assert [row.i for row in skipped] == [11, 12, 13]


# -- Destinations and writes


def test_a_query_writes_its_destination(bq: bigquery.Client, dataset: str) -> None:
    """25: destination, WRITE_TRUNCATE, labels, default dataset"""
    config = QueryJobConfig(
        destination=f"{bq.project}.{dataset}.target", write_disposition="WRITE_TRUNCATE", labels={"step": "one"},
        default_dataset=f"{bq.project}.{dataset}", clustering_fields=["day"],
        time_partitioning=bigquery.TimePartitioning(field="day"),
    )  # fmt: skip
    for number in (1, 2):
        job = bq.query(f"SELECT {number} AS a, DATE '2026-01-01' AS day", job_config=config)
        assert values(job.result()) == [(number, datetime.date(2026, 1, 1))]
        assert (job.labels, job.destination.table_id) == ({"step": "one"}, "target")
    defaults = QueryJobConfig(default_dataset=f"{bq.project}.{dataset}")
    assert values(bq.query_and_wait("SELECT a FROM target", job_config=defaults)) == [(2,)]
    assert bq.get_table(f"{dataset}.target").time_partitioning.field == "day"


def test_a_destination_that_must_be_empty_is_not_overwritten(bq: bigquery.Client, dataset: str, numbers: str) -> None:
    """26: WRITE_EMPTY conflict"""
    config = QueryJobConfig(destination=numbers, write_disposition="WRITE_EMPTY")
    with pytest.raises(exceptions.Conflict):
        bq.query("SELECT 1 AS i", job_config=config).result()
    assert bq.get_table(numbers).num_rows == 5000


def test_merge_tells_what_it_did(bq: bigquery.Client, numbers: str) -> None:
    """27: MERGE with num_dml_affected_rows and dml_stats"""
    job = bq.query(
        f"MERGE `{numbers}` t USING (SELECT * FROM UNNEST([1, 2, 6000]) AS i) s ON t.i = s.i "
        "WHEN MATCHED AND s.i = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET name = 'new' "
        "WHEN NOT MATCHED THEN INSERT (i, name) VALUES (s.i, 'added')"
    )
    job.result()
    stats = job.dml_stats
    assert (stats.inserted_row_count, stats.updated_row_count, stats.deleted_row_count) == (1, 1, 1)
    assert (job.num_dml_affected_rows, job.statement_type) == (3, "MERGE")


def test_update_and_delete_tell_their_rows(bq: bigquery.Client, numbers: str) -> None:
    """28: UPDATE and DELETE"""
    for sql, count in ((f"UPDATE `{numbers}` SET m = 9 WHERE i <= 10", 10), (f"DELETE `{numbers}` WHERE m = 9", 10)):
        job = bq.query(sql)
        job.result()
        assert job.num_dml_affected_rows == count
    assert bq.get_table(numbers).num_rows == 4990


def test_a_view_is_made_and_changed(bq: bigquery.Client, numbers: str) -> None:
    """29: view by API"""
    view = bigquery.Table(f"{numbers}_view")
    view.view_query = f"SELECT i FROM `{numbers}` WHERE i < 4"
    made = bq.create_table(view)
    assert (made.table_type, [item.name for item in made.schema]) == ("VIEW", ["i"])
    made.view_query = f"SELECT i, m FROM `{numbers}` WHERE i < 3"
    bq.update_table(made, ["view_query"])
    assert sorted(values(bq.query_and_wait(f"SELECT * FROM `{numbers}_view`"))) == [(1, 1), (2, 2)]


def test_create_table_as_select_replaces_and_tells_its_kind(bq: bigquery.Client, dataset: str) -> None:
    """30: CTAS, OR REPLACE, options, statement_type"""
    for number in (1, 2):
        job = bq.query(
            f"CREATE OR REPLACE TABLE {dataset}.made PARTITION BY day CLUSTER BY a "
            f"OPTIONS (description = 'made {number}', labels = [('k', 'v')]) "
            f"AS SELECT {number} AS a, CURRENT_DATE() AS day"
        )
        job.result()
        assert (job.statement_type, job.ddl_target_table.table_id) == ("CREATE_TABLE_AS_SELECT", "made")
    assert job.ddl_operation_performed == "REPLACE"
    made = bq.get_table(f"{dataset}.made")
    assert (made.description, made.labels, made.clustering_fields) == ("made 2", {"k": "v"}, ["a"])


def test_a_table_is_copied(bq: bigquery.Client, orders: bigquery.Table) -> None:
    """31: copy a table, several into one, snapshots and clones"""
    base = f"{bq.project}.{orders.dataset_id}"
    bq.copy_table(orders, f"{base}.copied").result()
    copied = bq.get_table(f"{base}.copied")
    assert (copied.num_rows, copied.time_partitioning.field) == (2, "day")
    config = bigquery.CopyJobConfig(write_disposition="WRITE_APPEND")
    bq.copy_table([f"{base}.orders", f"{base}.copied"], f"{base}.copied", job_config=config).result()
    assert bq.get_table(f"{base}.copied").num_rows == 6
    snapshot = bigquery.CopyJobConfig(operation_type=bigquery.OperationType.SNAPSHOT)
    bq.copy_table(orders, f"{base}.snap", job_config=snapshot).result()
    found = bq.get_table(f"{base}.snap")
    assert (found.table_type, found.snapshot_definition.base_table_reference.table_id) == ("SNAPSHOT", "orders")
    clone = bigquery.CopyJobConfig(operation_type=bigquery.OperationType.CLONE)
    bq.copy_table(orders, f"{base}.clone", job_config=clone).result()
    assert bq.get_table(f"{base}.clone").clone_definition.base_table_reference.table_id == "orders"


# -- Routines and scripts


def test_sql_functions_are_temporary_or_kept(bq: bigquery.Client, dataset: str) -> None:
    """32: temporary and persistent SQL UDF, and the routines API"""
    sql = "CREATE TEMP FUNCTION twice(x INT64) AS (x * 2); SELECT twice(21)"
    assert one(bq.query_and_wait(sql)) == 42
    routine = bigquery.Routine(f"{bq.project}.{dataset}.plus", type_="SCALAR_FUNCTION", language="SQL", body="x + 1")
    number = bigquery.StandardSqlDataType(type_kind=bigquery.StandardSqlTypeNames.INT64)
    routine.arguments = [bigquery.RoutineArgument(name="x", data_type=number)]
    made = bq.create_routine(routine)
    assert one(bq.query_and_wait(f"SELECT {dataset}.plus(41)")) == 42
    made.body, made.description = "x + 2", "adds two"
    assert bq.update_routine(made, ["body", "description"]).description == "adds two"
    assert one(bq.query_and_wait(f"SELECT {dataset}.plus(40)")) == 42
    assert [item.routine_id for item in bq.list_routines(dataset)] == ["plus"]
    bq.delete_routine(made)
    with pytest.raises(exceptions.NotFound):
        bq.get_routine(made)
    bq.delete_routine(made, not_found_ok=True)


def test_javascript_functions_run(bq: bigquery.Client) -> None:
    """33: JavaScript UDF"""
    sql = (
        "CREATE TEMP FUNCTION shout(x STRING) RETURNS STRING LANGUAGE js AS r'return x.toUpperCase() + \"!\";'; "
        "SELECT shout('hi')"
    )
    assert one(bq.query_and_wait(sql)) == "HI!"


SCRIPT = """
DECLARE i INT64 DEFAULT 0; DECLARE total INT64 DEFAULT 0;
WHILE i < 4 DO SET i = i + 1; IF MOD(i, 2) = 0 THEN SET total = total + i; END IF; END WHILE;
SELECT total; SELECT i;
"""


def test_scripts_run(bq: bigquery.Client) -> None:
    """34: scripting with DECLARE, IF, WHILE"""
    assert one(bq.query_and_wait(SCRIPT)) == 4


def test_a_scripts_statements_are_child_jobs(bq: bigquery.Client) -> None:
    """35: child jobs"""
    job = bq.query(SCRIPT)
    job.result()
    assert (job.statement_type, job.num_child_jobs) == ("SCRIPT", len(list(bq.list_jobs(parent_job=job.job_id))))
    children = list(bq.list_jobs(parent_job=job))
    answers = [
        one(child.result()) for child in children if child.statement_type == "SELECT" and child.query[:6] == "SELECT"
    ]
    assert sorted(answers) == [4, 6]
    assert {child.parent_job_id for child in children} == {job.job_id}
    assert children[0].script_statistics.evaluation_kind in ("STATEMENT", "EXPRESSION")


# -- Metadata in SQL


def test_rows_are_partitioned_by_their_arrival(bq: bigquery.Client, dataset: str) -> None:
    """36: _PARTITIONTIME, and loads into one partition"""
    table = bigquery.Table(f"{bq.project}.{dataset}.arrivals", [bigquery.SchemaField("a", "INTEGER")])
    table.time_partitioning = bigquery.TimePartitioning()
    bq.create_table(table)
    for day in ("20260101", "20260102"):
        bq.load_table_from_json([{"a": int(day)}], f"{bq.project}.{dataset}.arrivals${day}").result()
    sql = f"SELECT a, _PARTITIONDATE AS d FROM {dataset}.arrivals WHERE _PARTITIONTIME = TIMESTAMP '2026-01-02'"
    assert values(bq.query_and_wait(sql)) == [(20260102, datetime.date(2026, 1, 2))]
    assert sorted(bq.list_partitions(f"{dataset}.arrivals")) == ["20260101", "20260102"]
    assert [
        row.a for row in bq.list_rows(f"{bq.project}.{dataset}.arrivals$20260101", selected_fields=table.schema)
    ] == [20260101]
    bq.delete_table(f"{bq.project}.{dataset}.arrivals$20260101")
    assert bq.list_partitions(f"{dataset}.arrivals") == ["20260102"]


def test_tables_are_read_by_wildcard(bq: bigquery.Client, dataset: str) -> None:
    """37: wildcard tables, _TABLE_SUFFIX"""
    for year in (2024, 2025, 2026):
        bq.query_and_wait(f"CREATE TABLE {dataset}.events_{year} AS SELECT {year} AS y")
    sql = f"SELECT y, _TABLE_SUFFIX AS s FROM `{dataset}.events_*` WHERE _TABLE_SUFFIX >= '2025' ORDER BY y"
    assert values(bq.query_and_wait(sql)) == [(2025, "2025"), (2026, "2026")]


def test_the_information_schema_tells_columns_and_tables(bq: bigquery.Client, orders: bigquery.Table) -> None:
    """38: INFORMATION_SCHEMA.COLUMNS and TABLES"""
    where = f"{orders.dataset_id}.INFORMATION_SCHEMA"
    assert values(bq.query_and_wait(f"SELECT table_name, table_type FROM {where}.TABLES")) == [("orders", "BASE TABLE")]
    sql = f"SELECT column_name, data_type, is_nullable FROM {where}.COLUMNS ORDER BY ordinal_position"
    found = values(bq.query_and_wait(sql))
    assert found[0] == ("id", "INT64", "NO")
    assert found[-1] == ("customer", "STRUCT<name STRING, age INT64>", "YES")


def test_the_information_schema_tells_jobs(bq: bigquery.Client) -> None:
    """39: INFORMATION_SCHEMA.JOBS"""
    job = bq.query("SELECT 1", job_config=QueryJobConfig(labels={"why": "jobs"}))
    job.result()
    sql = (
        f"SELECT state, statement_type, job_type FROM `region-eu`.INFORMATION_SCHEMA.JOBS WHERE job_id = '{job.job_id}'"
    )
    assert values(bq.query_and_wait(sql)) == [("DONE", "SELECT", "QUERY")]


# -- Faults


def test_a_table_that_is_absent_is_not_found(bq: bigquery.Client, dataset: str) -> None:
    """40: NotFound of a table"""
    with pytest.raises(exceptions.NotFound, match=f"Table {bq.project}:{dataset}.absent was not found"):
        bq.query_and_wait(f"SELECT * FROM {dataset}.absent")


def test_a_syntax_error_tells_its_place(bq: bigquery.Client) -> None:
    """41: syntax error with [line:column]"""
    with pytest.raises(exceptions.BadRequest, match=r"Syntax error: .* at \[2:5\]") as refused:
        bq.query_and_wait("SELECT 1\nFRM x")
    assert refused.value.errors[0]["reason"] == "invalidQuery"


def test_what_is_absent_is_deleted_only_if_asked_to_be_lenient(bq: bigquery.Client, dataset: str) -> None:
    """42: get NotFound, delete with not_found_ok"""
    for call in (bq.get_table, bq.delete_table):
        with pytest.raises(exceptions.NotFound):
            call(f"{dataset}.absent")
    for call in (bq.get_dataset, bq.delete_dataset):
        with pytest.raises(exceptions.NotFound):
            call("absent")
    bq.delete_table(f"{dataset}.absent", not_found_ok=True)
    bq.delete_dataset("absent", not_found_ok=True)


# -- Jobs


def test_jobs_are_listed_found_and_cancelled(bq: bigquery.Client) -> None:
    """43: list, get and cancel jobs"""
    before = datetime.datetime.now(UTC)
    job = bq.query(
        "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 200000)) AS a, UNNEST(GENERATE_ARRAY(1, 200000)) AS b"
    )
    assert job.cancel() is True
    with pytest.raises(exceptions.GoogleAPICallError):
        job.result()
    found = bq.get_job(job.job_id)
    assert (found.state, found.error_result["reason"]) == ("DONE", "stopped")
    assert job.job_id in {item.job_id for item in bq.list_jobs(state_filter="done", min_creation_time=before)}
    assert bq.cancel_job(job.job_id).state == "DONE"
    assert len(list(bq.list_jobs(max_results=2))) == 2
    bq.delete_job_metadata(job.job_id)
    with pytest.raises(exceptions.NotFound):
        bq.get_job(job.job_id)


def test_a_jobs_id_is_used_once(bq: bigquery.Client) -> None:
    """43: a job is begun by its own id, and found again by it"""
    job_id = f"mine-{uuid.uuid4().hex}"
    bq.query("SELECT 7", job_id=job_id, job_retry=None).result()
    with pytest.raises(exceptions.Conflict):
        bq.query("SELECT 8", job_id=job_id, job_retry=None)
    assert one(bq.get_job(job_id).result()) == 7
    assert bq.query("SELECT 1", job_id_prefix="pre-").job_id.startswith("pre-")
    with pytest.raises(exceptions.NotFound):
        bq.get_job("absent")


def test_a_job_tells_its_effort(bq: bigquery.Client, numbers: str) -> None:
    """44: query plan, timeline, slot ms"""
    job = bq.query(f"SELECT m, COUNT(*) FROM `{numbers}` GROUP BY m", job_config=QueryJobConfig(use_query_cache=False))
    job.result()
    assert job.query_plan
    assert job.timeline
    assert job.slot_millis >= 0
    assert job.created <= job.started <= job.ended
    assert (job.cache_hit, job.user_email) == (False, job.user_email)


def test_query_and_wait_is_one_call(bq: bigquery.Client, numbers: str) -> None:
    """45: query_and_wait, with pages and a limit"""
    rows = bq.query_and_wait(f"SELECT i FROM `{numbers}` ORDER BY i", page_size=2000, max_results=4500)
    assert [row.i for row in rows] == list(range(1, 4501))
    rows = bq.query_and_wait(f"SELECT i FROM `{numbers}`")
    assert (rows.total_rows, rows.schema[0].name, rows.query) == (5000, "i", f"SELECT i FROM `{numbers}`")
    assert bq.query_and_wait("SELECT 1 AS a WHERE FALSE").to_dataframe().empty


def test_a_session_keeps_its_temporary_tables(bq: bigquery.Client) -> None:
    """46: sessions with temporary tables"""
    job = bq.query("CREATE TEMP TABLE t AS SELECT 5 AS a", job_config=QueryJobConfig(create_session=True))
    job.result()
    session = bigquery.ConnectionProperty("session_id", job.session_info.session_id)
    config = QueryJobConfig(connection_properties=[session])
    assert one(bq.query_and_wait("SELECT a FROM t", job_config=config)) == 5
    bq.query_and_wait("CALL BQ.ABORT_SESSION()", job_config=config)
    with pytest.raises(exceptions.ClientError):
        bq.query_and_wait("SELECT a FROM t", job_config=config)


def test_an_extract_lies_in_its_bucket(bq: bigquery.Client, orders: bigquery.Table, platform: Parts) -> None:
    """47: extract to gs:// (buckets are local folders)"""
    uri = f"gs://client-bucket/{orders.dataset_id}/orders.json.gz"
    config = bigquery.ExtractJobConfig(destination_format="NEWLINE_DELIMITED_JSON", compression="GZIP")
    job = bq.extract_table(orders, uri, job_config=config)
    job.result()
    assert (job.state, job.destination_uris) == ("DONE", [uri])
    path = Path(platform.home.emulator) / "buckets" / "client-bucket" / orders.dataset_id / "orders.json.gz"
    frame = pd.read_json(path, lines=True)
    assert sorted(frame["id"]) == [1, 2]
    with pytest.raises(exceptions.BadRequest, match="nested"):
        bq.extract_table(orders, "gs://client-bucket/x.csv").result()


# -- Policies


def test_policy_tags_are_part_of_a_schema(bq: bigquery.Client, dataset: str) -> None:
    """48: policy tags in a schema"""
    tags = bigquery.PolicyTagList(["projects/p/locations/eu/taxonomies/1/policyTags/2"])
    schema = [bigquery.SchemaField("a", "STRING"), bigquery.SchemaField("b", "STRING", policy_tags=tags)]
    made = bq.create_table(bigquery.Table(f"{bq.project}.{dataset}.tagged", schema))
    assert [item.policy_tags for item in bq.get_table(made).schema] == [None, tags]


def test_masked_columns_are_masked(bq: bigquery.Client, administrator: bigquery.Client, orders: bigquery.Table) -> None:
    """49: column policies enforced"""
    where = f"{orders.dataset_id}.orders"
    policy = f"`{bq.project}.region-eu.hide_{orders.dataset_id}`"
    administrator.query_and_wait(
        f"CREATE DATA_POLICY {policy} "
        "OPTIONS (data_policy_type = 'DATA_MASKING_POLICY', masking_expression = 'ALWAYS_NULL')"
    )
    administrator.query_and_wait(
        f"ALTER TABLE {where} ALTER COLUMN amount SET OPTIONS (data_policies = [\"{{'name': '{policy.strip('`')}'}}\"])"
    )
    with pytest.raises(exceptions.Forbidden):
        bq.query_and_wait(f"SELECT amount FROM {where}")
    administrator.query_and_wait(f"GRANT FINE_GRAINED_READ ON DATA_POLICY {policy} TO 'user:analyst@athena.local'")
    assert values(bq.query_and_wait(f"SELECT DISTINCT amount FROM {where}")) == [(None,)]
    assert bq.list_rows(bq.get_table(orders)).to_arrow().column("amount").null_count == 2


def test_row_access_policies_filter_rows(
    bq: bigquery.Client, administrator: bigquery.Client, orders: bigquery.Table
) -> None:
    """50: row access policy enforced"""
    where = f"{orders.dataset_id}.orders"
    administrator.query_and_wait(
        f"CREATE ROW ACCESS POLICY one ON {where} GRANT TO ('user:analyst@athena.local') FILTER USING (id = 1)"
    )
    assert values(bq.query_and_wait(f"SELECT id FROM {where}")) == [(1,)]
    assert values(administrator.query_and_wait(f"SELECT id FROM {where}")) == []


def test_a_table_is_read_as_it_was(bq: bigquery.Client, numbers: str) -> None:
    """51: time travel"""
    moment = one(bq.query_and_wait("SELECT CURRENT_TIMESTAMP()"))
    bq.query_and_wait(f"DELETE `{numbers}` WHERE i > 10")
    config = QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("at", "TIMESTAMP", moment)])
    sql = f"SELECT COUNT(*) FROM `{numbers}` FOR SYSTEM_TIME AS OF @at"
    assert one(bq.query_and_wait(sql, job_config=config)) == 5000
    bq.copy_table(f"{numbers}@{int(moment.timestamp() * 1000)}", f"{numbers}_then").result()
    assert bq.get_table(f"{numbers}_then").num_rows == 5000


# -- Types and SQL


def test_rarer_types_come_out(bq: bigquery.Client) -> None:
    """52: JSON, INTERVAL, BIGNUMERIC, TIME, RANGE (GEOGRAPHY says unsupported)"""
    sql = (
        "SELECT JSON '{\"a\": 1}' AS j, INTERVAL 1 DAY AS v, NUMERIC '1.5' AS n, TIME '01:02:03' AS t, "
        "RANGE<DATE> '[2026-01-01, 2026-02-01)' AS r, b'\\x00\\x01' AS y, BIGNUMERIC '1e-38' AS b"
    )
    (row,) = bq.query_and_wait(sql)
    assert (row.j, row.n, row.t, row.y) == ({"a": 1}, decimal.Decimal("1.5"), datetime.time(1, 2, 3), b"\x00\x01")
    assert row.b == decimal.Decimal("1e-38")
    assert row.r == {"start": datetime.date(2026, 1, 1), "end": datetime.date(2026, 2, 1)}
    assert "1" in str(row.v)
    with pytest.raises(exceptions.ClientError, match="ST_GEOGPOINT"):
        bq.query_and_wait("SELECT ST_GEOGPOINT(1, 2)")


def test_bigquerys_own_clauses_work(bq: bigquery.Client, numbers: str) -> None:
    """53: QUALIFY, PIVOT, EXCEPT, ARRAY_AGG(STRUCT … LIMIT)"""
    top = (
        f"SELECT i, m FROM `{numbers}` WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY m ORDER BY i) = 1 ORDER BY m"
    )
    assert values(bq.query_and_wait(top))[:2] == [(7, 0), (1, 1)]
    pivot = f"SELECT * FROM (SELECT m, i FROM `{numbers}` WHERE i < 8) PIVOT (SUM(i) FOR m IN (0 AS zero, 1 AS one))"
    assert values(bq.query_and_wait(pivot)) == [(7, 1)]
    rest = f"SELECT * EXCEPT (name) REPLACE (i * 2 AS i) FROM `{numbers}` WHERE i = 3"
    assert values(bq.query_and_wait(rest)) == [(6, 3)]
    listed = f"SELECT ARRAY_AGG(STRUCT(i, m) ORDER BY i DESC LIMIT 2) FROM `{numbers}`"
    assert one(bq.query_and_wait(listed)) == [{"i": 5000, "m": 2}, {"i": 4999, "m": 1}]


def test_an_iam_policy_of_a_table_is_kept(bq: bigquery.Client, orders: bigquery.Table) -> None:
    """54: IAM policy of a table"""
    policy = bq.get_iam_policy(orders)
    policy.bindings.append({"role": "roles/bigquery.dataViewer", "members": {"user:ann@example.org"}})
    kept = bq.set_iam_policy(orders, policy)
    assert isinstance(kept, Policy)
    assert bq.get_iam_policy(orders)["roles/bigquery.dataViewer"] == {"user:ann@example.org"}
    wanted = ["bigquery.tables.getData", "bigquery.tables.get"]
    assert bq.test_iam_permissions(orders, wanted)["permissions"] == wanted


def test_rows_are_appended_through_storage_write(bq: bigquery.Client, platform: Parts, dataset: str) -> None:
    """56: Storage Write, default stream, Arrow rows"""
    bq.query_and_wait(f"CREATE TABLE {dataset}.written (a INT64, b STRING)")
    batch = pa.record_batch({"a": [1, 2], "b": ["x", None]})
    address = current_session().credentials.place().grpc_endpoint
    stream = f"projects/{bq.project}/datasets/{dataset}/tables/written/streams/_default"
    request = types.AppendRowsRequest(write_stream=stream)
    request.arrow_rows.writer_schema.serialized_schema = batch.schema.serialize().to_pybytes()
    request.arrow_rows.rows.serialized_record_batch = batch.serialize().to_pybytes()
    with grpc.insecure_channel(address) as channel:
        client = BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))
        metadata = [("authorization", f"Bearer {current_session().credentials.fresh_token()}")]
        (answer,) = client.append_rows(iter([request]), metadata=metadata)
    assert not answer.error.message
    assert sorted(values(bq.query_and_wait(f"SELECT a, b FROM {dataset}.written"))) == [(1, "x"), (2, None)]


def test_a_dataset_is_deleted_with_its_contents(bq: bigquery.Client, orders: bigquery.Table) -> None:
    """57: delete a dataset with its contents"""
    with pytest.raises(exceptions.BadRequest, match="still in use"):
        bq.delete_dataset(orders.dataset_id)
    bq.delete_dataset(orders.dataset_id, delete_contents=True)
    with pytest.raises(exceptions.NotFound):
        bq.get_table(orders)
    assert orders.dataset_id not in {item.dataset_id for item in bq.list_datasets()}

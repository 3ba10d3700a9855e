"""Query jobs: parameters, estimates, DDL, DML, errors, results, through the real client."""

from __future__ import annotations

import datetime
import decimal
import time
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, GoogleAPICallError, NotFound
from google.cloud import bigquery
from google.cloud.bigquery import ArrayQueryParameter, QueryJobConfig, ScalarQueryParameter, StructQueryParameter
from google.cloud.bigquery_storage_v1 import BigQueryReadClient

pytestmark = [
    pytest.mark.stack,
    pytest.mark.filterwarnings("ignore:Retrieving Arrow record batches:PendingDeprecationWarning"),
]


def rows_of(bq: bigquery.Client, sql: str, *parameters: object) -> list[tuple[object, ...]]:
    config = QueryJobConfig(query_parameters=list(parameters))
    return [tuple(row.values()) for row in bq.query_and_wait(sql, job_config=config)]


@pytest.fixture
def sales(bq: bigquery.Client, dataset: str) -> str:
    """A small table: 4 rows."""
    bq.query_and_wait(
        f"CREATE TABLE {dataset}.sales AS SELECT * FROM UNNEST(["
        "STRUCT(1 AS id, 'north' AS region, DATE '2026-01-05' AS day, 10.5 AS amount, NUMERIC '1.25' AS tax),"
        "(2, 'south', DATE '2026-01-06', 4.5, NUMERIC '0.5'), (3, 'north', DATE '2026-02-01', 1.0, NULL),"
        "(4, NULL, DATE '2026-02-03', NULL, NUMERIC '2')])"
    )
    return f"{dataset}.sales"


def test_named_parameters_of_every_type_come_back_equal(bq: bigquery.Client) -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    values = [
        ("i", "INT64", 7), ("f", "FLOAT64", 0.1), ("b", "BOOL", True), ("s", "STRING", "it's"),
        ("y", "BYTES", b"\x00a"),
        ("d", "DATE", moment.date()), ("t", "TIME", moment.time()), ("dt", "DATETIME", moment.replace(tzinfo=None)),
        ("ts", "TIMESTAMP", moment), ("n", "NUMERIC", decimal.Decimal("1.5")), ("none", "STRING", None),
    ]  # fmt: skip
    sql = "SELECT " + ", ".join(f"@{name} AS {name}" for name, _, _ in values)
    (got,) = rows_of(bq, sql, *(ScalarQueryParameter(*value) for value in values))
    assert got == tuple(value for _, _, value in values)


def test_array_and_struct_parameters_are_bound(bq: bigquery.Client) -> None:
    ids = ArrayQueryParameter("ids", "INT64", [1, 3])
    who = StructQueryParameter(
        "who", ScalarQueryParameter("name", "STRING", "x"), ScalarQueryParameter("age", "INT64", 4)
    )
    sql = "SELECT i, @who.name, @who.age FROM UNNEST([1, 2, 3]) AS i WHERE i IN UNNEST(@ids) ORDER BY i"
    assert rows_of(bq, sql, ids, who) == [(1, "x", 4), (3, "x", 4)]


def test_positional_parameters_bind_in_order(bq: bigquery.Client) -> None:
    one, two = ScalarQueryParameter(None, "INT64", 1), ScalarQueryParameter(None, "STRING", "b")
    assert rows_of(bq, "SELECT ? + 1, ?", one, two) == [(2, "b")]
    with pytest.raises(BadRequest, match="positional parameters"):
        rows_of(bq, "SELECT ?, ?, ?", one, two)


def test_dry_run_counts_bytes_by_bigquerys_rule(bq: bigquery.Client, sales: str) -> None:
    def estimate(columns: str) -> int:
        config = QueryJobConfig(dry_run=True)
        return int(bq.query(f"SELECT {columns} FROM {sales}", job_config=config).total_bytes_processed)

    assert estimate("id") == 4 * 8
    assert estimate("region") == 3 * (2 + 5)
    assert estimate("day, amount") == 4 * 8 + 3 * 8
    assert estimate("tax") == 3 * 16
    assert estimate("*") == 32 + 21 + 32 + 24 + 48
    assert estimate("COUNT(*)") == 0
    assert estimate("COUNT(region)") == 21
    bq.query_and_wait(f"INSERT INTO {sales} (id) VALUES (9)")
    assert estimate("id") == 5 * 8
    bq.query_and_wait(f"DELETE FROM {sales} WHERE id > 2")
    assert estimate("id") == 2 * 8


def test_dry_run_prunes_columns_that_a_subquery_does_not_need(bq: bigquery.Client, sales: str) -> None:
    sql = f"WITH s AS (SELECT * FROM {sales}) SELECT id FROM s"
    assert bq.query(sql, job_config=QueryJobConfig(dry_run=True)).total_bytes_processed == 32


def test_dry_run_tells_schema_tables_and_statement(bq: bigquery.Client, sales: str) -> None:
    job = bq.query(f"SELECT id, region AS Where_ FROM {sales}", job_config=QueryJobConfig(dry_run=True))
    assert [(item.name, item.field_type) for item in job.schema] == [("id", "INTEGER"), ("Where_", "STRING")]
    assert [f"{item.dataset_id}.{item.table_id}" for item in job.referenced_tables] == [sales]
    assert (job.statement_type, job.state, job.dry_run) == ("SELECT", "DONE", True)
    dml = bq.query(f"UPDATE {sales} SET amount = 1 WHERE id = 1", job_config=QueryJobConfig(dry_run=True))
    assert (dml.statement_type, dml.total_bytes_processed) == ("UPDATE", 157)
    assert rows_of(bq, f"SELECT amount FROM {sales} WHERE id = 1") == [(10.5,)]


def test_dry_run_of_a_wrong_column_is_refused_with_its_place(bq: bigquery.Client, sales: str) -> None:
    with pytest.raises(BadRequest, match=r"Unrecognized name: nope at \[2:3\]"):
        bq.query(f"SELECT id,\n  nope\nFROM {sales}", job_config=QueryJobConfig(dry_run=True))


def test_query_over_the_byte_limit_is_refused_and_ten_megabytes_are_the_least(bq: bigquery.Client, sales: str) -> None:
    with pytest.raises(BadRequest, match=r"limit for bytes billed: 1000. 10485760 or higher"):
        bq.query_and_wait(f"SELECT id FROM {sales}", job_config=QueryJobConfig(maximum_bytes_billed=1000))
    job = bq.query(f"SELECT id FROM {sales}", job_config=QueryJobConfig(maximum_bytes_billed=10 * 2**20))
    job.result()
    assert bq.get_job(job.job_id).total_bytes_billed == 10 * 2**20


def test_destination_table_follows_the_dispositions(bq: bigquery.Client, dataset: str, sales: str) -> None:
    def run(disposition: str, create: str = "CREATE_IF_NEEDED") -> list[int]:
        config = QueryJobConfig(
            destination=f"athena.{dataset}.out",
            write_disposition=disposition,
            create_disposition=create,
            labels={"k": "v"},
        )
        return sorted(row.id for row in bq.query(f"SELECT id FROM {sales} WHERE id < 3", job_config=config).result())

    with pytest.raises(NotFound):
        run("WRITE_EMPTY", "CREATE_NEVER")
    assert run("WRITE_EMPTY") == [1, 2]
    with pytest.raises(Conflict):
        run("WRITE_EMPTY")
    assert run("WRITE_APPEND") == [1, 1, 2, 2]
    assert run("WRITE_TRUNCATE") == [1, 2]
    assert next(iter(bq.list_jobs(max_results=1))).labels == {"k": "v"}


def test_merge_counts_what_it_did(bq: bigquery.Client, dataset: str, sales: str) -> None:
    job = bq.query(
        f"MERGE {sales} AS t USING (SELECT 1 AS id, 'east' AS region UNION ALL SELECT 50, 'west') AS s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET region = s.region "
        "WHEN NOT MATCHED THEN INSERT (id, region) VALUES (id, region) "
        "WHEN NOT MATCHED BY SOURCE AND t.id = 4 THEN DELETE"
    )
    job.result()
    stats = job.dml_stats
    assert job.num_dml_affected_rows == 3
    assert (stats.inserted_row_count, stats.updated_row_count, stats.deleted_row_count) == (1, 1, 1)
    assert rows_of(bq, f"SELECT id, region FROM {sales} ORDER BY id") == [
        (1, "east"),
        (2, "south"),
        (3, "north"),
        (50, "west"),
    ]


def test_merge_that_matches_a_row_twice_is_refused(bq: bigquery.Client, sales: str) -> None:
    source = "(SELECT 1 id UNION ALL SELECT 1)"
    sql = f"MERGE {sales} t USING {source} s ON t.id = s.id WHEN MATCHED THEN UPDATE SET amount = 0"
    with pytest.raises(BadRequest, match="at most one source row"):
        bq.query_and_wait(sql)
    assert rows_of(bq, f"SELECT amount FROM {sales} WHERE id = 1") == [(10.5,)]


def test_update_and_delete_count_their_rows(bq: bigquery.Client, sales: str) -> None:
    job = bq.query(f"UPDATE {sales} SET region = UPPER(region), amount = amount + 1 WHERE region = 'north'")
    job.result()
    assert job.num_dml_affected_rows == 2
    value = ScalarQueryParameter("day", "DATE", datetime.date(2026, 2, 1))
    job = bq.query(f"DELETE FROM {sales} WHERE day >= @day", job_config=QueryJobConfig(query_parameters=[value]))
    job.result()
    assert job.num_dml_affected_rows == 2
    assert rows_of(bq, f"SELECT region, amount FROM {sales} ORDER BY id") == [("NORTH", 11.5), ("south", 4.5)]
    with pytest.raises(BadRequest, match="WHERE"):
        bq.query_and_wait(f"DELETE FROM {sales}")


def test_failing_insert_leaves_the_table_as_it_was(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t (a INT64 NOT NULL)")
    with pytest.raises(BadRequest):
        bq.query_and_wait(f"INSERT INTO {dataset}.t (a) SELECT IF(x = 2, NULL, x) FROM UNNEST([1, 2, 3]) AS x")
    with pytest.raises(BadRequest, match="division by zero"):
        bq.query_and_wait(f"CREATE TABLE {dataset}.u AS SELECT 1 / (x - 2) AS q FROM UNNEST([1, 2, 3]) AS x")
    assert rows_of(bq, f"SELECT COUNT(*) FROM {dataset}.t") == [(0,)]
    with pytest.raises(NotFound):
        bq.get_table(f"athena.{dataset}.u")


def test_create_table_as_select_replaces_and_keeps_options(bq: bigquery.Client, dataset: str) -> None:
    job = bq.query(f"CREATE TABLE {dataset}.t OPTIONS(description='first') AS SELECT 1 AS a")
    job.result()
    assert (job.statement_type, job.ddl_operation_performed) == ("CREATE_TABLE_AS_SELECT", "CREATE")
    with pytest.raises(Conflict):
        bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS a")
    bq.query_and_wait(f"CREATE OR REPLACE TABLE {dataset}.t AS SELECT 'x' AS b")
    bq.query_and_wait(f"CREATE TABLE IF NOT EXISTS {dataset}.t AS SELECT 2 AS c")
    assert [item.name for item in bq.get_table(f"athena.{dataset}.t").schema] == ["b"]
    bq.query_and_wait(f"CREATE VIEW {dataset}.v AS SELECT b FROM {dataset}.t")
    assert rows_of(bq, f"SELECT * FROM {dataset}.v") == [("x",)]
    bq.query_and_wait(f"DROP VIEW {dataset}.v")
    bq.query_and_wait(f"DROP TABLE {dataset}.t")
    with pytest.raises(NotFound):
        bq.query_and_wait(f"SELECT * FROM {dataset}.t")


@pytest.mark.parametrize(
    ("sql", "kind", "message"),
    [
        ("SELECT * FROM nowhere.t", NotFound, "Dataset athena:nowhere was not found in location EU"),
        ("SLECT 1", BadRequest, r'Unexpected identifier "SLECT" at \[1:1\]'),
        ("SELECT a b c FROM t", BadRequest, r'Syntax error: Unexpected identifier "c" at \[1:12\]'),
        ("SELECT 'x", BadRequest, r"Unclosed string literal at \[1:8\]"),
        ("SELECT\n  frobnicate(1)", BadRequest, r"Function not found: frobnicate at \[2:3\]"),
        ("SELECT current_setting('memory_limit')", BadRequest, "Function not found"),
        ("SELECT * FROM duckdb_settings()", BadRequest, "(?i)function"),
        ("SELECT * FROM read_csv('/etc/passwd')", BadRequest, "(?i)function"),
        ("SELECT * FROM `/etc/passwd`", BadRequest, "must be qualified"),
        ("ATTACH '/tmp/x.duckdb'", BadRequest, "(?i)unsupported|syntax"),
        ("SET memory_limit = '1GB'", BadRequest, "(?i)undeclared"),
        ("COPY (SELECT 1) TO '/tmp/x'", BadRequest, "(?i)unsupported|syntax"),
        ("BEGIN CREATE TEMP TABLE twice AS SELECT 1 AS a, 2 AS A; END", BadRequest, "Duplicate column names"),
        ("SELECT 5 / 0", BadRequest, "division by zero: 5 / 0"),
        ("SELECT [1][OFFSET(3)]", BadRequest, "out of bounds"),
        ("SELECT 9223372036854775807 + 1", BadRequest, "(?i)overflow"),
        ("SELECT CAST('x' AS INT64)", BadRequest, "Bad int64 value: x"),
        ("", BadRequest, "(?i)empty"),
    ],
)
def test_fault_is_told_in_bigquerys_words(bq: bigquery.Client, sql: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        bq.query_and_wait(sql, retry=None, job_retry=None)


def test_missing_table_is_named(bq: bigquery.Client, dataset: str) -> None:
    with pytest.raises(NotFound, match=f"Not found: Table athena:{dataset}.nope was not found in location EU"):
        bq.query(f"SELECT * FROM {dataset}.nope").result()


def test_cancelled_job_stops_within_seconds(bq: bigquery.Client) -> None:
    numbers = "UNNEST(GENERATE_ARRAY(1, 20000))"
    job = bq.query(f"SELECT COUNT(*) FROM {numbers} a, {numbers} b, {numbers} c WHERE MOD(a + b + c, 7) = 3")
    deadline = time.monotonic() + 10
    while bq.get_job(job.job_id).state != "RUNNING":
        assert time.monotonic() < deadline
    began = time.monotonic()
    job.cancel()
    with pytest.raises(GoogleAPICallError, match="cancelled"):
        job.result(timeout=20)
    assert time.monotonic() - began < 10


def test_result_of_a_query_reads_as_arrow_over_storage(bq: bigquery.Client, bq_storage: BigQueryReadClient) -> None:
    columns = "i, CAST(i AS STRING) AS s, [i] AS l, STRUCT(i AS x) AS st"
    sql = f"SELECT {columns} FROM UNNEST(GENERATE_ARRAY(1, 50000)) AS i ORDER BY i"
    table = bq.query(sql).result().to_arrow(bqstorage_client=bq_storage)
    assert table.column("i").to_pylist() == list(range(1, 50001))
    assert table.slice(2, 1).to_pylist() == [{"i": 3, "s": "3", "l": [3], "st": {"x": 3}}]


def test_query_and_wait_reads_small_and_large_results_as_inline_arrow(
    bq: bigquery.Client, bq_storage: BigQueryReadClient
) -> None:
    small = bq.query_and_wait("SELECT 1 AS a, 'x' AS b", query_results_format="ARROW")
    assert small.to_arrow(bqstorage_client=bq_storage).to_pylist() == [{"a": 1, "b": "x"}]
    sql = "SELECT i, REPEAT('x', 100) AS s FROM UNNEST(GENERATE_ARRAY(1, 200000)) AS i"
    large = bq.query_and_wait(sql, query_results_format="ARROW").to_arrow(bqstorage_client=bq_storage)
    assert large.num_rows == 200_000
    assert sum(large.column("i").to_pylist()) == 200_000 * 200_001 // 2


def test_large_result_pages_over_rest_in_order(bq: bigquery.Client) -> None:
    got = [row.i for row in bq.query_and_wait("SELECT i FROM UNNEST(GENERATE_ARRAY(1, 250000)) AS i ORDER BY i DESC")]
    assert got == list(range(250_000, 0, -1))


def test_anonymous_result_can_be_queried_by_name(bq: bigquery.Client) -> None:
    job = bq.query("SELECT x FROM UNNEST([1, 2, 3]) AS x")
    job.result()
    assert rows_of(bq, f"SELECT SUM(x) FROM `{job.destination}`") == [(6,)]


def test_table_streams_split_select_and_restrict(
    bq: bigquery.Client, bq_storage: BigQueryReadClient, dataset: str
) -> None:
    bq.query_and_wait(
        f"CREATE TABLE {dataset}.t AS SELECT i, MOD(i, 10) AS m, 'x' AS s FROM UNNEST(GENERATE_ARRAY(1, 500000)) i"
    )
    wanted = {
        "table": f"projects/athena/datasets/{dataset}/tables/t",
        "data_format": "ARROW",
        "read_options": {"selected_fields": ["i", "m"]},
    }
    streams = {"max_stream_count": 5, "preferred_min_stream_count": 3}
    session = bq_storage.create_read_session({"parent": "projects/athena", "read_session": wanted, **streams})
    assert len(session.streams) == 3
    bq.query_and_wait(f"DROP TABLE {dataset}.t")
    rows = [bq_storage.read_rows(stream.name).to_arrow() for stream in session.streams]
    assert sorted(value for part in rows for value in part.column("i").to_pylist()) == list(range(1, 500_001))
    assert rows[0].column_names == ["i", "m"]
    resumed = bq_storage.read_rows(session.streams[0].name, offset=100_000).to_arrow()
    assert resumed.column("i")[0].as_py() == rows[0].column("i")[100_000].as_py()


def test_row_restriction_filters_the_session(bq: bigquery.Client, bq_storage: BigQueryReadClient, sales: str) -> None:
    dataset, table = sales.split(".")
    session = bq_storage.create_read_session(
        parent="projects/athena",
        read_session={
            "table": f"projects/athena/datasets/{dataset}/tables/{table}", "data_format": "ARROW",
            "read_options": {
                "selected_fields": ["id"], "row_restriction": "day >= '2026-02-01' AND region IS NOT NULL",
            },
        },
    )  # fmt: skip
    assert bq_storage.read_rows(session.streams[0].name).to_arrow().to_pylist() == [{"id": 3}]


def test_options_of_a_destination_that_contradict_each_other_are_refused(bq: bigquery.Client, sales: str) -> None:
    target = f"{bq.project}.{sales}"
    config = QueryJobConfig(
        destination=target, write_disposition="WRITE_TRUNCATE", schema_update_options=["ALLOW_FIELD_ADDITION"]
    )
    with pytest.raises(BadRequest, match="only be specified with WRITE_APPEND"):
        bq.query("SELECT 1 AS id", job_config=config).result()
    partitioned = QueryJobConfig(
        destination=f"{target}_p", time_partitioning=bigquery.TimePartitioning(field="nowhere")
    )
    with pytest.raises(BadRequest, match="cannot be found in the schema"):
        bq.query("SELECT 1 AS id", job_config=partitioned).result()


def test_ranges_that_touch_or_overlap_make_a_session(bq: bigquery.Client, dataset: str) -> None:
    table = f"{dataset}.stays"
    bq.query_and_wait(
        f"CREATE TABLE {table} AS SELECT 'a' AS who, 1 AS id, RANGE<DATE> '[2026-01-01, 2026-01-03)' AS r"
        " UNION ALL SELECT 'a', 2, RANGE<DATE> '[2026-01-03, 2026-01-05)'"
        " UNION ALL SELECT 'a', 3, RANGE<DATE> '[2026-01-04, UNBOUNDED)'"
        " UNION ALL SELECT 'b', 4, RANGE<DATE> '[2026-01-02, 2026-01-03)'"
        " UNION ALL SELECT 'b', 5, RANGE<DATE> '[2026-01-02, 2026-01-04)'"
    )
    sql = (
        "SELECT id, RANGE_START(session_range), RANGE_END(session_range)"
        f" FROM RANGE_SESSIONIZE(TABLE {table}, 'r', ['who']{{}}) ORDER BY id"
    )
    touching = [row[2] and row[2].day for row in rows_of(bq, sql.format(""))]
    overlapping = [row[2] and row[2].day for row in rows_of(bq, sql.format(", 'OVERLAPS'"))]
    assert touching == [None, None, None, 4, 4]
    assert overlapping == [3, None, None, 4, 4]
    with pytest.raises(BadRequest, match="RANGE_SESSIONIZE_MODE"):
        rows_of(bq, sql.format(", 'NEAR'"))
    with pytest.raises(BadRequest, match="Unrecognized name"):
        rows_of(bq, sql.replace("'r'", "'nowhere'").format(""))


def test_partitions_are_listed_with_their_rows(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(
        f"CREATE TABLE {dataset}.days (day DATE, n INT64) PARTITION BY day;"
        f"INSERT INTO {dataset}.days VALUES ('2026-05-20', 1), ('2026-05-20', NULL), ('2026-05-21', 3), (NULL, 4);"
        f"CREATE TABLE {dataset}.spans (n INT64) PARTITION BY RANGE_BUCKET(n, GENERATE_ARRAY(0, 30, 10));"
        f"INSERT INTO {dataset}.spans VALUES (5), (15), (19), (99)"
    )
    sql = (
        "SELECT table_name, partition_id, total_rows, total_logical_bytes FROM "
        f"{dataset}.INFORMATION_SCHEMA.PARTITIONS ORDER BY 1, 2"
    )
    assert rows_of(bq, sql) == [
        ("days", "20260520", 2, 24), ("days", "20260521", 1, 16), ("days", "__NULL__", 1, 8),
        ("spans", "0", 1, 8), ("spans", "10", 2, 16), ("spans", "__UNPARTITIONED__", 1, 8),
    ]  # fmt: skip


def test_jobs_are_listed_to_whoever_ran_them(emulator: Any, dataset: str) -> None:
    lena, otto = emulator.client("lena"), emulator.client("otto")
    job = lena.query(f"CREATE TABLE {dataset}.made AS SELECT 1 AS id", job_config=QueryJobConfig(labels={"team": "x"}))
    job.result()
    with pytest.raises(BadRequest):
        lena.query_and_wait("SELECT nowhere FROM (SELECT 1 AS id)")
    sql = (
        "SELECT job_id, user_email, statement_type, state, destination_table.table_id, labels[OFFSET(0)].value"
        " FROM `region-eu`.INFORMATION_SCHEMA.JOBS WHERE statement_type = 'CREATE_TABLE_AS_SELECT'"
    )
    mine = [row for row in rows_of(lena, sql) if row[0] == job.job_id]
    assert mine == [(job.job_id, "lena@athena.local", "CREATE_TABLE_AS_SELECT", "DONE", "made", "x")]
    assert [row for row in rows_of(otto, sql) if row[0] == job.job_id] == []
    failed = (
        "SELECT error_result.reason FROM `region-eu`.INFORMATION_SCHEMA.JOBS_BY_USER WHERE error_result IS NOT NULL"
    )
    assert ("invalidQuery",) in rows_of(lena, failed)

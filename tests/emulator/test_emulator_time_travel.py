"""Tables as they were: FOR SYSTEM_TIME AS OF, snapshots, clones, copies of the past, expiration; jobs over restarts."""

from __future__ import annotations

import datetime
import signal
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, InvalidArgument, NotFound
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient

pytestmark = pytest.mark.stack
ONE_MS = datetime.timedelta(milliseconds=1)


def rows_of(bq: bigquery.Client, sql: str, **options: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in bq.query_and_wait(sql, **options)]


def moment(bq: bigquery.Client) -> str:
    """Give the present moment of the server; what comes after is later by more than a millisecond."""
    ((now,),) = rows_of(bq, "SELECT CURRENT_TIMESTAMP()")
    while rows_of(bq, "SELECT CURRENT_TIMESTAMP()")[0][0] < now + 2 * ONE_MS:
        pass
    return f"TIMESTAMP '{(now + ONE_MS).isoformat()}'"


def milliseconds(text: str) -> int:
    return round(datetime.datetime.fromisoformat(text.split("'")[1]).timestamp() * 1000)


def copy(bq: bigquery.Client, source: str, target: str, **options: Any) -> None:
    bq.copy_table(f"athena.{source}", f"athena.{target}", job_config=bigquery.CopyJobConfig(**options)).result()


CHANGES = (
    ("INSERT INTO {t} VALUES (1, 'a'), (2, 'b')", [(1, "a"), (2, "b")]),
    ("INSERT INTO {t} VALUES (3, 'c')", [(1, "a"), (2, "b"), (3, "c")]),
    ("UPDATE {t} SET s = 'z' WHERE id = 1", [(1, "z"), (2, "b"), (3, "c")]),
    ("UPDATE {t} AS t SET s = u.s FROM (SELECT 2 AS i, 'u' AS s) AS u WHERE u.i = id", [(1, "z"), (2, "u"), (3, "c")]),
    ("DELETE FROM {t} WHERE id = 3", [(1, "z"), (2, "u")]),
    (
        """MERGE {t} AS t USING (SELECT 1 AS id UNION ALL SELECT 9) AS n ON t.id = n.id
        WHEN MATCHED AND t.s = 'z' THEN UPDATE SET s = 'm' WHEN NOT MATCHED THEN INSERT (id, s) VALUES (n.id, 'n')
        WHEN NOT MATCHED BY SOURCE THEN DELETE""",
        [(1, "m"), (9, "n")],
    ),
    (
        """BEGIN TRANSACTION; DELETE FROM {t} WHERE id = 9; INSERT INTO {t} VALUES (10, 'x');
        UPDATE {t} SET s = 'y' WHERE id = 10; COMMIT TRANSACTION""",
        [(1, "m"), (10, "y")],
    ),
    ("ALTER TABLE {t} ADD COLUMN extra INT64", [(1, "m", None), (10, "y", None)]),
    ("ALTER TABLE {t} DROP COLUMN extra", [(1, "m"), (10, "y")]),
    ("ALTER TABLE {t} RENAME COLUMN s TO name", [(1, "m"), (10, "y")]),
    ("TRUNCATE TABLE {t}", []),
    ("CREATE OR REPLACE TABLE {t} AS SELECT 7 AS x", [(7,)]),
    ("DELETE FROM {t} WHERE RAND() < 2", []),
)


def test_every_kind_of_change_leaves_the_past_as_it_was(bq: bigquery.Client, dataset: str) -> None:
    table = f"{dataset}.t"
    bq.query_and_wait(f"CREATE TABLE {table} (id INT64, s STRING)")
    past = [(moment(bq), [])]
    for statement, expected in CHANGES:
        bq.query_and_wait(statement.format(t=table))
        past.append((moment(bq), expected))
    for when, expected in past:
        assert rows_of(bq, f"SELECT * FROM {table} AS t FOR SYSTEM_TIME AS OF {when} ORDER BY 1") == expected


def test_the_past_outlives_the_process_however_it_ends(own_emulator: Any) -> None:
    bq = own_emulator.client()
    bq.create_dataset("d")
    bq.query_and_wait("CREATE TABLE d.t AS SELECT 1 AS i")
    before = moment(bq)
    bq.query_and_wait("UPDATE d.t SET i = 2 WHERE TRUE")
    between = moment(bq)
    bq.query_and_wait("CREATE OR REPLACE TABLE d.t AS SELECT 3 AS i")
    for how in (signal.SIGKILL, signal.SIGTERM):
        own_emulator.stop(how)
        own_emulator.start()
        bq = own_emulator.client()
        found = [rows_of(bq, f"SELECT i FROM d.t FOR SYSTEM_TIME AS OF {when}") for when in (before, between)]
        assert [*found, rows_of(bq, "SELECT i FROM d.t")] == [[(1,)], [(2,)], [(3,)]]


def test_moments_that_cannot_be_read_are_refused(bq: bigquery.Client, dataset: str) -> None:
    before = moment(bq)
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS i")
    bq.query_and_wait(f"CREATE VIEW {dataset}.v AS SELECT i FROM {dataset}.t")

    def refused(when: str, told: str, table: str = "t") -> None:
        with pytest.raises(BadRequest, match=told):
            rows_of(bq, f"SELECT i FROM {dataset}.{table} FOR SYSTEM_TIME AS OF {when}")

    refused(before, rf"Invalid snapshot time \d+ for table athena:{dataset}.t@\d+. Cannot read before \d+")
    refused("TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 8 DAY)", "Cannot read before")
    refused("TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 HOUR)", "Invalid snapshot time")
    refused("(SELECT CURRENT_TIMESTAMP())", "constant")
    refused("NULL", "TIMESTAMP")
    refused("CURRENT_TIMESTAMP()", "view", "v")
    bq.query_and_wait(f"ALTER SCHEMA {dataset} SET OPTIONS (max_time_travel_hours = 48)")
    refused("TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 49 HOUR)", "Cannot read before")
    bq.query_and_wait(f"DROP TABLE {dataset}.t")
    with pytest.raises(NotFound):
        rows_of(bq, f"SELECT i FROM {dataset}.t FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()")


def test_parameters_variables_views_and_dml_sources_travel_too(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS i")
    before = moment(bq)
    value = datetime.datetime.fromisoformat(before.split("'")[1])
    bq.query_and_wait(f"UPDATE {dataset}.t SET i = 2 WHERE TRUE")
    config = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("at", "TIMESTAMP", value)])
    past = f"{dataset}.t FOR SYSTEM_TIME AS OF"
    assert rows_of(bq, f"SELECT i FROM {past} @at", job_config=config) == [(1,)]
    assert rows_of(bq, f"DECLARE at TIMESTAMP DEFAULT {before}; SELECT i FROM {past} at") == [(1,)]
    bq.query_and_wait(f"CREATE VIEW {dataset}.v AS SELECT i FROM {past} {before}")
    assert rows_of(bq, f"SELECT n.i, v.i FROM {dataset}.t AS n, {dataset}.v AS v") == [(2, 1)]
    bq.query_and_wait(f"INSERT INTO {dataset}.t SELECT i FROM {past} {before}")
    assert rows_of(bq, f"SELECT i FROM {dataset}.t ORDER BY i") == [(1,), (2,)]


def test_snapshots_clones_and_copies_take_a_table_as_it_was(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS i")
    before = moment(bq)
    bq.query_and_wait(f"UPDATE {dataset}.t SET i = 2 WHERE TRUE")
    past = f"CLONE {dataset}.t FOR SYSTEM_TIME AS OF {before}"
    bq.query_and_wait(f"CREATE SNAPSHOT TABLE {dataset}.s {past} OPTIONS (description = 'kept')")
    bq.query_and_wait(f"CREATE TABLE {dataset}.c {past}")
    copy(bq, f"{dataset}.t@{milliseconds(before)}", f"{dataset}.u")
    copy(bq, f"{dataset}.t@-0", f"{dataset}.first")
    for name in ("s", "c", "u"):
        assert rows_of(bq, f"SELECT i FROM {dataset}.{name}") == [(1,)]
    assert bq.get_table(f"athena.{dataset}.s").description == "kept"
    kinds = f"SELECT table_name, table_type FROM {dataset}.INFORMATION_SCHEMA.TABLES WHERE LENGTH(table_name) = 1"
    found = dict(rows_of(bq, kinds))
    assert (found["s"], found["c"], found["t"]) == ("SNAPSHOT", "CLONE", "BASE TABLE")
    with pytest.raises(BadRequest, match="snapshot"):
        bq.query_and_wait(f"DELETE FROM {dataset}.s WHERE TRUE")
    bq.query_and_wait(f"UPDATE {dataset}.c SET i = 5 WHERE TRUE; DROP SNAPSHOT TABLE {dataset}.s")


@pytest.mark.filterwarnings("ignore:Retrieving Arrow record batches:PendingDeprecationWarning")
def test_storage_read_takes_a_snapshot_time_and_requires_filters(
    bq: bigquery.Client, bq_storage: BigQueryReadClient, dataset: str
) -> None:
    def read(moment: str | None, restriction: str = "") -> list[int]:
        session = {
            "table": f"projects/athena/datasets/{dataset}/tables/t", "data_format": "ARROW",
            "read_options": {"row_restriction": restriction},
        }  # fmt: skip
        if moment is not None:
            when = datetime.datetime.fromisoformat(moment.split("'")[1])
            session["table_modifiers"] = {"snapshot_time": when}
        made = bq_storage.create_read_session(parent="projects/athena", read_session=session, max_stream_count=1)
        streams = [bq_storage.read_rows(stream.name) for stream in made.streams]
        return sorted(row["i"] for stream in streams for row in stream.to_arrow(made).to_pylist())

    bq.query_and_wait(f"CREATE TABLE {dataset}.t (i INT64, d DATE) PARTITION BY d")
    bq.query_and_wait(f"INSERT INTO {dataset}.t VALUES (1, '2024-01-01'), (2, '2024-01-02')")
    before = moment(bq)
    bq.query_and_wait(f"UPDATE {dataset}.t SET i = i * 10 WHERE TRUE")
    assert [read(None), read(before), read(before, "i > 1"), read(None, "i > 10")] == [[10, 20], [1, 2], [2], [20]]
    bq.query_and_wait(f"ALTER TABLE {dataset}.t SET OPTIONS (require_partition_filter = TRUE)")
    assert read(None, "d = '2024-01-01'") == [10]
    for restriction in ("", "i = 1"):
        with pytest.raises(InvalidArgument, match="partition elimination"):
            read(None, restriction)


def test_a_dropped_table_is_restored_by_copying_it(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS i")
    before = moment(bq)
    bq.query_and_wait(f"DROP TABLE {dataset}.t")
    copy(bq, f"{dataset}.t@{milliseconds(before)}", f"{dataset}.back")
    assert rows_of(bq, f"SELECT i FROM {dataset}.back") == [(1,)]
    for name in (f"{dataset}.never@{milliseconds(before)}", f"{dataset}.t"):
        with pytest.raises(NotFound):
            copy(bq, name, f"{dataset}.x")
    with pytest.raises(BadRequest, match="decorator"):
        copy(bq, f"{dataset}.back@yesterday", f"{dataset}.x")


def test_the_past_is_masked_as_the_present(emulator: Any, bq: bigquery.Client, dataset: str) -> None:
    admin = emulator.client("root", groups=["admins"])
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS i, 'secret' AS s UNION ALL SELECT 2, 'other'")
    before = moment(bq)
    policy = f"p_{dataset[2:]}"
    admin.query_and_wait(
        f"CREATE DATA_POLICY `athena.region-eu.{policy}` OPTIONS (data_policy_type = 'DATA_MASKING_POLICY', "
        "masking_expression = 'ALWAYS_NULL')"
    )
    admin.query_and_wait(
        f"GRANT FINE_GRAINED_READ ON DATA_POLICY `athena.region-eu.{policy}` TO 'user:ada@athena.local'"
    )
    option = f"data_policies = [\"{{'name':'athena.region-eu.{policy}'}}\"]"
    admin.query_and_wait(f"ALTER TABLE {dataset}.t ALTER COLUMN s SET OPTIONS ({option})")
    admin.query_and_wait(
        f"CREATE ROW ACCESS POLICY one ON {dataset}.t GRANT TO ('user:ada@athena.local') FILTER USING (i = 1)"
    )
    past = f"SELECT i, s FROM {dataset}.t FOR SYSTEM_TIME AS OF {before}"
    assert rows_of(bq, past) == [(1, None)]
    with pytest.raises(Forbidden):
        bq.query_and_wait(f"CREATE TABLE {dataset}.c CLONE {dataset}.t FOR SYSTEM_TIME AS OF {before}")
    with pytest.raises(Forbidden):
        copy(bq, f"{dataset}.t@{milliseconds(before)}", f"{dataset}.c")


def test_tables_and_partitions_expire_but_stay_in_the_past(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t (i INT64) PARTITION BY _PARTITIONDATE")
    bq.query_and_wait(
        f"INSERT INTO {dataset}.t (_PARTITIONTIME, i) VALUES (TIMESTAMP '2020-01-01', 1), (TIMESTAMP '2100-01-01', 2)"
    )
    before = moment(bq)
    bq.query_and_wait(f"ALTER TABLE {dataset}.t SET OPTIONS (partition_expiration_days = 3)")
    assert rows_of(bq, f"SELECT i FROM {dataset}.t") == [(2,)]
    assert rows_of(bq, f"SELECT i FROM {dataset}.t FOR SYSTEM_TIME AS OF {before} ORDER BY i") == [(1,), (2,)]
    bq.query_and_wait(f"ALTER TABLE {dataset}.t SET OPTIONS (expiration_timestamp = TIMESTAMP '2020-01-01')")
    with pytest.raises(NotFound):
        bq.get_table(f"athena.{dataset}.t")
    copy(bq, f"{dataset}.t@{milliseconds(before)}", f"{dataset}.back")
    assert rows_of(bq, f"SELECT i FROM {dataset}.back ORDER BY i") == [(1,), (2,)]


def test_a_datasets_lifetimes_are_those_of_its_new_tables(bq: bigquery.Client, dataset: str) -> None:
    made = bq.get_dataset(dataset)
    made.default_table_expiration_ms, made.default_partition_expiration_ms = 3_600_000, 86_400_000
    bq.update_dataset(made, ["default_table_expiration_ms", "default_partition_expiration_ms"])
    bq.query_and_wait(f"CREATE TABLE {dataset}.t (i INT64); CREATE TABLE {dataset}.p (d DATE) PARTITION BY d")
    assert bq.get_table(f"athena.{dataset}.t").expires is not None
    assert bq.get_table(f"athena.{dataset}.p").time_partitioning.expiration_ms == 86_400_000
    assert bq.get_table(f"athena.{dataset}.p").expires is None


def test_partition_decorators_are_written_read_and_dropped(bq: bigquery.Client, dataset: str) -> None:
    def put(sql: str, partition: str, how: str = "WRITE_TRUNCATE") -> None:
        target = f"athena.{dataset}.{partition}"
        config = bigquery.QueryJobConfig(destination=target, write_disposition=how)
        bq.query(sql, job_config=config).result()

    bq.query_and_wait(f"CREATE TABLE {dataset}.t (i INT64) PARTITION BY _PARTITIONDATE")
    put("SELECT 1 AS i", "t$20240105")
    put("SELECT 2 AS i", "t$20240106", "WRITE_APPEND")
    put("SELECT 3 AS i", "t$20240105")
    config = bigquery.LoadJobConfig(schema=[bigquery.SchemaField("i", "INTEGER")])
    bq.load_table_from_json([{"i": 4}], f"athena.{dataset}.t$20240107", job_config=config).result()
    days = f"SELECT i, _PARTITIONDATE FROM {dataset}.t ORDER BY i"
    assert [(i, day.day) for i, day in rows_of(bq, days)] == [(2, 6), (3, 5), (4, 7)]
    assert [row.i for row in bq.list_rows(f"athena.{dataset}.t$20240106", selected_fields=config.schema)] == [2]
    partitions = f"SELECT partition_id, total_rows FROM {dataset}.INFORMATION_SCHEMA.PARTITIONS ORDER BY 1"
    assert rows_of(bq, partitions) == [("20240105", 1), ("20240106", 1), ("20240107", 1)]
    bq.delete_table(f"athena.{dataset}.t$20240106")
    copy(bq, f"{dataset}.t", f"{dataset}.u")
    assert [(i, day.day) for i, day in rows_of(bq, days.replace(".t ", ".u "))] == [(3, 5), (4, 7)]
    bq.query_and_wait(f"CREATE TABLE {dataset}.d (day DATE) PARTITION BY day")
    put("SELECT DATE '2024-01-05' AS day", "d$20240105")
    for sql, partition, told in (
        ("SELECT DATE '2024-01-06' AS day", "d$20240105", "belong to different partitions"),
        ("SELECT DATE '2024-01-06' AS day", "d$2024", "Invalid partition id"),
    ):
        with pytest.raises(BadRequest, match=told):
            put(sql, partition)
    assert rows_of(bq, f"SELECT COUNT(*) FROM {dataset}.d") == [(1,)]


def test_a_transaction_happens_whole_or_not_at_all(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS i UNION ALL SELECT 2")
    script = f"""
        BEGIN TRANSACTION;
        UPDATE {dataset}.t SET i = 10 WHERE i = 1;
        {{}}
        COMMIT TRANSACTION;
    """
    bq.query_and_wait(script.format(f"INSERT INTO {dataset}.t VALUES (3);"))
    assert rows_of(bq, f"SELECT i FROM {dataset}.t ORDER BY i") == [(2,), (3,), (10,)]
    with pytest.raises(BadRequest):
        bq.query_and_wait(script.format("SELECT 1 / 0;"))
    assert rows_of(bq, f"SELECT i FROM {dataset}.t ORDER BY i") == [(2,), (3,), (10,)]


def test_dml_semantics_are_bigquerys(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS i, 'a' AS s UNION ALL SELECT 2, 'b'")
    twice = "(SELECT 1 AS i UNION ALL SELECT 1)"
    for sql, told in (
        (f"DELETE FROM {dataset}.t", "WHERE"),
        (f"UPDATE {dataset}.t SET s = 'x'", "WHERE"),
        (f"UPDATE {dataset}.t AS t SET s = 'x' FROM {twice} AS u WHERE u.i = t.i", "at most one source row"),
        (f"MERGE {dataset}.t AS t USING {twice} AS u ON u.i = t.i WHEN MATCHED THEN DELETE", "at most one source row"),
    ):
        with pytest.raises(BadRequest, match=told):
            bq.query_and_wait(sql)

    def counts(sql: str) -> tuple[int | None, dict[str, str] | None]:
        job = bq.query(sql)
        job.result()
        return job.num_dml_affected_rows, job._properties["statistics"]["query"].get("dmlStats")

    assert counts(f"INSERT INTO {dataset}.t VALUES (3, 'c')") == (1, {"insertedRowCount": "1"})
    assert counts(f"UPDATE {dataset}.t SET s = 'x' WHERE i < 3") == (2, {"updatedRowCount": "2"})
    assert counts(f"DELETE FROM {dataset}.t WHERE i = 3") == (1, {"deletedRowCount": "1"})
    merge = (
        f"MERGE {dataset}.t AS t USING (SELECT 1 AS i UNION ALL SELECT 9) AS u ON t.i = u.i "
        "WHEN MATCHED THEN UPDATE SET s = 'm' WHEN NOT MATCHED THEN INSERT VALUES (u.i, 'n') "
        "WHEN NOT MATCHED BY SOURCE THEN DELETE"
    )
    assert counts(merge) == (3, {"insertedRowCount": "1", "updatedRowCount": "1", "deletedRowCount": "1"})
    assert counts(f"TRUNCATE TABLE {dataset}.t")[0] == 2


def test_fields_of_structs_and_defaults_are_written(bq: bigquery.Client, dataset: str) -> None:
    table = f"{dataset}.t"
    columns = "i INT64, s STRING DEFAULT 'd', r STRUCT<a INT64, b STRUCT<c STRING, e INT64>>"
    bq.query_and_wait(f"CREATE TABLE {table} ({columns})")
    bq.query_and_wait(f"INSERT {table} (i, r) VALUES (1, STRUCT(1, STRUCT('x', 5))), (2, NULL)")
    bq.query_and_wait(f"INSERT {table} (i) SELECT 3")
    bq.query_and_wait(f"UPDATE {table} SET r.a = r.a + 1, r.b.c = 'y', s = 'own' WHERE i = 1")
    bq.query_and_wait(f"UPDATE {table} AS t SET t.s = DEFAULT, t.r.b.e = 9 WHERE t.i IN (1, 2)")
    assert rows_of(bq, f"SELECT * FROM {table} ORDER BY i") == [
        (1, "d", {"a": 2, "b": {"c": "y", "e": 9}}), (2, "d", {"a": None, "b": {"c": None, "e": 9}}), (3, "d", None),
    ]  # fmt: skip
    for sql, told in (
        ("SET r.none = 1", "does not exist"),
        ("SET s = 'a', s = 'b'", "more than once"),
        ("SET none = 1", "not present"),
    ):
        with pytest.raises(BadRequest, match=told):
            bq.query_and_wait(f"UPDATE {table} {sql} WHERE TRUE")


def test_jobs_and_their_results_outlive_the_process_for_their_owner(own_emulator: Any) -> None:
    bq = own_emulator.client()
    small = bq.query("SELECT 1 AS i, ['a', 'b'] AS l")
    large = bq.query("SELECT i, REPEAT('x', 60) AS s FROM UNNEST(GENERATE_ARRAY(1, 200000)) AS i")
    failed = bq.query("SELECT 1 / 0")
    for job in (small, large):
        job.result()
    with pytest.raises(BadRequest):
        failed.result()

    own_emulator.stop(signal.SIGKILL)
    own_emulator.start()
    bq = own_emulator.client()
    assert [tuple(row.values()) for row in bq.get_job(small.job_id).result()] == [(1, ["a", "b"])]
    assert bq.get_job(large.job_id).result(max_results=1).total_rows == 200_000
    assert bq.get_job(failed.job_id).error_result["reason"] == "invalidQuery"
    name = f"{large.destination.dataset_id}.{large.destination.table_id}"
    assert rows_of(bq, f"SELECT COUNT(*) FROM `{name}`") == [(200_000,)]
    assert {small.job_id, failed.job_id} <= {item.job_id for item in bq.list_jobs()}
    with pytest.raises(NotFound):
        own_emulator.client("bob").get_job(small.job_id)

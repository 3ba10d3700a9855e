"""Scripts: variables, blocks, loops, exceptions, procedures, transactions, child jobs."""

from __future__ import annotations

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery


def answer(bq: bigquery.Client, sql: str, dataset: str | None = None) -> list[tuple]:
    config = bigquery.QueryJobConfig(default_dataset=f"athena.{dataset}") if dataset else None
    return [tuple(row.values()) for row in bq.query(sql, job_config=config).result()]


@pytest.mark.parametrize(
    ("script", "rows"),
    [
        ("DECLARE x INT64 DEFAULT 2; SET x = x * 3; SELECT x", [(6,)]),
        ("DECLARE a, b STRING DEFAULT 'q'; SET (a, b) = ('y', 'z'); SELECT a || b", [("yz",)]),
        ("DECLARE n INT64 DEFAULT 0; WHILE n < 4 DO SET n = n + 1; END WHILE; SELECT n", [(4,)]),
        ("DECLARE n INT64 DEFAULT 0; REPEAT SET n = n + 2; UNTIL n > 4 END REPEAT; SELECT n", [(6,)]),
        ("DECLARE n INT64 DEFAULT 0; LOOP SET n = n + 1; IF n = 3 THEN LEAVE; END IF; END LOOP; SELECT n", [(3,)]),
        ("DECLARE t INT64 DEFAULT 0; FOR r IN (SELECT v FROM UNNEST([1, 2]) v) DO SET t = t + r.v; END FOR; SELECT t",
         [(3,)]),
        ("DECLARE s STRING; CASE 2 WHEN 1 THEN SET s = 'a'; WHEN 2 THEN SET s = 'b'; END CASE; SELECT s", [("b",)]),
        ("DECLARE v INT64; EXECUTE IMMEDIATE 'SELECT ? + ?' INTO v USING 1, 2; SELECT v", [(3,)]),
        ("DECLARE v INT64; EXECUTE IMMEDIATE 'SELECT @x' INTO v USING 5 AS x; SELECT v", [(5,)]),
        ("BEGIN SELECT 1/0; EXCEPTION WHEN ERROR THEN SELECT @@error.message LIKE '%division by zero%'; END",
         [(True,)]),
        ("BEGIN RAISE USING MESSAGE = 'no'; EXCEPTION WHEN ERROR THEN SELECT @@error.message; END", [("no",)]),
        ("DECLARE x INT64 DEFAULT 9; SELECT x FROM (SELECT 1 AS x)", [(1,)]),
    ],
)  # fmt: skip
def test_script_gives_what_its_last_statement_gives(bq: bigquery.Client, script: str, rows: list[tuple]) -> None:
    assert answer(bq, script) == rows


def test_script_has_a_child_job_for_each_statement(bq: bigquery.Client) -> None:
    job = bq.query("SELECT 1; SELECT 2 AS b")
    assert [tuple(row.values()) for row in job.result()] == [(2,)]
    assert job.statement_type == "SCRIPT"
    assert job.num_child_jobs == 2
    children = list(bq.list_jobs(parent_job=job))
    assert {child.query for child in children} == {"SELECT 1", "SELECT 2 AS b"}
    assert {child.parent_job_id for child in children} == {job.job_id}


def test_transaction_is_seen_inside_only_and_can_be_undone(bq: bigquery.Client, dataset: str) -> None:
    answer(bq, "CREATE TABLE t (x INT64); INSERT INTO t VALUES (1)", dataset)
    script = "BEGIN TRANSACTION; INSERT INTO t VALUES (2); {end} TRANSACTION; SELECT COUNT(*) FROM t"
    assert answer(bq, script.format(end="ROLLBACK"), dataset) == [(1,)]
    assert answer(bq, script.format(end="COMMIT"), dataset) == [(2,)]
    with pytest.raises(BadRequest, match="division by zero"):
        answer(bq, "BEGIN TRANSACTION; DELETE FROM t WHERE TRUE; SELECT 1/0", dataset)
    assert answer(bq, "SELECT COUNT(*) FROM t", dataset) == [(2,)]


def test_procedure_takes_and_gives_values(bq: bigquery.Client, dataset: str) -> None:
    answer(
        bq, "CREATE PROCEDURE p(IN a INT64, INOUT b INT64, OUT c INT64) BEGIN SET c = a + b; SET b = 0; END", dataset
    )
    script = "DECLARE b, c INT64; SET b = 5; CALL p(2, b, c); SELECT b, c"
    assert answer(bq, script, dataset) == [(0, 7)]


def test_stored_functions_and_table_functions_are_called_by_name(bq: bigquery.Client, dataset: str) -> None:
    answer(bq, "CREATE FUNCTION plus(a INT64, b INT64) AS (a + b)", dataset)
    assert answer(bq, f"SELECT {dataset}.plus(1, 2), `athena.{dataset}`.plus(3, 4)") == [(3, 7)]
    answer(bq, "CREATE TABLE FUNCTION upto(n INT64) AS (SELECT v FROM UNNEST([1, 2, 3]) AS v WHERE v <= n)", dataset)
    assert answer(bq, f"SELECT SUM(v) FROM {dataset}.upto(2)") == [(3,)]
    with pytest.raises(BadRequest, match="Function not found"):
        answer(bq, f"SELECT {dataset}.minus(1)")


def test_temporary_table_ends_with_its_script(bq: bigquery.Client, dataset: str) -> None:
    assert answer(bq, "CREATE TEMP TABLE t AS SELECT 7 AS x; SELECT x FROM t") == [(7,)]
    with pytest.raises(Exception, match="dataset"):
        answer(bq, "SELECT x FROM t")


def test_transaction_with_a_change_that_failed_half_way_cannot_be_committed(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS a")
    script = """BEGIN TRANSACTION;
        BEGIN ALTER TABLE t ADD COLUMN b INT64, ADD COLUMN a INT64; EXCEPTION WHEN ERROR THEN SELECT 'caught'; END;
        {end};"""
    with pytest.raises(BadRequest, match="failed after it had changed something"):
        answer(bq, script.format(end="COMMIT TRANSACTION"), dataset)
    answer(bq, script.format(end="ROLLBACK TRANSACTION; INSERT t VALUES (2)"), dataset)
    assert answer(bq, "SELECT * FROM t ORDER BY a", dataset) == [(1,), (2,)]


@pytest.mark.parametrize(
    "sql",
    ["SELECT COLLATE('a', 'und:ci') = 'A'", "SELECT CAST('a' AS STRING COLLATE 'und:ci') = 'A'",
     "SELECT x FROM UNNEST(['a']) AS x ORDER BY x COLLATE 'und:ci'", "DECLARE x STRING COLLATE 'und:ci'; SELECT 1"],
)  # fmt: skip
def test_collation_that_would_compare_otherwise_is_refused(bq: bigquery.Client, sql: str) -> None:
    with pytest.raises(BadRequest, match="Unsupported feature: The collation"):
        bq.query(sql).result()


def test_collation_of_a_column_is_refused_over_rest(bq: bigquery.Client, dataset: str) -> None:
    column = {"name": "a", "type": "STRING", "collation": "und:ci"}
    body = {"tableReference": {"tableId": "t"}, "schema": {"fields": [column]}}
    with pytest.raises(BadRequest, match="The collation 'und:ci'"):
        bq._connection.api_request(method="POST", path=f"/projects/athena/datasets/{dataset}/tables", data=body)

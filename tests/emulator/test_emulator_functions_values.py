"""Numbers, times, arrays, structs and aggregates by the examples of BigQuery's and googlesql's documentation."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

pytestmark = pytest.mark.stack
# ruff: noqa: E501 (a table of SQL reads better so)
D, DT = datetime.date, datetime.datetime
NAN = "CAST('NaN' AS FLOAT64)"

ANSWERS = [
    # mathematical_functions.md
    ("SAFE_NEGATE(-9223372036854775808), SAFE.COT(0), SAFE.CSC(0), SAFE.COTH(0), SAFE.CSCH(0)", (None, None, None, None, None)),
    ("ROUND(NUMERIC '2.25', 1, 'ROUND_HALF_EVEN'), ROUND(NUMERIC '2.25', 1, 'ROUND_HALF_AWAY_FROM_ZERO'), POW(2, 3), SAFE.POW(0, -1)", (Decimal("2.2"), Decimal("2.3"), 8.0, None)),
    (f"{NAN} = {NAN}, {NAN} > 1, 1 < {NAN}, {NAN} != {NAN}, 0.5 BETWEEN 0 AND {NAN}", (False, False, False, True, False)),
    ("100000 * 100000, 2147483647 + 1, 1 << 40, BIT_COUNT(b'\\x05\\xff')", (10**10, 2**31, 2**40, 10)),
    ("BIT_COUNT(-1), MOD(-7, 3), DIV(-7, 3), IEEE_DIVIDE(0, 0) = 0", (64, -1, -2, False)),
    # date_functions.md, timestamp_functions.md
    ("FORMAT_DATE('%Y-%m-%d', DATE '0001-01-01'), FORMAT_DATE('%E4Y', DATE '0001-01-01'), FORMAT_DATE('%j %g', DATE '1987-08-07')", ("1-01-01", "0001", "219 87")),
    ("EXTRACT(HOUR FROM TIMESTAMP '2024-06-15 00:00:00+00' AT TIME ZONE '+05:45'), DATETIME(TIMESTAMP '2020-01-01 00:00:00+00', '-08'), TIMESTAMP_TRUNC(TIMESTAMP '2020-01-01 10:00:00+00', DAY, '+05:30')", (5, DT(2019, 12, 31, 16), DT(2019, 12, 31, 18, 30, tzinfo=datetime.UTC))),
    ("DATETIME_TRUNC('2015-06-15', ISOYEAR), TIMESTAMP_DIFF(DATETIME '2024-03-19', DATETIME '2024-03-24', WEEK(SUNDAY)), DATE_BUCKET(DATETIME '2020-02-15 14:57:39', INTERVAL 7 DAY)", (DT(2014, 12, 29), -1, DT(2020, 2, 9))),
    (
        "LAST_DAY(DATE '2008-11-10', WEEK(SUNDAY)), LAST_DAY(DATETIME '2008-11-10 15:30:00', ISOWEEK), LAST_DAY(DATE '2008-11-25', ISOYEAR), LAST_DAY(DATE '2008-11-25', QUARTER)",
        (D(2008, 11, 15), D(2008, 11, 16), D(2008, 12, 28), D(2008, 12, 31)),
    ),
    # array_functions.md
    ("ARRAY_SLICE(['a', 'b', 'c', 'd', 'e'], 1, 3), ARRAY_SLICE(['a', 'b', 'c'], -2, -1), ARRAY_SLICE([1, 2], 5, 9), NULLIFZERO(0), ZEROIFNULL(NULL)", (["b", "c", "d"], ["b", "c"], [], None, 0)),
    ("GENERATE_ARRAY(0, 1, 0.25), GENERATE_ARRAY(5, 1, -2), GENERATE_ARRAY(1, NULL) IS NULL, GENERATE_ARRAY(9223372036854775806, 9223372036854775807)", ([0, 0.25, 0.5, 0.75, 1], [5, 3, 1], True, [2**63 - 2, 2**63 - 1])),
    ("(SELECT SUM(x) FROM UNNEST(GENERATE_ARRAY(1, 1000000)) x), GENERATE_ARRAY(NUMERIC '1', 2, NUMERIC '0.5')[OFFSET(1)], ARRAY_LENGTH(GENERATE_TIMESTAMP_ARRAY('2020-01-01', '2020-01-02', INTERVAL 12 HOUR))", (500000500000, Decimal("1.5"), 3)),
    # operators.md: structs by place
    ("STRUCT(3 AS a, 5.5 AS b) = STRUCT(3 AS c, 5.5 AS d), (1, NULL) = (1, 2), (1, NULL) = (2, 2), (1, 2) IN ((1, 2), (3, 4)), (1, 2) != (1, 3)", (True, None, False, True, True)),
    ("ARRAY(SELECT AS STRUCT 1 AS a, 2 AS b UNION ALL SELECT AS STRUCT 3, 4)[OFFSET(1)].b, TYPEOF((1, 'x')), TYPEOF(CAST('a' AS STRING(9)))", (4, "STRUCT<INT64, STRING>", "STRING")),
    # aggregate_functions.md, navigation_functions.md, hll_functions.md
    ("(SELECT STRING_AGG(DISTINCT f, ' & ' ORDER BY f DESC LIMIT 2) FROM UNNEST(['apple', 'pear', 'banana', 'pear']) f), (SELECT APPROX_QUANTILES(DISTINCT x, 2) FROM UNNEST([1, 1, 1, 4, 5, 6, 7, 8, 9, 10]) x)", ("pear & banana", [1, 6, 10])),
    ("(SELECT ARRAY_CONCAT_AGG(x ORDER BY ARRAY_LENGTH(x) LIMIT 2) FROM (SELECT [1, 2, 3] AS x UNION ALL SELECT [5, 6] UNION ALL SELECT [9]))", ([9, 5, 6],)),
    ("(SELECT CORR(y, x) FROM UNNEST([STRUCT(1.0 AS y, 5.0 AS x)])), (SELECT APPROX_COUNT_DISTINCT(x) FROM UNNEST([1, 2, 3, 1]) x)", (None, 3)),
    ("(SELECT HLL_COUNT.MERGE(s) FROM (SELECT c, HLL_COUNT.INIT(i) AS s FROM UNNEST(ARRAY<STRUCT<c STRING, i STRING>>[('UA', '1'), ('BR', '3')]) GROUP BY c))", (2,)),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "expected"), ANSWERS, ids=range(len(ANSWERS)))
def test_expression_gives_the_documented_answer(
    bq: bigquery.Client, columns: str, expected: tuple[object, ...]
) -> None:
    (row,) = bq.query_and_wait(f"SELECT {columns}")
    assert tuple(row.values()) == expected


TABLES = [
    ("SELECT STRUCT('abc' AS a, 3 AS b) AS s UNION ALL SELECT STRUCT('def' AS c, 5 AS d)", [({"a": "abc", "b": 3},), ({"a": "def", "b": 5},)]),
    ("SELECT *, s FROM UNNEST(ARRAY<STRUCT<x INT64, y STRING>>[(1, 'foo')]) AS s", [(1, "foo", {"x": 1, "y": "foo"})]),
    ("WITH t AS (SELECT 1 AS k, [3, 1, 2] AS vals) SELECT k, ARRAY(SELECT v FROM t.vals v ORDER BY v) FROM t", [(1, [1, 2, 3])]),
    ("SELECT a, b FROM UNNEST([1, 2]) a, UNNEST(ARRAY(SELECT a + 1 FROM UNNEST([1]))) b ORDER BY a", [(1, 2), (2, 3)]),
    ("SELECT a.id, b.id FROM UNNEST([STRUCT(1 AS id)]) a, UNNEST([STRUCT(2 AS id)]) b", [(1, 2)]),
    ("SELECT x, PERCENTILE_DISC(x, 0.5 RESPECT NULLS) OVER () FROM UNNEST(['c', NULL, 'b', 'a']) x ORDER BY x LIMIT 1", [(None, "a")]),
    ("SELECT PERCENTILE_CONT(x, 0.9 RESPECT NULLS) OVER () FROM UNNEST([0, 3, NULL, 1, 2]) x LIMIT 1", [(2.6,)]),
    ("SELECT json_value.class.students[0]['name'] AS n FROM UNNEST([JSON '{\"class\": {\"students\": [{\"name\": \"Jane\"}]}}']) json_value", [("Jane",)]),
    ("SELECT TO_JSON_STRING(JSON_OBJECT(key, value)) FROM (SELECT 'a' AS key, 1 AS value)", [('{"a":1}',)]),
    ("SELECT REGEXP_EXTRACT(t, p), REGEXP_EXTRACT_ALL(t, p) FROM (SELECT 'ab12' AS t, r'([a-z]+)\\d' AS p)", [("ab", ["ab"])]),
    ("SELECT JSON_KEYS(JSON '{\"a\": [{\"b\": 1}, [{\"d\": 3}]]}', mode => 'lax')", [(["a", "a.b"],)]),
    ("(SELECT 2 AS a UNION ALL SELECT 2) |> INTERSECT DISTINCT (SELECT 2 UNION ALL SELECT 2)", [(2,)]),
    ("SELECT regexp, LPAD(t, 5) FROM UNNEST([STRUCT('a' AS regexp, b'abc' AS t), ('b', b'd')]) ORDER BY regexp LIMIT 1", [("a", b"  abc")]),
    ("CREATE TEMP AGGREGATE FUNCTION share(a FLOAT64, d FLOAT64 NOT AGGREGATE) AS (SUM(a) / d); SELECT share(x, 2) FROM UNNEST([1, 2, 3]) x", [(3.0,)]),
    ("SELECT CAST(NULL AS RANGE<DATE>) IS NULL, RANGE<DATE> '[2020-01-01, 2020-02-01)' = RANGE(DATE '2020-01-01', DATE '2020-02-01')", [(True, True)]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), TABLES, ids=range(len(TABLES)))
def test_query_gives_the_documented_rows(bq: bigquery.Client, sql: str, expected: list[tuple[object, ...]]) -> None:
    assert [tuple(row.values()) for row in bq.query_and_wait(sql)] == expected


def test_pivot_names_its_columns_as_bigquery_does(bq: bigquery.Client) -> None:
    source = "(SELECT 'k' AS p, 51 AS s, 'Q1' AS q, 2020 AS y UNION ALL SELECT 'k', 23, 'Q2', 2020)"
    pivot = "PIVOT(SUM(s) AS total, COUNT(*) AS n FOR q IN ('Q1' AS a, 'Q2'))"
    found = bq.query_and_wait(f"SELECT * FROM {source} {pivot}")
    assert [item.name for item in found.schema] == ["p", "y", "total_a", "n_a", "total_Q2", "n_Q2"]
    assert [tuple(row.values()) for row in found] == [("k", 2020, 51, 1, 23, 1)]
    numbers = bq.query_and_wait(f"SELECT * FROM {source} PIVOT(SUM(s) FOR y IN (2020)) ORDER BY q")
    assert [item.name for item in numbers.schema] == ["p", "q", "_2020"]


def test_nan_comes_before_all_numbers_and_is_the_least(bq: bigquery.Client) -> None:
    source = "UNNEST([1.0, CAST('NaN' AS FLOAT64), CAST('-inf' AS FLOAT64), NULL]) x"
    first, second, *_ = (row[0] for row in bq.query_and_wait(f"SELECT x FROM {source} ORDER BY x"))
    assert first is None
    assert math.isnan(second)
    ((least,),) = (tuple(row.values()) for row in bq.query_and_wait(f"SELECT MIN(x) FROM {source}"))
    assert math.isnan(least)


def test_columns_of_one_name_are_told_apart_but_not_in_a_table(bq: bigquery.Client, dataset: str) -> None:
    names = [item.name for item in bq.query_and_wait("SELECT 1 AS id, 2 AS id").schema]
    assert names == ["id", "id_1"]
    with pytest.raises(BadRequest, match="Duplicate column names"):
        bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS id, 2 AS id")


FAULTS = [
    ("SELECT ARRAY_AGG(x) FROM UNNEST([1, NULL]) x", "Array cannot have a null element"),
    ("SELECT [STRUCT([1, NULL] AS a)]", "Array cannot have a null element"),
    ("SELECT GENERATE_ARRAY(1, 5, 0)", "Sequence step cannot be 0"),
    ("SELECT EXP(1000)", "Floating point error in function: EXP"),
    ("SELECT GENERATE_ARRAY(1, 1000000000)", "exceeds maximum allowed size"),
    ("SELECT GENERATE_ARRAY(1, n) FROM (SELECT 1000000000000 AS n)", "exceeds maximum allowed size"),
    ("SELECT GENERATE_TIMESTAMP_ARRAY('2000-01-01', '2020-01-01', INTERVAL 1 MICROSECOND)", "exceeds maximum allowed size"),
    ("SELECT COT(0)", "Floating point error in function: COT"),
    ("SELECT * FROM `!!bad!!.tbl`", "Invalid dataset ID"),
    ("SELECT HLL_COUNT.MERGE(x) FROM (SELECT HLL_COUNT.INIT(1) AS x UNION ALL SELECT HLL_COUNT.INIT('a'))", "incompatible sketch"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "message"), FAULTS, ids=range(len(FAULTS)))
def test_what_bigquery_refuses_is_refused(bq: bigquery.Client, sql: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        bq.query_and_wait(sql, retry=None, job_retry=None)


def test_default_and_structs_are_inserted_by_place(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(
        f"CREATE TABLE {dataset}.t (id INT64 DEFAULT 7, who STRUCT<name STRING, age INT64>, note STRING);"
        f"INSERT INTO {dataset}.t VALUES (DEFAULT, STRUCT('Ada', 36), DEFAULT)"
    )
    (row,) = bq.query_and_wait(f"SELECT * FROM {dataset}.t")
    assert tuple(row.values()) == (7, {"name": "Ada", "age": 36}, None)


def test_change_history_tells_what_was_added_and_refuses_the_rest(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t (id INT64); INSERT INTO {dataset}.t VALUES (1), (2)")
    sql = f"SELECT id, _CHANGE_TYPE FROM APPENDS(TABLE {dataset}.t, NULL, NULL) ORDER BY id"
    assert [tuple(row.values()) for row in bq.query_and_wait(sql)] == [(1, "INSERT"), (2, "INSERT")]
    bq.query_and_wait(f"DELETE FROM {dataset}.t WHERE id = 1")
    with pytest.raises(BadRequest, match=r"(?i)unsupported"):
        bq.query_and_wait(sql)


def test_materialized_view_is_refreshed_by_its_procedure(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(
        f"CREATE TABLE {dataset}.t AS SELECT 1 AS id;"
        f"CREATE MATERIALIZED VIEW {dataset}.mv AS SELECT COUNT(*) AS n FROM {dataset}.t;"
        f"CALL BQ.REFRESH_MATERIALIZED_VIEW('{dataset}.mv')"
    )
    with pytest.raises(BadRequest, match="Invalid materialized view"):
        bq.query_and_wait(f"CALL BQ.REFRESH_MATERIALIZED_VIEW('{dataset}.t')")


def test_an_order_by_a_results_name_is_not_that_of_the_column(bq: bigquery.Client) -> None:
    rows = "UNNEST([STRUCT('a' AS c, 1.0 AS k), ('b', CAST('NaN' AS FLOAT64)), ('c', -5)])"
    found = bq.query_and_wait(f"SELECT c, ROUND(SUM(-k), 1) AS k FROM {rows} GROUP BY c ORDER BY K")
    assert [row["c"] for row in found] == ["b", "a", "c"]

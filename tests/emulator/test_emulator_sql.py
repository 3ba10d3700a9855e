"""Families of GoogleSQL that DuckDB computes otherwise, by their answers (from BigQuery's documentation)."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

pytestmark = pytest.mark.stack
# ruff: noqa: ISC004, E501 (a table of SQL reads better so)
D, DT = datetime.date, datetime.datetime


def utc(text: str) -> DT:
    return DT.fromisoformat(text).replace(tzinfo=datetime.UTC)


ANSWERS = [
    # numbers
    ("1 / 2, DIV(7, 2), MOD(-7, 3), SAFE_DIVIDE(1, 0), 1.5 + 1", (0.5, 3, -1, None, 2.5)),
    ("CAST(2.5 AS INT64), CAST(-2.5 AS INT64), ROUND(2.5), ROUND(5)", (3, -3, 3.0, 5.0)),
    ("CAST(1.0 AS STRING), CAST(NUMERIC '1.50' AS STRING), CAST(TRUE AS STRING)", ("1", "1.5", "true")),
    ("NUMERIC '10' / 3, NUMERIC '1.5' * NUMERIC '1.5'", (Decimal("3.333333333"), Decimal("2.25"))),
    ("SAFE_CAST('x' AS INT64), SAFE_ADD(9223372036854775807, 1), LOG(100, 10)", (None, None, 2.0)),
    # dates and times
    (
        "DATE_TRUNC(DATE '2020-01-08', WEEK), DATE_TRUNC(DATE '2020-01-08', WEEK(WEDNESDAY)),"
        " DATE_TRUNC(DATE '2020-01-08', ISOWEEK), LAST_DAY(DATE '2020-02-05')",
        (D(2020, 1, 5), D(2020, 1, 8), D(2020, 1, 6), D(2020, 2, 29)),
    ),
    (
        "EXTRACT(DAYOFWEEK FROM DATE '2020-01-05'), EXTRACT(WEEK FROM DATE '2020-01-05'),"
        " EXTRACT(ISOWEEK FROM DATE '2020-01-05'),"
        " EXTRACT(HOUR FROM TIMESTAMP '2020-07-05 10:00:00' AT TIME ZONE 'Europe/Rome')",
        (1, 1, 1, 12),
    ),
    (
        "TIMESTAMP_DIFF(TIMESTAMP '2020-01-01 02:00:00', TIMESTAMP '2020-01-01 00:00:01', HOUR),"
        " DATE_DIFF(DATE '2020-02-01', DATE '2020-01-31', MONTH), DATE_DIFF('2020-01-05', '2020-01-04', WEEK),"
        " DATETIME_DIFF(DATETIME '2020-01-01 01:00:00', DATETIME '2020-01-01 00:59:00', HOUR)",
        (1, 1, 1, 1),
    ),
    (
        "TIMESTAMP_TRUNC(TIMESTAMP '2020-01-08 00:30:00', DAY, 'America/New_York'),"
        " DATE(TIMESTAMP '2020-01-01 23:30:00', 'Europe/Rome'), TIMESTAMP('2020-01-01 10:00:00', 'Europe/Rome')",
        (utc("2020-01-07 05:00"), D(2020, 1, 2), utc("2020-01-01 09:00")),
    ),
    (
        "DATE_ADD(DATE '2020-01-31', INTERVAL 1 MONTH), TIMESTAMP_SUB(TIMESTAMP '2020-01-01', INTERVAL 90 MINUTE)",
        (D(2020, 2, 29), utc("2019-12-31 22:30")),
    ),
    (
        "FORMAT_TIMESTAMP('%F %H:%M', TIMESTAMP '2020-01-05 23:30:00', 'Europe/Rome'), FORMAT_DATE('%b %d', '2020-01-05'),"
        " PARSE_DATE('%Y%m%d', '20200105'), PARSE_TIMESTAMP('%F %T', '2020-01-05 10:00:00', 'Europe/Rome'),"
        " SAFE.PARSE_DATE('%F', 'x')",
        ("2020-01-06 00:30", "Jan 05", D(2020, 1, 5), utc("2020-01-05 09:00"), None),
    ),
    ("UNIX_SECONDS(TIMESTAMP '1969-12-31 23:59:59.5'), TIMESTAMP_MILLIS(1500)", (-1, utc("1970-01-01 00:00:01.5"))),
    # strings and arrays
    ("SUBSTR('hello', -3), REGEXP_EXTRACT('abc123', r'(\\d+)'), REGEXP_EXTRACT('a', r'(\\d)')", ("llo", "123", None)),
    ("FORMAT('%05d|%s|%.2f', 42, 'x', 1.5), REGEXP_REPLACE('abc', r'b(c)', r'\\1x')", ("00042|x|1.50", "acx")),
    ("[1, 2, 3][OFFSET(1)], [1, 2][SAFE_OFFSET(9)], [1, 2][ORDINAL(1)]", (2, None, 1)),
    (
        "GENERATE_ARRAY(1, 5, 2), GENERATE_DATE_ARRAY('2020-01-01', '2020-01-02')",
        ([1, 3, 5], [D(2020, 1, 1), D(2020, 1, 2)]),
    ),
    ("(SELECT COUNTIF(x < 0) FROM UNNEST([NULL]) x), ARRAY(SELECT x * 2 FROM UNNEST([1, 2]) x)", (0, [2, 4])),
    ("(SELECT ARRAY_AGG(x IGNORE NULLS ORDER BY x DESC LIMIT 2) FROM UNNEST([1, NULL, 3, 2]) x)", ([3, 2],)),
    ("(SELECT STRING_AGG(x, '-' ORDER BY x) FROM UNNEST(['b', 'a']) x)", ("a-b",)),
    ("(SELECT APPROX_QUANTILES(x, 2)[OFFSET(1)] FROM UNNEST([5, 1, 3]) x)", (3,)),
    ("JSON_VALUE('{\"a\": {\"b\": 5}}', '$.a.b'), JSON_QUERY('{\"a\": [1]}', '$.a')", ("5", "[1]")),
]


@pytest.mark.parametrize(("columns", "expected"), ANSWERS, ids=range(len(ANSWERS)))
def test_expression_gives_bigquerys_answer(bq: bigquery.Client, columns: str, expected: tuple[object, ...]) -> None:
    (row,) = bq.query_and_wait(f"SELECT {columns}")
    assert tuple(row.values()) == expected


TABLES = [
    ("SELECT x, o FROM UNNEST(['a', 'b']) AS x WITH OFFSET AS o ORDER BY o", [("a", 0), ("b", 1)]),
    ("SELECT * FROM UNNEST([STRUCT(1 AS a, 'x' AS b), (2, 'y')]) WHERE b = 'y'", [(2, "y")]),
    ("SELECT x FROM UNNEST([2, NULL, 1]) AS x ORDER BY x", [(None,), (1,), (2,)]),
    ("SELECT x FROM UNNEST([2, NULL, 1]) AS x ORDER BY x DESC", [(2,), (1,), (None,)]),
    (
        "SELECT x, SUM(x) OVER (ORDER BY x) AS s FROM UNNEST([3, 1, 2]) x QUALIFY ROW_NUMBER() OVER (ORDER BY x DESC) < 3"
        " ORDER BY x",
        [(2, 3), (3, 6)],
    ),
    (
        "WITH t AS (SELECT STRUCT(1 AS id, 'a' AS tag) AS s UNION ALL SELECT STRUCT(2, 'b')) SELECT s.id, s.tag FROM t"
        " WHERE s.id > 1",
        [(2, "b")],
    ),
    (
        "WITH t AS (SELECT 'x' AS k, [1, 2] AS l UNION ALL SELECT 'y', []) SELECT k, e FROM t LEFT JOIN UNNEST(l) AS e"
        " ORDER BY k, e",
        [("x", 1), ("x", 2), ("y", None)],
    ),
    ("CREATE TEMP FUNCTION twice(x INT64) AS (x * 2); SELECT twice(twice(3))", [(12,)]),
    (
        "SELECT * FROM (SELECT 'k' AS p, 1 AS a, NULL AS b, 3 AS c) UNPIVOT(n FOR q IN (a, b, c AS 'last')) ORDER BY q",
        [("k", 1, "a"), ("k", 3, "last")],
    ),
    (
        "WITH t AS (SELECT 1 AS a, NULL AS b) SELECT q, n FROM t UNPIVOT INCLUDE NULLS (n FOR q IN (a, b)) AS u"
        " JOIN (SELECT 'b' AS q) USING (q)",
        [("b", None)],
    ),
    (
        "WITH t AS (SELECT 1 AS a, 2 AS b, 3 AS c, 4 AS d)"
        " SELECT x, y, h FROM t UNPIVOT((x, y) FOR h IN ((a, b) AS 1, (c, d) AS 2)) ORDER BY h",
        [(1, 2, 1), (3, 4, 2)],
    ),
]


@pytest.mark.parametrize(("sql", "expected"), TABLES, ids=range(len(TABLES)))
def test_query_gives_bigquerys_rows(bq: bigquery.Client, sql: str, expected: list[tuple[object, ...]]) -> None:
    assert [tuple(row.values()) for row in bq.query_and_wait(sql)] == expected


def test_result_columns_are_named_as_bigquery_names_them(bq: bigquery.Client) -> None:
    sql = "SELECT 1, 2 AS Two, CAST(3 AS STRING), s.Field FROM (SELECT STRUCT(4 AS Field) AS s)"
    assert [item.name for item in bq.query_and_wait(sql).schema] == ["f0_", "Two", "f1_", "Field"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT OBJ.MAKE_REF('gs://b/f')",
        "SELECT ST_GEOGPOINT(1, 2)", "SELECT CAST('x' AS GEOGRAPHY)", "SELECT KEYS.NEW_WRAPPED_KEYSET('k', 'AES')",
        "SELECT DLP_DETERMINISTIC_ENCRYPT(b'k', 'x', 's')", "BEGIN CREATE TEMP TABLE g (p GEOGRAPHY); END",
    ],
)  # fmt: skip
def test_what_is_not_supported_says_so(bq: bigquery.Client, sql: str) -> None:
    with pytest.raises(BadRequest, match=r"(?i)unsupported|not supported"):
        bq.query_and_wait(sql)

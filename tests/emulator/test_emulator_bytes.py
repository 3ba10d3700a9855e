"""The bytes that a dry run tells: BigQuery's sizes of types, referenced columns only, partitions pruned."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

pytestmark = pytest.mark.stack
SETUP = """
CREATE TABLE {d}.types (i INT64, f FLOAT64, b BOOL, n NUMERIC, d DATE, dt DATETIME, ts TIMESTAMP,
  t TIME, v INTERVAL, s STRING, y BYTES, a ARRAY<STRING>, r STRUCT<x INT64, z STRING>, rs ARRAY<STRUCT<x INT64>>);
INSERT INTO {d}.types VALUES
  (1, 1.5, TRUE, 1, DATE '2024-01-01', DATETIME '2024-01-01', TIMESTAMP '2024-01-01', TIME '01:00:00',
   INTERVAL 1 DAY, 'äb', b'abc', ['x', 'yy'], STRUCT(1, 'abcd'), [STRUCT(1), STRUCT(2)]),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, [], NULL, []);
CREATE TABLE {d}.days (id INT64, s STRING, day DATE) PARTITION BY day;
INSERT INTO {d}.days
  SELECT n, 'ab', DATE_ADD(DATE '2024-01-01', INTERVAL n DAY) FROM UNNEST(GENERATE_ARRAY(0, 9)) AS n;
INSERT INTO {d}.days VALUES (-1, 'x', NULL), (99, 'ab', DATE_SUB(CURRENT_DATE(), INTERVAL 1 DAY));
CREATE TABLE {d}.months (id INT64, at TIMESTAMP) PARTITION BY TIMESTAMP_TRUNC(at, MONTH);
INSERT INTO {d}.months VALUES (1, '2024-01-05'), (2, '2024-01-06'), (3, '2024-02-05'), (4, '2024-03-05');
CREATE TABLE {d}.hours (id INT64, at TIMESTAMP) PARTITION BY TIMESTAMP_TRUNC(at, HOUR);
INSERT INTO {d}.hours VALUES (1, '2024-01-05 10:10:00'), (2, '2024-01-05 11:10:00'), (3, '2024-01-06 11:10:00');
CREATE TABLE {d}.years (id INT64, at DATETIME) PARTITION BY DATETIME_TRUNC(at, YEAR);
INSERT INTO {d}.years VALUES (1, '2022-01-05'), (2, '2023-01-05'), (3, '2023-05-05');
CREATE TABLE {d}.ranges (n INT64, s STRING) PARTITION BY RANGE_BUCKET(n, GENERATE_ARRAY(0, 100, 10));
INSERT INTO {d}.ranges VALUES (5, 'a'), (15, 'b'), (25, 'c'), (500, 'd'), (NULL, 'e');
CREATE TABLE {d}.taken (id INT64) PARTITION BY _PARTITIONDATE;
INSERT INTO {d}.taken (_PARTITIONTIME, id) VALUES (TIMESTAMP '2024-01-01', 1), (TIMESTAMP '2024-01-02', 2);
CREATE TABLE {d}.clustered (id INT64, k STRING) CLUSTER BY k;
INSERT INTO {d}.clustered VALUES (1, 'a'), (2, 'b');
CREATE TABLE {d}.log_20240101 AS SELECT 1 AS id, 'a' AS s;
CREATE TABLE {d}.log_20240102 AS SELECT 2 AS id, 'bb' AS s;
CREATE VIEW {d}.seen AS SELECT id, day AS d FROM {d}.days;
"""


@pytest.fixture(scope="module")
def tables(bq: bigquery.Client) -> Iterator[str]:
    name = f"bytes_{uuid.uuid4().hex[:8]}"
    bq.create_dataset(name)
    bq.query(SETUP.format(d=name)).result()
    yield name
    bq.delete_dataset(name, delete_contents=True)


QUERIES = {
    "SELECT i, f, d, dt, ts, t FROM {d}.types": 48,
    "SELECT b FROM {d}.types": 1,
    "SELECT n FROM {d}.types": 16,
    "SELECT v FROM {d}.types": 16,
    "SELECT s FROM {d}.types": 5,
    "SELECT y FROM {d}.types": 5,
    "SELECT a FROM {d}.types": 7,
    "SELECT r FROM {d}.types": 14,
    "SELECT r.x FROM {d}.types": 8,
    "SELECT rs FROM {d}.types": 16,
    "SELECT COUNT(*) FROM {d}.types": 0,
    "SELECT 1": 0,
    "SELECT * EXCEPT (s) FROM {d}.days": 11 * 8 + 12 * 8,
    "SELECT id FROM {d}.days LIMIT 1": 96,
    "SELECT id FROM {d}.days TABLESAMPLE SYSTEM (10 PERCENT)": 96,
    "SELECT id FROM {d}.days WHERE s = 'ab'": 96 + 4 * 11 + 3,
    "SELECT id FROM {d}.days WHERE day = '2024-01-03'": 16,
    "SELECT id FROM {d}.days WHERE DATE '2024-01-03' <= day": 8 * 16 + 16,
    "SELECT id FROM {d}.days WHERE day > '2024-01-08' AND day < '2024-01-10'": 16,
    "SELECT id FROM {d}.days WHERE day BETWEEN '2024-01-03' AND '2024-01-04'": 32,
    "SELECT id FROM {d}.days WHERE day IN ('2024-01-03', '2024-01-05')": 32,
    "SELECT id FROM {d}.days WHERE day IN UNNEST([DATE '2024-01-03', DATE '2024-01-05'])": 32,
    "SELECT id FROM {d}.days WHERE day IS NULL": 8,
    "SELECT id FROM {d}.days WHERE day IS NOT NULL AND NOT (day < '2024-01-10')": 32,
    "SELECT id FROM {d}.days WHERE day = '2024-01-03' OR day = '2024-01-04'": 32,
    "SELECT id FROM {d}.days WHERE day = '2024-01-03' OR id = 1": 96 + 88,
    "SELECT id FROM {d}.days WHERE day >= DATE_SUB(CURRENT_DATE(), INTERVAL 3 DAY)": 16,
    "SELECT id FROM {d}.days WHERE day = (SELECT MAX(day) FROM {d}.days)": 96 + 88,
    "SELECT id FROM {d}.days WHERE EXTRACT(MONTH FROM day) = 5": 96 + 88,
    "SELECT id FROM {d}.days WHERE FALSE": 0,
    "SELECT id FROM {d}.days WHERE DATE_TRUNC(day, MONTH) = '2024-02-01'": 0,
    "SELECT id FROM (SELECT * FROM {d}.days) AS x WHERE x.day = '2024-01-03'": 16,
    "SELECT id FROM {d}.seen WHERE d = '2024-01-03'": 16,
    "WITH c AS (SELECT * FROM {d}.days) SELECT a.id FROM c AS a JOIN c AS b USING (id)": 96,
    "WITH c AS (SELECT * FROM {d}.days) SELECT a.id, b.id FROM c AS a, c AS b WHERE "
    "a.day = '2024-01-03' AND b.day = '2024-01-04'": 32,
    "WITH unused AS (SELECT * FROM {d}.days) SELECT 1": 0,
    "SELECT a.id FROM {d}.days AS a JOIN {d}.days AS b ON a.day = b.day WHERE b.day = '2024-01-03'": 16,
    "SELECT a.id FROM {d}.taken AS a LEFT JOIN {d}.days AS b ON a.id = b.id AND b.day = '2024-01-03'": 16 + 16,
    "SELECT id FROM {d}.days WHERE day = '2024-01-03' UNION ALL SELECT id FROM {d}.days WHERE day = '2024-01-04'": 32,
    "SELECT n FROM (SELECT day, COUNT(*) AS n FROM {d}.days GROUP BY day) WHERE day = '2024-01-03'": 8,
    "SELECT id FROM {d}.months WHERE at >= '2024-02-01' AND at < '2024-03-01'": 16,
    "SELECT id FROM {d}.months WHERE at = '2024-01-05'": 32,
    "SELECT id FROM {d}.months WHERE DATE(at) = '2024-02-05'": 16,
    "SELECT id FROM {d}.months WHERE TIMESTAMP_TRUNC(at, MONTH) = '2024-01-01'": 32,
    "SELECT id FROM {d}.hours WHERE at >= '2024-01-05 11:00:00'": 32,
    "SELECT id FROM {d}.hours WHERE DATE(at) = '2024-01-05'": 32,
    "SELECT id FROM {d}.years WHERE at >= '2023-02-01'": 32,
    "SELECT s FROM {d}.ranges WHERE n BETWEEN 12 AND 14": 11 + 11,
    "SELECT s FROM {d}.ranges WHERE n IS NULL": 3,
    "SELECT id FROM {d}.taken WHERE _PARTITIONTIME = TIMESTAMP '2024-01-01'": 8,
    "SELECT id FROM {d}.taken WHERE _PARTITIONDATE > '2024-01-01'": 8,
    "SELECT id FROM {d}.taken WHERE _PARTITIONDATE < '2000-01-01'": 0,
    "SELECT id FROM {d}.clustered WHERE k = 'a'": 16 + 6,
    "SELECT id, s FROM `{d}.log_*`": 10 + 1 + 12,
    "SELECT id FROM `{d}.log_*` WHERE _TABLE_SUFFIX = '20240102'": 8,
    "SELECT id FROM `{d}.log_*` WHERE _TABLE_SUFFIX > FORMAT_DATE('%Y%m%d', DATE '2024-01-01')": 8,
    "CREATE TABLE {d}.made AS SELECT id FROM {d}.days WHERE day = '2024-01-03'": 16,
    "CREATE TABLE {d}.made (i INT64)": 0,
    "CREATE TABLE {d}.made CLONE {d}.days": 0,
    "DROP TABLE {d}.types": 0,
    "INSERT INTO {d}.clustered (id) VALUES (1)": 0,
    "INSERT INTO {d}.clustered (id) SELECT id FROM {d}.days WHERE day = '2024-01-03'": 16,
    "UPDATE {d}.clustered SET k = 'x' WHERE id = 1": 22,
    "UPDATE {d}.days SET s = 'x' WHERE day = '2024-01-03'": 20,
    "UPDATE {d}.days AS t SET s = 'x' FROM {d}.clustered AS c WHERE c.id = t.id AND t.day = '2024-01-03'": 20 + 16,
    "DELETE FROM {d}.days WHERE day IN ('2024-01-03', '2024-01-04')": 40,
    "DELETE FROM {d}.clustered WHERE TRUE": 22,
    "TRUNCATE TABLE {d}.clustered": 0,
    "MERGE {d}.clustered AS t USING (SELECT 1 AS id) AS s ON t.id = s.id WHEN MATCHED THEN DELETE": 22,
    "MERGE {d}.clustered AS t USING (SELECT 1 AS id) AS s ON t.id = s.id "
    "WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)": 16,
    "MERGE {d}.days AS t USING {d}.taken AS s ON t.id = s.id AND t.day = '2024-01-03' "
    "WHEN MATCHED THEN UPDATE SET s = 'x'": 20 + 16,
}  # fmt: skip


@pytest.mark.parametrize(("query", "size"), QUERIES.items(), ids=lambda value: str(value)[:70])
def test_dry_run_tells_the_bytes_of_columns_and_partitions_that_are_read(
    bq: bigquery.Client, tables: str, query: str, size: int
) -> None:
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    job = bq.query(query.format(d=tables), job_config=config)
    assert job.total_bytes_processed == size


def test_parameters_and_script_variables_prune_partitions(bq: bigquery.Client, tables: str) -> None:
    parameter = bigquery.ScalarQueryParameter("day", "DATE", "2024-01-03")
    config = bigquery.QueryJobConfig(dry_run=True, query_parameters=[parameter])
    sql = f"SELECT id FROM {tables}.days WHERE day = @day"
    assert bq.query(sql, job_config=config).total_bytes_processed == 16
    script = f"DECLARE d DATE DEFAULT '2024-01-03'; SELECT id FROM {tables}.days WHERE day = d"
    job = bq.query(script)
    job.result()
    assert job.total_bytes_processed == 16


def test_bytes_follow_appends_and_changes(bq: bigquery.Client, dataset: str) -> None:
    def size() -> int:
        config = bigquery.QueryJobConfig(dry_run=True)
        return int(
            bq.query(f"SELECT * FROM {dataset}.t WHERE d = '2024-01-01'", job_config=config).total_bytes_processed
        )

    bq.query(f"CREATE TABLE {dataset}.t (d DATE, s STRING) PARTITION BY d").result()
    sizes = [size()]
    for statement in (
        "INSERT {}.t VALUES ('2024-01-01', 'a')", "INSERT {}.t VALUES ('2024-01-02', 'a'), ('2024-01-01', 'bb')",
        "UPDATE {}.t SET s = 'long' WHERE s = 'a'", "DELETE FROM {}.t WHERE s = 'bb'", "TRUNCATE TABLE {}.t",
    ):  # fmt: skip
        bq.query(statement.format(dataset)).result()
        sizes.append(size())
    assert sizes == [0, 11, 23, 26, 14, 0]


FILTERED = {
    "SELECT id FROM {d}.need WHERE day = '2024-01-01'": True,
    "SELECT id FROM {d}.need WHERE day IS NOT NULL": True,
    "SELECT id FROM {d}.need WHERE day > '2024-01-01' AND id = 3": True,
    "SELECT id FROM {d}.need WHERE day = (SELECT MAX(day) FROM {d}.other)": True,
    "SELECT id FROM {d}.over WHERE day = '2024-01-01'": True,
    "SELECT n.id FROM {d}.need AS n JOIN {d}.other AS o ON n.day = o.day WHERE o.day = '2024-01-01'": True,
    "DELETE FROM {d}.need WHERE day = '2024-01-01'": True,
    "INSERT INTO {d}.need SELECT 1, DATE '2024-01-01'": True,
    "CREATE OR REPLACE TABLE {d}.copied CLONE {d}.need": True,
    "SELECT id FROM {d}.need": False,
    "SELECT COUNT(*) FROM {d}.need": False,
    "SELECT id FROM {d}.need WHERE day = '2024-01-01' OR id = 3": False,
    "SELECT id FROM {d}.need WHERE id = 3": False,
    "SELECT id FROM {d}.over": False,
    "DELETE FROM {d}.need WHERE id = 1": False,
    "UPDATE {d}.need SET id = 2 WHERE TRUE": False,
    "MERGE {d}.need AS t USING (SELECT 1 AS id) AS s ON t.id = s.id WHEN MATCHED THEN DELETE": False,
}


@pytest.fixture(scope="module")
def needing(bq: bigquery.Client) -> Iterator[str]:
    name = f"need_{uuid.uuid4().hex[:8]}"
    bq.create_dataset(name)
    bq.query(
        f"CREATE TABLE {name}.need (id INT64, day DATE) PARTITION BY day;"
        f"CREATE TABLE {name}.other (day DATE); CREATE VIEW {name}.over AS SELECT * FROM {name}.need;"
        f"ALTER TABLE {name}.need SET OPTIONS (require_partition_filter = TRUE)"
    ).result()
    yield name
    bq.delete_dataset(name, delete_contents=True)


@pytest.mark.parametrize(("query", "is_allowed"), FILTERED.items(), ids=lambda value: str(value)[:70])
def test_a_required_partition_filter_is_enforced(
    bq: bigquery.Client, needing: str, query: str, *, is_allowed: bool
) -> None:
    run = bq.query(query.format(d=needing))
    if is_allowed:
        run.result()
        return
    with pytest.raises(
        BadRequest, match=r"Cannot query over table '\w+\.need' without a filter over column\(s\) 'day'"
    ):
        run.result()

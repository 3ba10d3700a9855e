-- pipes: GoogleSQL, an arrow, the rows (cells parted by |, rows by //) as BigQuery gives them.
CREATE SCHEMA IF NOT EXISTS golden
CREATE OR REPLACE TABLE golden.t AS SELECT * FROM UNNEST([STRUCT(1 AS id, 'a' AS k, 10 AS v), (2, 'b', 20), (3, 'a', 30)])
CREATE OR REPLACE TABLE golden.u AS SELECT * FROM UNNEST([STRUCT(1 AS id, 'x' AS name), (2, 'y')])
FROM golden.t JOIN golden.u ON t.id = u.id |> EXTEND t.v + 1 AS w |> SELECT t.id, u.name, w |> ORDER BY id  =>  1 | x | 11 // 2 | y | 21
FROM golden.t AS a |> JOIN golden.u AS b USING (id) |> WHERE a.v > 10 |> SELECT id, b.name, a.v  =>  2 | y | 20
FROM golden.t |> WHERE t.v > 10 |> EXTEND t.v * 2 AS d |> WHERE d > 50 AND t.k = 'a' |> SELECT t.id, d  =>  3 | 60
FROM golden.t |> ORDER BY v DESC |> LIMIT 1 |> SELECT id  =>  3
FROM golden.t |> ORDER BY v DESC |> SELECT id |> LIMIT 2  =>  3 // 2
CREATE OR REPLACE TABLE golden.w AS FROM golden.t |> AGGREGATE SUM(v) AS s GROUP BY k
FROM golden.w |> ORDER BY k  =>  a | 40 // b | 20
INSERT INTO golden.w (k, s) FROM golden.t |> WHERE id = 2 |> SELECT 'z', v
FROM golden.w |> WHERE k = 'z'  =>  z | 20
FROM golden.t |> AGGREGATE SUM(v) AS s GROUP BY ROLLUP(k) |> ORDER BY s  =>  b | 20 // a | 40 // None | 60
FROM golden.t |> AS x |> JOIN (FROM golden.u |> RENAME id AS uid) AS y ON x.id = y.uid |> AGGREGATE COUNT(*)  =>  2
SELECT * FROM golden.t |> SELECT nope  =>  ERR Unrecognized name: nope at [1:34]
FROM golden.t |> SELEC x  =>  ERR Syntax error: Unexpected "SELEC" at [1:18]
FROM golden.t |> EXTEND id AS a, v AS b |> DROP k, v |> SELECT AS STRUCT * |> LIMIT 1  =>  1 | 1 | 10
FROM golden.t |> WHERE v > (FROM golden.u |> AGGREGATE MAX(id)) |> AGGREGATE COUNT(*) AS n  =>  3
FROM golden.t, golden.u |> WHERE t.id = u.id |> AGGREGATE COUNT(*) AS n, SUM(t.v)  =>  2 | 30
FROM golden.t |> WHERE EXISTS (FROM golden.u |> WHERE u.id = t.id) |> SELECT id |> ORDER BY id  =>  1 // 2
FROM golden.t |> AGGREGATE COUNT(*) AS n GROUP BY k |> UNION ALL (SELECT 'q', 5), (SELECT 'r', 6) |> ORDER BY n DESC |> LIMIT 2  =>  r | 6 // q | 5
DECLARE x INT64 DEFAULT 5; SET x = (FROM golden.t |> AGGREGATE MAX(id)); FROM golden.t |> WHERE id = x |> SELECT v  =>  30
FROM golden.t LEFT JOIN golden.u USING (id) |> SELECT id, name |> WHERE name IS NULL  =>  3 | None
FROM golden.t |> EXTEND SUM(v) OVER w AS s WINDOW w AS (PARTITION BY k) |> SELECT DISTINCT k, s |> ORDER BY k  =>  a | 40 // b | 20
FROM golden.t |> LEFT JOIN golden.u ON t.id = u.id |> EXTEND IFNULL(u.name, '?') AS n |> SELECT n |> ORDER BY n  =>  ? // x // y
FROM UNNEST([1,2,3]) AS x |> WHERE x > 1 |> SELECT x, x * 2 AS y |> ORDER BY y DESC  =>  3 | 6 // 2 | 4
(SELECT 1 AS a, 2 AS b) |> EXTEND a + b AS c |> SET a = 10 |> DROP b  =>  10 | 3
(SELECT 1 AS a, 2 AS b) |> RENAME a AS z  =>  1 | 2
(SELECT 1 AS a, 2 AS b) |> AS t |> WHERE t.a = 1 |> SELECT t.b  =>  2
FROM UNNEST([STRUCT('a' AS k, 1 AS v), ('b', 2), ('a', 3)]) |> AGGREGATE SUM(v) AS total, COUNT(*) AS n GROUP BY k |> ORDER BY k  =>  a | 4 | 2 // b | 2 | 1
FROM UNNEST([STRUCT('a' AS k, 1 AS v), ('b', 2), ('a', 3)]) |> AGGREGATE SUM(v) AS total GROUP AND ORDER BY k DESC  =>  b | 2 // a | 4
FROM UNNEST([1,2,3]) AS x |> AGGREGATE COUNT(*) AS n  =>  3
(SELECT 1 AS a) |> JOIN (SELECT 1 AS a, 5 AS b) AS u USING (a)  =>  1 | 5
(SELECT 1 AS a) |> AS t |> LEFT JOIN (SELECT 1 AS a, 5 AS b) AS u ON t.a = u.a |> SELECT t.a, u.b  =>  1 | 5
(SELECT 1 AS a) |> UNION ALL (SELECT 2), (SELECT 3) |> ORDER BY a  =>  1 // 2 // 3
(SELECT 1 AS a) |> UNION ALL BY NAME (SELECT 2 AS a)|> ORDER BY a  =>  1 // 2
(SELECT 1 AS a UNION ALL SELECT 1) |> DISTINCT  =>  1
(SELECT 1 AS a UNION ALL SELECT 2) |> EXCEPT DISTINCT (SELECT 1)  =>  2
FROM UNNEST([3,1,2]) AS x |> ORDER BY x |> LIMIT 1 OFFSET 1  =>  2
FROM UNNEST([3,1,2]) AS x |> WINDOW SUM(x) OVER (ORDER BY x) AS s |> ORDER BY s  =>  1 | 1 // 2 | 3 // 3 | 6
FROM UNNEST([3,1,2]) AS x |> EXTEND SUM(x) OVER () AS s |> WHERE x = 1  =>  1 | 6
FROM UNNEST([3,1,2]) AS x |> TABLESAMPLE SYSTEM (100 PERCENT) |> AGGREGATE COUNT(*)  =>  3
(SELECT 'a' AS k, 1 AS q, 10 AS v UNION ALL SELECT 'a', 2, 20) |> PIVOT (SUM(v) FOR q IN (1 AS q1, 2 AS q2))  =>  a | 10 | 20
(SELECT 'a' AS k, 10 AS q1, 20 AS q2) |> UNPIVOT (v FOR q IN (q1, q2)) |> ORDER BY v  =>  a | 10 | q1 // a | 20 | q2
WITH t AS (SELECT 1 AS a) FROM t |> SELECT a  =>  1
FROM (SELECT 1 AS a, 2 AS b) |> SELECT * EXCEPT (b)  =>  1
FROM (SELECT 1 AS a, 2 AS b) |> WITH u AS (SELECT 5 AS c) |> CROSS JOIN u  =>  1 | 2 | 5
(SELECT 1 AS a) |> ASSERT a = 1, 'no' |> SELECT a  =>  1
SELECT (FROM UNNEST([1,2]) x |> AGGREGATE SUM(x))  =>  3
SELECT * FROM (FROM UNNEST([1,2]) x |> WHERE x = 1)  =>  1
FROM UNNEST([1,2,2]) x |> AGGREGATE COUNT(*) AS n GROUP BY x |> WHERE n > 1  =>  2 | 2
FROM UNNEST([1,2,2]) x |> AGGREGATE GROUP BY x |> ORDER BY x  =>  1 // 2
FROM UNNEST([1,2,2]) x |> AGGREGATE COUNT(*) AS n GROUP BY x AS y |> ORDER BY y DESC  =>  2 | 2 // 1 | 1
FROM UNNEST([1,2,3]) x |> AGGREGATE SUM(x) AS s GROUP BY MOD(x,2) AS m |> ORDER BY m  =>  0 | 2 // 1 | 4
(SELECT 1 AS a, 2 AS b) |> SET a = b, b = a  =>  2 | 1
(SELECT STRUCT(1 AS x) AS s) |> EXTEND s.x |> SELECT x  =>  1
FROM UNNEST([1,2,3]) x |> SELECT DISTINCT MOD(x, 2) AS m |> ORDER BY m  =>  0 // 1
SELECT 1 AS a |> SELECT a + 1  =>  2
SELECT 1 AS a |> WHERE a > 0 -- comment  =>  1

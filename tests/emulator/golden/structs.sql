-- structs, value tables, functions' arguments, DML of structs, collations, transactions: GoogleSQL, an arrow, the rows.
CREATE SCHEMA IF NOT EXISTS golden
SELECT IF(FALSE, STRUCT(1 AS a, 2 AS b), STRUCT(3 AS b, 4 AS a)), IF(TRUE, STRUCT(1 AS a, 2 AS b), STRUCT(3 AS b, 4 AS a))  =>  {3, 4} | {1, 2}
SELECT CASE x WHEN 1 THEN STRUCT('l' AS a, 'r' AS b) ELSE STRUCT('L' AS b, 'R' AS a) END FROM UNNEST([1, 2]) AS x ORDER BY x  =>  {l, r} // {L, R}
SELECT ARRAY_CONCAT([STRUCT(1 AS a, 2 AS b)], [STRUCT(3 AS b, 4 AS a)]), COALESCE(NULL, STRUCT(5 AS b, 6 AS a), STRUCT(1 AS a, 2 AS b))  =>  [{1, 2}, {3, 4}] | {5, 6}
SELECT [s, STRUCT(1 AS a, 2 AS b)] FROM (SELECT STRUCT(3 AS b, 4 AS a) AS s)  =>  [{3, 4}, {1, 2}]
SELECT s FROM (SELECT STRUCT(1 AS a, STRUCT(2 AS b)) AS s UNION ALL SELECT (2, CAST(NULL AS STRUCT<INT64>))) ORDER BY s.a  =>  {1, {2}} // {2, None}
SELECT STRUCT(3 AS b, 4 AS a) IN (SELECT STRUCT(3 AS a, 4 AS b)), STRUCT(3 AS b, 4 AS a) IN UNNEST([STRUCT(3 AS a, 4 AS b)]), STRUCT(1 AS a, 2 AS b) IN (SELECT AS STRUCT 2 AS b, 1 AS a)  =>  true | true | false
SELECT (3, 5) IN UNNEST(x), (3, NULL) IN UNNEST(x), (3, 4) IN UNNEST(x) FROM (SELECT [STRUCT(3 AS a, 4 AS b)] AS x)  =>  false | None | true
SELECT NULLIF((1, NULL), (1, NULL)), CASE (1, NULL) WHEN (1, NULL) THEN 'same' ELSE 'unknown' END, NULLIF(STRUCT(1 AS a, 2 AS b), (1, 2))  =>  {1, None} | unknown | None
SELECT CASE x WHEN x THEN 'same' ELSE 'other' END FROM UNNEST([CAST('NaN' AS FLOAT64)]) AS x  =>  other
SELECT [1] = [1]  =>  ERR
SELECT STRUCT([1]) = STRUCT([1])  =>  ERR
SELECT STRUCT(3.5, TRUE)[OFFSET(1)], STRUCT(7 AS a, 'x')[ORDINAL(1)], STRUCT(7 AS a, 'x')[1]  =>  true | 7 | x
SELECT STRUCT(3.5, TRUE)[OFFSET(2)]  =>  ERR
SELECT TO_JSON_STRING(STRUCT(1, s.b, 5 AS c)) FROM (SELECT STRUCT(3 AS a, 4 AS b) AS s)  =>  {"":1,"b":4,"c":5}
SELECT TO_JSON_STRING(STRUCT(1, 'a')), TO_JSON_STRING([STRUCT(2.5)]), TO_JSON_STRING(CAST(NULL AS STRUCT<x INT64>)), TO_JSON_STRING(STRUCT(NULL AS n))  =>  {"":1,"":"a"} | [{"":2.5}] | null | {"n":null}
SELECT TO_JSON_STRING(TO_JSON(STRUCT(1, 2))), TO_JSON_STRING(STRUCT(SUM(x) AS s, (SELECT AS STRUCT MAX(x) AS m) AS q)) FROM UNNEST([1, 2]) AS x  =>  {"":1} | {"s":3,"q":{"m":2}}
SELECT AS VALUE STRUCT(1 AS a, 'x' AS b)  =>  1 | x
SELECT AS VALUE ARRAY_AGG(t ORDER BY t.y LIMIT 1)[OFFSET(0)] FROM UNNEST([STRUCT(1 AS x, 2 AS y), (1, 1), (2, 5)]) AS t GROUP BY t.x ORDER BY t.x  =>  1 | 1 // 2 | 5
SELECT v.y, v.x FROM (SELECT AS VALUE ARRAY_AGG(t ORDER BY y LIMIT 1)[OFFSET(0)] FROM (SELECT 1 AS x, 2 AS y UNION ALL SELECT 1, 1) AS t GROUP BY x) AS v  =>  1 | 1
SELECT v + 1 FROM (SELECT AS VALUE 5) AS v  =>  6
WITH w AS (SELECT AS STRUCT 55 AS n, 'x' AS t UNION ALL SELECT AS STRUCT 77, 'y') SELECT * FROM w ORDER BY n  =>  55 | x // 77 | y
SELECT AS STRUCT 1 AS a, 'h' AS b UNION ALL SELECT AS STRUCT 2, 'i' ORDER BY 1  =>  1 | h // 2 | i
CREATE TEMP FUNCTION f(x INT64) AS ((SELECT SUM(y * x) FROM UNNEST([1, 2]) AS y)); SELECT f(y), f(f(y)) FROM UNNEST([10, 20]) AS y ORDER BY y  =>  30 | 90 // 60 | 180
CREATE OR REPLACE TABLE golden.users AS SELECT 1 AS id, 'ada' AS name UNION ALL SELECT 2, 'bob'
CREATE OR REPLACE FUNCTION golden.name_of(k INT64) AS ((SELECT name FROM golden.users AS u WHERE u.id = k))
SELECT golden.name_of(id) FROM UNNEST([2, 1]) AS id ORDER BY id  =>  ada // bob
SELECT golden.name_of(MAX(id)) FROM UNNEST([2, 1]) AS id  =>  bob
CREATE OR REPLACE FUNCTION golden.count_of(id INT64) AS ((SELECT COUNT(*) FROM golden.users WHERE id = id))
SELECT golden.count_of(1)  =>  2
CREATE TEMP FUNCTION e(a FLOAT64) AS (a = a); SELECT e(RAND())  =>  true
CREATE OR REPLACE TABLE golden.boxes AS SELECT 1 AS id, STRUCT(1 AS w, 2 AS h) AS size UNION ALL SELECT 2, NULL
UPDATE golden.boxes SET size.w = 9 WHERE TRUE
SELECT * FROM golden.boxes ORDER BY id  =>  1 | {9, 2} // 2 | {9, None}
SELECT x FROM UNNEST(['b', 'B']) AS x ORDER BY x COLLATE 'binary'  =>  B // b
UPDATE golden.boxes SET size = STRUCT(3 AS h, 4 AS w) WHERE id = 1
MERGE golden.boxes AS b USING (SELECT 2 AS id, STRUCT(7 AS h, 8 AS w) AS size UNION ALL SELECT 3, (5, 6)) AS q ON b.id = q.id WHEN MATCHED THEN UPDATE SET size = q.size WHEN NOT MATCHED THEN INSERT ROW
SELECT * FROM golden.boxes ORDER BY id  =>  1 | {3, 4} // 2 | {7, 8} // 3 | {5, 6}
CREATE OR REPLACE TABLE golden.lists AS SELECT 1 AS id, [1, 2] AS xs
UPDATE golden.lists SET xs = [1, NULL] WHERE TRUE  =>  ERR
MERGE golden.lists AS l USING (SELECT 2 AS id) AS q ON l.id = q.id WHEN NOT MATCHED THEN INSERT VALUES (q.id, [NULL])  =>  ERR
SELECT * FROM golden.lists  =>  1 | [1, 2]

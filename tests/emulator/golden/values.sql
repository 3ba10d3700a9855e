-- values: GoogleSQL, an arrow, the rows (cells parted by |, rows by //) as BigQuery gives them.
CREATE SCHEMA IF NOT EXISTS golden
SELECT 'abc' LIKE ANY ('x%', '%c'), 'abc' LIKE ALL ('a%', 'b%'), 'abc' NOT LIKE SOME ('x'), 'abc' LIKE ANY UNNEST(['a%']), 'a_c' LIKE r'a\_c'  =>  true | false | true | true | true
SELECT WITH(a AS '123', b AS CONCAT(a, '456'), c AS '789', CONCAT(b, c)) AS result  =>  123456789
SELECT * FROM UNNEST([STRUCT(1 AS a, [2,3] AS b)]) t, t.b AS c  =>  1 | [2, 3] | 3 // 1 | [2, 3] | 2
SELECT t.a, c FROM UNNEST([STRUCT(1 AS a, [2,3] AS b)]) t, t.b AS c ORDER BY c  =>  1 | 2 // 1 | 3
SELECT t.a, c FROM UNNEST([STRUCT(1 AS a, [2,3] AS b)]) t CROSS JOIN UNNEST(t.b) AS c ORDER BY c  =>  1 | 2 // 1 | 3
SELECT INTERVAL 10 DAY / 3, INTERVAL 1 MONTH / 2, INTERVAL 5 SECOND * 3, INTERVAL '10:20:30' HOUR TO SECOND / 7  =>  0-0 3 8:0:0 | 0-0 15 0:0:0 | 0-0 0 0:0:15 | 0-0 0 1:28:38.571429
SELECT 1e308 * 10  =>  ERR
SELECT x * x FROM UNNEST([1e300]) x  =>  ERR
SELECT x, RANK() OVER (ORDER BY x) FROM UNNEST([1.0, CAST('NaN' AS FLOAT64), NULL]) x ORDER BY 2  =>  None | 1 // NaN | 2 // 1.0 | 3
SELECT MAX(x), MIN(x) FROM UNNEST([1.0, CAST('NaN' AS FLOAT64)]) x  =>  NaN | NaN
SELECT MAX(x) OVER () FROM UNNEST([1.0, CAST('NaN' AS FLOAT64)]) x LIMIT 1  =>  NaN
SELECT ARRAY_AGG(x ORDER BY x) FROM UNNEST([1.0, CAST('NaN' AS FLOAT64), -5.0]) x  =>  [NaN, -5.0, 1.0]
SELECT GREATEST(1.0, CAST('NaN' AS FLOAT64)), LEAST(1.0, CAST('NaN' AS FLOAT64))  =>  NaN | NaN
BEGIN TRANSACTION; CREATE TEMP TABLE tt AS SELECT 1 AS a; INSERT INTO tt VALUES (2); SELECT SUM(a) FROM tt; COMMIT TRANSACTION;  =>  3
CREATE OR REPLACE TABLE golden.tx (a INT64)
BEGIN BEGIN TRANSACTION; INSERT INTO golden.tx VALUES (1); ROLLBACK TRANSACTION; END  =>  
SELECT COUNT(*) FROM golden.tx  =>  0
SELECT 1.5 * x + 2 FROM UNNEST([1.0, CAST('inf' AS FLOAT64), NULL]) x ORDER BY x  =>  None // 3.5 // Infinity
SELECT b'abc' LIKE b'a%', b'abc' NOT LIKE b'_c', 'a%c' LIKE r'a\%c', 'abc' LIKE r'a\%c', 'axc' LIKE p FROM UNNEST(['a_c']) p  =>  true | true | true | false | true
SELECT WITH(x AS 2, WITH(y AS x * 3, y + x))  =>  8
SELECT SUM(x) OVER (ORDER BY x RANGE BETWEEN 1.0 PRECEDING AND CURRENT ROW) FROM UNNEST([1.0, 2.0]) x ORDER BY x  =>  1.0 // 3.0
SELECT STRING_AGG(CAST(x AS STRING), ',' ORDER BY x DESC LIMIT 2) FROM UNNEST([1.0, 3.0, 2.0]) x  =>  3,2
SELECT ARRAY_AGG(DISTINCT x ORDER BY x) FROM UNNEST([3.0, 1.0]) x  =>  [1.0, 3.0]
CREATE OR REPLACE TABLE golden.wild_a AS SELECT 'a' AS v
CREATE OR REPLACE TABLE golden.wild_b AS SELECT 'b' AS v
SELECT v FROM `golden.wild_*` WHERE _TABLE_SUFFIX NOT LIKE 'a%'  =>  b
SELECT v FROM `golden.wild_*` WHERE _TABLE_SUFFIX LIKE 'a%'  =>  a

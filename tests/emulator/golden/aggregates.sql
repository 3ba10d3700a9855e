-- grouping, set operations and quantified comparisons: GoogleSQL, an arrow, the rows (cells parted by |, rows by //).
CREATE SCHEMA IF NOT EXISTS golden
SELECT x, x + 1, COUNT(*) FROM UNNEST([7, 7, 8]) x GROUP BY ROLLUP (x, x + 1) ORDER BY 1, 2, 3  =>  None | None | 3 // 7 | 8 | 2 // 7 | 8 | 2 // 8 | 9 | 1 // 8 | 9 | 1
SELECT x + 1 AS y, COUNT(*) FROM UNNEST([7, 8]) x GROUP BY GROUPING SETS (1, ()) ORDER BY 1  =>  None | 2 // 8 | 1 // 9 | 1
SELECT x + 1 AS y, GROUPING(x + 1) FROM UNNEST([7]) x GROUP BY GROUPING SETS (1, ()) ORDER BY GROUPING(y)  =>  8 | 0 // None | 1
SELECT x, 5 FROM UNNEST([7]) x GROUP BY CUBE (1, 2)  =>  ERR Unsupported feature: GROUPING SETS, ROLLUP or CUBE by a constant is not supported by the embedded warehouse. Use the real BigQuery for it.
SELECT x FROM UNNEST([7]) x GROUP BY ROLLUP (2)  =>  ERR GROUP BY column number 2 is out of range
SELECT 'a' FROM UNNEST([1, 2]) GROUP BY ALL  =>  a
SELECT x, ROW_NUMBER() OVER (ORDER BY x) AS n FROM UNNEST([3, 3, 4]) x GROUP BY ALL QUALIFY n = 2  =>  4 | 2
SELECT 'ab' LIKE ANY UNNEST(['b%', 'a%']), 'ab' LIKE ALL UNNEST(['a%', NULL]), 'ab' LIKE SOME UNNEST(CAST(NULL AS ARRAY<STRING>)), 'ab' NOT LIKE ANY UNNEST(['a%', 'b%'])  =>  true | None | false | true
SELECT 'ab' LIKE ANY (SELECT 'a_'), b'ab' LIKE ALL (b'a%', b'%b'), 'ab' NOT LIKE ALL (SELECT 'c%')  =>  true | true | true
SELECT 'a' LIKE 'a\\'  =>  ERR LIKE pattern ends with a backslash
SELECT b'a' LIKE b'a\\'  =>  ERR LIKE pattern ends with a backslash
SELECT COLLATE('a', '') = 'a', COLLATE('a', 'und:ci') = 'A'  =>  ERR Unsupported feature: The collation 'und:ci' is not supported by the embedded warehouse. Use the real BigQuery for it.
SELECT SUM(x) FROM (SELECT BIGNUMERIC '1' AS x UNION ALL SELECT 2.5)  =>  3.5
SELECT x / 3 FROM (SELECT NUMERIC '1' AS x UNION ALL SELECT 0.3) ORDER BY 1  =>  0.1 // 0.333333333
SELECT EXTRACT(YEAR FROM x) FROM (SELECT DATE '2020-01-02' AS x UNION ALL SELECT '2021-01-02') ORDER BY 1  =>  2020 // 2021
SELECT 1 UNION ALL SELECT 'a'  =>  ERR Column 1 in UNION ALL has incompatible types: INT64, STRING
SELECT CURRENT_DATE() INTERSECT DISTINCT SELECT CURRENT_TIMESTAMP()  =>  ERR Column 1 in INTERSECT DISTINCT has incompatible types: DATE, TIMESTAMP
SELECT 1, 2 UNION ALL SELECT 1  =>  ERR Queries in UNION ALL have mismatched column count; query 1 has 2 columns, query 2 has 1 column
SELECT AS STRUCT 1 AS a, 2 AS b UNION ALL SELECT AS STRUCT 3, 4 ORDER BY a  =>  1 | 2 // 3 | 4
SELECT (1, NULL) IN (SELECT (1, 2)), STRUCT(1 AS a) IN (SELECT STRUCT(1 AS b)), (1, 2) NOT IN (SELECT (1, x) FROM UNNEST([3, NULL]) x)  =>  None | true | None
SELECT STRUCT(1 AS a) IN UNNEST((SELECT ARRAY_AGG(STRUCT<b INT64>(x)) FROM UNNEST([0, 1]) x))  =>  true

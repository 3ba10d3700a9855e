-- functions_c: GoogleSQL, an arrow, the rows (cells parted by |, rows by //) as BigQuery gives them.
SELECT FORMAT_DATE('%d %e', DATE '2008-12-05')  =>  05  5
SELECT FORMAT('%T', (1,'a')), FORMAT('%t', INTERVAL 1 DAY), FORMAT('%T', INTERVAL 1 DAY), FORMAT('%T', DATETIME '2020-01-01 00:00:00'), FORMAT('%t', TIMESTAMP '2020-01-01 00:00:00')  =>  (1, "a") | 0-0 1 0:0:0 | INTERVAL "0-0 1 0:0:0" YEAR TO SECOND | DATETIME "2020-01-01 00:00:00" | 2020-01-01 00:00:00+00
SELECT DIV(NUMERIC '7', 2), DIV(NUMERIC '-7.5', 2), -16 >> 2, 16 >> 2, -1 >> 63, 5 >> 0, 1 >> 64, NUMERIC '12345678901234567890' / 3, NUMERIC '1' / 3, NUMERIC '0.123456789' / 2  =>  3 | -3 | 4611686018427387900 | 4 | 1 | 5 | 0 | 4115226300411522630 | 0.333333333 | 0.061728395
SELECT NET.HOST('mailto:?to=&subject=&body='), NET.HOST('//user:password@a.b.com:80/path?query'), NET.HOST('https://[::1]:80'), NET.HOST('www.a.com:80/x')  =>  mailto | a.b.com | [::1] | www.a.com
SELECT COSINE_DISTANCE([(1, 1.0), (2, 2.0)], [(2, 4.0), (1, 3.0)]), COSINE_DISTANCE([1.0, 2.0], [3.0, 4.0]), EUCLIDEAN_DISTANCE([('a', 1.0), ('b', 2.0)], [('b', 4.0), ('a', 3.0)])  =>  0.01613008990009257 | 0.01613008990009257 | 2.8284271247461903
SELECT COSINE_DISTANCE([0.0, 0.0], [3.0, 4.0])  =>  ERR
SELECT (1, NULL) IN UNNEST([(1, 2)]), (1, 2) IN UNNEST([(1, 2), (3, NULL)]), (5, 2) IN UNNEST([(1, 2)])  =>  None | true | false
SELECT ARRAY_AVG([1, 2]), ARRAY_SUM([1,2]), ARRAY_MAX([8, NULL, 55]), ARRAY_MIN(['b','a']), ARRAY_INCLUDES([1,2], x -> x > 1), ARRAY_INCLUDES_ANY([1,2,3],[3,4]), ARRAY_INCLUDES_ALL([1,2,3],[3,5])  =>  1.5 | 3 | 55 | a | true | true | false
SELECT BOOL_ARRAY(JSON '[true, false]'), INT64_ARRAY(JSON '[1, 2]'), FLOAT64_ARRAY(JSON '[1.5]'), STRING_ARRAY(JSON '["a"]')  =>  [true, false] | [1, 2] | [1.5] | [a]
SELECT LAX_INT64_ARRAY(JSON '["1", 2.4]'), LAX_STRING_ARRAY(JSON '[1, true]'), LAX_BOOL_ARRAY(JSON '["true", 0]'), LAX_FLOAT64_ARRAY(JSON '["1.5", 2]'), LAX_INT64_ARRAY(JSON '5')  =>  [1, 2] | [1, true] | [true, false] | [1.5, 2.0] | []
SELECT JSON_CONTAINS(JSON '{"a": {"b": [1, 2]}}', JSON '{"a": {"b": [1]}}')  =>  true
SELECT JSON_QUERY(JSON '{"a":[{"b":1},{"b":2}]}', 'lax $.a.b'), JSON_QUERY(JSON '{"a":{"b":1}}', 'lax $.a.b'), JSON_QUERY(JSON '{"a":[[{"b":1}]]}', 'lax recursive $.a.b'), JSON_QUERY(JSON '[{"b":1}]', 'lax $.b'), JSON_QUERY(JSON '{"a":1}', 'lax $.x')  =>  [1,2] | [1] | [1] | [1] | []
SELECT JSON '{"a": [1, {"b": "x"}]}'.a[1].b, JSON '{"a": [1]}'['a'][0], JSON '{"a": 1}'.b, STRING(JSON '{"n": "x"}'['n']), INT64(JSON '{"gate": {"flight": 2}}'.gate.flight)  =>  "x" | 1 | None | x | 2
SELECT MAX(r), MIN(r) FROM UNNEST([RANGE<DATE> '[2022-12-01, 2022-12-31)', RANGE<DATE> '[UNBOUNDED, 2020-01-01)', NULL]) r  =>  [2022-12-01, 2022-12-31) | [UNBOUNDED, 2020-01-01)
SELECT r, ROW_NUMBER() OVER (ORDER BY r) FROM UNNEST([RANGE<DATE> '[2022-12-01, 2022-12-31)', RANGE<DATE> '[UNBOUNDED, 2020-01-01)']) r ORDER BY 2  =>  [UNBOUNDED, 2020-01-01) | 1 // [2022-12-01, 2022-12-31) | 2
SELECT r FROM UNNEST([RANGE<DATE> '[2022-12-01, 2022-12-31)', RANGE<DATE> '[UNBOUNDED, 2020-01-01)', NULL]) r ORDER BY r DESC  =>  [2022-12-01, 2022-12-31) // [UNBOUNDED, 2020-01-01) // None
SELECT RANGE<DATE> '[2022-12-01, 2022-12-31)' < RANGE<DATE> '[2022-12-01, UNBOUNDED)', RANGE<DATE> '[UNBOUNDED, 2022-12-31)' >= RANGE<DATE> '[2022-12-01, UNBOUNDED)'  =>  true | false
SELECT IFERROR(ERROR('x'), 2), ISERROR(1/0), ISERROR(NULL), NULLIFERROR(1/0), IFERROR(5, 2), IFERROR(NULL, 2)  =>  2 | true | false | None | 5 | None
SELECT SPLIT_SUBSTR('a,b,c', ',', 2), SPLIT_SUBSTR('a,b,c', ',', -2, 1), SPLIT_SUBSTR('www.abc.com', '.', 1, 1)  =>  b,c | b | www
SELECT TIME '10:00:00' - TIME '09:00:00'  =>  0-0 0 1:0:0
SELECT ERROR('boom')  =>  ERR boom
SELECT x, IF(x > 0, x, ERROR(CONCAT('bad ', CAST(x AS STRING)))) FROM UNNEST([1, 2]) x ORDER BY x  =>  1 | 1 // 2 | 2
SELECT SAFE.ERROR('x')  =>  None
SELECT CASE WHEN FALSE THEN ERROR('no') ELSE 'yes' END  =>  yes

-- information_schema: GoogleSQL, an arrow, the rows (cells parted by |, rows by //) as BigQuery gives them.
CREATE SCHEMA IF NOT EXISTS golden
CREATE OR REPLACE TABLE golden.t AS SELECT * FROM UNNEST([STRUCT(1 AS id, 'a' AS k, 10 AS v), (2, 'b', 20), (3, 'a', 30)])
CREATE OR REPLACE TABLE golden.u AS SELECT 1 AS id
CREATE OR REPLACE TABLE golden.tx (a INT64)
CREATE OR REPLACE TABLE golden.big (id INT64, b BIGNUMERIC, p BIGNUMERIC(10, 2), s STRUCT<x BIGNUMERIC, y INT64>, a ARRAY<BIGNUMERIC>)
CREATE OR REPLACE FUNCTION golden.addone(x INT64) RETURNS INT64 AS (x + 1)
SELECT table_id, row_count, size_bytes, type FROM golden.__TABLES__ WHERE table_id IN ('t','tx') ORDER BY 1  =>  t | 3 | 57 | 1 // tx | 0 | 0 | 1
SELECT field_path, data_type FROM golden.INFORMATION_SCHEMA.COLUMN_FIELD_PATHS WHERE table_name='big' ORDER BY field_path  =>  a | ARRAY<BIGNUMERIC> // b | BIGNUMERIC // id | INT64 // p | BIGNUMERIC(10, 2) // s | STRUCT<x BIGNUMERIC, y INT64> // s.x | BIGNUMERIC // s.y | INT64
SELECT COUNT(*) FROM golden.INFORMATION_SCHEMA.KEY_COLUMN_USAGE  =>  0
SELECT COUNT(*) FROM golden.INFORMATION_SCHEMA.TABLE_CONSTRAINTS  =>  0
SELECT COUNT(*) FROM golden.INFORMATION_SCHEMA.CONSTRAINT_COLUMN_USAGE  =>  0
SELECT ordinal_position, is_result, parameter_name, data_type FROM golden.INFORMATION_SCHEMA.PARAMETERS ORDER BY 1  =>  0 | YES | None | INT64 // 1 | NO | x | INT64
SELECT COUNT(*) FROM golden.INFORMATION_SCHEMA.ROUTINE_OPTIONS  =>  0
SELECT COUNT(*) FROM golden.INFORMATION_SCHEMA.MATERIALIZED_VIEWS  =>  0
SELECT COUNT(*) FROM INFORMATION_SCHEMA.SCHEMATA_OPTIONS  =>  0
SELECT schema_name FROM INFORMATION_SCHEMA.SCHEMATA WHERE schema_name = 'golden'  =>  golden
SELECT table_name, total_rows FROM `region-eu`.INFORMATION_SCHEMA.TABLE_STORAGE WHERE table_schema = 'golden' AND table_name = 't'  =>  t | 3
SELECT COUNT(*) > 3 FROM `region-eu`.INFORMATION_SCHEMA.TABLES WHERE table_schema = 'golden'  =>  true
SELECT COUNT(*) FROM golden.INFORMATION_SCHEMA.TABLE_SNAPSHOTS  =>  0
SELECT column_name, data_type, column_default, is_hidden FROM golden.INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'big' AND column_name = 'p'  =>  p | BIGNUMERIC(10, 2) | NULL | NO

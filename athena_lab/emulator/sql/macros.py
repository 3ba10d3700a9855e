"""DuckDB macros for what BigQuery does and DuckDB does otherwise; the rules call them."""

MACROS = (
    ("athena_divide(a, b) AS CASE WHEN b = 0 THEN error('division by zero: ' || a || ' / ' || b) ELSE a / b END"),
    (
        "athena_divide_numeric(a, b) AS CASE WHEN b = 0 THEN error('division by zero: ' || a || ' / ' || b) "
        "ELSE CAST(CAST(a AS DOUBLE) / CAST(b AS DOUBLE) AS DECIMAL(38, 9)) END"
    ),
    (
        "athena_float_text(x) AS CASE WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'inf' "
        "ELSE '-inf' END ELSE regexp_replace(CAST(x AS VARCHAR), '\\.0$', '') END"
    ),
    "athena_numeric_text(x) AS regexp_replace(CAST(CAST(x AS DECIMAL(38, 9)) AS VARCHAR), '\\.?0+$', '')",
    (
        "athena_element(l, i) AS CASE WHEN l IS NULL OR i IS NULL THEN NULL WHEN i < 0 OR i >= len(l) THEN "
        "error('Array index ' || i || ' is out of bounds') ELSE l[i + 1] END"
    ),
    "athena_safe_element(l, i) AS CASE WHEN i < 0 THEN NULL ELSE l[i + 1] END",
    (
        "athena_top_count(l, n) AS (SELECT list({'value': v, 'count': c} ORDER BY c DESC, v) FROM (SELECT v, "
        "count(*) AS c FROM (SELECT unnest(l) AS v) GROUP BY v ORDER BY c DESC, v LIMIT n))"
    ),
    ("athena_ln(x) AS CASE WHEN x <= 0 THEN error('Floating point error in function: LN(' || x || ')') ELSE ln(x) END"),
    (
        "athena_sqrt(x) AS CASE WHEN x < 0 THEN error('Floating point error in function: SQRT(' || x || ')') "
        "ELSE sqrt(x) END"
    ),
    (
        "athena_json_type(t) AS CASE t WHEN 'VARCHAR' THEN 'string' WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' "
        "THEN 'array' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL' THEN 'null' ELSE CASE WHEN t IS NULL THEN "
        "NULL ELSE 'number' END END"
    ),
    "athena_floor_divide(a, b) AS (a - ((a % b) + b) % b) // b",
    "athena_week(d, first) AS CAST((dayofyear(d) + 6 - ((dayofweek(d) - first + 7) % 7)) // 7 AS BIGINT)",
)
"""Bodies of CREATE OR REPLACE MACRO, each depending on earlier ones only."""

"""DuckDB macros of numbers: where BigQuery fails and DuckDB gives infinity, NaN or a rounded number.

https://github.com/google/googlesql/blob/master/docs/mathematical_functions.md
"""

ARITHMETIC = (
    (
        "athena_checked(name, x, y) AS CASE WHEN isfinite(x) AND NOT isfinite(y) THEN "
        "athena_error('Floating point error in function: ' || name || '(' || x || ')') ELSE y END"
    ),
    ("athena_finite(a, b, q) AS isfinite(q) OR NOT isfinite(CAST(a AS DOUBLE)) OR NOT isfinite(CAST(b AS DOUBLE))"),
    (
        "athena_divide(a, b) AS CASE WHEN b = 0 AND a IS NOT NULL THEN "
        "athena_error('division by zero: ' || a || ' / ' || b) "
        "WHEN NOT athena_finite(a, b, a / b) THEN athena_error('double overflow: ' || a || ' / ' || b) ELSE a / b END"
    ),
    "athena_safe_divide(a, b) AS CASE WHEN b <> 0 AND athena_finite(a, b, a / b) THEN a / b END",
    (
        "athena_ln(x) AS CASE WHEN x = CAST('-inf' AS DOUBLE) THEN CAST('nan' AS DOUBLE) WHEN x <= 0 THEN "
        "athena_error('Floating point error in function: LN(' || x || ')') ELSE ln(x) END"
    ),
    (
        "athena_log(x, y) AS CASE WHEN x = CAST('-inf' AS DOUBLE) OR isinf(y) THEN CAST('nan' AS DOUBLE) "
        "WHEN x <= 0 OR y <= 0 OR y = 1 THEN athena_error('Floating point error in function: LOG(' || x || ', ' || y "
        "|| ')') WHEN y = 10 AND isfinite(x) THEN log10(x) ELSE ln(x) / ln(y) END"
    ),
    "athena_places(n) AS CAST(greatest(least(CAST(n AS BIGINT), 400), -400) AS INTEGER)",
    (
        "athena_round(x, n) AS CASE WHEN n IS NULL THEN NULL WHEN NOT isfinite(x) THEN x WHEN n < -308 THEN 0.0e0 "
        "WHEN n = -308 AND abs(x) >= 1.5e308 THEN "
        "athena_error('Floating point error in function: ROUND(' || x || ', ' || n || ')') "
        "ELSE round(x, athena_places(n)) END"
    ),
    (
        "athena_trunc(x, n) AS CASE WHEN n IS NULL THEN NULL WHEN NOT isfinite(x) THEN x WHEN n < -308 THEN 0.0e0 "
        "ELSE trunc(x, athena_places(n)) END"
    ),
    "athena_sign(x) AS CASE WHEN isnan(x) THEN x ELSE CAST(sign(x) AS DOUBLE) END",
    # Exact: below 10^15 the product is within a sixteenth of its true value, which rounds alike unless a half is near.
    (
        "athena_decimal(x) AS CASE WHEN abs(x) < 1000000 AND abs(abs(x * 1e9 - trunc(x * 1e9)) - 0.5) > 0.1 THEN "
        "CAST(CAST(round(x * 1e9) AS BIGINT) * CAST('0.000000001' AS DECIMAL(10, 9)) AS DECIMAL(38, 9)) "
        "ELSE CAST(athena_decimal_text(x) AS DECIMAL(38, 9)) END"
    ),
    (
        "athena_multiply_numeric(a, b) AS CASE WHEN abs(a) < 9000000000 AND abs(b) < 9000000000 THEN "
        "CAST(CAST(a AS DECIMAL(38, 9)) * CAST(b AS DECIMAL(38, 9)) AS DECIMAL(38, 9)) ELSE "
        "CAST(athena_multiplied(CAST(CAST(a AS DECIMAL(38, 9)) AS VARCHAR), CAST(CAST(b AS DECIMAL(38, 9)) "
        "AS VARCHAR)) AS DECIMAL(38, 9)) END"
    ),
    (
        "athena_limited_numeric(x, p, s) AS CASE WHEN abs(round(x, CAST(s AS INTEGER))) >= "
        "CAST(pow(10, p - s) AS DECIMAL(38, 0)) THEN athena_error('Value of NUMERIC(' || p || ', ' || s || ') is out "
        "of range: ' || x) ELSE round(x, CAST(s AS INTEGER)) END"
    ),
    (
        "athena_measured_string(x, n) AS CASE WHEN length(x) > n THEN athena_error('STRING(' || n || ') has maximum "
        "length ' || n || ' but got a value with length ' || length(x)) ELSE x END"
    ),
    (
        "athena_measured_bytes(x, n) AS CASE WHEN octet_length(x) > n THEN athena_error('BYTES(' || n || ') has "
        "maximum length ' || n || ' but got a value with length ' || octet_length(x)) ELSE x END"
    ),
    (
        "athena_wrapped(x) AS CAST(CASE WHEN x >= 9223372036854775808 THEN x - 18446744073709551616 ELSE x END "
        "AS BIGINT)"
    ),
    (
        "athena_shift_left(x, n) AS CASE WHEN x IS NULL OR n IS NULL THEN NULL WHEN n < 0 THEN "
        "athena_error('Bitwise shift by a negative number: ' || n) WHEN n > 63 THEN 0 ELSE "
        "athena_wrapped(((CAST(x AS HUGEINT) * (CAST(1 AS HUGEINT) << CAST(least(n, 63) AS INTEGER))) "
        "% 18446744073709551616 + 18446744073709551616) % 18446744073709551616) END"
    ),
    (
        "athena_range_bucket(x, l) AS CASE WHEN x IS NULL OR l IS NULL THEN NULL WHEN list_count(l) < len(l) THEN "
        "athena_error('Elements in input array to RANGE_BUCKET cannot be NULL') WHEN list_sort(l) <> l THEN "
        "athena_error('Elements in input array to RANGE_BUCKET must be in ascending order') "
        "ELSE len(list_filter(l, lambda e: e <= x)) END"
    ),
    (
        "athena_range_bucket_floats(x, l) AS CASE WHEN len(list_filter(l, lambda e: isnan(e))) > 0 THEN "
        "athena_error('Elements in input array to RANGE_BUCKET cannot be NaN') WHEN isnan(x) THEN NULL "
        "ELSE athena_range_bucket(x, l) END"
    ),
)
"""Bodies of CREATE OR REPLACE MACRO, each depending on earlier ones only."""

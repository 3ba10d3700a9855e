"""DuckDB macros of CAST: texts are read as strictly, and values written, as BigQuery does."""

CONVERSIONS = (
    (
        "athena_int64(t) AS CASE WHEN regexp_full_match(t, '\\s*[+-]?\\d+\\s*') THEN CAST(t AS BIGINT) "
        "WHEN regexp_full_match(t, '\\s*[+-]?0[xX][0-9a-fA-F]+\\s*') THEN athena_hexadecimal(t) "
        "WHEN t IS NOT NULL THEN athena_error('Bad int64 value: ' || t) END"
    ),
    (
        "athena_bool(t) AS CASE WHEN lower(t) = 'true' THEN true WHEN lower(t) = 'false' THEN false "
        "WHEN t IS NOT NULL THEN athena_error('Bad bool value: ' || t) END"
    ),
    (
        "athena_float64(t) AS CASE WHEN regexp_full_match(lower(t), '\\s*[+-]?(\\d+\\.?\\d*(e[+-]?\\d+)?|"
        "\\.\\d+(e[+-]?\\d+)?|inf(inity)?|nan)\\s*') THEN CAST(t AS DOUBLE) "
        "WHEN t IS NOT NULL THEN athena_error('Bad double value: ' || t) END"
    ),
    (
        "athena_date(t) AS CASE WHEN regexp_full_match(t, '\\d{4}-\\d{1,2}-\\d{1,2}') "
        "THEN CAST(t AS DATE) WHEN t IS NOT NULL THEN athena_error('Invalid date: ' || t) END"
    ),
    (
        "athena_time(t) AS CASE WHEN regexp_full_match(t, '([01]?\\d|2[0-3]):\\d{1,2}:\\d{1,2}(\\.\\d{0,6})?') "
        "THEN CAST(DATE '1970-01-01' + CAST(t AS TIME) AS TIME) "
        "WHEN t IS NOT NULL THEN athena_error('Invalid time string ' || t) END"
    ),
    (
        "athena_datetime(t) AS CASE WHEN regexp_full_match(t, '\\d{1,4}-\\d{1,2}-\\d{1,2}([ Tt]\\d{1,2}:\\d{1,2}"
        "(:\\d{1,2}(\\.\\d{0,6})?)?)?') THEN CAST(upper(t) AS TIMESTAMP) "
        "WHEN t IS NOT NULL THEN athena_error('Invalid datetime string ' || t) END"
    ),
    (
        "athena_fraction(t) AS CASE WHEN contains(t, '.') THEN regexp_extract(t, '^(.*\\.)\\d+', 1) || "
        "rpad(regexp_extract(t, '\\.(\\d+)', 1), CASE WHEN length(regexp_extract(t, '\\.(\\d+)', 1)) <= 3 "
        "THEN 3 ELSE 6 END, '0') ELSE t END"
    ),
    "athena_clock_text(x) AS athena_fraction(CAST(x AS VARCHAR))",
    "athena_moment_text(x) AS athena_fraction(CAST(timezone('UTC', x) AS VARCHAR)) || '+00'",
    (
        "athena_offset_text(s) AS CASE WHEN s < 0 THEN '-' ELSE '+' END || "
        "lpad(CAST(abs(s) // 3600 AS VARCHAR), 2, '0')"
        " || CASE WHEN abs(s) % 3600 = 0 THEN '' ELSE ':' || lpad(CAST(abs(s) % 3600 // 60 AS VARCHAR), 2, '0') END"
    ),
    "athena_interval_of(t) AS CAST(athena_interval_parts(t) AS INTERVAL)",
)
"""Bodies of CREATE OR REPLACE MACRO; they come after the other macros."""

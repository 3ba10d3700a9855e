"""DuckDB macros for what BigQuery does and DuckDB does otherwise; the rules call them."""

from athena_lab.emulator.sql.arithmetic import ARITHMETIC
from athena_lab.emulator.sql.conversions import CONVERSIONS

MACROS = (
    *ARITHMETIC,
    # Of answers (true, false, NULL): NULL where none decides and one is not known.
    "athena_any(l) AS CASE WHEN list_contains(l, true) THEN true WHEN list_count(l) < len(l) THEN NULL ELSE false END",
    "athena_all(l) AS CASE WHEN list_contains(l, false) THEN false WHEN list_count(l) < len(l) THEN NULL ELSE true END",
    "athena_joined(l, s) AS CASE WHEN len(l) > 0 THEN array_to_string(l, s) END",
    "athena_rows_at(l, m) AS list_filter(l, lambda e: e.athena_key = m)",
    "athena_rows_at_number(l, m) AS list_filter(l, lambda e: e.athena_key = m AND NOT isnan(m))",
    "athena_unscaled(x) AS CAST(abs(CAST(x AS DECIMAL(38, 9))) * 1000000000 AS HUGEINT)",
    # Exact either way: by whole numbers where they do not overflow, else in Python.
    (
        "athena_divide_numeric(a, b) AS CASE WHEN b <> 0 AND abs(a) < 10000000000 AND abs(b) < 10000000000 THEN "
        "CAST(CAST(sign(a) * sign(b) * ((athena_unscaled(a) * 2000000000 + athena_unscaled(b)) // "
        "(2 * athena_unscaled(b))) AS DECIMAL(38, 0)) * CAST('0.000000001' AS DECIMAL(10, 9)) AS DECIMAL(38, 9)) "
        "ELSE CAST(athena_divided(CAST(CAST(a AS DECIMAL(38, 9)) AS VARCHAR), "
        "CAST(CAST(b AS DECIMAL(38, 9)) AS VARCHAR)) AS DECIMAL(38, 9)) END"
    ),
    (
        "athena_float_text(x) AS CASE WHEN isnan(x) THEN 'nan' WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'inf' "
        "ELSE '-inf' END WHEN x = 0 THEN '0' ELSE regexp_replace(CAST(x AS VARCHAR), '\\.0$', '') END"
    ),
    "athena_numeric_text(x) AS regexp_replace(CAST(CAST(x AS DECIMAL(38, 9)) AS VARCHAR), '\\.?0+$', '')",
    (
        "athena_element(l, i) AS CASE WHEN l IS NULL OR i IS NULL THEN NULL WHEN i < 0 OR i >= len(l) THEN "
        "athena_error('Array index ' || i || ' is out of bounds') ELSE l[i + 1] END"
    ),
    # Counted before they are made: DuckDB allocates such a list at once, outside its limit of memory.
    (
        "athena_counted(n) AS CASE WHEN n > 1048574 THEN "
        "athena_error('Array exceeds maximum allowed size 1048575 elements') ELSE CAST(n AS BIGINT) END"
    ),
    (
        "athena_whole(x) AS CASE WHEN CAST(x AS HUGEINT) <> x THEN athena_error('No whole number: ' || x) "
        "ELSE CAST(x AS HUGEINT) END"
    ),
    (
        "athena_integers(a, b, s) AS CASE WHEN s = 0 THEN athena_error('Sequence step cannot be 0.') ELSE "
        "list_transform(generate_series(0, athena_counted((athena_whole(b) - athena_whole(a)) // "
        "athena_whole(nullif(s, 0)))), lambda i: CAST(athena_whole(a) + i * athena_whole(s) AS BIGINT)) END"
    ),
    (
        "athena_numbers(a, b, s) AS CASE WHEN s = 0 THEN athena_error('Sequence step cannot be 0.') WHEN "
        "NOT (isfinite(a) AND isfinite(b) AND isfinite(s)) THEN "
        "athena_error('Sequence bounds and step must be finite.') ELSE "
        "list_transform(generate_series(0, athena_counted(floor((b - a) / nullif(s, 0)))), lambda i: a + i * s) END"
    ),
    (
        "athena_moments(a, b, s) AS CASE WHEN epoch_us(s) = 0 THEN athena_error('Sequence step cannot be 0.') ELSE "
        "generate_series(a, CASE WHEN athena_counted((epoch_us(b) - epoch_us(a)) // nullif(epoch_us(s), 0)) "
        "IS NULL THEN NULL ELSE b END, s) END"
    ),
    "athena_safe_element(l, i) AS CASE WHEN i < 0 THEN NULL ELSE l[i + 1] END",
    (
        "athena_top_count(l, n) AS (SELECT list({'value': v, 'count': c} ORDER BY c DESC, v) FROM (SELECT v, "
        "count(*) AS c FROM (SELECT unnest(l) AS v) GROUP BY v ORDER BY c DESC, v LIMIT n))"
    ),
    (
        "athena_sqrt(x) AS CASE WHEN x < 0 THEN athena_error('Floating point error in function: SQRT(' || x || ')') "
        "ELSE sqrt(x) END"
    ),
    (
        "athena_json_type(t) AS CASE t WHEN 'VARCHAR' THEN 'string' WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' "
        "THEN 'array' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL' THEN 'null' ELSE CASE WHEN t IS NULL THEN "
        "NULL ELSE 'number' END END"
    ),
    "athena_json_special(x) AS CASE WHEN isnan(x) THEN 'NaN' WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END",
    (
        "athena_json_values(j) AS CASE WHEN json_type(j) = 'ARRAY' AND NOT list_bool_or(list_transform("
        "CAST(json_extract(j, '$[*]') AS JSON[]), lambda e: json_type(e) IN ('OBJECT', 'ARRAY'))) IS TRUE "
        "THEN list_transform(CAST(json_extract(j, '$[*]') AS JSON[]), lambda e: json_extract_string(e, '$')) END"
    ),
    (
        "athena_json_bool(j) AS CASE WHEN j IS NULL THEN NULL WHEN json_type(j) = 'BOOLEAN' THEN CAST(j AS BOOLEAN) "
        "ELSE athena_error('The provided JSON input is not a boolean') END"
    ),
    (
        "athena_json_string(j) AS CASE WHEN j IS NULL THEN NULL WHEN json_type(j) = 'VARCHAR' THEN "
        "json_extract_string(j, '$') ELSE athena_error('The provided JSON input is not a string') END"
    ),
    (
        "athena_json_int64(j) AS CASE WHEN j IS NULL THEN NULL WHEN json_type(j) IN ('BIGINT', 'UBIGINT') "
        "OR (json_type(j) = 'DOUBLE' AND CAST(j AS DOUBLE) = round(CAST(j AS DOUBLE))) THEN CASE "
        "WHEN json_type(j) = 'DOUBLE' THEN CAST(CAST(j AS DOUBLE) AS BIGINT) ELSE CAST(CAST(j AS VARCHAR) AS BIGINT) "
        "END ELSE athena_error('The provided JSON input is not an integer') END"
    ),
    (
        "athena_json_float64(j) AS CASE WHEN j IS NULL THEN NULL WHEN json_type(j) IN ('BIGINT', 'UBIGINT', "
        "'DOUBLE') OR json_extract_string(j, '$') IN ('NaN', 'Infinity', '-Infinity') THEN "
        "CAST(json_extract_string(j, '$') AS DOUBLE) ELSE athena_error('The provided JSON input is not a number') END"
    ),
    (
        "athena_json_float64_by(j, m) AS CASE WHEN lower(m) NOT IN ('exact', 'round') THEN "
        "athena_error('Invalid `wide_number_mode` specified: ' || m) WHEN lower(m) = 'exact' AND json_type(j) IN "
        "('BIGINT', 'UBIGINT') AND CAST(CAST(CAST(j AS VARCHAR) AS DOUBLE) AS HUGEINT) <> CAST(CAST(j AS VARCHAR) "
        "AS HUGEINT) THEN athena_error('JSON number: ' || j || ' cannot be converted to FLOAT64 without loss of "
        "precision') ELSE athena_json_float64(j) END"
    ),
    (
        "athena_array_first(l) AS CASE WHEN len(l) = 0 THEN "
        "athena_error('ARRAY_FIRST cannot get the first element of an empty array') ELSE l[1] END"
    ),
    (
        "athena_array_last(l) AS CASE WHEN len(l) = 0 THEN "
        "athena_error('ARRAY_LAST cannot get the last element of an empty array') ELSE l[-1] END"
    ),
    "athena_pairs(l) AS list_transform(l, lambda e: [CAST(e[1] AS VARCHAR), CAST(CAST(e[2] AS DOUBLE) AS VARCHAR)])",
    (
        "athena_cosine_distance(a, b) AS CASE WHEN len(a) <> len(b) THEN "
        "athena_error('Array length mismatch: ' || len(a) || ' and ' || len(b)) "
        "WHEN list_dot_product(a, a) = 0 OR list_dot_product(b, b) = 0 THEN "
        "athena_error('Cannot compute cosine distance against zero vector.') ELSE list_cosine_distance(a, b) END"
    ),
    (
        "athena_euclidean_distance(a, b) AS CASE WHEN len(a) <> len(b) THEN "
        "athena_error('Array length mismatch: ' || len(a) || ' and ' || len(b)) ELSE list_distance(a, b) END"
    ),
    (
        "athena_split_substr(t, d, s) AS athena_split_part(t, d, s, 2147483647), (t, d, s, n) AS "
        "athena_split_part(t, d, s, n)"
    ),
    "athena_interval_months(i) AS (datepart('year', i) * 12 + datepart('month', i))",
    "athena_interval_days(i) AS datepart('day', i)",
    (
        "athena_interval_micros(i) AS (datepart('hour', i) * 3600000000 + datepart('minute', i) * 60000000 + "
        "datepart('microsecond', i))"
    ),
    (
        "athena_interval(m, d, u) AS to_months(CAST(m AS INTEGER)) + to_days(CAST(d AS INTEGER)) + "
        "to_microseconds(CAST(u AS BIGINT))"
    ),
    (
        "athena_interval_text(i) AS athena_interval_written(CAST(athena_interval_months(i) AS BIGINT), "
        "CAST(athena_interval_days(i) AS BIGINT), CAST(athena_interval_micros(i) AS BIGINT))"
    ),
    # The remainder of months goes to days (30 each), that of days to microseconds; all truncated.
    (
        "athena_interval_of_parts(m, d, u, n) AS CASE WHEN n <> 0 THEN athena_interval(m // n, (d + (m % n) * 30) "
        "// n, (CAST(u AS HUGEINT) + CAST((d + (m % n) * 30) % n AS HUGEINT) * 86400000000) // n) END"
    ),
    (
        "athena_interval_divided(i, n) AS CASE WHEN n = 0 THEN athena_error('division by zero: ' || "
        "athena_interval_text(i) || ' / 0') ELSE athena_interval_of_parts(CAST(athena_interval_months(i) AS BIGINT), "
        "CAST(athena_interval_days(i) AS BIGINT), CAST(athena_interval_micros(i) AS BIGINT), CAST(n AS BIGINT)) END"
    ),
    (
        "athena_interval_multiplied(i, n) AS athena_interval(CAST(athena_interval_months(i) AS HUGEINT) * n, "
        "CAST(athena_interval_days(i) AS HUGEINT) * n, CAST(athena_interval_micros(i) AS HUGEINT) * n)"
    ),
    (
        "athena_interval_checked(i) AS CASE WHEN i IS NULL THEN NULL WHEN abs(athena_interval_months(i)) > 120000 OR "
        "abs(athena_interval_days(i)) > 3660000 OR abs(athena_interval_micros(i)) > 316224000000000000 THEN "
        "athena_error('Interval value is out of range: ' || athena_interval_text(i)) "
        "WHEN abs(athena_interval_micros(i)) > 9223372036854775 THEN athena_error('Unsupported feature: an INTERVAL of "
        "more than 2562047 hours is not supported by the embedded warehouse. Use the real BigQuery for it.') ELSE i END"
    ),
    (
        "athena_justify_hours(i) AS athena_interval(athena_interval_months(i), trunc((athena_interval_days(i)::HUGEINT "
        "* 86400000000 + athena_interval_micros(i)) / 86400000000), (athena_interval_days(i)::HUGEINT * 86400000000 + "
        "athena_interval_micros(i)) % 86400000000)"
    ),
    (
        "athena_justify_days(i) AS athena_interval(trunc((athena_interval_months(i) * 30 + athena_interval_days(i)) / "
        "30), (athena_interval_months(i) * 30 + athena_interval_days(i)) % 30, athena_interval_micros(i))"
    ),
    ("athena_justify_interval(i) AS athena_justify_hours(athena_justify_days(athena_justify_hours(i)))"),
    # A bucket of months begins on the origin's day of the month and at its time, or on the month's last day.
    (
        "athena_month_bucket(n, x, o, d) AS CASE WHEN o + to_months(CAST(d AS INTEGER)) > x THEN "
        "o + to_months(CAST(d - n AS INTEGER)) ELSE o + to_months(CAST(d AS INTEGER)) END"
    ),
    (
        "athena_bucket(w, x, o) AS CASE WHEN athena_interval_months(w) > 0 THEN athena_month_bucket("
        "athena_interval_months(w), x, o, CAST(floor(((year(x) - year(o)) * 12 + month(x) - month(o)) / "
        "nullif(athena_interval_months(w), 0)) AS BIGINT) * athena_interval_months(w)) ELSE time_bucket(w, x, o) END"
    ),
    (
        "athena_range(a, b) AS CASE WHEN a >= b THEN athena_error('Range start element must be smaller than range "
        "end element') ELSE {'athena_start': a, 'athena_end': b} END"
    ),
    (
        "athena_range_rank(r) AS CASE WHEN r IS NOT NULL THEN row(coalesce(CAST(r.athena_start AS TIMESTAMP), "
        "TIMESTAMP '-infinity'), coalesce(CAST(r.athena_end AS TIMESTAMP), TIMESTAMP 'infinity')) END"
    ),
    (
        "athena_range_contains(r, x) AS CASE WHEN r IS NULL OR x IS NULL THEN NULL ELSE (r.athena_start IS NULL OR "
        "x >= r.athena_start) AND (r.athena_end IS NULL OR x < r.athena_end) END"
    ),
    (
        "athena_range_covers(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL ELSE (a.athena_start IS NULL OR "
        "coalesce(b.athena_start >= a.athena_start, false)) AND (a.athena_end IS NULL OR "
        "coalesce(b.athena_end <= a.athena_end, false)) END"
    ),
    (
        "athena_range_overlaps(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL ELSE coalesce(a.athena_start < "
        "b.athena_end, true) AND coalesce(b.athena_start < a.athena_end, true) END"
    ),
    (
        "athena_range_intersect(a, b) AS CASE WHEN NOT athena_range_overlaps(a, b) THEN "
        "athena_error('Provided RANGE inputs do not overlap') WHEN a IS NULL OR b IS NULL THEN NULL ELSE "
        "{'athena_start': greatest(a.athena_start, b.athena_start), "
        "'athena_end': least(a.athena_end, b.athena_end)} END"
    ),
    (
        "athena_top_sum(l, n) AS (SELECT list({'value': v, 'sum': s} ORDER BY s DESC NULLS LAST, v) FROM (SELECT v, "
        "sum(w) AS s FROM (SELECT e.v, e.w FROM (SELECT unnest(l) AS e)) GROUP BY v "
        "ORDER BY s DESC NULLS LAST, v LIMIT n))"
    ),
    (
        "athena_substr(s, p) AS substring(s, CASE WHEN p = 0 OR p < -length(s) THEN 1 ELSE p END), (s, p, n) AS "
        "CASE WHEN n < 0 THEN athena_error('Third argument in SUBSTR() cannot be negative') ELSE "
        "substring(s, CASE WHEN p = 0 OR p < -length(s) THEN 1 ELSE p END, n) END"
    ),
    (
        "athena_ascii(s) AS CASE WHEN ascii(s) > 127 THEN "
        "athena_error('A string starting with non-ASCII character cannot be passed to ASCII()') ELSE ascii(s) END"
    ),
    (
        "athena_left(s, n) AS CASE WHEN n < 0 THEN athena_error('Second argument in LEFT() cannot be negative') "
        "ELSE left(s, n) END"
    ),
    (
        "athena_right(s, n) AS CASE WHEN n < 0 THEN athena_error('Second argument in RIGHT() cannot be negative') "
        "ELSE right(s, n) END"
    ),
    (
        "athena_repeat(s, n) AS CASE WHEN n < 0 THEN athena_error('Second argument (repeat count) for REPEAT cannot "
        "be negative') ELSE repeat(s, n) END"
    ),
    (
        "athena_offset(z) AS CASE WHEN regexp_full_match(z, '(UTC|GMT)?[+-]\\d{1,2}(:?\\d\\d)?') THEN "
        "to_minutes(CAST(CASE WHEN contains(z, '-') THEN -1 ELSE 1 END * ("
        "CAST(regexp_extract(z, '[+-](\\d{1,2})', 1) AS INTEGER) * 60 + "
        "coalesce(TRY_CAST(regexp_extract(z, '[+-]\\d{1,2}:?(\\d\\d)$', 1) AS INTEGER), 0)) AS INTEGER)) END"
    ),
    (
        "athena_clock_at(z, t) AS CASE WHEN athena_offset(z) IS NULL THEN timezone(z, t) ELSE "
        "timezone('UTC', t) + athena_offset(z) END"
    ),
    # Of two moments that a clock shows alike, when it is set back, BigQuery takes the first, DuckDB the second.
    (
        "athena_first_moment(z, t) AS CASE WHEN timezone(z, timezone(z, t) - INTERVAL 1 HOUR) = t THEN "
        "timezone(z, t) - INTERVAL 1 HOUR ELSE timezone(z, t) END"
    ),
    (
        "athena_moment_of(z, t) AS CASE WHEN athena_offset(z) IS NULL THEN athena_first_moment(z, t) ELSE "
        "timezone('UTC', t - athena_offset(z)) END"
    ),
    (
        "athena_percentile_disc(l, p) AS list_sort(l, 'ASC', 'NULLS FIRST')[greatest(1, CAST(ceil(p * len(l)) "
        "AS BIGINT))]"
    ),
    (
        "athena_between(l, k) AS CASE WHEN floor(k) = k THEN l[CAST(k AS BIGINT) + 1] "
        "WHEN l[CAST(floor(k) AS BIGINT) + 1] IS NULL THEN l[CAST(ceil(k) AS BIGINT) + 1] "
        "ELSE l[CAST(floor(k) AS BIGINT) + 1] + (l[CAST(ceil(k) AS BIGINT) + 1] - l[CAST(floor(k) AS BIGINT) + 1]) "
        "* (k - floor(k)) END"
    ),
    (
        "athena_percentile_cont(l, p) AS athena_between(list_sort(l, 'ASC', 'NULLS FIRST'), "
        "CAST(p * (len(l) - 1) AS DOUBLE))"
    ),
    (
        "athena_quantiles(l, n) AS list_transform(range(CAST(n AS BIGINT) + 1), lambda i: list_sort(l, 'ASC', "
        "'NULLS FIRST')[CAST(round((len(l) - 1) * i / n) AS BIGINT) + 1])"
    ),
    "athena_json_step(k) AS '$.\"' || replace(replace(k, '\\', '\\\\'), '\"', '\\\"') || '\"'",
    (
        "athena_array_slice(l, a, b) AS CASE WHEN l IS NULL OR a IS NULL OR b IS NULL THEN NULL ELSE l["
        "CASE WHEN a < 0 THEN greatest(len(l) + a, 0) ELSE a END + 1 : "
        "CASE WHEN b < 0 THEN greatest(len(l) + b, -1) ELSE b END + 1] END"
    ),
    (
        "athena_exp(x) AS CASE WHEN isfinite(x) AND NOT isfinite(exp(x)) THEN "
        "athena_error('Floating point error in function: EXP(' || x || ')') ELSE exp(x) END"
    ),
    (
        "athena_pow(x, y) AS CASE WHEN isfinite(x) AND isfinite(y) AND NOT isfinite(pow(x, y)) THEN "
        "athena_error('Floating point error in function: POW(' || x || ', ' || y || ')') ELSE pow(x, y) END"
    ),
    "athena_floor_divide(a, b) AS (a - ((a % b) + b) % b) // b",
    "athena_week(d, first) AS CAST((dayofyear(d) + 6 - ((dayofweek(d) - first + 7) % 7)) // 7 AS BIGINT)",
    *CONVERSIONS,
)
"""Bodies of CREATE OR REPLACE MACRO, each depending on earlier ones only."""

/** GoogleSQL's words (https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical), for highlighting. */

/** Whether a cell's text is a query: its first line is the magic. */
export function isQuery(firstLine: string): boolean {
  return /^%%athena(\s|$)/.test(firstLine);
}

/** One line of words, as the dialect wants them. */
const words = (text: string) => text.split(/\s+/).join(' ');

export const KEYWORDS = words(`all and any array as asc assert_rows_modified at between by case cast collate contains create
cross cube current default define delete desc distinct else end enum escape except exclude exists extract false fetch
following for from full group grouping groups hash having if ignore in inner insert intersect interval into is join
lateral left like limit lookup materialized merge natural new no not null nulls of offset on or order outer over
partition pivot preceding proto qualify range recursive replace respect right rollup rows safe select set some
tablesample temp temporary then to treat true truncate unbounded union unnest unpivot update using values view when
where window with within table alter drop add column options cluster begin declare call return loop while repeat`);

export const TYPES = words(`array bignumeric bigdecimal bool boolean bytes date datetime decimal float64 geography int64 int
integer interval json numeric range string struct time timestamp`);

export const BUILTIN = words(`abs any_value approx_count_distinct approx_quantiles array_agg array_concat array_length
array_to_string avg byte_length ceil char_length coalesce concat corr count countif covar_pop current_date
current_datetime current_timestamp date_add date_diff date_sub date_trunc datetime_add datetime_diff datetime_trunc
dense_rank div ends_with exp farm_fingerprint first_value floor format format_date format_timestamp generate_array
generate_date_array generate_uuid greatest ifnull instr json_query json_value lag last_value lead least length ln log
logical_and logical_or lower lpad ltrim max md5 min mod nth_value ntile nullif parse_date parse_timestamp
percent_rank percentile_cont pow power rand rank regexp_contains regexp_extract regexp_replace round row_number rpad
rtrim safe_cast safe_divide sha256 sign split sqrt starts_with stddev string_agg strpos substr sum timestamp_add
timestamp_diff timestamp_micros timestamp_millis timestamp_seconds timestamp_sub timestamp_trunc to_hex to_json
to_json_string trim trunc unix_seconds upper variance`);

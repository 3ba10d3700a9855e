"""GAP_FILL: a row for each bucket of time, with what the rows around it tell of some columns.

https://cloud.google.com/bigquery/docs/reference/standard-sql/time-series-functions#gap_fill
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.sql.built_in_tables import names_of, put_source, text_of

_BUCKETS = (
    "(SELECT {of} athena_bucket FROM (SELECT {of} ATHENA_BUCKETS(MIN({t}), MAX({t}), {width}, {origin}) AS athena_list "
    "FROM athena_source {group}) AS athena_bounds CROSS JOIN UNNEST(athena_bounds.athena_list) AS athena_bucket)"
)
_ROWS = """
SELECT athena_time AS {t} {shown} {values} FROM (
  SELECT *, {windows} FROM (
    SELECT {of} {t} AS athena_time, {given}, FALSE AS athena_is_bucket FROM athena_source WHERE {t} IS NOT NULL
    UNION ALL SELECT {of} athena_bucket, {nothing}, TRUE FROM {buckets} AS athena_made))
WHERE athena_is_bucket
"""
_PLAIN = """
SELECT athena_made.athena_bucket AS {t} {shown}, athena_source.* EXCEPT ({all})
FROM {buckets} AS athena_made LEFT JOIN athena_source ON athena_source.{t} = athena_made.athena_bucket {same}
"""
_FRAME = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
_BEFORE = f"OVER (PARTITION BY {{of}} TRUE ORDER BY athena_time, athena_is_bucket {_FRAME})"
_AFTER = f"OVER (PARTITION BY {{of}} TRUE ORDER BY athena_time DESC, athena_is_bucket {_FRAME})"
_AT = (
    "OVER (PARTITION BY {of} athena_time ORDER BY athena_is_bucket "
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
)
_METHODS = ("null", "linear", "locf")


def gap_fill(call: exp.Expression) -> exp.Query:
    """Give the query that a call stands for."""
    given = {}
    for key, item in call.args.items():  # sqlglot counts what is named too
        if isinstance(item, exp.Expression):
            is_named = isinstance(item, exp.Kwarg)
            given[item.this.name.lower() if is_named else key] = item.expression if is_named else item
    for key in ("ts_column", "bucket_width"):
        if key not in given:
            raise invalid_query(f"GAP_FILL needs the argument {key}")
    partitioning = given.get("partitioning_columns")
    parts = [] if partitioning is None else [_quoted(name) for name in names_of(partitioning)]
    time = _quoted(text_of(given["ts_column"]))
    words = {
        "t": time, "of": "".join(f"{name}, " for name in parts), "width": given["bucket_width"].sql("bigquery"),
        "origin": given["origin"].sql("bigquery") if "origin" in given else "NULL",
        "group": f"GROUP BY {', '.join(parts)}" if parts else "",
        "shown": "".join(f", {name}" for name in parts), "all": ", ".join([time, *parts]),
    }  # fmt: skip
    words["buckets"] = _BUCKETS.format(**words)
    columns = _columns(given.get("value_columns"))
    if columns is None:
        words["shown"] = "".join(f", athena_made.{name}" for name in parts)
        words["same"] = "".join(f" AND athena_source.{name} IS NOT DISTINCT FROM athena_made.{name}" for name in parts)
        text = _PLAIN.format(**words)
    else:
        text = _rows(words, columns, is_ignoring=_is_ignoring(given.get("ignore_null_values")))
    return put_source(sqlglot.parse_one(text, read="bigquery"), given["this"])


def _quoted(name: str) -> str:
    return str(exp.to_identifier(name, quoted=True).sql("bigquery"))


def _is_ignoring(given: exp.Expression | None) -> bool:
    return given is None or not isinstance(given, exp.Boolean) or bool(given.this)


def _columns(given: exp.Expression | None) -> list[tuple[str, str]] | None:
    """Read [('column', 'method'), …]; None where nothing is said."""
    if given is None:
        return None
    if not isinstance(given, exp.Array):
        raise invalid_query("GAP_FILL: value_columns must be an array of (column, method)")
    found = []
    for item in given.expressions:
        pair = [part.unalias() for part in item.expressions]
        if len(pair) != 2:
            raise invalid_query("GAP_FILL: value_columns must be an array of (column, method)")
        name, method = text_of(pair[0]), text_of(pair[1]).lower()
        if method not in _METHODS:
            raise invalid_query(f"GAP_FILL: the gap-filling method '{method}' must be null, linear or locf")
        found.append((name, method))
    if len({name.casefold() for name, _ in found}) < len(found):
        raise invalid_query("GAP_FILL: a column may be named only once in value_columns")
    return found


def _rows(words: dict[str, str], columns: list[tuple[str, str]], *, is_ignoring: bool) -> str:
    windows: list[str] = []
    values: list[str] = []
    for index, (name, method) in enumerate(columns):
        made, value = _filled(f"athena_v{index}", method, is_ignoring=is_ignoring)
        windows += [text.format(**words) for text in made]
        values.append(f", {value} AS {_quoted(name)}")
    given = ", ".join(f"{_quoted(name)} AS athena_v{index}" for index, (name, _) in enumerate(columns))
    return _ROWS.format(
        **words, given=given, nothing=", ".join("NULL" for _ in columns), windows=", ".join(windows),
        values="".join(values),
    )  # fmt: skip


def _filled(value: str, method: str, *, is_ignoring: bool) -> tuple[list[str], str]:
    """Give the windows of a column's method, and the value that they make."""
    if method == "null":
        return [f"FIRST_VALUE({value}) {_AT} AS {value}_at"], f"{value}_at"
    windows = [f"LAST_VALUE({value} IGNORE NULLS) {_BEFORE} AS {value}_a"]
    made = f"{value}_a"
    if method == "linear":
        moment = f"LAST_VALUE(IF({value} IS NULL, NULL, athena_time) IGNORE NULLS)"
        windows += [
            f"LAST_VALUE({value} IGNORE NULLS) {_AFTER} AS {value}_b",
            f"{moment} {_BEFORE} AS {value}_s", f"{moment} {_AFTER} AS {value}_e",
        ]  # fmt: skip
        made = f"ATHENA_LINEAR({value}_a, {value}_b, {value}_s, {value}_e, athena_time)"
    if is_ignoring:
        return windows, made
    absent = f"LAST_VALUE(IF(athena_is_bucket, NULL, {value} IS NULL) IGNORE NULLS)"
    windows += [f"{absent} {_BEFORE} AS {value}_x", f"{absent} {_AFTER} AS {value}_y"]
    test = f"{value}_x OR {value}_y" if method == "linear" else f"{value}_x"
    return windows, f"IF({test}, NULL, {made})"

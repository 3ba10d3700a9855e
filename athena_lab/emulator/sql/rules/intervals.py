"""INTERVAL: literals of several parts, EXTRACT, JUSTIFY_*, buckets of time."""

from __future__ import annotations

import re

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.rules.calls import call, cast, is_type
from athena_lab.emulator.sql.rules.raw import raw

_PARTS = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")
_FIELDS = re.compile(
    r"\s*(?:(?P<sign>[+-]?)(?P<y>\d+)-(?P<m>\d+))?\s*(?P<d>[+-]?\d+)?\s*(?P<clock>[+-]?\d+(?::\d+){0,2}(?:\.\d+)?)?\s*$"
)


def literal(node: exp.Expression) -> exp.Expression | None:
    """INTERVAL '1-2 3 4:5:6' YEAR TO SECOND."""
    unit = node.args.get("unit")
    if not isinstance(unit, exp.IntervalSpan):
        return None
    first, last = _PARTS.index(unit.this.name.upper()), _PARTS.index(unit.expression.name.upper())
    months, days, micros = _read(node.this.name, first, last)
    made = raw(f"(to_months({months}) + to_days({days}) + to_microseconds({micros}))")
    made.type = exp.DataType.build("INTERVAL")
    return made


def _read(text: str, first: int, last: int) -> tuple[int, int, int]:
    numbers = re.findall(r"[+-]?\d+(?:\.\d+)?", re.sub(r"(?<=\d)-", " ", text.replace(":", " ")))
    if len(numbers) != last - first + 1:
        raise invalid_query(f"Invalid INTERVAL value '{text}'")
    values, signs = dict.fromkeys(_PARTS, 0.0), {"YEAR": "YM", "HOUR": "HMS"}
    del signs
    groups = (("YEAR", "MONTH"), ("DAY",), ("HOUR", "MINUTE", "SECOND"))
    given = dict(zip(_PARTS[first : last + 1], numbers, strict=True))
    for group in groups:
        inside = [name for name in group if name in given]
        is_negative = bool(inside) and given[inside[0]].startswith("-")
        for name in inside:
            values[name] = abs(float(given[name])) * (-1 if is_negative else 1)
    months = int(values["YEAR"] * 12 + values["MONTH"])
    micros = round(((values["HOUR"] * 60 + values["MINUTE"]) * 60 + values["SECOND"]) * 1_000_000)
    return months, int(values["DAY"]), micros


def extract(name: str, value: exp.Expression) -> exp.Expression:
    """EXTRACT of a part of an INTERVAL."""
    templates = {
        "YEAR": "CAST(trunc(athena_interval_months({0}) / 12) AS BIGINT)",
        "MONTH": "athena_interval_months({0}) % 12",
        "DAY": "athena_interval_days({0})",
        "HOUR": "CAST(trunc(athena_interval_micros({0}) / 3600000000) AS BIGINT)",
        "MINUTE": "CAST(trunc(athena_interval_micros({0}) / 60000000) AS BIGINT) % 60",
        "SECOND": "CAST(trunc(athena_interval_micros({0}) / 1000000) AS BIGINT) % 60",
        "MILLISECOND": "CAST(trunc(athena_interval_micros({0}) / 1000) AS BIGINT) % 1000",
        "MICROSECOND": "athena_interval_micros({0}) % 1000000",
    }
    if name not in templates:
        raise unsupported(f"EXTRACT of {name} from an INTERVAL")
    return exp.Paren(this=raw(templates[name], value))


def justify(node: exp.Expression) -> exp.Expression:
    """JUSTIFY_HOURS, JUSTIFY_DAYS, JUSTIFY_INTERVAL."""
    names = {
        exp.JustifyHours: "athena_justify_hours", exp.JustifyDays: "athena_justify_days",
        exp.JustifyInterval: "athena_justify_interval",
    }  # fmt: skip
    return call(names[type(node)], node.this)


_OWN = {
    exp.DType.DATE: "DATE", exp.DType.DATETIME: "TIMESTAMP", exp.DType.TIMESTAMP: "TIMESTAMP",
    exp.DType.TIMESTAMPTZ: "TIMESTAMPTZ",
}  # fmt: skip


def bucket(name: str, arguments: list[exp.Expression]) -> exp.Expression:
    """DATE_BUCKET, DATETIME_BUCKET, TIMESTAMP_BUCKET."""
    kind = {"DATE": "DATE", "DATETIME": "TIMESTAMP", "TIMESTAMP": "TIMESTAMPTZ"}[name.partition("_")[0]]
    own = arguments[0].type.this if arguments[0].type is not None else None
    kind = _OWN.get(own, kind)
    origin = (
        arguments[2]
        if len(arguments) > 2
        else raw(f"{kind} '1950-01-01 00:00:00'" if kind != "DATE" else "DATE '1950-01-01'")
    )
    made = cast(call("athena_bucket", arguments[1], cast(arguments[0], kind), cast(origin, kind)), kind)
    made.type = exp.DataType.build(
        {"TIMESTAMP": "DATETIME", "TIMESTAMPTZ": "TIMESTAMP"}.get(kind, kind), dialect="bigquery"
    )
    return made


def buckets(given: list[exp.Expression]) -> exp.Expression:
    """The beginnings of the buckets between two moments, both included (gap_fill.py)."""
    first, last, width, origin = given
    own = first.type.this if first.type is not None else None
    kind = _OWN.get(own)
    if kind is None:
        raise invalid_query("GAP_FILL: the time column must be of the type DATE, DATETIME or TIMESTAMP")
    begin = bucket("DATETIME_BUCKET", [first, width] if isinstance(origin, exp.Null) else [first, width, origin])
    wide = "TIMESTAMP" if kind == "DATE" else kind
    text = (
        f"list_transform(list_filter(generate_series(CAST({{0}} AS {wide}), CAST({{1}} AS {wide}), {{2}}), "
        f"lambda b: b >= CAST({{3}} AS {wide})), lambda b: CAST(b AS {kind}))"
    )
    return raw(text, begin, last, width, first)


def linear(given: list[exp.Expression]) -> exp.Expression:
    """A value between two others, by the time between theirs (gap_fill.py)."""
    value, *_ = given
    if not is_type(value, exp.DType.DOUBLE, exp.DType.BIGINT, exp.DType.INT, exp.DType.DECIMAL):
        raise invalid_query("GAP_FILL: the method linear needs a numeric column")
    share = "(epoch_us({4}) - epoch_us({2})) / (epoch_us({3}) - epoch_us({2}))"
    between = f"CAST({{0}} AS DOUBLE) + (CAST({{1}} AS DOUBLE) - CAST({{0}} AS DOUBLE)) * {share}"
    kind = "DOUBLE" if is_type(value, exp.DType.DOUBLE) else "DECIMAL(38, 9)"
    if is_type(value, exp.DType.BIGINT, exp.DType.INT):
        between, kind = f"round({between})", "BIGINT"
    text = f"CASE WHEN {{2}} = {{4}} THEN {{0}} WHEN {{3}} = {{4}} THEN {{1}} ELSE CAST({between} AS {kind}) END"
    return raw(text, *given)


def scaled(node: exp.Expression) -> exp.Expression | None:
    """INTERVAL / INT64, what is left of months going to days and of those to microseconds; and INTERVAL * INT64."""
    left, right = node.this, node.expression
    if not (is_type(left, exp.DType.INTERVAL) or (isinstance(node, exp.Mul) and is_type(right, exp.DType.INTERVAL))):
        return None
    span, number = (left, right) if is_type(left, exp.DType.INTERVAL) else (right, left)
    if is_type(number, exp.DType.DOUBLE, exp.DType.FLOAT, exp.DType.DECIMAL, exp.DType.BIGDECIMAL):
        raise invalid_query("No matching signature for an operator of INTERVAL: the number beside it must be an INT64")
    name = "athena_interval_multiplied" if isinstance(node, exp.Mul) else "athena_interval_divided"
    return raw(f"{name}({{0}}, {{1}})", span, number, kind="INTERVAL")


def folded(node: exp.Expression) -> exp.Expression | None:
    """SUM and AVG of INTERVALs: by their parts."""
    if not is_type(node.this, exp.DType.INTERVAL):
        return None
    parts = ", ".join(f"sum(athena_interval_{name}({{0}}))" for name in ("months", "days", "micros"))
    if isinstance(node, exp.Sum):
        return raw(f"athena_interval_of_parts({parts}, 1)", node.this, kind="INTERVAL")
    return raw(f"athena_interval_of_parts({parts}, count({{0}}))", node.this, kind="INTERVAL")


def folded_window(node: exp.Expression) -> exp.Expression | None:
    """The same over a window."""
    inner = node.this
    if not isinstance(inner, exp.Sum | exp.Avg) or not is_type(inner.this, exp.DType.INTERVAL):
        return None
    made = []
    for text in ("sum(athena_interval_months({0}))", "sum(athena_interval_days({0}))",
                 "sum(athena_interval_micros({0}))", "count({0})"):  # fmt: skip
        part = node.copy()
        part.set("this", raw(text, inner.this))
        made.append(part)
    count = "{3}" if isinstance(inner, exp.Avg) else "1"
    return raw(f"athena_interval_of_parts({{0}}, {{1}}, {{2}}, {count})", *made, kind="INTERVAL")


def moment_difference(node: exp.Expression) -> exp.Expression | None:
    """A TIMESTAMP (DATETIME, TIME) less another is an INTERVAL of hours, not days."""
    kinds = (exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMP, exp.DType.DATETIME, exp.DType.TIME)
    if is_type(node.this, *kinds) and is_type(node.expression, *kinds):
        made = raw("to_microseconds(epoch_us({0}) - epoch_us({1}))", node.this, node.expression)
        made.type = exp.DataType.build("INTERVAL")
        return made
    return None


RULES = {
    exp.Interval: literal,
    exp.JustifyHours: justify,
    exp.JustifyDays: justify,
    exp.JustifyInterval: justify,
}

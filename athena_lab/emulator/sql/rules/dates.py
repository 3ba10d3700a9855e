"""Dates and times: EXTRACT, truncation, differences, conversions; a TIMESTAMP is a moment in UTC."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.rules import intervals
from athena_lab.emulator.sql.rules.calls import call, cast, is_type
from athena_lab.emulator.sql.rules.casts import to_text
from athena_lab.emulator.sql.rules.raw import raw
from athena_lab.emulator.sql.rules.zones import clock_at, moment_of

_WEEKDAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
_PLAIN = {
    "YEAR": "year", "QUARTER": "quarter", "MONTH": "month", "DAY": "day", "HOUR": "hour", "MINUTE": "minute",
    "SECOND": "second", "DAYOFYEAR": "dayofyear", "ISOWEEK": "week", "ISOYEAR": "isoyear",
}  # fmt: skip
_MICROS = {
    "MICROSECOND": 1, "MILLISECOND": 1000, "SECOND": 1_000_000, "MINUTE": 60_000_000, "HOUR": 3_600_000_000,
    "DAY": 86_400_000_000,
}  # fmt: skip
_WHOLE = set(_MICROS)
_BOUNDED = _WHOLE | {"MONTH", "QUARTER", "YEAR", "ISOYEAR"}


def part_of(node: exp.Expression | None) -> tuple[str, int]:
    """Give the name of a date part and, for weeks, the number of the day that they begin with."""
    if node is None:
        raise unsupported("A date function without a part")
    if node.find(exp.Query):
        raise invalid_query("A date part is expected, not a query")
    if isinstance(node, exp.WeekStart):
        return "WEEK", _WEEKDAYS.index(node.this.name.upper())
    name = node.name.upper() or node.sql().upper()
    if name in ("WEEK", "ISOWEEK"):
        return name, 0 if name == "WEEK" else 1
    return name, 0


def _local(value: exp.Expression) -> exp.Expression:
    """Give a value's wall-clock time: in the zone said, in UTC for a TIMESTAMP."""
    if isinstance(value, exp.AtTimeZone):
        return clock_at(value.args["zone"], cast(value.this, "TIMESTAMPTZ"))
    if is_type(value, exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ):
        return call("timezone", "UTC", value)
    return value


def extract(node: exp.Expression) -> exp.Expression:
    """EXTRACT, with BigQuery's numbers of weekdays (Sunday is 1) and weeks."""
    name, first = part_of(node.this)
    if is_type(node.expression, exp.DType.INTERVAL):
        return intervals.extract(name, node.expression)
    value = _local(node.expression)
    if name in ("DATE", "TIME"):
        return cast(value, name)
    if name == "DATETIME":
        return cast(value, "TIMESTAMP")
    if name == "DAYOFWEEK":
        return exp.Paren(this=exp.Add(this=call("dayofweek", value), expression=exp.Literal.number(1)))
    if name == "WEEK":
        return call("athena_week", cast(value, "DATE"), first)
    if name in ("MILLISECOND", "MICROSECOND"):
        within = 1000 if name == "MILLISECOND" else 1_000_000
        return exp.Paren(this=exp.Mod(this=call(name.lower(), value), expression=exp.Literal.number(within)))
    if name not in _PLAIN:
        raise unsupported(f"EXTRACT of {name}")
    return call(_PLAIN[name], value)


def truncate(node: exp.Expression) -> exp.Expression:
    """DATE_TRUNC, DATETIME_TRUNC, TIMESTAMP_TRUNC (in its zone), weeks beginning on the day said."""
    name, first = part_of(node.args.get("unit"))
    value, zone = node.this, node.args.get("zone")
    is_timestamp = isinstance(node, exp.TimestampTrunc) and not is_type(
        value, exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.DATETIME
    )
    is_timestamp = is_timestamp or is_type(value, exp.DType.TIMESTAMPTZ)
    local = clock_at(zone, cast(value, "TIMESTAMPTZ")) if is_timestamp else value
    if (
        isinstance(node, exp.DateTrunc)
        and not is_timestamp
        and not is_type(value, exp.DType.TIMESTAMP, exp.DType.DATETIME)
    ):
        local = cast(value, "DATE")
    if isinstance(node, exp.DatetimeTrunc) and not is_timestamp:
        local = cast(value, "TIMESTAMP")
    if is_timestamp and zone is not None and name in _MICROS and name != "DAY":
        text = "make_timestamptz({0} - epoch_us({2}) + epoch_us({1}))"  # so that an hour that comes twice stays itself
        floor = raw(f"athena_floor_divide(epoch_us({{0}}), {_MICROS[name]}) * {_MICROS[name]}", local)
        return raw(text, floor, cast(value, "TIMESTAMPTZ"), local, kind="TIMESTAMP")
    truncated = _truncated(name, first, local)
    if is_timestamp:
        return moment_of(zone, cast(truncated, "TIMESTAMP"))
    if is_type(value, exp.DType.TIMESTAMP, exp.DType.DATETIME) or isinstance(node, exp.DatetimeTrunc):
        return cast(truncated, "TIMESTAMP")
    return cast(truncated, "DATE")


def _truncated(name: str, first: int, local: exp.Expression) -> exp.Expression:
    if name in ("WEEK", "ISOWEEK"):
        days = (first + 6) % 7  # DuckDB's weeks begin on Monday
        shift = exp.Interval(this=exp.Literal.string(str(days)), unit=exp.Var(this="DAY"))
        moved = exp.Paren(this=exp.Sub(this=local, expression=shift))
        return exp.Paren(this=exp.Add(this=call("date_trunc", "week", moved), expression=shift.copy()))
    if name == "ISOYEAR":
        year = call("isoyear", local)
        monday = raw("date_trunc('week', make_date(CAST({0} AS BIGINT), 1, 4))", year)
        return cast(monday, "TIMESTAMP")
    return call("date_trunc", name.lower(), local)


def whole_difference(node: exp.Expression) -> exp.Expression:
    """TIMESTAMP_DIFF counts whole units, TIME_DIFF the boundaries between."""
    if isinstance(node, exp.TimestampDiff) and is_type(
        node.this, exp.DType.DATETIME, exp.DType.TIMESTAMP, exp.DType.DATE
    ):
        return boundary_difference(node)
    name, _ = part_of(node.args.get("unit"))
    if name not in _WHOLE:
        raise unsupported(f"TIMESTAMP_DIFF in {name}")
    if isinstance(node, exp.TimeDiff):
        if name == "DAY":
            raise invalid_query("TIME_DIFF does not support the DAY date part")
        return call("date_diff", name.lower(), cast(node.expression, "TIME"), cast(node.this, "TIME"))
    text = f"((epoch_us({{0}}) - epoch_us({{1}})) // {_MICROS[name]})"
    return raw(text, cast(node.this, "TIMESTAMPTZ"), cast(node.expression, "TIMESTAMPTZ"), kind="INT64")


def boundary_difference(node: exp.Expression) -> exp.Expression:
    """DATE_DIFF and DATETIME_DIFF count the boundaries between."""
    name, first = part_of(node.args.get("unit"))
    kind = (
        "TIMESTAMP"
        if isinstance(node, exp.DatetimeDiff) or is_type(node.this, exp.DType.TIMESTAMP, exp.DType.DATETIME)
        else "DATE"
    )
    if is_type(node.this, exp.DType.TIMESTAMPTZ):
        kind = "TIMESTAMPTZ"
    end, start = cast(node.this, kind), cast(node.expression, kind)
    if name in ("WEEK", "ISOWEEK"):
        days = call("date_diff", "day", _truncated(name, first, start), _truncated(name, first, end))
        return exp.Paren(this=exp.IntDiv(this=days, expression=exp.Literal.number(7)))
    if name not in _BOUNDED:
        raise unsupported(f"DATE_DIFF in {name}")
    return call("date_diff", name.lower(), start, end)


def date_sum(node: exp.Expression) -> exp.Expression:
    """DATE_ADD and DATE_SUB stay dates; of a TIMESTAMP or DATETIME they stay that."""
    operator = exp.Add if isinstance(node, exp.DateAdd | exp.DatetimeAdd | exp.TimestampAdd) else exp.Sub
    kind = {exp.DateAdd: "DATE", exp.DateSub: "DATE", exp.DatetimeAdd: "TIMESTAMP", exp.DatetimeSub: "TIMESTAMP"}.get(
        type(node), "TIMESTAMPTZ"
    )
    if is_type(node.this, exp.DType.TIMESTAMP, exp.DType.DATETIME):
        kind = "TIMESTAMP"
    if is_type(node.this, exp.DType.TIMESTAMPTZ):
        kind = "TIMESTAMPTZ"
    span = node.expression
    if not isinstance(span, exp.Interval):
        name, _ = part_of(node.args.get("unit"))
        part = call(_INTERVALS.get(name) or _refuse(name), cast(span, "BIGINT"))
        span = part
    return cast(operator(this=cast(node.this, kind), expression=span), kind)


_INTERVALS = {
    "YEAR": "to_years", "QUARTER": "to_quarters", "MONTH": "to_months", "WEEK": "to_weeks", "DAY": "to_days",
    "HOUR": "to_hours", "MINUTE": "to_minutes", "SECOND": "to_seconds", "MILLISECOND": "to_milliseconds",
    "MICROSECOND": "to_microseconds",
}  # fmt: skip


def _refuse(name: str) -> str:
    raise unsupported(f"An interval in {name}")


def from_unix(node: exp.Expression) -> exp.Expression:
    """TIMESTAMP_SECONDS, TIMESTAMP_MILLIS, TIMESTAMP_MICROS."""
    scale = int(node.args["scale"].name) if node.args.get("scale") else 0
    factor = 10 ** (6 - scale)
    micros = exp.Mul(this=exp.Paren(this=cast(node.this, "BIGINT")), expression=exp.Literal.number(factor))
    return call("make_timestamptz", micros)


def to_unix(node: exp.Expression) -> exp.Expression:
    """UNIX_SECONDS, UNIX_MILLIS, UNIX_MICROS truncate downwards."""
    divisor = {exp.UnixSeconds: 1_000_000, exp.UnixMillis: 1000, exp.UnixMicros: 1}[type(node)]
    micros = call("epoch_us", cast(node.this, "TIMESTAMPTZ"))
    if divisor == 1:
        return micros
    remainder = call("athena_floor_divide", micros, divisor)
    return cast(remainder, "BIGINT")


def to_date(node: exp.Expression) -> exp.Expression | None:
    """DATE of a TIMESTAMP, in its zone."""
    zone = node.args.get("zone")
    if node.this is None or node.expressions:
        return None
    if zone is not None or is_type(node.this, exp.DType.TIMESTAMPTZ, *exp.DataType.TEXT_TYPES):
        return cast(clock_at(zone, cast(node.this, "TIMESTAMPTZ")), "DATE")
    return cast(node.this, "DATE")


def to_datetime(node: exp.Expression) -> exp.Expression | None:
    """DATETIME of a TIMESTAMP, in its zone."""
    zone = node.expression if not is_type(node.expression, exp.DType.TIME) else None
    if node.expressions or (node.expression is not None and zone is None):
        return None
    if zone is not None or is_type(node.this, exp.DType.TIMESTAMPTZ):
        return clock_at(zone, cast(node.this, "TIMESTAMPTZ"))
    return cast(node.this, "TIMESTAMP")


def to_timestamp(node: exp.Expression) -> exp.Expression | None:
    """TIMESTAMP of a DATE, DATETIME or text in a zone."""
    zone = node.args.get("zone")
    return None if zone is None else moment_of(zone, cast(node.this, "TIMESTAMP"))


def to_string(node: exp.Expression) -> exp.Expression | None:
    """STRING of a TIMESTAMP in a zone would need the zone's offset in its text."""
    if is_type(node.this, exp.DType.JSON) or isinstance(node.this, exp.ParseJSON):
        return raw("athena_json_string(CAST({0} AS JSON))", node.this, kind="STRING")
    if node.args.get("zone") is not None:
        moment = cast(node.this, "TIMESTAMPTZ")
        local = clock_at(node.args["zone"], moment)
        offset = raw("CAST((epoch_us({0}) - epoch_us({1})) // 1000000 AS BIGINT)", local, moment)
        return raw("athena_clock_text({0}) || athena_offset_text({1})", local, offset)
    return to_text(node.this)


_MONTHS_IN = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}


def last_day(node: exp.Expression) -> exp.Expression:
    """LAST_DAY of a month, quarter, year, week, ISO week or ISO year: the day before the next one begins."""
    unit = node.args.get("unit")
    name, first = part_of(unit) if unit is not None else ("MONTH", 0)
    day = cast(node.this, "DATE")
    if name in _MONTHS_IN:
        start = call("date_trunc", name.lower(), day)
        return cast(raw(f"{{0}} + INTERVAL {_MONTHS_IN[name]} MONTH - INTERVAL 1 DAY", start), "DATE")
    if name in ("WEEK", "ISOWEEK"):
        return cast(raw("{0} + INTERVAL 6 DAY", _truncated(name, first, day)), "DATE")
    if name == "ISOYEAR":
        text = "date_trunc('week', make_date(CAST(isoyear({0}) + 1 AS BIGINT), 1, 4)) - INTERVAL 1 DAY"
        return cast(raw(text, day), "DATE")
    raise invalid_query(f"LAST_DAY does not support the date part {name}")


def truncate_time(node: exp.Expression) -> exp.Expression:
    """TIME_TRUNC."""
    name, _ = part_of(node.args.get("unit"))
    if name not in _WHOLE - {"DAY"}:
        raise unsupported(f"TIME_TRUNC to {name}")
    return raw(f"CAST(date_trunc('{name.lower()}', DATE '1970-01-01' + CAST({{0}} AS TIME)) AS TIME)", node.this)


def to_time(node: exp.Expression) -> exp.Expression:
    """TIME of a TIMESTAMP (in UTC) or DATETIME."""
    if is_type(node.this, exp.DType.TIMESTAMPTZ, *exp.DataType.TEXT_TYPES):
        return raw("CAST(timezone('UTC', {0}) AS TIME)", cast(node.this, "TIMESTAMPTZ"))
    return cast(node.this, "TIME")


def to_time_in_zone(node: exp.Expression) -> exp.Expression | None:
    """TIME of a TIMESTAMP in a zone."""
    zone = node.args.get("zone")
    return None if zone is None else cast(clock_at(zone, cast(node.this, "TIMESTAMPTZ")), "TIME")


def from_days(node: exp.Expression) -> exp.Expression:
    """DATE_FROM_UNIX_DATE."""
    epoch = cast(exp.Literal.string("1970-01-01"), "DATE")
    return cast(exp.Add(this=epoch, expression=cast(node.this, "INTEGER")), "DATE")


def moments(node: exp.Expression) -> exp.Expression:
    """GENERATE_TIMESTAMP_ARRAY."""
    step = node.args["step"]
    if isinstance(step, exp.Interval) and isinstance(step.this, exp.Literal) and step.this.name == "0":
        raise invalid_query("Sequence step cannot be 0.")
    start, end = cast(node.args["start"], "TIMESTAMPTZ"), cast(node.args["end"], "TIMESTAMPTZ")
    return call("athena_moments", start, end, node.args["step"])


def now_local(node: exp.Expression) -> exp.Expression:
    """CURRENT_DATE and CURRENT_DATETIME, in their zone."""
    kind = {exp.CurrentDate: "DATE", exp.CurrentDatetime: "TIMESTAMP", exp.CurrentTime: "TIME"}[type(node)]
    return cast(clock_at(node.this, exp.CurrentTimestamp()), kind)


RULES = {
    exp.LastDay: last_day,
    exp.TimeTrunc: truncate_time,
    exp.TsOrDsToTime: to_time,
    exp.Extract: extract,
    exp.DateTrunc: truncate,
    exp.DatetimeTrunc: truncate,
    exp.TimestampTrunc: truncate,
    exp.TimestampDiff: whole_difference,
    exp.TimeDiff: whole_difference,
    exp.DateDiff: boundary_difference,
    exp.DatetimeDiff: boundary_difference,
    exp.DateAdd: date_sum,
    exp.DateSub: date_sum,
    exp.DatetimeAdd: date_sum,
    exp.DatetimeSub: date_sum,
    exp.TimestampAdd: date_sum,
    exp.TimestampSub: date_sum,
    exp.UnixToTime: from_unix,
    exp.UnixSeconds: to_unix,
    exp.UnixMillis: to_unix,
    exp.UnixMicros: to_unix,
    exp.Time: to_time_in_zone,
    exp.Timestamp: to_timestamp,
    exp.Date: to_date,
    exp.Datetime: to_datetime,
    exp.String: to_string,
    exp.DateFromUnixDate: from_days,
    exp.GenerateTimestampArray: moments,
    exp.CurrentDate: now_local,
    exp.CurrentDatetime: now_local,
    exp.CurrentTime: now_local,
}

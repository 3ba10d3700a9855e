"""FORMAT_* and PARSE_* of dates and times: BigQuery's elements to DuckDB's.

https://cloud.google.com/bigquery/docs/reference/standard-sql/format-elements
"""

from __future__ import annotations

import re

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.rules import patterns
from athena_lab.emulator.sql.rules.calls import call, cast, is_type
from athena_lab.emulator.sql.rules.raw import raw
from athena_lab.emulator.sql.rules.zones import clock_at, moment_of

_ELEMENT = re.compile(r"%(E[0-9*][SYs]|Ez|-?[a-zA-Z%])")
_SAME = frozenset(
    [
        "Y",
        "y",
        "m",
        "d",
        "H",
        "I",
        "M",
        "S",
        "p",
        "A",
        "a",
        "B",
        "b",
        "j",
        "U",
        "W",
        "V",
        "G",
        "u",
        "w",
        "%",
        "-d",
        "-m",
        "-H",
        "-I",
        "-M",
        "-S",
        "-y",
        "-j",
    ]
)
_WRITTEN = {
    "F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "h": "%b", "E4Y": "%Y", "E3S": "%S.%g",
    "E6S": "%S.%f", "x": "%m/%d/%y", "X": "%H:%M:%S", "c": "%a %b %-d %H:%M:%S %Y", "n": "\n", "t": "\t",
}  # fmt: skip
_OF_DAYS = frozenset(
    {
        *"AaBbhCDdeFGgJjmUuVvWwxYyQcs",
        *(f"O{letter}" for letter in "demUuVWwy"),
        *(f"E{letter}" for letter in "CcxYy"),
        "E4Y",
    }
)
_OF_CLOCKS = frozenset({*"HIklMPpRSTXrcs", "EX", "Ec", "OH", "OI", "OM", "OS"})
_OF_ZONES = frozenset(("z", "Z", "Ez"))
_ANY_ELEMENT = re.compile(r"%(E[0-9*][SsY]|Ez|E[cCxXyY]|O[deHImMSuUVwWy]|-?[a-zA-Z]|%)")
_PARSED = _WRITTEN | {"E*S": "%S.%f", "Ez": "%z", "z": "%z", "e": "%d", "k": "%H", "l": "%I"}


def _pattern(node: exp.Expression | None, known: dict[str, str], what: str) -> str:
    if not isinstance(node, exp.Literal) or not node.is_string:
        raise unsupported(f"{what} with a pattern that is not a constant")

    def take(found: re.Match[str]) -> str:
        element = found[1]
        if element in known:
            return known[element]
        if element in _SAME:
            return f"%{element}"
        raise unsupported(f"The format element '%{element}' in {what}")

    return _ELEMENT.sub(take, node.name)


def _is_absent(element: str, kind: str) -> bool:
    """Tell whether a type has nothing that an element stands for."""
    element = element.lstrip("-")
    is_second = element.startswith("E") and element.endswith(("S", "s"))
    if kind == "DATE":
        return element in _OF_CLOCKS or element in _OF_ZONES or is_second
    return kind == "TIME" and (element in _OF_DAYS or element in _OF_ZONES)


def _kind_of(value: exp.Expression) -> str:
    inner = value.this if isinstance(value, exp.TsOrDsToDate | exp.TsOrDsToTime) else value
    if isinstance(value, exp.TsOrDsToTime) or is_type(inner, exp.DType.TIME):
        return "TIME"
    is_moment = is_type(inner, exp.DType.TIMESTAMP, exp.DType.DATETIME, exp.DType.TIMESTAMPTZ)
    return "DATE" if isinstance(value, exp.TsOrDsToDate) and not is_moment else ""


def _with_absent_as_text(pattern: str, kind: str) -> str:
    """An element that a type has not is written as it stands."""
    return _ANY_ELEMENT.sub(lambda found: f"%{found[0]}" if _is_absent(found[1], kind) else found[0], pattern)


def _unmapped(node: exp.Expression) -> exp.Expression:
    """Undo what sqlglot makes of an empty pattern, of a padded day and of seconds with a fraction."""
    given: exp.Expression = node.args["format"]
    if isinstance(given, exp.Literal):
        plain = "" if given.name == "None" else given.name.replace("%S.%f", "%E6S").replace("%-d", "%e")
        given = exp.Literal.string(plain)
        node.set("format", given)
    return given


def _refuse_absent(node: exp.Expression, kind: str) -> None:
    """PARSE_DATE reads no time of day, PARSE_TIME no day."""
    pattern = node.args.get("format")
    for found in _ANY_ELEMENT.finditer(pattern.name if isinstance(pattern, exp.Literal) else ""):
        if _is_absent(found[1], kind):
            raise invalid_query(f"Failed to parse input string: the format element '{found[0]}' is not for a {kind}")


def write(node: exp.Expression) -> exp.Expression:
    """FORMAT_DATE, FORMAT_TIMESTAMP (in its zone), FORMAT_DATETIME, FORMAT_TIME."""
    zone = node.args.get("zone")
    value = node.this
    given = _unmapped(node)
    kind = _kind_of(value)
    if isinstance(given, exp.Literal) and kind:
        given = exp.Literal.string(_with_absent_as_text(given.name, kind))
        node.set("format", given)
    if not _is_native(node.args["format"], _WRITTEN):
        return _written_in_python(node, value, zone)
    pattern = _pattern(node.args["format"], _WRITTEN, "FORMAT_*")
    inner = value.this if isinstance(value, exp.TsOrDsToTimestamp | exp.TsOrDsToDate) else value
    if isinstance(value, exp.TsOrDsToTimestamp) or zone is not None:
        local = clock_at(zone, cast(inner, "TIMESTAMPTZ"))
        return _with_short_years(node, value, zone, call("strftime", local, pattern))
    if isinstance(value, exp.TsOrDsToTime) or is_type(inner, exp.DType.TIME):
        inner = value.this if isinstance(value, exp.TsOrDsToTime) else inner
        midnight = cast(exp.Literal.string("1970-01-01"), "DATE")
        return call("strftime", exp.Add(this=midnight, expression=cast(inner, "TIME")), pattern)
    inner = value.this if isinstance(value, exp.TsOrDsToDatetime) else inner
    return _with_short_years(node, value, zone, call("strftime", cast(inner, "TIMESTAMP"), pattern))


def _with_short_years(
    node: exp.Expression, value: exp.Expression, zone: exp.Expression | None, made: exp.Expression
) -> exp.Expression:
    """A year below 1000 is written without zeros (%Y); DuckDB writes four digits."""
    if not any(element in node.args["format"].name for element in ("%Y", "%F", "%c", "%G")):
        return made
    local = made.expressions[0]
    return raw("CASE WHEN year({0}) < 1000 THEN {1} ELSE {2} END", local, _written_in_python(node, value, zone), made)


def _is_native(pattern: exp.Expression | None, known: dict[str, str]) -> bool:
    """Tell whether DuckDB has all elements of a pattern."""
    if not isinstance(pattern, exp.Literal) or not pattern.is_string:
        return False
    if re.search(r"%(?!-?[a-zA-Z%]|E[0-9*]S|E4Y|Ez)|%$", pattern.name.replace("%%", "")) or not pattern.name:
        return False  # a % that begins no element is text
    if known is _PARSED and re.search(r"%-?[Hk]", pattern.name) and "%p" in pattern.name.lower():
        return False  # an hour of 24 has no half of the day
    if known is _PARSED and re.search(r"%([CGgUWVuwjsQ-]|E4Y)", pattern.name):
        return False  # read otherwise by DuckDB
    return all(found[1] in known or found[1] in _SAME for found in _ELEMENT.finditer(pattern.name))


def _written_in_python(node: exp.Expression, value: exp.Expression, zone: exp.Expression | None) -> exp.Expression:
    """What DuckDB's strftime lacks, an element at a time."""
    pattern = node.args["format"]
    inner = value.this if isinstance(value, exp.TsOrDsToTimestamp | exp.TsOrDsToDate | exp.TsOrDsToDatetime) else value
    if isinstance(value, exp.TsOrDsToTime) or is_type(inner, exp.DType.TIME):
        inner = value.this if isinstance(value, exp.TsOrDsToTime) else inner
        local = raw("DATE '1970-01-01' + CAST({0} AS TIME)", inner)
        return raw("athena_write_moment(epoch_us({0}), 0, 'UTC', {1})", local, pattern)
    if isinstance(value, exp.TsOrDsToTimestamp) or zone is not None:
        moment, name = cast(inner, "TIMESTAMPTZ"), zone if zone is not None else exp.Literal.string("UTC")
        local = clock_at(name, moment)
        offset = raw("CAST((epoch_us({0}) - epoch_us({1})) // 1000000 AS BIGINT)", local, moment)
        return raw("athena_write_moment(epoch_us({0}), {1}, {2}, {3})", local, offset, name, pattern)
    return raw("athena_write_moment(epoch_us({0}), 0, 'UTC', {1})", cast(inner, "TIMESTAMP"), pattern)


def _read_in_python(node: exp.Expression, zone: str | exp.Expression) -> exp.Expression:
    """What DuckDB's strptime lacks; microseconds since 1970."""
    return call("athena_read_moment", node.this, node.args["format"], zone)


def _parsed(node: exp.Expression) -> exp.Expression:
    pattern = _pattern(node.args.get("format"), _PARSED, "PARSE_*")
    return call("try_strptime", node.this, pattern)


def _read(node: exp.Expression) -> exp.Expression:
    """Read the wall-clock time: what DuckDB does not read, Python may."""
    return raw("coalesce({0}, make_timestamp({1}))", _with_default_year(node), _read_in_python(node, ""))


def parse_date(node: exp.Expression) -> exp.Expression:
    """PARSE_DATE, and CAST to DATE with a FORMAT."""
    formatted = patterns.read(node)
    if formatted is not None:
        return formatted
    _unmapped(node)
    _refuse_absent(node, "DATE")
    if not _is_native(node.args.get("format"), _PARSED):
        return cast(raw("make_timestamp({0})", _read_in_python(node, "")), "DATE")
    return cast(_read(node), "DATE")


def parse_timestamp(node: exp.Expression) -> exp.Expression:
    """PARSE_TIMESTAMP, in its zone or the one that the text names; and CAST with a FORMAT."""
    formatted = patterns.read(node)
    if formatted is not None:
        return formatted
    _unmapped(node)
    if not _is_native(node.args.get("format"), _PARSED):
        return raw("make_timestamptz({0})", _read_in_python(node, node.args.get("zone") or "UTC"))
    moment = _with_default_year(node)
    if "%z" in moment.sql():
        slow = _read_in_python(node, node.args.get("zone") or "UTC")
        return raw("coalesce({0}, make_timestamptz({1}))", cast(moment, "TIMESTAMPTZ"), slow)
    return moment_of(node.args.get("zone"), cast(_read(node), "TIMESTAMP"))


def parse_datetime(node: exp.Expression) -> exp.Expression:
    """PARSE_DATETIME."""
    _unmapped(node)
    if not _is_native(node.args.get("format"), _PARSED):
        return raw("make_timestamp({0})", _read_in_python(node, ""))
    return cast(_read(node), "TIMESTAMP")


def parse_time(node: exp.Expression) -> exp.Expression:
    """PARSE_TIME."""
    _unmapped(node)
    _refuse_absent(node, "TIME")
    if not _is_native(node.args.get("format"), _PARSED):
        return cast(raw("make_timestamp({0})", _read_in_python(node, "")), "TIME")
    return cast(_read(node), "TIME")


def _with_default_year(node: exp.Expression) -> exp.Expression:
    """A pattern without a year means 1970 in BigQuery, 1900 in DuckDB."""
    made = _parsed(node)
    pattern = made.expressions[1].name
    if any(element in pattern for element in ("%Y", "%y", "%G")):
        return made
    text = exp.DPipe(this=exp.Literal.string("1970 "), expression=exp.Paren(this=node.this.copy()))
    return call("try_strptime", text, f"%Y {pattern}")


RULES = {
    exp.TimeToStr: write,
    exp.StrToDate: parse_date,
    exp.StrToTime: parse_timestamp,
    exp.ParseDatetime: parse_datetime,
    exp.ParseTime: parse_time,
}

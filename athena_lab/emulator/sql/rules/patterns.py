"""CAST … FORMAT: dates and times, numbers and bytes to texts and back.

https://cloud.google.com/bigquery/docs/reference/standard-sql/format-elements#formatting_syntax
"""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.engine.elements import elements
from athena_lab.emulator.faults import BigQueryError, invalid_query, unsupported
from athena_lab.emulator.sql.rules.calls import DECIMALS, FLOATS, INTEGERS, call, cast, is_a
from athena_lab.emulator.sql.rules.raw import raw
from athena_lab.emulator.sql.rules.zones import clock_at
from athena_lab.emulator.sql.spelling import shown

_BINARIES = {exp.DType.BINARY, exp.DType.VARBINARY, exp.DType.BLOB}


def written(node: exp.Expression) -> exp.Expression:
    """CAST(value AS STRING FORMAT '…'), and of BYTES."""
    given, zone = node.args["format"], None
    if isinstance(given, exp.AtTimeZone):
        given, zone = given.this, given.args["zone"]
    hidden = shown(given.name)
    if hidden is None:
        raise unsupported("CAST with FORMAT of this kind")
    try:
        _refuse_elements(_kind(node.this), hidden[1])
    except BigQueryError:
        if isinstance(node, exp.TryCast):
            return cast(exp.Null(), "VARCHAR")
        raise
    made = _written(node.this, node.args["to"], exp.Literal.string(hidden[1]), zone)
    return call("TRY", made) if isinstance(node, exp.TryCast) else made


_OF_DAYS = "Y,YYY YYYY YYY YY Y RRRR RR MONTH MON MM DDD DD DAY DY D"
_OF_CLOCKS = "HH24 HH12 HH MI SSSSS SS AM PM A.M. P.M."
_ABSENT = {
    "DATE": {*_OF_CLOCKS.split(), *(f"FF{digit}" for digit in range(1, 10)), "TZH", "TZM"},
    "TIME": {*_OF_DAYS.split(), "TZH", "TZM"},
    "DATETIME": {"TZH", "TZM"},
}
"""Elements that a type has not."""


def _refuse_elements(kind: str, pattern: str) -> None:
    if kind not in _ABSENT:
        return  # a number's or BYTES' pattern
    try:
        found = elements(pattern)
    except ValueError as error:
        raise invalid_query(str(error)) from error
    for element in found:
        if element.upper() in _ABSENT[kind]:
            raise invalid_query(f"{kind} does not support '{element}'")


def _kind(value: exp.Expression) -> str:
    return str(value.type.sql("bigquery")) if value.type is not None else ""


def _written(
    value: exp.Expression, to: exp.DataType, pattern: exp.Expression, zone: exp.Expression | None
) -> exp.Expression:
    if to.this in _BINARIES:
        return call("athena_bytes_of", value, pattern)
    if is_a(value, _BINARIES):
        return call("athena_text_of_bytes", value, pattern)
    if is_a(value, INTEGERS | DECIMALS | FLOATS):
        return call("athena_text_of_number", cast(value, "VARCHAR"), pattern)
    if is_a(value, {exp.DType.TIME}):
        return raw("athena_text_of_moment(epoch_us(DATE '1970-01-01' + {0}), 0, {1})", value, pattern)
    if is_a(value, {exp.DType.TIMESTAMPTZ}):
        local = clock_at(zone, value)
        offset = raw("CAST((epoch_us({0}) - epoch_us({1})) // 1000000 AS BIGINT)", local, value)
        return raw("athena_text_of_moment(epoch_us({0}), {1}, {2})", local, offset, pattern)
    if is_a(value, {exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.DATETIME}):
        return raw("athena_text_of_moment(epoch_us({0}), 0, {1})", cast(value, "TIMESTAMP"), pattern)
    raise unsupported("CAST with FORMAT of this type")


def read(node: exp.Expression) -> exp.Expression | None:
    """CAST(text AS DATE FORMAT '…') and of the other types of time; None for PARSE_*."""
    given = node.args.get("format")
    hidden = shown(given.name) if isinstance(given, exp.Literal) else None
    if hidden is None:
        return None
    kind, pattern = hidden
    try:
        _refuse_elements(kind, pattern)
    except BigQueryError:
        if node.args.get("safe"):
            return cast(exp.Null(), {"DATETIME": "TIMESTAMP", "TIMESTAMP": "TIMESTAMPTZ"}.get(kind, kind))
        raise
    zone = node.args.get("zone") or exp.Literal.string("UTC" if kind == "TIMESTAMP" else "")
    micros = call("athena_moment_of_text", node.this, exp.Literal.string(pattern), zone)
    made = raw("make_timestamptz({0})" if kind == "TIMESTAMP" else "make_timestamp({0})", micros)
    if kind in ("DATE", "TIME"):
        made = cast(made, kind)
    made.type = exp.DataType.build(kind, dialect="bigquery")
    return call("TRY", made) if node.args.get("safe") else made

"""CAST … FORMAT: dates and times, numbers and bytes to texts and back.

https://cloud.google.com/bigquery/docs/reference/standard-sql/format-elements#formatting_syntax
"""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import unsupported
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
    made = _written(node.this, node.args["to"], exp.Literal.string(hidden[1]), zone)
    return call("TRY", made) if isinstance(node, exp.TryCast) else made


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
    zone = node.args.get("zone") or exp.Literal.string("UTC" if kind == "TIMESTAMP" else "")
    micros = call("athena_moment_of_text", node.this, exp.Literal.string(pattern), zone)
    made = raw("make_timestamptz({0})" if kind == "TIMESTAMP" else "make_timestamp({0})", micros)
    if kind in ("DATE", "TIME"):
        made = cast(made, kind)
    made.type = exp.DataType.build(kind, dialect="bigquery")
    return call("TRY", made) if node.args.get("safe") else made

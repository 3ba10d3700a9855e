"""CAST and SAFE_CAST: by BigQuery's rules where DuckDB's are wider (text) or narrower (structs by place).

https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_functions#cast
"""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.rules import bignumerics, patterns, ranges
from athena_lab.emulator.sql.rules.calls import DECIMALS, FLOATS, INTEGERS, call, cast, is_a
from athena_lab.emulator.sql.rules.places import by_place
from athena_lab.emulator.sql.rules.raw import raw
from athena_lab.emulator.sql.typenames import field_of_type
from athena_lab.emulator.types import duckdb_type

NUMERIC = "DECIMAL(38, 9)"
_TEXTS = {exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.CHAR, exp.DType.NVARCHAR}
_BINARIES = {exp.DType.BINARY, exp.DType.VARBINARY, exp.DType.BLOB}
_CLOCKS = {exp.DType.TIMESTAMP, exp.DType.DATETIME, exp.DType.TIME}
_FROM_TEXT = {
    exp.DType.BOOLEAN: "athena_bool", exp.DType.DOUBLE: "athena_float64", exp.DType.DATE: "athena_date",
    exp.DType.TIME: "athena_time", exp.DType.TIMESTAMP: "athena_datetime", exp.DType.DATETIME: "athena_datetime",
    exp.DType.INTERVAL: "athena_interval_of",
}  # fmt: skip
_ABSENT = {exp.DType.GEOGRAPHY: "GEOGRAPHY"}
_BIG = {exp.DType.BIGDECIMAL}


def convert(node: exp.Expression) -> exp.Expression | None:
    """CAST and SAFE_CAST."""
    if node.meta.get("is_final"):
        return None
    if node.args.get("format") is not None:
        return patterns.written(node)
    to = node.args["to"]
    for item in to.find_all(exp.DataType):
        if item.this in _ABSENT:
            raise unsupported(f"The type {_ABSENT[item.this]}")
    if node.meta.get("is_parameter"):
        return cast(node.this, _duckdb(to))
    made = _converted(node, to)
    if made is None:
        return None
    if isinstance(node, exp.TryCast) and not isinstance(made, exp.TryCast):
        made = call("TRY", made)
    made.type = made.type or to
    return made


def _converted(node: exp.Expression, to: exp.DataType) -> exp.Expression | None:
    if node.meta.get("is_javascript"):
        return _from_javascript(node)
    if to.this == exp.DType.RANGE:
        return ranges.from_text(node)
    if to.this == exp.DType.JSON and isinstance(node.this, exp.Literal):
        return raw("CAST(athena_json_canonical({0}) AS JSON)", node.this)
    if to.this in (exp.DType.ARRAY, exp.DType.STRUCT):
        return _nested(node, to)
    return _scalar(node, to)


def _duckdb(to: exp.DataType) -> str:
    return duckdb_type(field_of_type("v", to))


# -- scalars


def _scalar(node: exp.Expression, to: exp.DataType) -> exp.Expression | None:
    value = node.this
    if to.this in _BIG and isinstance(value, exp.Placeholder):
        return cast(value, _duckdb(to))
    if to.this in _BIG:
        return _limited_bignumeric(to, bignumerics.to_big(value))
    if is_a(value, _BIG):
        return _from_bignumeric(value, to)
    if to.this in DECIMALS:
        return _limited_decimal(to, _decimal(value))
    if to.this in INTEGERS:
        return _integer(value)
    if to.this in _TEXTS:
        return _limited("STRING", to, to_text(value))
    if to.this in _BINARIES:
        return _limited("BYTES", to, call("encode", value) if is_a(value, _TEXTS) else cast(value, "BLOB"))
    if to.this == exp.DType.TIME and is_a(value, {exp.DType.TIMESTAMPTZ}):
        return raw("CAST(timezone('UTC', {0}) AS TIME)", value)
    if is_a(value, _TEXTS) and to.this in _FROM_TEXT:
        return call(_FROM_TEXT[to.this], value)
    return None


def _limited_bignumeric(to: exp.DataType, made: exp.Expression) -> exp.Expression:
    sizes = [int(part.name) for part in to.expressions if isinstance(part, exp.DataTypeParam)]
    if not sizes:
        return made
    return call("athena_big_limited", made, sizes[0], sizes[1] if len(sizes) > 1 else 0)


def _from_bignumeric(value: exp.Expression, to: exp.DataType) -> exp.Expression:
    if to.this in DECIMALS:
        return _limited_decimal(to, cast(call("athena_big_numeric", value), NUMERIC))
    if to.this in INTEGERS:
        return call("athena_big_integer", value)
    if to.this in FLOATS:
        return call("athena_big_float", value)
    if to.this in _TEXTS:
        return _limited("STRING", to, call("athena_big_text", value))
    raise invalid_query(f"Invalid cast from BIGNUMERIC to {to.sql('bigquery')}")


def _decimal(value: exp.Expression) -> exp.Expression:
    """A number written out keeps all its digits."""
    sign, inner = "", value
    if isinstance(inner, exp.Neg):
        sign, inner = "-", inner.this
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return raw(f"CAST(athena_parse_decimal('{sign}{inner.name.removesuffix('e0')}', 9, 29) AS {NUMERIC})")
    if is_a(value, _TEXTS):
        return raw(f"CAST(athena_parse_decimal({{0}}, 9, 29) AS {NUMERIC})", value)
    return call("athena_decimal", value) if is_a(value, FLOATS) else cast(value, NUMERIC)


def _integer(value: exp.Expression) -> exp.Expression | None:
    if is_a(value, FLOATS):
        return cast(call("round", value), "BIGINT")
    if is_a(value, _TEXTS):
        return call("athena_int64", value)
    return cast(value, "BIGINT") if is_a(value, DECIMALS) else None


def to_text(value: exp.Expression) -> exp.Expression:
    """Write a value as CAST to STRING does."""
    writers: tuple[tuple[set[exp.DType] | frozenset[exp.DType], str], ...] = (
        (_BIG, "athena_big_text"),
        (FLOATS, "athena_float_text"), (DECIMALS, "athena_numeric_text"), (_BINARIES, "decode"),
        ({exp.DType.INTERVAL}, "athena_interval_text"), (_CLOCKS, "athena_clock_text"),
        ({exp.DType.TIMESTAMPTZ}, "athena_moment_text"),
    )  # fmt: skip
    name = next((name for kinds, name in writers if is_a(value, kinds)), None)
    return call(name, value) if name is not None else cast(value, "VARCHAR")


def _limited(name: str, to: exp.DataType, made: exp.Expression) -> exp.Expression:
    size = next((part.name for part in to.expressions if isinstance(part, exp.DataTypeParam)), None)
    if size is None:
        return made
    measure = "octet_length" if name == "BYTES" else "length"
    said = f"{name}({size}) has maximum length {size} but got a value with length "
    test = f"{measure}({{0}}) > {int(size)}"
    return raw(f"CASE WHEN {test} THEN athena_error('{said}' || {measure}({{0}})) ELSE {{0}} END", made)


def _limited_decimal(to: exp.DataType, made: exp.Expression) -> exp.Expression:
    sizes = [int(part.name) for part in to.expressions if isinstance(part, exp.DataTypeParam)]
    if not sizes:
        return made
    return cast(cast(made, f"DECIMAL({sizes[0]}, {sizes[1] if len(sizes) > 1 else 0})"), NUMERIC)


def _from_javascript(node: exp.Expression) -> exp.Expression:
    """The JSON that a function in JavaScript gives, as the type that it returns."""
    to = node.args["to"]
    if to.this in _TEXTS:
        return raw("json_extract_string({0}, '$')", node.this)
    if to.this in _BINARIES:
        return raw("from_base64(json_extract_string({0}, '$'))", node.this)
    if to.this in (exp.DType.TIMESTAMPTZ, exp.DType.DATE):
        text = raw("json_extract_string({0}, '$')", node.this)
        return cast(text, "TIMESTAMPTZ" if to.this != exp.DType.DATE else "DATE")
    return cast(raw("CAST({0} AS JSON)", node.this), _duckdb(to))


# -- arrays and structs


def _nested(node: exp.Expression, to: exp.DataType) -> exp.Expression:
    value = node.this
    if isinstance(value, exp.Null):
        return cast(value, _duckdb(to))
    if to.this == exp.DType.ARRAY and isinstance(value, exp.Array):
        items = [_inside(item, _kind(to.expressions[0])) for item in value.expressions]
        return cast(exp.Array(expressions=items), _duckdb(to))
    parts = _written_fields(value) if to.this == exp.DType.STRUCT else None
    if parts is not None and len(parts) == len(to.expressions):
        made = [_inside(part, _kind(piece)) for part, piece in zip(parts, to.expressions, strict=True)]
        return cast(call("row", *made), _duckdb(to))
    _refuse_big_parts(value.type, to)
    return cast(by_place(value, to), _duckdb(to))


def _refuse_big_parts(own: exp.DataType | None, to: exp.DataType) -> None:
    """DuckDB would take the digits of a part that is to be BIGNUMERIC for those of its whole number."""
    theirs = [item.this in _BIG for item in to.find_all(exp.DataType)]
    ours = [item.this in _BIG for item in own.find_all(exp.DataType)] if own is not None else []
    if any(theirs) and ours != theirs:
        raise unsupported("A conversion of a STRUCT or ARRAY with BIGNUMERIC in it")


def _written_fields(value: exp.Expression) -> list[exp.Expression] | None:
    is_row = isinstance(value, exp.Anonymous) and value.name == "row"
    if not (is_row or isinstance(value, exp.Struct | exp.Tuple)):
        return None
    return [part.expression if isinstance(part, exp.PropertyEQ) else part for part in value.expressions]


def _kind(part: exp.Expression) -> exp.DataType:
    found = part.args["kind"] if isinstance(part, exp.ColumnDef) else part
    assert isinstance(found, exp.DataType)  # noqa: S101 (what a type consists of)
    return found


def _inside(value: exp.Expression, to: exp.DataType) -> exp.Expression:
    """Convert an element or field by itself."""
    inner = exp.Cast(this=value.copy(), to=to.copy())
    inner.this.type = value.type
    return convert(inner) or inner


RULES = {exp.Cast: convert, exp.TryCast: convert}

"""BigQuery's types: a field, and what it is in DuckDB, in Arrow and in JSON schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa

from athena_lab.emulator import bignumerics
from athena_lab.emulator.faults import BigQueryError, unsupported

_LEGACY = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD", "DECIMAL": "NUMERIC",
           "BIGDECIMAL": "BIGNUMERIC"}  # fmt: skip
_DUCKDB = {
    "INTEGER": "BIGINT",
    "FLOAT": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "STRING": "VARCHAR",
    "BYTES": "BLOB",
    "DATE": "DATE",
    "TIME": "TIME",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMPTZ",
    "NUMERIC": "DECIMAL(38, 9)",
    "BIGNUMERIC": "BIGNUM",
    "JSON": "JSON",
    "INTERVAL": "INTERVAL",
}
_ARROW: dict[str, pa.DataType] = {
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "NUMERIC": pa.decimal128(38, 9),
    "BIGNUMERIC": bignumerics.KIND,
    "JSON": pa.string(),
    "INTERVAL": pa.month_day_nano_interval(),
}
_FROM_DUCKDB = {
    "bigint": "INTEGER", "integer": "INTEGER", "smallint": "INTEGER", "tinyint": "INTEGER", "hugeint": "INTEGER",
    "ubigint": "INTEGER", "uinteger": "INTEGER", "usmallint": "INTEGER", "utinyint": "INTEGER", "uhugeint": "INTEGER",
    "double": "FLOAT", "float": "FLOAT", "boolean": "BOOLEAN", "varchar": "STRING", "blob": "BYTES", "date": "DATE",
    "time": "TIME", "timestamp": "DATETIME", "timestamp_s": "DATETIME", "timestamp_ms": "DATETIME",
    "timestamp_ns": "DATETIME", "timestamp with time zone": "TIMESTAMP", "decimal": "NUMERIC", "bignum": "BIGNUMERIC",
    "interval": "INTERVAL", "uuid": "STRING", "enum": "STRING", "null": "INTEGER", "sqlnull": "INTEGER",
    "json": "JSON",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """A column or a field of a struct; `type` is a name of the REST API (INTEGER, RECORD, ...)."""

    name: str
    type: str
    mode: str = "NULLABLE"
    fields: tuple[Field, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)
    """What is kept as it came: description, policyTags, defaultValueExpression, ..."""

    @property
    def is_repeated(self) -> bool:
        return self.mode == "REPEATED"

    def element(self) -> Field:
        """Give the field of one element of a repeated field."""
        return replace(self, mode="NULLABLE")

    def to_json(self) -> dict[str, Any]:
        """Give the TableFieldSchema."""
        found: dict[str, Any] = {"name": self.name, "type": self.type, "mode": self.mode, **self.extras}
        if self.fields:
            found["fields"] = [inner.to_json() for inner in self.fields]
        return found


_GOOGLESQL = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}


def googlesql_type(item: Field) -> str:
    """Give a field's type in GoogleSQL."""
    if item.is_repeated:
        return f"ARRAY<{googlesql_type(item.element())}>"
    if item.type == "RECORD":
        return "STRUCT<" + ", ".join(f"`{part.name}` {googlesql_type(part)}" for part in item.fields) + ">"
    if item.type == "RANGE":
        return f"RANGE<{range_element(item)}>"
    return _GOOGLESQL.get(item.type, item.type)


def range_element(item: Field) -> str:
    """Give the type of a RANGE's bounds."""
    return str((item.extras.get("rangeElementType") or {}).get("type") or "DATE")


def field_from_json(resource: Mapping[str, Any]) -> Field:
    """Read a TableFieldSchema; refuse types that the emulator cannot hold exactly."""
    name = str(resource.get("name", ""))
    kind = str(resource.get("type", "")).upper()
    kind = _LEGACY.get(kind, kind)
    if kind not in ("RECORD", "RANGE") and kind not in _DUCKDB:
        raise unsupported(f"The type {kind or '(none)'} of column '{name}'")
    inner = tuple(field_from_json(item) for item in resource.get("fields", ()))
    if kind == "RECORD" and not inner:
        raise BigQueryError("invalid", f"Field {name} is type RECORD but has no schema")
    extras = {
        key: value
        for key, value in resource.items()
        if key not in ("name", "type", "mode", "fields") and value is not None
    }
    return Field(name, kind, str(resource.get("mode") or "NULLABLE").upper(), inner, extras)


def fields_from_json(schema: Mapping[str, Any] | None) -> tuple[Field, ...]:
    """Read a TableSchema; refuse a name that comes twice."""
    fields = tuple(field_from_json(item) for item in (schema or {}).get("fields", ()))
    seen: set[str] = set()
    for item in fields:
        if item.name.lower() in seen:
            raise BigQueryError("invalid", f"Duplicate field name: {item.name}")
        seen.add(item.name.lower())
    return fields


def schema_json(fields: Iterable[Field]) -> dict[str, Any]:
    """Give the TableSchema."""
    return {"fields": [item.to_json() for item in fields]}


def selected(fields: Iterable[Field], paths: Iterable[str]) -> tuple[Field, ...]:
    """Give the fields that paths (`a`, `b.c`) name, in their own order; refuse a path that names none."""
    wanted: dict[str, list[str]] = {}
    for path in paths:
        name, _, rest = path.lower().partition(".")
        wanted.setdefault(name, []).append(rest)
    known = tuple(fields)
    missing = sorted(set(wanted) - {item.name.lower() for item in known})
    if missing:
        told = ", ".join(missing)
        raise BigQueryError("invalid", f"The following selected fields do not exist in the table schema: {told}")
    chosen = [(item, wanted[item.name.lower()]) for item in known if item.name.lower() in wanted]
    return tuple(item if "" in rests else replace(item, fields=selected(item.fields, rests)) for item, rests in chosen)


def quote(name: str) -> str:
    """Quote an identifier for DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def duckdb_type(column: Field) -> str:
    """Give the DuckDB type that holds a field."""
    if column.is_repeated:
        return duckdb_type(column.element()) + "[]"
    if column.type == "RECORD":
        inner = ", ".join(f"{quote(item.name)} {duckdb_type(item)}" for item in column.fields)
        return f"STRUCT({inner})"
    if column.type == "RANGE":
        element = _DUCKDB[range_element(column)]
        return f'STRUCT("athena_start" {element}, "athena_end" {element})'
    return _DUCKDB[column.type]


def arrow_type(column: Field) -> pa.DataType:
    """Give the Arrow type in which the Storage API hands out a field."""
    if column.is_repeated:
        return pa.list_(pa.field("item", arrow_type(column.element())))
    if column.type == "RECORD":
        return pa.struct([pa.field(item.name, arrow_type(item)) for item in column.fields])
    if column.type == "RANGE":
        element = _ARROW[range_element(column)]
        return pa.struct([pa.field("start", element), pa.field("end", element)])
    return _ARROW[column.type]


def incoming_type(column: Field) -> pa.DataType:
    """Give the Arrow type in which a field's values are handed to DuckDB: it reads no decimal256."""
    if column.is_repeated:
        return pa.list_(pa.field("item", incoming_type(column.element())))
    if column.type == "RECORD":
        return pa.struct([pa.field(item.name, incoming_type(item)) for item in column.fields])
    return pa.string() if column.type == "BIGNUMERIC" else arrow_type(column)


def incoming_schema(fields: Iterable[Field]) -> pa.Schema:
    """Give the Arrow schema of rows for DuckDB; a BIGNUMERIC is the text of its whole number."""
    return pa.schema([pa.field(item.name, incoming_type(item)) for item in fields])


def arrow_schema(fields: Iterable[Field]) -> pa.Schema:
    """Give the Arrow schema of a table or result."""
    return pa.schema([pa.field(item.name, arrow_type(item)) for item in fields])


def field_from_duckdb(name: str, kind: Any) -> Field:
    """Tell what a column of a DuckDB result is in BigQuery."""
    if kind.id in ("list", "array"):
        element = field_from_duckdb(name, kind.children[0][1])
        if element.is_repeated:
            raise unsupported(f"An array of arrays (column '{name}')")
        return replace(element, mode="REPEATED")
    if kind.id == "struct" and [child for child, _ in kind.children] == ["athena_start", "athena_end"]:
        bound = field_from_duckdb(name, kind.children[0][1]).type
        return Field(name, "RANGE", extras={"rangeElementType": {"type": bound}})
    if kind.id == "struct":
        inner = tuple(field_from_duckdb(child, inner) for child, inner in kind.children)
        return Field(name, "RECORD", fields=inner)
    if kind.id == "tuple":
        parts = enumerate(kind.children, start=1)
        return Field(name, "RECORD", fields=tuple(field_from_duckdb(f"_field_{at}", part) for at, (_, part) in parts))
    known = "json" if str(kind) == "JSON" else str(kind.id)
    if known not in _FROM_DUCKDB:
        raise unsupported(f"A column of the type {kind} (column '{name}')")
    return Field(name, _FROM_DUCKDB[known])


def field_from_arrow(column: pa.Field) -> Field:
    """Tell what a column of a Parquet file is in BigQuery (its rules of conversion)."""
    return _from_arrow(column.name, column.type)


_ARROW_TESTS = (
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_integer, "INTEGER"),
    (pa.types.is_floating, "FLOAT"),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view(), "STRING"),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), "BYTES"),
    (pa.types.is_fixed_size_binary, "BYTES"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_time, "TIME"),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is None, "DATETIME"),
    (pa.types.is_timestamp, "TIMESTAMP"),
    (pa.types.is_null, "STRING"),
)


def _from_arrow(name: str, kind: pa.DataType) -> Field:
    if pa.types.is_dictionary(kind):
        return _from_arrow(name, kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return replace(_from_arrow(name, kind.value_type), mode="REPEATED")
    if pa.types.is_struct(kind):
        return Field(name, "RECORD", fields=tuple(_from_arrow(inner.name, inner.type) for inner in kind))
    if pa.types.is_decimal(kind):
        return _decimal_from_arrow(name, kind)
    for test, found in _ARROW_TESTS:
        if test(kind):
            return Field(name, found)
    raise unsupported(f"The Parquet type {kind} of column '{name}'")


def _decimal_from_arrow(name: str, kind: pa.DataType) -> Field:
    """The first of NUMERIC and BIGNUMERIC that has all digits of a DECIMAL.

    https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet#decimal_logical_type
    """
    whole = kind.precision - kind.scale
    if kind.scale <= 9 and whole <= 29:
        return Field(name, "NUMERIC")
    if kind.scale <= bignumerics.SCALE and whole <= bignumerics.SCALE:
        return Field(name, "BIGNUMERIC")
    raise unsupported(f"The Parquet type {kind} of column '{name}'")


def is_exact(column: Field, kind: Any) -> bool:
    """Tell whether a DuckDB type already is the field's own type, so that no cast is needed."""
    return bool(kind == duckdb.sqltype(duckdb_type(column)))

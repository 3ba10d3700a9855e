"""Schemas of Avro files: what BigQuery writes for its types, and what it makes of the types of a file.

https://cloud.google.com/bigquery/docs/exporting-data#avro_export_details and
https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-avro#avro_conversions
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from athena_lab.emulator.faults import BigQueryError, unsupported
from athena_lab.emulator.types import Field

Schema = Any
"""An Avro schema as JSON: a name, a union (list), or an object."""
_PLAIN = {"INTEGER": "long", "FLOAT": "double", "BOOLEAN": "boolean", "STRING": "string", "BYTES": "bytes"}
_TEXTS = frozenset({"DATE", "DATETIME", "TIME", "JSON", "INTERVAL"})
"""Written as texts that say in `sqlType` what they were."""
_LOGICAL: Mapping[str, dict[str, str]] = {
    "DATE": {"type": "int", "logicalType": "date"},
    "TIME": {"type": "long", "logicalType": "time-micros"},
    "DATETIME": {"type": "string", "logicalType": "datetime"},
}
_DIGITS = {"NUMERIC": (38, 9), "BIGNUMERIC": (77, 38)}


def written_schema(fields: Iterable[Field], *, is_logical: bool) -> Schema:
    """Give the schema of a file with rows of these fields; `is_logical` is useAvroLogicalTypes."""
    return {"type": "record", "name": "Root", "fields": [_written(item, "root", is_logical) for item in fields]}


def _written(item: Field, path: str, is_logical: bool) -> Schema:  # noqa: FBT001 (handed down)
    kind = _written_type(item, path, is_logical)
    if item.is_repeated:
        return {"name": item.name, "type": {"type": "array", "items": kind}}
    return {"name": item.name, "type": kind if item.mode == "REQUIRED" else ["null", kind]}


def _written_type(item: Field, path: str, is_logical: bool) -> Schema:  # noqa: FBT001 (handed down)
    if item.type == "RECORD":
        inner = [_written(part, f"{path}.{item.name.lower()}", is_logical) for part in item.fields]
        return {"type": "record", "namespace": path, "name": item.name.capitalize(), "fields": inner}
    if item.type in _PLAIN:
        return _PLAIN[item.type]
    if item.type == "TIMESTAMP":
        return {"type": "long", "logicalType": "timestamp-micros"}
    if item.type in _DIGITS:
        precision, scale = _DIGITS[item.type]
        if item.extras.get("precision"):
            precision, scale = int(item.extras["precision"]), int(item.extras.get("scale") or 0)
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    if is_logical and item.type in _LOGICAL:
        return dict(_LOGICAL[item.type])
    if item.type in _TEXTS:
        return {"type": "string", "sqlType": item.type}
    raise unsupported(f"The type {item.type} in a file of Avro (field '{item.name}')")


# -- reading

_FROM_PLAIN = {
    "boolean": "BOOLEAN", "int": "INTEGER", "long": "INTEGER", "float": "FLOAT", "double": "FLOAT", "bytes": "BYTES",
    "string": "STRING", "enum": "STRING", "fixed": "BYTES",
}  # fmt: skip
_FROM_LOGICAL = {
    "date": "DATE", "time-millis": "TIME", "time-micros": "TIME", "timestamp-millis": "TIMESTAMP",
    "timestamp-micros": "TIMESTAMP", "local-timestamp-millis": "DATETIME", "local-timestamp-micros": "DATETIME",
}  # fmt: skip
_ROOM = {"NUMERIC": (29, 9), "BIGNUMERIC": (38, 38)}
"""Digits before and after the point."""


def read_fields(schema: Schema, *, is_logical: bool, targets: Sequence[str]) -> tuple[Field, ...]:
    """Give the fields of a file's rows; its names must be resolved. `targets` are decimalTargetTypes."""
    if not isinstance(schema, Mapping) or schema.get("type") != "record":
        raise BigQueryError("invalid", "Error while reading data, error message: the Avro file holds no records.")
    reader = _Reader(is_logical, tuple(targets))
    found = (reader.field(item["name"], item["type"]) for item in schema["fields"])
    return tuple(item for item in found if item is not None)


def kind_of(name: str, schema: Schema) -> tuple[Mapping[str, Any], bool]:
    """Give the one type that a field's schema stands for, beside null, as an object, and whether null is another."""
    if isinstance(schema, list):
        kinds = [part for part in schema if part != "null"]
        if len(kinds) > 1:
            raise unsupported(f"An Avro union of several types (field '{name}')")
        found = kind_of(name, kinds[0])[0] if kinds else {"type": "null"}
        return found, len(kinds) < len(schema)
    if isinstance(schema, str):
        return {"type": schema}, False
    return kind_of(name, schema["type"]) if isinstance(schema["type"], list | Mapping) else (schema, False)


class _Reader:
    """Turns the types of a file into fields."""

    def __init__(self, is_logical: bool, targets: tuple[str, ...]) -> None:  # noqa: FBT001
        self._is_logical, self._targets = is_logical, targets

    def field(self, name: str, schema: Schema) -> Field | None:
        """Give the field of a name and type; None for one that can only be NULL, which BigQuery passes over."""
        kind, is_nullable = kind_of(name, schema)
        if kind["type"] == "null":
            return None
        found = self._of_type(name, kind)
        return replace(found, mode="NULLABLE") if found and is_nullable and not found.is_repeated else found

    def _of_type(self, name: str, kind: Mapping[str, Any]) -> Field | None:
        if kind["type"] == "array":
            element = self.field(name, kind["items"])
            if element is not None and element.is_repeated:
                raise unsupported(f"An array of arrays (field '{name}')")
            return None if element is None else replace(element, mode="REPEATED")
        if kind["type"] == "map":
            value = self.field("value", kind["values"])
            inner = (Field("key", "STRING", "REQUIRED"), *(() if value is None else (value,)))
            return Field(name, "RECORD", "REPEATED", inner)
        if kind["type"] == "record":
            found = (self.field(item["name"], item["type"]) for item in kind["fields"])
            return Field(name, "RECORD", "REQUIRED", tuple(item for item in found if item is not None))
        return self._leaf(name, str(kind["type"]), kind)

    def _leaf(self, name: str, kind: str, schema: Mapping[str, Any]) -> Field:
        logical = schema.get("logicalType")
        if logical == "decimal" and kind in ("bytes", "fixed"):
            return Field(name, self._decimal(int(schema["precision"]), int(schema.get("scale") or 0)), "REQUIRED")
        if self._is_logical and logical in _FROM_LOGICAL and kind in ("int", "long"):
            return Field(name, _FROM_LOGICAL[str(logical)], "REQUIRED")
        if kind == "string" and schema.get("sqlType") == "JSON":
            return Field(name, "JSON", "REQUIRED")
        if kind not in _FROM_PLAIN:
            raise unsupported(f"The Avro type {kind} (field '{name}'), if it refers to a type that holds itself")
        return Field(name, _FROM_PLAIN[kind], "REQUIRED")

    def _decimal(self, precision: int, scale: int) -> str:
        """Give the first of NUMERIC, BIGNUMERIC and STRING that is a target and has the digits, else the widest."""
        widths = [name for name in ("NUMERIC", "BIGNUMERIC", "STRING") if name in self._targets]
        for name in widths:
            whole, after = _ROOM.get(name, (precision, scale))
            if precision - scale <= whole and scale <= after:
                return name
        return widths[-1]

"""Query parameters: the REST API's JSON to typed fields and Python values for DuckDB."""

from __future__ import annotations

import base64
import datetime
import decimal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from athena_lab.emulator import bignumerics
from athena_lab.emulator.faults import BigQueryError, invalid_query
from athena_lab.emulator.types import Field, field_from_json


def read_parameters(query: Mapping[str, Any]) -> tuple[dict[str, Field], dict[str, Any]]:
    """Give (types, values) of `queryParameters` by lower-case name; positional ones are p0, p1, ..."""
    types: dict[str, Field] = {}
    values: dict[str, Any] = {}
    for position, item in enumerate(query.get("queryParameters") or ()):
        name = str(item.get("name") or f"p{position}").lower()
        types[name] = _field(name, item.get("parameterType") or {})
        try:
            values[name] = _value(types[name], item.get("parameterValue") or {})
        except (ValueError, KeyError, decimal.InvalidOperation) as error:
            kind = types[name].type
            raise invalid_query(f"Invalid value for query parameter '{name}' of type {kind}: {error}") from error
    return types, values


def _field(name: str, kind: Mapping[str, Any]) -> Field:
    kind_name = str(kind.get("type", "")).upper()
    if kind_name == "ARRAY":
        element = _field(name, kind.get("arrayType") or {})
        return Field(element.name, element.type, "REPEATED", element.fields)
    if kind_name == "STRUCT":
        inner = tuple(
            _field(str(part.get("name") or f"_field_{index + 1}"), part["type"])
            for index, part in enumerate(kind.get("structTypes") or ())
        )
        if not inner:
            raise BigQueryError("invalid", f"Query parameter '{name}' is a STRUCT without fields")
        return Field(name, "RECORD", fields=inner)
    return field_from_json({"name": name, "type": kind_name})


def _value(item: Field, value: Mapping[str, Any]) -> Any:
    if item.is_repeated:
        return [_value(item.element(), part) for part in value.get("arrayValues") or ()]
    if item.type == "RECORD":
        parts = value.get("structValues")
        return None if parts is None else {part.name: _value(part, parts.get(part.name) or {}) for part in item.fields}
    text = value.get("value")
    if text is None:
        return None
    return _READERS.get(item.type, str)(text)


def _boolean(text: Any) -> bool:
    if str(text).lower() not in ("true", "false"):
        raise ValueError(f"'{text}' is neither true nor false")
    return str(text).lower() == "true"


def _timestamp(text: str) -> datetime.datetime:
    made = datetime.datetime.fromisoformat(str(text).replace(" UTC", "+00:00").replace("Z", "+00:00"))
    return made if made.tzinfo else made.replace(tzinfo=datetime.UTC)


_READERS: dict[str, Callable[[Any], Any]] = {
    "INTEGER": int,
    "FLOAT": float,
    "BOOLEAN": _boolean,
    "NUMERIC": decimal.Decimal,
    "BIGNUMERIC": bignumerics.text_of,
    "BYTES": base64.b64decode,
    "DATE": datetime.date.fromisoformat,
    "TIME": datetime.time.fromisoformat,
    "DATETIME": datetime.datetime.fromisoformat,
    "TIMESTAMP": _timestamp,
}


def describe(types: Mapping[str, Field]) -> Sequence[str]:
    """Give a key of the types, for caches."""
    return tuple(f"{name}:{item.to_json()}" for name, item in types.items())

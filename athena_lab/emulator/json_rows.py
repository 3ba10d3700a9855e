"""Rows of JSON (load jobs, insertAll) as Arrow: by a schema, or by what the values look like."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from athena_lab.emulator import bignumerics
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.types import Field, incoming_schema

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?( ?(UTC|Z|[+-]\d{2}(:?\d{2})?))?")
_INTEGER = re.compile(r"-?\d{1,18}")
_FLOAT = re.compile(r"-?\d+\.\d+([eE][+-]?\d+)?")


class RowError(ValueError):
    """A row that does not fit: `field` and what is wrong with it."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


def to_arrow(rows: Sequence[Mapping[str, Any]], fields: tuple[Field, ...], first: int = 0) -> pa.Table:
    """Convert rows, of which the first has the number `first` (from 0); refuse the first one that does not fit."""
    made = []
    for index, row in enumerate(rows, first):
        try:
            made.append(convert_row(row, fields))
        except RowError as error:
            message = f"Error while reading data, error message: row {index + 1}: {error}; field: {error.field}"
            raise BigQueryError("invalid", message) from error
    return pa.Table.from_pylist(made, schema=incoming_schema(fields))


def convert_row(row: Any, fields: Iterable[Field], path: str = "") -> dict[str, Any]:
    """Convert one object; raise RowError for a field that nothing declares, is missing, or does not fit."""
    if not isinstance(row, Mapping):
        raise RowError(path, "it is no JSON object")
    given = {str(key).lower(): (key, value) for key, value in row.items()}
    made: dict[str, Any] = {}
    for item in fields:
        is_given = item.name.lower() in given
        _, value = given.pop(item.name.lower(), (item.name, None))
        where = f"{path}{item.name}"
        is_filled = not is_given and bool(item.extras.get("defaultValueExpression"))
        if value is None and item.mode == "REQUIRED" and not is_filled:
            raise RowError(where, f"Missing required field: {where}.")
        made[item.name] = _convert(item, value, where)
    for key, _ in given.values():
        raise RowError(f"{path}{key}", f"no such field: {path}{key}.")
    return made


def known_only(value: Any, fields: Iterable[Field]) -> Any:
    """Leave out of an object, or of those in an array, the members that no field declares (ignoreUnknownValues)."""
    if isinstance(value, list):
        return [known_only(part, fields) for part in value]
    if not isinstance(value, Mapping):
        return value
    known = {item.name.lower(): item for item in fields}
    return {
        key: known_only(part, known[str(key).lower()].fields) if known[str(key).lower()].fields else part
        for key, part in value.items()
        if str(key).lower() in known
    }


def _convert(item: Field, value: Any, where: str) -> Any:
    if item.is_repeated:
        if value is None:
            return []
        if not isinstance(value, list):
            raise RowError(
                where,
                "Array specified for non-repeated field."
                if isinstance(value, list)
                else f"{where} is repeated; give an array.",
            )
        return [_convert(item.element(), part, where) for part in value]
    if value is None:
        return None
    if item.type == "RECORD":
        return convert_row(value, item.fields, f"{where}.")
    if isinstance(value, list | dict) and item.type != "JSON":
        raise RowError(
            where,
            "This field is not a record." if isinstance(value, dict) else "Array specified for non-repeated field.",
        )
    try:
        return _READERS[item.type](value)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise RowError(where, f"Cannot convert value to {item.type.lower()} (bad value): {str(value)[:40]}") from error


def _integer(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    made = int(value)
    if not -(2**63) <= made < 2**63:
        raise ValueError(value)
    return made


def _boolean(value: Any) -> bool:
    text = str(value).lower()
    if text not in ("true", "false", "t", "f", "1", "0", "yes", "no"):
        raise ValueError(value)
    return text in ("true", "t", "1", "yes")


def _timestamp(value: Any) -> datetime.datetime:
    if isinstance(value, int | float) or re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", str(value)):
        micros = int(decimal.Decimal(str(value)) * 1_000_000)
        return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=micros)
    text = re.sub(r" ?(UTC|Z)$", "+00:00", str(value))
    made = datetime.datetime.fromisoformat(text)
    return made.astimezone(datetime.UTC) if made.tzinfo else made.replace(tzinfo=datetime.UTC)


def _datetime(value: Any) -> datetime.datetime:
    return datetime.datetime.fromisoformat(str(value)).replace(tzinfo=None)


def _numeric(value: Any) -> decimal.Decimal:
    made = decimal.Decimal(str(value))
    if not made.is_finite() or abs(made) >= decimal.Decimal(10) ** 29:
        raise ValueError(value)
    with decimal.localcontext(prec=60):
        return made.quantize(decimal.Decimal("1e-9"), decimal.ROUND_HALF_UP)


_READERS: dict[str, Callable[[Any], Any]] = {
    "INTEGER": _integer,
    "FLOAT": float,
    "BOOLEAN": _boolean,
    "STRING": lambda value: str(value) if not isinstance(value, bool) else str(value).lower(),
    "BYTES": lambda value: base64.b64decode(value, validate=True),
    "DATE": lambda value: datetime.date.fromisoformat(str(value)),
    "TIME": lambda value: datetime.time.fromisoformat(str(value)),
    "DATETIME": _datetime,
    "TIMESTAMP": _timestamp,
    "NUMERIC": _numeric,
    "BIGNUMERIC": bignumerics.text_of,
    "JSON": lambda value: (
        value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    ),
}


def detect(rows: Sequence[Mapping[str, Any]]) -> tuple[Field, ...]:
    """Give the fields that rows look like, in the order in which they first come (autodetect)."""
    columns: dict[str, list[Any]] = {}
    for row in rows:
        if not isinstance(row, Mapping):
            raise BigQueryError("invalid", "Error while reading data, error message: a line is no JSON object")
        for key, value in row.items():
            columns.setdefault(str(key), []).append(value)
    return tuple(_detect_one(name, values) for name, values in columns.items())


def _detect_one(name: str, values: list[Any]) -> Field:
    present = [value for value in values if value is not None]
    if any(isinstance(value, list) for value in present):
        inner = [part for value in present for part in (value if isinstance(value, list) else [value])]
        return replace(_detect_one(name, inner), mode="REPEATED")
    if any(isinstance(value, Mapping) for value in present):
        return Field(name, "RECORD", fields=detect([value for value in present if isinstance(value, Mapping)]))
    kinds = {_kind(value) for value in present}
    if kinds <= {"INTEGER", "FLOAT"} and kinds:
        return Field(name, "FLOAT" if "FLOAT" in kinds else "INTEGER")
    if kinds <= {"DATE", "TIMESTAMP"} and kinds:
        return Field(name, "TIMESTAMP" if "TIMESTAMP" in kinds else "DATE")
    return Field(name, kinds.pop() if len(kinds) == 1 else "STRING")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int | float):
        return "INTEGER" if isinstance(value, int) else "FLOAT"
    text = str(value)
    for pattern, kind in ((_DATE, "DATE"), (_MOMENT, "TIMESTAMP"), (_INTEGER, "INTEGER"), (_FLOAT, "FLOAT")):
        if pattern.fullmatch(text):
            return kind
    return "BOOLEAN" if text.lower() in ("true", "false") else "STRING"

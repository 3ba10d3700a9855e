"""Bound query parameters from live Python, NumPy and pandas values; nothing ever passes through text.

A value says its own BigQuery type. Where it cannot (None, an empty list) the name may declare one:
`{"ids:ARRAY<INT64>": []}`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from google.cloud import bigquery

from athena_lab.errors import Fault, InvalidError

Parameter = Any
"""A ScalarQueryParameter, ArrayQueryParameter or StructQueryParameter (the vendor's are untyped)."""

SCALAR_TYPES = frozenset(
    [
        "BOOL",
        "INT64",
        "FLOAT64",
        "NUMERIC",
        "BIGNUMERIC",
        "STRING",
        "BYTES",
        "DATE",
        "DATETIME",
        "TIME",
        "TIMESTAMP",
        "JSON",
        "GEOGRAPHY",
        "INTERVAL",
    ]
)
_DECLARED = re.compile(r"(?P<name>\w+)\s*:\s*(?P<type>[A-Za-z0-9_]+|ARRAY\s*<\s*(?P<item>[A-Za-z0-9]+)\s*>)$", re.I)
_NUMBERS = ("INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64")
"""From narrow to wide: a list of several of them is bound as the widest."""
_NUMPY_KINDS = {"b": "BOOL", "i": "INT64", "f": "FLOAT64", "M": "DATETIME", "S": "BYTES"}


class _UnknownType(Exception):  # noqa: N818 (never leaves this module)
    """The value does not say its type; the reason is the message."""


def bind(names: Iterable[str], values: Mapping[str, Any]) -> list[Parameter]:
    """Bind each name to its value; raise InvalidError with one fault for each that cannot be bound."""
    declared = {_split(key)[0]: (_split(key)[1], value) for key, value in values.items()}
    bound, faults = [], []
    for name in names:
        if name not in declared:
            message = (
                f"Cannot bind '@{name}': nothing has that name. Define `{name}` in a cell above, or pass --params."
            )
            faults.append(Fault(name, message))
            continue
        try:
            bound.append(parameter(name, declared[name][1], declared[name][0]))
        except (_UnknownType, ValueError, TypeError) as error:
            faults.append(Fault(name, f"Cannot bind '@{name}': {error}"))
    if faults:
        raise InvalidError(faults)
    return bound


def parameter(name: str | None, value: Any, declared: str | None = None) -> Parameter:
    """Make one parameter of a value, of the declared type (`INT64`, `ARRAY<DATE>`) if there is one."""
    if isinstance(value, bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter | bigquery.StructQueryParameter):
        return _renamed(value, name)
    if declared is not None:
        return _declared_parameter(name, value, declared)
    value, kind = _plain(value), _kind_of(value)
    if isinstance(value, Mapping):
        return bigquery.StructQueryParameter(name, *(parameter(str(key), item) for key, item in value.items()))
    if isinstance(value, list):
        return _array(name, value, kind)
    return bigquery.ScalarQueryParameter(name, kind or _scalar_type(value), value)


def _split(key: str) -> tuple[str, str | None]:
    match = _DECLARED.match(key)
    return (match["name"], match["type"].upper().replace(" ", "")) if match else (key, None)


def _renamed(value: Parameter, name: str | None) -> Parameter:
    resource = value.to_api_repr()
    resource.pop("name", None)
    return type(value).from_api_repr(resource | ({"name": name} if name else {}))


def _declared_parameter(name: str | None, value: Any, declared: str) -> Parameter:
    item = declared.removeprefix("ARRAY<").removesuffix(">")
    if item not in SCALAR_TYPES:
        raise _UnknownType(
            f"'{declared}' is no type that can be declared. Use one of {', '.join(sorted(SCALAR_TYPES))}."
        )
    value = _plain(value)
    if declared == item:
        return bigquery.ScalarQueryParameter(name, item, value)
    if not isinstance(value, list):
        raise _UnknownType(f"it is declared {declared} but is a {type(value).__name__}. Pass a list.")
    return bigquery.ArrayQueryParameter(name, item, [_plain(one) for one in value])


def _array(name: str | None, items: list[Any], kind: str | None) -> Parameter:
    items = [_plain(item) for item in items]
    if items and all(isinstance(item, Mapping) for item in items):
        return bigquery.ArrayQueryParameter(name, "STRUCT", [parameter(None, item) for item in items])
    if any(isinstance(item, list) for item in items):
        raise _UnknownType("BigQuery has no arrays of arrays. Pass a list of dicts that hold the inner lists.")
    types = {_scalar_type(item) for item in items if item is not None}
    if not types and kind is None:
        raise _UnknownType(
            f"an empty list does not say its type. Declare it: --params "
            f"'{{\"{name}:ARRAY<INT64>\": []}}', or use numpy.array([], dtype='int64')."
        )
    return bigquery.ArrayQueryParameter(name, _common_type(types) if types else kind, items)


def _common_type(types: set[str]) -> str:
    if len(types) == 1:
        return types.pop()
    if types <= set(_NUMBERS):
        return max(types, key=_NUMBERS.index)
    raise _UnknownType(f"its items have the types {', '.join(sorted(types))}. Give all items one type.")


def _kind_of(value: Any) -> str | None:
    """Tell the item type of a NumPy or pandas value from its dtype, which an empty one has too."""
    dtype = getattr(value, "dtype", None)
    kind = getattr(dtype, "kind", None)
    if kind == "M":
        has_zone = getattr(dtype, "tz", None) is not None
        is_date = str(dtype) == "datetime64[D]"
        return "TIMESTAMP" if has_zone else "DATE" if is_date else "DATETIME"
    if kind == "U" or str(dtype) in ("str", "string"):
        return "STRING"
    return _NUMPY_KINDS.get(str(kind))


def _plain(value: Any) -> Any:
    """Turn a NumPy, pandas, dataclass, enum or tuple value into the plain Python value it holds."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        return Decimal(value)  # beyond INT64, and JSON numbers of that size lose digits
    if value is None or type(value) in (bool, int, float, str, bytes, dict, list):
        return value
    if _is_missing(value):
        return None
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):
        return dict(value._asdict())
    if isinstance(value, set | frozenset):
        return sorted(value)
    return _plain_of_library(value)


def _plain_of_library(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        to_python = getattr(value, "to_pydatetime", None)  # pandas.Timestamp, with nanoseconds that BigQuery lacks
        return to_python(warn=False) if to_python else value
    if str(getattr(value, "dtype", "")).startswith("datetime64[") and hasattr(value, "astype"):
        return _plain_of_times(value)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return _plain(value.tolist())
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return list(value)
    return bytes(value) if isinstance(value, bytearray) else value


def _plain_of_times(value: Any) -> Any:
    """Nanoseconds become integers in `tolist`, so go through microseconds, BigQuery's own precision."""
    if getattr(value.dtype, "tz", None) is not None or hasattr(value, "array"):
        return [None if _is_missing(item) else item.to_pydatetime(warn=False) for item in value]
    is_date = str(value.dtype) == "datetime64[D]"
    return (value if is_date else value.astype("datetime64[us]")).tolist()


def _is_missing(value: Any) -> bool:
    """NaT and pandas.NA stand for NULL; a float NaN is a value of FLOAT64."""
    if type(value).__name__ in ("NaTType", "NAType"):
        return True
    return (
        str(getattr(value, "dtype", "")).startswith("datetime64")
        and not getattr(value, "shape", 1)
        and str(value) == "NaT"
    )


def _scalar_type(value: Any) -> str:
    if value is None:
        return "STRING"
    for types, name in _SCALARS:
        if isinstance(value, types):
            return name
    if isinstance(value, Decimal):
        return _decimal_type(value)
    if isinstance(value, dt.datetime):
        return "DATETIME" if value.tzinfo is None else "TIMESTAMP"
    if isinstance(value, dt.date):
        return "DATE"
    raise _UnknownType(f"a {type(value).__name__} has no type in BigQuery. Pass a number, text, date, list or dict.")


_SCALARS = ((bool, "BOOL"), (int, "INT64"), (float, "FLOAT64"), (str, "STRING"), (bytes, "BYTES"), (dt.time, "TIME"))


def _decimal_type(value: Decimal) -> str:
    """NUMERIC holds 29 digits before and 9 after the point, BIGNUMERIC 38 and 38 (BigQuery data types)."""
    if not value.is_finite():
        raise _UnknownType(f"NUMERIC has no '{value}'. Pass a float.")
    after = max(0, -int(value.as_tuple().exponent))
    before = max(0, math.floor(value.adjusted()) + 1) if value else 0
    if after <= 9 and before <= 29:
        return "NUMERIC"
    if after <= 38 and before <= 38:
        return "BIGNUMERIC"
    raise _UnknownType(f"{before} digits before and {after} after the point are more than BIGNUMERIC holds. Round it.")

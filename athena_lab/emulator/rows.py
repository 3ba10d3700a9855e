"""Rows of Arrow batches as the REST API's JSON: {"f": [{"v": ...}, ...]}."""

from __future__ import annotations

import base64
import datetime
import decimal
import math
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any

import pyarrow as pa

from athena_lab.emulator.types import Field, range_element

Encoder = Callable[[Any], Any]


class Timestamps(StrEnum):
    """How rows of JSON write a TIMESTAMP (formatOptions.timestampOutputFormat)."""

    FLOAT64 = "FLOAT64"
    """Seconds since 1970, in scientific notation."""
    INT64 = "INT64"
    """Whole microseconds since 1970."""
    ISO8601_STRING = "ISO8601_STRING"


def encode_rows(batch: pa.RecordBatch, fields: Sequence[Field], timestamps: Timestamps) -> Iterator[dict[str, Any]]:
    """Give a batch's rows."""
    columns = []
    for column, item in zip(batch.columns, fields, strict=True):
        encoder = _encoder(item, timestamps)
        columns.append([encoder(value) for value in column.to_pylist()])
    for values in zip(*columns, strict=True):
        yield {"f": [{"v": value} for value in values]}


def _encoder(item: Field, timestamps: Timestamps) -> Encoder:
    if item.is_repeated:
        element = _encoder(item.element(), timestamps)
        return lambda values: [{"v": element(value)} for value in values or ()]
    if item.type == "RECORD":
        inner = [(part.name, _encoder(part, timestamps)) for part in item.fields]
        return lambda value: None if value is None else {"f": [{"v": encode(value[name])} for name, encode in inner]}
    if item.type == "RANGE":
        bound = _encoder(Field(item.name, range_element(item)), timestamps)
        return lambda value: None if value is None else _range(bound(value["start"]), bound(value["end"]))
    if item.type == "TIMESTAMP":
        encode: Encoder = _MOMENTS[timestamps]
    else:
        encode = _ENCODERS.get(item.type, str)
    return lambda value: None if value is None else encode(value)


def _range(start: str | None, end: str | None) -> str:
    return f"[{'UNBOUNDED' if start is None else start}, {'UNBOUNDED' if end is None else end})"


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _microseconds(value: datetime.datetime) -> str:
    return str((value - _EPOCH) // datetime.timedelta(microseconds=1))


def _seconds(value: datetime.datetime) -> str:
    micros = decimal.Decimal(_microseconds(value)) / 1_000_000
    return f"{micros:.17E}" if micros else "0.0"


def _text(value: datetime.datetime) -> str:
    micros = f".{value.microsecond:06d}" if value.microsecond else ""
    return f"{value:%Y-%m-%dT%H:%M:%S}{micros}Z".rjust(20 + len(micros), "0")


_MOMENTS: dict[Timestamps, Encoder] = {
    Timestamps.FLOAT64: _seconds, Timestamps.INT64: _microseconds, Timestamps.ISO8601_STRING: _text,
}  # fmt: skip


def _float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def _numeric(value: decimal.Decimal) -> str:
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _interval(value: Any) -> str:
    years, months = int(value.months / 12), int(math.fmod(value.months, 12))
    total, sign = value.nanoseconds // 1000, ""
    if total < 0:
        total, sign = -total, "-"
    seconds, micros = divmod(total, 1_000_000)
    clock = f"{sign}{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}"
    start = f"{'-' if value.months < 0 else ''}{abs(years)}-{abs(months)}"
    return f"{start} {value.days} {clock}" + (f".{micros:06d}".rstrip("0") if micros else "")


_ENCODERS: dict[str, Encoder] = {
    "FLOAT": _float,
    "BOOLEAN": lambda value: "true" if value else "false",
    "BYTES": lambda value: base64.b64encode(value).decode(),
    "NUMERIC": _numeric,
    "BIGNUMERIC": _numeric,
    "DATETIME": lambda value: value.isoformat(),
    "DATE": lambda value: value.isoformat(),
    "TIME": lambda value: value.isoformat(),
    "INTERVAL": _interval,
}

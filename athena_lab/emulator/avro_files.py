"""Files of Avro: rows out of the warehouse, and rows on their way into it."""

from __future__ import annotations

import datetime
import io
import itertools
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path
from typing import Any, BinaryIO

import fastavro
import pyarrow as pa
import pyarrow.compute
from cramjam import DecompressionError
from fastavro.schema import SchemaParseException, expand_schema

from athena_lab.emulator import bignumerics
from athena_lab.emulator.avro_schema import kind_of, read_fields, written_schema
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.incoming import Incoming, unreadable
from athena_lab.emulator.results import Result
from athena_lab.emulator.rows import Timestamps, encode_rows
from athena_lab.emulator.types import Field, incoming_schema

Convert = Callable[[Any], Any]
_CODECS = {"NONE": "null", "DEFLATE": "deflate", "SNAPPY": "snappy"}
_PIECE_ROWS = 16_384
_TARGETS = ("NUMERIC", "BIGNUMERIC", "STRING")
_BROKEN = (
    ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, ArithmeticError, OSError, zlib.error,
    DecompressionError, SchemaParseException, fastavro.read.SchemaResolutionError,
)  # fmt: skip
"""What reading a damaged file raises: the format has no checksums, so that anything may be read from it."""
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


# -- writing


def write_avro(result: Result, extract: Mapping[str, Any]) -> bytes:
    """Give a file with a result's rows; `extract` says compression and useAvroLogicalTypes."""
    compression = str(extract.get("compression") or "NONE").upper()
    if compression not in _CODECS:
        raise BigQueryError("invalid", f"Compression {compression} cannot be used with Avro.")
    is_logical = bool(extract.get("useAvroLogicalTypes"))
    schema = fastavro.parse_schema(written_schema(result.fields, is_logical=is_logical))
    sink = io.BytesIO()
    try:
        fastavro.writer(sink, schema, _records(result, is_logical=is_logical), codec=_CODECS[compression])
    except (ValueError, OverflowError) as error:  # a number with more digits than its column says
        raise BigQueryError("invalid", f"Error while writing Avro: {error}") from error
    return sink.getvalue()


def _records(result: Result, *, is_logical: bool) -> Iterator[dict[str, Any]]:
    names = [item.name for item in result.fields]
    for batch in result.read(0, result.rows):
        for piece in (batch.slice(start, _PIECE_ROWS) for start in range(0, batch.num_rows, _PIECE_ROWS)):
            columns = [
                _values(column, item, is_logical) for column, item in zip(piece.columns, result.fields, strict=True)
            ]
            for row in zip(*columns, strict=True):
                yield dict(zip(names, row, strict=True))


def _values(column: pa.Array, item: Field, is_logical: bool) -> list[Any]:  # noqa: FBT001 (handed down)
    """Give a column's values as the writer takes them."""
    if item.is_repeated:
        values = iter(_values(column.flatten(), item.element(), is_logical))
        return [list(itertools.islice(values, count or 0)) for count in _lengths(column)]
    if item.type == "RECORD":
        names = [part.name for part in item.fields]
        parts = [_values(part, inner, is_logical) for part, inner in zip(column.flatten(), item.fields, strict=True)]
        made = (dict(zip(names, row, strict=True)) for row in zip(*parts, strict=True))
        return [row if there else None for row, there in zip(made, column.is_valid().to_pylist(), strict=True)]
    if item.type == "TIMESTAMP":
        found: list[Any] = column.cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
        return found
    if item.type == "INTERVAL":
        batch = pa.RecordBatch.from_arrays([column], names=[item.name])
        return [row["f"][0]["v"] for row in encode_rows(batch, (item,), Timestamps.INT64)]
    found = column.to_pylist()
    if item.type == "DATETIME" or (item.type in ("DATE", "TIME") and not is_logical):
        return [None if value is None else value.isoformat() for value in found]
    return found


def _lengths(column: pa.Array) -> list[int | None]:
    found: list[int | None] = pa.compute.list_value_length(column).to_pylist()
    return found


# -- reading


def read_avro(load: Mapping[str, Any], file: BinaryIO, known: tuple[Field, ...]) -> tuple[Incoming, tuple[Field, ...]]:
    """Give a file's rows and fields; `known` are those of the table, or those that the load job declares."""
    targets = [str(name).upper() for name in load.get("decimalTargetTypes") or ("NUMERIC",)]
    unknown = [name for name in targets if name not in _TARGETS]
    if unknown:
        raise BigQueryError("invalid", f"Invalid value for decimalTargetTypes: {unknown[0]}")
    try:
        schema: Any = expand_schema(fastavro.reader(file).writer_schema)
    except _BROKEN as error:
        raise unreadable("AVRO", error) from error
    is_logical = bool(load.get("useAvroLogicalTypes"))
    by_name = {item.name.lower(): item for item in known}
    fields = tuple(
        _chosen(item, by_name.get(item.name.lower()))
        for item in read_fields(schema, is_logical=is_logical, targets=targets)
        if item.name.lower() in by_name or not known or not load.get("ignoreUnknownValues")
    )
    kinds = {part["name"]: part["type"] for part in schema["fields"]}
    converters = [_converter(item, kinds[item.name]) for item in fields]
    arrow = incoming_schema(fields)

    def batches() -> Iterator[pa.RecordBatch]:
        file.seek(0)
        rows = _safely(iter(fastavro.reader(file)))
        while piece := list(itertools.islice(rows, _PIECE_ROWS)):
            columns = [
                pa.array([convert(row.get(item.name)) for row in piece], column.type)
                for item, convert, column in zip(fields, converters, arrow, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=arrow)

    return Incoming("AVRO", arrow, batches), fields


def _safely(rows: Iterator[Any]) -> Iterator[dict[str, Any]]:
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except _BROKEN as error:
            raise unreadable("AVRO", error) from error
        yield row


def join_avro(paths: Sequence[Path], whole: BinaryIO) -> None:
    """Put files together in one, with the schema of the last one, as BigQuery chooses it."""
    try:
        with paths[-1].open("rb") as file:
            schema = fastavro.reader(file).writer_schema
        fastavro.writer(whole, schema, itertools.chain.from_iterable(_rows_of(path, schema) for path in paths))
    except _BROKEN as error:
        raise unreadable("AVRO", error) from error


def _rows_of(path: Path, schema: Any) -> Iterator[Any]:
    with path.open("rb") as file:
        yield from fastavro.reader(file, reader_schema=schema)


def _chosen(found: Field, known: Field | None) -> Field:
    """Give the field that a column is read as: the table's where its type is that of the file, or holds it."""
    if known is None:
        return found
    if known.is_repeated != found.is_repeated or (found.type, known.type) not in _HELD | {(found.type, found.type)}:
        return found  # refused where it is compared with the table
    if found.type != "RECORD":
        return Field(found.name, known.type, known.mode, (), known.extras)
    parts = {part.name.lower(): part for part in known.fields}
    inner = tuple(_chosen(part, parts.get(part.name.lower())) for part in found.fields)
    return Field(found.name, "RECORD", known.mode, inner, known.extras)


_HELD = frozenset({
    ("STRING", "JSON"), ("INTEGER", "FLOAT"), ("INTEGER", "NUMERIC"), ("INTEGER", "BIGNUMERIC"),
    ("NUMERIC", "BIGNUMERIC"),
})  # fmt: skip
"""Types of a file, and wider ones of a column that take them."""


def _converter(item: Field, schema: Any) -> Convert:
    """Tell how a value of the reader's becomes one that Arrow takes for a field."""
    kind, _ = kind_of(item.name, schema)
    if kind["type"] == "array":
        inner = _converter(item.element(), kind["items"])
        return lambda value: [inner(part) for part in _elements(value, item.name)]
    if kind["type"] == "map":
        convert = _converter(item.fields[1], kind["values"]) if len(item.fields) > 1 else _itself
        return lambda value: [{"key": key, "value": convert(part)} for key, part in (value or {}).items()]
    if kind["type"] == "record":
        kinds = {part["name"]: part["type"] for part in kind["fields"]}
        parts = [(part.name, _converter(part, kinds[part.name])) for part in item.fields]
        return lambda value: None if value is None else {name: convert(value.get(name)) for name, convert in parts}
    leaf = _LEAVES.get(item.type, _itself)
    if item.type == "INTEGER" and kind.get("logicalType") in _WHOLE:
        leaf = _WHOLE[kind["logicalType"]]
    return lambda value: None if value is None else leaf(value)


def _elements(value: Any, name: str) -> Iterator[Any]:
    for part in value or ():
        if part is None:
            raise BigQueryError("invalid", f"Error while reading data, error message: array '{name}' holds a NULL.")
        yield part


def _itself(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _numeric(value: Any) -> Decimal:
    with localcontext(prec=90):
        return Decimal(value).quantize(Decimal("1e-9"), ROUND_HALF_UP)


def _micros(value: datetime.datetime) -> int:
    return (value - (_EPOCH if value.tzinfo else _EPOCH.replace(tzinfo=None))) // datetime.timedelta(microseconds=1)


def _of_day(value: datetime.time) -> int:
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond


_LEAVES: Mapping[str, Convert] = {
    "STRING": _text, "FLOAT": float, "NUMERIC": _numeric, "BIGNUMERIC": lambda value: bignumerics.text_of(str(value)),
}  # fmt: skip
_WHOLE: Mapping[str, Convert] = {
    "date": lambda value: (value - _EPOCH.date()).days,
    "time-millis": lambda value: _of_day(value) // 1000,
    "time-micros": _of_day,
    "timestamp-millis": lambda value: _micros(value) // 1000,
    "timestamp-micros": _micros,
    "local-timestamp-millis": lambda value: _micros(value) // 1000,
    "local-timestamp-micros": _micros,
}
"""The number behind a date or a moment, for whom useAvroLogicalTypes is not said."""

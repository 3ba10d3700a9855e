"""Rows of the Storage Write API as Arrow tables: from Arrow batches, or protocol buffers with their descriptor."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.incoming import for_duckdb
from athena_lab.emulator.json_rows import RowError, convert_row
from athena_lab.emulator.types import Field, incoming_schema

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_SCALES = {"NUMERIC": 9, "BIGNUMERIC": 38}


class BadRowsError(Exception):
    """Rows that do not fit: index and what is wrong, for each."""

    def __init__(self, errors: list[tuple[int, str]]) -> None:
        self.errors = errors
        super().__init__(f"{len(errors)} rows do not fit the table")


def from_arrow(schema: bytes, batch: bytes, fields: tuple[Field, ...]) -> pa.Table:
    """Read a record batch; refuse columns that the table has not."""
    try:
        read = pa.ipc.read_schema(pa.py_buffer(schema))
        rows = pa.ipc.read_record_batch(pa.py_buffer(batch), read)
    except (pa.ArrowInvalid, OSError) as error:
        raise BigQueryError("invalid", "The Arrow rows cannot be read: the schema or the batch is broken.") from error
    known = {item.name.lower(): item for item in fields}
    unknown = [name for name in rows.schema.names if name.lower() not in known]
    if unknown:
        raise BigQueryError("invalid", f"The Arrow schema has a field that the table has not: {unknown[0]}.")
    items = [known[name.lower()] for name in rows.schema.names]
    columns = [for_duckdb(column, item) for column, item in zip(rows.columns, items, strict=True)]
    return pa.table(dict(zip((item.name for item in items), columns, strict=True)))


class ProtoRows:
    """Reads rows of one writer's descriptor."""

    def __init__(self, descriptor: Any, fields: tuple[Field, ...]) -> None:
        made = descriptor_pb2.DescriptorProto.FromString(descriptor)
        file = descriptor_pb2.FileDescriptorProto(name="writer.proto", package="writer", syntax="proto2")
        file.message_type.append(made)
        pool = descriptor_pool.DescriptorPool()
        try:
            pool.Add(file)
            found = pool.FindMessageTypeByName(f"writer.{made.name}")
        except (TypeError, KeyError) as error:
            raise BigQueryError("invalid", "The descriptor of the rows is not self-contained.") from error
        known = {item.name.lower() for item in fields}
        unknown = [item.name for item in found.fields if item.name.lower() not in known]
        if unknown:
            raise BigQueryError("invalid", f"The proto schema has a field that the table has not: {unknown[0]}.")
        self._message, self._fields = message_factory.GetMessageClass(found), fields

    def table(self, rows: Iterable[bytes]) -> pa.Table:
        """Read serialised rows; refuse all if some do not fit."""
        made: list[dict[str, Any]] = []
        errors: list[tuple[int, str]] = []
        for index, data in enumerate(rows):
            try:
                made.append(convert_row(_row(self._message.FromString(data), self._fields), self._fields))
            except (DecodeError, RowError, ValueError) as error:
                errors.append((index, str(error)))
        if errors:
            raise BadRowsError(errors)
        return pa.Table.from_pylist(made, schema=incoming_schema(self._fields))


def _row(message: Any, fields: tuple[Field, ...]) -> dict[str, Any]:
    """Give a message as the JSON of insertAll."""
    known = {item.name.lower(): item for item in fields}
    made: dict[str, Any] = {}
    for descriptor in message.DESCRIPTOR.fields:
        item = known.get(descriptor.name.lower())
        if item is None:
            raise RowError(descriptor.name, f"no such field: {descriptor.name}.")
        value = getattr(message, descriptor.name)
        if item.is_repeated:
            element = item.element()
            made[item.name] = [_value(element, part, descriptor) for part in value]
        elif descriptor.has_presence and not message.HasField(descriptor.name):
            made[item.name] = None
        else:
            made[item.name] = _value(item, value, descriptor)
    return made


def _value(item: Field, value: Any, descriptor: Any) -> Any:
    if item.type == "RECORD":
        return _row(value, item.fields)
    if descriptor.enum_type is not None and item.type == "STRING":
        return descriptor.enum_type.values_by_number[value].name
    reader = _READERS.get((item.type, type(value)))
    return value if reader is None else reader(item, value)


def _date(item: Field, value: int) -> str:
    del item
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=value)).isoformat()


def _timestamp(item: Field, value: int) -> str:
    del item
    return (_EPOCH + datetime.timedelta(microseconds=value)).isoformat()


def _packed_time(value: int) -> datetime.time:
    """Take apart ZetaSQL's encoding: hour, minute, second and microsecond in bit fields."""
    seconds = value >> 20
    return datetime.time((seconds >> 12) & 31, (seconds >> 6) & 63, seconds & 63, value & 0xFFFFF)


def _time(item: Field, value: int) -> str:
    del item
    return _packed_time(value).isoformat()


def _datetime(item: Field, value: int) -> str:
    del item
    date = value >> 37
    day = datetime.date(date >> 9, (date >> 5) & 15, date & 31)
    return datetime.datetime.combine(day, _packed_time(value & (2**37 - 1))).isoformat()


def _decimal(item: Field, value: bytes) -> str:
    scale = _SCALES[item.type]
    number = int.from_bytes(value, "little", signed=True)
    sign, digits = "-" if number < 0 else "", f"{abs(number):0{scale + 1}d}"
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def _bytes(item: Field, value: bytes) -> str:
    del item
    return base64.b64encode(value).decode()


_READERS: dict[tuple[str, type], Callable[[Field, Any], Any]] = {
    ("DATE", int): _date,
    ("TIMESTAMP", int): _timestamp,
    ("TIME", int): _time,
    ("DATETIME", int): _datetime,
    ("NUMERIC", bytes): _decimal,
    ("BIGNUMERIC", bytes): _decimal,
    ("BYTES", bytes): _bytes,
}

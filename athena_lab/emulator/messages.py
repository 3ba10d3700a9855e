"""Rows as the very bytes of ReadRows' answers: one copy from Arrow's buffers to the wire.

The vendor's classes would copy a message three times on its way. The wire format is protocol buffers'
(https://protobuf.dev/programming-guides/encoding/) of ReadRowsResponse in bigquery/storage/v1/storage.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from athena_lab.emulator.packing import pack

_MESSAGE_BYTES = 8 * 1024**2
_LENGTH_DELIMITED = 2
_RECORD_BATCH, _ROW_COUNT, _SCHEMA = 4, 6, 8
"""Fields of ReadRowsResponse; in the messages within, the serialised value is field 1."""
_BATCH_ROW_COUNT = 2
"""Of the record batch: deprecated, but older clients read it."""


class Piece:
    """Some rows as the answer that carries them; the compressed form is made when first asked for, and kept."""

    __slots__ = ("_body", "_packed", "_plain", "rows")

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.rows = batch.num_rows
        self._plain, self._body = _answer([batch.serialize()], batch.num_rows)
        self._packed: bytes | None = None

    @property
    def held_bytes(self) -> int:
        """Give how much memory the piece takes."""
        return len(self._plain) + len(self._packed or b"")

    def answer(self, schema: pa.Schema, *, is_compressed: bool) -> bytes:
        """Give the answer with these rows."""
        if not is_compressed:
            return self._plain
        if self._packed is None:
            self._packed = _answer(pack(self.batch(schema), self._message), self.rows)[0]
        return self._packed

    def batch(self, schema: pa.Schema) -> pa.RecordBatch:
        """Give the rows; they are read where they are."""
        return pa.ipc.read_record_batch(pa.py_buffer(self._message), schema)

    @property
    def _message(self) -> memoryview:
        """The record batch as it is without compression."""
        return memoryview(self._plain)[self._body]


def pieces_of(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch into pieces of about the same size, 8 MiB at most: a client is slowed by many small ones."""
    count = max(1, min(batch.num_rows, -(-batch.nbytes // _MESSAGE_BYTES)))
    size = -(-batch.num_rows // count)
    for start in range(0, batch.num_rows, max(1, size)):
        yield batch.slice(start, size)


def encode(batch: pa.RecordBatch, *, is_compressed: bool) -> bytes:
    """Give the answer that carries a batch; with LZ4, where it gains, if asked."""
    plain = batch.serialize()
    return _answer(pack(batch, plain) if is_compressed else [plain], batch.num_rows)[0]


def encode_schema(schema: pa.Schema) -> bytes:
    """Give the field of an answer that carries the schema; appended to an answer it becomes part of it."""
    value = schema.serialize()
    inner = _head(1, len(value))
    return b"".join((_head(_SCHEMA, len(inner) + len(value)), inner, value))


def _answer(body: Sequence[Any], rows: int) -> tuple[bytes, slice]:
    """Give an answer, and where in it the record batch lies, whose parts (of bytes) are given."""
    size = sum(len(part) for part in body)
    inner, count = _head(1, size), _varint(_BATCH_ROW_COUNT << 3) + _varint(rows)
    outer = _head(_RECORD_BATCH, len(inner) + size + len(count))
    start = len(outer) + len(inner)
    whole = b"".join((outer, inner, *body, count, _varint(_ROW_COUNT << 3), _varint(rows)))
    return whole, slice(start, start + size)


def _head(number: int, size: int) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(size)


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)

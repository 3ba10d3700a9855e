"""Record batches in which LZ4 packs only the buffers that gain by it.

A reader needs longer to unpack numbers that hardly shrink than to receive them as they are. Arrow's format lets each
buffer say whether it is packed (https://arrow.apache.org/docs/format/Columnar.html#compression); its writer in Python
packs all or none. The metadata's layout is FlatBuffers' (https://flatbuffers.dev/internals/) of Arrow's Message.fbs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pyarrow as pa

_SAMPLE_BYTES = 32 * 1024
_WORTH = 0.5
"""A buffer is packed if its sample becomes smaller than this share."""
_AS_IT_IS = struct.pack("<q", -1)
_ALIGNMENT = 8
_PACKED = pa.ipc.IpcWriteOptions(compression="lz4")
_HEADER, _BODY_LENGTH = 2, 3
"""Fields of Message."""
_LENGTH, _NODES, _BUFFERS = 0, 1, 2
"""Fields of RecordBatch."""
_PAIR = 16
"""Bytes of an element of both vectors: two 64-bit integers each."""


def pack(batch: pa.RecordBatch, plain: pa.Buffer | memoryview) -> list[bytes | memoryview]:
    """Give the parts of the encapsulated message with a batch, of which `plain` is the unpacked form.

    A batch without rows is given unpacked: there is nothing to gain.
    """
    if not batch.num_rows:
        return [memoryview(plain)]
    source = _Message.of(memoryview(plain).cast("B"))
    body: list[bytes | memoryview] = []
    places = bytearray()
    end = 0
    for offset, length in source.pairs(_BUFFERS):
        parts = _packed_buffer(source.body[offset : offset + length])
        size = sum(len(part) for part in parts)
        places += struct.pack("<qq", end, size)
        padding = -size % _ALIGNMENT
        body += [*parts, bytes(padding)]
        end += size + padding
    form = _form(batch)
    form.put_vector(_NODES, source.vector(_NODES))
    form.put_vector(_BUFFERS, places)
    form.put_length(form.record_batch, _LENGTH, batch.num_rows)
    form.put_length(form.message, _BODY_LENGTH, end)
    return [bytes(form.head), *body]


def _packed_buffer(values: memoryview) -> list[bytes | memoryview]:
    """Give a buffer's parts: its unpacked length and the packed values, or -1 and the values as they are."""
    if not values:
        return []
    sample = values[:_SAMPLE_BYTES]
    if len(pa.compress(sample, codec="lz4", asbytes=True)) >= _WORTH * len(sample):
        return [_AS_IT_IS, values]
    return [struct.pack("<q", len(values)), pa.compress(values, codec="lz4", asbytes=True)]


def _form(batch: pa.RecordBatch) -> _Message:
    """Give the head of a message that says its buffers may be packed; its numbers are those of one row."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_PACKED) as writer:
        writer.write_batch(batch.slice(0, 1))
    start = len(batch.schema.serialize())
    return _Message.of(memoryview(bytearray(memoryview(sink.getvalue()).cast("B")[start:])))


@dataclass(frozen=True, slots=True)
class _Message:
    """An encapsulated message: where its tables are in the head, and the body behind it."""

    head: memoryview
    body: memoryview
    message: int
    record_batch: int

    @classmethod
    def of(cls, whole: memoryview) -> _Message:
        (size,) = struct.unpack_from("<i", whole, 4)  # behind the continuation marker
        head, body = whole[: 8 + size], whole[8 + size :]
        message = 8 + struct.unpack_from("<I", head, 8)[0]
        at = _field(head, message, _HEADER)
        return cls(head, body, message, at + struct.unpack_from("<I", head, at)[0])

    def vector(self, field: int) -> memoryview:
        """Give the elements of a vector of pairs."""
        at = _field(self.head, self.record_batch, field)
        start = at + struct.unpack_from("<I", self.head, at)[0]
        (count,) = struct.unpack_from("<I", self.head, start)
        return self.head[start + 4 : start + 4 + count * _PAIR]

    def pairs(self, field: int) -> list[tuple[int, int]]:
        return list(struct.iter_unpack("<qq", self.vector(field)))

    def put_vector(self, field: int, elements: bytes | bytearray | memoryview) -> None:
        self.vector(field)[:] = elements

    def put_length(self, table: int, field: int, value: int) -> None:
        struct.pack_into("<q", self.head, _field(self.head, table, field), value)


def _field(head: memoryview, table: int, number: int) -> int:
    """Find a field that a table has; the vtable lies before it."""
    vtable = table - struct.unpack_from("<i", head, table)[0]
    (offset,) = struct.unpack_from("<H", head, vtable + 4 + 2 * number)
    if not offset:
        raise ValueError(f"a record batch without its field {number}")
    return int(table + offset)

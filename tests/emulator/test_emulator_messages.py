"""Answers of ReadRows as we encode them: the vendor's own classes read the same rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from google.cloud.bigquery_storage_v1 import types

from athena_lab.emulator.growing import GrowingResult
from athena_lab.emulator.messages import encode, encode_schema, pieces_of
from athena_lab.emulator.packing import pack
from athena_lab.emulator.types import Field

STRUCT = pa.struct([("a", pa.int64()), ("b", pa.string())])


def batch_of(rows: int) -> pa.RecordBatch:
    names = [None if number % 5 == 0 else f"name {number}" for number in range(rows)]
    arrays = [pa.array(range(rows), pa.int64()), pa.array(names, pa.string())]
    return pa.RecordBatch.from_arrays(arrays, names=["id", "name"])


def read(answer: bytes, schema: pa.Schema) -> pa.RecordBatch:
    message = types.ReadRowsResponse.deserialize(answer)
    batch = pa.ipc.read_record_batch(pa.py_buffer(message.arrow_record_batch.serialized_record_batch), schema)
    assert message.row_count == message.arrow_record_batch.row_count == batch.num_rows
    return batch


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 127, 128, 50_000])
def test_answer_is_what_the_vendor_reads(rows: int, is_compressed: bool) -> None:
    batch = batch_of(rows)
    answer = encode(batch, is_compressed=is_compressed)
    assert read(answer, batch.schema).equals(batch)
    whole = types.ReadRowsResponse.deserialize(answer + encode_schema(batch.schema))
    assert pa.ipc.read_schema(pa.py_buffer(whole.arrow_schema.serialized_schema)).equals(batch.schema)
    assert read(answer + encode_schema(batch.schema), batch.schema).equals(batch)


def test_compressed_answer_is_smaller() -> None:
    batch = batch_of(50_000)
    assert len(encode(batch, is_compressed=True)) < 0.8 * len(encode(batch, is_compressed=False))


def test_batch_of_every_kind_of_column_is_packed_and_read_again() -> None:
    count = 5_000
    numbers = range(count)
    columns = {
        "random": pa.array([hash((number, 7)) for number in numbers], pa.int64()),
        "same": pa.array([7] * count, pa.int64()),
        "sparse": pa.array([number if number % 3 else None for number in numbers], pa.float64()),
        "nothing": pa.array([None] * count, pa.string()),
        "flags": pa.array([number % 2 == 0 for number in numbers]),
        "money": pa.array([Decimal(number) / 8 for number in numbers], pa.decimal128(38, 9)),
        "lists": pa.array([["é" * (number % 3)] * (number % 4) for number in numbers], pa.list_(pa.string())),
        "structs": pa.array([{"a": number, "b": None} if number % 2 else None for number in numbers], STRUCT),
    }
    whole = pa.RecordBatch.from_pydict(columns)
    for batch in (whole, whole.slice(17, 4_001), whole.slice(3, 1)):
        found = pa.ipc.read_record_batch(pa.py_buffer(b"".join(pack(batch, batch.serialize()))), batch.schema)
        found.validate(full=True)
        assert found.equals(batch)


def test_numbers_that_hardly_shrink_are_sent_as_they_are() -> None:
    batch = pa.RecordBatch.from_pydict({"id": pa.array(range(50_000), pa.int64())})
    plain = batch.serialize()
    packed = b"".join(pack(batch, plain))
    assert len(packed) >= len(plain)
    assert pa.ipc.read_record_batch(pa.py_buffer(packed), batch.schema).equals(batch)


def test_streams_begin_where_pieces_do_once_all_are_there() -> None:
    result = GrowingResult(
        (Field("id", "INTEGER"), Field("name", "STRING")), 300, 1, lambda: iter([batch_of(100), batch_of(200)])
    )
    list(result.answers(0, 300, is_compressed=False))
    assert [result.start_near(row) for row in (0, 49, 51, 120, 290)] == [0, 0, 100, 100, 100]


def test_pieces_are_all_rows_in_order_and_none_is_large() -> None:
    batch = batch_of(500_000)
    pieces = list(pieces_of(batch))
    assert len(pieces) > 1
    assert pa.Table.from_batches(pieces).equals(pa.Table.from_batches([batch]))
    assert all(piece.nbytes <= 8.8 * 1024**2 for piece in pieces)
    assert not list(pieces_of(batch.slice(0, 0)))


@pytest.mark.parametrize("is_compressed", [False, True])
def test_any_range_of_a_growing_result_is_read(is_compressed: bool) -> None:
    batches = [batch_of(300_000), batch_of(0), batch_of(10)]
    fields = (Field("id", "INTEGER"), Field("name", "STRING"))
    result = GrowingResult(fields, 300_010, 1, lambda: iter(batches))
    whole = pa.Table.from_batches(batches)
    for start, count in ((0, 300_010), (1, 7), (299_999, 11), (150_000, 100_000), (300_010, 1)):
        answers = [read(answer, result.schema) for answer in result.answers(start, count, is_compressed=is_compressed)]
        found = pa.Table.from_batches(answers, schema=result.schema)
        assert found.to_pydict() == whole.slice(start, count).to_pydict()


def test_result_that_cannot_be_fetched_says_so() -> None:
    def fetch() -> Any:
        yield batch_of(3)
        raise ValueError("gone")

    result = GrowingResult((Field("id", "INTEGER"), Field("name", "STRING")), 10, 1, fetch)
    with pytest.raises(ValueError, match="gone"):
        list(result.answers(0, 10, is_compressed=False))
    assert result.is_broken

"""Answers of ReadRows as we encode them: the vendor's own classes read the same rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from google.cloud.bigquery_storage_v1 import types

from athena_lab.emulator.growing import GrowingResult
from athena_lab.emulator.messages import encode, encode_schema, pieces_of
from athena_lab.emulator.types import Field


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


def test_pieces_are_all_rows_in_order_and_none_is_large() -> None:
    batch = batch_of(400_000)
    pieces = list(pieces_of(batch))
    assert pa.Table.from_batches(pieces).equals(pa.Table.from_batches([batch]))
    assert all(piece.nbytes <= 2.2 * 1024**2 for piece in pieces)
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

"""Answers of ReadRows are the vendor's in everything that a reader asks of them, without its copies."""

import pyarrow as pa
import pytest
from google.cloud.bigquery_storage_v1 import reader, types
from google.protobuf.message import DecodeError

from athena_lab.warehouse.read_answers import RowsAnswer

BATCH = pa.RecordBatch.from_pydict({"id": list(range(1000)), "name": [f"customer {number}" for number in range(1000)]})
ROWS = types.ArrowRecordBatch(serialized_record_batch=BATCH.serialize().to_pybytes(), row_count=BATCH.num_rows)
SCHEMA = types.ArrowSchema(serialized_schema=BATCH.schema.serialize().to_pybytes())


def message(**fields):
    return types.ReadRowsResponse.serialize(types.ReadRowsResponse(fields))


def test_rows_are_read_where_the_message_is():
    whole = message(arrow_record_batch=ROWS, row_count=1000)
    rows = RowsAnswer(whole).arrow_record_batch.serialized_record_batch
    assert rows.obj is whole
    assert rows == ROWS.serialized_record_batch


@pytest.mark.parametrize(
    "fields",
    [
        {"arrow_record_batch": ROWS, "row_count": 1000},
        {"arrow_record_batch": ROWS, "row_count": 1000, "arrow_schema": SCHEMA, "uncompressed_byte_size": 12},
        {"arrow_record_batch": ROWS, "row_count": 1000, "throttle_state": {"throttle_percent": 7}},
        {"arrow_record_batch": ROWS, "row_count": 1000, "stats": {"progress": {"at_response_end": 0.5}}},
        {"arrow_record_batch": ROWS},
        {"arrow_schema": SCHEMA},
        {"avro_rows": {"serialized_binary_rows": b"rows", "row_count": 3}, "row_count": 3},
        {},
    ],
)
def test_every_field_is_what_the_vendors_class_reads(fields):
    whole = message(**fields)
    mine, wanted = RowsAnswer(whole), types.ReadRowsResponse.deserialize(whole)
    assert mine.row_count == wanted.row_count
    assert mine.arrow_record_batch.serialized_record_batch == wanted.arrow_record_batch.serialized_record_batch
    for name in ("arrow_schema", "avro_rows", "throttle_state", "stats", "uncompressed_byte_size"):
        assert getattr(mine, name) == getattr(wanted, name)
    assert mine._pb.WhichOneof("schema") == wanted._pb.WhichOneof("schema")
    with pytest.raises(AttributeError, match="no_such_field"):
        mine.no_such_field  # noqa: B018 (the look itself is what is tried)


def test_fields_may_come_in_any_order_and_more_than_once():
    first, second = message(arrow_record_batch=ROWS, row_count=1), message(arrow_record_batch=ROWS, row_count=1000)
    for whole in (message(row_count=1000) + message(arrow_record_batch=ROWS), first + second):
        mine, wanted = RowsAnswer(whole), types.ReadRowsResponse.deserialize(whole)
        assert (mine.row_count, mine.arrow_record_batch.serialized_record_batch) == (
            wanted.row_count,
            wanted.arrow_record_batch.serialized_record_batch,
        )


@pytest.mark.parametrize("end", [1, 3, 500, -1])
def test_torn_message_is_refused_as_the_vendors_class_refuses_it(end):
    whole = message(arrow_record_batch=ROWS, row_count=1000)[:end]
    with pytest.raises(DecodeError):
        types.ReadRowsResponse.deserialize(whole)
    with pytest.raises(DecodeError):
        RowsAnswer(whole)


@pytest.mark.filterwarnings("ignore:Retrieving .* via google-cloud-bigquery:PendingDeprecationWarning")
def test_vendors_reader_makes_the_same_batches_of_it():
    whole = message(arrow_record_batch=ROWS, row_count=1000, arrow_schema=SCHEMA)
    (page,) = reader.ReadRowsIterable([RowsAnswer(whole)]).pages
    assert page.num_items == 1000
    assert page.to_arrow().equals(BATCH)

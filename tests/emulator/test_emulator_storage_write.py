"""The Storage Write API with Google's own client: types of streams, exact offsets, both kinds of rows."""

from __future__ import annotations

import datetime
from typing import Any

import grpc
import pyarrow as pa
import pytest
from google.api_core.exceptions import GoogleAPICallError, InvalidArgument, NotFound
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient, types
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

ALREADY_EXISTS, OUT_OF_RANGE, INVALID_ARGUMENT = 6, 11, 3
KIND = types.WriteStream.Type
SCHEMA = pa.schema([("id", pa.int64()), ("word", pa.string())])


class StreamToken(grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Sends the token with each call."""

    def __init__(self, token: str) -> None:
        self._token = token

    def _details(self, details: Any) -> Any:
        metadata = [*(details.metadata or ()), ("authorization", f"Bearer {self._token}")]
        return details._replace(metadata=metadata)

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._details(details), request)

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(self._details(details), requests)


def write_client(emulator: Any, user: str = "ada", **claims: Any) -> BigQueryWriteClient:
    channel = grpc.insecure_channel(emulator.grpc_address)
    emulator.closing.append(channel.close)
    intercepted = grpc.intercept_channel(channel, StreamToken(emulator.keys.token(user, **claims)))
    return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=intercepted))


@pytest.fixture(scope="module")
def writer(emulator: Any) -> BigQueryWriteClient:
    return write_client(emulator)


@pytest.fixture
def table(bq: bigquery.Client, dataset: str) -> str:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t (id INT64, word STRING)")
    return f"projects/athena/datasets/{dataset}/tables/t"


def arrow_request(stream: str, rows: list[tuple[int, str]], offset: int | None = None) -> Any:
    batch = pa.RecordBatch.from_pylist([{"id": number, "word": word} for number, word in rows], schema=SCHEMA)
    request = types.AppendRowsRequest(write_stream=stream)
    request.arrow_rows.writer_schema.serialized_schema = SCHEMA.serialize().to_pybytes()
    request.arrow_rows.rows.serialized_record_batch = batch.serialize().to_pybytes()
    if offset is not None:
        request.offset = offset
    return request


def append(writer: BigQueryWriteClient, *requests: Any) -> list[Any]:
    return list(writer.append_rows(iter(requests)))


def create(writer: BigQueryWriteClient, table: str, kind: Any) -> str:
    return writer.create_write_stream(parent=table, write_stream=types.WriteStream(type_=kind)).name


def stored(bq: bigquery.Client, dataset: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in bq.query_and_wait(f"SELECT * FROM {dataset}.t ORDER BY 1")]


def test_the_default_stream_appends_at_once_and_takes_no_offset(
    writer: BigQueryWriteClient, table: str, bq: bigquery.Client, dataset: str
) -> None:
    first, second, third = append(
        writer,
        arrow_request(f"{table}/streams/_default", [(1, "one")]),
        arrow_request(f"{table}/streams/_default", [(2, "two")], 0),
        arrow_request(f"{table}/_default", [(3, "three")]),
    )
    assert first.error.code == third.error.code == 0
    assert second.error.code == INVALID_ARGUMENT
    assert stored(bq, dataset) == [(1, "one"), (3, "three")]


def test_a_committed_streams_offsets_are_exact(
    writer: BigQueryWriteClient, table: str, bq: bigquery.Client, dataset: str
) -> None:
    stream = create(writer, table, KIND.COMMITTED)
    answers = append(
        writer,
        arrow_request(stream, [(1, "a"), (2, "b")], 0),
        arrow_request(stream, [(1, "a"), (2, "b")], 0),
        arrow_request(stream, [(9, "x")], 5),
        arrow_request(stream, [(3, "c")], 2),
        arrow_request(stream, [(4, "d")]),
    )
    assert [answer.error.code for answer in answers] == [0, ALREADY_EXISTS, OUT_OF_RANGE, 0, 0]
    assert [int(answers[index].append_result.offset) for index in (0, 3, 4)] == [0, 2, 3]
    assert writer.finalize_write_stream(name=stream).row_count == 4
    assert append(writer, arrow_request(stream, [(5, "e")], 4))[0].error.code == INVALID_ARGUMENT
    assert [row[0] for row in stored(bq, dataset)] == [1, 2, 3, 4]


def test_pending_streams_are_committed_together_once_they_are_finalized(
    writer: BigQueryWriteClient, table: str, bq: bigquery.Client, dataset: str
) -> None:
    streams = [create(writer, table, KIND.PENDING) for _ in range(2)]
    for number, stream in enumerate(streams):
        append(writer, arrow_request(stream, [(number, "p")], 0))
    commit = types.BatchCommitWriteStreamsRequest(parent=table, write_streams=streams)
    refused = writer.batch_commit_write_streams(commit)
    assert [error.code.name for error in refused.stream_errors] == ["INVALID_STREAM_STATE"] * 2
    assert stored(bq, dataset) == []
    for stream in streams:
        writer.finalize_write_stream(name=stream)
    assert writer.batch_commit_write_streams(commit).commit_time is not None
    assert stored(bq, dataset) == [(0, "p"), (1, "p")]
    again = writer.batch_commit_write_streams(commit)
    assert [error.code.name for error in again.stream_errors] == ["STREAM_ALREADY_COMMITTED"] * 2
    assert len(stored(bq, dataset)) == 2


def test_a_buffered_stream_shows_what_is_flushed(
    writer: BigQueryWriteClient, table: str, bq: bigquery.Client, dataset: str
) -> None:
    stream = create(writer, table, KIND.BUFFERED)
    append(writer, arrow_request(stream, [(1, "a"), (2, "b"), (3, "c")], 0))
    assert stored(bq, dataset) == []
    assert writer.flush_rows(types.FlushRowsRequest(write_stream=stream, offset=1)).offset == 1
    assert [row[0] for row in stored(bq, dataset)] == [1, 2]
    with pytest.raises(GoogleAPICallError):
        writer.flush_rows(types.FlushRowsRequest(write_stream=stream, offset=3))
    writer.flush_rows(types.FlushRowsRequest(write_stream=stream, offset=2))
    assert [row[0] for row in stored(bq, dataset)] == [1, 2, 3]


def proto_class(name: str, fields: list[tuple[str, int, bool]]) -> tuple[Any, Any]:
    made = descriptor_pb2.DescriptorProto(name=name)
    for number, (field, kind, repeated) in enumerate(fields, start=1):
        made.field.add(name=field, number=number, type=kind, label=3 if repeated else 1)
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package="test", syntax="proto2")
    file.message_type.append(made)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return made, message_factory.GetMessageClass(pool.FindMessageTypeByName(f"test.{name}"))


INT64, STRING, INT32, BYTES, DOUBLE = 3, 9, 5, 12, 1


def proto_request(stream: str, descriptor: Any, rows: list[Any]) -> Any:
    request = types.AppendRowsRequest(write_stream=stream)
    request.proto_rows = types.AppendRowsRequest.ProtoData(
        writer_schema=types.ProtoSchema(proto_descriptor=descriptor),
        rows=types.ProtoRows(serialized_rows=[row.SerializeToString() for row in rows]),
    )
    return request


def test_protocol_buffer_rows_keep_their_types(writer: BigQueryWriteClient, bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(
        f"CREATE TABLE {dataset}.t (id INT64 NOT NULL, day DATE, at TIMESTAMP, price NUMERIC, raw BYTES,"
        " tags ARRAY<STRING>, score FLOAT64)"
    )
    descriptor, row = proto_class(
        "Row",
        [("id", INT64, False), ("day", INT32, False), ("at", INT64, False), ("price", STRING, False),
         ("raw", BYTES, False), ("tags", STRING, True), ("score", DOUBLE, False)],
    )  # fmt: skip
    stream = f"projects/athena/datasets/{dataset}/tables/t/streams/_default"
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, datetime.UTC)
    micros = (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)
    rows = [row(id=1, day=19724, at=micros, price="1.25", raw=b"\0x", tags=["a", "b"], score=0.5), row(id=2)]
    assert append(writer, proto_request(stream, descriptor, rows))[0].error.code == 0
    found = stored(bq, dataset)
    assert found[0][:3] == (1, datetime.date(2024, 1, 2), moment)
    assert (str(found[0][3]), *found[0][4:]) == ("1.25", b"\0x", ["a", "b"], 0.5)
    assert found[1] == (2, None, None, None, None, [], None)
    bad = append(writer, proto_request(stream, descriptor, [row(id=3), row(day=1)]))[0]
    assert bad.error.code == INVALID_ARGUMENT
    assert [error.index for error in bad.row_errors] == [1]
    assert len(stored(bq, dataset)) == 2


def test_rows_with_unknown_fields_and_unknown_streams_are_refused(
    writer: BigQueryWriteClient, table: str, emulator: Any
) -> None:
    descriptor, row = proto_class("Other", [("nothing", INT64, False)])
    answer = append(writer, proto_request(f"{table}/streams/_default", descriptor, [row(nothing=1)]))[0]
    assert answer.error.code == INVALID_ARGUMENT
    stream = create(writer, table, KIND.COMMITTED)
    other = write_client(emulator, "bob")
    with pytest.raises(NotFound):
        append(other, arrow_request(stream, [(1, "x")], 0))
    with pytest.raises(NotFound):
        writer.get_write_stream(name=f"{table}/streams/missing")
    with pytest.raises(InvalidArgument):
        create(writer, table, KIND.TYPE_UNSPECIFIED)
    assert writer.get_write_stream(name=stream).table_schema.fields[1].name == "word"


def test_what_a_committed_stream_acknowledged_survives_a_kill(own_emulator: Any) -> None:
    client = own_emulator.client()
    client.create_dataset("d")
    client.query_and_wait("CREATE TABLE d.t (id INT64, word STRING)")
    writer = write_client(own_emulator)
    append(writer, arrow_request("projects/athena/datasets/d/tables/t/streams/_default", [(1, "kept")]))
    own_emulator.stop(9)
    own_emulator.start()
    assert stored(own_emulator.client(), "d") == [(1, "kept")]


def test_a_read_session_compresses_with_lz4_where_asked(bq: bigquery.Client, bq_storage: Any, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 'the same again' AS w FROM UNNEST(GENERATE_ARRAY(1, 5000))")
    sizes = []
    for codec in ("COMPRESSION_UNSPECIFIED", "LZ4_FRAME"):
        asked = types.ReadSession(table=f"projects/athena/datasets/{dataset}/tables/t", data_format="ARROW")
        asked.read_options.arrow_serialization_options.buffer_compression = codec
        session = bq_storage.create_read_session(parent="projects/athena", read_session=asked, max_stream_count=1)
        answers = list(bq_storage.read_rows(session.streams[0].name))
        sizes.append(sum(len(answer.arrow_record_batch.serialized_record_batch) for answer in answers))
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        pieces = [pa.py_buffer(answer.arrow_record_batch.serialized_record_batch) for answer in answers]
        rows = pa.Table.from_batches([pa.ipc.read_record_batch(piece, schema) for piece in pieces])
        assert rows.column("w").to_pylist() == ["the same again"] * 5000
    assert sizes[1] < sizes[0] / 2

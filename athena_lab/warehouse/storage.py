"""The Storage Read client, on the real service or the embedded one, and a reader of its Arrow streams."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pyarrow as pa
from google.cloud import bigquery_storage

from athena_lab.warehouse.credentials import GatewayCredentials
from athena_lab.warehouse.read_answers import ReadTransport

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
)
STREAMS = 4
_LZ4 = bigquery_storage.types.ArrowSerializationOptions.CompressionCodec.LZ4_FRAME


class _CallDetails(
    namedtuple("_CallDetails", ("method", "timeout", "metadata", "credentials", "wait_for_ready", "compression")),
    grpc.ClientCallDetails,  # type: ignore[misc]  # the vendor's class is untyped
):
    """A call's details with the token added; gRPC asks for an object with these attributes."""


class _BearerToken(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[misc]  # untyped
    """Add the bearer token to each call: a plain-text channel takes no call credentials."""

    def __init__(self, credentials: GatewayCredentials) -> None:
        self._credentials = credentials

    def intercept_unary_unary(self, proceed: Callable[..., Any], details: Any, request: Any) -> Any:
        return proceed(self._with_token(details), request)

    def intercept_unary_stream(self, proceed: Callable[..., Any], details: Any, request: Any) -> Any:
        return proceed(self._with_token(details), request)

    def _with_token(self, details: Any) -> _CallDetails:
        header = ("authorization", f"Bearer {self._credentials.fresh_token()}")
        return _CallDetails(
            method=details.method,
            timeout=details.timeout,
            metadata=[*(details.metadata or ()), header],
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
            compression=details.compression,
        )


def embedded_transport(credentials: GatewayCredentials, endpoint: str) -> Any:
    """Make a Storage Read transport to a plain-text endpoint (host:port) that carries our token."""
    channel = grpc.intercept_channel(
        grpc.insecure_channel(endpoint, options=CHANNEL_OPTIONS), _BearerToken(credentials)
    )
    return ReadTransport(channel=channel)


def connect_storage(credentials: GatewayCredentials) -> Any:
    """Give a BigQueryReadClient for the place that the credentials name."""
    endpoint = credentials.place().grpc_endpoint
    if endpoint is None:
        return bigquery_storage.BigQueryReadClient(credentials=credentials, transport=ReadTransport)
    return bigquery_storage.BigQueryReadClient(transport=embedded_transport(credentials, endpoint))


def read_batches(
    client: Any, project: str, table: str, *, columns: Sequence[str] = (), is_ordered: bool = False
) -> Iterator[pa.RecordBatch]:
    """Read a table (`projects/P/datasets/D/tables/T`) batch by batch; `is_ordered` keeps its order of rows.

    Without an order the streams are read side by side and given one after the other.
    """
    requested = bigquery_storage.types.ReadSession(
        table=table,
        data_format=bigquery_storage.types.DataFormat.ARROW,
        read_options={
            "selected_fields": list(columns),
            "arrow_serialization_options": {"buffer_compression": _LZ4},
        },
    )
    session = client.create_read_session(
        parent=f"projects/{project}", read_session=requested, max_stream_count=1 if is_ordered else STREAMS
    )
    schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
    names = [stream.name for stream in session.streams]
    if len(names) <= 1:
        for name in names:
            yield from _read_stream(client, name, schema)
    else:
        with ThreadPoolExecutor(len(names)) as pool:
            for batches in pool.map(lambda name: list(_read_stream(client, name, schema)), names):
                yield from batches
    yield pa.RecordBatch.from_pylist([], schema=schema)


def _read_stream(client: Any, name: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for message in client.read_rows(name):
        if message.row_count:
            yield pa.ipc.read_record_batch(pa.py_buffer(message.arrow_record_batch.serialized_record_batch), schema)

"""The Storage Write API: streams of rows with exact offsets, committed at once or all together.

https://cloud.google.com/bigquery/docs/write-api. What a stream of the type COMMITTED (or the
default stream) has acknowledged is in the file; PENDING and BUFFERED rows live in memory until
they are committed or flushed, as their contract allows, and the streams themselves end with the process.
"""

from __future__ import annotations

import datetime
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
from google.rpc import code_pb2, status_pb2  # type: ignore[import-untyped]

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import Table
from athena_lab.emulator.faults import BigQueryError, engine_fault
from athena_lab.emulator.policies.roles import UPDATE_DATA
from athena_lab.emulator.storage_types import types
from athena_lab.emulator.types import Field, duckdb_type, quote
from athena_lab.emulator.warehouse import Warehouse
from athena_lab.emulator.write_rows import BadRowsError, ProtoRows, from_arrow
from athena_lab.emulator.writing import Source, Target, write

SERVICE = "google.cloud.bigquery.storage.v1.BigQueryWrite"
_KEPT = 1000
_MOST_UNCOMMITTED = 2 * 1024**3
_Kind = types.WriteStream.Type
_Code = types.StorageError.StorageErrorCode


class StreamFaultError(Exception):
    """A refusal that belongs into an answer: gRPC code, the API's own code, what is wrong."""

    def __init__(self, code: int, detail: Any, message: str) -> None:
        self.code, self.detail = code, detail
        super().__init__(message)


@dataclass(slots=True)
class Stream:
    """A write stream: where it stands, and what it holds that nobody sees yet."""

    name: str
    owner: Principal
    table: tuple[str, str]
    kind: Any
    created: datetime.datetime
    offset: int = 0
    flushed: int = 0
    held: list[pa.Table] = field(default_factory=list)
    is_finalized: bool = False
    committed: datetime.datetime | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_default(self) -> bool:
        return self.name.endswith("/_default")


@dataclass(slots=True)
class _Connection:
    """What one AppendRows call has said so far."""

    stream: Stream | None = None
    arrow_schema: bytes = b""
    proto: ProtoRows | None = None


class StorageWrite:
    """The service's methods; whoever calls is already identified."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._lock = threading.Lock()
        self._streams: dict[str, Stream] = {}

    def create_write_stream(self, request: Any, principal: Principal) -> Any:
        """Make a stream into a table."""
        table = self._table(request.parent, principal)
        kind = request.write_stream.type_
        if kind not in (_Kind.COMMITTED, _Kind.PENDING, _Kind.BUFFERED):
            raise BigQueryError("invalid", "The type of the write stream is not set.")
        name = f"{self._table_name(table)}/streams/{uuid.uuid4().hex}"
        made = Stream(name, principal, table.key, kind, _now())
        with self._lock:
            while len(self._streams) >= _KEPT:
                self._streams.pop(next(iter(self._streams)))
            self._streams[name] = made
        return self._resource(made)

    def get_write_stream(self, request: Any, principal: Principal) -> Any:
        """Give a stream."""
        return self._resource(self._find(request.name, principal))

    def append_rows(self, requests: Iterator[Any], principal: Principal) -> Iterator[Any]:
        """Append what comes; each request is answered, and a refused one appends nothing."""
        connection = _Connection()
        for request in requests:
            yield self._append(connection, request, principal)

    def finalize_write_stream(self, request: Any, principal: Principal) -> Any:
        """End a stream: nothing more can be appended."""
        stream = self._find(request.name, principal)
        if stream.is_default:
            raise BigQueryError("invalid", "The default stream cannot be finalized.")
        with stream.lock:
            stream.is_finalized = True
            return types.FinalizeWriteStreamResponse(row_count=stream.offset)

    def flush_rows(self, request: Any, principal: Principal) -> Any:
        """Make a buffered stream's rows visible up to an offset, which is included."""
        stream = self._find(request.write_stream, principal)
        if stream.kind != _Kind.BUFFERED:
            raise BigQueryError("invalid", "Only a stream of the type BUFFERED can be flushed.")
        with stream.lock:
            wanted = int(request.offset) + 1
            if wanted > stream.offset:
                raise BigQueryError(
                    "outOfRange", f"The offset {wanted - 1} is beyond the stream's {stream.offset} rows."
                )
            if wanted > stream.flushed:
                rows = pa.concat_tables(stream.held)
                self._write(self._current(stream), [rows.slice(0, wanted - stream.flushed)])
                stream.held = [rows.slice(wanted - stream.flushed)]
                stream.flushed = wanted
            return types.FlushRowsResponse(offset=request.offset)

    def batch_commit_write_streams(self, request: Any, principal: Principal) -> Any:
        """Commit pending streams of one table, all or none."""
        table = self._table(request.parent, principal)
        streams, errors = [], []
        for name in dict.fromkeys(request.write_streams):
            try:
                streams.append(self._committable(name, table, principal))
            except StreamFaultError as fault:
                errors.append(types.StorageError(code=fault.detail, entity=name, error_message=str(fault)))
        if errors:
            return types.BatchCommitWriteStreamsResponse(stream_errors=errors)
        tables = [rows for stream in streams for rows in stream.held]
        if tables:
            self._write(table, tables)
        now = _now()
        for stream in streams:
            stream.committed, stream.held = now, []
        return types.BatchCommitWriteStreamsResponse(commit_time=now)

    # -- appending

    def _append(self, connection: _Connection, request: Any, principal: Principal) -> Any:
        name = request.write_stream
        if name and (connection.stream is None or connection.stream.name != _canonical(name)):
            connection.stream = self._find(name, principal)
            connection.arrow_schema, connection.proto = b"", None
        stream = connection.stream
        if stream is None:
            raise BigQueryError("invalid", "The first request names no write stream.")
        answer = types.AppendRowsResponse(write_stream=stream.name)
        try:
            rows = self._rows(connection, request, self._current(stream))
            with stream.lock:
                offset = self._place(stream, request)
                self._take(stream, rows)
                stream.offset += rows.num_rows
        except BadRowsError as bad:
            answer.row_errors = [
                types.RowError(index=index, code=types.RowError.RowErrorCode.FIELDS_ERROR, message=message)
                for index, message in bad.errors
            ]
            answer.error = _status(code_pb2.INVALID_ARGUMENT, None, f"{bad}; see row_errors.", stream.name)
        except StreamFaultError as fault:
            answer.error = _status(fault.code, fault.detail, str(fault), stream.name)
        except BigQueryError as refusal:
            answer.error = _status(code_pb2.INVALID_ARGUMENT, None, refusal.message, stream.name)
        except duckdb.Error as error:
            answer.error = _status(code_pb2.INVALID_ARGUMENT, None, engine_fault(error).message, stream.name)
        else:
            result: dict[str, Any] = {} if stream.is_default else {"offset": offset}
            answer.append_result = types.AppendRowsResponse.AppendResult(**result)
        return answer

    def _rows(self, connection: _Connection, request: Any, table: Table) -> pa.Table:
        if "arrow_rows" in request:
            data = request.arrow_rows
            connection.arrow_schema = bytes(data.writer_schema.serialized_schema) or connection.arrow_schema
            if not connection.arrow_schema:
                raise BigQueryError("invalid", "The first request carries no writer schema.")
            return from_arrow(connection.arrow_schema, bytes(data.rows.serialized_record_batch), table.fields)
        if "proto_rows" not in request:
            raise BigQueryError("invalid", "The request carries no rows.")
        raw = types.AppendRowsRequest.pb(request).proto_rows
        if raw.writer_schema.HasField("proto_descriptor"):
            connection.proto = ProtoRows(raw.writer_schema.proto_descriptor.SerializeToString(), table.fields)
        if connection.proto is None:
            raise BigQueryError("invalid", "The first request carries no writer schema.")
        return connection.proto.table(raw.rows.serialized_rows)

    def _place(self, stream: Stream, request: Any) -> int:
        """Give the offset at which rows go; refuse one that is taken or not reached yet."""
        if stream.is_finalized:
            raise StreamFaultError(code_pb2.INVALID_ARGUMENT, _Code.STREAM_FINALIZED, "The stream is finalized.")
        wanted = types.AppendRowsRequest.pb(request)
        if not wanted.HasField("offset"):
            return stream.offset
        offset = int(wanted.offset.value)
        if stream.is_default:
            raise StreamFaultError(code_pb2.INVALID_ARGUMENT, None, "The default stream takes no offset.")
        at = f"offset {offset}, expected offset {stream.offset}"
        if offset < stream.offset:
            message = f"The offset is within stream, {at}"
            raise StreamFaultError(code_pb2.ALREADY_EXISTS, _Code.OFFSET_ALREADY_EXISTS, message)
        if offset > stream.offset:
            message = f"The offset is beyond stream, {at}"
            raise StreamFaultError(code_pb2.OUT_OF_RANGE, _Code.OFFSET_OUT_OF_RANGE, message)
        return offset

    def _take(self, stream: Stream, rows: pa.Table) -> None:
        if stream.kind == _Kind.COMMITTED:
            self._write(self._current(stream), [rows])
            return
        with self._lock:
            held = sum(piece.nbytes for other in self._streams.values() for piece in other.held)
        if held + rows.nbytes > _MOST_UNCOMMITTED:
            message = "Too much is appended and not committed yet. Commit or flush first."
            raise StreamFaultError(code_pb2.RESOURCE_EXHAUSTED, None, message)
        stream.held.append(rows)

    def _write(self, table: Table, pieces: list[pa.Table]) -> None:
        """Append pieces, whose columns may differ, in one transaction."""
        known = {item.name: item for item in table.fields}
        names = list(dict.fromkeys(name for piece in pieces for name in piece.column_names))
        fields = tuple(known[name] for name in names if name in known)
        arrow = {f"incoming{index}": piece for index, piece in enumerate(pieces)}
        union = " UNION ALL ".join(
            f"SELECT {_columns(fields, piece)} FROM {name}"  # noqa: S608 (our own names)
            for name, piece in arrow.items()
        )
        target = Target(table.dataset, table.name, create="CREATE_NEVER", takes_literals=True, fills_defaults=False)
        write(self._warehouse, Source(union, fields, arrow=arrow), target)

    # -- names

    def _committable(self, name: str, table: Table, principal: Principal) -> Stream:
        try:
            stream = self._find(name, principal)
        except BigQueryError as fault:
            raise StreamFaultError(code_pb2.NOT_FOUND, _Code.STREAM_NOT_FOUND, fault.message) from fault
        if stream.kind != _Kind.PENDING or stream.table != table.key:
            message = "Only streams of the type PENDING of the same table can be committed."
            raise StreamFaultError(code_pb2.INVALID_ARGUMENT, _Code.INVALID_STREAM_TYPE, message)
        if stream.committed is not None:
            raise StreamFaultError(
                code_pb2.INVALID_ARGUMENT, _Code.STREAM_ALREADY_COMMITTED, "It is committed already."
            )
        if not stream.is_finalized:
            raise StreamFaultError(code_pb2.INVALID_ARGUMENT, _Code.INVALID_STREAM_STATE, "It is not finalized yet.")
        return stream

    def _find(self, name: str, principal: Principal) -> Stream:
        wanted = _canonical(name)
        with self._lock:
            found = self._streams.get(wanted)
        if wanted.endswith("/streams/_default"):
            table = self._table(wanted.removesuffix("/streams/_default"), principal)
            return Stream(wanted, principal, table.key, _Kind.COMMITTED, _now())
        if found is None or (found.owner.user, found.owner.run) != (principal.user, principal.run):
            raise BigQueryError("notFound", f"Not found: write stream {name}")
        return found

    def _current(self, stream: Stream) -> Table:
        return self._warehouse.catalog.table(*stream.table)

    def _table(self, name: str, principal: Principal) -> Table:
        parts = name.split("/")
        if len(parts) != 6 or parts[0::2] != ["projects", "datasets", "tables"]:
            raise BigQueryError("invalid", f"Invalid table name: {name}")
        self._warehouse.require_project(parts[1])
        self._warehouse.require(principal, UPDATE_DATA, parts[3], parts[5])
        table = self._warehouse.catalog.table(parts[3], parts[5])
        if table.view is not None:
            raise BigQueryError("invalid", "Rows cannot be appended to a view.")
        return table

    def _table_name(self, table: Table) -> str:
        return f"projects/{self._warehouse.project}/datasets/{table.dataset}/tables/{table.name}"

    def _resource(self, stream: Stream) -> Any:
        fields = [_field_schema(item) for item in self._current(stream).fields]
        return types.WriteStream(
            name=stream.name, type_=stream.kind, create_time=stream.created, commit_time=stream.committed,
            table_schema=types.TableSchema(fields=fields), location=self._warehouse.location,
            write_mode=types.WriteStream.WriteMode.INSERT,
        )  # fmt: skip


_TYPES = {"INTEGER": "INT64", "FLOAT": "DOUBLE", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}


def _field_schema(item: Field) -> Any:
    kind = types.TableFieldSchema.Type[_TYPES.get(item.type, item.type)]
    mode = types.TableFieldSchema.Mode[item.mode]
    return types.TableFieldSchema(
        name=item.name, type_=kind, mode=mode, fields=[_field_schema(inner) for inner in item.fields]
    )


def _columns(fields: tuple[Field, ...], piece: pa.Table) -> str:
    present = set(piece.column_names)
    return ", ".join(
        f"CAST({quote(item.name) if item.name in present else 'NULL'} AS {duckdb_type(item)})" for item in fields
    )


def _canonical(name: str) -> str:
    return name if "/streams/" in name or not name.endswith("/_default") else name[:-9] + "/streams/_default"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _status(code: int, detail: Any, message: str, entity: str) -> Any:
    made = status_pb2.Status(code=code, message=f"{message} Entity: {entity}")
    if detail is not None:
        error = types.StorageError(code=detail, entity=entity, error_message=message)
        made.details.add().Pack(types.StorageError.pb(error))
    return made

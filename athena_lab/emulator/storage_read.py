"""The Storage Read API: sessions over tables and results, rows as Arrow record batches."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from athena_lab.emulator.access import Principal
from athena_lab.emulator.faults import BigQueryError, invalid_query
from athena_lab.emulator.growing import GrowingResult
from athena_lab.emulator.jobs import Job, may_see
from athena_lab.emulator.messages import encode, encode_schema, pieces_of
from athena_lab.emulator.queries import Queries
from athena_lab.emulator.results import BATCH_ROWS, Result
from athena_lab.emulator.select import space_for
from athena_lab.emulator.snapshots import Snapshots
from athena_lab.emulator.sql.pruning import microseconds
from athena_lab.emulator.sql.scans import no_filter, requires_filter
from athena_lab.emulator.storage_types import types
from athena_lab.emulator.warehouse import Warehouse

SERVICE = "google.cloud.bigquery.storage.v1.BigQueryRead"
_STREAM_ROWS = 500_000
_MOST_STREAMS = 8
_SESSIONS_KEPT = 200
_MOST_KEPT_BYTES = 384 * 1024**2
"""Of sessions in memory; the oldest are forgotten beyond it."""
_LZ4 = types.ArrowSerializationOptions.CompressionCodec.LZ4_FRAME
Rows = Result | GrowingResult


@dataclass(slots=True)
class Session:
    """A snapshot of rows, shared out to streams."""

    owner: Principal
    result: Rows
    ranges: list[tuple[int, int]]
    """First row and number of rows of each stream."""
    owns_file: bool
    is_compressed: bool = False


class StorageRead:
    """The service's methods; whoever calls is already identified."""

    def __init__(self, warehouse: Warehouse, queries: Queries) -> None:
        self._warehouse, self._queries, self._snapshots = warehouse, queries, Snapshots(warehouse)
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def create_read_session(self, request: Any, principal: Principal) -> Any:
        """Take the snapshot and share it out."""
        asked = request.read_session
        if asked.data_format not in (types.DataFormat.ARROW, types.DataFormat.DATA_FORMAT_UNSPECIFIED):
            raise BigQueryError("invalid", "Only the data format ARROW is supported by the embedded warehouse.")
        result, owns_file = self._rows(asked, principal)
        ranges = _share(result, int(request.max_stream_count), int(request.preferred_min_stream_count))
        name = f"projects/{self._warehouse.project}/locations/{self._warehouse.location}/sessions/{uuid.uuid4().hex}"
        options = asked.read_options.arrow_serialization_options
        is_compressed = options.buffer_compression == _LZ4
        self._keep(name, Session(principal, result, ranges, owns_file, is_compressed))
        return types.ReadSession(
            name=name,
            table=asked.table,
            data_format=types.DataFormat.ARROW,
            arrow_schema=types.ArrowSchema(serialized_schema=result.schema.serialize().to_pybytes()),
            streams=[types.ReadStream(name=f"{name}/streams/{index}") for index in range(len(ranges))],
            estimated_row_count=result.rows,
            estimated_total_bytes_scanned=result.size_bytes,
            read_options=asked.read_options,
        )

    def read_rows(self, request: Any, principal: Principal) -> Iterator[bytes]:
        """Give the rows of a stream from an offset on, as encoded answers; the first one carries the schema."""
        result, start, count, is_compressed = self._stream(request.read_stream, principal)
        offset = int(request.offset)
        if offset > count:
            raise BigQueryError("invalid", f"The offset {offset} is beyond the stream's {count} rows.")
        answers = _answers(result, start + offset, count - offset, is_compressed=is_compressed)
        for first in answers:
            yield first + encode_schema(result.schema)
            break
        yield from answers

    def split_read_stream(self, request: Any, principal: Principal) -> Any:
        """Answer that a stream is not split, which the API allows."""
        self._stream(request.name, principal)
        return types.SplitReadStreamResponse()

    # -- parts

    def _rows(self, asked: Any, principal: Principal) -> tuple[Rows, bool]:
        parts = asked.table.split("/")
        if len(parts) != 6 or parts[0] != "projects":
            raise BigQueryError("invalid", f"Invalid table name: {asked.table}")
        self._warehouse.require_project(parts[1])
        dataset, table = parts[3], parts[5]
        columns = list(asked.read_options.selected_fields)
        restriction = asked.read_options.row_restriction
        snapshot = asked.table_modifiers.snapshot_time
        moment = microseconds(snapshot) if snapshot else None
        if restriction:
            return self._restricted(f"{dataset}.{table}", columns, restriction, principal, moment), True
        anonymous = self._warehouse.find_result(dataset, table, principal)
        if anonymous is not None:
            return self._warehouse.read(dataset, table, principal, columns), False
        found = self._warehouse.readable(dataset, table, moment)
        if requires_filter(found):
            raise no_filter(found)
        return self._snapshots.take(found, principal, columns), True

    def _restricted(
        self, table: str, columns: list[str], restriction: str, principal: Principal, moment: int | None
    ) -> Result:
        """Read through a query of our own making, so that a restriction is GoogleSQL like any other."""
        try:
            condition = sqlglot.parse_one(restriction, read="bigquery")
        except SqlglotError as error:
            raise invalid_query(f"Invalid row restriction: {restriction}") from error
        select = exp.select(*[exp.column(name, quoted=True) for name in columns] or [exp.Star()])
        source = exp.to_table(f"`{table.replace('`', '')}`", dialect="bigquery")
        if moment is not None:
            when = exp.func("TIMESTAMP_MICROS", exp.Literal.number(moment))
            source.set("version", exp.Version(this="TIMESTAMP", kind="AS OF", expression=when))
        query = select.from_(source).where(condition, copy=False).sql("bigquery")
        job = Job("row_restriction", principal, {"query": {"query": query}})
        prepared = self._queries.preparer.prepare_text(query, space_for(self._warehouse, principal, {}), {}, {})
        if isinstance(prepared, exp.Expression):
            raise invalid_query(f"Invalid row restriction: {restriction}")
        return self._queries.preparer.run(prepared, {}, job)

    def _keep(self, name: str, session: Session) -> None:
        with self._lock:
            self._sessions[name] = session
            while len(self._sessions) > 1 and (len(self._sessions) > _SESSIONS_KEPT or self._kept() > _MOST_KEPT_BYTES):
                _, oldest = self._sessions.popitem(last=False)
                if oldest.owns_file:
                    oldest.result.discard()

    def _kept(self) -> int:
        results = {id(session.result): session.result for session in self._sessions.values()}
        return sum(result.held_bytes for result in results.values() if isinstance(result, GrowingResult))

    def _stream(self, name: str, principal: Principal) -> tuple[Rows, int, int, bool]:
        if "/jobs/" in name:
            return self._job_stream(name, principal)
        session_name, _, index = name.rpartition("/streams/")
        with self._lock:
            session = self._sessions.get(session_name)
        is_known = session is not None and index.isdigit() and int(index) < len(session.ranges)
        if (
            session is None
            or not is_known
            or (session.owner.user, session.owner.run) != (principal.user, principal.run)
        ):
            raise BigQueryError("notFound", f"Not found: stream {name}")
        return session.result, *session.ranges[int(index)], session.is_compressed

    def _job_stream(self, name: str, principal: Principal) -> tuple[Rows, int, int, bool]:
        job_id = name.split("/jobs/", 1)[1].split("/", 1)[0]
        job = self._warehouse.jobs.find(job_id, principal)
        job.done.result()
        if job.fault is not None:
            raise job.fault
        if job.result is None or not may_see(job, principal):
            raise BigQueryError("invalid", f"Job {job_id} has no result of its own; read its destination table.")
        return job.result, 0, job.result.rows, False


def _answers(result: Rows, start: int, count: int, *, is_compressed: bool) -> Iterator[bytes]:
    if isinstance(result, GrowingResult):
        yield from result.answers(start, count, is_compressed=is_compressed)
        return
    for batch in result.read(start, count):
        for piece in pieces_of(batch):
            yield encode(piece, is_compressed=is_compressed)


def _share(result: Rows, most: int, least: int) -> list[tuple[int, int]]:
    """Share rows out to streams: one for each 500,000, as many as may be; none for no rows.

    Long ones begin where a piece does: a piece that is cut must be encoded anew for each reader.
    """
    rows = result.rows
    if not rows:
        return []
    wanted = max(least, -(-rows // _STREAM_ROWS))
    count = max(1, min(wanted, most or _MOST_STREAMS, _MOST_STREAMS, rows))
    starts = [rows * number // count for number in range(count)]
    if isinstance(result, GrowingResult) and rows >= count * BATCH_ROWS:
        starts = [result.start_near(row) for row in starts]
    return [(start, end - start) for start, end in itertools.pairwise([*starts, rows])]


STATUS = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
    416: grpc.StatusCode.OUT_OF_RANGE,
    501: grpc.StatusCode.UNIMPLEMENTED,
}
"""Codes of faults; what is not here is INVALID_ARGUMENT."""

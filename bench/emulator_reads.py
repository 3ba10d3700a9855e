"""A million rows to pandas, every way there is, in turn with raw DuckDB; and the floor of Storage Read."""

import concurrent.futures
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import db_dtypes
import duckdb
import grpc
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud.bigquery_storage_v1 import BigQueryReadClient, types
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from athena_lab.emulator.messages import encode, encode_schema, pieces_of
from athena_lab.warehouse.read_answers import ReadTransport
from athena_lab.warehouse.storage import read_batches
from bench.emulator_servers import PEER, Server
from bench.figures import Figure

REPEATS, SLOW_REPEATS, COLD = 41, 9, 5
_PANDAS = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype(), pa.date32(): db_dtypes.DateDtype()}
_LZ4 = types.ArrowSerializationOptions.CompressionCodec.LZ4_FRAME
_STREAMS = 2


def reads(server: Server, raw: duckdb.DuckDBPyConnection, other: Server | None, file: Path) -> Iterator[Figure]:
    """Read `bench.big`, equal values asserted first; a ratio is the median of pairs that ran one after the other."""
    place = f"projects/{server.client.project}/datasets/bench/tables/big"
    vendor = BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=server.channel))

    def plain() -> pd.DataFrame:
        return raw.sql("FROM big").to_arrow_table().to_pandas(types_mapper=_PANDAS.get)

    with floor(file) as bare:
        quick: dict[str, Callable[[], pd.DataFrame]] = {
            "read_1m_ratio": lambda: storage_read(server.storage, place),
            "read_1m_athena_ratio": lambda: athena_read(server, place),
            "read_1m_vendor_ratio": lambda: storage_read(vendor, place),
            "read_1m_floor_ratio": lambda: storage_read(bare, place),
        }
        slow = {
            "read_1m_client_ratio": lambda: client_read(server),
            "query_1m_client_ratio": lambda: client_query(server),
        }
        for read in (*quick.values(), *slow.values()):
            check(read(), plain())
        ratios, base = in_pairs(quick, plain, REPEATS)
        ratios |= in_pairs(slow, plain, SLOW_REPEATS)[0]
    theirs: dict[str, float] = {}
    if other is not None:
        theirs = peer_ratios(other, plain)
    for name, ratio in ratios.items():
        repeats = REPEATS if name in quick else SLOW_REPEATS
        yield Figure(name, round(ratio, 2), "x raw DuckDB", theirs.get(name), repeats)
    yield Figure("raw_1m_s", round(base, 3), "s", None, REPEATS)
    yield Figure("read_1m_first_ratio", round(first_read(server, plain), 2), "x raw DuckDB", None, COLD)


def in_pairs(
    ways: dict[str, Callable[[], pd.DataFrame]], plain: Callable[[], pd.DataFrame], repeats: int
) -> tuple[dict[str, float], float]:
    """Let each way take turns with the raw engine, so that both meet the same weather."""
    ratios: dict[str, list[float]] = {name: [] for name in ways}
    bases = []
    for _ in range(repeats):
        for name, read in ways.items():
            base = seconds(plain)
            bases.append(base)
            ratios[name].append(seconds(read) / base)
    return {name: statistics.median(values) for name, values in ratios.items()}, statistics.median(bases)


def seconds(work: Callable[[], object]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def check(mine: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Assert equal values and types, whatever the order of rows.

    It sorts in Arrow's memory: frames of pandas' would leave the heap otherwise than a kernel has it, and with it the
    time that raw DuckDB needs for fresh pages (37 to 50 ms).
    """
    assert list(mine.dtypes) == list(wanted.dtypes), f"{list(mine.dtypes)} instead of {list(wanted.dtypes)}"
    found, expected = (pa.Table.from_pandas(frame).sort_by("id") for frame in (mine, wanted))
    assert found.equals(expected.cast(found.schema)), "other values than raw DuckDB's"


# -- the ways


def storage_read(storage: BigQueryReadClient, place: str) -> pd.DataFrame:
    """Through google-cloud-bigquery-storage's client, which asks for LZ4 as the BigQuery client does.

    A kernel gives that client a transport without copies (`read_1m_ratio`); `read_1m_vendor_ratio` is with its own.
    """
    options = {"arrow_serialization_options": {"buffer_compression": _LZ4}}
    asked = types.ReadSession(table=place, data_format=types.DataFormat.ARROW, read_options=options)
    parent = "/".join(place.split("/")[:2])
    session = storage.create_read_session(parent=parent, read_session=asked, max_stream_count=_STREAMS)

    def stream(name: str) -> list[pa.RecordBatch]:
        return [page.to_arrow() for page in storage.read_rows(name).rows(session).pages]

    with concurrent.futures.ThreadPoolExecutor(_STREAMS) as pool:
        batches = [batch for found in pool.map(stream, [item.name for item in session.streams]) for batch in found]
    return pa.Table.from_batches(batches).to_pandas(types_mapper=_PANDAS.get)


def athena_read(server: Server, place: str) -> pd.DataFrame:
    """As `%%athena` reads."""
    table = pa.Table.from_batches(read_batches(server.storage, server.client.project, place))
    return table.to_pandas(types_mapper=_PANDAS.get)


def client_read(server: Server) -> pd.DataFrame:
    """Through google-cloud-bigquery, whose threads look every 0.2 s whether they have ended."""
    return server.client.list_rows("bench.big").to_dataframe(bqstorage_client=server.storage)


def client_query(server: Server) -> pd.DataFrame:
    """The same with a query before."""
    return server.client.query("SELECT * FROM bench.big").to_dataframe(bqstorage_client=server.storage)


def first_read(server: Server, plain: Callable[[], pd.DataFrame]) -> float:
    """Read tables that nobody has read before."""
    ratios = []
    for number in range(COLD):
        name = f"bench.new{number}"
        server.client.query_and_wait(f"CREATE TABLE {name} AS SELECT * FROM bench.big")
        base = seconds(plain)
        place = f"projects/{server.client.project}/datasets/bench/tables/new{number}"
        ratios.append(seconds(lambda place=place: storage_read(server.storage, place)) / base)
        server.client.delete_table(name)
    return statistics.median(ratios)


def peer_ratios(other: Server, plain: Callable[[], pd.DataFrame]) -> dict[str, float]:
    """Measure what the peer can."""
    place = f"projects/{other.client.project}/datasets/bench/tables/big"
    ways: dict[str, Callable[[], pd.DataFrame]] = {
        "read_1m_ratio": lambda: storage_read(other.storage, place),
        "read_1m_client_ratio": lambda: client_read(other),
    }
    found = {}
    for name, read in ways.items():
        try:
            ratios, _ = in_pairs({name: read}, plain, 2)
        except Exception as error:  # noqa: BLE001 (whatever the peer fails with)
            print(f"no baseline for {name}: {PEER} fails ({type(error).__name__}: {str(error)[:120]})", file=sys.stderr)
            continue
        found[name] = round(ratios[name], 2)
    return found


# -- the floor: a server that does nothing but send


@contextlib.contextmanager
def floor(file: Path) -> Iterator[BigQueryReadClient]:
    """Start a server that sends the file's rows, encoded before anybody asks."""
    command = [sys.executable, "-m", "bench.emulator_reads", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    port = process.stdout.readline().strip()
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", -1)])
    try:
        yield BigQueryReadClient(transport=ReadTransport(channel=channel))
    finally:
        channel.close()
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def serve_floor(file: str) -> None:
    """Serve until the input ends."""
    table = pq.read_table(file).combine_chunks()
    half = -(-table.num_rows // _STREAMS)
    streams = {
        f"{start}": [
            encode(piece, is_compressed=True)
            for batch in table.slice(start, half).to_batches(max_chunksize=65_536)
            for piece in pieces_of(batch)
        ]
        for start in range(0, table.num_rows, half)
    }
    for answers in streams.values():
        answers[0] += encode_schema(table.schema)
    schema = types.ArrowSchema(serialized_schema=table.schema.serialize().to_pybytes())
    names = [types.ReadStream(name=name) for name in streams]
    session = types.ReadSession(data_format=types.DataFormat.ARROW, arrow_schema=schema, streams=names)

    def begin(*_: Any) -> Any:
        return session

    def read(request: Any, _: Any) -> Iterator[bytes]:
        yield from streams[request.read_stream]

    request = types.CreateReadSessionRequest.deserialize
    handlers = {
        "CreateReadSession": grpc.unary_unary_rpc_method_handler(begin, request, types.ReadSession.serialize),
        "ReadRows": grpc.unary_stream_rpc_method_handler(read, types.ReadRowsRequest.deserialize, None),
    }
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    service = "google.cloud.bigquery.storage.v1.BigQueryRead"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    serve_floor(sys.argv[1])

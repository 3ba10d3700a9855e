"""The embedded BigQuery beside raw DuckDB and `bqemulator` (PyPI, in its own environment): one client for both."""

import concurrent.futures
import contextlib
import io
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import db_dtypes
import duckdb
import grpc
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from bench.figures import Figure

ROWS, REST_ROWS = 1_000_000, 100_000
POINTS, REPEATS, CLIENTS = 100, 5, 8
PEER = "bqemulator==1.4.0"
PEER_NEEDS = ("duckdb==1.5.5", "duckdb-extensions", "duckdb-extension-spatial==1.5.5", "numpy")
"""The peer's spatial extension from wheels: it would download it otherwise."""
POINT = "SELECT name, x FROM bench.big WHERE id = 123456"
AGGREGATE = "SELECT g, COUNT(*) AS n, AVG(x) AS mean FROM bench.big GROUP BY g ORDER BY g"
PEER_TABLE = f"""
    CREATE TABLE bench.big AS SELECT id, MOD(id * 7, 100) AS g, id / 7.0 AS x,
      CONCAT('customer ', CAST(id AS STRING)) AS name, MOD(id, 2) = 0 AS flag,
      DATE_ADD(DATE '1970-01-01', INTERVAL MOD(id, 3650) DAY) AS day, TIMESTAMP_MICROS(id * 1000003) AS at,
      CONCAT('note ', CAST(MOD(id, 1000) AS STRING)) AS note
    FROM UNNEST(GENERATE_ARRAY(0, {ROWS - 1})) AS id"""
"""For the peer where it cannot load the file: as many rows of the same columns."""
_START_S = 60
_PANDAS = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype(), pa.date32(): db_dtypes.DateDtype()}


@dataclass
class Server:
    """An emulator's process with clients for it."""

    process: subprocess.Popen
    client: bigquery.Client
    storage: BigQueryReadClient
    url: str

    def new_client(self) -> bigquery.Client:
        return client_of(self.url, self.client.project)

    def peak_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def client_of(url: str, project: str) -> bigquery.Client:
    """Connect the unmodified client."""
    options = {"api_endpoint": url}
    return bigquery.Client(project=project, credentials=AnonymousCredentials(), client_options=options)


def measure() -> Iterator[Figure]:
    """Load, read and ask, here and there; what a peer cannot do has no baseline, which is said."""
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as name:
        folder = Path(name)
        table = sample()
        pq.write_table(table, folder / "big.parquet")
        with ours(folder) as server, raw_duckdb(folder) as raw, peer(folder) as other:
            yield from loads(server, raw, other, folder)
            yield from reads(server, raw, other)
            yield from points(server, other)
            yield from crowds(server, other)
            yield Figure("emulator_peak_mib", round(server.peak_mib()), "MiB", other and round(other.peak_mib()), 1)


def sample() -> pa.Table:
    """Make a million rows of eight columns."""
    random = np.random.default_rng(7)
    numbers = np.arange(ROWS)
    return pa.table(
        {
            "id": numbers,
            "g": random.integers(0, 100, ROWS),
            "x": random.normal(size=ROWS),
            "name": pa.array([f"customer {number}" for number in numbers]),
            "flag": random.integers(0, 2, ROWS).astype(bool),
            "day": pa.array(numbers % 3650, pa.int32()).cast(pa.date32()),
            "at": pa.array(numbers * 1_000_003, pa.timestamp("us", tz="UTC")),
            "note": pa.array([f"note {number % 1000:04d}" for number in numbers]),
        }
    )


# -- the servers


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[Server]:
    """Start our emulator on free ports."""
    command = [sys.executable, "-m", "athena_lab.emulator.main", "--data", str(folder / "data"), "--trust-anonymous"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    words = process.stdout.readline().split()
    with running(process, words[3], words[6], "athena") as server:
        yield server


@contextlib.contextmanager
def running(process: subprocess.Popen, url: str, address: str, project: str) -> Iterator[Server]:
    """Connect to a server; stop it in the end."""
    channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
    storage = BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))
    try:
        yield Server(process, client_of(url, project), storage, url)
    finally:
        channel.close()
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def peer(folder: Path) -> Iterator[Server | None]:
    """Install and start the peer; None where it cannot be had, which is said."""
    environment = folder / "peer"
    try:
        install(environment)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"no baseline: {PEER} cannot be installed ({type(error).__name__})", file=sys.stderr)
        yield None
        return
    rest, storage = free_port(), free_port()
    command = [str(environment / "bin" / "bqemulator"), "start", "--rest-port", str(rest), "--grpc-port", str(storage)]
    log = (folder / "peer.log").open("w")
    process = subprocess.Popen(command, stdout=log, stderr=log, env=peer_environment(environment))
    log.close()
    url = f"http://127.0.0.1:{rest}"
    if not answers(url, process):
        print(f"no baseline: {PEER} does not start", file=sys.stderr)
        process.kill()
        process.wait(30)
        yield None
        return
    with running(process, url, f"127.0.0.1:{storage}", "bench") as server:
        yield server


def install(environment: Path) -> None:
    """Make an environment with the peer in it."""
    uv = shutil.which("uv")
    python = str(environment / "bin" / "python")
    if uv is not None:
        steps = [[uv, "venv", "-q", "--python", sys.executable, str(environment)]]
        steps.append([uv, "pip", "install", "-q", "--python", python, PEER, *PEER_NEEDS])
    else:
        steps = [[sys.executable, "-m", "venv", str(environment)]]
        steps.append([python, "-m", "pip", "install", "-q", PEER, *PEER_NEEDS])
    steps.append([python, "-c", "import duckdb_extensions as e; e.import_extension('spatial')"])
    for step in steps:
        subprocess.run(step, check=True, capture_output=True, timeout=600, env=peer_environment(environment))


def peer_environment(environment: Path) -> dict[str, str]:
    """Give the peer a home of its own, for the extension."""
    home = environment.parent / "peer-home"
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return {**kept, "HOME": str(home), "UV_CACHE_DIR": str(Path("~/.cache/uv").expanduser())}


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str, process: subprocess.Popen) -> bool:
    """Wait until a server answers anything."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


@contextlib.contextmanager
def raw_duckdb(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB file of its own, set up as ours is where it matters."""
    with duckdb.connect(str(folder / "raw.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


# -- the figures


def timed(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Give the median seconds of a piece of work."""
    samples = []
    for _ in range(repeats):
        before = time.perf_counter()
        work()
        samples.append(time.perf_counter() - before)
    return statistics.median(samples)


def attempt(what: str, server: Server | None, work: Callable[[Server], float]) -> float | None:
    """Measure the peer; say so where it cannot."""
    if server is None:
        return None
    try:
        return work(server)
    except Exception as error:  # noqa: BLE001 (whatever the peer fails with)
        print(f"no baseline for {what}: {PEER} fails ({type(error).__name__}: {str(error)[:120]})", file=sys.stderr)
        return None


def loads(server: Server, raw: duckdb.DuckDBPyConnection, other: Server | None, folder: Path) -> Iterator[Figure]:
    """Load Parquet: a load job against raw DuckDB."""
    path = folder / "big.parquet"

    def load(target: Server) -> float:
        target.client.create_dataset("bench", exists_ok=True)
        config = bigquery.LoadJobConfig(source_format="PARQUET", write_disposition="WRITE_TRUNCATE")
        data = path.read_bytes()

        def once() -> None:
            target.client.load_table_from_file(io.BytesIO(data), "bench.big", job_config=config).result()

        once()
        return timed(once, 3)

    plain = timed(lambda: raw.execute(f"CREATE OR REPLACE TABLE big AS FROM read_parquet('{path}')"), 3)
    mine = load(server)
    theirs = attempt("load_1m_ratio", other, load)
    if other is not None and theirs is None:
        attempt("its table", other, lambda target: float(len(list(target.client.query_and_wait(PEER_TABLE)))))
    yield Figure("load_1m_ratio", round(mine / plain, 2), "x raw DuckDB", theirs and round(theirs / plain, 2), 3)
    yield Figure("load_1m_s", round(mine, 2), "s", theirs and round(theirs, 2), 3)


def reads(server: Server, raw: duckdb.DuckDBPyConnection, other: Server | None) -> Iterator[Figure]:
    """Read a million rows through Storage Read, equal to raw DuckDB's; a hundred thousand as JSON."""

    def plain() -> pd.DataFrame:
        return raw.sql("FROM big").to_arrow_table().to_pandas(types_mapper=_PANDAS.get)

    def read(target: Server) -> pd.DataFrame:
        return target.client.list_rows("bench.big").to_dataframe(bqstorage_client=target.storage)

    mine, wanted = read(server), plain()
    wanted = wanted.astype(mine.dtypes.to_dict())
    order = mine.sort_values("id", ignore_index=True)
    pd.testing.assert_frame_equal(order, wanted.sort_values("id", ignore_index=True))
    base = timed(plain)
    ratio = timed(lambda: read(server)) / base
    theirs = attempt("read_1m_ratio", other, lambda target: timed(lambda: read(target), 2))
    yield Figure("read_1m_ratio", round(ratio, 2), "x raw DuckDB", theirs and round(theirs / base, 2), REPEATS)

    def rest(target: Server) -> float:
        def once() -> pd.DataFrame:
            rows = target.client.list_rows("bench.big", max_results=REST_ROWS)
            return rows.to_dataframe(create_bqstorage_client=False)

        return timed(once, 3)

    theirs = attempt("rest_100k_s", other, rest)
    yield Figure("rest_100k_s", round(rest(server), 2), "s", theirs and round(theirs, 2), 3)


def points(server: Server, other: Server | None) -> Iterator[Figure]:
    """Ask for one row, both ways; the worse one counts."""

    def ask(target: Server) -> tuple[float, float]:
        found = []
        for way in (
            lambda: list(target.client.query_and_wait(POINT)),
            lambda: list(target.client.query(POINT).result()),
        ):
            assert len(way()) == 1
            samples = []
            for _ in range(POINTS):
                before = time.perf_counter()
                way()
                samples.append((time.perf_counter() - before) * 1000)
            found.append((statistics.median(samples), statistics.quantiles(samples, n=20)[-1]))
        return max(found)

    p50, p95 = ask(server)
    theirs: list[tuple[float, float]] = []
    attempt("point_query", other, lambda target: theirs.append(ask(target)) or 0.0)
    base50, base95 = theirs[0] if theirs else (None, None)
    yield Figure("point_query_p50_ms", round(p50, 1), "ms", base50 and round(base50, 1), POINTS)
    yield Figure("point_query_p95_ms", round(p95, 1), "ms", base95 and round(base95, 1), POINTS)
    if base50:
        yield Figure("point_query_ratio", round(p50 / base50, 2), "x bqemulator", 1.0, POINTS)


def crowds(server: Server, other: Server | None) -> Iterator[Figure]:
    """Eight clients ask at once."""

    def crowd(target: Server) -> float:
        clients = [target.new_client() for _ in range(CLIENTS)]

        def one(client: bigquery.Client) -> int:
            return sum(len(list(client.query_and_wait(AGGREGATE))) for _ in range(REPEATS))

        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            before = time.perf_counter()
            counts = list(pool.map(one, clients))
            took = time.perf_counter() - before
        assert counts == [100 * REPEATS] * CLIENTS
        for client in clients:
            client.close()
        return CLIENTS * REPEATS / took

    theirs = attempt("eight_clients", other, crowd)
    value = round(crowd(server), 1)
    yield Figure("eight_clients_queries_s", value, "queries/s", theirs and round(theirs, 1), CLIENTS * REPEATS)

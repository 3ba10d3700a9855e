"""The embedded BigQuery beside raw DuckDB and `bqemulator` (PyPI, in its own environment): one client for both."""

import concurrent.futures
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import bigquery

from bench.emulator_reads import reads, seconds
from bench.emulator_servers import PEER, Server, ours, peer, raw_duckdb
from bench.figures import Figure

ROWS, REST_ROWS = 1_000_000, 100_000
POINTS, REPEATS, CLIENTS = 100, 5, 8
POINT = "SELECT name, x FROM bench.big WHERE id = 123456"
AGGREGATE = "SELECT g, COUNT(*) AS n, AVG(x) AS mean FROM bench.big GROUP BY g ORDER BY g"
PEER_TABLE = f"""
    CREATE TABLE bench.big AS SELECT id, MOD(id * 7, 100) AS g, id / 7.0 AS x,
      CONCAT('customer ', CAST(id AS STRING)) AS name, MOD(id, 2) = 0 AS flag,
      DATE_ADD(DATE '1970-01-01', INTERVAL MOD(id, 3650) DAY) AS day, TIMESTAMP_MICROS(id * 1000003) AS at,
      CONCAT('note ', CAST(MOD(id, 1000) AS STRING)) AS note
    FROM UNNEST(GENERATE_ARRAY(0, {ROWS - 1})) AS id"""
"""For the peer where it cannot load the file: as many rows of the same columns."""


def measure() -> Iterator[Figure]:
    """Load, read and ask, here and there; what a peer cannot do has no baseline, which is said."""
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as name:
        folder = Path(name)
        table = sample()
        pq.write_table(table, folder / "big.parquet")
        with ours(folder) as server, raw_duckdb(folder) as raw, peer(folder) as other:
            yield Figure("emulator_idle_pss_mib", server.pss_mib(), "MiB", other and other.pss_mib(), 1)
            yield from loads(server, raw, other, folder)
            yield from reads(server, raw, other, folder / "big.parquet")
            yield Figure("emulator_pss_mib", server.pss_mib(), "MiB", other and other.pss_mib(), 1)
            yield from rows(server, other)
            yield from points(server, other)
            yield from crowds(server, other)
            yield Figure("machine_load", round(os.getloadavg()[0], 1), "processes", None, 1)


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


# -- the figures


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
        return statistics.median(seconds(once) / plain() for _ in range(REPEATS))

    def plain() -> float:
        return seconds(lambda: raw.execute(f"CREATE OR REPLACE TABLE big AS FROM read_parquet('{path}')"))

    mine = load(server)
    theirs = attempt("load_1m_ratio", other, load)
    if other is not None and theirs is None:
        attempt("its table", other, lambda target: float(len(list(target.client.query_and_wait(PEER_TABLE)))))
    yield Figure("load_1m_ratio", round(mine, 2), "x raw DuckDB", theirs and round(theirs, 2), REPEATS)


def rows(server: Server, other: Server | None) -> Iterator[Figure]:
    """Read a hundred thousand rows as JSON."""

    def rest(target: Server) -> float:
        def once() -> pd.DataFrame:
            rows = target.client.list_rows("bench.big", max_results=REST_ROWS)
            return rows.to_dataframe(create_bqstorage_client=False)

        return statistics.median(seconds(once) for _ in range(3))

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

    def crowd(target: Server) -> tuple[float, float]:
        clients = [target.new_client() for _ in range(CLIENTS)]

        def one(client: bigquery.Client) -> list[float]:
            return [seconds(lambda: ask(client)) * 1000 for _ in range(REPEATS)]

        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            before = time.perf_counter()
            samples = [sample for found in pool.map(one, clients) for sample in found]
            took = time.perf_counter() - before
        for client in clients:
            client.close()
        return len(samples) / took, statistics.quantiles(samples, n=20)[-1]

    def ask(client: bigquery.Client) -> None:
        assert len(list(client.query_and_wait(AGGREGATE))) == 100

    theirs: list[tuple[float, float]] = []
    attempt("eight_clients", other, lambda target: theirs.append(crowd(target)) or 0.0)
    throughput, p95 = crowd(server)
    base, base95 = theirs[0] if theirs else (None, None)
    count = CLIENTS * REPEATS
    yield Figure("eight_clients_queries_s", round(throughput, 1), "queries/s", base and round(base, 1), count)
    yield Figure("eight_clients_p95_ms", round(p95, 1), "ms", base95 and round(base95, 1), count)

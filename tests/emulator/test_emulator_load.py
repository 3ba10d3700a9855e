"""Under load: many readers, long writers, too little memory, no time left, clients that go away, large files."""

from __future__ import annotations

import concurrent.futures
import io
import json
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest, GoogleAPICallError
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient, types

MANY = "UNNEST(GENERATE_ARRAY(1, 300000))"
LONG = f"SELECT COUNT(*) AS n FROM {MANY} AS a, {MANY} AS b WHERE MOD(a * b, 7) = 3"
"""Runs for minutes."""
ROWS = 200_000


@pytest.fixture(scope="module")
def numbers(bq: bigquery.Client) -> Any:
    """A table of many rows."""
    bq.create_dataset("load_tests")
    bq.query_and_wait(
        "CREATE TABLE load_tests.numbers AS SELECT a AS id, CONCAT('name ', CAST(a AS STRING)) AS name"
        f" FROM UNNEST(GENERATE_ARRAY(0, {ROWS - 1})) AS a"
    )
    yield "projects/athena/datasets/load_tests/tables/numbers"
    bq.delete_dataset("load_tests", delete_contents=True)


def wait_until(is_true: Any, what: str, within_s: float = 20) -> None:
    deadline, pause = time.monotonic() + within_s, threading.Event()
    while not is_true():
        assert time.monotonic() < deadline, what
        pause.wait(0.05)


def cpu_s(emulator: Any) -> float:
    fields = Path(f"/proc/{emulator.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def is_at_rest(emulator: Any) -> bool:
    """Tell whether the process uses less than a fifth of a processor."""
    before, began = cpu_s(emulator), time.monotonic()
    threading.Event().wait(0.3)
    return cpu_s(emulator) - before < 0.2 * (time.monotonic() - began)


def session_of(storage: BigQueryReadClient, table: str, streams: int = 1) -> types.ReadSession:
    asked = types.ReadSession(table=table, data_format=types.DataFormat.ARROW)
    return storage.create_read_session(parent="projects/athena", read_session=asked, max_stream_count=streams)


def test_readers_answer_while_statements_write_for_long(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS n")
    writers = [bq.query(f"INSERT INTO {dataset}.t (n) {LONG}") for _ in range(17)]
    script = bq.query(f"BEGIN TRANSACTION; INSERT INTO {dataset}.t (n) VALUES (2); {LONG}; COMMIT TRANSACTION;")
    try:
        wait_until(lambda: script.reload() or script.state == "RUNNING", "the script has not begun")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(bq.query_and_wait, f"SELECT SUM(n) AS n FROM {dataset}.t") for _ in range(8)]
            assert [next(iter(future.result(20))).n for future in asked] == [1] * 8
    finally:
        for job in (*writers, script):
            job.cancel()
    for job in (*writers, script):
        with pytest.raises(GoogleAPICallError, match="cancelled"):
            job.result(timeout=20)
    assert next(iter(bq.query_and_wait(f"SELECT SUM(n) AS n FROM {dataset}.t"))).n == 1


def test_fifty_streams_are_read_at_once(bq_storage: BigQueryReadClient, numbers: str) -> None:
    def read(_: int) -> int:
        session = session_of(bq_storage, numbers)
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        messages = [message.arrow_record_batch for message in bq_storage.read_rows(session.streams[0].name)]
        batches = [pa.ipc.read_record_batch(pa.py_buffer(item.serialized_record_batch), schema) for item in messages]
        return sum(batch.column("id").sum().as_py() for batch in batches)

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        assert set(pool.map(read, range(50))) == {ROWS * (ROWS - 1) // 2}


def test_readers_that_stop_in_the_middle_leave_nothing_behind(
    emulator: Any, bq_storage: BigQueryReadClient, numbers: str
) -> None:
    def resources() -> tuple[int, int]:
        process = Path(f"/proc/{emulator.process.pid}")
        return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))

    def begin_and_stop(_: int) -> None:
        (stream,) = session_of(bq_storage, numbers).streams
        reader = bq_storage.read_rows(stream.name)
        assert next(iter(reader)).row_count
        reader.cancel()

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(begin_and_stop, range(20)))  # threads that serve are kept for the next calls
        before = resources()
        for _ in range(3):
            list(pool.map(begin_and_stop, range(20)))
    wait_until(lambda: all(now <= then + 4 for now, then in zip(resources(), before, strict=True)), "something stays")


def test_query_that_needs_more_memory_spills_or_fails_alone(own_emulator: Any) -> None:
    own_emulator.stop()
    own_emulator.extra = ("--memory-mib", "96")
    own_emulator.start()
    bq = own_emulator.client()
    wide = (
        "SELECT a, REPEAT(CAST(MOD(a * 7919, 400000) AS STRING), 20) AS b FROM UNNEST(GENERATE_ARRAY(1, 400000)) AS a"
    )
    bq.create_dataset("d")
    bq.query_and_wait(f"CREATE TABLE d.t AS {wide}")
    sql = "SELECT MAX(n) AS n FROM (SELECT ROW_NUMBER() OVER (ORDER BY b, a) AS n FROM d.t)"
    assert next(iter(bq.query_and_wait(sql))).n == 400_000
    with pytest.raises(BadRequest, match="Resources exceeded") as failed:
        bq.query_and_wait("SELECT ARRAY_AGG(CONCAT(b, CAST(a AS STRING))) AS all_ FROM d.t")
    assert failed.value.errors[0]["reason"] == "resourcesExceeded"
    assert next(iter(bq.query_and_wait("SELECT COUNT(*) AS n FROM d.t"))).n == 400_000


def test_job_that_takes_longer_than_it_is_given_stops_the_engine(emulator: Any, bq: bigquery.Client) -> None:
    job = bq.query(LONG, job_config=bigquery.QueryJobConfig(job_timeout_ms=300))
    with pytest.raises(BadRequest, match=r"timed out after 0\.3 sec"):
        job.result(timeout=20)
    job.reload()
    assert job.error_result["reason"] == "timeout"
    wait_until(lambda: is_at_rest(emulator), "DuckDB goes on")


def test_cancelled_script_stops_the_engine(emulator: Any, bq: bigquery.Client) -> None:
    job = bq.query(f"DECLARE n INT64; SET n = ({LONG}); SELECT n;")
    wait_until(lambda: job.reload() or job.state == "RUNNING", "the script has not begun")
    job.cancel()
    with pytest.raises(GoogleAPICallError, match="cancelled"):
        job.result(timeout=20)
    wait_until(lambda: is_at_rest(emulator), "DuckDB goes on")


def test_answer_comes_when_its_time_is_up_and_the_job_goes_on(bq: bigquery.Client) -> None:
    body = {"query": LONG, "useLegacySql": False, "timeoutMs": 50}
    began = time.monotonic()
    answer = bq._call_api(None, method="POST", path="/projects/athena/queries", data=body)
    assert time.monotonic() - began < 5
    assert answer["jobComplete"] is False
    job = bq.get_job(answer["jobReference"]["jobId"])
    assert job.state == "RUNNING"
    job.cancel()
    with pytest.raises(GoogleAPICallError, match="cancelled"):
        job.result(timeout=20)


FIELDS = [bigquery.SchemaField("id", "INTEGER"), bigquery.SchemaField("name", "STRING")]


def load(bq: bigquery.Client, table: str, data: bytes, *, is_multipart: bool = False, **options: Any) -> Any:
    config = bigquery.LoadJobConfig(write_disposition="WRITE_TRUNCATE", **options)
    how = {"size": len(data)} if is_multipart else {}
    return bq.load_table_from_file(io.BytesIO(data), table, job_config=config, **how).result()


@pytest.mark.parametrize("is_multipart", [False, True])
def test_file_of_many_pieces_arrives_whole(bq: bigquery.Client, dataset: str, is_multipart: bool) -> None:
    names = [f"name {number}\r\n\r\n--==boundary\n" for number in range(50_000)]
    table = pa.table({"id": range(50_000), "name": pa.array(names).dictionary_encode()})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=7_000)
    lines = "\n".join(json.dumps({"id": number, "name": name}) for number, name in enumerate(names))
    quoted = "".join(f'{number},"{name}"\n' for number, name in enumerate(names))
    files = (
        (sink.getvalue(), {"source_format": "PARQUET"}),
        (lines.encode(), {"source_format": "NEWLINE_DELIMITED_JSON", "schema": FIELDS}),
        (quoted.encode(), {"source_format": "CSV", "schema": FIELDS, "allow_quoted_newlines": True}),
    )
    for data, options in files:
        job = load(bq, f"{dataset}.t", data, is_multipart=is_multipart, **options)
        assert job.output_rows == 50_000
        (row,) = bq.query_and_wait(
            f"SELECT COUNT(DISTINCT name) AS names, SUM(id) AS ids, MIN(LENGTH(name)) AS n FROM {dataset}.t"
        )
        assert tuple(row.values()) == (50_000, sum(range(50_000)), len(names[0]))


def test_fault_far_behind_in_a_file_is_told_with_its_row_and_nothing_is_kept(bq: bigquery.Client, dataset: str) -> None:
    bq.create_table(bigquery.Table(f"athena.{dataset}.t", schema=FIELDS))
    lines = [json.dumps({"id": number, "name": "x"}) for number in range(40_000)]
    lines[30_000] = json.dumps({"id": "not a number", "name": "x"})
    with pytest.raises(BadRequest, match="row 30001: Cannot convert value to integer"):
        load(bq, f"{dataset}.t", "\n".join(lines).encode(), source_format="NEWLINE_DELIMITED_JSON", schema=FIELDS)
    lines[30_000] = "{"
    with pytest.raises(BadRequest, match="NEWLINE_DELIMITED_JSON cannot be read"):
        load(bq, f"{dataset}.t", "\n".join(lines).encode(), source_format="NEWLINE_DELIMITED_JSON", schema=FIELDS)
    assert next(iter(bq.query_and_wait(f"SELECT COUNT(*) AS n FROM {dataset}.t"))).n == 0


def test_last_page_of_a_table_is_as_near_as_the_first(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(
        f"CREATE TABLE {dataset}.t AS SELECT a AS id, CONCAT('name ', CAST(a AS STRING)) AS name"
        " FROM UNNEST(GENERATE_ARRAY(0, 999999)) AS a"
    )

    def page_s(start: int) -> float:
        best = 60.0
        for _ in range(5):
            began = time.monotonic()
            (first, *_) = rows = list(bq.list_rows(f"{dataset}.t", start_index=start, max_results=500))
            best = min(best, time.monotonic() - began)
            assert (first.id, len(rows)) == (start, 500)
        return best

    near = page_s(0)
    assert page_s(999_000) < 2 * near + 0.05

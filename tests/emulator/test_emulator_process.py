"""The process: it stops cleanly, keeps what was committed through kill -9, and serves many at once."""

from __future__ import annotations

import concurrent.futures
import re
import signal
import stat
import urllib.request
from typing import Any

import pytest

pytestmark = pytest.mark.stack


def test_it_announces_itself_stops_cleanly_and_keeps_its_tables(own_emulator: Any) -> None:
    pattern = r"emulator ready on http://127\.0\.0\.1:\d+ \(REST\) and 127\.0\.0\.1:\d+ \(gRPC\)\n"
    assert re.fullmatch(pattern, own_emulator.announcement)
    bq = own_emulator.client()
    bq.create_dataset("kept")
    bq.query_and_wait("CREATE TABLE kept.t AS SELECT 1 AS a, [STRUCT('x' AS y)] AS b")
    bq.query_and_wait("CREATE VIEW kept.v AS SELECT a FROM kept.t")
    file = own_emulator.data / "warehouse.duckdb"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert own_emulator.stop(signal.SIGTERM) == 0
    own_emulator.start()
    bq = own_emulator.client()
    assert [tuple(row.values()) for row in bq.query_and_wait("SELECT a, b FROM kept.t")] == [(1, [{"y": "x"}])]
    assert [row.a for row in bq.query_and_wait("SELECT a FROM kept.v")] == [1]
    assert own_emulator.stop(signal.SIGINT) == 0


def test_committed_rows_survive_kill_9(own_emulator: Any) -> None:
    bq = own_emulator.client()
    bq.create_dataset("d")
    bq.query_and_wait("CREATE TABLE d.t (i INT64)")
    for number in range(20):
        bq.query_and_wait(f"INSERT INTO d.t (i) VALUES ({number})")
    bq.query("INSERT INTO d.t (i) SELECT a FROM UNNEST(GENERATE_ARRAY(100, 3000000)) AS a")
    own_emulator.stop(signal.SIGKILL)
    own_emulator.start()
    bq = own_emulator.client()
    (row,) = bq.query_and_wait("SELECT COUNT(*) AS n, COUNTIF(i < 20) AS kept FROM d.t")
    assert row.kept == 20
    assert row.n in (20, 20 + 2_999_901)


def test_writers_do_not_block_readers_and_none_of_their_rows_is_lost(own_emulator: Any) -> None:
    bq = own_emulator.client()
    bq.create_dataset("d")
    bq.query_and_wait("CREATE TABLE d.t AS SELECT 0 AS i, 0 AS n")

    def write(number: int) -> None:
        own_emulator.client().query_and_wait(f"INSERT INTO d.t (i, n) VALUES ({number}, 0)")
        own_emulator.client().query_and_wait("UPDATE d.t SET n = n + 1 WHERE i = 0")

    def read(_: int) -> int:
        return next(iter(own_emulator.client().query_and_wait("SELECT COUNT(*) AS n FROM d.t"))).n

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        writes = [pool.submit(write, number) for number in range(1, 13)]
        reads = [pool.submit(read, number) for number in range(24)]
        for future in (*writes, *reads):
            future.result(60)
    (row,) = bq.query_and_wait("SELECT COUNT(*) AS rows_, MAX(n) AS updates FROM d.t")
    assert (row.rows_, row.updates) == (13, 12)


def test_anonymous_mode_serves_programs_but_no_web_page(tmp_path: Any, own_emulator: Any) -> None:
    own_emulator.stop()
    own_emulator.extra = ("--trust-anonymous",)
    own_emulator.start()
    path = f"{own_emulator.url}/bigquery/v2/projects"
    with urllib.request.urlopen(path, timeout=10) as answer:
        assert answer.status == 200
    for headers in ({"Origin": "https://example.org"}, {"Host": "example.org"}):
        request = urllib.request.Request(path, headers=headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        with refused.value:
            assert refused.value.code == 403
    assert "WARNING" in (tmp_path / "emulator.log").read_text()

"""kill -9 in the middle of random writes: what was acknowledged is there, nothing is there by halves."""

from __future__ import annotations

import random
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.cloud import bigquery

RESTART_S = 2.0
BATCH = 50


@dataclass
class Writer:
    """Writes batches of rows, each in one statement, and remembers which were acknowledged."""

    client: bigquery.Client
    first: int
    acknowledged: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def run(self, seed: int) -> None:
        choice = random.Random(seed)
        number = self.first
        while True:
            self.asked.append(number)
            try:
                self._write(choice.choice(("insert", "rows", "load", "merge", "select")), number)
            except Exception:  # noqa: BLE001 (the server is gone: that is the test)
                return
            self.acknowledged.append(number)
            number += 1

    def _write(self, how: str, number: int) -> None:
        rows = [{"batch": number, "item": item} for item in range(BATCH)]
        once: dict[str, Any] = {"retry": None, "timeout": 3}
        if how == "rows":
            assert self.client.insert_rows_json("athena.d.t", rows, **once) == []
        elif how == "load":
            config = bigquery.LoadJobConfig(write_disposition="WRITE_APPEND")
            self.client.load_table_from_json(rows, "athena.d.t", job_config=config, num_retries=0, timeout=3).result(
                retry=None, timeout=3
            )
        else:
            source = f"SELECT {number} AS batch, item FROM UNNEST(GENERATE_ARRAY(0, {BATCH - 1})) AS item"
            values = ", ".join(f"({number}, {item})" for item in range(BATCH))
            sql = {
                "insert": f"INSERT INTO d.t (batch, item) VALUES {values}",
                "select": f"INSERT INTO d.t (batch, item) {source}",
                "merge": f"MERGE d.t t USING ({source}) s ON t.batch = s.batch AND t.item = s.item"
                " WHEN NOT MATCHED THEN INSERT (batch, item) VALUES (s.batch, s.item)",
            }[how]
            self.client.query_and_wait(sql, retry=None, job_retry=None, api_timeout=3)


def workload(emulator: Any, seed: int) -> tuple[list[int], list[int]]:
    """Write from two clients, kill the process after a random while; give what was acknowledged and asked."""
    writers = [Writer(emulator.client(), seed * 1_000_000 + index * 500_000) for index in range(2)]
    threads = [
        threading.Thread(target=writer.run, args=(seed * 2 + at,), daemon=True) for at, writer in enumerate(writers)
    ]
    for thread in threads:
        thread.start()
    threads[0].join(random.Random(seed).uniform(0.02, 0.4))
    emulator.process.send_signal(signal.SIGKILL)
    emulator.process.wait(20)
    for thread in threads:
        thread.join(0.2)  # the client may go on asking the closed port for minutes: nothing is acknowledged any more
    return [n for writer in writers for n in writer.acknowledged], [n for writer in writers for n in writer.asked]


def check_kills(emulator: Any, count: int) -> None:
    client = emulator.client()
    client.create_dataset("d")
    client.query_and_wait("CREATE TABLE d.t (batch INT64, item INT64)")
    acknowledged: set[int] = set()
    asked: set[int] = set()
    for seed in range(1, count + 1):
        done, begun = workload(emulator, seed)
        acknowledged.update(done)
        asked.update(begun)
        emulator.stop(signal.SIGKILL)
        before = time.monotonic()
        emulator.start()
        took = time.monotonic() - before
        counted = {
            row["batch"]: row["n"]
            for row in emulator.client().query_and_wait("SELECT batch, COUNT(*) AS n FROM d.t GROUP BY batch")
        }
        assert acknowledged <= counted.keys() <= asked
        assert set(counted.values()) <= {BATCH}
        assert took <= RESTART_S * 5, f"restart took {took:.1f} s"
    assert len(acknowledged) >= count


def test_ten_kills_lose_no_acknowledged_row(own_emulator: Any) -> None:
    check_kills(own_emulator, 10)


@pytest.mark.soak
def test_two_hundred_kills_lose_no_acknowledged_row(own_emulator: Any) -> None:
    check_kills(own_emulator, 200)

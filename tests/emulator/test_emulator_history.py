"""What is kept of the past, and when it is forgotten: the catalog without its process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from athena_lab.emulator import history
from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import now_ms
from athena_lab.emulator.jobs import Job, new_id, run
from athena_lab.emulator.physical import SINCE
from athena_lab.emulator.queries import Queries
from athena_lab.emulator.warehouse import Warehouse

DAY_MS = 86_400_000


class Local:
    """A warehouse in this process, asked as its administrator."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = Warehouse(folder, "athena", "EU")
        self.queries = Queries(self.warehouse)

    def __call__(self, sql: str) -> list[tuple[Any, ...]]:
        job = Job(new_id(), Principal("root", is_platform=True), {"query": {"query": sql}})
        run(job, self.queries.run)
        if job.fault is not None:
            raise job.fault
        return [] if job.result is None else [tuple(row.values()) for row in job.result.table().to_pylist()]

    def past(self, moment: str) -> list[tuple[Any, ...]]:
        return self(f"SELECT i FROM d.t FOR SYSTEM_TIME AS OF {moment} ORDER BY i")

    def now(self) -> str:
        ((now,),) = self("SELECT CURRENT_TIMESTAMP()")
        while self("SELECT CURRENT_TIMESTAMP()")[0][0].microsecond // 2000 == now.microsecond // 2000:
            pass
        return f"TIMESTAMP '{now.isoformat()}'"

    def duckdb_tables(self) -> set[str]:
        with self.warehouse.store.fresh_cursor() as cursor:
            found = cursor.execute("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 't%'").fetchall()
        return {name for (name,) in found}

    def purge(self, days: float) -> None:
        catalog = self.warehouse.catalog
        with self.warehouse.store.fresh_cursor() as cursor:
            cursor.begin()
            catalog.history.purge(cursor, catalog.committed.tables, now_ms() + int(days * DAY_MS))
            cursor.commit()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    made = Local(tmp_path / "data")
    made("CREATE SCHEMA d")
    yield made
    made.warehouse.close()


def test_tables_that_only_grow_keep_nothing_aside(local: Local) -> None:
    local("CREATE TABLE d.t (i INT64)")
    for number in range(5):
        local(f"INSERT INTO d.t VALUES ({number})")
    assert local.duckdb_tables() == {"t1"}


def test_what_is_older_than_seven_days_is_removed(local: Local) -> None:
    local("CREATE TABLE d.t AS SELECT 1 AS i")
    local("UPDATE d.t SET i = 2 WHERE TRUE")
    local("CREATE OR REPLACE TABLE d.t AS SELECT 3 AS i")
    local("UPDATE d.t SET i = 4 WHERE TRUE")
    local.purge(6)
    assert local.duckdb_tables() == {"t1", "t1_old", "t2", "t2_old"}
    local.purge(8)
    assert local.duckdb_tables() == {"t2", "t2_old"}
    with local.warehouse.store.fresh_cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM t2_old").fetchone() == (0,)
    assert local("SELECT i FROM d.t") == [(4,)]


def test_what_was_removed_for_its_size_is_said_to_be_unknown(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    local("CREATE TABLE d.t AS SELECT 1 AS i")
    first = local.now()
    local("CREATE OR REPLACE TABLE d.t AS SELECT 2 AS i")
    second = local.now()
    local("UPDATE d.t SET i = 3 WHERE TRUE")
    third = local.now()
    assert [local.past(moment) for moment in (first, second, third)] == [[(1,)], [(2,)], [(3,)]]
    monkeypatch.setattr(history, "_MOST_BYTES", 0)
    local.purge(0)
    assert local.past(third) == [(3,)]
    for moment in (first, second):
        with pytest.raises(Exception, match="Cannot read before"):
            local.past(moment)
    local.warehouse.close()
    again = Local(local.warehouse.store.results.parent)
    try:
        assert again.past(third) == [(3,)]
        with pytest.raises(Exception, match="Cannot read before"):
            again.past(second)
    finally:
        again.warehouse.close()


def test_temporary_tables_and_dropped_datasets_leave_nothing(local: Local) -> None:
    local("CREATE TEMP TABLE x AS SELECT 1 AS i; UPDATE x SET i = 2 WHERE TRUE; TRUNCATE TABLE x; DROP TABLE x")
    assert local.duckdb_tables() == set()
    local("CREATE TABLE d.t AS SELECT 1 AS i")
    local("CREATE OR REPLACE TABLE d.t AS SELECT 2 AS i")
    local("DROP SCHEMA d CASCADE")
    assert local.duckdb_tables() == set()


def test_tables_of_before_there_was_history_are_taken_in(local: Local) -> None:
    local("CREATE TABLE d.t AS SELECT 1 AS i")
    before = local.now()
    with local.warehouse.store.fresh_cursor() as cursor:
        cursor.execute(f"ALTER TABLE t1 DROP COLUMN {SINCE}")
    local.warehouse.close()
    again = Local(local.warehouse.store.results.parent)
    try:
        since = again.now()
        again("UPDATE d.t SET i = 2 WHERE TRUE")
        assert (again.past(since), again("SELECT i FROM d.t")) == ([(1,)], [(2,)])
        with pytest.raises(Exception, match="Cannot read before"):
            again.past(before)
    finally:
        again.warehouse.close()


def test_a_rolled_back_transaction_changes_neither_present_nor_past(local: Local) -> None:
    local("CREATE TABLE d.t AS SELECT 1 AS i")
    before = local.now()
    local("BEGIN TRANSACTION; UPDATE d.t SET i = 2 WHERE TRUE; DROP TABLE d.t; ROLLBACK TRANSACTION")
    assert (local("SELECT i FROM d.t"), local.past(before), local.past(local.now())) == ([(1,)], [(1,)], [(1,)])


def test_a_long_transaction_is_seen_from_its_end_on(local: Local) -> None:
    local("CREATE TABLE d.t AS SELECT 1 AS i")
    script = """
        DECLARE at TIMESTAMP;
        BEGIN TRANSACTION;
        INSERT INTO d.t VALUES (2);
        SET at = CURRENT_TIMESTAMP();
        WHILE CURRENT_TIMESTAMP() < TIMESTAMP_ADD(at, INTERVAL 20 MILLISECOND) DO SELECT 1; END WHILE;
        COMMIT TRANSACTION;
        SELECT TIMESTAMP_ADD(at, INTERVAL 10 MILLISECOND);
    """
    ((between,),) = local(script)
    assert local.past(f"TIMESTAMP '{between.isoformat()}'") == [(1,)]
    assert local.past(local.now()) == [(1,), (2,)]

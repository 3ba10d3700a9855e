"""The records of runs in SQLite: runs, their attempts, their cells; our own, since Airflow forgets."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from athena_lab.errors import ConfigurationError
from athena_lab.gateway_api.jobs import RunState
from athena_lab.gateway_api.worker import REHEARSAL_JOB_ID
from athena_lab.jobs.private_file import text_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
  run_id TEXT PRIMARY KEY, dag_id TEXT NOT NULL, airflow_run_id TEXT NOT NULL, job_id TEXT NOT NULL,
  job_name TEXT NOT NULL, job_version INTEGER NOT NULL, owner TEXT NOT NULL, team TEXT NOT NULL, type TEXT NOT NULL,
  state TEXT NOT NULL, queued_at TEXT NOT NULL, started_at TEXT, ended_at TEXT, error TEXT, airflow_state TEXT,
  anchor TEXT, requested TEXT NOT NULL DEFAULT '{}', parameters TEXT NOT NULL DEFAULT '{}', resolved_version INTEGER,
  failures_allowed INTEGER NOT NULL DEFAULT 0, cells_total INTEGER NOT NULL DEFAULT 0, requested_by TEXT,
  cancel_requested_at TEXT, must_stop INTEGER NOT NULL DEFAULT 0, standing TEXT NOT NULL DEFAULT 'listed'
) STRICT;
CREATE INDEX IF NOT EXISTS runs_of_job ON runs (job_id, queued_at DESC);
CREATE INDEX IF NOT EXISTS runs_of_owner ON runs (owner, queued_at DESC);
CREATE INDEX IF NOT EXISTS runs_unfinished ON runs (state) WHERE state IN ('queued', 'running', 'retrying');
CREATE INDEX IF NOT EXISTS runs_by_end ON runs (ended_at);
CREATE INDEX IF NOT EXISTS runs_to_stop ON runs (must_stop) WHERE must_stop = 1;
CREATE INDEX IF NOT EXISTS runs_waiting ON runs (state) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS waits (
  run_id TEXT PRIMARY KEY, job_id TEXT NOT NULL, tables TEXT NOT NULL, missing TEXT NOT NULL, baseline_at TEXT NOT NULL,
  deadline_at TEXT NOT NULL, seen_at TEXT NOT NULL, late_at TEXT, ready_at TEXT, consumed TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX IF NOT EXISTS waits_of_job ON waits (job_id, ready_at);
CREATE TABLE IF NOT EXISTS updates (name TEXT PRIMARY KEY, updated_at TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS updates_by_time ON updates (updated_at);
CREATE TABLE IF NOT EXISTS attempts (
  run_id TEXT NOT NULL, attempt INTEGER NOT NULL, worker TEXT NOT NULL, state TEXT NOT NULL,
  is_isolated INTEGER NOT NULL, try_number INTEGER NOT NULL, started_at TEXT NOT NULL,
  heartbeat_at TEXT NOT NULL, ended_at TEXT, cells_started INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (run_id, attempt)
) STRICT;
CREATE TABLE IF NOT EXISTS cells (
  run_id TEXT NOT NULL, attempt INTEGER NOT NULL, position INTEGER NOT NULL, state TEXT NOT NULL,
  started_at TEXT, ended_at TEXT, error TEXT, PRIMARY KEY (run_id, attempt, position)
) STRICT;
"""
_UNFINISHED = "state IN ('queued', 'waiting', 'running', 'retrying')"


class Standing(StrEnum):
    """Whether a run counts: only listed ones are shown."""

    ASKED = "asked"
    """Airflow is being asked to start it, and has not answered."""
    LISTED = "listed"
    WITHDRAWN = "withdrawn"
    """Airflow did not say yes; should it have begun after all, its worker is told to stop."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as it is kept; `requested` are a manual run's own values, `parameters` the resolved ones.

    `must_stop`: a cancellation whose effects on Airflow and the warehouse are still to be made sure of.
    """

    run_id: str
    dag_id: str
    airflow_run_id: str
    job_id: str
    job_name: str
    job_version: int
    owner: str
    team: str
    type: str
    queued_at: datetime
    state: RunState = RunState.QUEUED
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    airflow_state: str | None = None
    anchor: datetime | None = None
    requested: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    resolved_version: int | None = None
    failures_allowed: int = 0
    cells_total: int = 0
    requested_by: str | None = None
    cancel_requested_at: datetime | None = None
    must_stop: bool = False
    standing: Standing = Standing.LISTED


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt; `cells_started` counts the cells that began, whatever became of them."""

    run_id: str
    attempt: int
    worker: str
    state: str
    is_isolated: bool
    try_number: int
    started_at: datetime
    heartbeat_at: datetime
    ended_at: datetime | None = None
    cells_started: int = 0


@dataclass(frozen=True, slots=True)
class WaitRow:
    """A run that waits, or waited, for updates of tables.

    `missing` are those not updated yet; `baseline_at` counts where no run of the job before it waited for a table;
    `consumed` has the update of each table with which the wait ended; `seen_at` is when Airflow last asked.
    """

    run_id: str
    job_id: str
    tables: list[str]
    missing: list[str]
    baseline_at: datetime
    deadline_at: datetime
    seen_at: datetime
    late_at: datetime | None = None
    ready_at: datetime | None = None
    consumed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CellRow:
    """One code cell of one attempt."""

    run_id: str
    attempt: int
    position: int
    state: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None


Row = TypeVar("Row", RunRow, AttemptRow, CellRow, WaitRow)


class RunStore:
    """Keep the records in one SQLite file (WAL, every commit on the disk); safe for threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            path.chmod(0o600)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(path, error) from error

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside happen together or not at all; may be nested."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._run("BEGIN IMMEDIATE")
            try:
                yield
                self._run("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._run("ROLLBACK")
                raise

    # -- runs

    def add_run(self, row: RunRow) -> bool:
        """Keep a new run; False if it is known already."""
        return self._insert("runs", row, "OR IGNORE") == 1

    def find_run(self, run_id: str) -> RunRow | None:
        rows = self._select(_run_row, "SELECT * FROM runs WHERE run_id = ?", run_id)
        return rows[0] if rows else None

    def list_runs(self, owner: str, job_id: str | None, limit: int) -> list[RunRow]:
        """Give an owner's newest runs, of one job or of all, newest first; rehearsals are runs of none."""
        where, values = ("AND job_id = ?", (job_id,)) if job_id else ("", ())
        return self._select(
            _run_row,
            f"SELECT * FROM runs WHERE owner = ? AND job_id != ? {where} AND standing = 'listed' "  # noqa: S608 (our words)
            "ORDER BY queued_at DESC, run_id LIMIT ?",
            owner,
            REHEARSAL_JOB_ID,
            *values,
            limit,
        )

    def last_runs(self, job_ids: Sequence[str]) -> dict[str, RunRow]:
        """Give each job's newest run."""
        rows = self._select(
            _run_row,
            "SELECT r.* FROM json_each(?) AS j JOIN runs AS r ON r.run_id = (SELECT run_id FROM runs WHERE job_id = "
            "j.value AND standing = 'listed' ORDER BY queued_at DESC, run_id LIMIT 1)",
            json.dumps(list(job_ids)),
        )
        return {row.job_id: row for row in rows}

    def list_unsettled(self, limit: int) -> list[RunRow]:
        """Give the runs that have not ended, or whose cancellation still has effects to make sure of."""
        return self._select(
            _run_row,
            f"SELECT * FROM runs WHERE ({_UNFINISHED} AND standing = 'listed') OR must_stop = 1 "  # noqa: S608 (a constant)
            "ORDER BY queued_at LIMIT ?",
            limit,
        )

    def has_active_before(self, row: RunRow) -> bool:
        """Is an earlier run of the same job, backfills apart, still under way?"""
        where = f"job_id = ? AND {_UNFINISHED} AND standing = 'listed' AND type != 'backfill'"
        sql = f"SELECT 1 FROM runs WHERE {where} AND (queued_at, run_id) < (?, ?) LIMIT 1"  # noqa: S608 (our words)
        return bool(self._query(sql, row.job_id, _write(row.queued_at), row.run_id))

    def change_run(self, run_id: str, **changes: Any) -> None:
        """Set the named columns of a run."""
        self._update("runs", changes, {"run_id": run_id})

    # -- attempts

    def add_attempt(self, row: AttemptRow) -> None:
        self._insert("attempts", row)

    def list_attempts(self, run_id: str) -> list[AttemptRow]:
        return self._select(AttemptRow, "SELECT * FROM attempts WHERE run_id = ? ORDER BY attempt", run_id)

    def change_attempt(self, run_id: str, attempt: int, **changes: Any) -> None:
        """Set the named columns of an attempt."""
        self._update("attempts", changes, {"run_id": run_id, "attempt": attempt})

    # -- cells

    def put_cell(self, row: CellRow) -> None:
        """Keep a cell's newest state in place of the former one."""
        self._insert("cells", row, "OR REPLACE")

    def list_cells(self, run_id: str, attempt: int) -> list[CellRow]:
        return self._select(
            CellRow, "SELECT * FROM cells WHERE run_id = ? AND attempt = ? ORDER BY position", run_id, attempt
        )

    def count_done_cells(self, run_ids: Sequence[str]) -> dict[str, int]:
        """Give for each run how many cells of its latest attempt succeeded."""
        rows = self._query(
            "SELECT c.run_id, count(*) AS done FROM json_each(?) AS j JOIN cells AS c ON c.run_id = j.value "
            "WHERE c.state = 'succeeded' AND c.attempt = (SELECT max(attempt) FROM attempts WHERE run_id = c.run_id) "
            "GROUP BY c.run_id",
            json.dumps(list(run_ids)),
        )
        return {row["run_id"]: row["done"] for row in rows}

    # -- waits and updates of tables

    def put_wait(self, row: WaitRow) -> None:
        """Keep a wait's newest state in place of the former one."""
        self._insert("waits", row, "OR REPLACE")

    def waits_of(self, run_ids: Sequence[str]) -> dict[str, WaitRow]:
        """Give the waits of those of the runs that have one."""
        rows = self._select(
            WaitRow,
            "SELECT w.* FROM json_each(?) AS j JOIN waits AS w ON w.run_id = j.value",
            json.dumps(list(run_ids)),
        )
        return {row.run_id: row for row in rows}

    def last_ready_waits(self, job_id: str, limit: int) -> list[WaitRow]:
        """Give a job's waits that ended with updates, the last first."""
        return self._select(
            WaitRow,
            "SELECT * FROM waits WHERE job_id = ? AND ready_at IS NOT NULL ORDER BY ready_at DESC LIMIT ?",
            job_id,
            limit,
        )

    def put_updates(self, updates: Mapping[str, datetime]) -> None:
        """Keep when tables (by the URI of their asset) were updated, where that is later than what is known."""
        with self.transaction():
            for name, updated_at in updates.items():
                self._run(
                    "INSERT INTO updates VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET updated_at = "
                    "max(updated_at, excluded.updated_at)",
                    name,
                    _write(updated_at),
                )

    def updates_of(self, names: Iterable[str]) -> dict[str, datetime]:
        """Give when each of the tables was last updated, of those that were."""
        rows = self._query(
            "SELECT u.name, u.updated_at FROM json_each(?) AS j JOIN updates AS u ON u.name = j.value",
            json.dumps(list(names)),
        )
        return {row["name"]: datetime.fromisoformat(row["updated_at"]) for row in rows}

    def last_update_at(self) -> datetime | None:
        """Give when a table was last updated."""
        rows = self._query("SELECT max(updated_at) AS last FROM updates")
        return datetime.fromisoformat(rows[0]["last"]) if rows[0]["last"] else None

    # -- how a row is read and written

    def _query(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock, self._translating():
            return self._db.execute(sql, values).fetchall()

    def _select(self, kind: Callable[..., Row], sql: str, *values: Any) -> list[Row]:
        rows = [dict(row) for row in self._query(sql, *values)]
        return [kind(**{name: _read(name, value) for name, value in row.items()}) for row in rows]

    def _insert(self, table: str, row: Any, how: str = "") -> int:
        names = [item.name for item in fields(row)]
        places = ", ".join("?" * len(names))
        sql = f"INSERT {how} INTO {table} ({', '.join(names)}) VALUES ({places})"  # noqa: S608 (names are ours)
        return self._run(sql, *(_write(getattr(row, name)) for name in names))

    def _update(self, table: str, changes: dict[str, Any], key: dict[str, Any]) -> None:
        assignments = ", ".join(f"{name} = ?" for name in changes)
        condition = " AND ".join(f"{name} = ?" for name in key)
        sql = f"UPDATE {table} SET {assignments} WHERE {condition}"  # noqa: S608 (names are ours)
        self._run(sql, *(_write(value) for value in (*changes.values(), *key.values())))

    def _run(self, sql: str, *values: Any) -> int:
        with self._lock, self._translating():
            return self._db.execute(sql, values).rowcount

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error


def _unusable(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"Cannot use the records of runs '{path}' ({error}). Check the disk and the file's owner, then restart."
    )


def _write(value: Any) -> Any:
    if isinstance(value, datetime):
        return text_of(value)
    if isinstance(value, dict | list):
        return json.dumps(value)
    if isinstance(value, bool):
        return int(value)
    return value


def _run_row(**columns: Any) -> RunRow:
    state, standing = RunState(columns.pop("state")), Standing(columns.pop("standing"))
    return RunRow(**columns, state=state, standing=standing)


def _read(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name.endswith("_at") or name == "anchor":
        return datetime.fromisoformat(value)
    if name in ("requested", "parameters", "tables", "missing", "consumed"):
        return json.loads(value)
    if name.startswith(("is_", "must_")):
        return bool(value)
    return value

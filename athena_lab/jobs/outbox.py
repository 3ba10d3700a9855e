"""The outbox: a durable table of promotions and deletions that outlives a killed gateway (SQLite, WAL)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from athena_lab.errors import ConfigurationError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    job_id TEXT NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
    requested_at TEXT NOT NULL, visible_at TEXT, message TEXT NOT NULL DEFAULT '',
    asked_at TEXT, attempts INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, version, kind)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_state ON entries (state);
CREATE TABLE IF NOT EXISTS paused (job_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class EntryKind(StrEnum):
    """What an entry brings about."""

    DEPLOY = "deploy"
    DELETE = "delete"


class EntryState(StrEnum):
    """How far an entry is; the words of `PromotionState`, and one before them."""

    PREPARED = "prepared"
    """Written before its commit; without that commit it never happened."""
    COMMITTED = "committed"
    WAITING = "waiting"
    VISIBLE = "visible"
    """Done: for a deletion, that Airflow has forgotten the DAG."""
    FAILED = "failed"
    DROPPED = "dropped"
    """Ended for good: the job was deleted, or another deployment came first."""


UNFINISHED = (EntryState.COMMITTED, EntryState.WAITING, EntryState.FAILED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One promotion or deletion; `asked_at` and `attempts` tell when Airflow was last asked, and how often."""

    job_id: str
    version: int
    kind: EntryKind
    state: EntryState
    requested_at: datetime
    visible_at: datetime | None = None
    message: str = ""
    asked_at: datetime | None = None
    attempts: int = 0


class Outbox:
    """The table in its own file; threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def put(self, entry: Entry) -> Entry:
        """Write an entry, over an earlier one of the same job, version and kind."""
        self.put_all([entry])
        return entry

    def put_all(self, entries: Sequence[Entry]) -> None:
        """Write entries in one transaction."""
        rows = [_row_of(entry) for entry in entries]
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            except sqlite3.Error:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def update(self, entry: Entry, **changes: object) -> Entry:
        """Write an entry with some fields changed."""
        return self.put(replace(entry, **changes))  # type: ignore[arg-type]  # the fields of Entry by name

    def get(self, job_id: str, version: int, kind: EntryKind = EntryKind.DEPLOY) -> Entry | None:
        """Give one entry, None if there is none."""
        found = self._select("job_id = ? AND version = ? AND kind = ?", job_id, version, kind.value)
        return found[0] if found else None

    def drop(self, entry: Entry) -> None:
        """Remove an entry whose commit never happened."""
        with self._using() as connection:
            connection.execute(
                "DELETE FROM entries WHERE job_id = ? AND version = ? AND kind = ?",
                (entry.job_id, entry.version, entry.kind.value),
            )

    def prepared(self) -> list[Entry]:
        """List the entries whose commit is not known to have happened."""
        return self._select("state = ?", EntryState.PREPARED.value)

    def unfinished(self, limit: int) -> list[Entry]:
        """List what is to be brought about, those asked longest ago first."""
        states = "', '".join(UNFINISHED)
        return self._select(f"state IN ('{states}') ORDER BY coalesce(asked_at, '') LIMIT ?", limit)

    def versions(self) -> set[tuple[str, int]]:
        """Give (job id, version) of every deployment that has an entry."""
        with self._using() as connection:
            rows = connection.execute("SELECT job_id, version FROM entries WHERE kind = 'deploy'").fetchall()
        return {(job_id, version) for job_id, version in rows}

    def set_paused(self, job_id: str, *, is_paused: bool) -> None:
        """Remember whether a job is paused, for when Airflow does not answer."""
        statement = "INSERT OR IGNORE INTO paused VALUES (?)" if is_paused else "DELETE FROM paused WHERE job_id = ?"
        with self._using() as connection:
            connection.execute(statement, (job_id,))

    def paused(self) -> set[str]:
        """Give the ids of the jobs that were last known to be paused."""
        with self._using() as connection:
            return {job_id for (job_id,) in connection.execute("SELECT job_id FROM paused").fetchall()}

    def _select(self, where: str, *values: object) -> list[Entry]:
        with self._using() as connection:
            rows = connection.execute(f"SELECT * FROM entries WHERE {where}", values).fetchall()  # noqa: S608 (our words)
        return [_entry_of(row) for row in rows]

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"Cannot use the outbox '{self._path}' ({error}). Check the disk and the file's owner, then restart."
        )


def _text(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _row_of(entry: Entry) -> tuple[object, ...]:
    return (
        entry.job_id,
        entry.version,
        entry.kind.value,
        entry.state.value,
        _text(entry.requested_at),
        _text(entry.visible_at),
        entry.message,
        _text(entry.asked_at),
        entry.attempts,
    )


def _entry_of(row: tuple[str, int, str, str, str, str | None, str, str | None, int]) -> Entry:
    job_id, version, kind, state, requested_at, visible_at, message, asked_at, attempts = row
    return Entry(
        job_id=job_id,
        version=version,
        kind=EntryKind(kind),
        state=EntryState(state),
        requested_at=datetime.fromisoformat(requested_at),
        visible_at=_moment(visible_at),
        message=message,
        asked_at=_moment(asked_at),
        attempts=attempts,
    )

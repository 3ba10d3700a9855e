"""What happened to runs lately, read from their records: which ended, which wait for longer than they should."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from athena_lab.errors import ConfigurationError
from athena_lab.gateway_api.worker import REHEARSAL_JOB_ID


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended, in whichever state."""

    run_id: str
    job_id: str
    job_version: int
    state: str
    ended_at: datetime
    error: str | None


@dataclass(frozen=True, slots=True)
class LateRun:
    """A run whose deadline passed while it waited."""

    run_id: str
    job_id: str
    job_version: int
    late_at: datetime
    missing: str


class RunEvents:
    """Reads the runs' database beside its writer; threads may share it."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        try:
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, timeout=10
            )
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        self._db.close()

    def ended_since(self, moment: datetime, limit: int) -> list[EndedRun]:
        """Give the runs that ended at or after a moment, the first first; nobody is told of rehearsals."""
        rows = self._select(
            "SELECT run_id, job_id, job_version, state, ended_at, error FROM runs "
            "WHERE ended_at >= ? AND standing = 'listed' AND job_id != ? ORDER BY ended_at LIMIT ?",
            _text(moment),
            REHEARSAL_JOB_ID,
            limit,
        )
        return [EndedRun(run, job, version, state, _moment(at), error) for run, job, version, state, at, error in rows]

    def late_since(self, moment: datetime, limit: int) -> list[LateRun]:
        """Give the runs that became late at or after a moment."""
        rows = self._select(
            "SELECT r.run_id, r.job_id, r.job_version, w.late_at, w.missing FROM waits AS w JOIN runs AS r "
            "ON r.run_id = w.run_id WHERE w.late_at >= ? ORDER BY w.late_at LIMIT ?",
            _text(moment),
            limit,
        )
        return [LateRun(run, job, version, _moment(at), missing) for run, job, version, at, missing in rows]

    def _select(self, sql: str, *values: str | int) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"Cannot read the records of runs '{self._path}' ({error}). Check the disk and the owner, then restart."
        )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")

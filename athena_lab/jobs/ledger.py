"""The ledger: what each run was billed in the warehouse, kept because the warehouse forgets (SQLite)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from athena_lab.jobs.private_file import PrivateFile, text_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bills (
  run_id TEXT PRIMARY KEY, job_id TEXT NOT NULL, began_at TEXT NOT NULL, bytes INTEGER NOT NULL DEFAULT 0,
  is_final INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS bills_of_job ON bills (job_id, began_at);
CREATE INDEX IF NOT EXISTS bills_open ON bills (is_final) WHERE is_final = 0;
"""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a run was billed so far; `is_final` once it has ended and was counted after that."""

    run_id: str
    job_id: str
    began_at: datetime
    bytes: int


class Ledger:
    """The bills in one file; threads may share it."""

    def __init__(self, path: Path) -> None:
        self._file = PrivateFile(path, "ledger", _SCHEMA)

    def close(self) -> None:
        self._file.close()

    def open(self, run_id: str, job_id: str, began_at: datetime) -> None:
        """Begin to count a run, or go on with it where another attempt begins."""
        statement = (
            "INSERT INTO bills (run_id, job_id, began_at) VALUES (?, ?, ?) "
            "ON CONFLICT (run_id) DO UPDATE SET is_final = 0"
        )
        with self._file.using() as db:
            db.execute(statement, (run_id, job_id, text_of(began_at)))

    def count(self, run_id: str, count: int, *, is_final: bool) -> None:
        """Keep what a run was billed; it never becomes less, even where the warehouse has forgotten a part."""
        with self._file.using() as db:
            db.execute(
                "UPDATE bills SET bytes = max(bytes, ?), is_final = ? WHERE run_id = ?", (count, int(is_final), run_id)
            )

    def open_bills(self) -> list[Bill]:
        """Give the bills that are not final, the oldest first."""
        with self._file.using() as db:
            rows = db.execute(
                "SELECT run_id, job_id, began_at, bytes FROM bills WHERE is_final = 0 ORDER BY began_at"
            ).fetchall()
        return [Bill(run, job, datetime.fromisoformat(began), count) for run, job, began, count in rows]

    def bytes_of(self, run_id: str) -> int:
        """Give what a run was billed."""
        return self._sum("run_id = ?", run_id)

    def bytes_since(self, job_id: str, moment: datetime, *, without: str) -> int:
        """Add up what the runs of a job were billed that began at or after a moment, one of them left out."""
        return self._sum("job_id = ? AND began_at >= ? AND run_id != ?", job_id, text_of(moment), without)

    def _sum(self, where: str, *values: str) -> int:
        with self._file.using() as db:
            row = db.execute(f"SELECT coalesce(sum(bytes), 0) FROM bills WHERE {where}", values).fetchone()  # noqa: S608 (our words)
        return int(row[0])

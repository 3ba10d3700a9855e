"""The outbox of alerts: what is to be sent, once an event and target, until it is sent or given up (SQLite)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path

from athena_lab.jobs.private_file import PrivateFile, text_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
  event TEXT NOT NULL, number INTEGER NOT NULL, job_id TEXT NOT NULL, run_id TEXT NOT NULL, owner TEXT NOT NULL,
  channel TEXT NOT NULL, target TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL,
  attempts INTEGER NOT NULL, created_at TEXT NOT NULL, due_at TEXT NOT NULL, sent_at TEXT, error TEXT,
  PRIMARY KEY (event, number)
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due_at) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS deliveries_of_job ON deliveries (job_id, created_at);
CREATE TABLE IF NOT EXISTS told (event TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS told_at ON told (at);
"""
PENDING, SENT, FAILED = "pending", "sent", "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One alert to one target: `number` is the alert's among those of its job, moments are ISO 8601 in UTC."""

    event: str
    number: int
    job_id: str
    run_id: str
    owner: str
    channel: str
    target: str
    subject: str
    body: str
    state: str
    attempts: int
    created_at: str
    due_at: str
    sent_at: str | None = None
    error: str | None = None


class AlertOutbox:
    """The table in its own file; threads may share it."""

    def __init__(self, path: Path) -> None:
        self._file = PrivateFile(path, "alerts", _SCHEMA)

    def close(self) -> None:
        self._file.close()

    def tell(self, event: str, at: datetime, deliveries: Sequence[Delivery]) -> None:
        """Keep what an event gives to send, all of it or nothing; an event that was told before gives nothing."""
        with self._file.using() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                is_new = db.execute("INSERT OR IGNORE INTO told VALUES (?, ?)", (event, text_of(at))).rowcount == 1
                if is_new:
                    places = ", ".join("?" * len(Delivery.__slots__))
                    statement = f"INSERT INTO deliveries VALUES ({places})"  # noqa: S608 (question marks)
                    db.executemany(statement, [astuple(one) for one in deliveries])
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise

    def is_told(self, event: str) -> bool:
        with self._file.using() as db:
            return db.execute("SELECT 1 FROM told WHERE event = ?", (event,)).fetchone() is not None

    def last_told_at(self) -> datetime | None:
        """Give the moment of the latest event."""
        with self._file.using() as db:
            last = db.execute("SELECT max(at) FROM told").fetchone()[0]
        return datetime.fromisoformat(last) if last else None

    def due(self, now: datetime, limit: int) -> list[Delivery]:
        """Give what is to be sent by now, the oldest first."""
        return self._select("state = 'pending' AND due_at <= ? ORDER BY due_at, event LIMIT ?", text_of(now), limit)

    def of_job(self, job_id: str, limit: int) -> list[Delivery]:
        """Give the latest deliveries of a job, the newest first."""
        return self._select("job_id = ? ORDER BY created_at DESC, event, number LIMIT ?", job_id, limit)

    def put(self, delivery: Delivery) -> None:
        """Keep a delivery's newest state."""
        with self._file.using() as db:
            db.execute(
                "UPDATE deliveries SET state = ?, attempts = ?, due_at = ?, sent_at = ?, error = ? "
                "WHERE event = ? AND number = ?",
                (delivery.state, delivery.attempts, delivery.due_at, delivery.sent_at, delivery.error, delivery.event,
                 delivery.number),
            )  # fmt: skip

    def forget_before(self, moment: datetime) -> None:
        """Forget what was told and sent before a moment."""
        with self._file.using() as db:
            db.execute("DELETE FROM told WHERE at < ?", (text_of(moment),))
            db.execute("DELETE FROM deliveries WHERE created_at < ? AND state != 'pending'", (text_of(moment),))

    def _select(self, where: str, *values: object) -> list[Delivery]:
        with self._file.using() as db:
            rows = db.execute(f"SELECT * FROM deliveries WHERE {where}", values).fetchall()  # noqa: S608 (our words)
        return [Delivery(*row) for row in rows]

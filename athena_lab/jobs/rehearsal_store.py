"""The records of rehearsals, beside those of their runs in the same SQLite file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from athena_lab.errors import NotFoundError
from athena_lab.gateway_api.jobs import RunState
from athena_lab.gateway_api.lineage import UnknownTable
from athena_lab.gateway_api.rehearsals import RefusedWrite, RehearsedTable
from athena_lab.jobs.private_file import PrivateFile, text_of
from athena_lab.jobs.rehearsal_plan import RehearsalSpec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rehearsals (
  run_id TEXT PRIMARY KEY, owner TEXT NOT NULL, bundle TEXT NOT NULL, job_id TEXT, scratch TEXT NOT NULL,
  tables TEXT NOT NULL, redirected INTEGER NOT NULL, missed TEXT NOT NULL, refused TEXT NOT NULL, spec TEXT NOT NULL,
  requested_at TEXT NOT NULL, is_settled INTEGER NOT NULL DEFAULT 0, is_dropped INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS rehearsals_of_owner ON rehearsals (owner, requested_at DESC);
CREATE INDEX IF NOT EXISTS rehearsals_of_bundle ON rehearsals (bundle, owner, requested_at DESC);
CREATE INDEX IF NOT EXISTS rehearsals_unsettled ON rehearsals (requested_at) WHERE is_settled = 0;
CREATE INDEX IF NOT EXISTS rehearsals_kept ON rehearsals (requested_at) WHERE is_dropped = 0;
"""
_COLUMNS = (
    "h.run_id, h.owner, h.bundle, h.job_id, h.scratch, h.tables, h.redirected, h.missed, h.refused, h.spec, "
    "h.requested_at"
)
_WITH_RUNS = "FROM rehearsals AS h JOIN runs AS r ON r.run_id = h.run_id"
_ENDED = f"r.state IN ({', '.join(repr(state.value) for state in RunState if state.is_final)})"


@dataclass(frozen=True, slots=True)
class RehearsalRow:
    """A rehearsal as it is kept; what its run did is kept with the run.

    `tables` and `refused` are what was known beforehand until the rehearsal is settled: its tables compared and its
    refused writes found.
    """

    run_id: str
    owner: str
    bundle: str
    job_id: str | None
    scratch: str
    tables: tuple[RehearsedTable, ...]
    redirected: int
    missed: tuple[UnknownTable, ...]
    refused: tuple[RefusedWrite, ...]
    spec: RehearsalSpec
    requested_at: datetime
    is_settled: bool = False


class RehearsalStore:
    """Keep the records; `path` is the file in which `RunStore`, opened before, keeps the runs. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self._file = PrivateFile(path, "records of rehearsals", _SCHEMA)

    def close(self) -> None:
        self._file.close()

    def add(self, row: RehearsalRow) -> None:
        """Keep a new rehearsal; nobody sees it before its run is listed."""
        values = (
            row.run_id,
            row.owner,
            row.bundle,
            row.job_id,
            row.scratch,
            _json_of(row.tables),
            row.redirected,
            _json_of(row.missed),
            _json_of(row.refused),
            row.spec.model_dump_json(),
            text_of(row.requested_at),
        )
        places = ", ".join("?" * len(values))
        with self._file.using() as db:
            columns = _COLUMNS.replace("h.", "")
            db.execute(f"INSERT INTO rehearsals ({columns}) VALUES ({places})", values)  # noqa: S608 (our words)

    def row(self, run_id: str) -> RehearsalRow:
        """Give a rehearsal by its run, one that is not listed too; raise NotFoundError."""
        found = self.find(run_id)
        if found is None:
            raise NotFoundError(
                f"Cannot find the rehearsal '{run_id[:64]}': there is no record of it. List the rehearsals anew."
            )
        return found

    def find(self, run_id: str) -> RehearsalRow | None:
        """Give a rehearsal by its run, None if there is no record of it."""
        found = self._select("FROM rehearsals AS h WHERE h.run_id = ?", run_id)
        return found[0] if found else None

    def list_newest(self, owner: str, bundle: str | None, limit: int) -> list[RehearsalRow]:
        """Give an owner's newest rehearsals, of one bundle or of all, the newest first."""
        where, values = ("AND h.bundle = ?", (owner, bundle)) if bundle else ("", (owner,))
        return self._select(
            f"{_WITH_RUNS} WHERE h.owner = ? {where} AND r.standing = 'listed' "
            "ORDER BY h.requested_at DESC, h.run_id LIMIT ?",
            *values,
            limit,
        )

    def count_unfinished(self, owner: str, asked_since: datetime) -> int:
        """Count an owner's rehearsals that have not ended; those that Airflow is asked for count from a moment on."""
        is_open = f"(r.standing = 'listed' AND NOT {_ENDED})"
        is_asked = "(coalesce(r.standing, 'asked') = 'asked' AND h.requested_at >= ?)"
        joined = "FROM rehearsals AS h LEFT JOIN runs AS r ON r.run_id = h.run_id"
        sql = f"SELECT count(*) {joined} WHERE h.owner = ? AND ({is_open} OR {is_asked})"
        return int(self._query(sql, owner, text_of(asked_since))[0][0])

    def last_success(self, bundle: str, owner: str) -> datetime | None:
        """Give when an owner's last successful rehearsal of exactly this bundle ended."""
        sql = (
            f"SELECT max(r.ended_at) {_WITH_RUNS} WHERE h.bundle = ? AND h.owner = ? "
            "AND r.state = 'succeeded' AND r.standing = 'listed'"
        )
        ended_at = self._query(sql, bundle, owner)[0][0]
        return None if ended_at is None else datetime.fromisoformat(ended_at)

    def unsettled(self, limit: int) -> list[RehearsalRow]:
        """Give the rehearsals that have ended and are not settled, the oldest first."""
        return self._select(
            f"{_WITH_RUNS} WHERE h.is_settled = 0 AND r.standing = 'listed' AND {_ENDED} "
            "ORDER BY h.requested_at LIMIT ?",
            limit,
        )

    def settle(self, run_id: str, tables: Sequence[RehearsedTable], refused: Sequence[RefusedWrite]) -> None:
        """Keep how a rehearsal's tables differ and what was refused."""
        with self._file.using() as db:
            db.execute(
                "UPDATE rehearsals SET tables = ?, refused = ?, is_settled = 1 WHERE run_id = ?",
                (_json_of(tables), _json_of(refused), run_id),
            )

    def expired(self, moment: datetime, limit: int) -> list[RehearsalRow]:
        """Give the rehearsals, withdrawn ones too, that were over before a moment and may still have their tables."""
        return self._select(
            f"{_WITH_RUNS} WHERE h.is_dropped = 0 AND coalesce(r.ended_at, h.requested_at) < ? "
            f"AND (r.standing != 'listed' OR (h.is_settled = 1 AND {_ENDED})) ORDER BY h.requested_at LIMIT ?",
            text_of(moment),
            limit,
        )

    def mark_dropped(self, run_id: str) -> None:
        """Remember that a rehearsal's scratch dataset is no more."""
        with self._file.using() as db:
            db.execute("UPDATE rehearsals SET is_dropped = 1 WHERE run_id = ?", (run_id,))

    def _select(self, rest: str, *values: Any) -> list[RehearsalRow]:
        return [_row_of(*row) for row in self._query(f"SELECT {_COLUMNS}, h.is_settled {rest}", *values)]

    def _query(self, sql: str, *values: Any) -> list[Any]:
        with self._file.using() as db:
            return db.execute(sql, values).fetchall()


def _json_of(items: Sequence[RehearsedTable] | Sequence[RefusedWrite] | Sequence[UnknownTable]) -> str:
    return json.dumps([item.model_dump(mode="json") for item in items])


def _row_of(*columns: Any) -> RehearsalRow:
    run_id, owner, bundle, job_id, scratch, tables, redirected, missed, refused, spec, requested_at, is_settled = (
        columns
    )
    return RehearsalRow(
        run_id=run_id,
        owner=owner,
        bundle=bundle,
        job_id=job_id,
        scratch=scratch,
        tables=tuple(RehearsedTable.model_validate(item) for item in json.loads(tables)),
        redirected=redirected,
        missed=tuple(UnknownTable.model_validate(item) for item in json.loads(missed)),
        refused=tuple(RefusedWrite.model_validate(item) for item in json.loads(refused)),
        spec=RehearsalSpec.model_validate_json(spec),
        requested_at=datetime.fromisoformat(requested_at),
        is_settled=bool(is_settled),
    )

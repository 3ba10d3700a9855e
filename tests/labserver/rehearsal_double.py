"""Rehearsals of the gateway's stand-in (see gateway_double.py): they go on with the clock, write nothing, and end."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from athena_lab.gateway_api import jobs
from athena_lab.gateway_api.rehearsals import RefusedWrite, Rehearsal, RehearsalRequest, RehearsedTable

QUEUED_S, COPYING_S, CELL_S, BILLED_A_CELL = 0.6, 0.6, 0.8, 10_485_760


@dataclass(frozen=True)
class World:
    """What a test says of the warehouse and of the notebook's cells."""

    known_tables: Mapping[str, int] = field(default_factory=dict)
    """Rows of the tables that exist."""
    columns_added: tuple[str, ...] = ()
    refused: tuple[RefusedWrite, ...] = ()
    failing_cell: int | None = None


@dataclass
class _Record:
    request: RehearsalRequest
    bundle: jobs.Bundle
    world: World
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    at: float = field(default_factory=time.time)
    cancelled_at: float | None = None

    @property
    def first_cell_s(self) -> float:
        return QUEUED_S + COPYING_S

    @property
    def ends_after_s(self) -> float:
        count, failing = len(self.bundle.cells), self.world.failing_cell
        done = count if failing is None else min(count, failing + 1)
        return self.first_cell_s + CELL_S * done


class Rehearsals:
    """Everything the double remembers of rehearsals."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def start(self, request: RehearsalRequest, bundle: jobs.Bundle, world: World) -> Rehearsal:
        record = _Record(request, bundle, world)
        self._records[record.id] = record
        return _view(record)

    def knows(self, rehearsal_id: str) -> bool:
        return rehearsal_id in self._records

    def find(self, bundle: str, limit: int) -> list[Rehearsal]:
        found = [record for record in self._records.values() if record.bundle.hash == bundle]
        return [_view(record) for record in reversed(found)][:limit]

    def succeeded_at(self, bundle: str) -> datetime | None:
        found = self.find(bundle, len(self._records))
        return next((one.ended_at for one in found if one.state is jobs.RunState.SUCCEEDED), None)

    def wait(self, rehearsal_id: str, wait_s: float) -> Rehearsal:
        record, deadline = self._records[rehearsal_id], time.time() + wait_s
        before = now = _view(record)
        while now == before and not now.state.is_final and time.time() < deadline:
            threading.Event().wait(0.05)
            now = _view(record)
        return now

    def cancel(self, rehearsal_id: str) -> Rehearsal:
        self._records[rehearsal_id].cancelled_at = time.time()
        return _view(self._records[rehearsal_id])

    def bundle_of(self, rehearsal_id: str) -> str:
        return self._records[rehearsal_id].bundle.hash


def _view(record: _Record) -> Rehearsal:
    passed = (record.cancelled_at or time.time()) - record.at
    state = _state_of(record, passed)
    ended = min(passed, record.ends_after_s) if state.is_final else None
    cells = tuple(_cell(record, cell.index, passed) for cell in record.bundle.cells)
    done = sum(cell.ended_at is not None for cell in cells)
    error = next((f"Cell {cell.index + 1}: {cell.error}" for cell in cells if cell.error), None)
    scratch = f"_rehearsal_{record.id[:12]}"
    tables = record.request.tables or record.bundle.lineage
    return Rehearsal(
        id=record.id,
        bundle=record.bundle.hash,
        job_id=record.request.job_id,
        owner="analyst",
        state=state,
        queued_at=_moment(record, 0),
        started_at=_moment(record, QUEUED_S) if passed >= QUEUED_S else None,
        ended_at=None if ended is None else _moment(record, ended),
        error=error,
        parameters={
            one.name: "2026-11-23" if one.relative else one.value
            for one in record.request.parameters
            if one.relative or one.value is not None
        },
        cells_total=len(cells),
        preparation=_span(record, 0, QUEUED_S, COPYING_S, passed) if passed >= QUEUED_S else None,
        cells=cells if passed >= QUEUED_S else (),
        billed_bytes=done * BILLED_A_CELL if done or state.is_final else None,
        scratch_dataset=scratch,
        tables=tuple(_table(record, table, scratch, state) for table in tables.writes if table.count(".") == 1),
        redirected=len(tables.writes),
        refused=record.world.refused if state.is_final else (),
        has_output=passed >= record.first_cell_s,
    )


def _state_of(record: _Record, passed: float) -> jobs.RunState:
    if record.cancelled_at is not None:
        return jobs.RunState.CANCELLED
    if passed < record.ends_after_s:
        return jobs.RunState.QUEUED if passed < QUEUED_S else jobs.RunState.RUNNING
    failing = record.world.failing_cell
    has_failed = failing is not None and failing < len(record.bundle.cells)
    return jobs.RunState.FAILED if has_failed else jobs.RunState.SUCCEEDED


def _cell(record: _Record, index: int, passed: float) -> jobs.CellRun:
    if record.first_cell_s + CELL_S * index >= record.ends_after_s:
        return jobs.CellRun(index=index, state="pending")
    run = _span(record, index, record.first_cell_s + CELL_S * index, CELL_S, passed)
    if run.state == "succeeded" and index == record.world.failing_cell:
        return run.model_copy(update={"state": "failed", "error": "NotFoundError: no table 'sales.missing'."})
    return run


def _span(record: _Record, index: int, begin: float, length: float, passed: float) -> jobs.CellRun:
    if passed < begin:
        return jobs.CellRun(index=index, state="pending")
    has_ended = passed >= begin + length
    return jobs.CellRun(
        index=index,
        state="succeeded" if has_ended else "running",
        started_at=_moment(record, begin),
        ended_at=_moment(record, begin + length) if has_ended else None,
    )


def _table(record: _Record, table: str, scratch: str, state: jobs.RunState) -> RehearsedTable:
    rows = record.world.known_tables.get(table)
    is_copied, is_counted = rows is not None, state.is_final
    return RehearsedTable(
        table=table,
        scratch=f"{scratch}.{table.replace('.', '__')}",
        is_copied=is_copied,
        rows_before=rows if is_counted else None,
        rows_after=(rows or 0) + 30 if is_counted and (is_copied or state is jobs.RunState.SUCCEEDED) else None,
        columns_added=record.world.columns_added if is_counted and is_copied else (),
    )


def _moment(record: _Record, after_s: float) -> datetime:
    return datetime.fromtimestamp(record.at + after_s, UTC)

"""What callers see of a run: wire models made from its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from athena_lab.gateway_api.jobs import AttemptRecord, CellRun, Run, RunState, RunSummary
from athena_lab.jobs.run_rules import may_be_doubled
from athena_lab.jobs.run_store import AttemptRow, CellRow, RunRow, RunStore, WaitRow


def view_run(store: RunStore, row: RunRow) -> Run:
    """Make a run with the cells of its latest attempt; `has_output` is for whoever keeps the outputs."""
    attempts = store.list_attempts(row.run_id)
    cells = store.list_cells(row.run_id, attempts[-1].attempt) if attempts else []
    return Run(
        **_common(row, store.waits_of([row.run_id]), done=sum(cell.state == "succeeded" for cell in cells)),
        airflow_run_id=row.airflow_run_id,
        dag_id=row.dag_id,
        anchor=row.anchor,
        parameters=row.parameters or row.requested,
        cells=_view_cells(cells, row.cells_total),
        attempts=tuple(_view_attempt(attempt) for attempt in attempts),
        is_isolated=bool(attempts) and all(attempt.is_isolated for attempt in attempts),
        may_be_doubled=may_be_doubled([(attempt.state, attempt.cells_started) for attempt in attempts]),
    )


def view_summaries(store: RunStore, rows: Sequence[RunRow]) -> tuple[RunSummary, ...]:
    """Make the lines of a list of runs, in the order given."""
    done = store.count_done_cells([row.run_id for row in rows])
    waits = store.waits_of([row.run_id for row in rows])
    return tuple(RunSummary(**_common(row, waits, done=done.get(row.run_id, 0))) for row in rows)


def _common(row: RunRow, waits: Mapping[str, WaitRow], *, done: int) -> dict[str, Any]:
    wait = waits.get(row.run_id)
    return {
        "waits_for": tuple(wait.missing) if wait is not None and row.state is RunState.WAITING else (),
        "is_late": wait is not None and wait.late_at is not None,
        "id": row.run_id,
        "job_id": row.job_id,
        "job_name": row.job_name,
        "job_version": row.job_version,
        "type": row.type,
        "state": row.state,
        "queued_at": row.queued_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "error": row.error,
        "cells_done": done,
        "cells_total": row.cells_total,
    }


def _view_cells(cells: Sequence[CellRow], total: int) -> tuple[CellRun, ...]:
    known = {cell.position: cell for cell in cells}
    count = max(total, max(known, default=-1) + 1)
    return tuple(_view_cell(known.get(position), position) for position in range(count))


def _view_cell(cell: CellRow | None, position: int) -> CellRun:
    if cell is None:
        return CellRun(index=position, state="pending")
    return CellRun(
        index=position, state=cell.state, started_at=cell.started_at, ended_at=cell.ended_at, error=cell.error
    )


def _view_attempt(row: AttemptRow) -> AttemptRecord:
    return AttemptRecord(
        attempt=row.attempt,
        worker=row.worker,
        state=row.state,
        started_at=row.started_at,
        ended_at=row.ended_at,
        is_isolated=row.is_isolated,
    )

"""What callers see of a rehearsal: its run in the bundle's own numbers, its tables compared, its refused writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from athena_lab.gateway_api.jobs import CellRun, Run
from athena_lab.gateway_api.rehearsals import (
    REFUSAL,
    REFUSED_COPIES,
    RefusedWrite,
    Rehearsal,
    RehearsedTable,
    Withheld,
)
from athena_lab.gateway_api.warehouse import CatalogColumn, CatalogTable
from athena_lab.jobs.rehearsal_store import RehearsalRow
from athena_lab.warehouse.jobs import FailedJob

_LONGEST_TEXT = 1000


def view_rehearsal(row: RehearsalRow, run: Run, billed_bytes: int) -> Rehearsal:
    """Make the wire model; `has_output` is for whoever keeps the outputs.

    The run's first code cell is the preparation, so the bundle's own cells are numbered from the second.
    """
    preparation, *cells = run.cells or (None,)
    is_counted = row.is_settled or (billed_bytes > 0 and not run.state.is_final)
    return Rehearsal(
        id=row.run_id,
        bundle=row.bundle,
        job_id=row.job_id,
        owner=row.owner,
        state=run.state,
        queued_at=run.queued_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        error=run.error,
        anchor=run.anchor,
        parameters=run.parameters,
        cells_total=len(cells),
        preparation=preparation,
        cells=tuple(_renumbered(cell) for cell in cells if cell is not None),
        billed_bytes=billed_bytes if is_counted else None,
        scratch_dataset=row.scratch,
        tables=row.tables,
        redirected=row.redirected,
        missed=row.missed,
        refused=row.refused,
    )


def as_noted(tables: Sequence[RehearsedTable], notes: Iterable[Mapping[str, Any]]) -> tuple[RehearsedTable, ...]:
    """Put in what the preparation noted of the tables: how many rows it copied, and why it copied none.

    The notes lie where the notebook writes too, so that whatever is no note of a copied table counts for nothing.
    """
    noted = {str(note.get("name")): note for note in notes}
    return tuple(_noted(table, noted.get(table.scratch.split(".", 1)[1])) for table in tables)


def _noted(table: RehearsedTable, note: Mapping[str, Any] | None) -> RehearsedTable:
    if note is None or not table.is_copied:
        return table
    why, count = note.get("why"), note.get("row_count")
    if why in REFUSED_COPIES:
        return table.model_copy(update={"is_copied": False, "withheld": Withheld(why)})
    return table.model_copy(update={"rows_before": count}) if isinstance(count, int) else table


def compare(table: RehearsedTable, before: CatalogTable | None, after: CatalogTable | None) -> RehearsedTable:
    """Tell how a scratch table differs from the table whose place it took; None for one that there is not."""
    rows = {"rows_after": after.rows if after else None}
    if after is None:
        return table.model_copy(update=rows)
    old, new = _types_of(before.columns if before else ()), _types_of(after.columns)
    changed = {name: (old[name], new[name]) for name in old if name in new and old[name] != new[name]}
    return table.model_copy(
        update={
            **rows,
            "columns_added": tuple(f"{name} {kind}" for name, kind in new.items() if name not in old),
            "columns_removed": tuple(f"{name} {kind}" for name, kind in old.items() if name not in new),
            "columns_changed": tuple(f"{name} {kind} → {other}" for name, (kind, other) in changed.items()),
        }
    )


def refused_writes(failed: Iterable[FailedJob], run: Run) -> tuple[RefusedWrite, ...]:
    """Pick the refusals of writes outside the scratch dataset out of a run's failed jobs, each with its cell.

    What failed without a job of the warehouse (a table made through its API, a stream) stands in the cell's error only.
    """
    _, *cells = run.cells or (None,)
    own = [cell for cell in cells if cell is not None]
    found = [
        RefusedWrite(cell=_cell_at(one.at, own), text=_text(one.message)) for one in failed if REFUSAL in one.message
    ]
    told = {refusal.cell for refusal in found}
    found += [
        RefusedWrite(cell=cell.index - 1, text=_text(cell.error))
        for cell in own
        if cell.error is not None and REFUSAL in cell.error and cell.index - 1 not in told
    ]
    return tuple(dict.fromkeys(found))


def _cell_at(moment: datetime, cells: Sequence[CellRun]) -> int | None:
    """Name the cell that was running at a moment; the last that had begun, since cells run one after another."""
    begun = [cell for cell in cells if cell.started_at is not None and cell.started_at <= moment]
    return max(begun, key=lambda cell: cell.index).index - 1 if begun else None


def _text(message: str) -> str:
    text = " ".join(message.split())
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def _renumbered(cell: CellRun) -> CellRun:
    return cell.model_copy(update={"index": cell.index - 1})


def _types_of(columns: Sequence[CatalogColumn]) -> Mapping[str, str]:
    return {
        column.name: column.type if column.mode == "NULLABLE" else f"{column.type} {column.mode}" for column in columns
    }

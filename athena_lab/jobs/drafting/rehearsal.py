"""A rehearsal as whoever asked for it follows it: started, told cell by cell, and summed up in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from athena_lab.errors import ConflictError
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.jobs import Bundle, CellRun, PromoteRequest, RunState
from athena_lab.gateway_api.lineage import UnknownTable
from athena_lab.gateway_api.rehearsals import RefusedWrite, Rehearsal, RehearsalRequest, RehearsedTable, Withheld

Tell = Callable[[str], None]
_LONG_POLL_S = 20.0
_PAUSE_S = 0.2
"""Between two questions, however often it changes."""
_SETTLE_S, _LOOK_S = 30.0, 1.0
"""How long, and how often, a rehearsal that has ended is asked for what it came to."""
_ENDED = ("succeeded", "failed")
_SHOWN = 60
_WITHHELD = {
    Withheld.MASKED_COLUMNS: "columns of it are masked for you",
    Withheld.FILTERED_ROWS: "you do not see all its rows",
}


def rehearsal_of(request: PromoteRequest, job_id: str | None) -> RehearsalRequest:
    """Give the rehearsal of what would be deployed, with the same values and limits."""
    return RehearsalRequest(
        bundle=request.bundle,
        job_id=job_id,
        timezone=request.schedule.timezone,
        parameters=request.parameters,
        tables=request.tables,
        timeout_s=request.timeout_s,
        guards=request.guards,
    )


def follow(gateway: GatewayClient, rehearsal: Rehearsal, tell: Tell, bundle: Bundle | None = None) -> Rehearsal:
    """Wait until a rehearsal has ended, and give it; `tell` gets a line for each step, with the bundle's own words.

    The first KeyboardInterrupt asks the gateway to cancel it and goes on waiting for how it ends; a second one leaves.
    """
    steps = _Steps(tell, bundle)
    is_cancelling = False
    while True:
        try:
            steps.tell(rehearsal)
            if rehearsal.state.is_final:
                return rehearsal
            time.sleep(_PAUSE_S)
            rehearsal = gateway.get_rehearsal(rehearsal.id, wait_s=_LONG_POLL_S)
        except KeyboardInterrupt:
            if is_cancelling:
                raise
            is_cancelling = True
            tell(f"rehearsal {rehearsal.id} is being cancelled; interrupt again to leave it")
            rehearsal = cancel(gateway, rehearsal.id)


def settled(gateway: GatewayClient, ended: Rehearsal) -> Rehearsal:
    """Give a rehearsal that succeeded with what it billed and what was refused, if the warehouse tells it soon."""
    deadline = time.monotonic() + _SETTLE_S
    while has_succeeded(ended) and ended.billed_bytes is None and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        ended = gateway.get_rehearsal(ended.id)
    return ended


def cancel(gateway: GatewayClient, rehearsal_id: str) -> Rehearsal:
    """Ask to cancel a rehearsal; one that has ended meanwhile is given as it ended."""
    try:
        return gateway.cancel_rehearsal(rehearsal_id)
    except ConflictError:
        return gateway.get_rehearsal(rehearsal_id)


def has_succeeded(rehearsal: Rehearsal) -> bool:
    """Say whether it ran to its end."""
    return rehearsal.state is RunState.SUCCEEDED


class _Steps:
    """What was told already: nothing is told twice."""

    def __init__(self, tell: Tell, bundle: Bundle | None) -> None:
        self._tell = tell
        self._titles = {cell.index: cell.first_line for cell in bundle.cells} if bundle else {}
        self._state: RunState | None = None
        self._told: dict[int, str] = {}

    def tell(self, rehearsal: Rehearsal) -> None:
        if rehearsal.state is not self._state and not rehearsal.state.is_final:
            self._tell(f"rehearsal {rehearsal.id} is {rehearsal.state.value}")
        self._state = rehearsal.state
        if rehearsal.preparation is not None:
            self._step(-1, "preparation", rehearsal.preparation)
        for cell in rehearsal.cells:
            title = self._titles.get(cell.index, "")[:_SHOWN]
            name = f"cell {cell.index + 1} of {rehearsal.cells_total}"
            self._step(cell.index, name + (f" ({title})" if title else ""), cell)

    def _step(self, number: int, name: str, cell: CellRun) -> None:
        if cell.state != "pending" and self._told.get(number) != cell.state:
            self._told[number] = cell.state
            took = f" in {_span(cell.started_at, cell.ended_at)}" if cell.state in _ENDED and cell.ended_at else ""
            self._tell(f"{name}: {cell.state}{took}")


# -- the summary


def summarise(rehearsal: Rehearsal) -> str:
    """Give how it went: state, time, bytes, each written table before and after, what was refused, the error."""
    done = sum(cell.state in _ENDED for cell in rehearsal.cells)
    facts = [f"rehearsal {rehearsal.id}: {rehearsal.state.value}"]
    if rehearsal.started_at and rehearsal.ended_at:
        facts[0] += f" in {_span(rehearsal.started_at, rehearsal.ended_at)}"
    facts.append(f"{done} of {rehearsal.cells_total} cells")
    if rehearsal.billed_bytes is not None:
        facts.append(f"{rehearsal.billed_bytes / 1024**2:,.0f} MB billed")
    lines = [", ".join(facts), *_tables(rehearsal.tables), *map(_refused, rehearsal.refused)]
    lines += [f"not redirected: {_place(text)}" for text in rehearsal.missed]
    lines += [
        f"rows of {one.table} were not copied: {_WITHHELD[one.withheld]}; its scratch table began empty"
        for one in rehearsal.tables
        if one.withheld is not None
    ]
    lines += [rehearsal.error] if rehearsal.error else []
    if rehearsal.tables and rehearsal.state.is_final:
        lines.append(
            f"What it wrote stays in '{rehearsal.scratch_dataset}' for a day; the tables themselves are unchanged."
        )
    return "\n".join(lines)


def _tables(tables: Sequence[RehearsedTable]) -> list[str]:
    if not tables:
        return ["it writes no table that is known"]
    rows = [("TABLE", "ROWS BEFORE", "ROWS AFTER", "COLUMNS")]
    rows += [(one.table, _count(one.rows_before), _count(one.rows_after), _columns(one)) for one in tables]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _columns(table: RehearsedTable) -> str:
    added = [f"+ {column}" for column in table.columns_added]
    removed = [f"- {column}" for column in table.columns_removed]
    changed = [f"~ {column}" for column in table.columns_changed]
    is_known = table.is_copied or table.withheld is not None
    return ", ".join((*added, *removed, *changed)) or ("the same" if is_known else "-")


def _refused(write: RefusedWrite) -> str:
    return f"refused: {_place(write)}"


def _place(found: RefusedWrite | UnknownTable) -> str:
    return f"cell {found.cell + 1}: {found.text}" if found.cell is not None else found.text


def _count(rows: int | None) -> str:
    return "-" if rows is None else f"{rows:,}"


def _span(began: datetime | None, ended: datetime | None) -> str:
    return f"{(ended - began).total_seconds():.1f} s" if began and ended else "0.0 s"

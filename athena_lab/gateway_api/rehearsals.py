"""Wire models of rehearsals: a stored bundle runs once on a worker, and may write to a scratch dataset only."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from athena_lab.gateway_api.jobs import CellRun, RunState
from athena_lab.gateway_api.lineage import UnknownTable
from athena_lab.gateway_api.terms import Guards, Parameter, Tables
from athena_lab.gateway_api.wire import Wire

REFUSAL = "a rehearsal may write only to the dataset"
"""What the warehouse says where a rehearsal writes elsewhere."""


class Withheld(StrEnum):
    """Why the rows of a table are not in its scratch table, which began empty."""

    MASKED_COLUMNS = "masked_columns"
    FILTERED_ROWS = "filtered_rows"


REFUSED_COPIES = {
    Withheld.MASKED_COLUMNS: "protected by data policies",
    Withheld.FILTERED_ROWS: "does not have access to all rows",
}
"""What the warehouse says where a table cannot be copied by whoever does not see all of it."""


class RehearsalRequest(Wire):
    """Run a bundle once, now, before it is deployed.

    The fields are those of a `PromoteRequest`: `parameters` replaces values and relative dates by name, which hang on
    this moment in `timezone`; `tables` None takes what lineage found in the bundle. `job_id` names the job that the
    bundle would become a version of, if there is one. A `timeout_s` of more than six hours is six hours.
    """

    bundle: str
    job_id: str | None = None
    timezone: str = "UTC"
    parameters: tuple[Parameter, ...] = ()
    tables: Tables | None = None
    timeout_s: int = 3600
    guards: Guards = Guards()


class RehearsedTable(Wire):
    """A table (`dataset.table`) that the bundle writes, the scratch table that took its place, and how they differ.

    `is_copied`: the table existed, and the scratch table began as its copy; `withheld` why it began empty instead,
    which is known once the rehearsal has ended. `rows_before` are those that the table had when it was copied (when
    the rehearsal was asked for, until that is known), `rows_after` those of the scratch table at the end; None where
    there is no such table, or no count. Columns are told as "name TYPE", a changed one as "name TYPE → TYPE".
    """

    table: str
    scratch: str
    is_copied: bool = False
    withheld: Withheld | None = None
    rows_before: int | None = None
    rows_after: int | None = None
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    columns_changed: tuple[str, ...] = ()


class RefusedWrite(Wire):
    """A write that did not go to the scratch dataset and was refused; `cell` as in `CellSummary`, where it is known."""

    cell: int | None = None
    text: str


class Rehearsal(Wire):
    """One rehearsal of one bundle; `id` is that of its run.

    `cells` are numbered as in `CellSummary`; `preparation` is the cell that copies the written tables, which is none
    of the bundle's. `redirected` counts the table names that were changed to those of scratch tables; `missed` is
    text that names a written table and could not be changed: it reads the table itself, and what it writes is refused.
    Whatever is written stays in `scratch_dataset` for a day.
    """

    id: str
    bundle: str
    job_id: str | None = None
    owner: str
    state: RunState
    queued_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    anchor: datetime | None = None
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    cells_total: int = 0
    preparation: CellRun | None = None
    cells: tuple[CellRun, ...] = ()
    billed_bytes: int | None = None
    scratch_dataset: str
    tables: tuple[RehearsedTable, ...] = ()
    redirected: int = 0
    missed: tuple[UnknownTable, ...] = ()
    refused: tuple[RefusedWrite, ...] = ()
    has_output: bool = False

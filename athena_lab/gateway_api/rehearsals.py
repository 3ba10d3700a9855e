"""Wire models of rehearsals: a stored bundle runs once on a worker, and may write to a scratch dataset only."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, JsonValue

from athena_lab.gateway_api.jobs import CellRun, RunState
from athena_lab.gateway_api.lineage import UnknownTable
from athena_lab.gateway_api.terms import Guards, Parameter, Tables
from athena_lab.gateway_api.wire import Wire

REFUSAL = "a rehearsal may write only to the dataset"
"""What the warehouse says where a rehearsal writes elsewhere."""


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

    `is_copied`: the table existed, and the scratch table began as its copy. Rows are None where there is no such
    table, or as long as the rehearsal goes on. Columns are told as "name TYPE", a changed one as "name TYPE → TYPE".
    """

    table: str
    scratch: str
    is_copied: bool = False
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

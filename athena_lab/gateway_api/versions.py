"""Wire models of a job's versions: their content, differences, rollback, edits, export and import."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import JsonValue

from athena_lab.gateway_api.bundles import EnvironmentKind
from athena_lab.gateway_api.jobs import JobVersion, Source
from athena_lab.gateway_api.terms import After, Alert, Guards, Parameter, Schedule, Tables, Terms
from athena_lab.gateway_api.wire import Wire


class VersionContent(JobVersion, Terms):
    """One version whole: what it runs (the notebook, without outputs) and how it is scheduled."""

    job_id: str
    name: str
    owner: str
    source: Source
    files: tuple[str, ...] = ()
    environment: EnvironmentKind = EnvironmentKind.PLATFORM
    notebook: dict[str, Any]


class DiffRequest(Wire):
    """What to compare: from `version` (default: the current one) to `bundle` or `to_version` (default: the current)."""

    version: int | None = None
    to_version: int | None = None
    bundle: str | None = None


class DifferenceKind(StrEnum):
    """How a cell, a field or a file differs."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


class LineDifference(Wire):
    """One line of a cell: "same", "removed" or "added"."""

    kind: Literal["same", "removed", "added"]
    text: str


class CellDifference(Wire):
    """One cell that differs; `before` and `after` are its places (from 0) in the two notebooks, None where absent."""

    kind: DifferenceKind
    cell_id: str
    cell_type: str
    before: int | None = None
    after: int | None = None
    is_moved: bool = False
    """Its order among the others changed, perhaps beside its text."""
    lines: tuple[LineDifference, ...] = ()
    tags: tuple[str, ...] | None = None
    """The tags that it has now, where they changed."""


class FieldDifference(Wire):
    """One field of the spec that differs ("schedule.cron", "parameters.day.value")."""

    field: str
    before: JsonValue = None
    after: JsonValue = None


class FileDifference(Wire):
    """One side file that differs."""

    path: str
    kind: DifferenceKind


class JobDiff(Wire):
    """Every difference between two contents of a job; `to_version` is None for a bundle that is not deployed."""

    version: int
    to_version: int | None = None
    cells: tuple[CellDifference, ...] = ()
    fields: tuple[FieldDifference, ...] = ()
    files: tuple[FileDifference, ...] = ()
    same_cells: int = 0
    is_same: bool = False


class RollbackRequest(Wire):
    """Deploy an earlier version's content as a new version; `expected_version` as in `PromoteRequest`."""

    version: int
    message: str = ""
    expected_version: int | None = None


class EditRequest(Wire):
    """Change a job without its notebook; what is None stays. `parameters` replaces by name."""

    name: str | None = None
    schedule: Schedule | None = None
    after: After | None = None
    parameters: tuple[Parameter, ...] | None = None
    tables: Tables | None = None
    retries: int | None = None
    timeout_s: int | None = None
    guards: Guards | None = None
    alerts: tuple[Alert, ...] | None = None
    message: str = ""
    expected_version: int | None = None


class CloneRequest(Wire):
    """Make a new job of a job's current content, under another name."""

    name: str


class TransferRequest(Wire):
    """Give a job to another user of the gateway."""

    owner: str


class JobExport(Terms):
    """A job as one file: its content and its bundle (a zip, base64). Secrets are in neither."""

    schema_version: Literal[1] = 1
    exported_at: datetime
    name: str
    version: int
    source: Source
    bundle: str
    archive_base64: str


class ImportRequest(Wire):
    """Make a new job of an exported one, under its own name or another."""

    job: JobExport
    name: str | None = None

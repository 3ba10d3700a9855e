"""Wire models of what is promoted: the kernel's report, a slice, files, an environment and a destination."""

from __future__ import annotations

from enum import StrEnum

from athena_lab.gateway_api.wire import Wire


class Execution(Wire):
    """One execution of a cell: `source_sha256` (hex) of the text that ran, `count` as the kernel numbered it."""

    cell_id: str
    source_sha256: str
    count: int


class Distribution(Wire):
    """An installed distribution whose module the kernel has imported; `direct_url` where it came from no index."""

    name: str
    version: str
    is_editable: bool = False
    direct_url: str | None = None


class KernelReport(Wire):
    """What a live kernel tells of itself: what it ran, which names it holds, what it has imported."""

    executions: tuple[Execution, ...] = ()
    names: tuple[str, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    python: str = ""


class DestinationMode(StrEnum):
    """What becomes of the rows that a destination table holds already."""

    CREATE = "create"
    """Refuse to run where there are any."""
    REPLACE = "replace"
    APPEND = "append"


class Destination(Wire):
    """The table (`dataset.table`) that takes the rows of a `.sql` file's last query."""

    table: str
    mode: DestinationMode = DestinationMode.REPLACE


class EnvironmentKind(StrEnum):
    """Where a job's packages come from."""

    PLATFORM = "platform"
    """The workers' own, as they are at the time of the run."""
    LOCK = "lock"
    """Those of a lock file in the bundle, the same at every run."""


class EnvironmentLock(Wire):
    """A locked environment: `requirements` pins every package with its hashes (pip's format), `python` is "3.11"."""

    python: str
    requirements: str


class EnvironmentSummary(Wire):
    """What a bundle's environment is; `packages` counts those of its lock."""

    kind: EnvironmentKind = EnvironmentKind.PLATFORM
    python: str = ""
    packages: int = 0
    warnings: tuple[str, ...] = ()


class BundleKind(StrEnum):
    """What was promoted; `cell` is one cell or a selection."""

    NOTEBOOK = "notebook"
    CELL = "cell"
    SQL = "sql"
    PYTHON = "python"


class SliceCell(Wire):
    """One code cell that may be part of a promoted cell, in the notebook's order.

    `is_target`: it was promoted itself; `is_needed`: the slice says that the target needs it; `is_kept`: it is in
    the bundle, as the user decided or else as the slice says. `why` names what it is needed for; it is empty where
    the cell is kept only because its effect is not known.
    """

    index: int
    cell_id: str
    first_line: str
    is_target: bool = False
    is_needed: bool = False
    is_kept: bool = False
    why: tuple[str, ...] = ()


class FileSummary(Wire):
    """One side file of a bundle; `why` says who asked for it (empty once the bundle is read back)."""

    path: str
    size_bytes: int
    why: str = ""

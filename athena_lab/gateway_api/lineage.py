"""Wire models of lineage and dependencies: what a bundle reads and writes, and who writes and waits for that."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from athena_lab.gateway_api.wire import FaultModel, Wire


class UnknownTable(Wire):
    """Something that lineage could not decide: the code cell's index (as in `CellSummary`), and the text."""

    cell: int | None = None
    text: str


class Lineage(Wire):
    """Tables as in `Tables`; `columns` has the source columns of each written one, as `dataset.table.column`.

    `dataset.table.*` stands for columns whose names are not known. `made` are the written tables that may be made
    anew, and so lose the policies of their columns. `is_complete` is False where the warehouse did
    not tell the columns of the tables that are read, so that `SELECT *` could not be followed.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    unknown: tuple[UnknownTable, ...] = ()
    columns: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    made: tuple[str, ...] = ()
    is_complete: bool = True


class Upstream(Wire):
    """A table that a job reads, and a job that writes it; a table that no job writes has no job.

    `schedule` is in words ("0 6 * * * Europe/Berlin", "after ds.orders", "by hand"), `updated_at` the last update
    that Airflow knows of, `is_awaited` whether the job waits for it.
    """

    table: str
    job_id: str | None = None
    job_name: str | None = None
    owner: str | None = None
    schedule: str = ""
    next_run_at: datetime | None = None
    updated_at: datetime | None = None
    is_awaited: bool = False


class DependencyNode(Wire):
    """A job or, with `job_id` None, a table that no job writes; `depth` is negative upstream, positive downstream."""

    id: str
    job_id: str | None = None
    name: str
    owner: str | None = None
    schedule: str = ""
    next_run_at: datetime | None = None
    is_own: bool = False
    depth: int = 0


class DependencyEdge(Wire):
    """`source` writes `table` and `target` reads it; `is_awaited`: the target waits for it."""

    source: str
    target: str
    table: str
    is_awaited: bool = False


class Dependencies(Wire):
    """What is before and after a job; `cycle` names the jobs of a circle that it is in (first again at the end)."""

    job_id: str
    nodes: tuple[DependencyNode, ...] = ()
    edges: tuple[DependencyEdge, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    cycle: tuple[str, ...] = ()
    unknown: tuple[UnknownTable, ...] = ()
    warnings: tuple[FaultModel, ...] = ()
    is_truncated: bool = False
    """More jobs depend on one another than are shown."""

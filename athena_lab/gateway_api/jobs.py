"""Wire models of promotion: bundles, parameters, schedules, jobs and their versions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from athena_lab.gateway_api.bundles import (
    BundleKind,
    Destination,
    EnvironmentLock,
    EnvironmentSummary,
    Execution,
    FileSummary,
    SliceCell,
)
from athena_lab.gateway_api.forecasts import Forecast
from athena_lab.gateway_api.lineage import Lineage, Upstream
from athena_lab.gateway_api.terms import Parameter, Terms
from athena_lab.gateway_api.wire import FaultModel, Wire


class SideFile(Wire):
    """A file beside the notebook; `path` is relative to the notebook's folder, with `/`."""

    path: str
    content_base64: str
    why: str = ""


class Source(Wire):
    """Where the content came from in the user's own files.

    `path` is Jupyter's contents path; `notebook_id` the id kept in the notebook's metadata
    (`metadata.athena.notebook_id`); `cell_id` set when one cell was promoted, `cell_ids` when several were.
    """

    path: str
    notebook_id: str | None = None
    cell_id: str | None = None
    cell_ids: tuple[str, ...] = ()


class BundleUpload(Wire):
    """What the labserver uploads: the notebook as it is (nbformat 4 JSON) and its side files.

    A `.sql` or `.py` file comes as `text` instead of `notebook`, SQL with its `destination`. `executions` and
    `names` are the live kernel's, where there is one. `kept_cells` is None for what the slice says, else the ids
    of the earlier cells that the user keeps. `lock` None runs the job in the platform's own environment, unless
    `environment_of` names a job of the caller's: its locked environment is kept then, if it has one.
    """

    notebook: dict[str, JsonValue] | None = None
    text: str | None = None
    source: Source
    files: tuple[SideFile, ...] = ()
    executions: tuple[Execution, ...] = ()
    names: tuple[str, ...] = ()
    kept_cells: tuple[str, ...] | None = None
    destination: Destination | None = None
    lock: EnvironmentLock | None = None
    environment_of: str | None = None
    warnings: tuple[str, ...] = ()


class CellSummary(Wire):
    """One code cell of a bundle."""

    index: int
    cell_id: str
    first_line: str


class Bundle(Wire):
    """An immutable bundle by its content hash (SHA-256, hex), and what was found in its notebook.

    `slice` has every cell that a promoted cell may need, empty for a whole file; `undecided` what the slice had to
    guess; `missing_names` what the target needs and the kernel holds, but no cell of the notebook creates.
    """

    hash: str
    source: Source
    kind: BundleKind = BundleKind.NOTEBOOK
    cells: tuple[CellSummary, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    slice: tuple[SliceCell, ...] = ()
    undecided: tuple[str, ...] = ()
    missing_names: tuple[str, ...] = ()
    files: tuple[FileSummary, ...] = ()
    environment: EnvironmentSummary = EnvironmentSummary()
    size_bytes: int = 0
    warnings: tuple[str, ...] = ()
    lineage: Lineage = Lineage()


class PromoteRequest(Terms):
    """Schedule a bundle as a job.

    `job_id` None makes a new job, unless one of the same owner, name and source exists already:
    then that job gets its next version. `parameters` replaces the value, relative date and
    description of the bundle's parameters by name. `expected_version`, when given, refuses the
    deployment if the job has moved on meanwhile.
    """

    bundle: str
    name: str
    job_id: str | None = None
    message: str = ""
    expected_version: int | None = None


class RunMarkKind(StrEnum):
    """What is special about a fire where the clocks change."""

    MOVED = "moved"
    """Its wall time is not one of the schedule's: the clocks skip that one, so it runs later."""
    REPEATED = "repeated"
    """Its wall time comes twice on that day; it runs at the one told."""


class RunMark(Wire):
    """One of the next runs that is special."""

    run: datetime
    kind: RunMarkKind


class Check(Wire):
    """What a promotion would do: every fault at once, and the next runs (UTC) if there is none."""

    faults: tuple[FaultModel, ...] = ()
    next_runs: tuple[datetime, ...] = ()
    job_id: str | None = None
    next_version: int = 1
    is_unchanged: bool = False
    upstreams: tuple[Upstream, ...] = ()
    cycle: tuple[str, ...] = ()
    """The jobs of a circle that the data would go in, the first again at the end."""
    warnings: tuple[FaultModel, ...] = ()
    marks: tuple[RunMark, ...] = ()
    made_up: int = 0
    forecast: Forecast | None = None


class PromotionState(StrEnum):
    """How far a promotion is."""

    COMMITTED = "committed"
    """In the jobs repository; Airflow was asked to read it."""
    WAITING = "waiting"
    """Waiting for the scheduler: Airflow does not answer; it is finished later, once."""
    VISIBLE = "visible"
    """Airflow reports the new version."""
    FAILED = "failed"
    """Airflow could not read it; `message` says why."""


class Promotion(Wire):
    """One deployment of one version; `is_unchanged` when the content was current already."""

    job_id: str
    version: int
    state: PromotionState
    is_unchanged: bool = False
    message: str = ""
    requested_at: datetime
    visible_at: datetime | None = None


class JobState(StrEnum):
    """What a job does at present."""

    ACTIVE = "active"
    PAUSED = "paused"
    DELETED = "deleted"


class Job(Terms):
    """A scheduled job as the sidebar shows it."""

    id: str
    name: str
    team: str
    owner: str
    version: int
    bundle: str
    source: Source
    state: JobState = JobState.ACTIVE
    promotion: PromotionState = PromotionState.VISIBLE
    next_run_at: datetime | None = None
    last_run: RunSummary | None = None
    created_at: datetime
    updated_at: datetime
    rehearsed_at: datetime | None = None
    """Of its present version, as in `JobVersion`."""


class JobQuery(Wire):
    """Which of the caller's jobs are wanted: by words of name, owner or path, or by their notebook (id or path).

    `offset` and `limit` choose a page of what is found, in the order of names.
    """

    search: str = Field(default="", max_length=200)
    path: str | None = None
    notebook_id: str | None = None
    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=500)


class JobPage(Wire):
    """A page of the jobs that were asked for; `total` counts all that were found."""

    jobs: tuple[Job, ...]
    total: int


class JobVersion(Wire):
    """One version of a job; `origin` is the earlier version whose content it repeats, if any.

    `rehearsed_at` is when whoever deployed it had last rehearsed exactly this bundle with success; None: not rehearsed.
    """

    version: int
    deployed_at: datetime
    deployed_by: str
    message: str = ""
    content_hash: str
    bundle: str
    origin: int | None = None
    rehearsed_at: datetime | None = None


class RunState(StrEnum):
    """What a run does at present."""

    QUEUED = "queued"
    WAITING = "waiting"
    """For updates of tables."""
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    """The run before it was still under way, and the job skips what overlaps."""

    @property
    def is_final(self) -> bool:
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.SKIPPED)


class RunSummary(Wire):
    """A run in a list. `id` is `run_id_of(dag_id, airflow_run_id)`."""

    id: str
    job_id: str
    job_name: str = ""
    job_version: int
    type: str
    """Airflow's run type: "scheduled", "manual", "backfill" or "asset_triggered"."""
    state: RunState
    queued_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    cells_done: int = 0
    cells_total: int = 0
    waits_for: tuple[str, ...] = ()
    """Tables that are not updated yet, while it is waiting."""
    is_late: bool = False
    """It waited, or waits, longer than its job's deadline."""


class CellRun(Wire):
    """One code cell of a run: "pending", "running", "succeeded" or "failed"."""

    index: int
    state: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None


class AttemptRecord(Wire):
    """One attempt of a run: where it ran and how it ended ("running", "abandoned" included)."""

    attempt: int
    worker: str
    state: str
    started_at: datetime
    ended_at: datetime | None = None
    is_isolated: bool = False


class Run(RunSummary):
    """A run with its cells, attempts and parameters; `anchor` is what relative dates hang on (UTC)."""

    airflow_run_id: str
    dag_id: str
    anchor: datetime | None = None
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    cells: tuple[CellRun, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()
    is_isolated: bool = False
    may_be_doubled: bool = False
    """An earlier attempt ran cells before it was lost, so what they appended may be there twice."""
    has_output: bool = False


class RunRequest(Wire):
    """Run a job now; `parameters` replaces the job's values by name for this run only."""

    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    note: str = ""


class SchedulePreview(Wire):
    """The next fires of a schedule in UTC, or what is wrong with it.

    `marks` tells which of the runs are special; `made_up` is how many past fires would be made up for at once (near
    changes of the clocks give or take a few).
    """

    runs: tuple[datetime, ...] = ()
    faults: tuple[FaultModel, ...] = ()
    marks: tuple[RunMark, ...] = ()
    made_up: int = 0


Job.model_rebuild()
JobPage.model_rebuild()

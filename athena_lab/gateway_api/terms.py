"""Wire models of a job's terms: when it runs, after what, with what, within which limits, and who is told."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, JsonValue

from athena_lab.gateway_api.wire import Wire


class ParameterType(StrEnum):
    """The types that a parameter of a job may have."""

    INTEGER = "int"
    FLOAT = "float"
    BOOLEAN = "bool"
    STRING = "str"
    DATE = "date"
    DATETIME = "datetime"
    JSON = "json"


class RelativeDate(StrEnum):
    """Dates in plain words, hung on the run's anchor in the job's zone."""

    TODAY = "today"
    YESTERDAY = "yesterday"
    START_OF_WEEK = "start_of_week"
    START_OF_LAST_WEEK = "start_of_last_week"
    START_OF_MONTH = "start_of_month"
    START_OF_LAST_MONTH = "start_of_last_month"
    END_OF_LAST_MONTH = "end_of_last_month"
    START_OF_YEAR = "start_of_year"
    NOW = "now"


class Parameter(Wire):
    """One name of the notebook's `parameters` cell.

    `default` is the value in the notebook. `value` is what the job passes: a JSON value of the type
    (dates as ISO 8601 text), or None to keep the default. `relative` ("yesterday", see
    `RelativeDate`) replaces `value` for dates, and is resolved from the run's anchor.
    """

    name: str
    type: ParameterType
    default: JsonValue = None
    value: JsonValue = None
    relative: str | None = None
    description: str = ""


class MissedRuns(StrEnum):
    """What becomes of fires that fell into a pause or an outage."""

    SKIP = "skip"
    """None is made up for."""
    LATEST = "latest"
    """The last one is."""
    ALL = "all"
    """Each one is, in order."""


class Schedule(Wire):
    """When a job runs: a cron expression of five fields in an IANA zone; cron None is by hand only.

    It fires from `start` (inclusive; default: the deployment that last changed the schedule) to `end` (inclusive).
    """

    cron: str | None = None
    timezone: str = "UTC"
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    missed: MissedRuns = MissedRuns.LATEST


class AfterMode(StrEnum):
    """What makes a job run."""

    TIME = "time"
    """Its schedule alone."""
    UPDATES = "updates"
    """Updates of tables: it runs once each of them was updated since its last run."""
    TIME_AND_UPDATES = "time_and_updates"
    """Its schedule; the run then waits until each table was updated since the run before."""


class After(Wire):
    """After what a job runs; `tables` are those it waits for (as in `Tables`), empty for `AfterMode.TIME`.

    A run that still waits `deadline_s` seconds after its time is reported as late, and goes on waiting.
    """

    mode: AfterMode = AfterMode.TIME
    tables: tuple[str, ...] = ()
    deadline_s: int = 6 * 3600


class Tables(Wire):
    """Tables that a job reads and writes, as `dataset.table` (another project's as `project.dataset.table`)."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


class Overlap(StrEnum):
    """What becomes of a run whose predecessor is still under way."""

    QUEUE = "queue"
    SKIP = "skip"
    ALLOW = "allow"


class Guards(Wire):
    """Limits of a run: seconds between retries (doubled each time if `has_backoff`), seconds a cell may take,
    overlapping runs, and bytes that its queries may be billed a run and a calendar month (None: no limit)."""

    retry_delay_s: int = 60
    has_backoff: bool = False
    cell_timeout_s: int | None = None
    overlap: Overlap = Overlap.QUEUE
    run_bytes: int | None = None
    month_bytes: int | None = None


class AlertOn(StrEnum):
    """What an alert tells of."""

    FAILURE = "failure"
    LATE = "late"
    CONDITION = "condition"


class AlertChannel(StrEnum):
    """How an alert is sent."""

    MAIL = "mail"
    SLACK = "slack"
    WEBHOOK = "webhook"


class RowCondition(Wire):
    """A condition over a written table after the run: alert when its number of rows compares so (`<`, `<=`, …)."""

    table: str
    operator: str
    rows: int


class Alert(Wire):
    """Who is told of what: a mail address, or the name of a secret of the gateway that holds the channel's URL."""

    on: AlertOn = AlertOn.FAILURE
    channel: AlertChannel
    target: str
    condition: RowCondition | None = None


class Terms(Wire):
    """How a job runs, beside what it runs: the same fields in a request, a spec, a version and an export.

    `tables` None in a request takes what lineage found in the bundle; a deployed version always names them.
    """

    schedule: Schedule = Schedule()
    after: After = After()
    parameters: tuple[Parameter, ...] = ()
    tables: Tables | None = None
    retries: int = 0
    timeout_s: int = 6 * 3600
    guards: Guards = Guards()
    alerts: tuple[Alert, ...] = ()


def terms_of(terms: Terms) -> dict[str, Any]:
    """Give the fields of the terms alone, to make another model of them."""
    return {name: getattr(terms, name) for name in Terms.model_fields}

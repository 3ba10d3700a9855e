"""Wire models between an Airflow worker and the gateway: attempts, heartbeats, cell events."""

from __future__ import annotations

import uuid
from datetime import datetime

from pydantic import JsonValue

from athena_lab.gateway_api.wire import Wire

_RUN_NAMESPACE = uuid.UUID("5d0f4c0e-3b57-5b8e-9a53-0f2f6a7e6a10")


def run_id_of(dag_id: str, airflow_run_id: str) -> str:
    """Name a run: 32 hexadecimal digits that both Airflow's and the gateway's side can compute."""
    return uuid.uuid5(_RUN_NAMESPACE, f"{dag_id}/{airflow_run_id}").hex


def dag_id_of(team: str, job_id: str) -> str:
    """Name a job's DAG."""
    return f"athena__{team}__{job_id}"


REHEARSAL_DAG_ID = dag_id_of("platform", "rehearsal")
"""The DAG of all rehearsals, which is static: what a run of it executes comes with its conf."""
REHEARSAL_JOB_ID = "~rehearsal"
"""What stands for the job in a rehearsal's spec; it can be no job's id."""
PREPARATION_TAG = "athena-rehearsal"
"""The tag of a rehearsal's first code cell, which makes the scratch tables and is none of the bundle's."""


class WaitingRun(Wire):
    """A run whose first task waits for updates of the tables that its job's version names."""

    dag_id: str
    airflow_run_id: str
    job_id: str
    version: int


class WaitQuery(Wire):
    """Which runs wait at this triggerer; it asks for all of them at once, again and again."""

    runs: tuple[WaitingRun, ...]


class WaitAnswer(Wire):
    """The runs (`run_id_of`) that need not wait any longer, and in how many seconds to ask about the others."""

    ready: tuple[str, ...] = ()
    ask_again_s: float = 2.0


class AttemptRequest(Wire):
    """A worker is about to execute a run; answered with `Attempt`, and earlier attempts lose their token."""

    dag_id: str
    airflow_run_id: str
    run_type: str
    logical_date: datetime | None = None
    run_after: datetime
    job_id: str
    version: int
    bundle: str
    try_number: int
    worker: str
    is_isolated: bool


class Attempt(Wire):
    """Leave to execute: the run's own token and its resolved parameters (dates as ISO 8601 text)."""

    run_id: str
    attempt: int
    token: str
    token_expires_at: datetime
    owner: str
    anchor: datetime
    parameters: dict[str, JsonValue]
    timeout_s: int
    secret_parameters: tuple[str, ...] = ()
    """Those whose values are secrets: they may stand in no output, no log and no record."""
    is_cancelled: bool = False
    is_skipped: bool = False
    """The run before this one is still under way and the job skips overlaps: nothing is to be executed."""
    bytes_left: int | None = None
    """What the run's queries may still be billed; its kernel keeps to it, the gateway watches."""
    failed_before: int | None = None
    """Earlier attempts of the run that ended as "failed": the owner's retries are counted by these (None: unknown)."""


class Heartbeat(Wire):
    """The renewed token, and whether somebody asked to stop the run."""

    token: str
    token_expires_at: datetime
    is_cancelled: bool = False


class CellEvent(Wire):
    """A code cell started, succeeded or failed; `index` counts code cells from 0."""

    index: int
    state: str
    at: datetime
    cells_total: int
    error: str | None = None


class Finish(Wire):
    """How the attempt ended: "succeeded", "failed" or "cancelled"."""

    state: str
    at: datetime
    error: str | None = None

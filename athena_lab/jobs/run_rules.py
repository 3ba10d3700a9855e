"""Which state a run is in, what its relative dates hang on, whether its rows may be doubled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from athena_lab.gateway_api.jobs import RunState

RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELLED = "cancelled"
ABANDONED = "abandoned"
SKIPPED = "skipped"
"""States of an attempt; "abandoned" is one whose worker was lost or that another attempt superseded."""

ATTEMPT_ENDINGS = (SUCCEEDED, FAILED, CANCELLED)
"""How a worker may say that its attempt ended."""

_ENDINGS = {SUCCEEDED: RunState.SUCCEEDED, CANCELLED: RunState.CANCELLED, SKIPPED: RunState.SKIPPED}

AIRFLOW_ENDINGS = ("success", "failed")
"""Airflow's final states of a DAG run."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run.

    `attempts` are the attempts' states in order; `airflow_state` is Airflow's state of the DAG run
    (None if not asked or unknown); `is_silent` says that the running attempt's heartbeat is overdue;
    `failures_allowed` is how many failures of the notebook the owner wants retried; `is_waiting` says that
    its first task waits for updates of tables.
    """

    attempts: tuple[str, ...] = ()
    airflow_state: str | None = None
    is_cancel_requested: bool = False
    is_silent: bool = False
    failures_allowed: int = 0
    is_waiting: bool = False


def state_of(facts: RunFacts) -> RunState:
    """Give the run's state. What an attempt said of itself counts before what Airflow says of it."""
    if not facts.attempts:
        return _state_before_attempts(facts)
    last = facts.attempts[-1]
    if last in _ENDINGS:
        return _ENDINGS[last]
    if facts.airflow_state in AIRFLOW_ENDINGS and last != RUNNING:
        return RunState.CANCELLED if facts.is_cancel_requested else RunState.FAILED
    if last == RUNNING:
        return RunState.RETRYING if facts.is_silent else RunState.RUNNING
    if facts.is_cancel_requested:
        return RunState.CANCELLED
    if last == FAILED and facts.attempts.count(FAILED) > facts.failures_allowed:
        return RunState.FAILED
    return RunState.RETRYING


def _state_before_attempts(facts: RunFacts) -> RunState:
    if facts.is_cancel_requested:
        return RunState.CANCELLED
    if facts.airflow_state == "success":
        return RunState.SUCCEEDED
    if facts.airflow_state == "failed":
        return RunState.FAILED
    return RunState.WAITING if facts.is_waiting else RunState.QUEUED


def anchor_of(
    run_type: str, *, logical_date: datetime | None, run_after: datetime, triggered_at: datetime | None
) -> datetime:
    """Give the moment that relative dates hang on: the scheduled time, the backfilled date, else the trigger."""
    if run_type == "backfill" and logical_date is not None:
        return logical_date
    if run_type == "manual" and triggered_at is not None:
        return triggered_at
    return run_after


def may_be_doubled(attempts: Sequence[tuple[str, int]]) -> bool:
    """Did an attempt that was lost start cells before another began? `attempts` are (state, cells started)."""
    return any(state == ABANDONED and cells > 0 for state, cells in attempts[:-1])

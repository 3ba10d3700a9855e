"""The rules of runs: states from facts, anchors, doubled rows."""

from datetime import UTC, datetime

import pytest

from athena_lab.gateway_api.jobs import RunState
from athena_lab.jobs.run_rules import RunFacts, anchor_of, may_be_doubled, state_of

SCHEDULED = datetime(2026, 11, 24, 6, tzinfo=UTC)
TRIGGERED = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
BACKFILLED = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (RunFacts(), RunState.QUEUED),
        (RunFacts(airflow_state="running"), RunState.QUEUED),
        (RunFacts(airflow_state="failed"), RunState.FAILED),
        (RunFacts(airflow_state="success"), RunState.SUCCEEDED),
        (RunFacts(is_cancel_requested=True), RunState.CANCELLED),
        (RunFacts(("running",)), RunState.RUNNING),
        (RunFacts(("running",), is_cancel_requested=True), RunState.RUNNING),
        (RunFacts(("running",), is_silent=True), RunState.RETRYING),
        (RunFacts(("running",), airflow_state="failed"), RunState.RUNNING),
        (RunFacts(("succeeded",), airflow_state="running"), RunState.SUCCEEDED),
        (RunFacts(("succeeded",), is_cancel_requested=True), RunState.SUCCEEDED),
        (RunFacts(("failed",), airflow_state="running"), RunState.FAILED),
        (RunFacts(("failed",), airflow_state="running", failures_allowed=1), RunState.RETRYING),
        (RunFacts(("failed", "failed"), airflow_state="running", failures_allowed=1), RunState.FAILED),
        (RunFacts(("failed",), airflow_state="failed", failures_allowed=1), RunState.FAILED),
        (RunFacts(("abandoned",), airflow_state="running"), RunState.RETRYING),
        (RunFacts(("abandoned",), airflow_state="failed"), RunState.FAILED),
        (RunFacts(("abandoned",), is_cancel_requested=True), RunState.CANCELLED),
        (RunFacts(("abandoned", "running")), RunState.RUNNING),
        (RunFacts(("abandoned", "failed")), RunState.FAILED),
        (RunFacts(("cancelled",), airflow_state="running"), RunState.CANCELLED),
        (RunFacts(("failed",), is_cancel_requested=True, failures_allowed=3), RunState.CANCELLED),
    ],
)
def test_a_runs_state_follows_from_its_facts(facts, state):
    assert state_of(facts) is state


@pytest.mark.parametrize(
    ("run_type", "expected"),
    [
        ("scheduled", SCHEDULED),
        ("asset_triggered", SCHEDULED),
        ("backfill", BACKFILLED),
        ("manual", TRIGGERED),
    ],
)
def test_relative_dates_hang_on_the_anchor_of_the_runs_type(run_type, expected):
    anchor = anchor_of(run_type, logical_date=BACKFILLED, run_after=SCHEDULED, triggered_at=TRIGGERED)
    assert anchor == expected


def test_a_run_started_by_hand_in_airflow_hangs_on_its_own_moment():
    assert anchor_of("manual", logical_date=None, run_after=SCHEDULED, triggered_at=None) == SCHEDULED


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([("succeeded", 5)], False),
        ([("abandoned", 0), ("succeeded", 5)], False),
        ([("abandoned", 1), ("succeeded", 5)], True),
        ([("abandoned", 3)], False),
        ([("failed", 3), ("succeeded", 5)], False),
    ],
)
def test_rows_may_be_doubled_only_after_a_lost_attempt_that_ran_cells(attempts, expected):
    assert may_be_doubled(attempts) is expected

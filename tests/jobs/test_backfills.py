"""A backfill is checked before Airflow hears of it, bounded, and begun only where there is something to run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from athena_lab.errors import InvalidError, NotFoundError
from athena_lab.gateway_api.backfills import BackfillRequest
from athena_lab.gateway_api.jobs import Source
from athena_lab.gateway_api.terms import Schedule
from athena_lab.jobs.airflow_api import AirflowRun
from athena_lab.jobs.airflow_backfills import AirflowBackfill
from athena_lab.jobs.backfills import Backfills
from athena_lab.jobs.spec import JobSpec

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


class Airflow:
    """Keeps what it was asked; a real one takes part in tests/stack/test_terms.py."""

    def __init__(self):
        self.fires, self.created, self.cancelled, self.states = (
            (NOW - timedelta(days=1),),
            [],
            [],
            ("success", "queued"),
        )

    def preview(self, _dag_id, _request):
        return self.fires

    def create(self, dag_id, request):
        made = AirflowBackfill(7 + len(self.created), dag_id, request.from_at, request.to_at, NOW, None)
        self.created.append(made)
        return made

    def get(self, _dag_id, backfill_id):
        return next((one for one in self.created if one.id == backfill_id), None)

    def list(self, _dag_id, limit):
        return tuple(reversed(self.created))[:limit]

    def cancel(self, _dag_id, backfill_id):
        self.cancelled.append(backfill_id)

    def runs(self, backfill):
        return [
            AirflowRun(backfill.dag_id, f"backfill__{n}", "backfill", state, NOW, NOW, NOW, None, None, {})
            for n, state in enumerate(self.states)
        ]


class Office:
    def __init__(self):
        self.airflow, self.learned, self.audited = Airflow(), [], []
        self.backfills = Backfills(self.airflow, self, now=lambda: NOW)

    def learn(self, _run_id, run):
        self.learned.append(run.run_id)

    def audit(self, action, details):
        self.audited.append((action, details))

    def job(self, cron="0 6 * * *"):
        return JobSpec(
            id="daily", name="Daily", team="local", owner="ann", version=1, bundle="a" * 64,
            source=Source(path="x.ipynb"), schedule=Schedule(cron=cron), start_at=NOW, deployed_at=NOW,
            deployed_by="ann",
        )  # fmt: skip


@pytest.fixture
def office():
    return Office()


def span(days, **changes):
    return BackfillRequest(**{"from_at": NOW - timedelta(days=days), "to_at": NOW} | changes)


@pytest.mark.parametrize(
    ("cron", "request_", "field", "message"),
    [
        (None, span(3), "", "it has no schedule"),
        ("0 6 * * *", span(3, to_at=NOW - timedelta(days=4)), "to_at", "the span ends before it begins"),
        ("0 6 * * *", span(3, to_at=NOW + timedelta(days=1)), "to_at", "the span reaches into the future"),
        ("*/15 * * * *", span(30), "from_at", "more than 500 fires"),
    ],
)
def test_spans_that_cannot_be_are_refused_before_airflow_hears_of_them(office, cron, request_, field, message):
    with pytest.raises(InvalidError) as refusal:
        office.backfills.create(office.job(cron), request_, office.audit)
    (fault,) = refusal.value.faults
    assert (fault.field, message in fault.message) == (field, True)
    assert (office.airflow.created, office.audited) == ([], [])


def test_nothing_to_run_is_said(office):
    office.airflow.fires = ()
    with pytest.raises(InvalidError, match="no fire in that span is without a run"):
        office.backfills.create(office.job(), span(3), office.audit)


def test_progress_is_told_and_its_runs_get_records(office):
    made = office.backfills.create(office.job(), span(3), office.audit)
    assert (made.id, made.runs) == (7, {"succeeded": 1, "queued": 1})
    assert office.learned == ["backfill__0", "backfill__1"]
    assert office.audited == [("backfill.create", {"version": 1, "runs": 1})]


def test_only_a_jobs_own_backfill_is_cancelled(office):
    with pytest.raises(NotFoundError, match="the job has none of that number"):
        office.backfills.cancel(office.job(), 7, office.audit)
    office.backfills.create(office.job(), span(3), office.audit)
    office.backfills.cancel(office.job(), 7, office.audit)
    assert office.airflow.cancelled == [7]


def test_a_backfill_is_found_again_by_its_number_and_before_it_has_one_by_coming_after_the_last(office):
    job, kept = office.job(), []
    office.backfills.create(job, span(5), office.audit)
    made = office.backfills.create(job, span(3), office.audit, kept.append)
    assert kept == ["after:7", "8"]
    for subject in kept:
        assert office.backfills.find_requested(job, span(3), subject) == made
    assert office.backfills.find_requested(job, span(3), "after:8") is None
    assert office.backfills.find_requested(job, span(4), "after:7") is None
    assert office.backfills.find_requested(job, span(3), "9") is None

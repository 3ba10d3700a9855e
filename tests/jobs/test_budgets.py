"""Budgets of bytes: a run over its own is stopped, a month's is not begun, whatever the warehouse forgets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from athena_lab.errors import UnreachableError
from athena_lab.gateway_api.jobs import RunState, Source
from athena_lab.gateway_api.terms import Guards, Schedule
from athena_lab.jobs.budgets import Budgets, limit_of, month_of
from athena_lab.jobs.ledger import Ledger
from athena_lab.jobs.run_store import RunStore
from athena_lab.jobs.runs import new_row
from athena_lab.jobs.spec import JobSpec

GB = 10**9


class Office:
    def __init__(self, folder):
        self.at = datetime(2026, 11, 24, 6, tzinfo=UTC)
        self.store, self.ledger = RunStore(folder / "runs.sqlite"), Ledger(folder / "ledger.sqlite")
        self.bills, self.stopped, self.is_down = {}, [], False
        self.job = job_of()
        self.budgets = Budgets(self.ledger, self.store, self, lambda _row: self.job, now=lambda: self.at)

    def billed(self, _since):
        if self.is_down:
            raise UnreachableError("Cannot reach the warehouse: it is down. Start it.")
        return self.bills

    def begin(self, name, **guards):
        self.job = job_of(**guards) if guards else self.job
        row = new_row(self.job, name, run_type="manual", queued_at=self.at)
        self.store.add_run(row)
        self.store.change_run(row.run_id, state=RunState.RUNNING)
        return row.run_id, self.budgets.begin(self.job, row.run_id)

    def look(self):
        self.at += timedelta(seconds=10)
        self.budgets.look(lambda row, why: self.stopped.append((row.run_id, why)))

    def end(self, run_id):
        self.store.change_run(run_id, state=RunState.SUCCEEDED, ended_at=self.at)


def job_of(**guards):
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    return JobSpec(
        id="daily", name="Daily", team="local", owner="ann", version=1, bundle="a" * 64, source=Source(path="x.ipynb"),
        schedule=Schedule(timezone="America/New_York"), guards=Guards(**guards), start_at=moment, deployed_at=moment,
        deployed_by="ann",
    )  # fmt: skip


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path)
    yield office
    office.store.close()
    office.ledger.close()


def test_run_over_its_budget_is_stopped_with_the_figures(office):
    run, refusal = office.begin("one", run_bytes=2 * GB)
    assert refusal is None
    assert office.budgets.left(office.job, run) == 2 * GB
    office.bills = {run: 2 * GB}
    office.look()
    assert office.stopped == []
    office.bills = {run: 2 * GB + 1}
    office.look()
    ((stopped, why),) = office.stopped
    assert stopped == run
    assert why.startswith(
        "Cannot go on with the run of 'Daily': it was billed 2000000001 bytes, and 2000000000 were left"
    )
    assert office.begin("one")[1].startswith("Cannot run 'Daily' again: this run was billed 2000000001 bytes")


def test_month_that_is_used_up_begins_no_run(office):
    first, _ = office.begin("one", month_bytes=3 * GB)
    office.bills = {first: 3 * GB}
    office.end(first)
    office.look()
    _, refusal = office.begin("two")
    assert "its runs of this month were billed 3000000000 bytes, and 3000000000 are allowed" in refusal
    office.at = datetime(2026, 12, 1, 4, 59, tzinfo=UTC)  # November still, in the job's zone
    assert office.begin("three")[1] is not None
    office.at = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
    assert office.begin("four")[1] is None


def test_run_gets_what_the_month_has_left(office):
    first, _ = office.begin("one", month_bytes=3 * GB, run_bytes=2 * GB)
    office.bills = {first: int(1.5 * GB)}
    office.end(first)
    office.look()
    second, _ = office.begin("two")
    assert office.budgets.left(office.job, second) == int(1.5 * GB)
    office.bills = {first: int(1.5 * GB), second: int(1.6 * GB)}
    office.look()
    assert [run for run, _ in office.stopped] == [second]


def test_what_the_warehouse_forgets_stays_in_the_ledger(office):
    run, _ = office.begin("one", run_bytes=2 * GB)
    office.bills = {run: GB}
    office.look()
    office.bills, office.is_down = {}, True
    office.look()
    office.is_down = False
    office.look()
    assert office.ledger.bytes_of(run) == GB


def test_runs_without_a_budget_are_counted_once_at_their_end(office):
    run, _ = office.begin("one")
    office.bills = {run: GB}
    office.look()
    assert office.ledger.bytes_of(run) == 0
    office.end(run)
    office.look()
    assert office.ledger.bytes_of(run) == GB
    assert office.ledger.open_bills() == []


def test_limit_is_the_smaller_of_both():
    assert limit_of(Guards(), 5) is None
    assert limit_of(Guards(run_bytes=7), 5) == 7
    assert limit_of(Guards(run_bytes=7, month_bytes=10), 5) == 5
    assert month_of(datetime(2026, 3, 1, 2, tzinfo=UTC), "America/New_York") == datetime(2026, 2, 1, 5, tzinfo=UTC)

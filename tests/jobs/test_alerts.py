"""Alerts are told once an event, retried until taken, and say nothing that a notebook printed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from athena_lab.errors import ConflictError, NotFoundError, UnreachableError
from athena_lab.gateway_api.jobs import PromoteRequest, RunState, Source
from athena_lab.gateway_api.terms import Alert, AlertChannel, AlertOn, Guards, RowCondition, Tables
from athena_lab.jobs.alert_outbox import AlertOutbox
from athena_lab.jobs.alert_rules import AlertEvent, alert_faults, plain_error
from athena_lab.jobs.alerts import AlertMeans, Alerts, RefusedError
from athena_lab.jobs.guards import guard_faults
from athena_lab.jobs.run_events import RunEvents
from athena_lab.jobs.run_store import RunStore
from athena_lab.jobs.runs import new_row
from athena_lab.jobs.spec import JobSpec

MAIL = Alert(channel=AlertChannel.MAIL, target="ann@example.org")
HOOK = Alert(channel=AlertChannel.WEBHOOK, target="HOOK")


def few_rows(operator="<", rows=10, table="sales.daily"):
    condition = RowCondition(table=table, operator=operator, rows=rows)
    return Alert(on=AlertOn.CONDITION, channel=AlertChannel.MAIL, target="ann@example.org", condition=condition)


class Office:
    def __init__(self, folder):
        self.folder, self.at = folder, datetime(2026, 11, 24, 6, tzinfo=UTC)
        self.store = RunStore(folder / "runs.sqlite")
        self.sent, self.trouble, self.rows = [], None, {}
        self.alerts_of_job = (MAIL, HOOK)
        self.opened = []
        self.open()

    def open(self):
        outbox, events = AlertOutbox(self.folder / "alerts.sqlite"), RunEvents(self.folder / "runs.sqlite")
        self.opened += [outbox, events]
        means = AlertMeans(events, self, self, lambda _job, _version: self.job, lambda run: f"https://lab/{run}")
        self.alerts = Alerts(outbox, means, now=lambda: self.at)

    @property
    def job(self):
        return JobSpec(
            id="daily", name="Daily", team="local", owner="ann", version=3, bundle="a" * 64,
            source=Source(path="x.ipynb"), alerts=self.alerts_of_job, start_at=self.at, deployed_at=self.at,
            deployed_by="ann",
        )  # fmt: skip

    def send(self, delivery):
        if self.trouble is not None:
            raise self.trouble
        self.sent.append(delivery)

    def count_rows(self, table):
        if table not in self.rows:
            raise NotFoundError("Cannot find the table: there is none. Make it.")
        return self.rows[table]

    def end(self, name, state, error=None):
        row = new_row(self.job, name, run_type="manual", queued_at=self.at)
        self.store.add_run(row)
        self.store.change_run(row.run_id, state=state, ended_at=self.at, error=error)
        return row.run_id

    def look(self, seconds=1):
        self.at += timedelta(seconds=seconds)
        self.alerts.look()
        self.alerts.pump()


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path)
    yield office
    for one in (office.store, *office.opened):
        one.close()


def test_failure_is_told_once_to_each_whatever_happens_in_between(office):
    run = office.end("one", RunState.FAILED, "ValueError: bad customer 4711 <a@b.com> (code cell 3 of 5)")
    office.look()
    office.look()
    office.open()  # as after a restart
    office.look()
    assert [(one.channel, one.target) for one in office.sent] == [("mail", "ann@example.org"), ("webhook", "HOOK")]
    text = office.sent[0].body
    assert text.splitlines() == [
        "Job 'Daily' failed",
        "Owner: ann",
        "Version: v3",
        f"Run: https://lab/{run}",
        "What happened: ValueError (code cell 3 of 5)",
    ]


def test_good_and_cancelled_runs_are_not_told(office):
    office.end("one", RunState.SUCCEEDED)
    office.end("two", RunState.CANCELLED, "Cannot finish the run: it was cancelled.")
    office.end("three", RunState.SKIPPED)
    office.look()
    assert office.sent == []


def test_alert_that_is_not_taken_is_tried_again_ever_less_often_for_a_day(office):
    office.alerts_of_job, office.trouble = (HOOK,), UnreachableError("Cannot send: it is down. Wait.")
    office.end("one", RunState.FAILED)
    office.look()
    (first,) = office.alerts.deliveries("daily")
    assert (first.state, first.attempts, first.error) == ("pending", 1, "Cannot send: it is down. Wait.")
    office.look(2)
    assert office.alerts.deliveries("daily")[0].attempts == 1
    office.look(5)
    assert office.alerts.deliveries("daily")[0].attempts == 2
    office.trouble = None
    office.look(60)
    (last,) = office.alerts.deliveries("daily")
    assert (last.state, last.error, len(office.sent)) == ("sent", None, 1)
    office.trouble = UnreachableError("Cannot send: it is down. Wait.")
    office.end("two", RunState.FAILED)
    for _ in range(60):
        office.look(3000)
    assert office.alerts.deliveries("daily")[0].state == "failed"


def test_final_refusal_is_not_tried_again(office):
    office.alerts_of_job, office.trouble = (HOOK,), RefusedError("Cannot send: no such URL. Set it.")
    office.end("one", RunState.FAILED)
    office.look()
    assert (office.alerts.deliveries("daily")[0].state, office.alerts.deliveries("daily")[0].attempts) == ("failed", 1)


def test_condition_over_rows_is_told_where_it_is_met(office):
    office.alerts_of_job, office.rows = (few_rows(), few_rows(">", 100)), {"sales.daily": 3}
    office.end("one", RunState.SUCCEEDED)
    office.look()
    (sent,) = office.sent
    assert "'sales.daily' has 3 rows (alert on rows < 10)" in sent.body
    office.rows = {"sales.daily": 50}
    office.end("two", RunState.SUCCEEDED)
    office.look()
    assert len(office.sent) == 1
    office.rows = {}
    office.end("three", RunState.SUCCEEDED)
    office.look()
    assert "does not exist after the run" in office.sent[-1].body


def test_condition_waits_for_a_warehouse_that_is_away_and_holds_up_nobody(office, monkeypatch):
    def away(_table):
        raise UnreachableError("Cannot reach the warehouse: it is away. Start it.")

    office.alerts_of_job, office.rows = (few_rows(), MAIL), {"sales.daily": 3}
    with monkeypatch.context() as patch:
        patch.setattr(office, "count_rows", away)
        office.end("one", RunState.SUCCEEDED)
        office.end("two", RunState.FAILED)
        office.look()
        assert [one.event.split(":")[0] for one in office.sent] == ["failure"]
        office.look(3600)
    office.look()
    assert [one.event.split(":")[0] for one in office.sent] == ["failure", "condition"]


def test_crowd_of_runs_that_end_at_once_is_told_whole(office, monkeypatch):
    monkeypatch.setattr("athena_lab.jobs.alerts.PAGE", 3)
    office.alerts_of_job = (MAIL,)
    for number in range(10):
        office.at += timedelta(milliseconds=1)
        office.end(str(number), RunState.FAILED)
    office.look()
    assert len({one.event for one in office.sent}) == 10


def test_test_of_alerts_sends_each_of_them(office):
    told = office.alerts.test(office.job)
    assert [one.state for one in told] == ["pending", "pending"]
    office.look()
    assert {one.subject for one in office.sent} == {"Test: alert of the job 'Daily'"}
    office.alerts_of_job = ()
    with pytest.raises(ConflictError, match="it has none"):
        office.alerts.test(office.job)


def test_event_that_others_tell_is_told_once(office):
    late = Alert(on=AlertOn.LATE, channel=AlertChannel.MAIL, target="ann@example.org")
    office.alerts_of_job = (late,)
    event = AlertEvent("late:r1", AlertOn.LATE, "daily", 3, "r1", detail="It waits.")
    office.alerts.tell(event)
    office.alerts.tell(event)
    office.look()
    assert [one.subject for one in office.sent] == ["Job 'Daily' is late"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("KeyError: 'bob@example.org'", "KeyError"),
        ("pkg.MyError: x (code cell 1 of 2)\nmore", "pkg.MyError (code cell 1 of 2)"),
        ("The kernel died: its process exited with code 3", "The kernel died: its process exited with code 3"),
        ("ZeroDivisionError", "ZeroDivisionError"),
    ],
)
def test_only_the_kind_of_an_exception_is_told(error, told):
    assert plain_error(error) == told


def faults(*alerts, secrets=("HOOK",)):
    request = PromoteRequest(bundle="a" * 64, name="Daily", alerts=alerts, tables=Tables(writes=("sales.daily",)))
    return [fault.field for fault in alert_faults(request, set(secrets))]


def test_alerts_that_cannot_be_are_told_all_at_once():
    assert faults(MAIL, HOOK, few_rows()) == []
    bad = Alert(channel=AlertChannel.MAIL, target="ann@"), Alert(channel=AlertChannel.SLACK, target="https://x.org/")
    assert faults(*bad, few_rows("~", -1, "x.y"), Alert(channel=AlertChannel.SLACK, target="OTHER")) == [
        "alerts.0.target", "alerts.1.target", "alerts.2.condition.operator", "alerts.2.condition.rows",
        "alerts.2.condition.table", "alerts.3.target",
    ]  # fmt: skip
    assert faults(Alert(on=AlertOn.CONDITION, channel=AlertChannel.MAIL, target="a@b.org")) == ["alerts.0.condition"]
    assert faults(*[MAIL] * 21) == ["alerts"]


@pytest.mark.parametrize(
    ("guards", "fields"),
    [
        ({}, []),
        ({"retry_delay_s": 0, "cell_timeout_s": 0, "run_bytes": 1, "month_bytes": -1},
         ["retry_delay_s", "cell_timeout_s", "run_bytes", "month_bytes"]),
        ({"cell_timeout_s": 7 * 3600}, ["cell_timeout_s"]),
        ({"run_bytes": 10**9, "month_bytes": 10**8}, ["month_bytes"]),
    ],
)  # fmt: skip
def test_limits_that_cannot_be_are_refused(guards, fields):
    request = PromoteRequest(bundle="a" * 64, name="Daily", guards=Guards(**guards))
    assert [fault.field for fault in guard_faults(request)] == [f"guards.{field}" for field in fields]

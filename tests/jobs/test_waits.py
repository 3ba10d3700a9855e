"""Runs that wait for updates of tables: upstream early, late, failed, updated twice; cancelled; late."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from athena_lab.gateway_api.assets import asset_uri, table_of
from athena_lab.gateway_api.jobs import RunState
from athena_lab.gateway_api.terms import After, AfterMode, Schedule, Tables
from athena_lab.gateway_api.worker import WaitingRun, WaitQuery, run_id_of
from athena_lab.jobs.run_store import RunStore
from athena_lab.jobs.run_watch import RunWatch
from athena_lab.jobs.runs import Runs
from athena_lab.jobs.wait_rules import consumed_before, missing_tables, previous_fire
from athena_lab.jobs.waits import Waits

DAY = timedelta(days=1)
SEVEN = datetime(2026, 11, 24, 7, tzinfo=UTC)


class NoPowers:
    """Nothing was minted or started, so there is nothing to take away."""

    def revoke(self, run_id, attempt): ...

    def stop_queries(self, run_id): ...


class Waiting:
    """A job at seven each day and after updates of `ds.a` and `ds.b`; its triggerer asks when told to."""

    def __init__(self, bench):
        self.bench, self.airflow, self.clock = bench, bench.airflow, bench.clock
        promoter = bench.open()
        services = bench.opened[-1]
        request = bench.request(
            schedule=Schedule(cron="0 7 * * *"),
            tables=Tables(reads=("ds.a", "ds.b")),
            after=After(mode=AfterMode.TIME_AND_UPDATES, tables=("ds.a", "ds.b"), deadline_s=3600),
        )
        promoter.promote(request, bench.ann, bench.audit)
        promoter.poll("daily_sales", 1)
        self.store = RunStore(bench.home / "gateway" / "runs.sqlite")
        self.runs = Runs(self.store, services.repository, services.scheduler, now=self.clock)
        self.waits = Waits(self.store, self.runs, services.repository, services.scheduler, "athena", now=self.clock)
        self.watch = RunWatch(self.store, self.runs, services.scheduler, NoPowers(), now=self.clock)

    def fire(self, at, run_type="scheduled"):
        """Airflow starts a run at this moment; give its id."""
        self.clock.at = at
        airflow_run_id = f"{run_type}__{at.isoformat()}"
        self.airflow.runs.append(
            {
                "dag_id": "athena__energy__daily_sales", "dag_display_name": "x", "dag_run_id": airflow_run_id,
                "dag_versions": [], "run_after": at.isoformat(), "run_type": run_type, "state": "running", "conf": {},
            }
        )  # fmt: skip
        self.run = WaitingRun(
            dag_id="athena__energy__daily_sales", airflow_run_id=airflow_run_id, job_id="daily_sales", version=1
        )
        return run_id_of(self.run.dag_id, airflow_run_id)

    def update(self, at, *tables):
        for table in tables:
            self.airflow.update(f"bigquery://athena/ds/{table}", at)

    def may_begin(self, at, run=None):
        self.clock.at = at
        query = WaitQuery(runs=(run or self.run,))
        self.waits.ask(query)
        self.waits.look()
        return bool(self.waits.ask(query).ready)


@pytest.fixture
def waiting(workbench):
    made = Waiting(workbench)
    yield made
    made.store.close()


def minutes(number):
    return timedelta(minutes=number)


def test_upstream_that_was_early_lets_the_run_begin_at_its_time(waiting):
    waiting.update(SEVEN - minutes(50), "a", "b")
    waiting.fire(SEVEN)
    assert waiting.may_begin(SEVEN)


def test_upstream_that_is_late_is_waited_for_and_serves_that_run_alone(waiting):
    waiting.update(SEVEN - minutes(50), "a")
    first = waiting.fire(SEVEN)
    assert not waiting.may_begin(SEVEN)
    run = waiting.runs.get(first)
    assert (run.state, run.waits_for, run.is_late) == (RunState.WAITING, ("ds.b",), False)
    assert not waiting.may_begin(SEVEN + minutes(61))
    assert waiting.runs.get(first).is_late, "an hour after its time it is late, and goes on waiting"
    waiting.update(SEVEN + minutes(70), "b")
    assert waiting.may_begin(SEVEN + minutes(71))
    assert (waiting.runs.get(first).waits_for, waiting.runs.get(first).is_late) == ((), True)
    waiting.update(SEVEN + DAY - minutes(50), "a")
    waiting.fire(SEVEN + DAY)
    assert not waiting.may_begin(SEVEN + DAY), "yesterday's late update of ds.b is no update of today"
    waiting.update(SEVEN + DAY + minutes(1), "b")
    assert waiting.may_begin(SEVEN + DAY + minutes(2))


def test_upstream_that_failed_leaves_the_run_waiting_for_the_next_update(waiting):
    run_id = waiting.fire(SEVEN)
    waiting.update(SEVEN - minutes(1), "a")
    assert not waiting.may_begin(SEVEN + timedelta(hours=20))
    assert waiting.runs.get(run_id).waits_for == ("ds.b",)
    waiting.update(SEVEN + timedelta(hours=23), "b")
    assert waiting.may_begin(SEVEN + timedelta(hours=23, minutes=1))


def test_upstream_that_was_updated_twice_counts_once(waiting):
    waiting.update(SEVEN - minutes(50), "a", "b")
    waiting.update(SEVEN - minutes(20), "a", "b")
    waiting.fire(SEVEN)
    assert waiting.may_begin(SEVEN)
    waiting.fire(SEVEN + DAY)
    assert not waiting.may_begin(SEVEN + DAY)


def test_an_update_while_the_run_executes_counts_for_the_next_one(waiting):
    waiting.update(SEVEN - minutes(50), "a", "b")
    waiting.fire(SEVEN)
    assert waiting.may_begin(SEVEN)
    waiting.update(SEVEN + minutes(5), "a", "b")
    waiting.fire(SEVEN + DAY)
    assert waiting.may_begin(SEVEN + DAY)


def test_an_update_of_before_the_fire_before_counts_for_no_first_run(waiting):
    waiting.update(SEVEN - DAY - minutes(1), "a", "b")
    waiting.fire(SEVEN)
    assert not waiting.may_begin(SEVEN)


@pytest.mark.parametrize("run_type", ["manual", "backfill"])
def test_only_runs_of_the_schedule_wait(waiting, run_type):
    waiting.fire(SEVEN, run_type)
    assert waiting.may_begin(SEVEN)
    waiting.fire(SEVEN + DAY)
    waiting.update(SEVEN + minutes(1), "a", "b")
    assert waiting.may_begin(SEVEN + DAY), "what did not wait used up no update"


def test_a_run_that_is_cancelled_while_it_waits_ends_and_uses_up_nothing(waiting):
    run_id = waiting.fire(SEVEN)
    assert not waiting.may_begin(SEVEN)
    assert waiting.runs.cancel(run_id, lambda *_: None).state is RunState.CANCELLED
    waiting.update(SEVEN + minutes(1), "a", "b")
    assert not waiting.may_begin(SEVEN + minutes(2))
    waiting.watch.look()
    assert waiting.airflow.runs[0]["state"] == "failed", "its wait in the triggerer ends with it"
    waiting.fire(SEVEN + DAY)
    assert waiting.may_begin(SEVEN + DAY)


def test_of_two_runs_that_wait_at_once_the_first_takes_the_update(waiting):
    waiting.fire(SEVEN)
    early = waiting.run
    assert not waiting.may_begin(SEVEN)
    waiting.fire(SEVEN + DAY)
    late = waiting.run
    waiting.update(SEVEN + DAY + minutes(1), "a", "b")
    assert waiting.may_begin(SEVEN + DAY + minutes(2), early)
    assert not waiting.may_begin(SEVEN + DAY + minutes(3), late)


def test_a_wait_outlives_the_gateway(waiting):
    waiting.fire(SEVEN)
    assert not waiting.may_begin(SEVEN)
    waiting.store.close()
    waiting.store = RunStore(waiting.bench.home / "gateway" / "runs.sqlite")
    services = waiting.bench.opened[-1]
    waiting.runs = Runs(waiting.store, services.repository, services.scheduler, now=waiting.clock)
    waiting.waits = Waits(
        waiting.store, waiting.runs, services.repository, services.scheduler, "athena", now=waiting.clock
    )
    waiting.update(SEVEN + minutes(1), "a", "b")
    assert waiting.may_begin(SEVEN + minutes(2))


def test_more_updates_than_a_page_are_all_read(waiting):
    for number in range(150):
        waiting.update(SEVEN - minutes(200 - number), f"other_{number}")
    waiting.update(SEVEN - minutes(1), "a", "b")
    waiting.fire(SEVEN)
    assert waiting.may_begin(SEVEN)
    assert waiting.waits.updated_at(["ds.other_149", "ds.never"]) == {"ds.other_149": SEVEN - minutes(51)}


def test_updates_are_read_once_a_minute_while_nobody_waits(waiting):
    count = lambda: sum(path == "/api/v2/assets/events" for _, path in waiting.airflow.requests)  # noqa: E731
    for second in range(0, 121, 2):
        waiting.clock.at = SEVEN + timedelta(seconds=second)
        waiting.waits.look()
    assert count() == 3


def test_a_run_begins_exactly_when_every_table_was_updated_since_the_run_before():
    moments = [SEVEN + minutes(n) for n in range(4)]
    for used, seen, base in product([None, *moments], [None, *moments], moments):
        missing = missing_tables(["t"], {"t": seen} if seen else {}, {"t": used} if used else {}, base)
        assert (missing == []) == (seen is not None and seen > (used or base))


def test_the_last_used_update_of_a_table_is_the_latest_of_any_wait():
    ended = [{"a": SEVEN}, {"a": SEVEN - DAY, "b": SEVEN - DAY}]
    assert consumed_before(ended) == {"a": SEVEN, "b": SEVEN - DAY}


def test_the_fire_before_is_the_schedules_own_in_its_zone():
    schedule = Schedule(cron="30 2 * * 1-5", timezone="Europe/London")
    monday = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
    assert previous_fire(schedule, monday) == datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
    assert previous_fire(Schedule(), monday) == monday


@pytest.mark.parametrize(
    ("table", "uri"),
    [
        ("ds.t", "bigquery://athena/ds/t"),
        ("shop.ds.t", "bigquery://shop/ds/t"),
        ("ds.größe 2/x", "bigquery://athena/ds/gr%C3%B6%C3%9Fe%202%2Fx"),
        ("example.com:shop.ds.t", "bigquery://example.com:shop/ds/t"),
    ],
)
def test_a_table_and_its_asset_name_each_other(table, uri):
    assert asset_uri(table, "athena") == uri
    assert table_of(uri, "athena") == table


def test_what_is_no_table_has_no_asset():
    for table in ("t", "", "ds.", ".t"):
        with pytest.raises(ValueError, match="has no project, dataset or name"):
            asset_uri(table, "athena")
    assert [table_of(uri, "athena") for uri in ("s3://a/b/c", "bigquery://a/b", "bigquery://a//c")] == [None] * 3

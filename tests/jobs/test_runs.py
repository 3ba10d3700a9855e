"""Runs, their attempts and their watch on a real repository and store; Airflow is the jobs tests' double."""

from datetime import UTC, datetime, timedelta

import pytest

from athena_lab.errors import ConflictError, InvalidError, NotFoundError, OverBudgetError, UnreachableError
from athena_lab.gateway_api.jobs import RunRequest, RunState
from athena_lab.gateway_api.terms import Guards, Overlap, Parameter, ParameterType
from athena_lab.gateway_api.worker import AttemptRequest, CellEvent, Finish, run_id_of
from athena_lab.jobs.budgets import Budgets
from athena_lab.jobs.ledger import Ledger
from athena_lab.jobs.parameters import secret_of
from athena_lab.jobs.rehearsal_store import RehearsalStore
from athena_lab.jobs.run_attempts import Attempts, Means
from athena_lab.jobs.run_store import RunStore
from athena_lab.jobs.run_watch import RunWatch
from athena_lab.jobs.runs import Runs
from athena_lab.jobs.spec_at import spec_at


class Powers:
    """Keeps what was minted, revoked and stopped, in place of the gateway's keys and the warehouse."""

    def __init__(self):
        self.revoked = {}
        self.stopped = []
        self.minted = 0
        self.bills = {}

    def mint(self, owner, run_id, attempt, scratch=None):
        self.minted += 1
        assert scratch is None
        return f"{owner}/{run_id}/{attempt}/{self.minted}", datetime(2026, 11, 24, 7, tzinfo=UTC)

    def revoke(self, run_id, attempt):
        self.revoked[run_id] = attempt

    def billed(self, _since):
        return self.bills

    def stop_queries(self, run_id):
        self.stopped.append(run_id)


class Office:
    """A deployed job, and everything that its runs need."""

    def __init__(self, bench):
        self.bench, self.airflow, self.clock = bench, bench.airflow, bench.clock
        self.promoter = bench.open()
        services = bench.opened[-1]
        self.powers = Powers()
        self.store = RunStore(bench.home / "gateway" / "runs.sqlite")
        self.runs = Runs(self.store, services.repository, services.scheduler, now=self.clock)
        self.ledger = Ledger(bench.home / "gateway" / "ledger.sqlite")
        spec_of = lambda row: spec_at(services.repository, row.job_id, row.job_version)  # noqa: E731
        self.budgets = Budgets(self.ledger, self.store, self.powers, spec_of, now=self.clock)
        rehearsals = RehearsalStore(bench.home / "gateway" / "runs.sqlite")
        means = Means(self.powers, self.budgets, lambda user, name: f"{user}'s {name}", rehearsals)
        self.attempts = Attempts(self.store, self.runs, services.repository, means, now=self.clock)
        self.watch = RunWatch(self.store, self.runs, services.scheduler, self.powers, now=self.clock)
        self.audited = []
        self.deploy()

    def deploy(self, text="print(day)", **fields):
        fields.setdefault("parameters", (Parameter(name="day", type=ParameterType.DATE, relative="yesterday"),))
        request = self.bench.request(text, **fields)
        self.version = self.promoter.promote(request, self.bench.ann, self.bench.audit).version
        self.bundle = request.bundle
        self.promoter.poll("daily_sales", self.version)

    @property
    def dag_id(self):
        return "athena__energy__daily_sales"

    def audit(self, action, details):
        assert details["run"]
        self.audited.append(action)

    def request(self, **parameters):
        return self.runs.request_run("daily_sales", RunRequest(parameters=parameters), self.bench.ann, self.audit)

    def begin(self, airflow_run_id, **changes):
        fields = {
            "dag_id": self.dag_id,
            "airflow_run_id": airflow_run_id,
            "run_type": "manual",
            "run_after": self.clock(),
            "job_id": "daily_sales",
            "version": self.version,
            "bundle": self.bundle,
            "try_number": 1,
            "worker": "worker-1",
            "is_isolated": False,
        }
        return self.attempts.begin(AttemptRequest(**fields | changes))

    def cell(self, attempt, index, state, **fields):
        event = CellEvent(index=index, state=state, at=self.clock(), cells_total=3, **fields)
        self.attempts.report_cell(attempt.run_id, attempt.attempt, event)

    def finish(self, attempt, state, error=None):
        self.attempts.finish(attempt.run_id, attempt.attempt, Finish(state=state, at=self.clock(), error=error))

    def heartbeat(self, attempt):
        return self.attempts.heartbeat(attempt.run_id, attempt.attempt)

    def airflow_run(self, airflow_run_id, state, run_type="scheduled"):
        self.airflow.runs = [run for run in self.airflow.runs if run["dag_run_id"] != airflow_run_id]
        run = {
            "dag_id": self.dag_id,
            "dag_display_name": self.dag_id,
            "dag_run_id": airflow_run_id,
            "dag_versions": [],
            "run_after": self.clock().isoformat(),
            "run_type": run_type,
            "state": state,
            "queued_at": self.clock().isoformat(),
        }
        self.airflow.runs.append(run)
        return run_id_of(self.dag_id, airflow_run_id)

    def airflow_state(self, airflow_run_id):
        return next(run["state"] for run in self.airflow.runs if run["dag_run_id"] == airflow_run_id)


@pytest.fixture
def office(workbench):
    one_dag = workbench.airflow.handle_dags

    def every_dag(method, path, query, body):
        if path == ["~", "dagRuns"]:
            return 200, {"dag_runs": workbench.airflow.runs, "total_entries": len(workbench.airflow.runs)}
        return one_dag(method, path, query, body)

    workbench.airflow.handle_dags = every_dag
    made = Office(workbench)
    yield made
    made.store.close()


def test_a_run_by_hand_goes_from_queued_to_running_to_succeeded(office):
    run = office.request()
    assert (run.state, run.type, run.job_version) == (RunState.QUEUED, "manual", 1)
    assert office.airflow.runs[0]["conf"] == {"athena_request": run.id}
    attempt = office.begin(run.airflow_run_id)
    assert (attempt.run_id, attempt.attempt, attempt.owner) == (run.id, 1, "ann")
    assert attempt.parameters == {"day": "2026-11-23"}
    office.cell(attempt, 0, "started")
    office.cell(attempt, 0, "succeeded")
    office.cell(attempt, 1, "started")
    seen = office.runs.get(run.id)
    assert [cell.state for cell in seen.cells] == ["succeeded", "running", "pending"]
    assert (seen.state, seen.cells_done, seen.cells_total) == (RunState.RUNNING, 1, 3)
    office.finish(attempt, "succeeded")
    done = office.runs.get(run.id)
    assert (done.state, done.attempts[0].state) == (RunState.SUCCEEDED, "succeeded")
    assert office.powers.revoked == {run.id: 1}
    assert office.audited == ["run.request"]


def test_the_callers_values_are_used_and_kept_apart_from_the_jobs(office):
    run = office.request(day="2026-01-31", limit=3)
    assert office.begin(run.airflow_run_id).parameters == {"day": "2026-01-31", "limit": 3}
    assert office.begin(office.request().airflow_run_id).parameters == {"day": "2026-11-23"}


def test_every_wrong_value_is_refused_at_once_before_anything_happened(office):
    with pytest.raises(InvalidError) as caught:
        office.request(day="soon", limit="many", nothing=1)
    assert len(caught.value.faults) == 3
    assert office.runs.list("ann", None, 10) == ()
    assert office.audited == []
    assert office.airflow.runs == []


def test_a_run_that_airflow_did_not_take_leaves_nothing_and_never_executes(office):
    office.airflow.stop()
    with pytest.raises(UnreachableError):
        office.request()
    assert office.runs.list("ann", None, 10) == ()
    row = office.store.list_unsettled(10)
    assert row == []


def test_a_withdrawn_run_that_begins_after_all_is_told_to_stop(office, monkeypatch):
    def lose_the_answer(dag_id, run_id, conf, logical_date=None):
        office.airflow_run(run_id, "running", "manual")
        raise UnreachableError("the answer was lost")

    # The answer lost between Airflow's commit and us cannot be staged over a socket at one exact moment.
    monkeypatch.setattr(office.runs._scheduler, "trigger", lose_the_answer)
    with pytest.raises(UnreachableError):
        office.request()
    attempt = office.begin(office.airflow.runs[0]["dag_run_id"])
    assert attempt.is_cancelled
    assert office.powers.revoked[attempt.run_id] == 1
    with pytest.raises(ConflictError):
        office.heartbeat(attempt)
    assert office.runs.list("ann", None, 10) == ()


@pytest.mark.parametrize("is_heard", [True, False], ids=["Airflow heard", "Airflow heard nothing"])
def test_a_run_whose_asking_died_with_the_gateway_is_asked_for_to_its_end_and_once(office, is_heard):
    run = office.request()
    office.store.change_run(run.id, standing="asked")
    if not is_heard:
        office.airflow.runs.clear()
    assert office.runs.list("ann", None, 10) == ()
    assert office.runs.find_requested(run.id) == office.runs.find_requested(run.id) == run
    assert [one["conf"] for one in office.airflow.runs] == [{"athena_request": run.id}]


def test_a_run_that_airflow_did_not_take_is_none_that_was_requested(office):
    kept = []
    office.airflow.stop()
    with pytest.raises(UnreachableError):
        office.runs.request_run("daily_sales", RunRequest(), office.bench.ann, office.audit, kept.append)
    assert [office.runs.find_requested(run_id) for run_id in (*kept, "0" * 32)] == [None, None]


def test_a_job_that_airflow_has_not_read_cannot_run_yet(office):
    del office.airflow.dags[office.dag_id]
    with pytest.raises(ConflictError, match="has not read the job yet"):
        office.request()
    assert office.runs.list("ann", None, 10) == ()


def test_another_attempt_takes_the_place_of_a_lost_one(office):
    run = office.request()
    first = office.begin(run.airflow_run_id)
    office.cell(first, 0, "started")
    second = office.begin(run.airflow_run_id, try_number=2, worker="worker-2")
    assert second.attempt == 2
    assert office.powers.revoked[run.id] == 1
    assert office.powers.stopped == [run.id]
    for forbidden in (
        lambda: office.heartbeat(first),
        lambda: office.cell(first, 1, "started"),
        lambda: office.attempts.require(run.id, 1),
        lambda: office.finish(first, "succeeded"),
    ):
        with pytest.raises(ConflictError, match="another attempt"):
            forbidden()
    office.cell(second, 0, "started")
    office.finish(second, "succeeded")
    seen = office.runs.get(run.id)
    assert [one.state for one in seen.attempts] == ["abandoned", "succeeded"]
    assert seen.may_be_doubled
    assert second.parameters == first.parameters
    assert second.anchor == first.anchor


def test_a_lost_attempt_that_ran_nothing_doubles_nothing(office):
    run = office.request()
    office.begin(run.airflow_run_id)
    office.finish(office.begin(run.airflow_run_id), "succeeded")
    assert not office.runs.get(run.id).may_be_doubled


def test_parameters_keep_their_anchor_when_a_retry_comes_a_day_later(office):
    run = office.request()
    office.begin(run.airflow_run_id)
    office.clock.move(86400)
    assert office.begin(run.airflow_run_id).parameters == {"day": "2026-11-23"}


def test_a_scheduled_run_hangs_on_its_scheduled_time_and_a_backfill_on_its_date(office):
    before = office.clock()
    office.clock.move(3 * 86400)
    late = office.begin("scheduled__1", run_type="scheduled", run_after=before)
    assert late.parameters == {"day": "2026-11-23"}
    past = office.begin("backfill__1", run_type="backfill", logical_date=datetime(2026, 1, 10, tzinfo=UTC))
    assert past.parameters == {"day": "2026-01-09"}


def test_a_failing_notebook_fails_the_run_at_once_with_its_error(office):
    run = office.request()
    attempt = office.begin(run.airflow_run_id)
    office.cell(attempt, 1, "started")
    office.finish(attempt, "failed", "ZeroDivisionError: division by zero")
    seen = office.runs.get(run.id)
    assert (seen.state, seen.error) == (RunState.FAILED, "ZeroDivisionError: division by zero")
    assert seen.cells[1].state == "failed"


def test_an_owner_who_asked_for_retries_sees_retrying_first(office):
    office.deploy("print(2)", retries=1)
    run = office.request()
    first = office.begin(run.airflow_run_id)
    office.finish(first, "failed", "no")
    assert office.runs.get(run.id).state is RunState.RETRYING
    second = office.begin(run.airflow_run_id)
    assert (first.failed_before, second.failed_before) == (0, 1)
    office.finish(second, "failed", "no")
    assert office.runs.get(run.id).state is RunState.FAILED


def test_finishing_twice_alike_is_fine_and_otherwise_a_conflict(office):
    attempt = office.begin(office.request().airflow_run_id)
    office.finish(attempt, "succeeded")
    office.finish(attempt, "succeeded")
    with pytest.raises(ConflictError):
        office.finish(attempt, "failed")
    with pytest.raises(ConflictError):
        office.heartbeat(attempt)
    with pytest.raises(InvalidError):
        office.finish(attempt, "vanished")


def test_a_worker_with_another_bundle_or_dag_is_refused(office):
    run = office.request()
    for wrong in ({"bundle": "0" * 64}, {"dag_id": "athena__other__daily_sales"}):
        with pytest.raises(ConflictError):
            office.begin(run.airflow_run_id, **wrong)
    with pytest.raises(NotFoundError):
        office.begin(run.airflow_run_id, version=9)
    with pytest.raises(NotFoundError):
        office.begin(run.airflow_run_id, job_id="nothing")


def test_a_run_pinned_to_an_earlier_version_runs_that_version(office):
    run = office.request()
    old = office.bundle
    office.deploy("print('new')")
    attempt = office.begin(run.airflow_run_id, version=1, bundle=old)
    assert attempt.parameters == {"day": "2026-11-23"}
    assert office.runs.get(run.id).job_version == 1


# -- the watch


def test_a_scheduled_run_that_waits_in_airflow_is_listed(office):
    run_id = office.airflow_run("scheduled__1", "queued")
    office.airflow.runs.append({**office.airflow.runs[0], "dag_id": "athena_beacon"})
    office.airflow.runs.append({**office.airflow.runs[0], "dag_id": "athena__energy__unknown"})
    office.watch.look()
    (listed,) = office.runs.list("ann", None, 10)
    assert (listed.id, listed.type, listed.state) == (run_id, "scheduled", RunState.QUEUED)


def test_a_failure_that_airflow_reports_without_any_attempt_ends_the_record(office):
    run_id = office.airflow_run("scheduled__1", "queued")
    office.watch.look()
    office.airflow_run("scheduled__1", "failed")
    office.watch.look()
    seen = office.runs.get(run_id)
    assert seen.state is RunState.FAILED
    assert "before any worker began" in seen.error


def test_a_worker_lost_for_good_ends_the_run_and_its_token(office):
    run = office.request()
    attempt = office.begin(run.airflow_run_id)
    office.airflow_run(run.airflow_run_id, "running", "manual")
    office.clock.move(20)
    office.watch.look()
    assert office.runs.get(run.id).state is RunState.RETRYING
    office.airflow_run(run.airflow_run_id, "failed", "manual")
    office.watch.look()
    seen = office.runs.get(run.id)
    assert (seen.state, seen.attempts[0].state) == (RunState.FAILED, "abandoned")
    assert "worker-1" in seen.error
    assert office.powers.revoked == {run.id: 1}
    with pytest.raises(ConflictError):
        office.heartbeat(attempt)


def test_a_silent_worker_that_speaks_again_is_running_again(office):
    run = office.request()
    attempt = office.begin(run.airflow_run_id)
    office.clock.move(20)
    office.watch.look()
    assert office.runs.get(run.id).state is RunState.RETRYING
    office.heartbeat(attempt)
    assert office.runs.get(run.id).state is RunState.RUNNING


def test_a_run_that_airflow_forgot_fails_after_a_minute(office):
    run = office.request()
    office.airflow.runs.clear()
    office.watch.look()
    assert office.runs.get(run.id).state is RunState.QUEUED
    office.clock.move(61)
    office.watch.look()
    assert office.runs.get(run.id).state is RunState.FAILED


def test_a_queued_run_is_cancelled_at_once_and_stopped_in_airflow(office):
    run = office.request()
    assert office.runs.cancel(run.id, office.audit).state is RunState.CANCELLED
    office.watch.look()
    assert office.airflow_state(run.airflow_run_id) == "failed"
    office.watch.look()
    assert office.runs.get(run.id).state is RunState.CANCELLED
    assert office.begin(run.airflow_run_id).is_cancelled
    with pytest.raises(ConflictError):
        office.runs.cancel(run.id, office.audit)


def test_a_running_run_hears_of_its_cancellation_and_ends_by_itself(office):
    run = office.request()
    attempt = office.begin(run.airflow_run_id)
    assert not office.heartbeat(attempt).is_cancelled
    office.runs.cancel(run.id, office.audit)
    assert office.heartbeat(attempt).is_cancelled
    office.watch.look()
    assert office.powers.stopped == [run.id]
    assert office.airflow_state(run.airflow_run_id) == "queued"
    office.finish(attempt, "cancelled")
    assert office.runs.get(run.id).state is RunState.CANCELLED
    office.watch.look()
    assert office.airflow_state(run.airflow_run_id) == "failed"
    assert office.store.list_unsettled(10) == []


def test_a_worker_that_does_not_stop_loses_its_token_after_the_grace(office):
    run = office.request()
    attempt = office.begin(run.airflow_run_id)
    office.runs.cancel(run.id, office.audit)
    office.watch.look()
    assert office.powers.revoked == {}
    office.clock.move(6)
    office.watch.look()
    assert office.powers.revoked == {run.id: 1}
    assert office.runs.get(run.id).state is RunState.CANCELLED
    with pytest.raises(ConflictError):
        office.heartbeat(attempt)
    office.finish(attempt, "cancelled")


def test_a_cancellation_is_brought_to_airflow_once_it_is_back(office):
    run = office.request()
    office.airflow.stop()
    office.runs.cancel(run.id, office.audit)
    office.watch.look()
    office.airflow.start()
    assert office.airflow_state(run.airflow_run_id) == "queued"
    office.watch.look()
    assert office.airflow_state(run.airflow_run_id) == "failed"


def test_a_run_that_succeeded_before_its_cancellation_came_stays_succeeded_in_airflow(office):
    run = office.request()
    attempt = office.begin(run.airflow_run_id)
    office.runs.cancel(run.id, office.audit)
    office.finish(attempt, "succeeded")
    office.watch.look()
    assert office.airflow_state(run.airflow_run_id) == "queued"
    assert office.runs.get(run.id).state is RunState.SUCCEEDED
    assert timedelta(0) == office.runs.get(run.id).ended_at - office.clock()


def test_run_that_overlaps_is_skipped_where_the_job_says_so(office):
    office.deploy("print(2)", guards=Guards(overlap=Overlap.SKIP))
    first = office.begin("scheduled__1", run_type="scheduled")
    office.clock.move(60)
    second = office.begin("scheduled__2", run_type="scheduled")
    assert (first.is_skipped, second.is_skipped) == (False, True)
    assert office.runs.get(second.run_id).state is RunState.SKIPPED
    office.finish(first, "succeeded")
    office.clock.move(60)
    assert not office.begin("scheduled__3", run_type="scheduled").is_skipped
    office.clock.move(60)
    assert not office.begin("backfill__1", run_type="backfill").is_skipped


def test_run_over_the_months_budget_is_refused_and_its_record_says_why(office):
    office.deploy("print(2)", guards=Guards(month_bytes=10**9))
    first = office.begin("scheduled__1", run_type="scheduled")
    assert first.bytes_left == 10**9
    office.finish(first, "succeeded")
    office.powers.bills = {first.run_id: 10**9}
    office.clock.move(60)
    office.budgets.look(lambda _row, _why: None)
    run_id = office.airflow_run("scheduled__2", "running")
    with pytest.raises(OverBudgetError, match="its runs of this month were billed 1000000000 bytes"):
        office.begin("scheduled__2", run_type="scheduled")
    office.airflow_run("scheduled__2", "failed")
    office.watch.look()
    run = office.runs.get(run_id)
    assert run.state is RunState.FAILED
    assert run.error.startswith("Cannot run 'Daily sales': its runs of this month")


def test_run_whose_secret_is_gone_is_refused_and_its_record_says_so(office, monkeypatch):
    def gone(_user, name):
        raise NotFoundError(f"Cannot find the secret '{name}': its user has none of that name. Set it.")

    monkeypatch.setattr(office.attempts, "_reveal", gone)
    monkeypatch.setattr("athena_lab.jobs.run_attempts.secret_of", lambda _parameter, _value: "KEY")
    run_id = office.airflow_run("scheduled__1", "running")
    with pytest.raises(NotFoundError, match="Cannot find the secret 'KEY'"):
        office.begin("scheduled__1", run_type="scheduled")
    assert office.store.list_attempts(run_id) == []
    office.airflow_run("scheduled__1", "failed")
    office.watch.look()
    run = office.runs.get(run_id)
    assert (run.state, run.error.startswith("Cannot find the secret 'KEY'")) == (RunState.FAILED, True)


def test_secret_is_resolved_for_the_worker_and_kept_in_no_record(office):
    parameters = (Parameter(name="day", type=ParameterType.DATE), Parameter(name="limit", type=ParameterType.INTEGER))
    assert secret_of(parameters[0], {"secret": "KEY"}) is None
    name = Parameter(name="key", type=ParameterType.STRING, value={"secret": "KEY"})
    spec = office.bench.opened[-1].repository.spec("daily_sales").model_copy(update={"parameters": (name,)})
    revealed = office.attempts._revealed(spec, {"key": {"secret": "KEY"}})
    assert revealed == {"key": "ann's KEY"}

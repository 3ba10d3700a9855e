"""Rehearsals on real records, bundles and lineage; Airflow and the warehouse are doubles, so that they can be away."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cached_property

import pytest

from athena_lab.errors import (
    AuditError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnreachableError,
)
from athena_lab.gateway_api.jobs import RunState
from athena_lab.gateway_api.rehearsals import REFUSAL, RehearsalRequest
from athena_lab.gateway_api.terms import Guards, Parameter, ParameterType, Tables
from athena_lab.gateway_api.warehouse import CatalogColumn, CatalogTable
from athena_lab.gateway_api.wire import Principal
from athena_lab.gateway_api.worker import (
    PREPARATION_TAG,
    REHEARSAL_DAG_ID,
    REHEARSAL_JOB_ID,
    AttemptRequest,
    CellEvent,
    Finish,
)
from athena_lab.jobs.budgets import Budgets
from athena_lab.jobs.bundle_content import read_archive
from athena_lab.jobs.drafting.rehearsal import summarise
from athena_lab.jobs.ledger import Ledger
from athena_lab.jobs.promotion_plan import MAX_TIMEOUT_S
from athena_lab.jobs.redirection import NOTES
from athena_lab.jobs.rehearsal_plan import LONGEST_S, MOST_UNFINISHED, foreign_writes, scratch_name, scratch_tables
from athena_lab.jobs.rehearsal_store import RehearsalStore
from athena_lab.jobs.rehearsals import ASKED_FOR, KEPT_FOR, RehearsalMeans, Rehearsals
from athena_lab.jobs.run_attempts import Attempts, Means
from athena_lab.jobs.run_events import RunEvents
from athena_lab.jobs.run_store import RunStore
from athena_lab.jobs.run_watch import RunWatch
from athena_lab.jobs.runs import Runs, asked_row
from athena_lab.warehouse.jobs import FailedJob

SQL = "%%athena\nINSERT INTO sales.days SELECT * FROM sales.orders;\nCREATE TABLE sales.summary AS SELECT 1 AS n"
TYPES = {"day": "DATE", "amount": "INTEGER", "note": "STRING"}


def table_of(name, *columns, rows=0, kind="TABLE"):
    dataset, table = name.split(".")
    found = tuple(CatalogColumn(name=column, type=TYPES.get(column, "STRING")) for column in columns)
    return CatalogTable(dataset=dataset, table=table, type=kind, rows=rows, columns=found)


class Warehouse:
    """Tables that tests put there, and what the warehouse would tell of a run's jobs."""

    def __init__(self, bench):
        self._lineage = bench.warehouse  # which lineage asks for columns
        self.tables, self.failed, self.bills, self.dropped, self.asked_as = {}, {}, {}, [], []
        self.notes = {}
        self.is_confining = True

    @property
    def is_away(self):
        return self._lineage.is_away

    @is_away.setter
    def is_away(self, value):
        self._lineage.is_away = value

    def put(self, *tables):
        for one in tables:
            name = f"{one.dataset}.{one.table}"
            self.tables[name] = one
            self._lineage.tables[name] = {column.name: frozenset() for column in one.columns}

    def describe(self, principal, tables):
        self._require()
        self.asked_as.append(principal)
        return {name: self.tables[name] for name in tables if name in self.tables}

    def absent_datasets(self, _principal, names):
        self._require()
        return {name for name in names if name not in {table.split(".")[0] for table in self.tables}}

    def read_notes(self, principal, table):
        self._require()
        self.asked_as.append(principal)
        return self.notes.get(table, ())

    def failed_jobs(self, run_id, since):
        self._require()
        return [one for one in self.failed.get(run_id, ()) if one.at >= since]

    def billed(self, _since):
        self._require()
        return self.bills

    def drop_dataset(self, name):
        self._require()
        self.dropped.append(name)

    def _require(self):
        if self.is_away:
            raise UnreachableError("Cannot reach the warehouse: it is away. Start it.")


class Powers:
    def __init__(self, warehouse):
        self.minted, self.drop_dataset = [], warehouse.drop_dataset

    def mint(self, owner, run_id, attempt, scratch=None):
        self.minted.append((owner, run_id, attempt, scratch))
        return f"token {len(self.minted)}", datetime(2026, 11, 24, 7, tzinfo=UTC)

    def revoke(self, run_id, attempt): ...

    def stop_queries(self, run_id): ...


class Theatre:
    """Everything that rehearsals need, opened as a starting gateway opens it; `reopen` is its restart."""

    def __init__(self, bench, make_dag):
        self.bench, self.clock = bench, bench.clock
        bench.airflow.dags[REHEARSAL_DAG_ID] = make_dag(REHEARSAL_DAG_ID, "rehearsal.py", ("athena",))
        self.warehouse, self.audited = Warehouse(bench), []
        self.powers = Powers(self.warehouse)
        self.warehouse.put(
            table_of("sales.orders", "day", "amount", rows=3), table_of("sales.days", "day", "amount", rows=5)
        )
        self.parts = bench.parts()
        self.ledger = Ledger(bench.home / "gateway" / "ledger.sqlite")
        self.files = []
        self.reopen()

    def reopen(self):
        path = self.bench.home / "gateway" / "runs.sqlite"
        self.runs_store, self.store = RunStore(path), RehearsalStore(path)
        self.files += [self.runs_store, self.store]
        self.runs = Runs(self.runs_store, self.parts.repository, self.parts.scheduler, now=self.clock)
        spec_of = lambda row: self.store.row(row.run_id).spec  # noqa: E731
        self.budgets = Budgets(self.ledger, self.runs_store, self.warehouse, spec_of, now=self.clock)
        having = RehearsalMeans(
            self.parts, self.warehouse, self.budgets, lambda _user: {"KEY"},
            lambda user: Principal(kind="user", user=user, groups=("present",)),
        )  # fmt: skip
        self.rehearsals = Rehearsals(self.store, self.runs, having, now=self.clock)
        means = Means(self.powers, self.budgets, lambda _user, _name: "s3cret", self.store)
        self.attempts = Attempts(self.runs_store, self.runs, self.parts.repository, means, now=self.clock)
        self.watch = RunWatch(self.runs_store, self.runs, self.parts.scheduler, self.powers, now=self.clock)

    @cached_property
    def promoter(self):
        return self.bench.open(rehearsed_at=self.store.last_success)

    def close(self):
        for file in (*self.files, self.ledger):
            file.close()

    # -- what people do

    def audit(self, action, details):
        self.audited.append((action, details))

    def request(self, text=SQL, principal=None, **fields):
        self.clock.move(0.001)
        asked = RehearsalRequest(bundle=fields.pop("bundle", None) or self.bench.bundle(text), **fields)
        return self.rehearsals.request(asked, principal or self.bench.ann, self.audit)

    # -- what workers do

    def conf_of(self, rehearsal):
        runs = [run for run in self.bench.airflow.runs if run["conf"]["athena_request"] == rehearsal.id]
        assert len(runs) == 1
        return runs[0]["dag_run_id"], runs[0]["conf"]["spec"]

    def begin(self, rehearsal, **changes):
        name, spec = self.conf_of(rehearsal)
        fields = {
            "dag_id": REHEARSAL_DAG_ID, "airflow_run_id": name, "run_type": "manual", "run_after": self.clock(),
            "job_id": spec["id"], "version": spec["version"], "bundle": spec["bundle"], "try_number": 1,
            "worker": "worker-1", "is_isolated": True,
        }  # fmt: skip
        return self.attempts.begin(AttemptRequest(**fields | changes))

    def cell(self, rehearsal, index, state, **fields):
        event = CellEvent(index=index, state=state, at=self.clock(), cells_total=3, **fields)
        self.attempts.report_cell(rehearsal.id, 1, event)

    def finish(self, rehearsal, state="succeeded", error=None):
        self.attempts.finish(rehearsal.id, 1, Finish(state=state, at=self.clock(), error=error))

    def perform(self, text=SQL, **fields):
        """Rehearse something from its request to its end."""
        rehearsal = self.request(text, **fields)
        self.begin(rehearsal)
        self.finish(rehearsal)
        return self.rehearsals.get(rehearsal.id)


@pytest.fixture
def theatre(workbench, make_dag):
    made = Theatre(workbench, make_dag)
    yield made
    made.close()


# -- asking


def test_a_rehearsal_is_a_run_of_the_static_dag_that_brings_its_spec(theatre):
    rehearsal = theatre.request(parameters=(Parameter(name="day", type=ParameterType.DATE, relative="yesterday"),))
    assert (rehearsal.state, rehearsal.owner, rehearsal.job_id) == (RunState.QUEUED, "ann", None)
    assert rehearsal.scratch_dataset == scratch_name(rehearsal.id)
    assert [(one.table, one.is_copied) for one in rehearsal.tables] == [("sales.days", True), ("sales.summary", False)]
    assert [one.scratch for one in rehearsal.tables] == [
        f"{rehearsal.scratch_dataset}.sales__days",
        f"{rehearsal.scratch_dataset}.sales__summary",
    ]
    _, spec = theatre.conf_of(rehearsal)
    assert (spec["id"], spec["version"], spec["retries"], spec["timeout_s"]) == (REHEARSAL_JOB_ID, 1, 0, 3600)
    assert {one["name"]: set(one) for one in spec["parameters"]} == {"day": {"name", "type"}, "limit": {"name", "type"}}
    assert "yesterday" not in json.dumps(spec)
    assert spec["bundle"] != rehearsal.bundle
    assert theatre.audited == [
        (
            "rehearsal.request",
            {"bundle": rehearsal.bundle, "run": rehearsal.id, "scratch": rehearsal.scratch_dataset},
        )
    ]


def test_the_redirected_bundle_begins_with_the_preparation_and_differs_in_nothing_but_names(theatre):
    rehearsal = theatre.request()
    _, spec = theatre.conf_of(rehearsal)
    before = read_archive(theatre.parts.bundles.get(rehearsal.bundle))
    after = read_archive(theatre.parts.bundles.get(spec["bundle"]))
    first, *cells = after.notebook["cells"]
    assert first["metadata"]["tags"] == [PREPARATION_TAG]
    assert "CLONE" in first["source"]
    assert "sales__days" in first["source"]
    assert len(cells) == len(before.notebook["cells"])
    assert cells[0] == before.notebook["cells"][0]
    assert f"{rehearsal.scratch_dataset}.sales__days" in cells[1]["source"]
    assert "sales.orders" in cells[1]["source"]
    assert rehearsal.redirected == 2
    assert (after.files, after.lock) == (before.files, before.lock)


def test_a_table_in_a_dataset_that_there_is_not_is_not_redirected_so_that_it_fails_as_in_the_job(theatre):
    rehearsal = theatre.request(
        "%%athena\nCREATE TABLE nowhere.t AS SELECT 1 AS n;\nINSERT INTO sales.days SELECT * FROM sales.orders"
    )
    assert [one.table for one in rehearsal.tables] == ["sales.days"]
    assert ["'nowhere', which there is not" in one.text for one in rehearsal.refused] == [True]
    source = read_archive(theatre.parts.bundles.get(theatre.conf_of(rehearsal)[1]["bundle"])).notebook["cells"][2][
        "source"
    ]
    assert "CREATE TABLE nowhere.t" in source


def test_a_written_view_is_not_copied(theatre):
    theatre.warehouse.put(table_of("sales.days", "day", kind="VIEW", rows=None))
    assert [one.is_copied for one in theatre.request().tables] == [False, False]


def test_tables_of_the_request_take_the_place_of_those_that_lineage_found(theatre):
    rehearsal = theatre.request(tables=Tables(writes=("athena.sales.days", "elsewhere.sales.copy")))
    assert [one.table for one in rehearsal.tables] == ["sales.days"]
    assert ["elsewhere.sales.copy" in one.text for one in rehearsal.refused] == [True]


def test_text_that_could_not_be_redirected_is_told_and_kept(theatre):
    text = "%%athena\nSELECT * FROM `sales.day*`;\nINSERT INTO sales.days SELECT * FROM sales.orders"
    rehearsal = theatre.request(text)
    assert [(one.cell, "sales.day*" in one.text) for one in rehearsal.missed] == [(1, True)]
    theatre.reopen()
    assert theatre.rehearsals.get(rehearsal.id).missed == rehearsal.missed
    assert theatre.request().missed == ()


def test_names_of_scratch_tables_never_meet():
    named = scratch_tables(("a.b__c", "a__b.c", "p.d.t"), "_rehearsal_x")
    assert named == {"a.b__c": "_rehearsal_x.a__b__c", "a__b.c": "_rehearsal_x.a__b__c_2"}
    assert [one.cell for one in foreign_writes(("a.b", "p.d.t"))] == [None]


def test_every_fault_of_a_request_is_told_at_once(theatre):
    day = Parameter(name="day", type=ParameterType.DATE, value="never")
    other = Parameter(name="other", type=ParameterType.STRING, value="x")
    secret = Parameter(name="limit", type=ParameterType.INTEGER, value=1)
    with pytest.raises(InvalidError) as refused:
        theatre.request(
            parameters=(day, other, secret),
            timezone="Mars/Olympus",
            timeout_s=MAX_TIMEOUT_S + 1,
            guards=Guards(run_bytes=1),
        )
    assert {fault.field for fault in refused.value.faults} == {
        "parameters.day", "parameters.other", "timezone", "timeout_s", "guards.run_bytes",
    }  # fmt: skip
    assert theatre.bench.airflow.runs == []
    assert theatre.audited == []


def test_a_rehearsal_ends_after_six_hours_however_long_the_job_may_run(theatre):
    assert theatre.conf_of(theatre.request(timeout_s=LONGEST_S + 1))[1]["timeout_s"] == LONGEST_S
    rehearsal = theatre.request(timeout_s=60)
    assert theatre.begin(rehearsal).timeout_s == 60


@pytest.mark.parametrize("bundle", ["0" * 64, "../../etc/passwd"])
def test_a_bundle_that_is_not_there_is_a_fault(theatre, bundle):
    with pytest.raises(InvalidError) as refused:
        theatre.request(bundle=bundle)
    assert [fault.field for fault in refused.value.faults] == ["bundle"]


def test_a_table_that_is_no_name_is_a_fault(theatre):
    with pytest.raises(InvalidError) as refused:
        theatre.request(tables=Tables(writes=("no table",)))
    assert [fault.field for fault in refused.value.faults] == ["tables.writes"]


def test_another_users_job_is_nothing_to_rehearse_for(theatre):
    theatre.promoter.promote(theatre.bench.request(), theatre.bench.bob, theatre.bench.audit)
    with pytest.raises(ForbiddenError):
        theatre.request(job_id="daily_sales")
    with pytest.raises(NotFoundError):
        theatre.request(job_id="nothing")
    assert theatre.request(job_id="daily_sales", principal=theatre.bench.bob).job_id == "daily_sales"


def test_a_warehouse_that_confines_no_token_refuses_rehearsals(theatre):
    theatre.warehouse.is_confining = False
    with pytest.raises(ConflictError, match="embedded"):
        theatre.request()


def test_a_warehouse_that_is_away_refuses_rehearsals_with_the_reason(theatre):
    theatre.warehouse.is_away = True
    with pytest.raises(UnreachableError, match="warehouse"):
        theatre.request()
    assert theatre.audited == []


def test_one_user_may_have_few_rehearsals_under_way_at_once(theatre):
    made = [theatre.request() for _ in range(MOST_UNFINISHED)]
    with pytest.raises(ConflictError, match="under way"):
        theatre.request()
    theatre.request(principal=theatre.bench.bob)
    theatre.rehearsals.cancel(made[0].id, theatre.audit)
    theatre.request()


def test_airflow_down_refuses_the_rehearsal_and_leaves_nothing_listed(theatre):
    theatre.bench.airflow.stop()
    with pytest.raises(UnreachableError):
        theatre.request()
    assert theatre.rehearsals.list_newest("ann", None, 10) == ()
    theatre.bench.airflow.start()
    for _ in range(MOST_UNFINISHED):  # the one that failed is not counted
        theatre.request()


def test_a_dag_that_airflow_has_not_read_is_said_to_be_so(theatre):
    del theatre.bench.airflow.dags[REHEARSAL_DAG_ID]
    with pytest.raises(ConflictError, match="not read"):
        theatre.request()
    assert theatre.rehearsals.list_newest("ann", None, 10) == ()


def test_what_the_audit_does_not_take_is_not_done(theatre):
    def refuse(_action, _details):
        raise AuditError("Cannot write the audit: the disk is full. Free some space.")

    asked = RehearsalRequest(bundle=theatre.bench.bundle(SQL))
    with pytest.raises(AuditError):
        theatre.rehearsals.request(asked, theatre.bench.ann, refuse)
    assert theatre.bench.airflow.runs == []
    assert theatre.store.count_unfinished("ann", theatre.clock() - ASKED_FOR) == 0


def test_a_crash_before_airflow_answers_is_mended_by_the_run_that_begins(theatre):
    rehearsal = theatre.request()
    theatre.runs_store.change_run(rehearsal.id, standing="asked")
    theatre.reopen()
    assert theatre.rehearsals.list_newest("ann", None, 10) == ()
    assert theatre.begin(rehearsal).owner == "ann"
    assert [one.id for one in theatre.rehearsals.list_newest("ann", None, 10)] == [rehearsal.id]


def test_a_rehearsal_that_is_asked_for_again_is_found_whatever_a_crash_left(theatre):
    kept = []
    asked = RehearsalRequest(bundle=theatre.bench.bundle(SQL))
    rehearsal = theatre.rehearsals.request(asked, theatre.bench.ann, theatre.audit, kept.append)
    assert kept == [rehearsal.id]
    theatre.runs_store.change_run(rehearsal.id, standing="asked")
    theatre.bench.airflow.runs.clear()
    theatre.reopen()
    assert theatre.rehearsals.find_requested(rehearsal.id) == rehearsal
    assert theatre.conf_of(rehearsal)[1]["id"] == REHEARSAL_JOB_ID
    theatre.runs_store.change_run(rehearsal.id, standing="withdrawn")
    assert [theatre.rehearsals.find_requested(run_id) for run_id in (rehearsal.id, "0" * 32)] == [None, None]


def test_a_crash_before_airflow_was_asked_counts_for_a_minute_only(theatre):
    rehearsal = theatre.request()
    theatre.runs_store.change_run(rehearsal.id, standing="asked")
    assert theatre.store.count_unfinished("ann", theatre.clock() - ASKED_FOR) == 1
    theatre.clock.move(ASKED_FOR.total_seconds() + 1)
    assert theatre.store.count_unfinished("ann", theatre.clock() - ASKED_FOR) == 0


# -- running


def test_a_rehearsals_token_is_bound_to_its_scratch_dataset_at_every_renewal(theatre):
    rehearsal = theatre.request(parameters=(Parameter(name="day", type=ParameterType.DATE, relative="yesterday"),))
    attempt = theatre.begin(rehearsal)
    theatre.attempts.heartbeat(rehearsal.id, 1)
    assert theatre.powers.minted == [("ann", rehearsal.id, 1, rehearsal.scratch_dataset)] * 2
    assert attempt.parameters == {"day": "2026-11-23"}
    assert theatre.rehearsals.get(rehearsal.id).parameters == {"day": "2026-11-23"}


@pytest.mark.parametrize("changes", [{"bundle": "0" * 64}, {"dag_id": "athena__local__other"}, {"airflow_run_id": "x"}])
def test_nothing_runs_as_a_rehearsal_that_nobody_asked_for(theatre, changes):
    rehearsal = theatre.request()
    with pytest.raises((ConflictError, NotFoundError)):
        theatre.begin(rehearsal, **changes)
    assert theatre.powers.minted == []


def test_no_job_runs_by_the_name_of_rehearsals_and_no_rehearsal_as_a_job(theatre):
    theatre.promoter.promote(theatre.bench.request(), theatre.bench.ann, theatre.bench.audit)
    rehearsal = theatre.request()
    with pytest.raises(ConflictError):
        theatre.begin(rehearsal, job_id="daily_sales")
    assert theatre.powers.minted == []


def test_cells_are_numbered_as_in_the_bundle_and_the_preparation_stands_apart(theatre):
    rehearsal = theatre.request()
    assert (rehearsal.cells_total, [cell.state for cell in rehearsal.cells]) == (2, ["pending", "pending"])
    theatre.begin(rehearsal)
    theatre.cell(rehearsal, 0, "succeeded")
    theatre.cell(rehearsal, 1, "started")
    seen = theatre.rehearsals.get(rehearsal.id)
    assert seen.preparation.state == "succeeded"
    assert [(cell.index, cell.state) for cell in seen.cells] == [(0, "running"), (1, "pending")]
    assert (seen.state, seen.cells_total, seen.tables[0].rows_before) == (RunState.RUNNING, 2, 5)


def test_a_second_attempt_begins_from_fresh_copies(theatre):
    rehearsal = theatre.request()
    theatre.begin(rehearsal)
    assert theatre.warehouse.dropped == []
    theatre.begin(rehearsal, try_number=2, worker="worker-2")
    assert theatre.warehouse.dropped == [rehearsal.scratch_dataset]
    assert theatre.powers.minted[-1] == ("ann", rehearsal.id, 2, rehearsal.scratch_dataset)


def test_rehearsals_are_in_no_list_of_runs_and_nobody_is_alerted(theatre):
    rehearsal = theatre.perform()
    assert theatre.runs.list("ann", None, 50) == ()
    assert theatre.runs.list("ann", REHEARSAL_JOB_ID, 50) == ()
    events = RunEvents(theatre.bench.home / "gateway" / "runs.sqlite")
    assert events.ended_since(theatre.clock() - timedelta(days=1), 10) == []
    events.close()
    assert [one.id for one in theatre.rehearsals.list_newest("ann", rehearsal.bundle, 10)] == [rehearsal.id]
    assert theatre.rehearsals.list_newest("bob", None, 10) == ()
    assert theatre.rehearsals.list_newest("ann", "0" * 64, 10) == ()


def test_a_rehearsal_that_airflow_loses_is_followed_like_any_run(theatre):
    rehearsal = theatre.request()
    theatre.bench.airflow.runs[0]["state"] = "failed"
    theatre.watch.look()
    assert theatre.rehearsals.get(rehearsal.id).state is RunState.FAILED


def test_a_cancelled_rehearsal_hears_of_it_and_ends(theatre):
    rehearsal = theatre.request()
    theatre.begin(rehearsal)
    theatre.rehearsals.cancel(rehearsal.id, theatre.audit)
    assert theatre.audited[-1] == ("rehearsal.cancel", {"run": rehearsal.id})
    assert theatre.attempts.heartbeat(rehearsal.id, 1).is_cancelled
    theatre.finish(rehearsal, "cancelled")
    assert theatre.rehearsals.get(rehearsal.id).state is RunState.CANCELLED
    with pytest.raises(ConflictError):
        theatre.rehearsals.cancel(rehearsal.id, theatre.audit)


def test_bytes_count_in_the_ledger_and_the_budget_of_a_run_holds(theatre):
    gib = 2**30
    rehearsal = theatre.request(guards=Guards(run_bytes=gib))
    assert theatre.begin(rehearsal).bytes_left == gib
    theatre.warehouse.bills[rehearsal.id] = 2 * gib
    stopped = []
    theatre.clock.move(10)
    theatre.budgets.look(lambda row, why: stopped.append((row.run_id, why)))
    assert [(run, "budget" in why) for run, why in stopped] == [(rehearsal.id, True)]
    assert theatre.rehearsals.get(rehearsal.id).billed_bytes == 2 * gib


# -- what it came to


def test_differences_are_read_as_the_owner_once_and_kept(theatre):
    rehearsal = theatre.request()
    theatre.begin(rehearsal)
    assert theatre.rehearsals.get(rehearsal.id).billed_bytes is None
    scratch = rehearsal.scratch_dataset
    theatre.warehouse.put(
        replace_columns(table_of(f"{scratch}.sales__days", "day", "note", rows=8), amount="FLOAT64"),
        table_of(f"{scratch}.sales__summary", "n", rows=1),
    )
    theatre.warehouse.bills[rehearsal.id] = 10**7
    theatre.finish(rehearsal)
    theatre.rehearsals.look()
    days, summary = theatre.rehearsals.get(rehearsal.id).tables
    assert (days.rows_before, days.rows_after) == (5, 8)
    assert (days.columns_added, days.columns_removed) == (("note STRING",), ())
    assert days.columns_changed == ("amount INTEGER → FLOAT64",)
    assert (summary.rows_before, summary.rows_after, summary.columns_added) == (None, 1, ("n STRING",))
    assert theatre.warehouse.asked_as[-1] == Principal(kind="user", user="ann", groups=("present",))
    assert theatre.rehearsals.get(rehearsal.id).billed_bytes == 10**7
    theatre.reopen()
    assert theatre.rehearsals.get(rehearsal.id).tables[0].rows_before == 5


def replace_columns(table, **types):
    kept = [column for column in table.columns if column.name not in types]
    return table.model_copy(
        update={"columns": (*kept, *(CatalogColumn(name=name, type=kind) for name, kind in types.items()))}
    )


def test_refused_writes_are_told_with_their_cells(theatre):
    rehearsal = theatre.request(tables=Tables(writes=("elsewhere.d.t",)))
    theatre.begin(rehearsal)
    for index, state in ((0, "succeeded"), (1, "started")):
        theatre.cell(rehearsal, index, state)
    theatre.clock.move(1)
    denied = f"Access Denied: {REFUSAL} '{rehearsal.scratch_dataset}', and 'sales.other' is not in it."
    theatre.warehouse.failed[rehearsal.id] = [
        FailedJob(theatre.clock(), denied),
        FailedJob(theatre.clock(), "Syntax error: Unexpected end"),
    ]
    theatre.clock.move(1)
    theatre.cell(rehearsal, 1, "succeeded")
    theatre.cell(rehearsal, 2, "failed", error=f"Forbidden: 403 {REFUSAL} '{rehearsal.scratch_dataset}': insertAll")
    theatre.finish(rehearsal, "failed", error="Forbidden")
    told = theatre.rehearsals.get(rehearsal.id).refused
    assert [(one.cell, REFUSAL in one.text) for one in told] == [(None, False), (0, True), (1, True)]


def test_a_warehouse_that_is_away_at_the_end_is_asked_again(theatre):
    rehearsal = theatre.request()
    theatre.begin(rehearsal)
    theatre.finish(rehearsal)
    theatre.warehouse.put(table_of(rehearsal.tables[0].scratch, "day", rows=6))
    theatre.warehouse.is_away = True
    assert theatre.rehearsals.get(rehearsal.id).tables[0].rows_after is None
    theatre.warehouse.is_away = False
    theatre.clock.move(60)
    theatre.rehearsals.look()
    assert theatre.store.row(rehearsal.id).is_settled
    assert theatre.rehearsals.get(rehearsal.id).tables[0].rows_after == 6


def test_rows_before_are_those_that_were_copied_whatever_others_wrote_meanwhile(theatre):
    rehearsal = theatre.request()
    days, summary = (one.scratch.split(".")[1] for one in rehearsal.tables)
    theatre.warehouse.put(table_of("sales.days", "day", rows=1000))
    theatre.warehouse.notes[f"{rehearsal.scratch_dataset}.{NOTES}"] = (
        {"name": days, "row_count": 6, "why": None},
        {"name": summary, "row_count": 99, "why": "masked_columns"},  # the notebook's own: it was not copied
        {"other": 1},
    )
    theatre.begin(rehearsal)
    theatre.finish(rehearsal)
    told = theatre.rehearsals.get(rehearsal.id).tables
    assert [(one.rows_before, one.is_copied, one.withheld) for one in told] == [(6, True, None), (None, False, None)]


@pytest.mark.parametrize("why", ["masked_columns", "filtered_rows"])
def test_rows_that_their_owner_may_not_copy_are_said_not_to_be_there(theatre, why):
    rehearsal = theatre.request()
    note = {"name": "sales__days", "row_count": 0, "why": why}
    theatre.warehouse.notes[f"{rehearsal.scratch_dataset}.{NOTES}"] = (note,)
    theatre.begin(rehearsal)
    theatre.finish(rehearsal)
    told = theatre.rehearsals.get(rehearsal.id)
    assert [(one.rows_before, one.is_copied, one.withheld) for one in told.tables[:1]] == [(5, False, why)]
    assert f"rows of sales.days were not copied: {summary_words(why)}" in summarise(told)


def summary_words(why):
    return {"masked_columns": "columns of it are masked for you", "filtered_rows": "you do not see all its rows"}[why]


def test_scratch_datasets_are_dropped_after_a_day_and_not_before(theatre):
    rehearsal = theatre.perform()
    theatre.clock.move(KEPT_FOR.total_seconds() - 10)
    theatre.rehearsals.look()
    assert theatre.warehouse.dropped == []
    theatre.clock.move(20)
    theatre.warehouse.is_away = True
    theatre.rehearsals.look()
    theatre.warehouse.is_away = False
    theatre.clock.move(60)
    theatre.rehearsals.look()
    theatre.rehearsals.look()
    assert theatre.warehouse.dropped == [rehearsal.scratch_dataset]
    assert theatre.rehearsals.get(rehearsal.id).tables[0].rows_before == 5


def test_a_rehearsal_under_way_keeps_its_scratch_dataset(theatre):
    theatre.begin(theatre.request())
    theatre.clock.move(2 * KEPT_FOR.total_seconds())
    theatre.rehearsals.look()
    assert theatre.warehouse.dropped == []


# -- versions


def test_a_version_records_when_its_bundle_was_rehearsed_by_whoever_deploys_it(theatre):
    request = theatre.bench.request(SQL)
    theatre.promoter.promote(theatre.bench.request("print(1)"), theatre.bench.ann, theatre.bench.audit)
    theatre.perform(principal=theatre.bench.bob)  # somebody else's counts for nothing
    theatre.promoter.promote(theatre.bench.request("print(2)"), theatre.bench.ann, theatre.bench.audit)
    ended_at = theatre.perform().ended_at
    theatre.clock.move(100)
    failed = theatre.request()
    theatre.begin(failed)
    theatre.finish(failed, "failed")
    theatre.promoter.promote(request, theatre.bench.ann, theatre.bench.audit)
    versions = theatre.promoter.versions("daily_sales")
    assert [(one.version, one.rehearsed_at) for one in versions] == [(3, ended_at), (2, None), (1, None)]


def test_a_rehearsal_changes_no_content_hash(theatre):
    theatre.promoter.promote(theatre.bench.request(SQL), theatre.bench.ann, theatre.bench.audit)
    theatre.perform()
    again = theatre.promoter.promote(theatre.bench.request(SQL), theatre.bench.ann, theatre.bench.audit)
    assert (again.version, again.is_unchanged) == (1, True)


def test_a_run_of_nobody_is_no_rehearsal(theatre):
    rehearsal = theatre.request()
    row = theatre.store.row(rehearsal.id)
    stray = asked_row(row.spec, "manual__stray", "ann", theatre.clock())
    theatre.runs_store.add_run(stray)
    with pytest.raises(NotFoundError):
        theatre.rehearsals.get(stray.run_id)
    with pytest.raises(NotFoundError):
        theatre.rehearsals.owner_of(stray.run_id)

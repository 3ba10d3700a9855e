"""What a job costs a month: its SQL cells' dry runs times its fires, once a bundle, and what is not in it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime, timedelta

import pytest

from athena_lab.errors import NotFoundError, QueryError
from athena_lab.gateway_api.jobs import BundleUpload, PromoteRequest, Source
from athena_lab.gateway_api.terms import Parameter, ParameterType, Schedule
from athena_lab.gateway_api.wire import Principal
from athena_lab.jobs.bundle import build_bundle
from athena_lab.jobs.bundle_store import BundleStore
from athena_lab.jobs.forecast import Forecasts

ANN = Principal(kind="user", user="ann")
GIB = 1024**3


class Office:
    """A bundle store and a warehouse that knows what some statements read."""

    def __init__(self, folder):
        self.at = datetime(2026, 11, 24, 6, tzinfo=UTC)
        self.store = BundleStore(str(folder))
        self.asked, self.gate = [], threading.Event()
        self.gate.set()
        self.forecasts = Forecasts(self.store, self, 6.25, now=lambda: self.at)

    def estimate_bytes(self, principal, sql, values):
        self.gate.wait(10)
        self.asked.append((principal.user, sql.strip(), values.get("day")))
        if "missing" in sql:
            raise NotFoundError("Cannot estimate the query: table 'a.missing' does not exist.")
        if "wrong" in sql:
            raise QueryError("Cannot estimate the query: it is wrong. Mend it.\nmore")
        return None if ";" in sql else GIB

    def bundle(self, make_notebook, *cells):
        built = build_bundle(BundleUpload(notebook=make_notebook(*cells), source=Source(path="x.ipynb")))
        self.store.put(built)
        return built.hash

    def of(self, bundle, **fields):
        fields.setdefault("schedule", Schedule(cron="0 6 * * *"))
        request = PromoteRequest(bundle=bundle, name="Daily", **fields)
        deadline = time.monotonic() + 10
        while (found := self.forecasts.of(request, ANN)) is not None and found.is_pending:
            assert time.monotonic() < deadline
        return found


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path)
    yield office
    office.forecasts.close()


def test_month_is_a_runs_bytes_times_its_fires(office, make_notebook):
    bundle = office.bundle(
        make_notebook, "%%athena\nSELECT 1", "print(day)", "%%athena --into a.b\nSELECT 2 WHERE @day"
    )
    found = office.of(bundle)
    assert (found.run_bytes, found.fires, found.month_bytes) == (2 * GIB, 30, 60 * GIB)
    assert (found.month_cost, found.currency) == (round(60 / 1024 * 6.25, 4), "USD")
    assert found.unestimated == ()
    assert [sql for _, sql, _ in office.asked] == ["SELECT 1", "SELECT 2 WHERE @day"]
    assert office.of(bundle, schedule=Schedule(cron=None)).month_bytes == 0
    end = office.at + timedelta(days=2)
    assert office.of(bundle, schedule=Schedule(cron="0 6 * * *", end=end)).fires == 2
    assert len(office.asked) == 2


def test_values_are_those_of_a_run_now(office, make_notebook):
    bundle = office.bundle(make_notebook, "%%athena\nSELECT @day")
    office.of(bundle, parameters=(Parameter(name="day", type=ParameterType.DATE, relative="yesterday"),))
    assert office.asked == [("ann", "SELECT @day", date(2026, 11, 23))]


def test_what_cannot_be_estimated_is_listed_with_its_cell(office, make_notebook):
    cells = (
        "%%athena\nSELECT * FROM a.missing",
        "client.query(text)",
        "%%athena\nwrong",
        "%%athena\nSELECT 1; SELECT 2",
    )
    found = office.of(office.bundle(make_notebook, *cells))
    assert [(one.cell, one.why) for one in found.unestimated] == [
        (1, "a table that it reads does not exist yet"),
        (2, "its SQL is made by Python code"),
        (3, "Cannot estimate the query: it is wrong. Mend it."),
        (4, "it is a script of several statements"),
    ]


def test_slow_warehouse_does_not_hold_the_form(office, make_notebook):
    bundle = office.bundle(make_notebook, "%%athena\nSELECT 1")
    office.gate.clear()
    request = PromoteRequest(bundle=bundle, name="Daily", schedule=Schedule(cron="0 6 * * *"))
    began = time.monotonic()
    assert office.forecasts.of(request, ANN).is_pending
    assert time.monotonic() - began < 5
    office.gate.set()
    assert office.of(bundle).run_bytes == GIB
    assert len(office.asked) == 1


def test_bundle_that_is_not_stored_has_no_forecast(office):
    assert office.of("f" * 64) is None

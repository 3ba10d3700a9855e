"""The door to Airflow: logging in anew, errors in our words, and what each call asks for.

The double answers where a test needs an expired token or a failing server at one exact moment.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from athena_lab.errors import ConfigurationError, ConflictError, NotFoundError, UnreachableError, UpstreamError
from athena_lab.gateway_api.terms import Schedule
from athena_lab.jobs.airflow_api import Scheduler

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
DAG = "athena__energy__sales"


@pytest.fixture
def scheduler(workbench):
    made = Scheduler(workbench.airflow.url, workbench.home / "password", timeout_s=5)
    yield made
    made.close()


@pytest.fixture
def known(workbench, make_dag):
    workbench.airflow.dags[DAG] = make_dag(DAG, "energy/shard_000.py", ("athena", "v7", "vip", "owner:ann"))
    return workbench.airflow


def test_one_login_serves_many_calls_and_an_expired_token_is_renewed(workbench, scheduler, known):
    assert scheduler.deployed_version(DAG) == 7
    assert scheduler.deployed_version(DAG) == 7
    assert known.logins == 1
    known.tokens.clear()
    assert scheduler.deployed_version(DAG) == 7
    known.tokens.clear()
    assert scheduler.preview(Schedule(cron="0 6 * * *"), 2, NOW) == (NOW + timedelta(days=1), NOW + timedelta(days=2))
    assert known.logins == 3


def test_a_wrong_or_absent_password_is_told_without_the_password(workbench, scheduler):
    (workbench.home / "password").write_text("wrong-horse")
    with pytest.raises(UpstreamError, match="HTTP 401") as caught:
        scheduler.deployed_version(DAG)
    assert "horse" not in str(caught.value)
    (workbench.home / "password").unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        scheduler.deployed_version(DAG)


def test_details_say_version_state_and_next_run(scheduler, known):
    details = scheduler.details(DAG)
    assert (details.version, details.is_paused, details.next_run_at) == (7, False, NOW)
    assert scheduler.next_run_at(DAG) == NOW
    assert scheduler.details("nothing") is None
    assert scheduler.deployed_version("nothing") is None
    assert scheduler.deployed_version("athena_beacon") is None
    known.dags[DAG]["is_stale"] = True
    assert scheduler.deployed_version(DAG) is None


def test_the_standings_of_many_dags_come_in_one_request(scheduler, known, make_dag):
    for number in range(205):
        known.dags[f"d{number}"] = make_dag(f"d{number}", "x.py", ("athena", "v1", "owner:bob"))
    before = len(known.requests)
    found = scheduler.standings([*(f"d{number}" for number in range(205)), DAG, "unknown"])
    assert len(found) == 206
    assert (found[DAG].is_paused, found[DAG].next_run_at) == (False, NOW)
    assert [path for _, path in known.requests[before:] if path != "/auth/token"] == ["/athena/standings"]
    assert scheduler.standings([]) == {}


def test_a_reparse_asks_for_the_dags_file_else_a_siblings_else_the_beacons(scheduler, known):
    known.is_reading = False
    scheduler.reparse(DAG, None)
    scheduler.reparse("unknown", DAG)
    scheduler.reparse(None, DAG)
    scheduler.reparse("unknown", "unknown-too")
    scheduler.reparse(None, None)
    assert known.reparsed == ["energy/shard_000.py"] * 3 + ["beacon.py"] * 2
    known.dags.clear()
    with pytest.raises(NotFoundError, match="Wait until it has started"):
        scheduler.reparse(DAG, None)


def test_an_import_error_counts_from_a_moment_on(scheduler, known):
    known.import_errors = [
        {
            "filename": "energy/shard_000.py",
            "bundle_name": "jobs",
            "import_error_id": 1,
            "stack_trace": "Traceback (most recent call last):\n  x\nValueError: bad\n",
            "timestamp": "2026-11-24T06:00:00Z",
        }
    ]
    assert scheduler.import_error("energy/shard_000.py", since=NOW) == "ValueError: bad"
    assert scheduler.import_error("energy/shard_000.py", since=NOW + timedelta(seconds=1)) is None
    assert scheduler.import_error("energy/shard_001.py", since=NOW) is None


def test_a_dag_is_paused_resumed_and_deleted(scheduler, known, make_run):
    scheduler.set_paused(DAG, is_paused=True)
    assert scheduler.details(DAG).is_paused
    scheduler.set_paused(DAG, is_paused=False)
    assert not scheduler.details(DAG).is_paused
    known.runs.append(make_run(DAG, "r", "running", {}))
    with pytest.raises(ConflictError, match="still running"):
        scheduler.delete(DAG)
    scheduler.stop_run(DAG, "r")
    scheduler.delete(DAG)
    scheduler.delete(DAG)
    with pytest.raises(NotFoundError, match="Airflow does not know it"):
        scheduler.set_paused(DAG, is_paused=True)


def test_a_run_is_triggered_once_by_its_id_and_seen_and_stopped(scheduler, known):
    run = scheduler.trigger(DAG, "manual__1", {"athena_request": "abc"})
    assert (run.run_id, run.state, run.conf, run.logical_date) == (
        "manual__1",
        "queued",
        {"athena_request": "abc"},
        None,
    )
    with pytest.raises(ConflictError):
        scheduler.trigger(DAG, "manual__1", {})
    scheduler.trigger(DAG, "backfill__1", {}, NOW)
    assert scheduler.run(DAG, "backfill__1").logical_date == NOW
    assert scheduler.run_state(DAG, "manual__1") == "queued"
    assert scheduler.run_state(DAG, "other") is None
    assert [item.run_id for item in scheduler.list_runs(DAG)] == ["manual__1", "backfill__1"]
    scheduler.stop_run(DAG, "manual__1")
    assert scheduler.run_state(DAG, "manual__1") == "failed"
    for unknown in (lambda: scheduler.trigger("nothing", "x", {}), lambda: scheduler.stop_run(DAG, "nothing")):
        with pytest.raises(NotFoundError):
            unknown()


def test_an_airflow_that_is_down_is_unreachable_in_every_call(workbench, scheduler):
    assert scheduler.is_up()
    workbench.airflow.stop()
    assert not scheduler.is_up()
    calls = (
        lambda: scheduler.details(DAG),
        lambda: scheduler.standings(["ann"]),
        lambda: scheduler.reparse(DAG, None),
        lambda: scheduler.import_error("x", since=NOW),
        lambda: scheduler.set_paused(DAG, is_paused=True),
        lambda: scheduler.delete(DAG),
        lambda: scheduler.trigger(DAG, "r", {}),
        lambda: scheduler.run_state(DAG, "r"),
        lambda: scheduler.list_runs(DAG),
        lambda: scheduler.stop_run(DAG, "r"),
        lambda: scheduler.preview(Schedule(cron="0 6 * * *"), 1, NOW),
    )
    for call in calls:
        with pytest.raises(UnreachableError, match="start it with `athena up`"):
            call()


@pytest.mark.parametrize(("status", "body"), [(500, {"detail": "database error"}), (200, {"dag_id": 5}), (200, [])])
def test_an_airflow_that_fails_or_talks_nonsense_is_an_upstream_fault(workbench, scheduler, monkeypatch, status, body):
    scheduler.details("athena_beacon")
    monkeypatch.setattr(workbench.airflow, "handle", lambda *_: (status, body))
    with pytest.raises(UpstreamError, match="athena logs api-server"):
        scheduler.details(DAG)
    with pytest.raises(UpstreamError):
        scheduler.preview(Schedule(cron="0 6 * * *"), 1, NOW)
    with pytest.raises(UpstreamError):
        scheduler.reparse(DAG, None)
    assert not scheduler.is_up()

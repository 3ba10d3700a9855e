"""The records of runs survive, sort and roll back."""

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from athena_lab.errors import ConfigurationError
from athena_lab.gateway_api.jobs import RunState
from athena_lab.jobs.run_store import AttemptRow, CellRow, RunRow, RunStore, Standing

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def row_of(number: int, **changes) -> RunRow:
    row = RunRow(
        run_id=f"{number:032x}",
        dag_id="athena__local__sales",
        airflow_run_id=f"manual__{number}",
        job_id="sales",
        job_name="Sales",
        job_version=1,
        owner="ann",
        team="local",
        type="manual",
        queued_at=NOON + timedelta(minutes=number),
    )
    return replace(row, **changes)


@pytest.fixture
def store(tmp_path):
    opened = RunStore(tmp_path / "runs.sqlite")
    yield opened
    opened.close()


def test_a_run_is_read_back_as_it_was_written(store):
    row = row_of(1, requested={"day": "yesterday"}, anchor=NOON, must_stop=True, state=RunState.RUNNING)
    assert store.add_run(row)
    assert store.find_run(row.run_id) == row
    assert not store.add_run(replace(row, owner="bob"))
    assert store.find_run(row.run_id).owner == "ann"


def test_times_of_other_zones_sort_as_moments(store):
    plus_five = timezone(timedelta(hours=5))
    store.add_run(row_of(1, queued_at=NOON))
    store.add_run(row_of(2, queued_at=(NOON - timedelta(hours=1)).astimezone(plus_five)))
    assert [row.run_id[-1] for row in store.list_runs("ann", None, 10)] == ["1", "2"]


def test_lists_hold_the_owners_listed_runs_newest_first(store):
    for number in range(4):
        store.add_run(row_of(number))
    store.add_run(row_of(8, standing=Standing.WITHDRAWN))
    store.add_run(row_of(9, owner="bob"))
    assert [row.run_id[-1] for row in store.list_runs("ann", None, 3)] == ["3", "2", "1"]
    assert store.list_runs("ann", "other", 3) == []
    assert store.last_runs(["sales"])["sales"].run_id[-1] == "9"


def test_a_failed_transaction_leaves_nothing(store):
    def fail_in_the_middle():
        with store.transaction():
            store.add_run(row_of(1))
            with store.transaction():
                store.add_run(row_of(2))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_in_the_middle()
    assert store.list_runs("ann", None, 10) == []
    with store.transaction():
        store.add_run(row_of(3))
    assert len(store.list_runs("ann", None, 10)) == 1


def test_done_cells_are_those_of_the_latest_attempt(store):
    row = row_of(1)
    store.add_run(row)
    for attempt in (1, 2):
        store.add_attempt(AttemptRow(row.run_id, attempt, "w", "running", False, attempt, NOON, NOON))
        for position in range(3 if attempt == 1 else 1):
            store.put_cell(CellRow(row.run_id, attempt, position, "succeeded", NOON, NOON))
    assert store.count_done_cells([row.run_id]) == {row.run_id: 1}


def test_records_survive_a_restart_in_a_file_for_the_gateway_alone(tmp_path):
    path = tmp_path / "runs.sqlite"
    first = RunStore(path)
    first.add_run(row_of(1))
    first.close()
    again = RunStore(path)
    assert again.find_run(row_of(1).run_id) == row_of(1)
    again.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_no_database_is_named_in_the_error(tmp_path):
    path = tmp_path / "runs.sqlite"
    path.write_text("not a database, by far, " * 100)
    with pytest.raises(ConfigurationError, match=r"runs\.sqlite"):
        RunStore(path)

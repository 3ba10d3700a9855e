"""The outbox outlives its process and says what is left to do."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from athena_lab.errors import ConfigurationError
from athena_lab.jobs.outbox import Entry, EntryKind, EntryState, Outbox

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


def entry(job_id: str = "sales", version: int = 1, state: EntryState = EntryState.COMMITTED, **fields) -> Entry:
    return Entry(job_id, version, EntryKind.DEPLOY, state, NOW, **fields)


@pytest.fixture
def outbox(tmp_path):
    made = Outbox(tmp_path / "gateway" / "outbox.sqlite")
    yield made
    made.close()


def test_an_entry_comes_back_as_it_was_written(outbox):
    wanted = entry(visible_at=NOW, message="why", asked_at=NOW + timedelta(seconds=1), attempts=3)
    outbox.put(wanted)
    assert outbox.get("sales", 1) == wanted
    assert outbox.get("sales", 2) is None
    assert outbox.get("sales", 1, EntryKind.DELETE) is None
    changed = outbox.update(wanted, state=EntryState.VISIBLE)
    assert outbox.get("sales", 1) == changed
    outbox.drop(changed)
    assert outbox.get("sales", 1) is None


def test_what_is_unfinished_comes_longest_unasked_first_and_no_more_than_wanted(outbox):
    outbox.put(entry("asked", asked_at=NOW))
    outbox.put(entry("later", state=EntryState.WAITING, asked_at=NOW + timedelta(hours=1)))
    outbox.put(entry("never"))
    for state in (EntryState.VISIBLE, EntryState.PREPARED, EntryState.DROPPED):
        outbox.put(entry(state.value, state=state))
    assert [item.job_id for item in outbox.unfinished(10)] == ["never", "asked", "later"]
    assert [item.job_id for item in outbox.unfinished(1)] == ["never"]
    assert [item.job_id for item in outbox.prepared()] == ["prepared"]


def test_a_killed_process_leaves_what_it_had_written(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from datetime import UTC, datetime; "
        "from athena_lab.jobs.outbox import *; "
        "Outbox(Path(sys.argv[1])).put(Entry('sales', 1, EntryKind.DEPLOY, EntryState.PREPARED, "
        "datetime.now(UTC))); os._exit(9)"
    )
    path = tmp_path / "outbox.sqlite"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    outbox = Outbox(path)
    assert len(outbox.prepared()) == 1
    outbox.close()


def test_paused_jobs_are_remembered(outbox):
    for _ in range(2):
        outbox.set_paused("sales", is_paused=True)
    assert outbox.paused() == {"sales"}
    outbox.set_paused("sales", is_paused=False)
    outbox.set_paused("other", is_paused=False)
    assert outbox.paused() == set()


def test_a_file_that_is_no_outbox_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigurationError, match=r"Cannot use the outbox '.*outbox.sqlite'"):
        Outbox(path)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError):
        Outbox(tmp_path / "file" / "outbox.sqlite")

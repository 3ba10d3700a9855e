"""What commands say of a schedule and of limits is laid over what the job has, and takes nothing else away."""

from __future__ import annotations

import argparse
import io
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from athena_lab.errors import InvalidError
from athena_lab.gateway_api.terms import Guards, MissedRuns, Overlap, Schedule
from athena_lab.stack.jobs_terms import add_tables
from athena_lab.stack.jobs_when import add_guards, add_schedule, guards_of, schedule_of
from athena_lab.stack.secrets_command import build_parser, set_secret

LONDON = ZoneInfo("Europe/London")
PRESENT = Schedule(
    cron="30 6 * * *", timezone="Europe/London", end=datetime(2027, 1, 1, tzinfo=LONDON), missed=MissedRuns.ALL
)


def said(*words):
    parser = argparse.ArgumentParser()
    add_schedule(parser)
    add_guards(parser)
    add_tables(parser)
    return parser.parse_args(words)


def test_what_is_not_said_stays():
    assert schedule_of(said(), PRESENT) == PRESENT
    assert guards_of(said(), Guards(run_bytes=10**9, overlap=Overlap.SKIP)) == Guards(
        run_bytes=10**9, overlap=Overlap.SKIP
    )


def test_times_are_the_zones_own_and_none_is_said_by_nothing():
    found = schedule_of(said("--start", "2026-12-01T06:00", "--end", "", "--missed", "skip"), PRESENT)
    assert (found.start, found.end, found.missed) == (datetime(2026, 12, 1, 6, tzinfo=LONDON), None, MissedRuns.SKIP)
    assert schedule_of(said("--by-hand"), PRESENT).cron is None
    with pytest.raises(InvalidError, match="Cannot read the start 'tomorrow'"):
        schedule_of(said("--start", "tomorrow"), PRESENT)


def test_zero_takes_a_limit_away():
    words = ("--run-bytes", "0", "--cell-timeout", "60", "--backoff", "--overlap", "allow")
    found = guards_of(said(*words), Guards(run_bytes=10**9))
    assert found == Guards(cell_timeout_s=60, has_backoff=True, overlap=Overlap.ALLOW)
    assert guards_of(said("--no-backoff"), found).has_backoff is False


def test_value_of_a_secret_is_never_shown(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(InvalidError) as refusal:
        set_secret(None, build_parser().parse_args(["set", "KEY"]))
    assert "short" not in str(refusal.value)
    assert refusal.value.__suppress_context__

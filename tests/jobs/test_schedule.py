"""A schedule that cannot be is refused with what is wrong and what to do."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from croniter import croniter

from athena_lab.gateway_api.terms import MissedRuns, Schedule
from athena_lab.jobs.schedule import count_made_up, marks_of, schedule_faults

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


def told(cron: str, minimum_s: int = 900, timezone: str = "UTC") -> list[str]:
    return [fault.message for fault in schedule_faults(Schedule(cron=cron, timezone=timezone), minimum_s, NOW)]


@pytest.mark.parametrize(
    "cron",
    ["0 6 * * *", "*/15 * * * *", "0,30 9-17 * * MON-FRI", "0 0 1 jan,jul *", "5 4 * * 7", "0 0 29 2 *",
     "0 0-23/6 * * *", "0 0 30 2 1", "10/20 * * * *", "0 6 31 * sun"],
)  # fmt: skip
def test_a_schedule_that_can_be_has_no_fault(cron):
    assert told(cron) == []


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("61 * * * *", "Cannot schedule: cron '61 * * * *' has no minute 61. Use 0 to 59."),
        ("0 24 * * *", "Cannot schedule: cron '0 24 * * *' has no hour 24. Use 0 to 23."),
        ("0 0 0 * *", "Cannot schedule: cron '0 0 0 * *' has no day of the month 0. Use 1 to 31."),
        ("0 0 * 13 *", "Cannot schedule: cron '0 0 * 13 *' has no month 13. Use 1 to 12."),
        ("0 0 * * 8", "Cannot schedule: cron '0 0 * * 8' has no day of the week 8. Use 0 to 7."),
        ("0 0 * * noday", "Cannot schedule: cron '0 0 * * noday' has 'noday' as day of the week. Use 0 to 7."),
        ("@daily", "Cannot schedule: cron '@daily' has 1 field, not five."),
        ("", "Cannot schedule: cron '' has 0 fields, not five."),
        ("0 0 * * * *", "Cannot schedule: cron '0 0 * * * *' has 6 fields, not five."),
        ("*/0 * * * *", "has '/0' in the minute. Write a number from 1 behind '/'."),
        ("*/ * * * *", "has '/' in the minute."),
        ("0 5-1 * * *", "has the hour range '5-1', which ends before it begins."),
        ("0,, * * * *", "has '' as minute."),
        ("-5 * * * *", "has '' as minute."),
        ("0 0 L * *", "has 'l' as day of the month."),
        ("0 0 ? * *", "has '?' as day of the month."),
        ("H * * * *", "has 'h' as minute."),
        ("٣ * * * *", "has '٣' as minute."),
        ("0 0 30 2 *", "never fires: no year has such a day. Choose a day that exists."),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("*/5 * * * *", "fires every 5 minutes; the shortest interval allowed is 15 minutes. Make it rarer."),
        ("* * * * *", "fires every 1 minute"),
        ("0,50 0 * * *", None),
        ("55 23,0 * * *", None),
        ("0,59 0,23 * * *", "fires every 1 minute"),
        ("50 23 * * *", None),
    ],
)
def test_a_schedule_that_cannot_be_says_why(cron, message):
    faults = told(cron)
    if message is None:
        assert faults == []
    else:
        assert len(faults) == 1
        assert message in faults[0]


def test_every_bad_field_is_told_at_once():
    assert len(told("61 25 32 13 9")) == 5


def test_by_hand_only_needs_no_cron():
    assert schedule_faults(Schedule(cron=None), 900, NOW) == ()


@pytest.mark.parametrize(
    ("timezone", "near"),
    [
        ("Europe/Londn", "'Europe/London'"),
        ("europe/london", "Did you mean 'Europe/London'?"),
        ("london", "'Europe/London'"),
        ("New York", "'America/New_York'"),
        ("Mars/Olympus", "Use an IANA name such as 'Europe/London'."),
        ("", "Use an IANA name"),
        ("/etc/passwd", "no zone has that name"),
        ("../../etc/passwd", "no zone has that name"),
    ],
)
def test_an_unknown_zone_is_refused_with_near_names(timezone, near):
    (fault,) = schedule_faults(Schedule(cron="0 6 * * *", timezone=timezone), 900, NOW)
    assert fault.field == "schedule.timezone"
    assert near in fault.message


def test_the_interval_is_the_one_that_croniter_finds():
    for cron in ("7 */5 * * *", "0 0,12 1 * *", "15,45 8-10 * * 1,3", "0 9 1,15 * mon", "1 1 1 1 *"):
        fires = croniter(cron, 0)
        times = [fires.get_next(float) for _ in range(500)]
        shortest = int(min(later - earlier for earlier, later in pairwise(times)))
        assert told(cron, shortest) == []
        assert len(told(cron, shortest + 1)) == 1, cron


def bounded(cron="0 6 * * *", timezone="UTC", **bounds):
    schedule = Schedule(cron=cron, timezone=timezone, **bounds)
    return [(fault.field, fault.message) for fault in schedule_faults(schedule, 900, NOW)]


def at(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("bounds", "field", "message"),
    [
        (
            {"start": "2026-12-02T00:00Z", "end": "2026-12-01T00:00Z"},
            "end",
            "it starts after that, at 2026-12-02 00:00",
        ),
        ({"end": "2026-11-24T06:00Z"}, "end", "that is over already"),
        ({"end": "2026-11-24T07:00Z"}, "end", "it would never run"),
        ({"start": "2026-11-25T07:00Z", "end": "2026-11-26T05:00Z"}, "end", "it would never run"),
        ({"start": "0001-01-01T00:00Z"}, "start", "Cannot start the schedule in 1: no schedule reaches so far"),
        ({"end": "9999-12-31T23:59Z"}, "end", "Cannot end the schedule in 9999"),
        ({"start": "2020-01-01T00:00Z", "missed": "all"}, "start", "more than 1000 would run at once"),
    ],
)
def test_bounds_that_cannot_be_are_refused(bounds, field, message):
    ((found, text),) = bounded(**bounds)
    assert found == f"schedule.{field}"
    assert message in text


@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"start": "2020-01-01T00:00Z"},
        {"start": "2026-01-01T00:00Z", "missed": "all"},
        {"end": "2026-11-25T06:00Z"},
        {"start": "2026-11-01T00:00Z", "end": "2026-11-25T00:00Z", "missed": "all", "cron": "0 6 20 * *"},
    ],
)
def test_bounds_that_can_be_have_no_fault(bounds):
    assert bounded(**bounds) == []


def test_runs_that_would_be_made_up_for_are_counted():
    schedule = Schedule(cron="0 6 * * *", start=at("2026-11-20T00:00Z"), missed="all")
    assert count_made_up(schedule, NOW) == 5
    assert count_made_up(schedule.model_copy(update={"missed": MissedRuns.LATEST}), NOW) == 0
    assert count_made_up(schedule.model_copy(update={"end": at("2026-11-22T00:00Z")}), NOW) == 2


def test_runs_are_marked_where_the_clocks_change():
    spring = Schedule(cron="30 1 * * *", timezone="Europe/London")
    runs = [at(text) for text in ("2027-03-27T01:30Z", "2027-03-28T01:30Z", "2027-10-31T01:30Z")]
    marks = marks_of(runs, spring)
    assert [(mark.run, mark.kind) for mark in marks] == [(runs[1], "moved"), (runs[2], "repeated")]
    assert marks_of(runs, Schedule(cron=None)) == ()


@pytest.mark.parametrize(
    "cron",
    [
        ",".join(["0"] * 10_000) + " 6 * * *",
        ",".join(["0-59"] * 10_000) + " * * * *",
        ",".join(["*/1"] * 1_000_000) + " 6 * * *",
        "9" * 100_000 + " 6 * * *",
        "0 " * 1_000_000,
        "0 6 * * " + "m" * 1_000_000,
    ],
)
def test_a_cron_of_any_length_is_refused_at_once_and_told_short(cron):
    began = time.process_time()
    (message,) = told(cron)
    assert time.process_time() - began < 1
    assert f"has {len(cron)} characters, more than the 1000 allowed. Write ranges and steps for lists." in message
    assert len(message) < 300


@pytest.mark.parametrize(
    "cron", ["0-999999999 6 * * *", "0--5 6 * * *", "0/5/5 6 * * *", "*/-1 6 * * *", "1-2-3 6 * * *"]
)
def test_a_range_that_cannot_be_is_one_fault(cron):
    assert len(told(cron)) == 1


def test_the_longest_list_that_says_something_is_no_bomb():
    every = [
        ",".join(map(str, numbers)) for numbers in (range(0, 60, 15), range(24), range(1, 32), range(1, 13), range(7))
    ]
    assert told(" ".join(every)) == []


def test_a_zone_of_any_length_is_refused_at_once():
    began = time.process_time()
    for zone in ("x" * 1_000_000, "Europe/" + "London" * 200_000, "a\0b", "\u202e"):
        assert len(told("0 6 * * *", timezone=zone)) == 1
    assert time.process_time() - began < 2

"""Relative dates hang on the anchor, in the job's zone, daylight saving included."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from athena_lab.gateway_api.terms import ParameterType, RelativeDate
from athena_lab.jobs.dates import resolve_relative

DATE, MOMENT = ParameterType.DATE, ParameterType.DATETIME


@pytest.mark.parametrize(
    ("word", "day"),
    [
        ("today", "2026-03-31"),
        ("yesterday", "2026-03-30"),
        ("start_of_week", "2026-03-30"),
        ("start_of_last_week", "2026-03-23"),
        ("start_of_month", "2026-03-01"),
        ("start_of_last_month", "2026-02-01"),
        ("end_of_last_month", "2026-02-28"),
        ("start_of_year", "2026-01-01"),
        ("now", "2026-03-31"),
    ],
)
def test_a_word_means_its_day(word, day):
    anchor = datetime(2026, 3, 31, 12, tzinfo=UTC)  # a Tuesday
    assert resolve_relative(word, anchor, "UTC", DATE) == day


def test_every_word_of_the_wire_is_resolved():
    anchor = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert all(resolve_relative(word, anchor, "Asia/Tokyo", DATE) for word in RelativeDate)


def test_the_day_is_that_of_the_jobs_zone_not_of_utc():
    anchor = datetime(2026, 1, 1, 2, tzinfo=UTC)
    assert resolve_relative("yesterday", anchor, "America/New_York", DATE) == "2025-12-30"
    assert resolve_relative("yesterday", anchor, "Pacific/Auckland", DATE) == "2025-12-31"


def test_a_day_begins_with_the_offset_of_its_own_midnight():
    anchor = datetime(2026, 3, 29, 12, tzinfo=UTC)  # summer time began at 01:00 UTC this day
    assert resolve_relative("today", anchor, "Europe/London", MOMENT) == "2026-03-29T00:00:00+00:00"
    later = datetime(2026, 3, 30, 12, tzinfo=UTC)
    assert resolve_relative("today", later, "Europe/London", MOMENT) == "2026-03-30T00:00:00+01:00"
    assert resolve_relative("yesterday", later, "Europe/London", MOMENT) == "2026-03-29T00:00:00+00:00"


def test_where_midnight_is_skipped_the_day_begins_at_its_first_moment():
    anchor = datetime(2026, 3, 29, 12, tzinfo=UTC)  # Beirut goes from 00:00 to 01:00 on that day
    assert resolve_relative("today", anchor, "Asia/Beirut", MOMENT) == "2026-03-29T01:00:00+03:00"


def test_now_keeps_the_moment_in_the_hour_that_comes_twice():
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert resolve_relative("now", first, "Europe/London", MOMENT) == "2026-10-25T01:30:00+01:00"
    assert resolve_relative("now", second, "Europe/London", MOMENT) == "2026-10-25T01:30:00+00:00"

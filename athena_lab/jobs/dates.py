"""Resolve dates in plain words ("yesterday") from a run's anchor, in the job's zone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from athena_lab.gateway_api.terms import ParameterType, RelativeDate

_DAY = timedelta(days=1)


def _last_month(day: date) -> date:
    return (day.replace(day=1) - _DAY).replace(day=1)


def _week(day: date) -> date:
    """Give the Monday of a day's week (ISO 8601)."""
    return day - day.weekday() * _DAY


_DAYS: Mapping[RelativeDate, Callable[[date], date]] = {
    RelativeDate.TODAY: lambda day: day,
    RelativeDate.YESTERDAY: lambda day: day - _DAY,
    RelativeDate.START_OF_WEEK: _week,
    RelativeDate.START_OF_LAST_WEEK: lambda day: _week(day) - 7 * _DAY,
    RelativeDate.START_OF_MONTH: lambda day: day.replace(day=1),
    RelativeDate.START_OF_LAST_MONTH: _last_month,
    RelativeDate.END_OF_LAST_MONTH: lambda day: day.replace(day=1) - _DAY,
    RelativeDate.START_OF_YEAR: lambda day: day.replace(month=1, day=1),
    RelativeDate.NOW: lambda day: day,
}


def resolve_relative(relative: RelativeDate | str, anchor: datetime, timezone: str, type: ParameterType) -> str:  # noqa: A002 (the wire's word)
    """Give the day that a word means as ISO 8601 text: a date, or for a datetime its first moment.

    `anchor` is aware; the day is the one that people in `timezone` (IANA) have at that moment. Where
    daylight saving skips midnight, the day begins at the first moment that exists.
    """
    zone = ZoneInfo(timezone)
    local = anchor.astimezone(zone)
    word = RelativeDate(relative)
    day = _DAYS[word](local.date())
    if type is ParameterType.DATE:
        return day.isoformat()
    if word is RelativeDate.NOW:
        return local.isoformat(timespec="seconds")
    # To UTC and back: a wall time that the zone skips becomes the moment after the gap.
    midnight = datetime.combine(day, time(), zone)
    return midnight.astimezone(UTC).astimezone(zone).isoformat(timespec="seconds")

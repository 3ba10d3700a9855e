"""Check a schedule: five cron fields in an IANA zone, firing neither never nor too often."""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise

from croniter import croniter

from athena_lab.errors import Fault
from athena_lab.gateway_api.terms import Schedule

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIRST_DAY = date(2000, 1, 1)
_DAYS = 28 * 365 + 7
"""The calendar repeats after 28 years, so what does not fire in them never does (until 2100)."""
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    words: tuple[str, ...] = ()
    word_base: int = 0


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    _Field("day of the week", 0, 7, _WEEKDAYS),
)


class _BadCronError(ValueError):
    """What is wrong with one field, and what to do."""


def schedule_faults(schedule: Schedule, minimum_interval_s: int) -> tuple[Fault, ...]:
    """Give every fault of a schedule, none for one that runs by hand only."""
    faults = [Fault("schedule.timezone", text) for text in _zone_trouble(schedule.timezone)]
    if schedule.cron is not None:
        faults += [Fault("schedule.cron", text) for text in _cron_trouble(schedule.cron, minimum_interval_s)]
    return tuple(faults)


# -- the zone


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    """Give every IANA zone by its name in lower case."""
    return {name.casefold(): name for name in zoneinfo.available_timezones()}


def _zone_trouble(timezone: str) -> list[str]:
    zones = _zones()
    if timezone in zones.values():
        return []
    folded = timezone.casefold()
    cities = {key.rsplit("/", 1)[-1]: key for key in zones}
    near = [folded] if folded in zones else difflib.get_close_matches(folded, zones, n=3, cutoff=0.7)
    near += [cities[city] for city in difflib.get_close_matches(folded.replace(" ", "_"), cities, n=2, cutoff=0.8)]
    names = " or ".join(f"'{zones[key]}'" for key in dict.fromkeys(near))
    todo = f"Did you mean {names}?" if names else "Use an IANA name such as 'Europe/London'."
    return [f"Cannot schedule in the time zone '{timezone[:60]}': no zone has that name. {todo}"]


# -- the cron expression


def _cron_trouble(cron: str, minimum_interval_s: int) -> list[str]:
    shown = f"Cannot schedule: cron '{cron[:80]}'"
    parts = cron.split()
    if len(parts) != len(_FIELDS):
        count = f"{len(parts)} field" + ("" if len(parts) == 1 else "s")
        return [f"{shown} has {count}, not five. Write minute, hour, day of the month, month, day of the week."]
    values: list[frozenset[int]] = []
    troubles = []
    for part, field in zip(parts, _FIELDS, strict=True):
        try:
            values.append(_expand(part.lower(), field))
        except _BadCronError as error:
            troubles.append(f"{shown} {error}")
    if troubles:
        return troubles
    days = _days_of(parts, values)
    if not days:
        return [f"{shown} never fires: no year has such a day. Choose a day that exists."]
    # Airflow reads cron with croniter, which has the last word.
    if not croniter.is_valid(cron):
        return [f"{shown} is not one that Airflow understands. Use numbers, '*', ',', '-' and '/'."]
    interval = _shortest_interval_s(values, days)
    if interval < minimum_interval_s:
        often, allowed = _spoken(interval), _spoken(minimum_interval_s)
        return [f"{shown} fires every {often}; the shortest interval allowed is {allowed}. Make it rarer."]
    return []


def _expand(text: str, field: _Field) -> frozenset[int]:
    """Give the numbers that a field names; raise _BadCronError."""
    values: set[int] = set()
    for item in text.split(","):
        values.update(_expand_item(item, field))
    if field.name == "day of the week" and 7 in values:
        values = (values - {7}) | {0}
    return frozenset(values)


def _expand_item(item: str, field: _Field) -> Sequence[int]:
    span, slash, step_text = item.partition("/")
    step = 1
    if slash:
        if not _is_digits(step_text) or int(step_text) == 0:
            raise _BadCronError(f"has '/{step_text}' in the {field.name}. Write a number from 1 behind '/'.")
        step = int(step_text)
    if span == "*":
        return range(field.first, (6 if field.last == 7 else field.last) + 1, step)
    first_text, dash, last_text = span.partition("-")
    first = _number(first_text, field)
    if not dash:
        return range(first, field.last + 1, step) if slash else (first,)
    last = _number(last_text, field)
    if last < first:
        raise _BadCronError(f"has the {field.name} range '{span}', which ends before it begins. Swap its ends.")
    return range(first, last + 1, step)


def _number(text: str, field: _Field) -> int:
    if text in field.words:
        return field.words.index(text) + field.word_base
    span = f"{field.first} to {field.last}"
    if not _is_digits(text):
        raise _BadCronError(f"has '{text[:20]}' as {field.name}. Use {span}.")
    if not field.first <= int(text) <= field.last:
        raise _BadCronError(f"has no {field.name} {int(text)}. Use {span}.")
    return int(text)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 6


def _days_of(parts: Sequence[str], values: Sequence[frozenset[int]]) -> list[int]:
    """Give the days on which it fires, counted from the first of 28 years.

    As in cron(5): with both day fields restricted, either is enough.
    """
    _, _, month_days, months, week_days = values
    is_either = not parts[2].startswith("*") and not parts[4].startswith("*")
    result = []
    for number in range(_DAYS):
        day = _FIRST_DAY + timedelta(days=number)
        matches = (day.day in month_days, day.isoweekday() % 7 in week_days)
        if day.month in months and (any(matches) if is_either else all(matches)):
            result.append(number)
    return result


def _shortest_interval_s(values: Sequence[frozenset[int]], days: Sequence[int]) -> int:
    """Give the shortest time between two fires in seconds (a day has 24 hours here)."""
    minutes = sorted(hour * 60 + minute for hour in values[1] for minute in values[0])
    gaps = [later - earlier for earlier, later in pairwise(minutes)]
    nights = [later - earlier for earlier, later in pairwise(days)]
    if nights:
        gaps.append(min(nights) * _DAY_MINUTES - minutes[-1] + minutes[0])
    return min(gaps) * 60 if gaps else _DAYS * _DAY_MINUTES * 60


def _spoken(seconds: int) -> str:
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}" + ("" if count == 1 else "s")
    return f"{seconds} seconds"

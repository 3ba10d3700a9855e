"""Read a cron expression: five fields into the wall times that it names, whatever the zone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIRST_DAY = date(2000, 1, 1)
CYCLE_DAYS = 28 * 365 + 7
"""The calendar repeats after 28 years, so what does not fire in them never does (until 2100)."""
DAY_MINUTES = 24 * 60
MAX_CRON = 1_000
"""Characters of an expression: every minute, hour and day one by one are fewer."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    words: tuple[str, ...] = ()
    word_base: int = 0


FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    _Field("day of the week", 0, 7, _WEEKDAYS),
)


class BadCronError(ValueError):
    """What is wrong with one field, and what to do."""


@dataclass(frozen=True, slots=True)
class Cron:
    """The numbers that each field names; as in cron(5), with both day fields restricted either is enough."""

    values: tuple[frozenset[int], ...]
    is_either_day: bool

    @property
    def minutes(self) -> list[int]:
        """Give the minutes of a day at which it fires, in order."""
        return sorted(hour * 60 + minute for hour in self.values[1] for minute in self.values[0])

    def fires_on(self, day: date) -> bool:
        """Say whether it fires on a day."""
        _, _, month_days, months, week_days = self.values
        matches = (day.day in month_days, day.isoweekday() % 7 in week_days)
        return day.month in months and (any(matches) if self.is_either_day else all(matches))

    def names(self, wall: datetime) -> bool:
        """Say whether a wall time (to the minute) is one that it names."""
        return wall.hour in self.values[1] and wall.minute in self.values[0] and self.fires_on(wall.date())

    def days(self) -> list[int]:
        """Give the days on which it fires, counted from the first of 28 years."""
        return [number for number in range(CYCLE_DAYS) if self.fires_on(_FIRST_DAY + timedelta(days=number))]

    def walls(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Give the wall times that it names from `first` to `last` (naive, both inclusive), in order."""
        minutes, day = self.minutes, first.date()
        while day <= last.date():
            if self.fires_on(day):
                for minute in minutes:
                    wall = datetime.combine(day, time(*divmod(minute, 60)))
                    if first <= wall <= last:
                        yield wall
            day += timedelta(days=1)

    def shortest_interval_s(self) -> int:
        """Give the shortest time between two fires in seconds (a day has 24 hours here)."""
        minutes, days = self.minutes, self.days()
        gaps = [later - earlier for earlier, later in pairwise(minutes)]
        nights = [later - earlier for earlier, later in pairwise(days)]
        if nights:
            gaps.append(min(nights) * DAY_MINUTES - minutes[-1] + minutes[0])
        return min(gaps) * 60 if gaps else CYCLE_DAYS * DAY_MINUTES * 60


def read_cron(text: str) -> tuple[Cron | None, list[str]]:
    """Read five fields; None where there are faults, one for each bad field."""
    if len(text) > MAX_CRON:
        return None, [
            f"has {len(text)} characters, more than the {MAX_CRON} allowed. Write ranges and steps for lists."
        ]
    parts = text.split()
    if len(parts) != len(FIELDS):
        count = f"{len(parts)} field" + ("" if len(parts) == 1 else "s")
        return None, [f"has {count}, not five. Write minute, hour, day of the month, month, day of the week."]
    values, troubles = [], []
    for part, field in zip(parts, FIELDS, strict=True):
        try:
            values.append(_expand(part.lower(), field))
        except BadCronError as error:
            troubles.append(str(error))
    is_either = not parts[2].startswith("*") and not parts[4].startswith("*")
    return (None, troubles) if troubles else (Cron(tuple(values), is_either), [])


def _expand(text: str, field: _Field) -> frozenset[int]:
    """Give the numbers that a field names; raise BadCronError."""
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
            raise BadCronError(f"has '/{step_text}' in the {field.name}. Write a number from 1 behind '/'.")
        step = int(step_text)
    if span == "*":
        return range(field.first, (6 if field.last == 7 else field.last) + 1, step)
    first_text, dash, last_text = span.partition("-")
    first = _number(first_text, field)
    if not dash:
        return range(first, field.last + 1, step) if slash else (first,)
    last = _number(last_text, field)
    if last < first:
        raise BadCronError(f"has the {field.name} range '{span}', which ends before it begins. Swap its ends.")
    return range(first, last + 1, step)


def _number(text: str, field: _Field) -> int:
    if text in field.words:
        return field.words.index(text) + field.word_base
    span = f"{field.first} to {field.last}"
    if not _is_digits(text):
        raise BadCronError(f"has '{text[:20]}' as {field.name}. Use {span}.")
    if not field.first <= int(text) <= field.last:
        raise BadCronError(f"has no {field.name} {int(text)}. Use {span}.")
    return int(text)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 6

"""FORMAT_* and PARSE_* element by element, for what DuckDB's strftime and strptime do not have.

https://cloud.google.com/bigquery/docs/reference/standard-sql/format-elements
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_ELEMENT = re.compile(r"%(E(?:\d|\*|)[SYz]|E[cCxXyY]|O\w|-?[a-zA-Z%])")
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 (wall-clock time)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_LONG = {
    "c": "%a %b %e %H:%M:%S %Y", "D": "%m/%d/%y", "F": "%Y-%m-%d", "R": "%H:%M", "T": "%H:%M:%S", "X": "%H:%M:%S",
    "x": "%m/%d/%y", "r": "%I:%M:%S %p",
}  # fmt: skip


@dataclass(slots=True)
class _Shown:
    """A wall-clock moment with its offset from UTC in seconds and its zone's name."""

    at: datetime.datetime
    offset: int
    zone: str


def _offset(shown: _Shown, colon: str) -> str:
    minutes = abs(shown.offset) // 60
    return f"{'-' if shown.offset < 0 else '+'}{minutes // 60:02d}{colon}{minutes % 60:02d}"


def _week(at: datetime.datetime, first: int) -> int:
    """The week of the year, weeks beginning on `first` (0 for Sunday, 1 for Monday), from 0."""
    weekday = (at.weekday() + 1 - first) % 7
    return (at.timetuple().tm_yday + 6 - weekday) // 7


def _zone_name(shown: _Shown) -> str:
    return shown.zone if shown.offset == 0 and shown.zone == "UTC" else _short_zone(shown)


def _short_zone(shown: _Shown) -> str:
    if not shown.offset:
        return "UTC"
    hours, minutes = divmod(abs(shown.offset) // 60, 60)
    sign = "-" if shown.offset < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{minutes:02d}" if minutes else "")


_WRITERS: dict[str, Callable[[_Shown], str]] = {
    "A": lambda s: _DAYS[s.at.weekday()],
    "a": lambda s: _DAYS[s.at.weekday()][:3],
    "B": lambda s: _MONTHS[s.at.month - 1],
    "b": lambda s: _MONTHS[s.at.month - 1][:3],
    "h": lambda s: _MONTHS[s.at.month - 1][:3],
    "C": lambda s: f"{s.at.year // 100:02d}",
    "d": lambda s: f"{s.at.day:02d}",
    "e": lambda s: f"{s.at.day:2d}",
    "G": lambda s: str(s.at.isocalendar().year),
    "g": lambda s: f"{s.at.isocalendar().year % 100:02d}",
    "H": lambda s: f"{s.at.hour:02d}",
    "I": lambda s: f"{(s.at.hour + 11) % 12 + 1:02d}",
    "J": lambda s: f"{(s.at.date() - datetime.date.fromisocalendar(s.at.isocalendar().year, 1, 1)).days + 1:03d}",
    "j": lambda s: f"{s.at.timetuple().tm_yday:03d}",
    "k": lambda s: f"{s.at.hour:2d}",
    "l": lambda s: f"{(s.at.hour + 11) % 12 + 1:2d}",
    "M": lambda s: f"{s.at.minute:02d}",
    "m": lambda s: f"{s.at.month:02d}",
    "n": lambda _: "\n",
    "P": lambda s: "am" if s.at.hour < 12 else "pm",
    "p": lambda s: "AM" if s.at.hour < 12 else "PM",
    "Q": lambda s: str((s.at.month + 2) // 3),
    "S": lambda s: f"{s.at.second:02d}",
    "s": lambda s: str((s.at - _EPOCH) // datetime.timedelta(seconds=1) - s.offset),
    "t": lambda _: "\t",
    "U": lambda s: f"{_week(s.at, 0):02d}",
    "u": lambda s: str(s.at.isoweekday()),
    "V": lambda s: f"{s.at.isocalendar().week:02d}",
    "W": lambda s: f"{_week(s.at, 1):02d}",
    "w": lambda s: str(s.at.isoweekday() % 7),
    "Y": lambda s: str(s.at.year),
    "y": lambda s: f"{s.at.year % 100:02d}",
    "Z": _zone_name,
    "z": lambda s: _offset(s, ""),
    "Ez": lambda s: _offset(s, ":"),
    "E4Y": lambda s: f"{s.at.year:04d}",
    "E*S": lambda s: f"{s.at.second:02d}" + (f".{s.at.microsecond:06d}".rstrip("0") if s.at.microsecond else ""),
    "%": lambda _: "%",
}


_MODIFIED = {"E": "cCxXyY", "O": "deHImMSuUVwWy"}
"""Elements that may have an E or O before them, which changes nothing."""


def _plain(element: str) -> str:
    """Give an element without what changes nothing."""
    if element[:1] in _MODIFIED and element[1:] in tuple(_MODIFIED[element[:1]]):
        return element[1:]
    return element.lstrip("-")


def write(micros: int, offset: int, zone: str, pattern: str) -> str:
    """Write a wall-clock moment (microseconds since 1970) by a pattern."""
    shown = _Shown(_EPOCH + datetime.timedelta(microseconds=micros), offset, zone)

    def take(found: re.Match[str]) -> str:
        element = found[1]
        long = _LONG.get(element) or _LONG.get(_plain(element))
        if long is not None:
            return _ELEMENT.sub(take, long)
        fraction = re.fullmatch(r"E(\d)S", element)
        if fraction:
            digits = int(fraction[1])
            tail = f"{shown.at.microsecond:06d}000"[:digits]
            return f"{shown.at.second:02d}" + (f".{tail}" if digits else "")
        writer = _WRITERS.get(element) or _WRITERS.get(_plain(element))
        if writer is None:
            return found[0]  # what is no element is text
        made = writer(shown)
        return (made.lstrip("0") or "0") if element.startswith("-") else made

    return _ELEMENT.sub(take, pattern)


# -- reading

_NUMBERS = {
    "d": (1, 2, 1, 31), "e": (1, 2, 1, 31), "H": (1, 2, 0, 23), "k": (1, 2, 0, 23), "I": (1, 2, 1, 12),
    "l": (1, 2, 1, 12), "M": (1, 2, 0, 59), "m": (1, 2, 1, 12), "S": (1, 2, 0, 60), "j": (1, 3, 1, 366),
    "Y": (1, 5, 0, 9999), "y": (1, 2, 0, 99), "C": (1, 2, 0, 99), "G": (1, 4, 0, 9999), "g": (1, 2, 0, 99),
    "U": (1, 2, 0, 53), "W": (1, 2, 0, 53), "V": (1, 2, 1, 53), "u": (1, 1, 1, 7), "w": (1, 1, 0, 6),
    "Q": (1, 1, 1, 4), "E4Y": (4, 4, 0, 9999),
}  # fmt: skip


class _Reader:
    """Reads a text by a pattern into parts of a moment."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.parts: dict[str, int] = {}
        self.micros = 0
        self.offset: int | None = None
        self.zone: str | None = None
        self.is_afternoon: bool | None = None
        self.seconds: int | None = None

    def fail(self) -> ValueError:
        return ValueError(f'Failed to parse input string "{self.text}"')

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def number(self, least: int, most: int, low: int, high: int) -> int:
        found = re.compile(rf"\d{{{least},{most}}}").match(self.text, self.at)
        if found is None or not low <= int(found[0]) <= high:
            raise self.fail()
        self.at = found.end()
        return int(found[0])

    def word(self, names: tuple[str, ...]) -> int:
        rest = self.text[self.at :].lower()
        for index, name in enumerate(names):
            for form in (name.lower(), name[:3].lower()):
                if rest.startswith(form):
                    self.at += len(form)
                    return index
        raise self.fail()

    def take(self, element: str) -> None:
        element = _plain(element) if element[:1] in _MODIFIED else element
        if element in _LONG:
            self.run(_LONG[element])
        elif element in _NUMBERS:
            if element != "j":
                self.blanks()
            self.parts[{"e": "d", "k": "H", "l": "I", "E4Y": "Y"}.get(element, element)] = self.number(
                *_NUMBERS[element]
            )
        elif element in ("A", "a"):
            self.parts["weekday"] = self.word(_DAYS)
        elif element in ("B", "b", "h"):
            self.parts["m"] = self.word(_MONTHS) + 1
        elif element in ("p", "P"):
            self.is_afternoon = bool(self.word(("AM", "PM")))
        elif element in ("n", "t"):
            self.blanks()
        else:
            self._rare(element)

    def _rare(self, element: str) -> None:
        if element == "%":
            self.literal("%")
        elif element in ("z", "Ez"):
            self._offset()
        elif element == "Z":
            self._zone()
        elif element == "s":
            found = re.compile(r"-?\d+").match(self.text, self.at)
            if found is None:
                raise self.fail()
            self.at, self.seconds = found.end(), int(found[0])
        elif re.fullmatch(r"E[\d*]S", element):
            self._seconds(element[1])
        else:
            raise ValueError(f"The format element '%{element}' is not supported")

    def _seconds(self, digits: str) -> None:
        self.parts["S"] = self.number(1, 2, 0, 60)
        most = 9 if digits == "*" else int(digits)
        found = re.compile(rf"\.\d{{0,{most}}}").match(self.text, self.at) if most else None
        if found:
            self.at = found.end()
            self.micros = int((found[0][1:] + "000000")[:6])

    def _offset(self) -> None:
        found = re.compile(r"([+-])(\d{1,2}):?(\d{2})?|Z").match(self.text, self.at)
        if found is None:
            raise self.fail()
        self.at = found.end()
        minutes = int(found[2] or 0) * 60 + int(found[3] or 0)
        if int(found[3] or 0) > 59 or minutes > 14 * 60:
            raise self.fail()
        self.offset = (-1 if found[1] == "-" else 1) * minutes * 60

    def _zone(self) -> None:
        found = re.compile(r"[A-Za-z_/+\-0-9:]+").match(self.text, self.at)
        if found is None:
            raise self.fail()
        self.at, self.zone = found.end(), found[0]

    def literal(self, letter: str) -> None:
        if self.at >= len(self.text) or self.text[self.at] != letter:
            raise self.fail()
        self.at += 1

    def run(self, pattern: str) -> None:
        """Read the text by a pattern."""
        at = 0
        while at < len(pattern):
            found = _ELEMENT.match(pattern, at)
            if found:
                self.take(found[1])
                at = found.end()
                continue
            if pattern[at].isspace():
                self.blanks()
            elif pattern[at] == "%":
                raise ValueError(f"Failed to parse input string: '{pattern[at:]}' begins with no format element")
            else:
                self.literal(pattern[at])
            at += 1

    def date(self) -> datetime.date:
        """Give the day that the parts name; what is missing is that of 1970-01-01."""
        year = self._year()
        try:
            if "G" in self.parts or "g" in self.parts:
                day = self.parts.get("u", self.parts.get("weekday", 0) + 1)
                short = self.parts.get("g", 0)
                iso_year = self.parts.get("G", short + (1900 if short >= 69 else 2000))
                return datetime.date.fromisocalendar(iso_year, self.parts.get("V", 1), day)
            if "j" in self.parts:
                made = datetime.date(year, 1, 1) + datetime.timedelta(days=self.parts["j"] - 1)
                if made.year != year:
                    raise self.fail()
                return made
            for name, first in (("U", 0), ("W", 1)):
                if name in self.parts and "m" not in self.parts:
                    return self._in_week(year, self.parts[name], first)
            if "Q" in self.parts and "m" not in self.parts:
                return datetime.date(year, self.parts["Q"] * 3 - 2, self.parts.get("d", 1))
            return datetime.date(year, self.parts.get("m", 1), self.parts.get("d", 1))
        except ValueError as error:
            raise self.fail() from error

    def _in_week(self, year: int, week: int, first: int) -> datetime.date:
        """Give the day of a week that begins on `first` (0 for Sunday, 1 for Monday), its first day if none is said."""
        begin = datetime.date(year, 1, 1)
        until = (first - begin.isoweekday()) % 7
        weekday = self.parts.get("weekday", first - 1)
        made = begin + datetime.timedelta(days=until + (week - 1) * 7 + (weekday + 1 - first) % 7)
        if made.year != year:
            raise self.fail()
        return made

    def _year(self) -> int:
        if "Y" in self.parts:
            return self.parts["Y"]
        if "y" in self.parts:
            short = self.parts["y"]
            if "C" in self.parts:
                return self.parts["C"] * 100 + short
            return short + (1900 if short >= 69 else 2000)
        return self.parts["C"] * 100 if "C" in self.parts else 1970

    def clock(self) -> datetime.timedelta:
        """Give the time of day."""
        hour = self.parts.get("H", 0)
        if "I" in self.parts:
            hour = self.parts["I"] % 12 + (12 if self.is_afternoon else 0)
        return datetime.timedelta(
            hours=hour, minutes=self.parts.get("M", 0), seconds=self.parts.get("S", 0), microseconds=self.micros
        )


def read(text: str, pattern: str, zone: str) -> int:
    """Read a moment; microseconds since 1970, in UTC if `zone` is not empty, else as the clock on the wall."""
    reader = _Reader(text)
    reader.blanks()
    reader.run(pattern)
    reader.blanks()
    if reader.at != len(text):
        raise reader.fail()
    if reader.seconds is not None:
        return reader.seconds * 1_000_000
    at = datetime.datetime.combine(reader.date(), datetime.time()) + reader.clock()
    micros = (at - _EPOCH) // datetime.timedelta(microseconds=1)
    if not zone:
        return micros
    if reader.offset is not None:
        return micros - reader.offset * 1_000_000
    return micros - offset_at(at, reader.zone or zone) * 1_000_000


def offset_at(at: datetime.datetime, zone: str) -> int:
    """Give the offset from UTC in seconds of a wall-clock time in a zone."""
    fixed = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?", zone)
    if fixed:
        return (-1 if fixed[1] == "-" else 1) * (int(fixed[2]) * 3600 + int(fixed[3] or 0) * 60)
    try:
        found = at.replace(tzinfo=ZoneInfo({"Z": "UTC"}.get(zone, zone))).utcoffset()
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"Invalid time zone: {zone}") from error
    return int(found.total_seconds()) if found is not None else 0


FUNCTIONS = {
    "athena_write_moment": (write, ["BIGINT", "BIGINT", "VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_read_moment": (read, ["VARCHAR", "VARCHAR", "VARCHAR"], "BIGINT"),
}

"""CAST … FORMAT of dates and times: YYYY, MON, HH24, FF3, TZH and their kind.

https://cloud.google.com/bigquery/docs/reference/standard-sql/format-elements#format_date_time_as_string
"""

from __future__ import annotations

import datetime
import re

from athena_lab.emulator.engine.dates import offset_at

_ELEMENT = re.compile(
    r'"(?:\\.|[^"\\])*"|Y,YYY|YYYY|YYY|YY|Y|RRRR|RR|MONTH|MON|MM|MI|DDD|DD|DAY|DY|D|HH24|HH12|HH|SSSSS|SS|FF[1-9]'
    r"|A\.M\.|P\.M\.|AM|PM|TZH|TZM|\s+|[-./,';:]",
    re.IGNORECASE,
)
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 (wall-clock time)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def elements(pattern: str) -> list[str]:
    """Take a pattern apart; refuse what is none."""
    made, at = [], 0
    while at < len(pattern):
        found = _ELEMENT.match(pattern, at)
        if found is None:
            raise ValueError(f"Cannot find matched format element at {at} of '{pattern}'")
        made.append(found[0])
        at = found.end()
    return made


def text_of_moment(micros: int, offset: int, pattern: str) -> str:
    """Write a wall-clock moment (microseconds since 1970) with its offset in seconds by a pattern."""
    at = _EPOCH + datetime.timedelta(microseconds=micros)
    return "".join(_written(at, offset, element) for element in elements(pattern))


def _written(at: datetime.datetime, offset: int, element: str) -> str:
    kind = element.upper()
    names = {"MONTH": _MONTHS[at.month - 1], "MON": _MONTHS[at.month - 1][:3], "DAY": _DAYS[at.weekday()],
             "DY": _DAYS[at.weekday()][:3]}  # fmt: skip
    if kind in names:
        return _cased(names[kind], element)
    if kind in ("AM", "PM", "A.M.", "P.M."):
        half = "A" if at.hour < 12 else "P"
        made = f"{half}.M." if "." in kind else f"{half}M"
        return made.lower() if element[0].islower() else made
    if element.startswith('"'):
        return re.sub(r"\\(.)", r"\1", element[1:-1])
    return _number(at, offset, kind) if kind[0].isalpha() else element


def _number(at: datetime.datetime, offset: int, kind: str) -> str:
    if kind.startswith("FF"):
        return f"{at.microsecond:06d}000"[: int(kind[2])]
    hour = (at.hour + 11) % 12 + 1
    seconds = at.hour * 3600 + at.minute * 60 + at.second
    minutes = abs(offset) // 60
    made = {
        "YYYY": f"{at.year:04d}", "RRRR": f"{at.year:04d}",
        "YYY": f"{at.year % 1000:03d}", "YY": f"{at.year % 100:02d}",
        "RR": f"{at.year % 100:02d}", "Y": str(at.year % 10), "Y,YYY": f"{at.year:,}", "MM": f"{at.month:02d}",
        "DDD": f"{at.timetuple().tm_yday:03d}", "DD": f"{at.day:02d}", "D": str(at.isoweekday() % 7 + 1),
        "HH": f"{hour:02d}", "HH12": f"{hour:02d}", "HH24": f"{at.hour:02d}", "MI": f"{at.minute:02d}",
        "SS": f"{at.second:02d}", "SSSSS": f"{seconds:05d}", "TZM": f"{minutes % 60:02d}",
        "TZH": f"{'-' if offset < 0 else '+'}{minutes // 60:02d}",
    }  # fmt: skip
    return made[kind]


def _cased(name: str, element: str) -> str:
    if element[0].islower():
        return name.lower()
    return name.upper() if element[1].isupper() else name


class _Reader:
    """Reads a text by a pattern into the parts of a moment."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.parts: dict[str, int] = {}

    def fail(self, element: str) -> ValueError:
        return ValueError(f"Failed to parse input string '{self.text}' at the format element '{element}'")

    def digits(self, most: int, element: str, *, signed: bool = False) -> str:
        found = re.compile(rf"{'[+-]?' if signed else ''}\d{{1,{most}}}").match(self.text, self.at)
        if found is None:
            raise self.fail(element)
        self.at = found.end()
        return found[0]

    def take(self, element: str) -> None:
        kind = element.upper()
        if element.isspace():
            while self.at < len(self.text) and self.text[self.at].isspace():
                self.at += 1
        elif kind in ("MONTH", "MON"):
            self.parts["MM"] = self._name(_MONTHS, kind == "MON", element) + 1
        elif kind in ("DAY", "DY"):
            self._name(_DAYS, kind == "DY", element)
        elif kind in ("AM", "PM", "A.M.", "P.M."):
            self._half(kind, element)
        elif kind[0].isalpha():
            self._number(kind, element)
        else:
            self._literal(element)

    def _name(self, names: tuple[str, ...], is_short: bool, element: str) -> int:  # noqa: FBT001
        rest = self.text[self.at :].lower()
        for index, name in enumerate(names):
            form = name[:3].lower() if is_short else name.lower()
            if rest.startswith(form):
                self.at += len(form)
                return index
        raise self.fail(element)

    def _half(self, kind: str, element: str) -> None:
        given = self.text[self.at : self.at + len(kind)].upper()
        if given not in (kind, kind.replace("A", "P", 1), kind.replace("P", "A", 1)):
            raise self.fail(element)
        self.parts["PM"] = int(given.startswith("P"))
        self.at += len(kind)

    def _number(self, kind: str, element: str) -> None:
        if kind.startswith("FF"):
            given, most = self.digits(9, element), int(kind[2])
            self.parts["FF"] = round(round(float(f"0.{given}"), most) * 1_000_000)
        elif kind == "Y,YYY":
            found = re.compile(r"(\d{1,2}),(\d{3})").match(self.text, self.at)
            if found is None:
                raise self.fail(element)
            self.at, self.parts["YYYY"] = found.end(), int(found[1] + found[2])
        else:
            most = {"YYYY": 5, "RRRR": 4, "YYY": 3, "DDD": 3, "SSSSS": 5, "Y": 1, "D": 1}.get(kind, 2)
            given = self.digits(most, element, signed=kind == "TZH")
            if kind == "TZH":
                self.parts["SIGN"] = -1 if given.startswith("-") else 1
            self.parts[{"HH": "HH12", "RRRR": "YYYY"}.get(kind, kind)] = abs(int(given))

    def _literal(self, element: str) -> None:
        wanted = re.sub(r"\\(.)", r"\1", element[1:-1]) if element.startswith('"') else element
        if not self.text.startswith(wanted, self.at):
            raise self.fail(element)
        self.at += len(wanted)


def moment_of_text(text: str, pattern: str, zone: str) -> int:
    """Read a moment; microseconds since 1970, in UTC if `zone` is not empty, else as the clock on the wall."""
    reader = _Reader(text.strip())
    for element in elements(pattern.strip()):
        reader.take(element)
    if reader.at != len(reader.text):
        raise reader.fail("its end")
    try:
        at = _moment(reader.parts)
    except ValueError as error:
        raise ValueError(f"Failed to parse input string '{text}': {error}") from error
    micros = (at - _EPOCH) // datetime.timedelta(microseconds=1)
    if not zone:
        return micros
    if "TZH" in reader.parts:
        minutes = reader.parts["TZH"] * 60 + reader.parts.get("TZM", 0)
        return micros - reader.parts["SIGN"] * minutes * 60_000_000
    return micros - offset_at(at, zone) * 1_000_000


def _moment(parts: dict[str, int]) -> datetime.datetime:
    today = datetime.datetime.now(datetime.UTC)
    year = _year(parts, today.year)
    month = parts.get("MM", today.month)
    if "DDD" in parts:
        day = datetime.datetime(year, 1, 1) + datetime.timedelta(days=parts["DDD"] - 1)  # noqa: DTZ001 (a clock's)
    else:
        day = datetime.datetime(year, month, parts.get("DD", 1))  # noqa: DTZ001 (a clock's)
    if "SSSSS" in parts:
        return day + datetime.timedelta(seconds=parts["SSSSS"], microseconds=parts.get("FF", 0))
    hour = parts.get("HH24", 0)
    if "HH12" in parts:
        hour = parts["HH12"] % 12 + 12 * parts.get("PM", 0)
    return day + datetime.timedelta(
        hours=hour, minutes=parts.get("MI", 0), seconds=parts.get("SS", 0), microseconds=parts.get("FF", 0)
    )


def _year(parts: dict[str, int], present: int) -> int:
    if "YYYY" in parts:
        return parts["YYYY"]
    if "RR" in parts:
        century = present // 100 * 100
        far = (parts["RR"] < 50) - (present % 100 < 50)
        return century + parts["RR"] + (100 if far > 0 else -100 if far < 0 else 0)
    for kind, size in (("YYY", 1000), ("YY", 100), ("Y", 10)):
        if kind in parts:
            return present // size * size + parts[kind]
    return present


FUNCTIONS = {
    "athena_text_of_moment": (text_of_moment, ["BIGINT", "BIGINT", "VARCHAR"], "VARCHAR"),
    "athena_moment_of_text": (moment_of_text, ["VARCHAR", "VARCHAR", "VARCHAR"], "BIGINT"),
}

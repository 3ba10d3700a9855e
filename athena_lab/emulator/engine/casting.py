"""CAST between texts and intervals, and whole numbers written in hexadecimal.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#interval_type
"""

from __future__ import annotations

import re

_CANONICAL = (
    re.compile(
        r"(?P<ys>[+-]?)(?P<y>\d+)-(?P<m>\d+)(?: (?P<d>[+-]?\d+)(?: (?P<ts>[+-]?)(?P<h>\d+)"
        r"(?::(?P<mi>\d+)(?::(?P<s>\d+)(?:\.(?P<f>\d{1,6}))?)?)?)?)?"
    ),
    re.compile(r"(?P<d>[+-]?\d+) (?P<ts>[+-]?)(?P<h>\d+):(?P<mi>\d+)(?::(?P<s>\d+)(?:\.(?P<f>\d{1,6}))?)?"),
    re.compile(r"(?P<ts>[+-]?)(?P<h>\d+):(?P<mi>\d+):(?P<s>\d+)(?:\.(?P<f>\d{1,6}))?"),
)
"""Years to seconds, days to seconds, hours to seconds; what is left out at an end is 0."""
_ISO = re.compile(r"P(?:-?\d+[YMWD])*(?:T(?:-?\d+[HM]|-?\d+(?:[.,]\d{1,6})?S)*)?")
_ISO_PART = re.compile(r"(-?)(\d+)(?:[.,](\d+))?([YMWDHS])|T")
_MONTHS, _DAYS, _MICROS = 120_000, 3_660_000, 316_224_000_000_000_000
"""The most that an INTERVAL may have of each."""
_UNITS = {
    "DY": (12, 0, 0), "DM": (1, 0, 0), "DW": (0, 7, 0), "DD": (0, 1, 0), "TH": (0, 0, 3_600_000_000),
    "TM": (0, 0, 60_000_000), "TS": (0, 0, 1_000_000),
}  # fmt: skip


def hexadecimal(text: str) -> int:
    """CAST of '0x1F' to INT64."""
    value = int(text.strip(), 16)
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"Bad int64 value: {text}")
    return value


def interval_parts(text: str) -> str:
    """CAST of a text to INTERVAL ('1-2 3 4:5:6.7', 'P1Y2M3DT4H5M6S'), in DuckDB's words."""
    months, days, micros = _iso(text) if text.startswith("P") else _canonical(text)
    if abs(months) > _MONTHS or abs(days) > _DAYS or abs(micros) > _MICROS:
        raise ValueError(f"Invalid INTERVAL value '{text}': out of range")
    return f"{months} months {days} days {micros} microseconds"


def _canonical(text: str) -> tuple[int, int, int]:
    found = next(filter(None, (pattern.fullmatch(text) for pattern in _CANONICAL)), None)
    if found is None:
        raise ValueError(f"Invalid INTERVAL value '{text}'")
    part = found.groupdict()
    months = (int(part.get("y") or 0) * 12 + int(part.get("m") or 0)) * (-1 if part.get("ys") == "-" else 1)
    seconds = int(part["h"] or 0) * 3600 + int(part["mi"] or 0) * 60 + int(part["s"] or 0)
    micros = seconds * 1_000_000 + int(f"{part['f'] or '':0<6}")
    return months, int(part.get("d") or 0), micros * (-1 if part["ts"] == "-" else 1)


def _iso(text: str) -> tuple[int, int, int]:
    """Any number of parts in any order, days' before T and the clock's after it."""
    if not _ISO.fullmatch(text) or text == "P":
        raise ValueError(f"Invalid INTERVAL value '{text}'")
    sums, half = [0, 0, 0], "D"
    for found in _ISO_PART.finditer(text, 1):
        if found[0] == "T":
            half = "T"
            continue
        micros = int(found[2]) * 1_000_000 + int(f"{found[3] or '':0<6}")
        factors = _UNITS[half + found[4]]
        for index, factor in enumerate(factors):
            sums[index] += factor * micros // 1_000_000 * (-1 if found[1] else 1)
    return sums[0], sums[1], sums[2]


def interval_written(months: int, days: int, micros: int) -> str:
    """CAST of an INTERVAL to STRING."""
    sign = "-" if micros < 0 else ""
    seconds, rest = divmod(abs(micros), 1_000_000)
    fraction = f".{rest:06d}" if rest % 1000 else f".{rest // 1000:03d}" if rest else ""
    years = f"{'-' if months < 0 else ''}{abs(months) // 12}-{abs(months) % 12}"
    return f"{years} {days} {sign}{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}{fraction}"


FUNCTIONS = {
    "athena_hexadecimal": (hexadecimal, ["VARCHAR"], "BIGINT"),
    "athena_interval_parts": (interval_parts, ["VARCHAR"], "VARCHAR"),
    "athena_interval_written": (interval_written, ["BIGINT", "BIGINT", "BIGINT"], "VARCHAR"),
}

"""CAST between texts and intervals, and whole numbers written in hexadecimal.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#interval_type
"""

from __future__ import annotations

import re

_CANONICAL = re.compile(
    r"(?:(?P<ys>[+-]?)(?P<y>\d+)-(?P<m>\d+))?(?:(?:^|\s+)(?P<d>[+-]?\d+)(?![\d:.-]))?"
    r"(?:(?:^|\s+)(?P<ts>[+-]?)(?P<h>\d+):(?P<mi>\d+)(?::(?P<s>\d+)(?P<f>\.\d{0,9})?)?)?$"
)
_ISO = re.compile(
    r"P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)W)?(?:(-?\d+)D)?"
    r"(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?\d*(?:[.,]\d+)?)S)?)?$"
)


def hexadecimal(text: str) -> int:
    """CAST of '0x1F' to INT64."""
    value = int(text.strip(), 16)
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"Bad int64 value: {text}")
    return value


def interval_parts(text: str) -> str:
    """CAST of a text to INTERVAL ('1-2 3 4:5:6.7', 'P1Y2M3DT4H5M6S'), in DuckDB's words."""
    months, days, micros = _iso(text) if text.startswith("P") else _canonical(text)
    return f"{months} months {days} days {micros} microseconds"


def _canonical(text: str) -> tuple[int, int, int]:
    found = _CANONICAL.match(text.strip())
    if found is None or not any(found[name] for name in ("y", "h")):
        raise ValueError(f"Invalid INTERVAL value '{text}'")
    months = (int(found["y"] or 0) * 12 + int(found["m"] or 0)) * (-1 if found["ys"] == "-" else 1)
    seconds = int(found["h"] or 0) * 3600 + int(found["mi"] or 0) * 60 + int(found["s"] or 0)
    micros = seconds * 1_000_000 + int(f"{(found['f'] or '.')[1:]:0<6}"[:6])
    return months, int(found["d"] or 0), micros * (-1 if found["ts"] == "-" else 1)


def _iso(text: str) -> tuple[int, int, int]:
    found = _ISO.match(text)
    if found is None or not any(found.groups()):
        raise ValueError(f"Invalid INTERVAL value '{text}'")
    years, months, weeks, days, hours, minutes = (int(part or 0) for part in found.groups()[:6])
    micros = round(float((found[7] or "0").replace(",", ".")) * 1_000_000)
    return years * 12 + months, weeks * 7 + days, (hours * 3600 + minutes * 60) * 1_000_000 + micros


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

"""Whether the rows of an answer are those expected: by value, not by how they are written."""

from __future__ import annotations

import base64
import datetime
import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any

_RELATIVE = 1e-5
_ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)


def differences(expected: list[Any], rows: list[Any], fields: list[dict[str, Any]], query: str) -> str | None:
    """Say how the answer differs, None where it does not; order counts only where the query orders."""
    if len(expected) != len(rows):
        return f"{len(rows)} rows, expected {len(expected)}: {_short(rows)} for {_short(expected)}"
    found = [[cell["v"] for cell in row["f"]] for row in rows]
    if _is_ordered(query):
        return next(
            (
                _told(want, have)
                for want, have in zip(expected, found, strict=True)
                if not row_equal(want, have, fields)
            ),
            None,
        )
    left = list(found)
    for want in expected:
        at = next((index for index, have in enumerate(left) if row_equal(want, have, fields)), None)
        if at is None:
            return _told(want, found if len(found) < 4 else left[:3])
        left.pop(at)
    return None


def _told(want: Any, have: Any) -> str:
    return f"expected {_short(want)}, got {_short(have)}"


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:160]


def _is_ordered(query: str) -> bool:
    """Tell whether ORDER BY stands outside of all parentheses in the last statement."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"|--[^\n]*", "", query)
    while True:
        shorter = re.sub(r"\([^()]*\)", "", text)
        if shorter == text:
            break
        text = shorter
    return bool(_ORDER.search(text.rstrip("; \n").rpartition(";")[2]))


def row_equal(want: Any, have: list[Any], fields: list[dict[str, Any]]) -> bool:
    """Compare a row given by name (an object) or by position (a list)."""
    if isinstance(want, dict):
        by_name = {item["name"].lower(): index for index, item in enumerate(fields)}
        if len(want) != len(fields) or any(name.lower() not in by_name for name in want):
            return False
        return all(
            value_equal(value, have[by_name[name.lower()]], fields[by_name[name.lower()]])
            for name, value in want.items()
        )
    if not isinstance(want, list) or len(want) != len(have):
        return False
    return all(value_equal(one, two, item) for one, two, item in zip(want, have, fields, strict=True))


def value_equal(want: Any, have: Any, field: dict[str, Any]) -> bool:
    """Compare a value as expected with one as the REST API writes it."""
    if isinstance(want, dict) and "__opaque__" in want:
        return have is not None
    if field.get("mode") == "REPEATED":
        return _array_equal(want, have, field)
    if have is None or want is None or want == "null":
        return have is None and want in (None, "null")
    if field["type"] in ("RECORD", "STRUCT"):
        return _struct_equal(want, have, field)
    try:
        return bool(_TESTS.get(field["type"], _text_equal)(want, have))
    except (ValueError, TypeError, InvalidOperation, KeyError):
        return False


def _array_equal(want: Any, have: Any, field: dict[str, Any]) -> bool:
    if want is None or want == "null":
        return not have
    if isinstance(want, str):
        try:
            want = json.loads(want)
        except ValueError:
            return False
    element = {**field, "mode": "NULLABLE"}
    cells = [cell["v"] for cell in have or ()]
    return (
        isinstance(want, list)
        and len(want) == len(cells)
        and all(value_equal(one, two, element) for one, two in zip(want, cells, strict=True))
    )


def _struct_equal(want: Any, have: Any, field: dict[str, Any]) -> bool:
    if isinstance(want, dict) and "__map__" in want:
        values = [value for _, value in want["__map__"]]
    elif isinstance(want, dict):
        values = list(want.values())
    elif isinstance(want, str):
        try:
            parsed = json.loads(want)
        except ValueError:
            return False
        values = list(parsed.values()) if isinstance(parsed, dict) else parsed
    else:
        values = [
            next(iter(part.values())) if isinstance(part, dict) and len(part) == 1 and "__ts__" not in part else part
            for part in want
        ]
    cells = [cell["v"] for cell in have["f"]]
    return len(values) == len(cells) and all(
        value_equal(one, two, part) for one, two, part in zip(values, cells, field["fields"], strict=True)
    )


def _float_equal(want: Any, have: Any) -> bool:
    one, two = _number(want), float(have)
    if math.isnan(one) or math.isnan(two):
        return math.isnan(one) and math.isnan(two)
    return one == two or math.isclose(one, two, rel_tol=_RELATIVE, abs_tol=1e-12)


def _number(want: Any) -> float:
    if isinstance(want, dict):
        want = want["__f__"]
    return float(want.replace("+", "")) if isinstance(want, str) else float(want)


def _boolean_equal(want: Any, have: Any) -> bool:
    return str(want).lower() == str(have).lower()


def _integer_equal(want: Any, have: Any) -> bool:
    return Decimal(str(want)) == int(have) and not isinstance(want, bool)


def _decimal_equal(want: Any, have: Any) -> bool:
    return Decimal(str(want)) == Decimal(str(have))


def _bytes_equal(want: Any, have: Any) -> bool:
    found = base64.b64decode(have)
    if want == have or want == found.decode("utf-8", "replace"):
        return True
    return str(want) in (str(found), repr(found)[2:-1])


def _moment_of(want: Any) -> int:
    if isinstance(want, dict):
        return round(want["__ts__"] * 1_000_000)
    if isinstance(want, int | float):
        return round(want * 1_000_000)
    text = re.sub(r" ?(UTC|Z)$", "+00:00", str(want).strip())
    text = re.sub(r"([+-]\d{2})$", r"\1:00", text)
    made = datetime.datetime.fromisoformat(text)
    made = made if made.tzinfo else made.replace(tzinfo=datetime.UTC)
    return (made - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)


def _timestamp_equal(want: Any, have: Any) -> bool:
    return _moment_of(want) == int(have)


def _clock_equal(want: Any, have: Any) -> bool:
    return _clock(str(want)) == _clock(str(have))


def _clock(text: str) -> str:
    text = text.replace("T", " ")
    return re.sub(r"\.?0+$", "", text) if "." in text else text


def _json_equal(want: Any, have: Any) -> bool:
    found = json.loads(have)
    if want in (found, have):
        return True
    return bool(json.loads(want) == found) if isinstance(want, str) else False


def _range_equal(want: Any, have: Any) -> bool:
    parts = [None if part.strip() == "UNBOUNDED" else part.strip() for part in str(have)[1:-1].split(",")]
    if isinstance(want, dict):
        return [_loose(want.get("start")), _loose(want.get("end"))] == [_loose(part) for part in parts]
    return str(want) == str(have)


def _loose(part: Any) -> Any:
    if part is None:
        return None
    text = str(part)
    if re.fullmatch(r"-?\d+", text) and len(text) > 8:
        return int(text)
    return _moment_of(text) if re.search(r"([+-]\d{2}:\d{2}|Z|UTC)$", text) else _clock(text)


def _interval_equal(want: Any, have: Any) -> bool:
    delta = re.fullmatch(r"relativedelta\((.*)\)", str(want))
    if delta:  # as google-cloud-bigquery gives an INTERVAL to Python: hours above 23 become days
        given = {name: int(value) for name, value in re.findall(r"(\w+)=([+-]?\d+)", delta[1])}
        return _months_days_micros(given) == _months_days_micros(_interval_parts(str(have)))
    return _interval(str(want)) == _interval(str(have))


def _interval_parts(text: str) -> dict[str, int]:
    found = re.fullmatch(r"(-?)(\d+)-(\d+) (-?\d+) (-?)(\d+):(\d+):(\d+)(?:\.(\d+))?", text)
    if found is None:
        return {}
    first, last = -1 if found[1] else 1, -1 if found[5] else 1
    return {
        "years": first * int(found[2]), "months": first * int(found[3]), "days": int(found[4]),
        "hours": last * int(found[6]), "minutes": last * int(found[7]), "seconds": last * int(found[8]),
        "microseconds": last * int(f"{found[9] or 0:0<6}"),
    }  # fmt: skip


def _months_days_micros(parts: dict[str, int]) -> tuple[int, int]:
    days = parts.get("days", 0)
    micros = (parts.get("hours", 0) * 3600 + parts.get("minutes", 0) * 60 + parts.get("seconds", 0)) * 1_000_000
    return parts.get("years", 0) * 12 + parts.get("months", 0), days * 86_400_000_000 + micros + parts.get(
        "microseconds", 0
    )


def _interval(text: str) -> str:
    return re.sub(r"\.(\d*?)0+$", lambda found: f".{found[1]}" if found[1] else "", text)


def _text_equal(want: Any, have: Any) -> bool:
    return str(want) == str(have)


_TESTS = {
    "FLOAT": _float_equal,
    "BOOLEAN": _boolean_equal,
    "INTEGER": _integer_equal,
    "NUMERIC": _decimal_equal,
    "BIGNUMERIC": _decimal_equal,
    "BYTES": _bytes_equal,
    "TIMESTAMP": _timestamp_equal,
    "DATE": _clock_equal,
    "TIME": _clock_equal,
    "DATETIME": _clock_equal,
    "JSON": _json_equal,
    "RANGE": _range_equal,
    "INTERVAL": _interval_equal,
}

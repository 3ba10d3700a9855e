"""Time zones: names, and offsets from UTC (+05:45), of which DuckDB knows the names only."""

from __future__ import annotations

import re

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.sql.rules.calls import call

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?$")


def clock_at(zone: exp.Expression | str | None, moment: exp.Expression) -> exp.Expression:
    """Give the wall-clock time of a TIMESTAMP in a zone."""
    return _changed("athena_clock_at", zone, moment, sign=1)


def moment_of(zone: exp.Expression | str | None, clock: exp.Expression) -> exp.Expression:
    """Give the TIMESTAMP of a wall-clock time in a zone."""
    return _changed("athena_moment_of", zone, clock, sign=-1)


def _changed(macro: str, zone: exp.Expression | str | None, value: exp.Expression, *, sign: int) -> exp.Expression:
    if isinstance(zone, exp.Literal):
        zone = str(zone.this)
    if zone is None or isinstance(zone, str):
        return _constant("UTC" if zone is None else zone, value, sign=sign)
    return call(macro, zone, value)


def _constant(zone: str, value: exp.Expression, *, sign: int) -> exp.Expression:
    if not zone:
        raise invalid_query("Invalid empty time zone")
    found = _OFFSET.match(zone)
    if found is None:
        is_moment_asked = sign < 0 and zone.upper() != "UTC"
        return call("athena_first_moment" if is_moment_asked else "timezone", zone, value)
    hours, minutes = int(found[2]), int(found[3] or 0)
    if hours > 14 or minutes > 59:
        raise invalid_query(f"Invalid time zone: {zone}")
    seconds = sign * (-1 if found[1] == "-" else 1) * (hours * 3600 + minutes * 60)
    span = call(
        "to_seconds", exp.Literal.number(seconds) if seconds >= 0 else exp.Neg(this=exp.Literal.number(-seconds))
    )
    if sign > 0:
        return exp.Paren(this=exp.Add(this=call("timezone", "UTC", value), expression=span))
    moved = exp.Paren(this=exp.Add(this=exp.Paren(this=value.copy()), expression=span))
    return call("timezone", "UTC", moved)

"""Check a schedule: five cron fields in an IANA zone, firing neither never nor too often, within bounds that can be."""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice

from croniter import croniter

from athena_lab.errors import Fault
from athena_lab.gateway_api.jobs import RunMark, RunMarkKind
from athena_lab.gateway_api.terms import MissedRuns, Schedule
from athena_lab.jobs.cron import Cron, read_cron

MOST_MADE_UP = 1000
"""Runs that a schedule whose start lies in the past may make at once."""
_LONGEST_ZONE = 100
YEARS = range(2000, 2100)
"""Years that a start or an end may lie in: the calendar of cron is checked for no others."""


def schedule_faults(schedule: Schedule, minimum_interval_s: int, now: datetime) -> tuple[Fault, ...]:
    """Give every fault of a schedule, none for one that runs by hand only."""
    faults = [Fault("schedule.timezone", text) for text in _zone_trouble(schedule.timezone)]
    if schedule.cron is None:
        return tuple(faults)
    cron, troubles = _read(schedule.cron, minimum_interval_s)
    faults += [Fault("schedule.cron", text) for text in troubles]
    bounds = _bound_faults(schedule, now)
    if not faults and not bounds and cron is not None:
        bounds = _span_faults(schedule, cron, now)
    return (*faults, *bounds)


def marks_of(runs: Sequence[datetime], schedule: Schedule) -> tuple[RunMark, ...]:
    """Mark the runs where the clocks change: whose wall time was skipped, or comes twice (docs/schedules.md)."""
    cron, _ = read_cron(schedule.cron or "")
    if cron is None:
        return ()
    zone = zoneinfo.ZoneInfo(schedule.timezone)
    marks = []
    for run in runs:
        local = run.astimezone(zone)
        if not cron.names(local.replace(tzinfo=None)):
            marks.append(RunMark(run=run, kind=RunMarkKind.MOVED))
        elif local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
            marks.append(RunMark(run=run, kind=RunMarkKind.REPEATED))
    return tuple(marks)


def count_made_up(schedule: Schedule, now: datetime) -> int:
    """Count the past fires that a schedule would make up for at once, up to one more than `MOST_MADE_UP`."""
    cron, _ = read_cron(schedule.cron or "")
    if cron is None or schedule.start is None or schedule.missed is not MissedRuns.ALL:
        return 0
    last = min(now, schedule.end) if schedule.end else now
    if last < schedule.start:
        return 0
    return _count(cron, schedule, schedule.start, last, MOST_MADE_UP + 1)


def count_fires(schedule: Schedule, first: datetime, last: datetime, limit: int) -> int:
    """Count the fires between two moments, up to a limit (see `count_made_up` on changes of the clocks)."""
    cron, _ = read_cron(schedule.cron or "")
    return 0 if cron is None else _count(cron, schedule, first, last, limit)


# -- the bounds


def _bound_faults(schedule: Schedule, now: datetime) -> list[Fault]:
    faults = []
    for name, moment in (("start", schedule.start), ("end", schedule.end)):
        if moment is not None and moment.year not in YEARS:
            text = f"Cannot {name} the schedule in {moment.year}: no schedule reaches so far. Choose a nearer day."
            faults.append(Fault(f"schedule.{name}", text))
    if faults or schedule.end is None:
        return faults
    shown = f"Cannot end the schedule at {schedule.end:%Y-%m-%d %H:%M %Z}"
    if schedule.start is not None and schedule.end < schedule.start:
        text = f"{shown}: it starts after that, at {schedule.start:%Y-%m-%d %H:%M %Z}. Choose a later end."
        return [Fault("schedule.end", text)]
    if schedule.end <= now:
        return [Fault("schedule.end", f"{shown}: that is over already. Choose a later end, or none.")]
    return []


def _span_faults(schedule: Schedule, cron: Cron, now: datetime) -> list[Fault]:
    """Refuse a span without a fire, and one that would make up for too many at once."""
    count = count_made_up(schedule, now)
    if count > MOST_MADE_UP and schedule.start is not None:
        text = (
            f"Cannot start the schedule at {schedule.start:%Y-%m-%d %H:%M %Z} and make up for every missed run: more "
            f"than {MOST_MADE_UP} would run at once. Choose a later start, or backfill a part of them."
        )
        return [Fault("schedule.start", text)]
    if schedule.end is None:
        return []
    later = now + timedelta(microseconds=1)
    first = schedule.start or later
    first = first if schedule.missed is MissedRuns.ALL else max(first, later)
    if _count(cron, schedule, first, schedule.end, 1):
        return []
    text = f"Cannot end the schedule at {schedule.end:%Y-%m-%d %H:%M %Z}: it would never run. Choose a later end."
    return [Fault("schedule.end", text)]


def _count(cron: Cron, schedule: Schedule, first: datetime, last: datetime, limit: int) -> int:
    """Count wall times between two moments; where the clocks change it may differ from the fires by a few."""
    zone = zoneinfo.ZoneInfo(schedule.timezone)
    from_, to = (moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) for moment in (first, last))
    return sum(1 for _ in islice(cron.walls(from_, to), limit))


# -- the zone


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    """Give every IANA zone by its name in lower case."""
    return {name.casefold(): name for name in zoneinfo.available_timezones()}


def _zone_trouble(timezone: str) -> list[str]:
    zones = _zones()
    if timezone in zones.values():
        return []
    folded = timezone[:_LONGEST_ZONE].casefold()
    cities = {key.rsplit("/", 1)[-1]: key for key in zones}
    near = [folded] if folded in zones else difflib.get_close_matches(folded, zones, n=3, cutoff=0.7)
    near += [cities[city] for city in difflib.get_close_matches(folded.replace(" ", "_"), cities, n=2, cutoff=0.8)]
    names = " or ".join(f"'{zones[key]}'" for key in dict.fromkeys(near))
    todo = f"Did you mean {names}?" if names else "Use an IANA name such as 'Europe/London'."
    return [f"Cannot schedule in the time zone '{timezone[:60]}': no zone has that name. {todo}"]


# -- the cron expression


def _read(text: str, minimum_interval_s: int) -> tuple[Cron | None, list[str]]:
    shown = f"Cannot schedule: cron '{text[:80]}'"
    cron, troubles = read_cron(text)
    if cron is None:
        return None, [f"{shown} {trouble}" for trouble in troubles]
    if not cron.days():
        return None, [f"{shown} never fires: no year has such a day. Choose a day that exists."]
    # Airflow reads cron with croniter, which has the last word.
    if not croniter.is_valid(text):
        return None, [f"{shown} is not one that Airflow understands. Use numbers, '*', ',', '-' and '/'."]
    interval = cron.shortest_interval_s()
    if interval < minimum_interval_s:
        often, allowed = _spoken(interval), _spoken(minimum_interval_s)
        return None, [f"{shown} fires every {often}; the shortest interval allowed is {allowed}. Make it rarer."]
    return cron, []


def _spoken(seconds: int) -> str:
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}" + ("" if count == 1 else "s")
    return f"{seconds} seconds"

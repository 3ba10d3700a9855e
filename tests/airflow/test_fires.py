"""The runs that a preview promises against an expansion of cron of our own, by the rule of docs/schedules.md."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest

PROGRAM = Path(__file__).with_name("fires_process.py")
AFTER, UNTIL = datetime(2026, 11, 24, tzinfo=UTC), datetime(2031, 11, 24, tzinfo=UTC)
TRICKY = ("Europe/London", "America/New_York", "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca",
          "America/Santiago", "Asia/Beirut", "Africa/Cairo", "America/Nuuk", "Pacific/Chatham")  # fmt: skip
FULL = (range(60), range(24), range(1, 32), range(1, 13), range(7))


class Cron:
    """Five fields as sets of numbers, and the text that says so; None is `*`."""

    def __init__(self, *fields):
        self.text = " ".join("*" if field is None else ",".join(map(str, sorted(field))) for field in fields)
        self.sets = [set(full if field is None else field) for field, full in zip(fields, FULL, strict=True)]
        self.is_either = fields[2] is not None and fields[4] is not None
        self.is_hourly = self.sets[1] == set(range(24))
        self.times = sorted(time(hour, minute) for hour in self.sets[1] for minute in self.sets[0])

    def is_day(self, day):
        named = (day.day in self.sets[2], (day.weekday() + 1) % 7 in self.sets[4])
        return day.month in self.sets[3] and (any(named) if self.is_either else all(named))

    def next_wall(self, wall):
        """The first wall time after this one that the five fields name."""
        day = wall.date()
        while True:
            if self.is_day(day):
                for moment in self.times:
                    if datetime.combine(day, moment) > wall:
                        return datetime.combine(day, moment)
            day += timedelta(days=1)


def expand(cron, timezone, after, until):
    """The rule of docs/schedules.md, over zoneinfo."""
    zone, now, fires = ZoneInfo(timezone), after, []
    while True:
        wall = now.astimezone(zone).replace(tzinfo=None)
        named = cron.next_wall(wall)
        before, behind = (named.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
        if cron.is_hourly:
            now += named - wall
        else:  # skipped: as if the clocks had not changed yet; twice: the second
            now = (named - (before if behind > before else behind)).replace(tzinfo=UTC)
        if now > until:
            return fires
        fires.append(int(now.timestamp()))


def random_cron(chance):
    def some(low, high, most):
        return set(chance.sample(range(low, high), chance.randint(1, most)))

    hours = None if chance.random() < 0.15 else some(0, 24, 4) if chance.random() < 0.5 else some(0, 4, 3)
    days = some(1, 32, 4) if chance.random() < 0.25 else None
    months = some(1, 13, 5) if chance.random() < 0.2 else None
    week_days = some(0, 7, 3) if chance.random() < 0.25 else None
    if days and max(days) > 28 and months:
        months.add(1)  # so that there is such a day
    return Cron(some(0, 60, 2 if hours is None else 3), hours, days, months, week_days)


def told(airflow_process, cases):
    asked = [[cron.text, zone, after.isoformat(), until.isoformat()] for cron, zone, after, until in cases]
    done = airflow_process(PROGRAM.read_text(), stdin=json.dumps(asked))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def differences(airflow_process, cases):
    found = []
    for (cron, zone, after, until), fires in zip(cases, told(airflow_process, cases), strict=True):
        expected = expand(cron, zone, after, until)
        if fires != expected:
            odd = sorted(set(fires) ^ set(expected))[:3]
            found.append((cron.text, zone, [datetime.fromtimestamp(one, UTC).isoformat() for one in odd]))
    return found


def changes_of(zone, chance):
    """The hours around one change of a zone's clocks in the five years, else around any day."""
    moments = [AFTER + timedelta(days=day) for day in range((UNTIL - AFTER).days)]
    offsets = [moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in moments]
    changes = [moment for moment, one, other in zip(moments, offsets, offsets[1:], strict=False) if one != other]
    return chance.choice(changes or moments)


def test_previews_agree_with_the_rule_around_changes_of_the_clocks(airflow_process):
    chance = random.Random(6)
    zones = [*TRICKY, *chance.sample(sorted(available_timezones()), 30)]
    cases = []
    for zone in zones:
        for _ in range(5):
            after = changes_of(zone, chance) - timedelta(hours=chance.randint(12, 72), minutes=chance.randint(0, 59))
            cases.append((random_cron(chance), zone, after, after + timedelta(days=6)))
    leap = Cron({30}, {2}, {29}, {2}, None)
    cases += [(leap, zone, AFTER, datetime(2041, 1, 1, tzinfo=UTC)) for zone in TRICKY]
    assert differences(airflow_process, cases) == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_previews_agree_with_the_rule_in_200_zones_over_five_years(airflow_process):
    chance = random.Random(7)
    zones = [*TRICKY, *chance.sample(sorted(available_timezones() - set(TRICKY)), 190)]
    cases = [(random_cron(chance), zone, AFTER, UNTIL) for zone in zones for _ in range(2)]
    assert len(set(zones)) == 200
    assert differences(airflow_process, cases) == []

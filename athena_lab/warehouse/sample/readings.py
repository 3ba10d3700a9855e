"""Half-hourly smart-meter readings: household routine, weather, heat pumps, cars and solar panels.

The shape is the field's usual one: a morning and a higher evening peak on workdays, a late flat
morning at weekends and holidays, electric heating that rises as it gets colder, export cut off at zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from athena_lab.warehouse.sample.plan import ZONE, Plan

HALF_HOURS = 48
HOLIDAYS = frozenset({(12, 25), (12, 26), (1, 1), (4, 27), (5, 5)})
"""Dutch public holidays with a fixed date (month, day)."""
COMFORT_C = 16.0
ESTIMATED_SHARE = 0.004

Floats = Any
"""A NumPy array of floats."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Outdoor temperature (Celsius) and sunshine (0 to 1) for each half hour."""

    temperature: Floats
    sunshine: Floats


def make_readings(plan: Plan, meters: pa.Table) -> pa.Table:
    """Simulate every meter's half hours over the plan's local days; `read_at` is the half hour's start (UTC)."""
    moments = _moments(plan)
    hours = np.array([moment.hour + moment.minute / 60 for moment in moments])
    free = np.array([_is_free(moment.date()) for moment in moments])
    weather = make_weather(plan, moments)
    routine = np.where(free, _routine(hours, 9.5, 18.0), _routine(hours, 7.3, 18.8))
    columns = [_kwh_of(plan, meter, routine, hours, weather) for meter in meters.to_pylist()]
    kwh = np.concatenate(columns).round(3)
    count, width = meters.num_rows, len(moments)
    estimated = plan.random("quality").random(count * width) < ESTIMATED_SHARE
    return pa.table(
        {
            "meter_id": meters["meter_id"].combine_chunks().take(np.repeat(np.arange(count), width)),
            "read_at": pa.array(np.tile(_utc(moments), count), pa.timestamp("us", tz="UTC")),
            "kwh": kwh,
            "temperature": np.tile(weather.temperature.round(1), count),
            "quality": pa.array(np.where(estimated, "estimated", "measured")),
        }
    )


def make_weather(plan: Plan, moments: list[datetime]) -> Weather:
    """Simulate weather: the year, the hour, and fronts that last for days (a first-order autoregression)."""
    random = plan.random("weather")
    hours = np.array([moment.hour + moment.minute / 60 for moment in moments])
    day = np.array([moment.timetuple().tm_yday for moment in moments])
    front = np.zeros(len(moments))
    for index, shock in enumerate(random.normal(0, 0.28, len(moments))):
        front[index] = 0.995 * front[index - 1] + shock if index else shock
    season = 10.5 - 7.5 * np.cos(2 * np.pi * (day - 20) / 365)
    height = np.clip(np.sin((hours - 8.3) / 8.0 * np.pi), 0, None) * np.where((hours > 8.3) & (hours < 16.3), 1, 0)
    clouds = np.clip(0.55 + 0.1 * front, 0.1, 0.95)
    temperature = season + front + 2.2 * np.cos(2 * np.pi * (hours - 15) / 24)
    return Weather(temperature, height * (1 - clouds))


def _kwh_of(plan: Plan, meter: dict[str, Any], routine: Floats, hours: Floats, weather: Weather) -> Floats:
    random = plan.random(meter["meter_id"])
    average = meter["expected_kwh_a_year"] / 365 / HALF_HOURS
    noise = random.lognormal(-0.045, 0.3, len(hours))
    kwh = average * np.roll(routine, int(random.integers(-2, 3))) * noise
    if meter["has_heat_pump"]:
        kwh = kwh + np.clip(COMFORT_C - weather.temperature, 0, None) * random.uniform(0.025, 0.05)
    if meter["has_car"]:
        kwh = kwh + _charging(random, hours)
    if meter["has_solar"]:
        kwh = np.clip(kwh - weather.sunshine * random.uniform(0.5, 1.6), 0, None)
    return kwh


def _charging(random: Any, hours: Floats) -> Floats:
    """A car that is charged on two evenings of five, with 3.7 kW from 19 or 23 o'clock for three hours."""
    start = float(random.choice([19.0, 23.0]))
    nights = np.repeat(random.random(len(hours) // HALF_HOURS + 1) < 0.4, HALF_HOURS)[: len(hours)]
    return np.where(nights & ((hours - start) % 24 < 3), 3.7 / 2, 0.0)


def _routine(hours: Floats, morning: float, evening: float) -> Floats:
    """A day's shape with mean 1: a night's floor and two bumps."""
    shape = 0.45 + 0.75 * np.exp(-(((hours - morning) / 1.6) ** 2)) + 1.5 * np.exp(-(((hours - evening) / 2.4) ** 2))
    return shape / shape.mean()


def _moments(plan: Plan) -> list[datetime]:
    """Every half hour of the local days; a day with a change of the clock has 46 or 50."""
    zone = ZoneInfo(ZONE)
    begin = datetime.combine(plan.start, time(), zone).astimezone(ZoneInfo("UTC"))
    end = datetime.combine(plan.start + timedelta(days=plan.days), time(), zone).astimezone(ZoneInfo("UTC"))
    count = int((end - begin) / timedelta(minutes=30))
    return [(begin + timedelta(minutes=30 * index)).astimezone(zone) for index in range(count)]


def _utc(moments: list[datetime]) -> Floats:
    return np.array([int(moment.timestamp() * 1_000_000) for moment in moments], dtype="int64")


def _is_free(day: date) -> bool:
    return day.weekday() >= 5 or (day.month, day.day) in HOLIDAYS

"""The simulated supplier: the same plan gives the same rows, and the shape is that of real meters."""

from datetime import date

import pytest

from athena_lab.warehouse.sample import Plan, people
from athena_lab.warehouse.sample.readings import make_readings

PLAN = Plan(customers=60, days=14)


@pytest.fixture(scope="module")
def readings():
    frame = make_readings(PLAN, people.make_meters(PLAN)).to_pandas()
    frame["hour"] = frame.read_at.dt.tz_convert("Europe/Amsterdam").dt.hour
    return frame


def test_same_plan_gives_the_same_rows():
    assert make_readings(PLAN, people.make_meters(PLAN)).equals(make_readings(PLAN, people.make_meters(PLAN)))
    assert people.make_customers(PLAN).equals(people.make_customers(PLAN))


def test_other_seed_gives_other_rows():
    other = Plan(customers=60, days=14, seed=1)
    assert not people.make_customers(PLAN).equals(people.make_customers(other))


def test_every_meter_has_every_half_hour(readings):
    assert len(readings) == 60 * 14 * 48
    assert not readings.duplicated(["meter_id", "read_at"]).any()


def test_day_with_a_change_of_the_clock_has_46_half_hours():
    plan = Plan(customers=1, days=1, start=date(2026, 3, 29))
    assert make_readings(plan, people.make_meters(plan)).num_rows == 46


def test_evening_uses_more_than_night_and_nothing_is_negative(readings):
    by_hour = readings.groupby("hour").kwh.mean()
    assert by_hour[18:20].mean() > 1.5 * by_hour[2:5].mean()
    assert readings.kwh.min() >= 0


def test_cold_days_use_more(readings):
    days = readings.groupby(readings.read_at.dt.date).agg(kwh=("kwh", "sum"), temperature=("temperature", "mean"))
    assert days.kwh.corr(days.temperature) < -0.5


def test_agreements_of_a_meter_do_not_overlap():
    rows = people.make_agreements(PLAN).to_pandas().sort_values(["meter_id", "start_date"])
    ends = rows.groupby("meter_id").end_date.shift(1).dropna()
    assert len(ends)
    assert (ends == rows.start_date[ends.index]).all()

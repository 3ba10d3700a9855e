"""Customers, their meters and agreements, and the tariffs that they may choose."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from athena_lab.warehouse.sample.names import BANKS, CITIES, FIRST_NAMES, LAST_NAMES, STREETS
from athena_lab.warehouse.sample.plan import Plan

HEAT_PUMP_SHARE, SOLAR_SHARE, CAR_SHARE = 0.22, 0.35, 0.15


def make_customers(plan: Plan) -> pa.Table:
    """Invent people; every name, address and account number is made up (bank checks fail on purpose)."""
    random = plan.random("customers")
    rows = []
    for index in range(plan.customers):
        first, last = str(random.choice(FIRST_NAMES)), str(random.choice(LAST_NAMES))
        city, code = CITIES[int(random.integers(len(CITIES)))]
        born = date(1935, 1, 1) + timedelta(days=int(random.integers(0, 26_000)))
        joined = datetime(2019, 1, 1, tzinfo=UTC) + timedelta(minutes=int(random.integers(0, 3_000_000)))
        rows.append(
            {
                "customer_id": customer_id(index),
                "first_name": first,
                "last_name": last,
                "email": f"{_ascii(first)}.{_ascii(last)}{index}@example.com",
                "phone": f"+31 6 {random.integers(10_000_000, 99_999_999)}",
                "iban": f"NL00 {random.choice(BANKS)} {random.integers(10**9, 10**10 - 1)}",
                "birth_date": born,
                "street": str(random.choice(STREETS)),
                "house_number": int(random.integers(1, 240)),
                "postal_code": f"{code}{random.integers(10, 99)} {_letter(random)}{_letter(random)}",
                "city": city,
                "joined_at": joined,
            }
        )
    return pa.Table.from_pylist(rows)


def make_meters(plan: Plan) -> pa.Table:
    """Give each customer one meter, some with a heat pump, solar panels or a car behind it."""
    random = plan.random("meters")
    rows = []
    for index in range(plan.customers):
        rows.append(
            {
                "meter_id": meter_id(index),
                "customer_id": customer_id(index),
                "model": str(random.choice(["ISKRA AM550", "Landis E360", "Kaifa MA304"])),
                "installed_on": date(2016, 1, 1) + timedelta(days=int(random.integers(0, 3_200))),
                "has_heat_pump": bool(random.random() < HEAT_PUMP_SHARE),
                "has_solar": bool(random.random() < SOLAR_SHARE),
                "has_car": bool(random.random() < CAR_SHARE),
                "expected_kwh_a_year": round(float(random.lognormal(7.9, 0.35)), 1),
            }
        )
    return pa.Table.from_pylist(rows)


def make_agreements(plan: Plan) -> pa.Table:
    """Give each customer an agreement; one in eight moved to another tariff in the middle of the days."""
    random = plan.random("agreements")
    tariffs = [row["tariff_id"] for row in make_tariffs().to_pylist()]
    rows: list[dict[str, Any]] = []
    for index in range(plan.customers):
        begin = plan.start - timedelta(days=int(random.integers(60, 1_500)))
        tariff, next_tariff = (str(item) for item in random.choice(tariffs, size=2, replace=False))
        moved = plan.start + timedelta(days=plan.days // 2) if random.random() < 1 / 8 else None
        rows.append(_agreement(len(rows), index, tariff, begin, moved))
        if moved is not None:
            rows.append(_agreement(len(rows), index, next_tariff, moved, None))
    return pa.Table.from_pylist(rows, schema=AGREEMENTS)


def make_tariffs() -> pa.Table:
    """Give the supplier's five tariffs, in euro."""
    return pa.Table.from_pylist(
        [
            {
                "tariff_id": identifier,
                "name": name,
                "price_per_kwh": Decimal(price),
                "standing_charge_per_day": Decimal(charge),
                "is_green": is_green,
                "valid_from": date(2025, 1, 1),
            }
            for identifier, name, price, charge, is_green in _TARIFFS
        ],
        schema=TARIFFS,
    )


def customer_id(index: int) -> str:
    """Name the customer of an index."""
    return f"C{index + 1:06d}"


def meter_id(index: int) -> str:
    """Name the meter of an index."""
    return f"M{871_000_000 + index * 37:09d}"


AGREEMENTS = pa.schema(
    [
        ("agreement_id", pa.string()),
        ("customer_id", pa.string()),
        ("meter_id", pa.string()),
        ("tariff_id", pa.string()),
        ("start_date", pa.date32()),
        ("end_date", pa.date32()),
    ]
)
TARIFFS = pa.schema(
    [
        ("tariff_id", pa.string()),
        ("name", pa.string()),
        ("price_per_kwh", pa.decimal128(38, 9)),
        ("standing_charge_per_day", pa.decimal128(38, 9)),
        ("is_green", pa.bool_()),
        ("valid_from", pa.date32()),
    ]
)
_TARIFFS = (
    ("FLEX", "Flexible", "0.2815", "0.18", False),
    ("FIX1", "Fixed one year", "0.2640", "0.21", False),
    ("FIX3", "Fixed three years", "0.2890", "0.19", False),
    ("GREEN", "Dutch wind", "0.2760", "0.22", True),
    ("DYN", "Dynamic hourly", "0.2480", "0.25", True),
)


def _agreement(number: int, index: int, tariff: str, begin: date, end: date | None) -> dict[str, Any]:
    return {
        "agreement_id": f"A{number + 1:06d}",
        "customer_id": customer_id(index),
        "meter_id": meter_id(index),
        "tariff_id": tariff,
        "start_date": begin,
        "end_date": end,
    }


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return plain.lower().replace(" ", "")


def _letter(random: Any) -> str:
    return chr(ord("A") + int(random.integers(26)))

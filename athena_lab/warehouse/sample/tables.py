"""The sample's datasets and tables with their columns, as the catalog will show them."""

from __future__ import annotations

from dataclasses import dataclass

DATASETS = {
    "crm": "Who the customers are and what they agreed to",
    "sales": "What is sold",
    "metering": "Smart meters and what they measured",
}
Column = tuple[str, str, str]
"""Name, BigQuery type, description."""


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table of the sample; `partition` names the column whose days it is partitioned by."""

    name: str
    description: str
    columns: tuple[Column, ...]
    partition: str | None = None
    cluster: str | None = None


CUSTOMERS = TableSpec(
    "crm.customers",
    "One row a customer. Personal data: names, contact, account, address and birth date.",
    (
        ("customer_id", "STRING", "Key of the customer"),
        ("first_name", "STRING", "Given name (personal data)"),
        ("last_name", "STRING", "Family name (personal data)"),
        ("email", "STRING", "E-mail address (personal data)"),
        ("phone", "STRING", "Mobile number (personal data)"),
        ("iban", "STRING", "Bank account the bill is collected from (personal data)"),
        ("birth_date", "DATE", "Date of birth (personal data)"),
        ("street", "STRING", "Street of the delivery address (personal data)"),
        ("house_number", "INT64", "House number of the delivery address (personal data)"),
        ("postal_code", "STRING", "Postal code of the delivery address (personal data)"),
        ("city", "STRING", "City of the delivery address"),
        ("joined_at", "TIMESTAMP", "When the customer first signed an agreement"),
    ),
)
AGREEMENTS = TableSpec(
    "crm.agreements",
    "One row an agreement: which tariff a meter is billed by, from when to when.",
    (
        ("agreement_id", "STRING", "Key of the agreement"),
        ("customer_id", "STRING", "The customer, in crm.customers"),
        ("meter_id", "STRING", "The meter, in metering.meters"),
        ("tariff_id", "STRING", "The tariff, in sales.tariffs"),
        ("start_date", "DATE", "First local day of the agreement"),
        ("end_date", "DATE", "First local day after the agreement; empty while it runs"),
    ),
)
TARIFFS = TableSpec(
    "sales.tariffs",
    "One row a tariff, in euro including tax.",
    (
        ("tariff_id", "STRING", "Key of the tariff"),
        ("name", "STRING", "Name on the bill"),
        ("price_per_kwh", "NUMERIC", "Euro a kilowatt hour"),
        ("standing_charge_per_day", "NUMERIC", "Euro a day, whatever is used"),
        ("is_green", "BOOL", "Whether the energy is renewable"),
        ("valid_from", "DATE", "First day on which it is sold"),
    ),
)
METERS = TableSpec(
    "metering.meters",
    "One row a smart meter, with what stands behind it.",
    (
        ("meter_id", "STRING", "Key of the meter"),
        ("customer_id", "STRING", "The customer, in crm.customers"),
        ("model", "STRING", "Maker and model"),
        ("installed_on", "DATE", "Day of installation"),
        ("has_heat_pump", "BOOL", "Whether the house is heated electrically"),
        ("has_solar", "BOOL", "Whether there are solar panels"),
        ("has_car", "BOOL", "Whether an electric car is charged at home"),
        ("expected_kwh_a_year", "FLOAT64", "Household use expected in a year, in kWh, without heating and car"),
    ),
)
READINGS = TableSpec(
    "metering.readings",
    "One row a meter and half hour. Local time is Europe/Amsterdam.",
    (
        ("meter_id", "STRING", "The meter, in metering.meters"),
        ("read_at", "TIMESTAMP", "Start of the half hour"),
        ("kwh", "FLOAT64", "Energy taken from the grid in the half hour, in kWh"),
        ("temperature", "FLOAT64", "Outdoor temperature, in degrees Celsius"),
        ("quality", "STRING", "measured, or estimated where the meter did not answer"),
    ),
    partition="read_at",
    cluster="meter_id",
)

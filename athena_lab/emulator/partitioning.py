"""What may partition a table: https://cloud.google.com/bigquery/docs/partitioned-tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.types import Field

_UNITS = ("HOUR", "DAY", "MONTH", "YEAR")


def with_lifetimes(resource: Mapping[str, Any], dataset: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """Give a new table's or view's resource with the lifetimes that its dataset sets by default.

    A partitioned table takes the default of partitions instead of that of tables, if there is one.
    """
    made = dict(resource)
    by_time, lifetime = made.get("timePartitioning"), dataset.get("defaultPartitionExpirationMs")
    if by_time and lifetime:
        made["timePartitioning"] = {"expirationMs": str(lifetime), **by_time}
    elif dataset.get("defaultTableExpirationMs") and "expirationTime" not in made:
        made["expirationTime"] = str(now_ms + int(str(dataset["defaultTableExpirationMs"])))
    return made


def check_partitioning(fields: Sequence[Field], resource: Mapping[str, Any]) -> None:
    """Refuse a partitioning that the table's columns cannot have."""
    by_time, by_range = resource.get("timePartitioning") or {}, resource.get("rangePartitioning") or {}
    name = by_time.get("field") or by_range.get("field")
    if by_time and str(by_time.get("type") or "DAY").upper() not in _UNITS:
        raise BigQueryError(
            "invalid", f"Invalid time partitioning type {by_time.get('type')}. Use {', '.join(_UNITS)}."
        )
    if not name:
        return
    found = next((item for item in fields if item.name.lower() == str(name).lower()), None)
    if found is None:
        raise BigQueryError("invalid", "The field specified for partitioning cannot be found in the schema.")
    wanted = ("TIMESTAMP", "DATE", "DATETIME") if by_time else ("INTEGER",)
    if found.type not in wanted or found.is_repeated:
        what = "time partitioning" if by_time else "range partitioning"
        raise BigQueryError(
            "invalid",
            f"The field specified for {what} can only be of type {', '.join(wanted)}. The type found is: {found.type}.",
        )
    if found.type == "DATE" and str(by_time.get("type")).upper() == "HOUR":
        raise BigQueryError("invalid", "A table partitioned by hours needs a TIMESTAMP or DATETIME column.")

"""Partitions of a table: which one a row is in, what it is called, which values it holds."""

from __future__ import annotations

import datetime
import re
from dataclasses import replace

from athena_lab.emulator.catalog import Table
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.sql.pruning import ANYTHING, DAY_US, Bounds, microseconds, next_start
from athena_lab.emulator.sql.pseudo import PARTITION_TIME, is_by_ingestion
from athena_lab.emulator.sql.scans import partition_column
from athena_lab.emulator.types import quote

_FORMATS = {"HOUR": "%Y%m%d%H", "DAY": "%Y%m%d", "MONTH": "%Y%m", "YEAR": "%Y"}
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
NULL, OUTSIDE = "__NULL__", "__UNPARTITIONED__"
_NO_VALUE, _NO_PARTITION = -(2**62), -(2**62) + 1
"""Stand for the start of the partition of NULL, and of the rows outside of an integer range."""


def partition_unit(table: Table) -> str:
    """Give HOUR, DAY, MONTH or YEAR of a table that is partitioned by time."""
    return str((table.resource.get("timePartitioning") or {}).get("type") or "DAY").upper()


def partition_start(table: Table) -> str:
    """Give the DuckDB expression of where a row's partition starts: microseconds, or the start of a range."""
    column = stored_column(table)
    if column is None:
        return "0::BIGINT"
    by_range = table.resource.get("rangePartitioning")
    if by_range and not table.resource.get("timePartitioning"):
        start, end, step = _range(table)
        inside = f"(({column} - {start}) // {step} * {step} + {start})::BIGINT"
        return (
            f"CASE WHEN {column} IS NULL THEN {_NO_VALUE} WHEN {column} < {start} OR {column} >= {end}"
            f" THEN {_NO_PARTITION} ELSE {inside} END"
        )
    unit = partition_unit(table).lower()
    return f"coalesce(epoch_us(date_trunc('{unit}', {column})), {_NO_VALUE})"


def stored_column(table: Table) -> str | None:
    """Give the quoted column of DuckDB's by which a table is partitioned."""
    name = partition_column(table)
    if name is None:
        return None
    found = next((item.name for item in table.fields if item.name.lower() == name), PARTITION_TIME)
    return quote(found)


def _range(table: Table) -> tuple[int, int, int]:
    given = table.resource["rangePartitioning"]["range"]
    return int(given.get("start") or 0), int(given["end"]), int(given["interval"])


def bounds_from(table: Table, start: int) -> Bounds:
    """Give the least and greatest value of the partition that starts there."""
    name = partition_column(table)
    if name is None or start == _NO_PARTITION:
        return ANYTHING
    if start == _NO_VALUE:
        return Bounds(is_null=True)
    if not table.resource.get("timePartitioning"):
        _, end, step = _range(table)
        return Bounds(start, min(start + step, end) - 1)
    if name == PARTITION_TIME:
        return Bounds(start, start)
    kind = next((item.type for item in table.fields if item.name.lower() == name), "TIMESTAMP")
    return Bounds(start, next_start(start, partition_unit(table)) - (DAY_US if kind == "DATE" else 1))


def partition_id(table: Table, bounds: Bounds) -> str | None:
    """Give the name of a partition; None for the one of a table that is not partitioned."""
    if partition_column(table) is None:
        return None
    if bounds.is_null:
        return NULL
    if bounds.low is None:
        return OUTSIDE
    if not table.resource.get("timePartitioning"):
        return str(bounds.low)
    moment = _EPOCH + datetime.timedelta(microseconds=bounds.low)
    parts = (f"{moment.year:04}", f"{moment.month:02}", f"{moment.day:02}", f"{moment.hour:02}")
    return "".join(parts[: list(_SHAPES.values()).index(partition_unit(table)) + 1])


_SHAPES = {4: "YEAR", 6: "MONTH", 8: "DAY", 10: "HOUR"}


def decorated(name: str) -> tuple[str, str | None]:
    """Split `table$partition`."""
    table, _, partition = name.partition("$")
    return table, partition or None


def decorated_bounds(table: Table, partition: str) -> Bounds:
    """Give the values of the partition that a decorator names; refuse one that the table cannot have."""
    fault = BigQueryError(
        "invalid",
        f"Invalid partition id '{partition}' of the table {table.dataset}.{table.name}; see its partitioning.",
    )
    if partition_column(table) is None:
        raise BigQueryError(
            "invalid",
            f"Cannot read or write the partition '{partition}' of {table.dataset}.{table.name}: "
            "the table is not partitioned.",
        )
    if partition == NULL:
        return Bounds(is_null=True)
    if partition == OUTSIDE:
        return ANYTHING
    if not table.resource.get("timePartitioning"):
        start, end, step = _range(table)
        if (
            not re.fullmatch(r"-?\d+", partition)
            or (int(partition) - start) % step
            or not start <= int(partition) < end
        ):
            raise fault
        return bounds_from(table, int(partition))
    unit = partition_unit(table)
    if not partition.isdigit() or _SHAPES.get(len(partition)) != unit:
        raise fault
    try:
        moment = datetime.datetime.strptime(partition, _FORMATS[unit]).replace(tzinfo=datetime.UTC)
    except ValueError as error:
        raise fault from error
    return bounds_from(table, microseconds(moment))


def start_of(bounds: Bounds) -> int:
    """Give what `partition_start` gives for the rows of a partition."""
    if bounds.is_null:
        return _NO_VALUE
    return _NO_PARTITION if bounds.low is None else bounds.low


def in_partition(table: Table, partition: str) -> str:
    """Give the DuckDB condition on the rows of the partition that a decorator names."""
    return f"{partition_start(table)} = {start_of(decorated_bounds(table, partition))}"


def restricted(table: Table, partition: str | None) -> Table:
    """Give a table as if it had only the partition that a decorator names; None for all of it."""
    if partition is None:
        return table
    columns = [quote(item.name) for item in table.fields]
    columns += [PARTITION_TIME] if is_by_ingestion(table.resource) else []
    rows = f"SELECT {', '.join(columns)} FROM {table.physical} WHERE {in_partition(table, partition)}"  # noqa: S608
    return replace(table, physical=f"({rows})")

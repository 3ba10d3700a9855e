"""INFORMATION_SCHEMA.PARTITIONS: rows and bytes of each partition, counted when asked."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from athena_lab.emulator.catalog import Catalog, Table
from athena_lab.emulator.sizes import leaf_expressions
from athena_lab.emulator.sql.pseudo import PARTITION_TIME
from athena_lab.emulator.types import Field, quote

FIELDS = tuple(
    Field(name, kind)
    for name, kind in (
        ("table_catalog", "STRING"), ("table_schema", "STRING"), ("table_name", "STRING"), ("partition_id", "STRING"),
        ("total_rows", "INTEGER"), ("total_logical_bytes", "INTEGER"), ("total_billable_bytes", "INTEGER"),
        ("last_modified_time", "TIMESTAMP"), ("storage_tier", "STRING"),
    )
)  # fmt: skip
_FORMATS = {"HOUR": "%Y%m%d%H", "DAY": "%Y%m%d", "MONTH": "%Y%m", "YEAR": "%Y"}
_NULL = "'__NULL__'"


def partition_rows(catalog: Catalog, project: str, tables: Iterable[Table]) -> list[tuple[Any, ...]]:
    """Count the partitions of tables; one that is not partitioned has a single one without an id."""
    rows: list[tuple[Any, ...]] = []
    for table in tables:
        sizes = " + ".join(f"coalesce({size}, 0)" for size in leaf_expressions(table.fields).values()) or "0"
        sql = (
            f"SELECT {_partition_id(table)} AS id, count(*), coalesce(sum({sizes}), 0)::BIGINT"  # noqa: S608 (our own names)
            f" FROM {table.physical} GROUP BY ALL ORDER BY ALL"
        )
        with catalog.reading(frozenset({table.physical})) as cursor:
            found = cursor.execute(sql).fetchall()
        changed = datetime.datetime.fromtimestamp(catalog.modified_ms(table) / 1000, datetime.UTC)
        rows += [
            (project, table.dataset, table.name, name, count, size, size, changed, "ACTIVE")
            for name, count, size in found
        ]
    return rows


def _partition_id(table: Table) -> str:
    """Give the DuckDB expression of a row's partition."""
    by_time, by_range = table.resource.get("timePartitioning"), table.resource.get("rangePartitioning")
    if by_time:
        column = quote(by_time.get("field") or PARTITION_TIME)
        text = f"strftime({column}, '{_FORMATS[str(by_time.get('type') or 'DAY').upper()]}')"
        return f"CASE WHEN {column} IS NULL THEN {_NULL} ELSE {text} END"
    if by_range:
        column, bounds = quote(by_range["field"]), by_range["range"]
        start, end, step = (int(bounds[name]) for name in ("start", "end", "interval"))
        return (
            f"CASE WHEN {column} IS NULL THEN {_NULL} WHEN {column} < {start} OR {column} >= {end}"
            f" THEN '__UNPARTITIONED__' ELSE CAST(({column} - {start}) // {step} * {step} + {start} AS VARCHAR) END"
        )
    return "NULL::VARCHAR"

"""INFORMATION_SCHEMA.PARTITIONS: rows and bytes of each partition."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from athena_lab.emulator.catalog import Catalog, Table
from athena_lab.emulator.partitions import partition_id
from athena_lab.emulator.sizes import PartitionSize, Sizes
from athena_lab.emulator.sql.pruning import ANYTHING
from athena_lab.emulator.sql.scans import partition_column
from athena_lab.emulator.types import Field

FIELDS = tuple(
    Field(name, kind)
    for name, kind in (
        ("table_catalog", "STRING"), ("table_schema", "STRING"), ("table_name", "STRING"), ("partition_id", "STRING"),
        ("total_rows", "INTEGER"), ("total_logical_bytes", "INTEGER"), ("total_billable_bytes", "INTEGER"),
        ("last_modified_time", "TIMESTAMP"), ("storage_tier", "STRING"),
    )
)  # fmt: skip


def partition_rows(catalog: Catalog, sizes: Sizes, project: str, tables: Iterable[Table]) -> list[tuple[Any, ...]]:
    """Give the partitions of tables; one that is not partitioned has a single one without an id."""
    rows: list[tuple[Any, ...]] = []
    for table in tables:
        found = dict(sizes.of(table).partitions)
        if partition_column(table) is None:
            found.setdefault(ANYTHING, PartitionSize(0, {}))
        changed = datetime.datetime.fromtimestamp(catalog.modified_ms(table) / 1000, datetime.UTC)
        for name, item in sorted(
            ((partition_id(table, bounds) or "", item) for bounds, item in found.items()), key=lambda pair: pair[0]
        ):
            size = sum(item.leaves.values())
            rows.append((project, table.dataset, table.name, name or None, item.rows, size, size, changed, "ACTIVE"))
    return rows

"""How many bytes a statement reads, by what it scans: https://cloud.google.com/bigquery/docs/estimate-costs.

Each column of each partition counts once a statement, however often it is read; LIMIT, TABLESAMPLE of a table
of one block, and clustering change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

from athena_lab.emulator.catalog import Table
from athena_lab.emulator.policies.protection import Protection
from athena_lab.emulator.policies.sizes import seen_size
from athena_lab.emulator.sizes import LEAST_BILLED
from athena_lab.emulator.sql.pruning import UNKNOWN, Reader, lets_through
from athena_lab.emulator.sql.references import Sources
from athena_lab.emulator.sql.scans import partition_column
from athena_lab.emulator.warehouse import Warehouse


def read_bytes(
    warehouse: Warehouse,
    sources: Sources,
    values: Mapping[str, Any],
    rewritten: Table | None = None,
    hidden: Protection | None = None,
) -> int:
    """Give the bytes that a statement reads; of a table that it rewrites, all columns of what it scans.

    `hidden` is what the reader may not see of the table that is rewritten.
    """
    if any(item.filters is not None for item in sources.protections.values()):
        return 0  # BigQuery does not tell: the size would tell of hidden rows
    constants = _computed(warehouse, sources.reader, values)
    counted: dict[str, set[tuple[Any, str]]] = {}
    total = LEAST_BILLED if sources.schema_views else 0
    for scan in sources.scans:
        table = sources.tables[scan.source]
        is_whole = rewritten is not None and table.physical == rewritten.physical
        protection = hidden if is_whole else sources.protections.get(scan.source)
        size = seen_size(warehouse.sizes.of(table), protection)
        column = partition_column(table)
        is_told = protection is None or column is None or not protection.hides(column)
        leaves = set(size.leaf_names) if is_whole else size.covered(scan.paths)
        seen = counted.setdefault(table.physical, set())
        for bounds, partition in size.partitions.items():
            if is_told and not lets_through(scan.condition, bounds, constants):
                continue
            new = [leaf for leaf in leaves if (bounds, leaf) not in seen]
            seen.update((bounds, leaf) for leaf in new)
            total += sum(partition.leaves[leaf] for leaf in new)
    return total


def _computed(warehouse: Warehouse, reader: Reader, values: Mapping[str, Any]) -> list[Any]:
    """Compute the constants of a statement's conditions; UNKNOWN for one that fails."""
    found: list[Any] = []
    if not reader.constants:
        return found
    with warehouse.store.fresh_cursor() as cursor:
        for constant in reader.constants:
            given = {name: values[name] for name in constant.parameters if name in values}
            try:
                ((value,),) = cursor.execute(f"SELECT {constant.sql}", given or None).fetchall()
            except duckdb.Error:
                value = UNKNOWN  # told when the statement itself runs
            found.append(value)
    return found

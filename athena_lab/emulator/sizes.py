"""Bytes by BigQuery's rule: per column, kept until the table is written to, appended rows counted apart.

https://cloud.google.com/bigquery/pricing#data: INT64, FLOAT64 and moments 8, BOOL 1, NUMERIC 16,
STRING and BYTES 2 + their bytes, a struct the sum of its fields, an array of its elements, NULL 0.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from athena_lab.emulator.catalog import Catalog, Table
from athena_lab.emulator.partitions import bounds_from, partition_start
from athena_lab.emulator.sql.pruning import Bounds
from athena_lab.emulator.sql.scans import partition_column
from athena_lab.emulator.types import Field, quote

_FIXED = {
    "INTEGER": 8, "FLOAT": 8, "DATE": 8, "DATETIME": 8, "TIMESTAMP": 8, "TIME": 8, "BOOLEAN": 1, "NUMERIC": 16,
    "INTERVAL": 16, "RANGE": 16, "BIGNUMERIC": 32,
}  # fmt: skip
_MEGABYTE = 1024**2
LEAST_BILLED = 10 * _MEGABYTE


@dataclass(slots=True)
class PartitionSize:
    """Rows of a partition and bytes of each of its leaves."""

    rows: int
    leaves: dict[str, int]


@dataclass(slots=True)
class TableSize:
    """Rows of a table and bytes of each of its leaves ("column" or "column.field"), a partition and in all."""

    leaf_names: tuple[str, ...]
    partitions: dict[Bounds, PartitionSize] = field(default_factory=dict)
    counted_writes: int = -1
    counted_rewrites: int = -1

    @property
    def rows(self) -> int:
        return sum(item.rows for item in self.partitions.values())

    @property
    def leaves(self) -> dict[str, int]:
        return {leaf: sum(item.leaves[leaf] for item in self.partitions.values()) for leaf in self.leaf_names}

    @property
    def total(self) -> int:
        return sum(sum(item.leaves.values()) for item in self.partitions.values())

    def of(self, paths: Iterable[str]) -> int:
        """Sum the bytes of columns or fields, each leaf once."""
        wanted = self.covered(paths)
        return sum(item.leaves[leaf] for item in self.partitions.values() for leaf in wanted)

    def covered(self, paths: Iterable[str]) -> set[str]:
        """Give the leaves that columns or fields consist of, or are parts of."""
        wanted = tuple(paths)
        return {
            leaf
            for leaf in self.leaf_names
            if any(leaf == path or leaf.startswith(f"{path}.") or path.startswith(f"{leaf}.") for path in wanted)
        }

    def grown(self, new: dict[Bounds, PartitionSize]) -> TableSize:
        """Give the size with the rows of another count added."""
        partitions = dict(self.partitions)
        for bounds, added in new.items():
            before = partitions.get(bounds)
            if before is not None:
                sums = {leaf: size + before.leaves[leaf] for leaf, size in added.leaves.items()}
                added = PartitionSize(before.rows + added.rows, sums)
            partitions[bounds] = added
        return TableSize(self.leaf_names, partitions)


class Sizes:
    """Knows the size of every table; counts what is not counted yet when asked."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._known: dict[str, TableSize] = {}

    def of(self, table: Table) -> TableSize:
        """Give a table's size; only rows that were appended since the last count are read."""
        if self._catalog.is_in_transaction:
            return self._count(table, None)  # what others do not see is not kept
        if table.physical.startswith("("):
            return self._count(table, None)  # as it was once (past.py)
        writes = self._catalog.writes_of(table)
        with self._lock:
            known = self._known.get(table.physical)
        if known is not None and known.counted_writes == writes:
            return known
        rewrites = self._catalog.rewrites_of(table)
        is_appended = known is not None and known.counted_rewrites == rewrites
        counted = self._count(table, known if is_appended else None)
        counted.counted_writes, counted.counted_rewrites = writes, rewrites
        with self._lock:
            self._known[table.physical] = counted
        return counted

    def _count(self, table: Table, known: TableSize | None) -> TableSize:
        expressions = leaf_expressions(table.fields)
        names = tuple(expressions)
        sums = ", ".join(["count(*)", *(f"coalesce(sum({sql}), 0)::BIGINT" for sql in expressions.values())])
        select = f"SELECT {partition_start(table)} AS start, {sums} FROM {table.physical}"  # noqa: S608 (our own names)
        group = " GROUP BY 1" if partition_column(table) is not None else ""
        with self._catalog.store.cursor() as cursor:
            if not self._catalog.is_in_transaction:
                cursor.begin()
            if known is not None and known.leaf_names == names:
                ((total,),) = cursor.execute(f"SELECT count(*) FROM {table.physical}").fetchall()  # noqa: S608
                new = cursor.execute(f"{select} WHERE rowid >= {known.rows}{group}").fetchall()
                grown = known.grown(_partitions(table, names, new))
                if grown.rows == total:
                    return grown
            rows = cursor.execute(f"{select}{group}").fetchall()
        return TableSize(names, _partitions(table, names, rows))


def _partitions(table: Table, names: tuple[str, ...], rows: list[tuple[int, ...]]) -> dict[Bounds, PartitionSize]:
    return {
        bounds_from(table, row[0]): PartitionSize(row[1], dict(zip(names, row[2:], strict=True)))
        for row in rows
        if row[1]
    }


def leaf_expressions(fields: Iterable[Field]) -> dict[str, str]:
    """Give for each leaf the DuckDB expression of its bytes in one row."""
    found: dict[str, str] = {}
    for item in fields:
        _add_leaves(found, item.name.lower(), item, quote(item.name))
    return found


def _add_leaves(found: dict[str, str], path: str, item: Field, value: str) -> None:
    if item.type == "RECORD" and not item.is_repeated:
        for part in item.fields:
            _add_leaves(found, f"{path}.{part.name.lower()}", part, f"({value}).{quote(part.name)}")
    else:
        found[path] = size_expression(item, value)


def size_expression(item: Field, value: str) -> str:
    """Give the DuckDB expression of the bytes of one value."""
    if item.is_repeated:
        return f"list_sum(list_transform({value}, lambda e: {size_expression(item.element(), 'e')}))"
    if item.type == "RECORD":
        parts = (f"coalesce({size_expression(part, f'({value}).{quote(part.name)}')}, 0)" for part in item.fields)
        return "(" + " + ".join(parts) + ")"
    if item.type in _FIXED:
        return f"(CASE WHEN {value} IS NULL THEN 0 ELSE {_FIXED[item.type]} END)"
    if item.type == "BYTES":
        return f"(2 + octet_length({value}))"
    return f"(2 + strlen(CAST({value} AS VARCHAR)))"


def fixed_bytes(item: Field) -> int:
    """Give the least bytes of a value that is there: of an array none, of a text those of its length."""
    if item.is_repeated:
        return 0
    return _FIXED.get(item.type, sum(map(fixed_bytes, item.fields)) if item.type == "RECORD" else 2)


def billed(processed: int, tables: int) -> int:
    """Round up to a megabyte, at least ten megabytes a table that is read."""
    if not tables or not processed:
        return 0
    return max(LEAST_BILLED * tables, -(-processed // _MEGABYTE) * _MEGABYTE)

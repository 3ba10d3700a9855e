"""Bytes by BigQuery's rule: per column, kept until the table is written to, appended rows counted apart.

https://cloud.google.com/bigquery/pricing#data: INT64, FLOAT64 and moments 8, BOOL 1, NUMERIC 16,
STRING and BYTES 2 + their bytes, a struct the sum of its fields, an array of its elements, NULL 0.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from athena_lab.emulator.catalog import Catalog, Table
from athena_lab.emulator.types import Field, quote

_FIXED = {
    "INTEGER": 8, "FLOAT": 8, "DATE": 8, "DATETIME": 8, "TIMESTAMP": 8, "TIME": 8, "BOOLEAN": 1, "NUMERIC": 16,
    "INTERVAL": 16, "RANGE": 16, "BIGNUMERIC": 32,
}  # fmt: skip
_MEGABYTE = 1024**2
LEAST_BILLED = 10 * _MEGABYTE


@dataclass(slots=True)
class TableSize:
    """Rows of a table and bytes of each of its leaves ("column" or "column.field")."""

    rows: int = 0
    leaves: dict[str, int] = field(default_factory=dict)
    counted_writes: int = -1
    counted_rewrites: int = -1

    @property
    def total(self) -> int:
        return sum(self.leaves.values())

    def of(self, paths: Iterable[str]) -> int:
        """Sum the bytes of columns or fields, each leaf once."""
        wanted = tuple(paths)
        return sum(
            size
            for leaf, size in self.leaves.items()
            if any(leaf == path or leaf.startswith(f"{path}.") or path.startswith(f"{leaf}.") for path in wanted)
        )


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
        sums = ", ".join(["count(*)", *(f"coalesce(sum({sql}), 0)::BIGINT" for sql in expressions.values())])
        with self._catalog.store.cursor() as cursor:
            if not self._catalog.is_in_transaction:
                cursor.begin()
            if known is not None and known.leaves:
                total = cursor.execute(f"SELECT count(*) FROM {table.physical}").fetchone()[0]  # noqa: S608 (our own names)
                new = cursor.execute(f"SELECT {sums} FROM {table.physical} WHERE rowid >= {known.rows}").fetchone()  # noqa: S608
                if new[0] + known.rows == total:
                    added = dict(zip(expressions, new[1:], strict=True))
                    return TableSize(total, {leaf: known.leaves.get(leaf, 0) + size for leaf, size in added.items()})
            row = cursor.execute(f"SELECT {sums} FROM {table.physical}").fetchone()  # noqa: S608
        return TableSize(row[0], dict(zip(expressions, row[1:], strict=True)))


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

"""Snapshots of tables for Storage Read: begun at once, shared while nobody writes to the table."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import Table
from athena_lab.emulator.growing import GrowingResult
from athena_lab.emulator.policies.protection import quotes_nothing
from athena_lab.emulator.results import BATCH_ROWS, Result, conform
from athena_lab.emulator.types import Field, arrow_schema, duckdb_type
from athena_lab.emulator.warehouse import Warehouse, chosen_fields, select_list

_MOST_IN_MEMORY = 192 * 1024**2
"""Bytes of a table whose snapshot is kept in memory; a larger one goes into a file."""
_MOST_SHARED = 256 * 1024**2
"""Bytes of all snapshots that wait for the next reader; the longest unread are forgotten beyond it."""
_Key = tuple[Any, ...]


class Snapshots:
    """Takes snapshots of what a principal may see; those of whole, unmasked rows are shared."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._lock = threading.Lock()
        self._shared: OrderedDict[_Key, GrowingResult] = OrderedDict()

    def take(self, table: Table, principal: Principal, columns: Sequence[str]) -> GrowingResult | Result:
        """Give what a principal may see of a table now; a small one is fetched while it is read."""
        self._warehouse.require_query(principal, *table.key)
        size = self._warehouse.sizes.of(table)
        if size.total > _MOST_IN_MEMORY:
            return self._warehouse.read_table(table, principal, columns)
        fields = chosen_fields(table.fields, columns)
        if self._warehouse.protection_of(table, principal) is not None:
            return self._fetch(table, principal, fields)
        key = self._key(table, fields)
        with self._lock:
            found = self._shared.get(key)
            if found is not None and not found.is_broken:
                self._shared.move_to_end(key)
                return found
        made = self._fetch(table, principal, fields)
        self._share(key, made)
        return made

    def _key(self, table: Table, fields: tuple[Field, ...]) -> _Key:
        """Name a table's rows: counted before they are read, so that a later write has another name."""
        kinds = tuple((item.name, duckdb_type(item)) for item in fields)
        return table.physical, self._warehouse.catalog.writes_of(table), kinds

    def _share(self, key: _Key, made: GrowingResult) -> None:
        with self._lock:
            for other in [other for other in self._shared if other[0] == key[0] and other[1] != key[1]]:
                del self._shared[other]
            self._shared[key] = made
            held = sum(snapshot.held_bytes for snapshot in self._shared.values())
            while held > _MOST_SHARED and len(self._shared) > 1:
                _, oldest = self._shared.popitem(last=False)
                held -= oldest.held_bytes

    def _fetch(self, table: Table, principal: Principal, fields: tuple[Field, ...]) -> GrowingResult:
        source = self._warehouse.rows_sql(table, principal, fields)
        cursor = self._warehouse.store.open_cursor()
        try:
            cursor.begin()
            with quotes_nothing(source):
                ((rows,),) = cursor.execute(f"SELECT count(*) FROM {source}").fetchall()  # noqa: S608 (our own names)
        except BaseException:
            cursor.close()
            raise

        def fetch() -> Iterator[pa.RecordBatch]:
            try:
                with quotes_nothing(source):
                    reader = cursor.sql(f"SELECT {select_list(fields)} FROM {source}").to_arrow_reader(BATCH_ROWS)  # noqa: S608
                    schema = arrow_schema(fields)
                    yield from (conform(batch, schema) for batch in reader)
            finally:
                cursor.close()

        share = self._warehouse.size_of(table, principal).of(item.name.lower() for item in fields)
        return GrowingResult(fields, int(rows), max(1, share), fetch)

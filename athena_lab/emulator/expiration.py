"""What ends by itself: tables at their expirationTime, partitions when they are older than their table allows.

Looked after when somebody asks for tables; what has expired stays as history for time travel.
https://cloud.google.com/bigquery/docs/managing-tables#updating_a_tables_expiration_time
"""

from __future__ import annotations

import threading
from typing import Any

from athena_lab.emulator.access import ITSELF, asking
from athena_lab.emulator.catalog import Catalog, Change, State, Table, now_ms
from athena_lab.emulator.partitions import partition_start
from athena_lab.emulator.physical import remove_rows
from athena_lab.emulator.sql.scans import partition_column

_NEVER = 2**62


class Expiration:
    """Drops what has expired; cheap where nothing has."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._version = 0
        self._next_ms = _NEVER
        """When the next table expires."""
        self._parted: list[Table] = []
        """Tables whose partitions expire."""
        self._seen: dict[str, tuple[int, int]] = {}
        """Of those: how often they had been written to, and when their next partition expires."""

    def apply(self) -> None:
        """Drop what has expired by now; inside of a script's transaction later."""
        if self._catalog.is_in_transaction or not self._lock.acquire(blocking=False):
            return
        try:
            with asking(ITSELF):  # whoever came along has nothing to do with it
                self._apply(self._catalog.committed, now_ms())
        finally:
            self._lock.release()

    def _apply(self, state: State, now: int) -> None:
        if state.version != self._version:
            self._look_through(state)
        if now >= self._next_ms:
            for table in state.tables.values():
                if _end_of(table) <= now:
                    self._drop(table)
        for table in self._parted:
            writes, due = self._seen.get(table.physical, (-1, 0))
            if writes != self._catalog.writes_of(table) or now >= due:
                self._drop_partitions(table, now)

    def _look_through(self, state: State) -> None:
        self._next_ms = min((_end_of(table) for table in state.tables.values()), default=_NEVER)
        self._parted = [table for table in state.tables.values() if _lifetime_ms(table) and table.view is None]
        self._version = state.version

    def _drop(self, table: Table) -> None:
        def work(cursor: Any, state: State, change: Change) -> None:
            del cursor
            if state.tables.get(table.key) is table:
                change.based_on[table.key] = table
                change.dropped.append(table)

        self._catalog.transact(work)

    def _drop_partitions(self, table: Table, now: int) -> None:
        start, lifetime = partition_start(table), _lifetime_ms(table)
        is_old = f"{start} > {-(2**60)} AND {start} <= {(now - lifetime) * 1000}"
        writes = self._catalog.writes_of(table)

        def work(cursor: Any, state: State, change: Change) -> int:
            if state.tables.get(table.key) is not table:
                return _NEVER
            change.based_on[table.key] = table
            if cursor.execute(f"SELECT 1 FROM {table.physical} WHERE {is_old} LIMIT 1").fetchone():  # noqa: S608 (ours)
                remove_rows(cursor, change, table, is_old)
                change.written.append(table)
            first = f"SELECT min({start}) FROM {table.physical} WHERE {start} > {-(2**60)}"  # noqa: S608 (our own names)
            ((oldest,),) = cursor.execute(first).fetchall()
            return _NEVER if oldest is None else int(oldest) // 1000 + lifetime

        due = self._catalog.transact(work)
        self._seen[table.physical] = (max(writes, self._catalog.writes_of(table)), due)


def _end_of(table: Table) -> int:
    value = table.resource.get("expirationTime")
    return _NEVER if value in (None, "", "0", 0) else int(str(value))


def _lifetime_ms(table: Table) -> int:
    """Give how long a table's partitions live, 0 for ever."""
    value = (table.resource.get("timePartitioning") or {}).get("expirationMs")
    return int(str(value)) if value and partition_column(table) is not None else 0

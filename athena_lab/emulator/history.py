"""Time travel: what tables were and held, for seven days, within a limit of size.

Rows carry when they came, and rows that are changed or removed are kept aside (physical.py); here are the
definitions that tables had, the DuckDB tables of those that were replaced or dropped, and the transactions
that took so long that their beginning does not say when their rows were to be seen.
https://cloud.google.com/bigquery/docs/time-travel
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from athena_lab.emulator.definitions import Change, Key, State, Table
from athena_lab.emulator.physical import SINCE, UNTIL, drop_rows, has_past, old_rows
from athena_lab.emulator.types import Field, fields_from_json

logger = logging.getLogger(__name__)
WINDOW_MS = 7 * 86_400_000
_MOST_BYTES = 4 * 1024**3
"""Of what is kept of the past; the oldest goes first."""
_LONG_US = 5_000
"""A transaction that takes longer is written down, so that nothing of it is seen before its end."""
_PURGED_EVERY_MS = 600_000
_GONE = ""
"""In the place of the DuckDB table of a version that was removed for its size."""


@dataclass(frozen=True, slots=True)
class Version:
    """A table as it was from one moment to another (microseconds)."""

    table: Table
    since: int
    until: int


class History:
    """Remembers; the catalog's lock guards every change."""

    def __init__(self) -> None:
        self._versions: dict[Key, list[Version]] = {}
        self._long: list[tuple[int, int]] = []
        self._kept: dict[str, int] = {}
        """From when on the past of a DuckDB table's rows is known, where that is not since it is there."""
        self._purged_ms = 0

    # -- from and to the file

    def load(self, cursor: Any, tables: Iterable[Table], now: int) -> None:
        """Read what is kept; take in tables that were made before rows carried their moment."""
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS athena_versions (dataset VARCHAR, name VARCHAR, physical VARCHAR,"
            " resource VARCHAR, created_ms BIGINT, modified_ms BIGINT, since BIGINT, until BIGINT)"
        )
        cursor.execute("CREATE TABLE IF NOT EXISTS athena_long_transactions (begun BIGINT, ended BIGINT)")
        cursor.execute("CREATE TABLE IF NOT EXISTS athena_history_kept (physical VARCHAR, since BIGINT)")
        for row in cursor.execute("FROM athena_versions").fetchall():
            self._add(_version(row))
        self._long = cursor.execute("FROM athena_long_transactions").fetchall()
        self._kept = dict(cursor.execute("FROM athena_history_kept").fetchall())
        found = cursor.execute(
            "SELECT table_name FROM duckdb_columns() WHERE column_name = ?", [SINCE.strip('"')]
        ).fetchall()
        known = {name for (name,) in found}
        for table in tables:
            if table.view is None and table.physical not in known:
                cursor.execute(f"ALTER TABLE {table.physical} ADD COLUMN {SINCE} BIGINT")
                cursor.execute(f"ALTER TABLE {table.physical} ALTER COLUMN {SINCE} SET DEFAULT epoch_us(now())")
                self._know_since(cursor, table.physical, now * 1000)

    def record(self, cursor: Any, state: State, change: Change, now_us: int) -> list[Version]:
        """Write down what a change, about to be committed, makes the past; give it for `apply`."""
        found: list[Version] = []
        for table in change.dropped:
            if not has_past(table) or state.tables.get(table.key) is not table:
                drop_rows(cursor, table)
                continue
            found.append(_ended(table, now_us))
        for table in change.tables:
            before = state.tables.get(table.key)
            if before is not None and before.physical == table.physical:
                found.append(_ended(before, now_us))
        for before, after in change.moved:
            cursor.execute(
                "UPDATE athena_versions SET dataset = ?, name = ? WHERE dataset = ? AND name = ?",
                [*after.key, *before.key],
            )
            found.append(_ended(replace(before, dataset=after.dataset, name=after.name), now_us))
        found = [item for item in found if has_past(item.table) and item.table.view is None]
        for item in found:
            cursor.execute("INSERT INTO athena_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _row(item))
        return found

    def record_duration(self, cursor: Any, begun_us: int, now_us: int) -> tuple[int, int] | None:
        """Write down a transaction that took long; `begun_us` is a little before it began."""
        if now_us - begun_us < _LONG_US:
            return None
        ((begun,),) = cursor.execute("SELECT epoch_us(now())").fetchall()
        cursor.execute("INSERT INTO athena_long_transactions VALUES (?, ?)", [begun, now_us])
        return begun, now_us

    def apply(self, change: Change, versions: Iterable[Version], duration: tuple[int, int] | None) -> None:
        """Remember what was committed."""
        for before, after in change.moved:
            for item in self._versions.pop(before.key, []):
                self._add(replace(item, table=replace(item.table, dataset=after.dataset, name=after.name)))
        for item in versions:
            self._add(item)
        if duration is not None:
            self._long.append(duration)

    def forget_dataset(self, cursor: Any, name: str, current: Iterable[Table]) -> None:
        """Remove the past of a dataset with it."""
        physical = {item.physical for item in current}
        for key in [key for key in self._versions if key[0] == name]:
            for item in self._versions.pop(key):
                if item.table.physical not in (_GONE, *physical):
                    drop_rows(cursor, item.table)
        cursor.execute("DELETE FROM athena_versions WHERE dataset = ?", [name])

    def _add(self, item: Version) -> None:
        self._versions.setdefault(item.table.key, []).append(item)

    def _know_since(self, cursor: Any, physical: str, since: int) -> None:
        cursor.execute("DELETE FROM athena_history_kept WHERE physical = ?", [physical])
        cursor.execute("INSERT INTO athena_history_kept VALUES (?, ?)", [physical, since])
        self._kept[physical] = since

    # -- looking back

    def find(self, key: Key, current: Table | None, moment: int) -> Table | int:
        """Give a table as it was defined at a moment, or the first moment (in microseconds) from which it is known."""
        candidates = list(self._versions.get(key, ()))
        if current is not None:
            begun = current.modified_ms * 1000
            ended = [item.until for item in candidates if item.until // 1000 == current.modified_ms]
            candidates.append(Version(current, max([begun, *ended]), 2**62))
        found = next((item for item in candidates if item.since <= moment < item.until), None)
        if found is not None and found.table.physical != _GONE:
            known = self._kept.get(found.table.physical, 0)
            return found.table if known <= moment else known
        later = [
            max(item.since, self._kept.get(item.table.physical, 0))
            for item in candidates
            if item.since > moment and item.table.physical != _GONE
        ]
        return min(later, default=2**62)

    def since(self, key: Key, moment: int) -> tuple[Table, ...]:
        """Give the definitions that a name had after a moment, but the present one."""
        return tuple(item.table for item in self._versions.get(key, ()) if item.until > moment)

    def last_moment(self, key: Key) -> int | None:
        """Give until when a table was there that is dropped, in microseconds."""
        return max((item.until for item in self._versions.get(key, ())), default=None)

    def rows_sql(self, physical: str, columns: str, moment: int) -> str:
        """Give the DuckDB query of the rows that a table held at a moment; `keep_old_rows` must have been called."""
        unseen = [str(begun) for begun, ended in self._long if begun <= moment < ended]
        begun = f"coalesce({SINCE}, 0)"
        came = f"{begun} <= {moment}" + (f" AND {begun} NOT IN ({', '.join(unseen)})" if unseen else "")
        went = f"{UNTIL} > {moment}" + (f" OR {UNTIL} IN ({', '.join(unseen)})" if unseen else "")
        return (
            f"SELECT {columns} FROM {physical} WHERE {came}"  # noqa: S608 (our own names)
            f" UNION ALL SELECT {columns} FROM {old_rows(physical)} WHERE ({came}) AND ({went})"
        )

    # -- forgetting

    def is_purge_due(self, now: int) -> bool:
        """Tell whether it is time to forget."""
        return now - self._purged_ms >= _PURGED_EVERY_MS

    def purge(self, cursor: Any, current: Mapping[Key, Table], now: int) -> None:
        """Forget what is older than seven days, and the oldest of what is too much; commit follows."""
        self._purged_ms = now
        horizon = (now - WINDOW_MS) * 1000
        needed = {table.physical for table in current.values()}
        for item in list(self._all()):
            if item.until <= horizon:
                self._remove(cursor, item, needed)
        self._long = [item for item in self._long if item[1] > horizon]
        cursor.execute("DELETE FROM athena_long_transactions WHERE ended <= ?", [horizon])
        sizes = self._sizes(cursor)
        for table in current.values():
            if old_rows(table.physical) in sizes:
                cursor.execute(f"DELETE FROM {old_rows(table.physical)} WHERE {UNTIL} <= {horizon}")  # noqa: S608
        self._shrink(cursor, current, needed, sizes)

    def _shrink(self, cursor: Any, current: Mapping[Key, Table], needed: set[str], sizes: Mapping[str, int]) -> None:
        """Remove the oldest of what is kept until the rest is within the limit."""
        kept: list[tuple[int, int, Version | Table]] = [
            (item.until, _bytes(item.table, sizes, item.table.physical), item)
            for item in self._all()
            if item.table.physical not in needed
        ]
        for table in current.values():
            size = _bytes(table, sizes, old_rows(table.physical))
            if size:
                kept.append((table.modified_ms * 1000, size, table))
        excess = sum(size for _, size, _ in kept) - _MOST_BYTES
        for _, size, item in sorted(kept, key=lambda entry: entry[0]):
            if excess <= 0:
                return
            excess -= size
            if isinstance(item, Version):
                self._remove(cursor, item, needed, is_told=True)
                continue
            ((last,),) = cursor.execute(f"SELECT max({UNTIL}) FROM {old_rows(item.physical)}").fetchall()  # noqa: S608
            cursor.execute(f"DELETE FROM {old_rows(item.physical)}")  # noqa: S608 (our own name)
            self._know_since(cursor, item.physical, int(last))
            logger.info("forgot the past of table %s: more was kept than %d bytes", item.physical, _MOST_BYTES)

    def _all(self) -> Iterator[Version]:
        return (item for items in self._versions.values() for item in items)

    def _remove(self, cursor: Any, item: Version, needed: set[str], *, is_told: bool = False) -> None:
        table = item.table
        others = {other.table.physical for other in self._all() if other is not item}
        if table.physical != _GONE and table.physical not in needed | others:
            drop_rows(cursor, table)
        versions = self._versions[table.key]
        versions.remove(item)
        cursor.execute(
            "DELETE FROM athena_versions WHERE dataset = ? AND name = ? AND until = ?", [*table.key, item.until]
        )
        if is_told:
            gone = replace(item, table=replace(table, physical=_GONE))
            versions.append(gone)
            cursor.execute("INSERT INTO athena_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _row(gone))
        elif not versions:
            del self._versions[table.key]

    def _sizes(self, cursor: Any) -> dict[str, int]:
        return dict(cursor.execute("SELECT table_name, estimated_size FROM duckdb_tables()").fetchall())


def _ended(table: Table, now_us: int) -> Version:
    return Version(table, table.modified_ms * 1000, now_us)


def _row(item: Version) -> list[Any]:
    table = item.table
    return [
        table.dataset, table.name, table.physical, json.dumps(table.resource), table.created_ms, table.modified_ms,
        item.since, item.until,
    ]  # fmt: skip


def _version(row: tuple[Any, ...]) -> Version:
    dataset, name, physical, text, created, modified, since, until = row
    resource = json.loads(text)
    table = Table(dataset, name, physical, fields_from_json(resource.get("schema")), resource, created, modified)
    return Version(table, since, until)


def _bytes(table: Table, sizes: Mapping[str, int], name: str) -> int:
    """Guess the bytes of a DuckDB table: its rows by the width of its columns."""
    return sizes.get(name, 0) * sum(_width(item) for item in table.fields)


def _width(item: Field) -> int:
    if item.type == "RECORD":
        return sum(_width(part) for part in item.fields)
    return 24 if item.type in ("STRING", "BYTES", "JSON") else 8

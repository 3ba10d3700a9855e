"""Transactions of scripts: what they changed so far, and how they see it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from athena_lab.emulator.definitions import Change, Key, State, Table
from athena_lab.emulator.faults import BigQueryError

_VERSIONS = itertools.count(-1, -1)
"""Of the states that only a transaction sees: each has its own, so that nothing prepared for one serves another."""


def changed_tables(state: State, change: Change, now: int) -> dict[tuple[str, str], Table]:
    """Give the tables of a state after a change."""
    tables = dict(state.tables)
    for table in change.dropped:
        if tables.get(table.key) is not None and tables[table.key].physical == table.physical:
            del tables[table.key]
    for before, _ in change.moved:
        tables.pop(before.key, None)
    for table in (*change.tables, *(after for _, after in change.moved)):
        tables[table.key] = replace(table, modified_ms=now)
    return tables


@dataclass(slots=True)
class OpenTransaction:
    """A script's transaction under way: its connection, what it sees, what it did."""

    cursor: Any
    begun: State
    """What there was when it began."""
    begun_us: int
    rewrites: Mapping[str, int]
    """How often rows of each table had been changed or removed when the transaction began."""
    changes: list[Change] = field(default_factory=list)
    _state: State | None = None
    _committed: State | None = None

    def state(self, committed: State) -> State:
        """Give what the transaction sees: its own tables, and of what no transaction covers what there is now.

        Datasets with their lists, routines and data policies bind it as they are, whenever it began.
        """
        seen = self._state or self.begun
        if committed is not (self._committed or self.begun):
            seen = replace(
                seen, version=next(_VERSIONS), datasets=committed.datasets, policies=committed.policies,
                routines=committed.routines,
            )  # fmt: skip
        self._state, self._committed = seen, committed
        return seen

    is_broken: bool = False
    """Whether a statement failed half-way: DuckDB cannot undo a part of a transaction."""

    @property
    def written(self) -> frozenset[str]:
        """DuckDB's names of the tables that the transaction wrote or made."""
        return frozenset(table.physical for change in self.changes for table in (*change.written, *change.tables))

    def add(self, change: Change, committed: State, now: int) -> None:
        """Keep a change, and see it from now on."""
        self.changes.append(change)
        if change.tables or change.dropped or change.moved:
            seen = self.state(committed)
            self._state = replace(seen, version=next(_VERSIONS), tables=changed_tables(seen, change, now))

    def guarded(self, table: Table, committed: State) -> Table:
        """Give a table with the definitions that others gave it since: their policies protect it as well.

        Refuse one that is there for nobody else any more: who may see it then, nobody says.
        """
        if committed.tables is self.begun.tables:
            return table
        same = [item for item in committed.tables.values() if table.key == item.key or table.physical == item.physical]
        if not same and self.begun.tables.get(table.key) is table:
            raise concurrent_update(table.key)
        others = [item for item in same if item is not self.begun.tables.get(item.key) and item is not table]
        return replace(table, later=(*table.later, *others)) if others else table

    def check(self, state: State, rewrites: Mapping[str, int]) -> None:
        """Refuse if somebody else changed a definition that the transaction began with, or rows of what it changed.

        BigQuery's transactions exclude each other by tables where they change rows; both may append.
        """
        self.require_whole()
        seen: set[Key] = set()
        for change in self.changes:
            for key, basis in change.based_on.items():
                if key not in seen and state.tables.get(key) is not basis:
                    raise concurrent_update(key)
                seen.add(key)
            for table in change.rewritten:
                if rewrites.get(table.physical, 0) != self.rewrites.get(table.physical, 0):
                    raise concurrent_update(table.key)

    def require_whole(self) -> None:
        """Refuse to go on after a statement that failed half-way."""
        if self.is_broken:
            message = "Transaction is aborted: a statement failed after it had changed something. Roll it back."
            raise BigQueryError("invalidQuery", message, "query")


class _Watched:
    """A connection that remembers whether anything was executed."""

    def __init__(self, cursor: Any) -> None:
        self._cursor, self.has_executed = cursor, False

    def execute(self, *arguments: Any) -> Any:
        """Execute a statement."""
        self.has_executed = True
        return self._cursor.execute(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


@contextmanager
def watched(cursor: Any, open_: OpenTransaction | None) -> Iterator[Any]:
    """Lend a connection for a statement; if it fails half-way within a transaction, that can only be rolled back."""
    if open_ is None:
        yield cursor
        return
    open_.require_whole()
    watching = _Watched(cursor)
    try:
        yield watching
    except Exception:
        open_.is_broken = watching.has_executed
        raise


def concurrent_update(key: Key) -> BigQueryError:
    """Say in BigQuery's words that a transaction lost."""
    message = f"Transaction is aborted due to concurrent update against table {key[0]}.{key[1]}."
    return BigQueryError("invalidQuery", message, "query")

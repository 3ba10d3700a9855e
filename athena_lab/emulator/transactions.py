"""Transactions of scripts: what they changed so far, and how they see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from athena_lab.emulator.definitions import Change, Key, State, Table
from athena_lab.emulator.faults import BigQueryError


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
    state: State
    begun_us: int
    rewrites: Mapping[str, int]
    """How often rows of each table had been changed or removed when the transaction began."""
    changes: list[Change] = field(default_factory=list)

    @property
    def written(self) -> frozenset[str]:
        """DuckDB's names of the tables that the transaction wrote or made."""
        return frozenset(table.physical for change in self.changes for table in (*change.written, *change.tables))

    def add(self, change: Change, now: int) -> None:
        """Keep a change, and see it from now on."""
        self.changes.append(change)
        if change.tables or change.dropped:
            tables = changed_tables(self.state, change, now)
            self.state = replace(self.state, version=-abs(self.state.version) - 1, tables=tables)

    def check(self, state: State, rewrites: Mapping[str, int]) -> None:
        """Refuse if somebody else changed a definition that the transaction began with, or rows of what it changed.

        BigQuery's transactions exclude each other by tables where they change rows; both may append.
        """
        seen: set[Key] = set()
        for change in self.changes:
            for key, basis in change.based_on.items():
                if key not in seen and state.tables.get(key) is not basis:
                    raise concurrent_update(key)
                seen.add(key)
            for table in change.rewritten:
                if rewrites.get(table.physical, 0) != self.rewrites.get(table.physical, 0):
                    raise concurrent_update(table.key)


def concurrent_update(key: Key) -> BigQueryError:
    """Say in BigQuery's words that a transaction lost."""
    message = f"Transaction is aborted due to concurrent update against table {key[0]}.{key[1]}."
    return BigQueryError("invalidQuery", message, "query")

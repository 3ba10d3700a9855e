"""Transactions of scripts: what they changed so far, and how they see it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from athena_lab.emulator.faults import BigQueryError

State = Any
Change = Any
Table = Any
"""The catalog's own (catalog.py), which imports this file."""


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

    def check(self, state: State) -> None:
        """Refuse if somebody else changed a definition that the transaction began with."""
        made = {table.physical for change in self.changes for table in change.tables}
        for change in self.changes:
            for key, basis in change.based_on.items():
                is_own = basis is not None and basis.physical in made
                if not is_own and state.tables.get(key) is not basis:
                    raise BigQueryError(
                        "invalidQuery",
                        f"Transaction is aborted due to concurrent update against table {key[0]}.{key[1]}.",
                        "query",
                    )

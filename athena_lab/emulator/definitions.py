"""What exists, as values: tables, everything at one moment, and what a transaction did to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from athena_lab.emulator.types import Field

Key = tuple[str, str]
"""Dataset and table."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a view; `resource` is what its makers said in the REST API's JSON."""

    dataset: str
    name: str
    physical: str
    fields: tuple[Field, ...]
    resource: Mapping[str, Any]
    created_ms: int
    modified_ms: int
    later: tuple[Table, ...] = ()
    """Of a table as it was: the definitions that it had since. Their policies protect its rows as well as its own."""

    @property
    def key(self) -> Key:
        return (self.dataset, self.name)

    @property
    def view(self) -> str | None:
        """The SQL of a view."""
        found = (self.resource.get("view") or self.resource.get("materializedView") or {}).get("query")
        return None if found is None else str(found)


@dataclass(frozen=True, slots=True)
class State:
    """Everything that exists at one moment; `version` grows with every change of a definition."""

    version: int
    datasets: Mapping[str, Mapping[str, Any]]
    tables: Mapping[Key, Table]
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Data policies by id."""
    routines: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    """Routines (REST resources) by dataset and name."""


@dataclass(slots=True)
class Change:
    """What a transaction did: definitions put and dropped, tables written to."""

    tables: list[Table] = field(default_factory=list)
    dropped: list[Table] = field(default_factory=list)
    written: list[Table] = field(default_factory=list)
    rewritten: list[Table] = field(default_factory=list)
    """Of the tables written to: those whose rows were changed or removed, not only appended."""
    moved: list[tuple[Table, Table]] = field(default_factory=list)
    """Tables that got another name: as they were, as they are."""
    based_on: dict[Key, Table | None] = field(default_factory=dict)
    """What the work found under a name; the change is refused and tried again if that changed since."""
    copied: list[Table] = field(default_factory=list)
    """Tables whose rows were taken over; the change is refused and tried again if somebody wrote to them since."""

    @property
    def places(self) -> set[Key]:
        """Where something is written, put or dropped."""
        moved = (table for pair in self.moved for table in pair)
        return {table.key for table in (*self.tables, *self.dropped, *self.written, *self.rewritten, *moved)}

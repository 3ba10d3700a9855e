"""What lineage says: tables read and written, what was not decided, and the source columns of each written column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

HOLE = re.compile(r"__athena_hole_\d+__", re.IGNORECASE)
"""Stands in a text for a piece that is only known at run time."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that was not decided: the cell's index (None in a file without cells), and the text."""

    cell: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """Tables as `dataset.table` (a foreign project's with its project before), columns as `dataset.table.column`.

    `dataset.table.*` stands for columns whose names are not known. A written table of which `columns` holds
    nothing received values that come from no table that is followed (a file). A DataFrame that was changed in a way
    that is not followed counts as `dataset.table.*`, made of every column that it may hold.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    made: tuple[str, ...] = ()
    """Written tables that may be made anew, without the policies that their columns had."""

    def to_json(self) -> dict[str, Any]:
        """Give the form that `athena lineage --json` prints."""
        return {
            "reads": list(self.reads),
            "writes": list(self.writes),
            "unknown": [{"cell": item.cell, "text": item.text} for item in self.unknown],
            "columns": {name: list(sources) for name, sources in self.columns.items()},
        }


@dataclass(frozen=True, slots=True)
class Sighting:
    """One place where a table is read or written by its name: the cell that does it, and the statement or call.

    Of a table in SQL: `is_bare` says that it stands in FROM or its like without an alias, `names` has every name in
    the statement (lowered), `qualifiers` those before a dot or a column's, `is_past` that it is read as it was at an
    earlier time.
    """

    cell: int | None
    table: str
    text: str
    is_write: bool
    is_bare: bool = False
    is_past: bool = False
    names: frozenset[str] = frozenset()
    qualifiers: frozenset[str] = frozenset()


@dataclass(slots=True)
class Sightings:
    """Every place where a table is read or written by its name, and the text of every script that was followed."""

    places: list[Sighting] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)


class Findings:
    """Collects what an analysis finds; `lineage()` gives it sorted. Places go to `sightings` too, where given."""

    def __init__(self, sightings: Sightings | None = None) -> None:
        self.sightings = sightings
        self.statement = ""
        self.reads: set[str] = set()
        self.writes: set[str] = set()
        self.unknown: dict[Unknown, None] = {}
        self.columns: dict[str, set[str]] = {}
        self.made: set[str] = set()
        self.cell: int | None = None

    def doubt(self, text: str) -> None:
        """Note something undecided, in the cell that is being read."""
        self.unknown[Unknown(self.cell, " ".join(text.split()))] = None

    def see(self, table: str, *, is_write: bool, text: str = "") -> None:
        """Note a place where a table is read or written."""
        if self.sightings is not None:
            self.sightings.places.append(Sighting(self.cell, table, text or self.statement, is_write))

    def derive(self, column: str, sources: Iterable[str]) -> None:
        """Add source columns of a written column."""
        self.columns.setdefault(column, set()).update(sources)

    def add(self, other: Findings) -> None:
        """Take over what another analysis found; its doubts are this cell's."""
        self.reads |= other.reads
        self.writes |= other.writes
        self.made |= other.made
        for item in other.unknown:
            self.doubt(item.text)
        for column, sources in other.columns.items():
            self.derive(column, sources)

    def lineage(self) -> Lineage:
        return Lineage(
            reads=tuple(sorted(self.reads)),
            writes=tuple(sorted(self.writes)),
            unknown=tuple(sorted(self.unknown, key=lambda item: (-1 if item.cell is None else item.cell, item.text))),
            columns={name: tuple(sorted(self.columns[name])) for name in sorted(self.columns)},
            made=tuple(sorted(self.made)),
        )

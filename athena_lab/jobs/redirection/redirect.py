"""Put other tables in place of those that a notebook writes, wherever its text names them.

Every place that may name a table is given a name of its own, and lineage follows the notebook so marked: which of these
names it meets as tables, and where, says which places count. What then is changed must read, by lineage, as before but
for the tables' names; what is not changed is told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from athena_lab.gateway_api.lineage import UnknownTable
from athena_lab.jobs.bundle_notebook import text_of
from athena_lab.jobs.parameters import PARAMETERS_TAG
from athena_lab.jobs.redirection.constants import constants_of, trees_of
from athena_lab.jobs.redirection.expressions import apart_places, expression_places
from athena_lab.jobs.redirection.places import Edit, Made, Place, places_of
from athena_lab.jobs.redirection.uses import Uses
from athena_lab.warehouse.lineage import Lineage, Sighting, Sightings, sightings_of_notebook
from athena_lab.warehouse.lineage.script import words_of

_MARK = "athena_place_{}_"
_MARKS = re.compile(r"athena_place_\d+_")
_MOST_TRIALS = 64
Notebook = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Redirection:
    """A notebook that names other tables; the given one is not changed.

    `changed` counts the names replaced. `missed` are writes to a table that was to be replaced, in text that could not
    be changed; `stale` are such reads: they go on to the table itself. Cells are numbered as in `CellSummary`.
    """

    notebook: dict[str, Any]
    changed: int
    missed: tuple[UnknownTable, ...] = ()
    stale: tuple[UnknownTable, ...] = ()


def redirect(notebook: Notebook, tables: Mapping[str, str], *, project: str) -> Redirection:
    """Replace tables (`dataset.table` by `dataset.table`) in the cells' SQL and in the literals that lineage follows.

    Comments, strings of SQL, columns and aliases of the same name stay, and so does each literal that is used for
    anything but a table, SQL or a text that is shown: what it decides would change with it.
    """
    before, sightings = sightings_of_notebook(notebook, projects=(project,))
    if not any(_is_named(item, tables) for item in sightings.places):
        return Redirection(dict(notebook), 0)
    chosen = _choose(notebook, tables, project)
    kept = _held(notebook, chosen, tables, project, (before, sightings))
    changed = _edited(notebook, kept)
    left = sightings_of_notebook(changed, projects=(project,))[1].places
    return Redirection(
        changed,
        sum(not place.is_qualifier for place in kept),
        _told(notebook, [item for item in left if item.is_write or "*" in item.table], tables),
        _told(notebook, [item for item in left if not item.is_write and "*" not in item.table], tables),
    )


def _is_named(sighting: Sighting, tables: Mapping[str, str]) -> bool:
    """Say whether a place names one of the tables, alone or among those of a wildcard."""
    if sighting.table.endswith("*"):
        return any(name.startswith(sighting.table[:-1]) for name in tables)
    return sighting.table in tables


def _told(notebook: Notebook, sightings: Iterable[Sighting], tables: Mapping[str, str]) -> tuple[UnknownTable, ...]:
    code = [index for index, cell in enumerate(notebook["cells"]) if cell["cell_type"] == "code"]
    numbers: dict[int | None, int] = {index: number for number, index in enumerate(code)}
    found = [
        UnknownTable(cell=numbers.get(item.cell), text=f"{item.table}: {' '.join(item.text.split())[:300]}")
        for item in sightings
        if _is_named(item, tables)
    ]
    return tuple(dict.fromkeys(found))


# -- which places count


def _choose(notebook: Notebook, tables: Mapping[str, str], project: str) -> list[Place]:
    sources = {
        index: text_of(cell["source"]) for index, cell in enumerate(notebook["cells"]) if cell["cell_type"] == "code"
    }
    parameters = [at for at, index in enumerate(sources) if PARAMETERS_TAG in _tags(notebook["cells"][index])]
    constants = constants_of(trees_of(sources.values()), parameters)
    places = [place for index, text in sources.items() for place in _places(index, text, tables, project, constants)]
    marks = [_MARK.format(at) for at in range(len(places))]
    marked = _edited(notebook, [replace(p, edits=(Edit(*p.mark, m),)) for p, m in zip(places, marks, strict=True)])
    sightings = sightings_of_notebook(marked, projects=(project,))[1]
    uses = Uses(trees_of(text_of(marked["cells"][index]["source"]) for index in sources))
    return _Choice(dict(zip(marks, places, strict=True)), sightings, uses).places()


def _places(
    cell: int, source: str, tables: Mapping[str, str], project: str, constants: Mapping[str, str]
) -> list[Place]:
    """Give all places of a cell; those within an expression that makes a text are that text's."""
    made = list(expression_places(cell, source, tables, project, constants))
    spans = {(place.made.start, place.made.end) for place in made if place.made is not None}
    others = [*places_of(cell, source, tables, project, constants), *apart_places(cell, source, tables)]
    return [*made, *(one for one in others if not any(start <= one.mark[0] < end for start, end in spans))]


def _tags(cell: Mapping[str, Any]) -> Sequence[str]:
    return (cell.get("metadata") or {}).get("tags") or ()


class _Choice:
    """Decides by the sightings of marks which places name a table, and which need an alias then."""

    def __init__(self, places: Mapping[str, Place], sightings: Sightings, uses: Uses) -> None:
        self.marked, self.uses = places, uses
        self.quoted = {mark for text in sightings.queries for mark in _marks_in_strings(text)}
        self.seen: dict[str, list[Sighting]] = {}
        for sighting in sightings.places:
            dataset, _, name = sighting.table.rpartition(".")
            place = places.get(name)
            if place is not None and dataset == place.table.split(".")[0] and not place.is_qualifier:
                self.seen.setdefault(name, []).append(sighting)

    def places(self) -> list[Place]:
        chosen: dict[str, Place] = {}
        for mark, seen in self.seen.items():
            is_fit = not any(item.is_composed or item.is_past for item in seen) and mark not in self.quoted
            place = self._aliased(self.marked[mark], seen) if is_fit else None
            if place is not None and self.uses.are_of_tables(mark):
                chosen[mark] = place
        return [*chosen.values(), *self._qualifiers(chosen)]

    def _aliased(self, place: Place, seen: Sequence[Sighting]) -> Place | None:
        """Give the place with the alias that its qualifiers need; None where there can be none."""
        name = place.table.split(".")[1]
        needing = [item for item in seen if item.is_bare and self._is_qualified(item, place.table, name)]
        if not needing:
            return place
        if place.alias_at is None or not all(item.is_bare for item in seen):
            return None
        quoted = name if name.isidentifier() else f"`{name}`"
        return replace(place, edits=(*place.edits, Edit(place.alias_at, place.alias_at, f" AS {quoted}")))

    def _is_qualified(self, sighting: Sighting, table: str, name: str) -> bool:
        is_whole = any(mark in self.marked and self.marked[mark].table == table for mark in sighting.qualifiers)
        return is_whole or name.lower() in sighting.names

    def _qualifiers(self, chosen: Mapping[str, Place]) -> list[Place]:
        """Give the places before columns whose tables, in the same statement, have an alias now."""
        aliased = {
            (mark, chosen[name].table)
            for name in chosen
            for sighting in self.seen[name]
            if sighting.is_bare
            for mark in sighting.qualifiers
        }
        return [place for mark, place in self.marked.items() if place.is_qualifier and (mark, place.table) in aliased]


def _marks_in_strings(sql: str) -> set[str]:
    """Give the marks in a script's strings, which are values, but for the text that EXECUTE IMMEDIATE is given."""
    found: set[str] = set()
    keys: list[str] = []
    for word in words_of(sql):
        keys = [] if word.text == ";" else [*keys[:2], word.key]
        if word.text[-1] in "'\"" and "athena_place_" in word.text:
            is_run = keys[:2] == ["EXECUTE", "IMMEDIATE"]
            found |= _marks_in_strings(_content(word.text)) if is_run else set(_MARKS.findall(word.text))
    return found


def _content(literal: str) -> str:
    """Give what a literal of SQL holds, its escapes as they stand."""
    text = literal.lstrip("rRbB")
    width = 3 if text.startswith(('"""', "'''")) else 1
    return text[width:-width]


# -- held against lineage


def _held(
    notebook: Notebook,
    chosen: Sequence[Place],
    tables: Mapping[str, str],
    project: str,
    before: tuple[Lineage, Sightings],
) -> list[Place]:
    """Give those of the places after whose change lineage says the same as before, but for the tables' names."""
    wanted = _reading(*before, {})
    back = {new: old for old, new in tables.items()}

    def holds(places: Sequence[Place]) -> bool:
        after = sightings_of_notebook(_edited(notebook, places), projects=(project,))
        return _reading(*after, back) == wanted

    if holds(chosen):
        return list(chosen)
    kept: list[Place] = []
    cells = list(dict.fromkeys(place.cell for place in chosen))
    for cell in cells[:_MOST_TRIALS]:
        trial = [*kept, *(place for place in chosen if place.cell == cell)]
        kept = trial if holds(trial) else kept
    return kept


def _reading(found: Lineage, sightings: Sightings, back: Mapping[str, str]) -> tuple[object, ...]:
    """Give what a lineage says, with the old names for the new ones."""

    def name(table: str) -> str:
        return back.get(table, table)

    def column(path: str) -> str:
        table, _, last = path.rpartition(".")
        return f"{name(table)}.{last}"

    return (
        {name(table) for table in found.reads},
        {name(table) for table in found.writes},
        {name(table) for table in found.made},
        {column(path): {column(one) for one in sources} for path, sources in found.columns.items()},
        Counter(item.cell for item in found.unknown),
        {(item.cell, name(item.table), item.is_write) for item in sightings.places},
    )


def _edited(notebook: Notebook, places: Iterable[Place]) -> dict[str, Any]:
    """Give a copy of the notebook with the places' edits made."""
    edits: dict[int, list[Edit]] = {}
    made: dict[tuple[int, Made], list[Edit]] = {}
    for place in places:
        if place.made is None:
            edits.setdefault(place.cell, []).extend(place.edits)
        else:
            made.setdefault((place.cell, place.made), []).extend(place.edits)
    for (cell, whole), inner in made.items():
        edits.setdefault(cell, []).append(Edit(whole.start, whole.end, repr(_changed(whole.text, inner))))
    cells = [
        {**cell, "source": _source_of(cell["source"], edits[index])} if index in edits else cell
        for index, cell in enumerate(notebook["cells"])
    ]
    return {**notebook, "cells": cells}


def _source_of(source: str | Sequence[str], edits: Iterable[Edit]) -> str | list[str]:
    text = _changed(text_of(source), edits)
    return text if isinstance(source, str) else text.splitlines(keepends=True)


def _changed(text: str, edits: Iterable[Edit]) -> str:
    for edit in sorted(set(edits), key=lambda item: (item.start, item.end), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text

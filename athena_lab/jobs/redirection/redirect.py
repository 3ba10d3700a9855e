"""Put other tables in place of those that a notebook writes, wherever its text names them.

Every place that may name a table is given a name of its own, and lineage follows the notebook so marked: which of these
names it meets as tables, and where, says which places count. What then is changed must read, by lineage, as before but
for the tables' names; what is not changed is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from athena_lab.gateway_api.lineage import UnknownTable
from athena_lab.jobs.bundle_notebook import text_of
from athena_lab.jobs.parameters import PARAMETERS_TAG
from athena_lab.jobs.redirection.choice import Choice
from athena_lab.jobs.redirection.constants import constants_of, trees_of
from athena_lab.jobs.redirection.expressions import apart_places, expression_places
from athena_lab.jobs.redirection.marks import mark_of, marks_in
from athena_lab.jobs.redirection.places import Edit, Made, Place, places_of
from athena_lab.jobs.redirection.prefixes import prefix_places
from athena_lab.jobs.redirection.uses import Uses
from athena_lab.warehouse.lineage import Lineage, Sighting, Sightings, sightings_of_notebook

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
    before = sightings_of_notebook(notebook, projects=(project,))
    if not any(_is_named(item, tables) for item in before[1].places):
        return Redirection(_edited(notebook, ()), 0)
    kept, changed, left = _held(notebook, _choose(notebook, tables, project), tables, project, before)
    reads = [item for item in left.places if not item.is_write and "*" not in item.table]
    return Redirection(
        changed,
        sum(not place.is_qualifier for place in kept),
        _told(notebook, [item for item in left.places if item not in reads], tables),
        _told(notebook, reads, tables),
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
    marks = {mark_of(at): place for at, place in enumerate(places)}
    found, sightings = sightings_of_notebook(_marked(notebook, marks), projects=(project,))
    literals, made = (
        Uses(trees_of(text_of(book["cells"][index]["source"]) for index in sources))
        for book in (_pointed(notebook, marks), _marked(notebook, marks))
    )
    doubtful = {mark for item in found.unknown for mark in marks_in(item.text)}
    return Choice(marks, sightings, tables).places(
        lambda mark: (
            (literals if marks[mark].made is None else made).are_of_tables(mark)
            and not (marks[mark].prefix_at is not None and mark in doubtful)
        )
    )


def _marked(notebook: Notebook, places: Mapping[str, Place]) -> dict[str, Any]:
    """Put marks in the places of names."""
    return _edited(notebook, [replace(one, edits=(Edit(*one.mark, mark),)) for mark, one in places.items()])


def _pointed(notebook: Notebook, places: Mapping[str, Place]) -> dict[str, Any]:
    """Put marks before the names in literals, and before datasets that stand apart; expressions stand as they are.

    What they and f-strings are put together of is used there, and that must be seen.
    """
    found = []
    for mark, place in places.items():
        starts = [span[0] for span in (place.mark, place.beside) if span is not None and place.made is None]
        found.append(replace(place, made=None, edits=tuple(Edit(start, start, mark) for start in starts)))
    return _edited(notebook, found)


def _places(
    cell: int, source: str, tables: Mapping[str, str], project: str, constants: Mapping[str, str]
) -> list[Place]:
    """Give all places of a cell; those within an expression that makes a text are that text's."""
    made = list(expression_places(cell, source, tables, project, constants))
    spans = {(place.made.start, place.made.end) for place in made if place.made is not None}
    others = [*places_of(cell, source, tables, project, constants), *apart_places(cell, source, tables)]
    others = [one for one in others if not any(start <= one.mark[0] < end for start, end in spans)]
    taken = {*spans, *((edit.start, max(edit.end, edit.start + 1)) for one in others for edit in one.edits)}
    return [*made, *others, *prefix_places(cell, source, tables, constants, taken)]


def _tags(cell: Mapping[str, Any]) -> Sequence[str]:
    return (cell.get("metadata") or {}).get("tags") or ()


# -- held against lineage


def _held(
    notebook: Notebook,
    chosen: Sequence[Place],
    tables: Mapping[str, str],
    project: str,
    before: tuple[Lineage, Sightings],
) -> tuple[list[Place], dict[str, Any], Sightings]:
    """Give those of the places after whose change lineage says the same as before, but for the tables' names.

    With them the notebook so changed, and its sightings. Where that does not hold for all places together, cells are
    tried one after the other, and of a cell that fails each place.
    """
    wanted = _reading(*before, {})
    back = {new: old for old, new in tables.items()}
    kept: list[Place] = []
    found = _edited(notebook, ()), before[1]
    trials = 0

    def adds(places: Sequence[Place]) -> bool:
        nonlocal found, trials
        trials += 1
        changed = _edited(notebook, [*kept, *places])
        after = sightings_of_notebook(changed, projects=(project,))
        if trials > _MOST_TRIALS or _reading(*after, back) != wanted:
            return False
        kept.extend(places)
        found = changed, after[1]
        return True

    if not adds(chosen):
        for cell in dict.fromkeys(place.cell for place in chosen):
            fresh = [place for place in chosen if place.cell == cell]
            if not adds(fresh):
                for place in fresh:
                    adds([place])
    return kept, *found


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

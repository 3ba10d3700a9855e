"""Which places count: those that lineage met as tables, whose literals are nothing else, with the aliases they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from athena_lab.jobs.redirection.marks import marks_in
from athena_lab.jobs.redirection.places import Edit, Place
from athena_lab.jobs.redirection.prefixes import prefixed
from athena_lab.warehouse.lineage import Sighting, Sightings
from athena_lab.warehouse.lineage.script import Kind, Step, steps_of, words_of


class Choice:
    """Decides by the sightings of marks which places name a table, and which need an alias then."""

    def __init__(self, places: Mapping[str, Place], sightings: Sightings, tables: Mapping[str, str]) -> None:
        self.marked, self.tables = places, tables
        self.quoted = {mark for text in sightings.scripts for mark in _marks_in_values(text)}
        self.seen: dict[str, list[Sighting]] = {}
        for sighting in sightings.places:
            mark = self._mark_of(sighting)
            if mark is not None:
                self.seen.setdefault(mark, []).append(sighting)

    def _mark_of(self, sighting: Sighting) -> str | None:
        """Give the mark that a table met stands for: as its name in the right dataset, or as its dataset."""
        dataset, _, name = sighting.table.rpartition(".")
        place = self.marked.get(name)
        if place is not None and dataset == place.table.split(".")[0] and not place.is_qualifier:
            return name if place.prefix_at is None else None
        place = self.marked.get(dataset)
        return dataset if place is not None and place.prefix_at is not None else None

    def places(self, is_of_tables: Callable[[str], bool]) -> list[Place]:
        """Give the places that count, with their edits; `is_of_tables` says so of the literals with a mark."""
        chosen: dict[str, Place] = {}
        for mark, seen in self.seen.items():
            is_fit = not any(item.is_past for item in seen) and mark not in self.quoted
            place = self._aliased(self.marked[mark], seen) if is_fit else None
            if place is not None and is_of_tables(mark):
                chosen[mark] = place
        return [*chosen.values(), *self._qualifiers(chosen)]

    def _aliased(self, place: Place, seen: Sequence[Sighting]) -> Place | None:
        """Give the place with the alias that its qualifiers need; None where there can be none."""
        if place.prefix_at is not None:
            edits = prefixed(place, seen, self.tables)
            return replace(place, edits=edits) if edits is not None else None
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


def _marks_in_values(sql: str) -> set[str]:
    """Give the marks in a script's strings, but for the texts that are run and nothing else."""
    steps = list(steps_of(sql))
    run = _run_alone(steps)
    found: set[str] = set()
    for step in steps:
        if step.kind is not Kind.EXECUTE and not (step.names and run.issuperset(_names(step.names))):
            strings = [word.text for word in words_of(step.text) if word.text[-1] in "'\""]
            found.update(mark for text in strings for mark in marks_in(text))
    return found


def _run_alone(steps: Sequence[Step]) -> set[str]:
    """Give the variables of a script whose value is run by EXECUTE IMMEDIATE, or part of what is, and nothing else."""
    setting = [step for step in steps if step.kind in (Kind.DECLARE, Kind.SET)]
    run = {name for step in setting for name in _names(step.names)}
    while True:
        used = {
            name
            for step in steps
            if not (step in setting and run.issuperset(_names(step.names)))
            for name in _names(_values(step))
        }
        if not used & run:
            return run
        run -= used


def _values(step: Step) -> list[str]:
    """Give the words of a step that are no text to be run: of EXECUTE IMMEDIATE what follows INTO or USING."""
    words = words_of(step.text)
    if step.kind is not Kind.EXECUTE:
        return [word.text for word in words]
    first = next((at for at, word in enumerate(words) if word.key in ("INTO", "USING")), len(words))
    return [word.text for word in words[first:]]


def _names(words: Iterable[str]) -> set[str]:
    return {word.strip("`").lower() for word in words}

"""Which places count: those that lineage met as tables, whose literals are nothing else, with the aliases they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from athena_lab.jobs.redirection.marks import marks_in
from athena_lab.jobs.redirection.places import Edit, Place
from athena_lab.warehouse.lineage import Sighting, Sightings
from athena_lab.warehouse.lineage.script import words_of


class Choice:
    """Decides by the sightings of marks which places name a table, and which need an alias then."""

    def __init__(self, places: Mapping[str, Place], sightings: Sightings) -> None:
        self.marked = places
        self.quoted = {mark for text in sightings.queries for mark in _marks_in_strings(text)}
        self.seen: dict[str, list[Sighting]] = {}
        for sighting in sightings.places:
            dataset, _, name = sighting.table.rpartition(".")
            place = places.get(name)
            if place is not None and dataset == place.table.split(".")[0] and not place.is_qualifier:
                self.seen.setdefault(name, []).append(sighting)

    def places(self, is_of_tables: Callable[[str], bool]) -> list[Place]:
        """Give the places that count, with their edits; `is_of_tables` says so of the literals with a mark."""
        chosen: dict[str, Place] = {}
        for mark, seen in self.seen.items():
            is_fit = not any(item.is_composed or item.is_past for item in seen) and mark not in self.quoted
            place = self._aliased(self.marked[mark], seen) if is_fit else None
            if place is not None and is_of_tables(mark):
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
        if word.text[-1] in "'\"" and marks_in(word.text):
            is_run = keys[:2] == ["EXECUTE", "IMMEDIATE"]
            found |= _marks_in_strings(_content(word.text)) if is_run else set(marks_in(word.text))
    return found


def _content(literal: str) -> str:
    """Give what a literal of SQL holds, its escapes as they stand."""
    text = literal.lstrip("rRbB")
    width = 3 if text.startswith(('"""', "'''")) else 1
    return text[width:-width]

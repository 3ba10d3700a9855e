"""Places that name a dataset before a table whose name is put in at run time: `f"ds.{name}"`, `"ds." + name`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from athena_lab.jobs.redirection.places import Edit, Place
from athena_lab.jobs.redirection.regions import Region, regions_of
from athena_lab.warehouse.lineage import Sighting

_OPEN = r"`?\s*\.\s*`?(?P<name>)[\w-]*(?:\0|\{|%[s(]|['\"]|$)"
"""What follows the dataset: the beginning of a name that goes on with something else."""


def prefix_places(
    cell: int, source: str, tables: Collection[str], constants: Mapping[str, str], taken: Collection[tuple[int, int]]
) -> Iterator[Place]:
    """Give every place that names only the dataset of one of the tables, but for the places taken."""
    for dataset in sorted({name.split(".")[0] for name in tables}):
        pattern = re.compile(rf"(?<![\w-])(?P<dataset>{re.escape(dataset)}){_OPEN}")
        for region in regions_of(source, constants):
            for match in pattern.finditer(region.text):
                place = _place(cell, region, match)
                if place is not None and not any(start <= place.mark[0] < end for start, end in taken):
                    yield place


def _place(cell: int, region: Region, match: re.Match[str]) -> Place | None:
    mark, name = region.span(*match.span("dataset")), region.span(*match.span("name"))
    if mark is None or name is None:
        return None
    return Place(cell, match["dataset"], mark, (), prefix_at=name[0])


def prefixed(place: Place, seen: Sequence[Sighting], tables: Mapping[str, str]) -> tuple[Edit, ...] | None:
    """Give the edits that turn all names seen after a dataset into those of their tables; None where there are none.

    There are where all of them are to be replaced, each by a name that ends in its own after the same beginning.
    """
    beginnings: set[str] = set()
    for sighting in seen:
        name = sighting.table.rpartition(".")[2]
        new = tables.get(f"{place.table}.{name}", "")
        if not new.endswith(name) or (sighting.is_bare and name.lower() in map(str.lower, sighting.qualifiers)):
            return None
        beginnings.add(new[: -len(name)])
    if len(beginnings) != 1 or place.prefix_at is None:
        return None
    dataset, beginning = beginnings.pop().split(".")
    return Edit(*place.mark, dataset), Edit(place.prefix_at, place.prefix_at, beginning)

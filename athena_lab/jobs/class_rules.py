"""Classes follow columns: what a job may not write because the columns that it comes from are classed.

A column's classes are the data policies and policy tags that the warehouse has on it. A written column has to have
every class of every column that it comes from, through however many tables of the job.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from athena_lab.errors import Fault

Classes = Mapping[str, Mapping[str, frozenset[str]]]
"""By table (`dataset.table`) that exists, by column: the names of its classes."""
MOST_TOLD = 20


def tables_of(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Give the tables whose classes decide about a lineage."""
    names = [*columns, *(source for sources in columns.values() for source in sources)]
    return list(dict.fromkeys(_split(name)[0] for name in names))


def class_faults(columns: Mapping[str, Sequence[str]], classes: Classes, made: Collection[str]) -> list[Fault]:
    """Give a fault, with its path, for each written column that lacks a class of a column that it comes from.

    `made` are the written tables that are made anew: what policies their columns had goes with them.
    """
    faults = []
    for column in columns:
        table, name = _split(column)
        has = frozenset[str]() if table in made else _common(classes.get(table), name)
        for missing, path in _lacking(column, columns, classes, has):
            faults.append(_fault(missing, path, classes, made))
    return faults[:MOST_TOLD]


def _lacking(
    column: str, columns: Mapping[str, Sequence[str]], classes: Classes, has: frozenset[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give each class that a column lacks, with the shortest path from a column that has it."""
    seen, told = {column}, set(has)
    wave: list[tuple[str, ...]] = [(column,)]
    while wave:
        following = []
        for path in wave:
            for source in _sources(path[0], columns):
                if source in seen:
                    continue
                seen.add(source)
                longer = (source, *path)
                following.append(longer)
                table, name = _split(source)
                for found in sorted(_any(classes.get(table), name) - told):
                    told.add(found)
                    yield found, longer
        wave = following


def _sources(column: str, columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Give the columns that a column comes from; `table.*` comes from what any of the table's does."""
    table, name = _split(column)
    found = list(columns.get(column, ()))
    for other, sources in columns.items():
        same_table, other_name = _split(other)
        if same_table == table and other != column and (name == "*" or other_name == "*"):
            found += sources
    return found


def _any(columns: Mapping[str, frozenset[str]] | None, name: str) -> frozenset[str]:
    """Give the classes that a source column may have; `*` may be any column."""
    if columns is None:
        return frozenset()
    if name == "*":
        return frozenset[str]().union(*columns.values())
    return next((found for key, found in columns.items() if key.lower() == name.lower()), frozenset())


def _common(columns: Mapping[str, frozenset[str]] | None, name: str) -> frozenset[str]:
    """Give the classes that a written column surely has; `*` may be any column."""
    if not columns or name != "*":
        return _any(columns, name)
    return frozenset.intersection(*columns.values())


def _split(column: str) -> tuple[str, str]:
    table, _, name = column.rpartition(".")
    return table, name


def _fault(missing: str, path: Sequence[str], classes: Classes, made: Collection[str]) -> Fault:
    table, name = _split(path[-1])
    if table not in classes:
        todo = f"Make '{table}' first, with that policy on the column"
    elif table in made:
        todo = f"Write into '{table}' by INSERT or append: made anew, it loses its policies"
    else:
        todo = f"Put that policy on the column '{name}', or leave it out" if name != "*" else "Name its columns"
    return Fault(
        "tables.writes",
        f"Cannot write '{path[-1]}': it would hold the class '{missing.rsplit('/', 1)[-1]}' without having it, by "
        f"{' → '.join(path)}. {todo}.",
    )

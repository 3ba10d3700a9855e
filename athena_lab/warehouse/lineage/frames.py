"""Rows of queries while Python is followed: which columns a DataFrame holds, and what it is made of once changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from athena_lab.warehouse.lineage.constants import Items, Pairs, Thing, Value, plain
from athena_lab.warehouse.lineage.relation import Column, Origin, Relation, Star
from athena_lab.warehouse.lineage.tables import Result

SAME_COLUMNS = frozenset(
    ["result", "to_dataframe", "to_arrow", "to_pandas", "copy", "df", "arrow", "polars", "head", "tail", "sample",
     "sort_values", "sort_index", "drop_duplicates", "dropna", "nlargest", "nsmallest", "astype", "convert_dtypes",
     "infer_objects", "limit", "filter_rows", "unique", "persist", "compute", "cache"]
)  # fmt: skip
"""Methods that give the same columns, of fewer rows, in another order or as another type."""
_DEPTH = 4


def frame(result: Result | None) -> Thing:
    """Make a thing that holds the rows of a query."""
    return Thing("frame", (("result", result),) if result is not None else ())


def result_of(thing: object) -> Result | None:
    """Give the rows that a thing holds, None for anything else."""
    found = thing.get("result") if isinstance(thing, Thing) else None
    return found if isinstance(found, Result) else None


def results_in(value: Value | None, depth: int = _DEPTH) -> Iterator[Result]:
    """Give the rows in a value, also those within lists and dicts."""
    for option in value.options if value is not None else ():
        found = result_of(option)
        if found is not None:
            yield found
        elif depth and isinstance(option, Items | Pairs):
            inner = option.values if isinstance(option, Items) else [item for _, item in option.values]
            for one in inner:
                yield from results_in(one, depth - 1)


def made_of(found: Value, given: Iterable[Value | None], why: str) -> Value:
    """Give a value that was made in a way that is not followed; rows among what was given may be in it."""
    results = [result for value in given for result in results_in(value)]
    if not results or next(results_in(found), None) is not None:
        return found
    return Value((*found.options, frame(_mixed(results))), found.why or why)


def _mixed(results: Iterable[Result]) -> Result:
    items = list(results)
    wholes = [result.relation.whole() for result in items]
    star = Star(
        received=frozenset[str]().union(*(whole.columns for whole in wholes)),
        doubts=frozenset[str]().union(*(_real_doubts(whole) for whole in wholes)),
    )
    return Result(Relation((star,)), frozenset[str]().union(*(result.reads for result in items)))


def method(thing: Thing, name: str, arguments: Iterable[Value], named: Mapping[str, Value], why: str) -> Value:
    """Call a method of rows that neither reads nor writes."""
    result = result_of(thing)
    if name in SAME_COLUMNS or result is None:
        return Value((thing,))
    if name in ("drop", "rename", "rename_columns"):
        changed = _dropped(result, named) if name == "drop" else _renamed(result, named)
        if changed is not None:
            return Value((thing.having("result", changed),))
    return made_of(Value((), why), [Value((thing,)), *arguments, *named.values()], why)


def picked(thing: Thing, key: Value, why: str) -> Value:
    """Give `frame[key]`: the columns that a list names, or rows of it."""
    result = result_of(thing)
    names = _names(key)
    if result is None or names is None:
        return made_of(Value((), why), [Value((thing,)), key], why)
    found = [(name, result.relation.find(name)) for name in names]
    if any(origin is None for _, origin in found):
        return made_of(Value((), why), [Value((thing,))], why)
    columns = tuple(Column(name, origin) for name, origin in found if origin is not None)
    return Value((thing.having("result", Result(Relation(columns), result.reads)),))


def _dropped(result: Result, named: Mapping[str, Value]) -> Result | None:
    names = _names(named.get("columns"))
    if names is None or set(named) - {"columns", "errors"}:
        return None
    return Result(result.relation.without(names), result.reads)


def _renamed(result: Result, named: Mapping[str, Value]) -> Result | None:
    given = named.get("columns")
    pairs = given.only if given is not None else None
    if not isinstance(pairs, Pairs) or set(named) - {"columns", "errors"} or not result.relation.is_closed:
        return None
    names = {key: value.only for key, value in pairs.values}
    if not all(isinstance(new, str) for new in names.values()):
        return None
    entries = [item for item in result.relation.entries if isinstance(item, Column)]
    return Result(
        Relation(tuple(Column(names.get(item.name, item.name), item.origin) for item in entries)), result.reads
    )


def _names(value: Value | None) -> list[str] | None:
    """Give the constant texts of a list, None where it is anything else."""
    if value is None or not isinstance(value.only, Items):
        return None
    try:
        names = plain(value.only)
    except ValueError:
        return None
    return names if all(isinstance(name, str) for name in names) else None


def received(value: Value | None) -> Iterator[tuple[str, Origin]]:
    """Give the columns (`*`: those whose names are not known) that rows bring, with where each comes from."""
    for result in results_in(value):
        for item in result.relation.entries:
            origin = item.origin if isinstance(item, Column) else item.whole()
            yield (item.name if isinstance(item, Column) else "*"), Origin(origin.columns, _real_doubts(origin))


def _real_doubts(origin: Origin) -> frozenset[str]:
    """Leave out that columns have no known names: `table.*` says so already."""
    return frozenset(doubt for doubt in origin.doubts if not doubt.startswith("SELECT * of "))

"""What a column's name means in a query: which source's column, an outer query's, a variable's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from athena_lab.warehouse.lineage.model import HOLE
from athena_lab.warehouse.lineage.relation import NOWHERE, Origin, Relation, Scope, Source, join


def resolve(parts: Sequence[str], scope: Scope | None, variables: Mapping[str, Origin]) -> Origin:
    """Give where a name, `a` or `t.a` or `t.s.f` or `dataset.t.a`, comes from."""
    written = ".".join(parts)
    if HOLE.search(written):
        return Origin(doubts=frozenset([written]))
    here = scope
    while here is not None:
        found = _qualified(parts, here) if len(parts) > 1 else None
        found = found or _plain(parts, here, variables)
        if found is not None:
            return found
        here = here.parent
    if parts[0].lower() in variables:
        return _descend(variables[parts[0].lower()], parts[1:])
    return Origin(doubts=frozenset([f"column '{written}' is of no known table"]))


def _qualified(parts: Sequence[str], scope: Scope) -> Origin | None:
    for source in scope.sources:
        length = _prefix_of(parts, source)
        if not length:
            continue
        if length == len(parts):
            return source.relation.whole()
        return _column(source, parts[length:])
    return None


def _prefix_of(parts: Sequence[str], source: Source) -> int:
    """Give how many of the parts name the source: its alias, or its full name where it has no alias of its own."""
    if source.path and not source.has_alias:
        path = source.path.split(".")
        for start in range(len(path) - 1):
            tail = path[start:]
            if len(parts) > len(tail) and list(parts[: len(tail)]) == tail:
                return len(tail)
    return int(bool(source.alias) and parts[0].lower() == source.alias.lower())


def _column(source: Source, parts: Sequence[str]) -> Origin:
    if source.is_array and source.relation.value is not None:
        return _descend(source.relation.value, parts)
    found = source.relation.find(parts[0])
    if found is None:
        return Origin(doubts=frozenset([f"column '{source.alias}.{'.'.join(parts)}' is not among the known ones"]))
    return _descend(found, parts[1:])


def _descend(origin: Origin, fields: Sequence[str]) -> Origin:
    for name in fields:
        origin = origin.field(name)
    return origin


def _plain(parts: Sequence[str], scope: Scope, variables: Mapping[str, Origin]) -> Origin | None:
    """Look for a column of that name: a certain one, then a variable, a row, a column that an open table may have."""
    name = parts[0]
    known = [found for item in scope.sources if (found := item.relation.known(name)) is not None]
    if name.lower() in scope.shared:
        return _descend(_shared(name, scope), parts[1:])
    if len(known) > 1:
        doubt = frozenset([f"column '{name}' is of several tables"])
        return Origin(join(known).columns, doubt)
    if known:
        return _descend(known[0], parts[1:])
    if name.lower() in variables:
        return _descend(variables[name.lower()], parts[1:])
    row = next((item for item in scope.sources if item.alias.lower() == name.lower()), None)
    if row is not None and len(parts) == 1:
        return row.relation.whole()
    found = _possible(name, scope)
    return _descend(found, parts[1:]) if found is not None else None


def _shared(name: str, scope: Scope) -> Origin:
    """Give a column of USING: it comes from every source that has it."""
    found = [origin for item in scope.sources if (origin := item.relation.find(name)) is not None]
    return join(found) if found else NOWHERE


def _possible(name: str, scope: Scope) -> Origin | None:
    """Give the column of the one source that may hold it; where several may, say so."""
    open_tables = [item for item in scope.sources if not item.is_array and item.relation.possible(name) is not None]
    arrays = [item for item in scope.sources if item.is_array and not _is_scalar(item.relation)]
    if not arrays and len(open_tables) == 1:
        return open_tables[0].relation.possible(name)
    if open_tables and all(item.alias.lower() in scope.used for item in arrays) and len(open_tables) == 1:
        return open_tables[0].relation.possible(name)
    if not open_tables:
        return _of_arrays(arrays, scope)
    names = " or ".join(f"'{item.path or item.alias or 'UNNEST'}'" for item in [*open_tables, *arrays])
    return Origin(doubts=frozenset([f"column '{name}' is of {names}"]))


def _of_arrays(arrays: Sequence[Source], scope: Scope) -> Origin | None:
    unnamed = [item for item in arrays if item.alias.lower() not in scope.used]
    if len(unnamed) == 1 and unnamed[0].relation.value is not None:
        return unnamed[0].relation.value
    return None


def _is_scalar(relation: Relation) -> bool:
    """Say whether an array's elements surely have no unknown fields."""
    return relation.value is None or relation.value.fields is not None

"""Arguments in a function's body: each stands where its parameter is named, and means what it meant at the call.

Names of the body's own (aliases, columns of what it reads) come before parameters; what the caller's columns are
called must not meet them, so that such arguments are computed beside the body, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from zlib import crc32

from sqlglot import exp

from athena_lab.emulator.faults import unsupported
from athena_lab.emulator.sql.unnest import names_seen

ColumnsOf = Callable[[exp.Table], "set[str] | None"]
"""Gives the lower-case names of a stored table's columns; None where they are not known."""


def unknown_columns(_: exp.Table) -> set[str] | None:
    """Know no table's columns."""
    return None


def put_in(
    body: exp.Expression, arguments: Mapping[str, exp.Expression], columns_of: ColumnsOf = unknown_columns
) -> exp.Expression:
    """Give a scalar function's body (it is consumed) with a call's arguments in it."""
    uses = list(_uses(body, arguments, columns_of))
    if not _must_be_apart(uses, arguments, columns_of):
        substitute(body, arguments, columns_of)
        return body
    if any(_belongs_outside(node) for value in arguments.values() for node in value.find_all(exp.AggFunc, exp.Window)):
        raise unsupported("A function with a subquery of a window's result, or of an aggregate without a column")
    fields = [
        exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=value.copy())
        for name, value in arguments.items()
    ]
    holder = f"athena_given_{crc32(body.sql().encode()):08x}"  # nested bodies differ
    given = {
        name: exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(holder)) for name in arguments
    }
    substitute(body, given, columns_of)
    source = exp.Unnest(
        expressions=[exp.Array(expressions=[exp.Struct(expressions=fields)])],
        alias=exp.TableAlias(columns=[exp.to_identifier(holder)]),
    )
    select = exp.Select(expressions=[body.copy()])
    select.set("from_", exp.From(this=source))
    return exp.Subquery(this=select)


def _belongs_outside(node: exp.Expression) -> bool:
    """Tell whether an aggregate or window of the call's query would be taken for one of the subquery's."""
    if node.find_ancestor(exp.Query) is not None:
        return False  # of a query within the argument
    return isinstance(node, exp.Window) or node.find(exp.Column) is None


def substitute(
    body: exp.Expression, arguments: Mapping[str, exp.Expression], columns_of: ColumnsOf = unknown_columns
) -> exp.Expression:
    """Put a call's arguments in the place of the parameters' names."""
    for column in list(_uses(body, arguments, columns_of)):
        first, *rest = column.parts
        made: exp.Expression = arguments[first.name.lower()].copy()
        for part in rest:
            made = exp.Dot(this=made, expression=part.copy())
        column.replace(made)
    return body


def _uses(body: exp.Expression, arguments: Mapping[str, exp.Expression], columns_of: ColumnsOf) -> Iterator[exp.Column]:
    for column in body.find_all(exp.Column):
        name = column.parts[0].name.lower() if not isinstance(column.parts[0], exp.Star) else ""
        if name in arguments and not any(name in names for names in _scopes(column, columns_of)):
            yield column


def _scopes(column: exp.Expression, columns_of: ColumnsOf) -> Iterator[set[str]]:
    """Give the names of the body's own that can be seen from a place; "*" among them if there are others, too."""
    below, at = column, column.parent
    while at is not None:
        if isinstance(at, exp.Select) and not isinstance(below, exp.With):
            is_below = below.arg_key in ("from_", "joins")
            if not is_below or _is_beside(column, below):
                yield _names(at, below if is_below else None, columns_of)
        below, at = at, at.parent


def _is_beside(column: exp.Expression, source: exp.Expression) -> bool:
    """Tell whether a place in FROM sees what stands beside it: an UNNEST and a condition do, a subquery does not."""
    at = column.parent
    while at is not None and at is not source:
        if isinstance(at, exp.Subquery) and isinstance(at.parent, exp.From | exp.Join):
            return False
        at = at.parent
    return True


def _names(select: exp.Select, apart: exp.Expression | None, columns_of: ColumnsOf) -> set[str]:
    found: set[str] = set()
    sources = [select.args.get("from_"), *(select.args.get("joins") or ())]
    for source in sources:
        item = source.this if source is not None and (source is not apart or isinstance(source, exp.Join)) else None
        if isinstance(item, exp.Table | exp.Subquery | exp.Unnest):
            found |= names_seen(item) | _columns(item, select, columns_of)
            offset = item.args.get("offset")
            found |= {offset.name.lower()} if isinstance(offset, exp.Identifier) else set()
    return found - {""}


def _columns(item: exp.Expression, select: exp.Select, columns_of: ColumnsOf) -> set[str]:
    query: exp.Expression | None = item.this if isinstance(item, exp.Subquery) else None
    if isinstance(item, exp.Table):
        query = _clause(item, select)
        if query is None:
            known = columns_of(item)
            return {"*"} if known is None else known
    if isinstance(query, exp.Query):
        names = {name.lower() for name in query.named_selects}
        return names | ({"*"} if query.is_star else set())
    return set()


def _clause(table: exp.Table, select: exp.Expression) -> exp.Expression | None:
    at: exp.Expression | None = select
    while at is not None and not table.args.get("db"):
        clause = at.args.get("with_")
        for item in clause.expressions if clause is not None else ():
            if item.alias.lower() == table.name.lower():
                found: exp.Expression = item.this
                return found
        at = at.parent
    return None


def _must_be_apart(uses: list[exp.Column], arguments: Mapping[str, exp.Expression], columns_of: ColumnsOf) -> bool:
    """Tell whether an argument's own names would meet the body's, or chance would decide twice."""
    for name, value in arguments.items():
        places = [use for use in uses if use.parts[0].name.lower() == name]
        if len(places) > 1 and value.find(exp.Rand, exp.Uuid) is not None:
            return True
        outer = [column.parts for column in value.find_all(exp.Column)]
        firsts = {parts[0].name.lower() for parts in outer}
        is_bare = any(len(parts) == 1 for parts in outer)
        for use in places:
            for names in _scopes(use, columns_of):
                if firsts & names or (is_bare and "*" in names):
                    return True
    return False

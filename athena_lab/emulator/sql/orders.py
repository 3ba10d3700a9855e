"""ORDER BY of a result whose keys DuckDB takes no expression of: of SELECT DISTINCT, set operations, named windows.

Such a query is put into one around it that orders, so that NaN and ranges come where they belong.
"""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.sql.rules.calls import FLOATS, is_a, is_type

_MOVED = ("order", "limit", "offset")


def straighten_orders(tree: exp.Expression) -> exp.Expression:
    """Rewrite such queries of an annotated tree, and give the tree: it may be one itself."""
    for query in list(tree.find_all(exp.Select, exp.SetOperation)):
        made = _wrapped(query) if query.args.get("order") is not None else None
        if made is None:
            continue
        if query is tree:
            tree = made
        else:
            query.replace(made)
    return tree


def _wrapped(query: exp.Expression) -> exp.Expression | None:
    items = list(query.selects) if isinstance(query, exp.Query) else []
    names = [item.alias_or_name for item in items]
    keys = [_place(key.this, items, query) for key in query.args["order"].expressions]
    if None in keys or len({name.casefold() for name in names}) < len(names) or not all(names):
        return None
    sorted_by = [items[place] for place in keys if place is not None]
    if not any(is_a(item, FLOATS) or is_type(item, exp.DType.RANGE) for item in sorted_by):
        return None
    is_plain = isinstance(query, exp.Select) and not query.args.get("distinct")
    if is_plain and not any(item.find(exp.Window) for item in sorted_by):
        return None
    inner = query.copy()
    for key in _MOVED:
        inner.set(key, None)
    source = exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("athena_sorted")))
    made = exp.Select(expressions=[exp.Star()])
    made.set("from_", exp.From(this=source))
    for key in _MOVED:
        if query.args.get(key) is not None:
            made.set(key, query.args[key].copy())
    for key, item in zip(made.args["order"].expressions, sorted_by, strict=True):
        column = exp.column(exp.to_identifier(item.alias_or_name, quoted=True))
        column.type = item.type
        key.set("this", column)
    return made


def _place(key: exp.Expression, items: list[exp.Expression], query: exp.Expression) -> int | None:
    """Give the place of the column that a key stands for; None where it is none."""
    if isinstance(key, exp.Literal) and not key.is_string:
        return int(key.name) - 1 if key.name.isdigit() and 1 <= int(key.name) <= len(items) else None
    is_name = isinstance(key, exp.Column) and not key.table
    for index, item in enumerate(items):
        if is_name and item.alias_or_name.casefold() == key.name.casefold():
            return index
        if isinstance(query, exp.Select) and item.unalias() == key:
            return index
    return None

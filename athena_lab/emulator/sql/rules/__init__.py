"""The rules by which an annotated GoogleSQL tree becomes one that DuckDB computes alike, a file a family.

A rule takes a node (its children are done) and gives the node to put in its place, or None to leave it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from athena_lab.emulator.sql.having_modifiers import straighten_having
from athena_lab.emulator.sql.orders import straighten_orders
from athena_lab.emulator.sql.rules import (
    aggregates,
    anonymous,
    arrays,
    bignumerics,
    casts,
    comparisons,
    dates,
    documents,
    failing,
    formats,
    formatting,
    intervals,
    likes,
    namespaced,
    numbers,
    places,
    strings,
    structs,
    substrings,
    texts,
)
from athena_lab.emulator.sql.rules.calls import is_a

Rule = Callable[[exp.Expression], exp.Expression | None]

RULES: Mapping[type[exp.Expression], Rule] = {
    **numbers.RULES,
    **casts.RULES,
    **comparisons.RULES,
    **structs.RULES,
    **strings.RULES,
    **texts.RULES,
    **likes.RULES,
    **substrings.RULES,
    **formatting.RULES,
    **intervals.RULES,
    **namespaced.RULES,
    **anonymous.RULES,
    **formats.RULES,
    **dates.RULES,
    **arrays.RULES,
    **documents.RULES,
    **aggregates.RULES,
}


def put_in_rows(tree: exp.Expression) -> None:
    """Write the query of what may be seen in the place of each table of which that is not all."""
    for node in tree.find_all(exp.Table):
        if node.meta.get("rows"):
            node.set("this", exp.Var(this=f"({node.meta['rows']})"))


def _plain(node: exp.Expression) -> exp.Expression | None:
    failed = failing.unfailing(node)
    if failed is not None:
        return failed
    rule = RULES.get(type(node))
    return rule(node) if rule else None


def _bignumeric(node: exp.Expression) -> exp.Expression | None:
    """BIGNUMERIC comes first; what became FLOAT64 by it goes on to the rules of those."""
    made = bignumerics.rewrite(node)
    if made is None:
        return _plain(node)
    return _plain(made) or made if made.meta.pop("is_float", False) else made


def apply_rules(tree: exp.Expression) -> exp.Expression:
    """Rewrite a tree in place, children first; a new node keeps the type of the one that it replaces."""
    failing.keep_arguments_apart(tree)
    tree = straighten_orders(tree)
    straighten_having(tree)
    put_in_rows(tree)  # some rules write text of what is below them
    has_big = any(is_a(node, {exp.DType.BIGDECIMAL}) for node in tree.walk())
    for node in reversed(list(tree.bfs())):
        places.align(node)
        new = _bignumeric(node) if has_big else _plain(node)
        if new is None or new is node:
            continue
        if new.type is None:
            new.type = node.type
        if node is tree:
            tree = new
        else:
            node.replace(new)
    return tree

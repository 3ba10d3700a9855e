"""Set operations BY NAME and CORRESPONDING: both sides are written with the same columns in the same order.

https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax#by_name_or_corresponding
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify

from athena_lab.emulator.faults import invalid_query, unsupported

Schema = dict[str, dict[str, str]]


def match_names(query: exp.Expression, schema: Schema) -> None:
    """Rewrite every set operation by name below a query, the innermost first."""
    for node in reversed(list(query.find_all(exp.SetOperation))):
        if node.args.get("by_name"):
            _match(node, schema)


def leaves(query: exp.Expression) -> list[exp.Select]:
    """Give the queries that a set operation, or the query itself, consists of."""
    if isinstance(query, exp.SetOperation):
        return leaves(query.this) + leaves(query.expression)
    inner = query.unnest() if isinstance(query, exp.Subquery) else query
    return leaves(inner) if isinstance(inner, exp.SetOperation) else [inner] if isinstance(inner, exp.Select) else []


def _match(node: exp.SetOperation, schema: Schema) -> None:
    left, right = _names_of(node.this, schema), _names_of(node.expression, schema)
    names = _common(node, left, right)
    node.set("this", _side(node.this, names, left))
    node.set("expression", _side(node.expression, names, right))
    for key in ("by_name", "side", "kind", "on"):
        node.set(key, None)


def _common(node: exp.SetOperation, left: list[str], right: list[str]) -> list[str]:
    side, theirs = node.args.get("side"), {name.casefold() for name in right}
    ours = {name.casefold() for name in left}
    chosen = [item.name for item in node.args.get("on") or ()]
    if chosen:
        return chosen
    if side == "FULL":
        return left + [name for name in right if name.casefold() not in ours]
    if side == "LEFT":
        return left
    if node.args.get("kind") == "INNER":
        found = [name for name in left if name.casefold() in theirs]
        if not found:
            raise invalid_query("A set operation by name has no column that both queries have")
        return found
    if ours != theirs:
        missing = next(name for name in left + right if not (name.casefold() in ours and name.casefold() in theirs))
        raise invalid_query(f"Column {missing} of a set operation BY NAME is not in both queries")
    return left


def _side(query: exp.Expression, names: list[str], own: list[str]) -> exp.Select:
    known = {name.casefold(): name for name in own}
    written = _written(query)
    columns = []
    for name in names:
        found = known.get(name.casefold())
        value: exp.Expression = exp.column(exp.to_identifier(found, quoted=True)) if found else exp.Null()
        value = written.get(name.casefold(), value)
        made = exp.alias_(value, name, quoted=True)
        made.meta["label"] = name
        columns.append(made)
    inner = query.this if isinstance(query, exp.Subquery) else query
    source = exp.Subquery(this=inner.copy(), alias=exp.TableAlias(this=exp.to_identifier("athena_side")))
    select = exp.Select(expressions=columns)
    select.set("from_", exp.From(this=source))
    return select


def _written(query: exp.Expression) -> dict[str, exp.Expression]:
    """Give the columns of a query that are literals: they take the type of what stands beside them."""
    inner = query.unnest() if isinstance(query, exp.Subquery) else query
    if not isinstance(inner, exp.Select):
        return {}
    found = {item.alias_or_name.casefold(): item.unalias() for item in inner.selects}
    return {name: item.copy() for name, item in found.items() if isinstance(item, exp.Null | exp.Literal)}


def _names_of(query: exp.Expression, schema: Schema) -> list[str]:
    inner = query.unnest() if isinstance(query, exp.Subquery) else query
    if not isinstance(inner, exp.Query):
        raise unsupported("A set operation by name of what is no query")
    if any(item.is_star for item in inner.selects):
        try:
            inner = qualify(inner.copy(), schema=schema, dialect="bigquery")
        except SqlglotError as error:
            raise unsupported("A set operation by name of a query of *") from error
    return [item.alias_or_name for item in inner.selects]

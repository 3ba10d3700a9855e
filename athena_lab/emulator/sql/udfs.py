"""Temporary SQL functions of a query: each call is replaced by the function's body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported


@dataclass(frozen=True, slots=True)
class Function:
    """A function's parameters with their types (None for ANY TYPE), body and declared type."""

    parameters: tuple[tuple[str, exp.DataType | None], ...]
    body: exp.Expression
    returns: exp.DataType | None


def is_function(statement: exp.Expression) -> bool:
    """Tell whether a statement makes a temporary function."""
    return (
        isinstance(statement, exp.Create)
        and str(statement.args.get("kind")).upper() == "FUNCTION"
        and statement.find(exp.TemporaryProperty) is not None
    )


def inline_functions(statements: Sequence[exp.Expression], query: exp.Expression) -> exp.Expression:
    """Replace every call of the functions that `statements` make; a later one may call an earlier one."""
    functions: dict[str, Function] = {}
    for statement in statements:
        name, made = _read(statement)
        _inline(made.body, functions)
        functions[name] = made
    return _inline(query, functions)


def _read(statement: exp.Expression) -> tuple[str, Function]:
    head, body = statement.this, statement.expression
    if statement.find(exp.LanguageProperty) is not None or not isinstance(head, exp.UserDefinedFunction):
        raise unsupported("A function in JavaScript")
    if isinstance(body, exp.Query):
        raise unsupported("A table function")
    returns = statement.find(exp.ReturnsProperty)
    parameters = tuple((item.name.lower(), _known(item.args.get("kind"))) for item in head.expressions)
    holder = exp.Paren(this=body.unnest() if isinstance(body, exp.Paren) else body)
    return head.this.name.lower(), Function(parameters, holder, _known(returns.this if returns else None))


def _known(kind: exp.Expression | None) -> exp.DataType | None:
    return kind if isinstance(kind, exp.DataType) and "ANY" not in kind.sql("bigquery").upper() else None


def _inline(tree: exp.Expression, functions: dict[str, Function]) -> exp.Expression:
    for node in reversed(list(tree.bfs())):
        made = functions.get(node.name.lower()) if isinstance(node, exp.Anonymous) else None
        if made is not None and not isinstance(node.parent, exp.Dot):
            node.replace(_call(node, made))
    return tree


def _call(node: exp.Expression, made: Function) -> exp.Expression:
    if len(node.expressions) != len(made.parameters):
        wanted = len(made.parameters)
        raise invalid_query(f"Number of arguments does not match for function {node.name}: it takes {wanted}.")
    arguments = {
        name: exp.Cast(this=value.copy(), to=kind.copy()) if kind is not None else exp.Paren(this=value.copy())
        for (name, kind), value in zip(made.parameters, node.expressions, strict=True)
    }
    body = made.body.copy()
    for column in list(body.find_all(exp.Column)):
        if not column.table and column.name.lower() in arguments:
            column.replace(arguments[column.name.lower()].copy())
        elif column.table.lower() in arguments:
            column.replace(exp.Dot(this=arguments[column.table.lower()].copy(), expression=column.this.copy()))
    return exp.Cast(this=body, to=made.returns.copy()) if made.returns is not None else body

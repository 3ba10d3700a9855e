"""Functions of users: each call is replaced by the function's body, or by a call of its JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.arguments import ColumnsOf, put_in, unknown_columns

JAVASCRIPT = "ATHENA_JAVASCRIPT"
"""The call that stands for a function in JavaScript: its name, body, parameters' names, then the arguments."""
SALT = ";"
"""Stands between the names of the parameters and what tells the contexts of statements apart."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function's parameters with their types (None for ANY TYPE), body and declared type."""

    name: str
    parameters: tuple[tuple[str, exp.DataType | None], ...]
    body: exp.Expression
    returns: exp.DataType | None
    is_javascript: bool = False
    is_aggregate: bool = False


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
        made = read_function(statement)
        replace_calls(made.body, functions)
        functions[made.name] = made
    return replace_calls(query, functions)


def read_function(statement: exp.Expression) -> Function:
    """Read a CREATE FUNCTION."""
    head, body = statement.this, statement.expression
    language = statement.find(exp.LanguageProperty)
    if not isinstance(head, exp.UserDefinedFunction):
        raise unsupported("This form of CREATE FUNCTION")
    is_javascript = language is not None and language.this.name.lower() in ("js", "javascript")
    if language is not None and not is_javascript and language.this.name.lower() != "sql":
        raise unsupported(f"A function in {language.this.name}")
    if is_table_body(body):
        raise unsupported("A table function that is temporary")
    returns = statement.find(exp.ReturnsProperty)
    parameters = tuple((item.name.lower(), _known(item.args.get("kind"))) for item in head.expressions)
    kind = _known(returns.this if returns else None)
    if is_javascript and (kind is None or not isinstance(body, exp.Literal | exp.RawString)):
        raise invalid_query("A function in JavaScript needs RETURNS and a body in quotes")
    inner = body.unnest() if isinstance(body, exp.Paren) else body.this if isinstance(body, exp.Subquery) else body
    holder = body if is_javascript else exp.Paren(this=inner)
    return Function(head.this.name.lower(), parameters, holder, kind, is_javascript)


def is_table_body(body: exp.Expression) -> bool:
    """Tell a table function's query from an expression: that, a query in parentheses, stands in two pairs of them."""
    return isinstance(body, exp.Query) and not (isinstance(body, exp.Subquery) and isinstance(body.this, exp.Subquery))


def _known(kind: exp.Expression | None) -> exp.DataType | None:
    return kind if isinstance(kind, exp.DataType) and "ANY" not in kind.sql("bigquery").upper() else None


def replace_calls(tree: exp.Expression, functions: Mapping[str, Function]) -> exp.Expression:
    """Replace the calls of functions without a dataset."""
    return replace_each_call(tree, lambda names: functions.get(names[0].lower()) if len(names) == 1 else None)


def replace_each_call(
    tree: exp.Expression, find: Callable[[list[str]], Function | None], columns_of: ColumnsOf = unknown_columns
) -> exp.Expression:
    """Replace every call whose name (its parts) `find` knows; innermost first."""
    for node in reversed(list(tree.bfs())):
        if not isinstance(node, exp.Anonymous) or node.meta.get("is_ours"):
            continue
        whole, names = call_name(node)
        made = find(names)
        if made is None:
            continue
        new = _call(node, made, columns_of)
        if whole is tree:
            return new
        whole.replace(new)
    return tree


def call_name(node: exp.Anonymous) -> tuple[exp.Expression, list[str]]:
    """Give the whole of a call, its dataset included, and the parts of its name."""
    names = node.name.split(".")
    whole: exp.Expression = node
    parent = node.parent
    if isinstance(parent, exp.Dot) and parent.expression is node:
        whole = parent
        left: list[str] = []
        for part in parent.this.find_all(exp.Identifier, bfs=False):
            left += part.name.split(".")
        names = left + names
    return whole, names


def _call(node: exp.Anonymous, made: Function, columns_of: ColumnsOf) -> exp.Expression:
    if len(node.expressions) != len(made.parameters):
        wanted = len(made.parameters)
        raise invalid_query(f"Number of arguments does not match for function {node.name}: it takes {wanted}.")
    arguments = {
        name: exp.Cast(this=value.copy(), to=kind.copy()) if kind is not None else exp.Paren(this=value.copy())
        for (name, kind), value in zip(made.parameters, node.expressions, strict=True)
    }
    if made.is_javascript:
        return _javascript(made, list(arguments.values()))
    body = put_in(made.body.copy(), arguments, columns_of)
    return exp.Cast(this=body, to=made.returns.copy()) if made.returns is not None else body


def _javascript(made: Function, arguments: list[exp.Expression]) -> exp.Expression:
    kinds = ",".join(kind.sql("bigquery") if kind is not None else "ANY" for _, kind in made.parameters)
    texts = [f"{made.name}({kinds})", made.body.name, ",".join(name for name, _ in made.parameters)]
    call = exp.Anonymous(this=JAVASCRIPT, expressions=[*(exp.Literal.string(text) for text in texts), *arguments])
    call.meta["is_ours"] = True
    assert made.returns is not None  # noqa: S101 (read_function refuses a function without)
    call.meta["returns"] = made.returns.copy()
    found = exp.Cast(this=call, to=made.returns.copy())
    found.meta["is_javascript"] = True
    return found


def seclude(tree: exp.Expression, salt: str) -> None:
    """Give a statement's calls of JavaScript contexts of their own: what one keeps there is no other reader's."""
    for node in tree.find_all(exp.Anonymous):
        if node.meta.get("is_ours") and node.name == JAVASCRIPT:
            node.expressions[2].set("this", f"{node.expressions[2].name.partition(SALT)[0]}{SALT}{salt}")

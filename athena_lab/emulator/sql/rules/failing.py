"""What fails: ERROR wherever it stands, SAFE. before a function, ISERROR and its sisters."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from athena_lab.emulator.sql.rules.calls import call, cast
from athena_lab.emulator.sql.rules.raw import raw, text_of
from athena_lab.emulator.sql.typenames import field_of_type
from athena_lab.emulator.types import duckdb_type

_ERROR = "athena_error"
_GIVEN = "athena_given"
_STRICT = (exp.Func, exp.Binary, exp.Not, exp.Neg, exp.BitwiseNot, exp.Between)
_LAZY = (
    exp.AggFunc, exp.And, exp.Or, exp.Array, exp.Case, exp.Cast, exp.Coalesce, exp.Dot, exp.If, exp.Is, exp.Kwarg,
    exp.PropertyEQ, exp.SafeFunc, exp.Struct, exp.TryCast, exp.Typeof,
)  # fmt: skip
_CATCHING = ("ISERROR", "IFERROR", "NULLIFERROR", "TYPEOF", "ROW", "TRY", _ERROR.upper())
_CONSTANT = (
    exp.Boolean, exp.Column, exp.DataType, exp.Identifier, exp.Literal, exp.Null, exp.Paren, exp.Placeholder, exp.Var,
)  # fmt: skip


def unfailing(node: exp.Expression) -> exp.Expression | None:
    """A function or operator of an ERROR fails as it does: DuckDB gives NULL at once, for the type that ERROR has."""
    if not isinstance(node, _STRICT) or isinstance(node, _LAZY):
        return None
    if isinstance(node, exp.Anonymous) and node.name.upper() in _CATCHING:
        return None
    failing = next((item for item in node.iter_expressions() if _fails(item)), None)
    if failing is None:
        return None
    if node.type is None or node.type.this in (exp.DType.UNKNOWN, exp.DType.NULL):
        return failing.copy()  # as untyped as ERROR is
    return cast(failing, duckdb_type(field_of_type("v", node.type)))


def _fails(node: exp.Expression) -> bool:
    """Tell whether nothing but an error, or NULL, comes of a node."""
    inner = node.unnest() if isinstance(node, exp.Paren) else node
    if isinstance(inner, exp.Anonymous):
        return bool(inner.name == _ERROR)
    branches = list(_branches(inner))
    return any(map(_fails, branches)) and all(isinstance(item, exp.Null) or _fails(item) for item in branches)


def _branches(node: exp.Expression) -> Iterator[exp.Expression]:
    """Give what a conditional gives one of."""
    if isinstance(node, exp.Case):
        yield from (item.args["true"] for item in node.args["ifs"])
    elif isinstance(node, exp.If):
        yield node.args["true"]
    elif isinstance(node, exp.Coalesce):
        yield from (node.this, *node.expressions)
    other = node.args.get("default") or node.args.get("false")
    if isinstance(node, exp.Case | exp.If) and other is not None:
        yield other


def keep_arguments_apart(tree: exp.Expression) -> None:
    """Take what a `SAFE.` function is given out of it: the function's errors are caught, not its arguments'."""
    for node in tree.find_all(exp.SafeFunc):
        given: list[exp.Expression] = []
        for argument in list(node.this.iter_expressions()):
            inner = argument.expression if isinstance(argument, exp.Kwarg) else argument
            if _may_fail(inner):
                column = exp.column(f"a{len(given)}", table=_GIVEN)
                column.type = inner.type
                inner.replace(column)
                given.append(inner)
        node.set("expressions", given)


def _may_fail(node: exp.Expression) -> bool:
    if isinstance(node, exp.Lambda | exp.Interval | exp.Ordered | exp.Distinct) or node.type is None:
        return False
    if node.find(exp.AggFunc, exp.Window) or isinstance(node, exp.Literal | exp.RawString | exp.ByteString):
        return False
    if node.type.this in (exp.DType.UNKNOWN, exp.DType.NULL):
        return False
    parts = (item for item in node.walk() if not item.meta.get("is_parameter"))
    return not all(isinstance(item, _CONSTANT) for item in parts)


def safe_call(node: exp.Expression) -> exp.Expression:
    """`SAFE.` before a function turns its error into NULL, not that of an argument."""
    made = call("TRY", node.this)
    if not node.expressions:
        return made
    given = ", ".join(f"'a{index}': {text_of(item)}" for index, item in enumerate(node.expressions))
    made = raw(f"list_transform([{{{{{_braced(given)}}}}}], lambda {_GIVEN}: {{0}})[1]", made)
    made.type = node.type
    return made


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def is_error(given: list[exp.Expression]) -> exp.Expression:
    """ISERROR."""
    return raw("(TRY([{0}]) IS NULL)", given[0], kind="BOOL")


def if_error(given: list[exp.Expression]) -> exp.Expression:
    """IFERROR: what may fail stands once only, since DuckDB would compute what stands twice outside of TRY."""
    made = raw("coalesce(TRY([{0}]), [{1}])[1]", given[0], given[1])
    made.type = given[0].type
    return made

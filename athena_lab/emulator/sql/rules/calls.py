"""What the rules build: calls of DuckDB functions, casts, and questions about a node's type."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.engine.register import FUNCTIONS

INTEGERS = frozenset({exp.DType.BIGINT, exp.DType.INT, exp.DType.SMALLINT, exp.DType.TINYINT, exp.DType.INT128})
FLOATS = frozenset({exp.DType.DOUBLE, exp.DType.FLOAT})
_RESULTS = {
    name: exp.DataType.build("BIGNUMERIC" if result == "BIGNUM" else result, dialect="duckdb")
    for name, (_, _, result) in FUNCTIONS.items()
}
_BIGNUMERIC = exp.DataType.build("BIGNUMERIC", dialect="bigquery")
DECIMALS = frozenset({exp.DType.DECIMAL, exp.DType.BIGDECIMAL})


def call(name: str, *arguments: exp.Expression | str | int) -> exp.Anonymous:
    """Call a DuckDB function or macro; a str argument is a string literal."""
    made = exp.Anonymous(this=name, expressions=[_argument(item) for item in arguments])
    made.type = _RESULTS.get(name)
    return made


def _argument(item: exp.Expression | str | int) -> exp.Expression:
    if isinstance(item, str):
        return exp.Literal.string(item)
    if isinstance(item, int):
        return exp.Literal.number(item)
    return item.copy() if item.parent else item


def cast(value: exp.Expression, kind: str) -> exp.Cast:
    """Cast to a DuckDB type."""
    to = exp.DataType.build(kind, dialect="duckdb")
    found = exp.Cast(this=value.copy() if value.parent else value, to=to)
    found.type = _BIGNUMERIC if kind == "BIGNUM" else to
    found.meta["is_final"] = True
    return found


def is_a(node: exp.Expression | None, kinds: frozenset[exp.DType] | set[exp.DType]) -> bool:
    """Tell whether a node's annotated type is one of `kinds`."""
    return node is not None and node.type is not None and node.type.this in kinds


def is_type(node: exp.Expression | None, *kinds: exp.DType) -> bool:
    """Tell whether a node's annotated type is one of `kinds`."""
    return is_a(node, set(kinds))

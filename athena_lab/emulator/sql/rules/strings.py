"""Strings: lengths of bytes, code points, collations."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import unsupported
from athena_lab.emulator.sql.rules.calls import call, is_type


def length(node: exp.Expression) -> exp.Expression | None:
    """LENGTH of BYTES counts bytes."""
    if isinstance(node.this, exp.Null):
        return exp.Null()
    if is_type(node.this, exp.DType.BINARY, exp.DType.VARBINARY, exp.DType.BLOB):
        return call("octet_length", node.this)
    return None


def code_point(node: exp.Expression) -> exp.Expression:
    """UNICODE of an empty string is 0."""
    empty = exp.EQ(this=node.this.copy(), expression=exp.Literal.string(""))
    return exp.Case(ifs=[exp.If(this=empty, true=exp.Literal.number(0))], default=call("unicode", node.this))


def collate(node: exp.Expression) -> exp.Expression:
    """COLLATE: texts are compared by their code points, and in no other way."""
    if not isinstance(node.expression, exp.Literal) or node.expression.name.lower() not in ("", "binary"):
        raise unsupported(f"The collation {node.expression.sql('bigquery')}")
    return node.this.copy()


RULES = {exp.Length: length, exp.Unicode: code_point, exp.Collate: collate}

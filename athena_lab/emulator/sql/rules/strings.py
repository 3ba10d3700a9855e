"""Strings: FORMAT, lengths of bytes, STRING of a timestamp."""

from __future__ import annotations

import re

from sqlglot import exp

from athena_lab.emulator.faults import unsupported
from athena_lab.emulator.sql.rules.calls import call, cast, is_type

_SPECIFIER = re.compile(r"%([-+ 0#]*\d*(?:\.\d+)?)([a-zA-Z%'])")


def format_(node: exp.Expression) -> exp.Expression:
    """FORMAT with a constant pattern; %t and %T of simple values as text."""
    pattern, arguments = node.this, list(node.expressions)
    if not isinstance(pattern, exp.Literal) or not pattern.is_string:
        raise unsupported("FORMAT with a pattern that is not a constant")
    values: list[exp.Expression] = []

    def take(found: re.Match[str]) -> str:
        flags, letter = found[1], found[2]
        if letter == "%":
            return "%%"
        if len(values) >= len(arguments) or letter not in "dsfFeEgGxXot":
            raise unsupported(f"FORMAT with '{found[0]}'")
        value = arguments[len(values)]
        is_text = letter in "st"
        values.append(cast(value, "VARCHAR") if is_text else value.copy())
        return f"%{flags}{'s' if is_text else letter}"

    made = _SPECIFIER.sub(take, pattern.name)
    if len(values) != len(arguments):
        raise unsupported("FORMAT with more arguments than its pattern has places")
    return call("printf", made, *values)


def length(node: exp.Expression) -> exp.Expression | None:
    """LENGTH of BYTES counts bytes."""
    if is_type(node.this, exp.DType.BINARY, exp.DType.VARBINARY, exp.DType.BLOB):
        return call("octet_length", node.this)
    return None


def code_point(node: exp.Expression) -> exp.Expression:
    """UNICODE of an empty string is 0."""
    empty = exp.EQ(this=node.this.copy(), expression=exp.Literal.string(""))
    return exp.Case(ifs=[exp.If(this=empty, true=exp.Literal.number(0))], default=call("unicode", node.this))


RULES = {exp.Format: format_, exp.Length: length, exp.Unicode: code_point}

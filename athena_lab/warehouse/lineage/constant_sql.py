"""Texts that a script puts together itself, for EXECUTE IMMEDIATE: literals, variables, `||`, CONCAT and FORMAT."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, product

from sqlglot import exp

MAX_ALTERNATIVES = 32
_PLACE = re.compile(r"%[sd]")


def texts_of(item: exp.Expression, variables: Mapping[str, frozenset[str] | None]) -> frozenset[str] | None:
    """Give every text that the expression can be; None where that is only known at run time."""
    if isinstance(item, exp.Literal):
        return frozenset([str(item.this)])
    if isinstance(item, exp.RawString):
        return frozenset([str(item.this)])
    if isinstance(item, exp.Column) and not item.table:
        return variables.get(item.name.lower())
    if isinstance(item, exp.Paren):
        return texts_of(item.this, variables)
    if isinstance(item, exp.DPipe):
        return _combined([item.this, item.expression], variables, "".join)
    if isinstance(item, exp.Concat):
        return _combined(item.expressions, variables, "".join)
    if isinstance(item, exp.Format) or (isinstance(item, exp.Anonymous) and item.name.upper() == "FORMAT"):
        arguments = [item.this, *item.expressions] if isinstance(item, exp.Format) else item.expressions
        return _combined([one for one in arguments if one is not None], variables, _formatted)
    return None


def _combined(
    items: Sequence[exp.Expression],
    variables: Mapping[str, frozenset[str] | None],
    make: Callable[[Sequence[str]], str],
) -> frozenset[str] | None:
    parts = [texts_of(item, variables) for item in items]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    made = frozenset(make(choice) for choice in islice(product(*known), MAX_ALTERNATIVES + 1))
    return made if len(made) <= MAX_ALTERNATIVES else None


def _formatted(parts: Sequence[str]) -> str:
    template, *values = parts
    left = iter(values)
    return _PLACE.sub(lambda match: next(left, match.group()), template).replace("%%", "%")

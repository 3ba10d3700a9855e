"""What Python's operators do with constants."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from athena_lab.warehouse.lineage.constants import MAX_TEXT, Items


def _times(left: object, right: object) -> object:
    for text, count in ((left, right), (right, left)):
        if isinstance(text, str | Items) and isinstance(count, int):
            if isinstance(text, str) and len(text) * count <= MAX_TEXT:
                return text * count
            raise ValueError("too long to follow")
    return left * right  # type: ignore[operator]


COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.Gt: lambda a, b: a > b,
    ast.LtE: lambda a, b: a <= b,
    ast.GtE: lambda a, b: a >= b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Is: lambda a, b: a is b,
    ast.IsNot: lambda a, b: a is not b,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Sub: lambda a, b: a - b,
    ast.Mult: _times,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Div: lambda a, b: a / b,
}

"""Pseudo columns: _PARTITIONTIME and _PARTITIONDATE of tables partitioned by ingestion, _TABLE_SUFFIX of wildcards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

PARTITION_TIME = "athena_partitiontime"
"""The column of DuckDB's that holds when a row came, cut to its partition."""
TABLE_SUFFIX = "athena_table_suffix"
_NAMES = {"_PARTITIONTIME": PARTITION_TIME, "_PARTITIONDATE": PARTITION_TIME, "_TABLE_SUFFIX": TABLE_SUFFIX}


def is_by_ingestion(resource: Mapping[str, Any]) -> bool:
    """Tell whether a table is partitioned by the time at which rows come."""
    partitioning = resource.get("timePartitioning") or {}
    return bool(partitioning) and not partitioning.get("field")


def partition_unit(resource: Mapping[str, Any]) -> str:
    """Give the unit of a table's partitions for DuckDB's date_trunc."""
    return str((resource.get("timePartitioning") or {}).get("type") or "DAY").lower()


def put_in_pseudo_columns(tree: exp.Expression) -> None:
    """Write pseudo columns as the columns that hold them, and keep them out of `*`."""
    for column in list(tree.find_all(exp.Column)):
        hidden = _NAMES.get(column.name.upper())
        if hidden is None or isinstance(column.this, exp.Star):
            continue
        made: exp.Expression = column.copy()
        made.set("this", exp.to_identifier(hidden, quoted=True))
        if column.name.upper() == "_PARTITIONDATE":
            made = exp.Cast(this=made, to=exp.DataType.build("DATE"))
        if isinstance(column.parent, exp.Select) and column.arg_key == "expressions":
            made = exp.alias_(made, column.name, quoted=True)
        column.replace(made)
    for star in tree.find_all(exp.Star):
        if isinstance(star.parent, exp.Count):
            continue
        excepted = list(star.args.get("except_") or ())
        star.set("except_", [*excepted, exp.to_identifier(PARTITION_TIME), exp.to_identifier(TABLE_SUFFIX)])


def mentions(tree: exp.Expression) -> set[str]:
    """Give the hidden columns that a statement names."""
    return {_NAMES[item.name.upper()] for item in tree.find_all(exp.Column) if item.name.upper() in _NAMES}


def may_match(select: exp.Expression | None, suffix: str) -> bool:
    """Tell whether the conditions on _TABLE_SUFFIX alone let a table's rows through; when unsure, yes."""
    where = select.args.get("where") if select is not None else None
    return where is None or _judge(where.this, suffix) is not False


def _judge(node: exp.Expression, suffix: str) -> bool | None:
    if isinstance(node, exp.Paren):
        return _judge(node.this, suffix)
    if isinstance(node, exp.And | exp.Or):
        left, right = _judge(node.this, suffix), _judge(node.expression, suffix)
        decisive = isinstance(node, exp.Or)
        if left is decisive or right is decisive:
            return decisive
        return None if left is None or right is None else not decisive
    if isinstance(node, exp.Not):
        inner = _judge(node.this, suffix)
        return None if inner is None else not inner
    return _compare(node, suffix)


def _compare(node: exp.Expression, suffix: str) -> bool | None:
    left = _value(node.this, suffix) if isinstance(node.this, exp.Expression) else None
    if left is None:
        return None
    if isinstance(node, exp.Between):
        low, high = _value(node.args["low"], suffix), _value(node.args["high"], suffix)
        return None if low is None or high is None else low <= left <= high
    if isinstance(node, exp.In):
        items = [_value(item, suffix) for item in node.expressions]
        return None if not items or None in items else left in items
    test = _TESTS.get(type(node))
    right = _value(node.expression, suffix) if test and isinstance(node.expression, exp.Expression) else None
    if test is None or right is None:
        return None
    return test(left, right) is not bool(node.args.get("negate"))  # NOT LIKE is no exp.Not


def _value(node: exp.Expression, suffix: str) -> str | None:
    if isinstance(node, exp.Literal) and node.is_string:
        return str(node.name)
    is_suffix = isinstance(node, exp.Column) and node.name.upper() in ("_TABLE_SUFFIX", TABLE_SUFFIX.upper())
    return suffix if is_suffix else None


def _like(text: str, pattern: str) -> bool:
    """Match without ever going back by more than one %: no pattern makes it take long."""
    letters = re.findall(r"\\.|.", pattern, re.DOTALL)
    at = here = 0
    last, resumed = -1, 0
    while here < len(text):
        letter = letters[at] if at < len(letters) else ""
        if letter == "%":
            last, resumed, at = at, here, at + 1
        elif letter == "_" or (letter and letter[-1] == text[here]):
            at, here = at + 1, here + 1
        elif last >= 0:
            resumed += 1
            at, here = last + 1, resumed
        else:
            return False
    return all(letter == "%" for letter in letters[at:])


_TESTS: dict[type, Callable[[str, str], bool]] = {
    exp.EQ: lambda a, b: a == b,
    exp.NEQ: lambda a, b: a != b,
    exp.LT: lambda a, b: a < b,
    exp.LTE: lambda a, b: a <= b,
    exp.GT: lambda a, b: a > b,
    exp.GTE: lambda a, b: a >= b,
    exp.Like: _like,
    exp.StartsWith: lambda a, b: a.startswith(b),
}

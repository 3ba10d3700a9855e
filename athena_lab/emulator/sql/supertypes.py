"""The type that a set operation's columns have in common; what is of another is cast to it, or refused.

https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_rules#supertypes
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.sql.by_name import leaves

_NAMES = {
    exp.DType.TINYINT: "INT64", exp.DType.SMALLINT: "INT64", exp.DType.INT: "INT64", exp.DType.BIGINT: "INT64",
    exp.DType.DECIMAL: "NUMERIC", exp.DType.BIGDECIMAL: "BIGNUMERIC", exp.DType.FLOAT: "FLOAT64",
    exp.DType.DOUBLE: "FLOAT64", exp.DType.BOOLEAN: "BOOL", exp.DType.TEXT: "STRING", exp.DType.VARCHAR: "STRING",
    exp.DType.BINARY: "BYTES", exp.DType.VARBINARY: "BYTES", exp.DType.BLOB: "BYTES", exp.DType.DATE: "DATE",
    exp.DType.DATETIME: "DATETIME", exp.DType.TIMESTAMP: "DATETIME", exp.DType.TIMESTAMPTZ: "TIMESTAMP",
    exp.DType.TIME: "TIME", exp.DType.JSON: "JSON", exp.DType.INTERVAL: "INTERVAL", exp.DType.STRUCT: "STRUCT",
    exp.DType.ARRAY: "ARRAY", exp.DType.RANGE: "RANGE",
}  # fmt: skip
_NUMBERS = ("INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64")
"""Each coerces to those after it."""
_OF_TEXTS = frozenset({"DATE", "DATETIME", "TIMESTAMP", "TIME", "BYTES", "INTERVAL"})
"""What a literal of STRING coerces to."""


def unify_set_operations(query: exp.Expression) -> bool:
    """Cast the columns of an annotated query's set operations to their common types; tell whether any was cast."""
    is_changed = False
    for node in reversed(list(query.find_all(exp.SetOperation))):
        if _is_inner(node):
            continue
        selects = leaves(node)
        _refuse_counts(node, selects)
        for place, column in enumerate(zip(*(select.selects for select in selects), strict=True), start=1):
            is_changed |= _unify(node, place, [item.unalias() for item in column])
    return is_changed


def _is_inner(node: exp.Expression) -> bool:
    above = node.parent
    while isinstance(above, exp.Subquery) and not above.alias:
        above = above.parent
    return isinstance(above, exp.SetOperation)


def _refuse_counts(node: exp.SetOperation, selects: Sequence[exp.Select]) -> None:
    first = len(selects[0].selects) if selects else 0
    for number, select in enumerate(selects, start=1):
        if len(select.selects) != first:
            raise invalid_query(
                f"Queries in {_name(node)} have mismatched column count; query 1 has {_columns(first)}, "
                f"query {number} has {_columns(len(select.selects))}"
            )


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"


def _name(node: exp.SetOperation) -> str:
    return f"{node.key.upper()} {'DISTINCT' if node.args.get('distinct') else 'ALL'}"


def _unify(node: exp.SetOperation, place: int, items: Sequence[exp.Expression]) -> bool:
    kinds = [_kind(item) for item in items]
    if "?" in kinds or len(set(kinds) - {"NULL"}) < 2:
        return False
    firm = [kind for kind, item in zip(kinds, items, strict=True) if kind != "NULL" and not _is_literal(item)]
    loose = [kind for kind, item in zip(kinds, items, strict=True) if kind != "NULL" and _is_literal(item)]
    if _is_recursive(node):
        return False
    common = _common(firm or loose)
    if common is not None and firm and not all(_coerces(kind, common) for kind in loose):
        common = _common([*firm, *loose])
    if common is None:
        raise invalid_query(
            f"Column {place} in {_name(node)} has incompatible types: {', '.join(dict.fromkeys(kinds))}"
        )
    to_cast = [item for kind, item in zip(kinds, items, strict=True) if kind != common and kind != "NULL"]
    for item in to_cast:
        made = exp.Cast(this=item.copy(), to=exp.DataType.build(common, dialect="bigquery"))
        made.type = made.to.copy()
        item.replace(made)
    return bool(to_cast)


def _kind(item: exp.Expression) -> str:
    """Give the name of an expression's type; "?" where it is not known."""
    if isinstance(item, exp.Null) or (item.type is not None and item.type.this == exp.DType.NULL):
        return "NULL"
    return _NAMES.get(item.type.this, "?") if item.type is not None else "?"


def _is_literal(item: exp.Expression) -> bool:
    inner = item.this if isinstance(item, exp.Neg) else item
    return isinstance(inner, exp.Literal)


def _is_recursive(node: exp.SetOperation) -> bool:
    """Tell whether a set operation is a recursive query: its first part alone decides."""
    clause = node.find_ancestor(exp.CTE)
    return clause is not None and any(table.name == clause.alias for table in clause.find_all(exp.Table))


def _common(kinds: Sequence[str]) -> str | None:
    found = set(kinds)
    if len(found) == 1:
        return next(iter(found))
    if found <= set(_NUMBERS):
        return max(found, key=_NUMBERS.index)
    return "DATETIME" if found == {"DATE", "DATETIME"} else None


def _coerces(literal: str, to: str) -> bool:
    """Tell whether a literal of a type may stand where another is wanted."""
    if literal == to:
        return True
    if literal == "STRING":
        return to in _OF_TEXTS
    return literal in ("INT64", "FLOAT64") and to in _NUMBERS and not (literal == "FLOAT64" and to == "INT64")

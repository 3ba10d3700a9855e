"""RANGE<T>: a struct of two bounds, of which NULL is no bound."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.rules.raw import raw

_KINDS = {"DATE": "DATE", "DATETIME": "TIMESTAMP", "TIMESTAMP": "TIMESTAMPTZ"}
START, END = '"athena_start"', '"athena_end"'
_LITERAL = re.compile(r"\s*\[\s*(.*?)\s*,\s*(.*?)\s*\)\s*$")


def _made(start: str, end: str, element: str) -> exp.Expression:
    made = raw(f"athena_range({start}, {end})".replace("{", "{{").replace("}", "}}"))
    made.type = exp.DataType.build(f"RANGE<{element}>", dialect="bigquery")
    return made


def _element(node: exp.Expression) -> str:
    kind = node.type
    if kind is not None and kind.this == exp.DType.RANGE and kind.expressions:
        return str(kind.expressions[0].sql("bigquery"))
    return str(kind.sql("bigquery")) if kind is not None else "DATE"


def from_text(node: exp.Expression) -> exp.Expression:
    """RANGE<T> '[a, b)' and CAST of a STRING to it."""
    element = str(node.args["to"].expressions[0].sql("bigquery"))
    kind = _KINDS[element]
    if not isinstance(node.this, exp.Literal):
        return (
            raw(f"CAST(NULL AS STRUCT({START} {kind}, {END} {kind}))", kind=f"RANGE<{element}>")
            if isinstance(node.this, exp.Null)
            else _given(node)
        )
    found = _LITERAL.match(node.this.name)
    if found is None:
        raise invalid_query(f'Could not cast literal "{node.this.name}" to type RANGE<{element}>')
    bounds = [
        f"CAST(NULL AS {kind})"
        if part.upper() in ("UNBOUNDED", "NULL")
        else f"CAST('{part.replace(chr(39), '')}' AS {kind})"
        for part in found.groups()
    ]
    return _made(bounds[0], bounds[1], element)


def _given(node: exp.Expression) -> exp.Expression:
    if not _is_range(node.this):
        raise unsupported("CAST of a text that is not a constant to RANGE")
    return node.this.copy()


def _build(given: list[exp.Expression]) -> exp.Expression:
    typed = next(
        (item for item in given if not isinstance(item, exp.Null) and item.type is not None),
        given[0],
    )
    element = str(typed.type.sql("bigquery")) if typed.type is not None else "DATE"
    kind = _KINDS.get(element)
    if kind is None:
        raise unsupported("RANGE of bounds whose type is not known")
    made = raw(f"athena_range(CAST({{0}} AS {kind}), CAST({{1}} AS {kind}))", given[0], given[1])
    made.type = exp.DataType.build(f"RANGE<{element}>", dialect="bigquery")
    return made


def _bound(name: str) -> Callable[[list[exp.Expression]], exp.Expression]:
    def make(given: list[exp.Expression]) -> exp.Expression:
        element = _element(given[0])
        return raw(f"CAST(({{0}}).{name} AS {_KINDS[element]})", given[0], kind=element)

    return make


def _is_range(node: exp.Expression) -> bool:
    return node.type is not None and node.type.this == exp.DType.RANGE


def _contains(given: list[exp.Expression]) -> exp.Expression:
    name = "athena_range_covers" if _is_range(given[1]) else "athena_range_contains"
    return raw(f"{name}({{0}}, {{1}})", *given, kind="BOOL")


def _intersect(given: list[exp.Expression]) -> exp.Expression:
    return raw("athena_range_intersect({0}, {1})", *given, kind=f"RANGE<{_element(given[0])}>")


def _array(given: list[exp.Expression]) -> exp.Expression:
    element = _element(given[0])
    last = given[2] if len(given) > 2 else exp.Var(this="true")
    if isinstance(last, exp.Kwarg):
        last = last.expression
    kind = _KINDS[element]
    text = (
        f"list_transform(list_filter(generate_series(CAST(({{0}}).{START} AS TIMESTAMP), "
        f"CAST(({{0}}).{END} AS TIMESTAMP), {{1}}),"
        f" lambda s: s < ({{0}}).{END} AND ({{2}} OR s + {{1}} <= ({{0}}).{END})),"
        f" lambda s: athena_range(CAST(s AS {kind}), CAST(least(s + {{1}}, ({{0}}).{END}) AS {kind})))"
    )
    made = raw(text, given[0], given[1], last)
    made.type = exp.DataType.build(f"ARRAY<RANGE<{element}>>", dialect="bigquery")
    return made


def _session(given: list[exp.Expression]) -> exp.Expression:
    """The range of a session, or NULL where there is none (sessionize.py)."""
    text = "CASE WHEN {0} IS NOT NULL THEN athena_range({1}, {2}) END"
    return raw(text, *given, kind=f"RANGE<{_element(given[0])}>")


MAKERS: dict[str, Callable[[list[exp.Expression]], exp.Expression]] = {
    "RANGE": _build,
    "RANGE_START": _bound(START),
    "RANGE_END": _bound(END),
    "RANGE_CONTAINS": _contains,
    "RANGE_OVERLAPS": lambda given: raw("athena_range_overlaps({0}, {1})", *given, kind="BOOL"),
    "RANGE_INTERSECT": _intersect,
    "GENERATE_RANGE_ARRAY": _array,
    "ATHENA_SESSION_RANGE": _session,
}

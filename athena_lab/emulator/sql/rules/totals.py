"""SUM, AVG and the statistics of FLOAT64: what overflows fails, what is not finite gives NaN.

DuckDB gives infinity, 0 or NaN there. Each rule is for an aggregate, or for the window that it stands in.
"""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.sql.rules.calls import FLOATS, is_a
from athena_lab.emulator.sql.rules.raw import raw

_NAN = "CAST('NaN' AS DOUBLE)"
_DOWN, _UP = f"{2.0**-64!r}", f"{2.0**64!r}"
_FAR_DOWN, _FAR_UP = f"{2.0**-520!r}", f"{2.0**520!r}"
_POPULATION = (exp.StddevPop, exp.VariancePop)
_DEVIATIONS = (exp.Stddev, exp.StddevSamp, exp.StddevPop)
_PAIRS = (exp.CovarPop, exp.CovarSamp, exp.Corr)


def finished(node: exp.Expression) -> exp.Expression | None:
    """Give what BigQuery gives for an aggregate of FLOAT64, or for a window of one; None for any other."""
    function = node.this if isinstance(node, exp.Window) else node
    if isinstance(function, _PAIRS):
        return _pair(node, function)
    if not isinstance(function, exp.Sum | exp.Avg | exp.Variance | exp.VariancePop | exp.Stddev | exp.StddevPop
                      | exp.StddevSamp):  # fmt: skip
        return None
    value = _value(function)
    if value is None or not is_a(value, FLOATS):
        return None
    plain = node.copy()
    if isinstance(function, exp.Sum):
        text = "CASE WHEN isinf({0}) AND NOT {1} THEN athena_error('double overflow') ELSE {0} END"
        return raw(text, plain, _aside(node, "bool_or(isinf({0}))", value), kind="FLOAT64")
    if isinstance(function, exp.Avg):
        scaled = _aside(node, f"avg({_distinct(function)}{{0}} * {_DOWN})", value)
        text = f"CASE WHEN isinf({{0}}) AND NOT {{1}} THEN {{2}} * {_UP} ELSE {{0}} END"
        return raw(text, plain, _aside(node, "bool_or(isinf({0}))", value), scaled, kind="FLOAT64")
    return _spread(node, function, value)


def _spread(node: exp.Expression, function: exp.Expression, value: exp.Expression) -> exp.Expression:
    """The variance of a population with an infinite number is NaN; a deviation never overflows."""
    plain = node.copy()
    text, parts = "{0}", [plain]
    if isinstance(function, _DEVIATIONS):
        name = "stddev_pop" if isinstance(function, exp.StddevPop) else "stddev_samp"
        parts.append(_aside(node, f"{name}({_distinct(function)}{{0}} * {_FAR_DOWN})", value))
        text = f"CASE WHEN isinf({{0}}) THEN {{1}} * {_FAR_UP} ELSE {{0}} END"
    if isinstance(function, _POPULATION):
        parts.append(_aside(node, "bool_or(NOT isfinite({0}))", value))
        text = f"CASE WHEN {{{len(parts) - 1}}} THEN {_NAN} ELSE {text} END"
    return raw(text, *parts, kind="FLOAT64")


def _pair(node: exp.Expression, function: exp.Expression) -> exp.Expression | None:
    """CORR of less than two pairs is NULL; with an infinite number in a pair all of them give NaN."""
    if isinstance(function.this, exp.Distinct):
        return None
    one, two = function.this, function.expression
    known = "{0} IS NOT NULL AND {1} IS NOT NULL"
    count = _aside(node, f"count(CASE WHEN {known} THEN 1 END)", one, two)
    least = 1 if isinstance(function, exp.CovarPop) else 2
    doubtful = [f"NOT isfinite({{{index}}})" for index, item in enumerate((one, two)) if is_a(item, FLOATS)]
    text = f"CASE WHEN {{1}} < {least} THEN NULL ELSE {{0}} END"
    if not doubtful:
        return raw(text, node.copy(), count, kind="FLOAT64")
    found = _aside(node, f"bool_or({known} AND ({' OR '.join(doubtful)}))", one, two)
    text = f"CASE WHEN {{1}} < {least} THEN NULL WHEN {{2}} THEN {_NAN} ELSE {{0}} END"
    return raw(text, node.copy(), count, found, kind="FLOAT64")


def _value(function: exp.Expression) -> exp.Expression | None:
    inner = function.this
    return inner.expressions[0] if isinstance(inner, exp.Distinct) else inner


def _distinct(function: exp.Expression) -> str:
    return "DISTINCT " if isinstance(function.this, exp.Distinct) else ""


def _aside(node: exp.Expression, template: str, *values: exp.Expression) -> exp.Expression:
    """Give another aggregate over the same rows, in the same window."""
    made = raw(template, *values)
    if not isinstance(node, exp.Window):
        return made
    found = node.copy()
    found.set("this", made)
    return found

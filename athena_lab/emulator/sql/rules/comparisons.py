"""NaN: in GoogleSQL it equals nothing, is smaller than every number when ordered, and the least of any that has it.

DuckDB takes it for equal to itself and for the greatest.
"""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.sql.rules.calls import FLOATS, call, is_a, is_type
from athena_lab.emulator.sql.rules.raw import raw

_NUMBER = "{0} <= CAST('Infinity' AS DOUBLE)"
_NUMBER_OR_NULL = "({0} <= CAST('Infinity' AS DOUBLE) OR {1} IS NULL)"
"""Beside a NULL a comparison is NULL, with NaN too."""


def may_be_nan(node: exp.Expression) -> bool:
    """Tell whether a value is a FLOAT64 that is not written out."""
    inner = node.unnest() if isinstance(node, exp.Paren) else node
    return is_a(node, FLOATS) and not isinstance(inner, exp.Literal | exp.Null)


def compare(node: exp.Expression) -> exp.Expression | None:
    """=, <, <=, >, >= with NaN are false: what is the greater side must be a number."""
    greater = node.expression if isinstance(node, exp.LT | exp.LTE) else node.this
    if isinstance(node, exp.EQ) and not may_be_nan(greater):
        greater = node.expression
        if not may_be_nan(node.this):
            return None
    if not may_be_nan(greater):
        return None
    plain = type(node)(this=node.this.copy(), expression=node.expression.copy())
    other = node.this if greater is node.expression else node.expression
    number = raw(_NUMBER, greater) if isinstance(other, exp.Literal) else raw(_NUMBER_OR_NULL, greater, other)
    return exp.Paren(this=exp.And(this=plain, expression=number))


def differ(node: exp.Expression) -> exp.Expression | None:
    """!= with NaN is true."""
    if not (may_be_nan(node.this) and may_be_nan(node.expression)):
        return None
    plain = exp.NEQ(this=node.this.copy(), expression=node.expression.copy())
    return exp.Paren(this=exp.Or(this=plain, expression=exp.Not(this=exp.Paren(this=raw(_NUMBER, node.this)))))


def between(node: exp.Expression) -> exp.Expression | None:
    """BETWEEN with a NaN is false, with a NULL what both comparisons together are."""
    low, high = node.args["low"], node.args["high"]
    if not any(may_be_nan(item) for item in (node.this, high)):
        return None
    tests = exp.GTE(this=node.this, expression=low), exp.LTE(this=node.this.copy(), expression=high)
    for test in tests:
        test.expression.type, test.this.type = test.expression.type, node.this.type
    return exp.Paren(this=exp.and_(*(compare(test) or test for test in tests), copy=False))


def order(node: exp.Expression) -> exp.Expression | None:
    """ORDER BY puts NaN before all numbers (after NULL)."""
    if any(is_type(item.this, exp.DType.RANGE, exp.DType.JSON) for item in node.expressions):
        ranked = [_ranked(item) for item in node.expressions]
        return exp.Order(this=node.this.copy() if node.this is not None else None, expressions=ranked)
    if not any(may_be_nan(item.this) for item in node.expressions):
        return None
    if not _is_free(node):
        return _without_nan(node) if isinstance(node.parent, exp.Window) else None
    owner = node.parent if isinstance(node.parent, exp.Select) else None
    made = []
    for item in node.expressions:
        if may_be_nan(item.this):
            first = item.copy()
            first.set("this", raw("isnan({0})", _value_of(item.this, owner)))
            first.set("desc", not item.args.get("desc"))
            made.append(first)
        made.append(item.copy())
    return exp.Order(this=node.this.copy() if node.this is not None else None, expressions=made)


def _without_nan(node: exp.Expression) -> exp.Expression | None:
    """A frame by RANGE from the start, or to the end, has NaN at its other end in DuckDB: refuse it."""
    frame = node.parent.args.get("spec") if node.parent is not None else None
    bounds = [frame.args.get(key) for key in ("start", "end")] if frame is not None else []
    if "UNBOUNDED" not in bounds or len(node.expressions) != 1:
        return None
    made = node.copy()
    said = "Unsupported feature: A frame by RANGE over NaN is not supported by the embedded warehouse."
    text = f"CASE WHEN isnan({{0}}) THEN athena_error('{said}') ELSE {{0}} END"
    made.expressions[0].set("this", raw(text, node.expressions[0].this))
    return made


def _ranked(item: exp.Expression) -> exp.Expression:
    """A RANGE is ordered by its start, of which none is the least, then by its end, of which none is the greatest.

    A JSON is ordered by what it holds.
    """
    made = item.copy()
    if is_type(item.this, exp.DType.JSON):
        value = _value_of(item.this, item.parent and item.parent.parent)
        made.set("this", call("athena_json_rank", raw("CAST({0} AS VARCHAR)", value)))
    if is_type(item.this, exp.DType.RANGE):
        made.set("this", call("athena_range_rank", _value_of(item.this, item.parent and item.parent.parent)))
    return made


def _value_of(key: exp.Expression, select: exp.Expression | None) -> exp.Expression:
    """Give what a key stands for: DuckDB does not look for a result's name within an expression."""
    if not isinstance(key, exp.Column) or key.table or select is None:
        return key
    name = key.name.casefold()
    aliases = (item for item in select.expressions if isinstance(item, exp.Alias))
    return next((item.this for item in aliases if item.alias.casefold() == name), key)


def _is_free(node: exp.Expression) -> bool:
    """Tell whether keys may be added: not to a frame by RANGE, a DISTINCT, or a set operation."""
    parent = node.parent
    if isinstance(parent, exp.Select):
        return not parent.args.get("distinct")
    if isinstance(parent, exp.Window):
        frame = parent.args.get("spec")
        bounds = (frame.args.get("start"), frame.args.get("end")) if frame is not None else ()
        is_by_range = frame is not None and str(frame.args.get("kind")).upper() == "RANGE"
        return not (is_by_range and any(isinstance(bound, exp.Expression) for bound in bounds))
    return isinstance(parent, exp.AggFunc | exp.Limit) and not isinstance(node.this, exp.Distinct)


def least(node: exp.Expression) -> exp.Expression | None:
    """MIN is NaN if there is one; ranges have an order of their own."""
    value = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    if is_type(value, exp.DType.RANGE):
        name = "arg_max" if isinstance(node, exp.Max) else "arg_min"
        return call(name, value, call("athena_range_rank", value))
    if isinstance(node, exp.Max) or not may_be_nan(value) or isinstance(node.parent, exp.Window | exp.Filter):
        return None
    if node.find_ancestor(exp.Pivot) is not None:
        return None
    return raw("CASE WHEN bool_or(isnan({0})) THEN CAST('NaN' AS DOUBLE) ELSE min({0}) END", value)


def found_at(node: exp.Expression) -> exp.Expression:
    """MAX_BY, MIN_BY and ANY_VALUE with HAVING: the value, NULL too, of the row with the extreme key."""
    value, key, is_greatest = node.this, node.expression, isinstance(node, exp.ArgMax)
    if is_type(key, exp.DType.RANGE):
        key = call("athena_range_rank", key)
    elif may_be_nan(key):  # NaN comes first, but no row's key equals it
        value = raw("CASE WHEN NOT isnan({1}) THEN {0} END", value, key)
        key = key if is_greatest else raw("CASE WHEN {0} IS NOT NULL THEN row(NOT isnan({0}), {0}) END", key)
    return call("arg_max_null" if is_greatest else "arg_min_null", value, key)


def least_of(node: exp.Expression) -> exp.Expression | None:
    """LEAST of a NaN and anything is NaN."""
    doubtful = [item for item in (node.this, *node.expressions) if may_be_nan(item)]
    if not doubtful:
        return None
    tests = " OR ".join(f"isnan({{{index}}})" for index in range(1, len(doubtful) + 1))
    return raw(f"CASE WHEN {tests} THEN CAST('NaN' AS DOUBLE) ELSE {{0}} END", node.copy(), *doubtful)


RULES = {
    exp.Least: least_of,
    exp.EQ: compare,
    exp.LT: compare,
    exp.LTE: compare,
    exp.GT: compare,
    exp.GTE: compare,
    exp.NEQ: differ,
    exp.Between: between,
    exp.Order: order,
    exp.ArgMax: found_at,
    exp.ArgMin: found_at,
    exp.Min: least,
    exp.Max: least,
}

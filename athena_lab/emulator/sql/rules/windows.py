"""Window functions: the clauses that they need or may not have, and the arguments that must hold.

https://cloud.google.com/bigquery/docs/reference/standard-sql/window-function-calls
"""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.rules.calls import FLOATS, is_a
from athena_lab.emulator.sql.rules.raw import raw

_RANKS = (exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead)
"""What needs an order; none of them has a frame."""
_NAMES = {exp.RowNumber: "row_number", exp.DenseRank: "dense_rank", exp.PercentRank: "percent_rank",
          exp.CumeDist: "cume_dist"}  # fmt: skip


def refuse_clauses(node: exp.Expression) -> None:
    """Refuse a window that the function in it cannot have."""
    function = _function(node)
    order, frame = _clauses(node)
    name = _NAMES.get(type(function), function.key)
    if isinstance(function, (*_RANKS, exp.RowNumber)) and frame is not None:
        raise invalid_query(f"Window framing clause is not allowed for analytic function {name}")
    if isinstance(function, _RANKS) and order is None:
        raise invalid_query(f"Window ORDER BY is required for analytic function {name}")
    if isinstance(function.args.get("this"), exp.Distinct) and (order is not None or frame is not None):
        raise invalid_query("Window ORDER BY and framing clauses are not allowed if DISTINCT is specified")


def _function(node: exp.Expression) -> exp.Expression:
    inner = node.this
    while isinstance(inner, exp.IgnoreNulls | exp.RespectNulls):
        inner = inner.this
    assert isinstance(inner, exp.Expression)  # noqa: S101 (what a window is of)
    return inner


def _clauses(node: exp.Expression) -> tuple[object, object]:
    """Give the order and the frame of a window, of those too that it names."""
    order, frame = node.args.get("order"), node.args.get("spec")
    select = node.find_ancestor(exp.Select)
    known = {item.name.casefold(): item for item in (select.args.get("windows") if select is not None else None) or ()}
    name, seen = node.args.get("alias"), 0
    while name is not None and seen <= len(known):
        found = known.get(name.name.casefold())
        if found is None:
            break
        order, frame = order or found.args.get("order"), frame or found.args.get("spec")
        name, seen = found.args.get("alias"), seen + 1
    return order, frame


def guarded(value: exp.Expression, what: str, *, least: int) -> exp.Expression:
    """Give an argument that must be a number, and how great at least; the check is made where it is computed."""
    if isinstance(value, exp.Literal) and value.name.isdigit() and int(value.name) >= least:
        return value.copy()
    wrong = "positive" if least else "non-negative"
    return raw(
        f"CASE WHEN {{0}} IS NULL THEN athena_error('{what} must not be NULL') "
        f"WHEN {{0}} < {least} THEN athena_error('{what} must be {wrong}') ELSE {{0}} END", value, kind="INT64",
    )  # fmt: skip


def shifted(node: exp.Expression) -> exp.Expression | None:
    """LAG and LEAD: the offset is no negative number, the default a constant."""
    default, offset = node.args.get("default"), node.args.get("offset")
    if isinstance(default, exp.Expression) and default.find(exp.Column):
        raise invalid_query(f"The third argument (the default expression) to {node.key.upper()} must be constant")
    return _with_offset(node, f"The offset to the function {node.key.upper()}", least=0) if offset else None


def nth(node: exp.Expression) -> exp.Expression | None:
    """NTH_VALUE counts from 1."""
    return _with_offset(node, "The N value for the NTH_VALUE function", least=1)


def tiles(node: exp.Expression) -> exp.Expression | None:
    """NTILE makes one bucket at least."""
    what = "The N value (number of buckets) for the NTILE function"
    made = guarded(node.this, what, least=1)
    return None if isinstance(made, exp.Literal) else exp.Ntile(this=made)


def _with_offset(node: exp.Expression, what: str, *, least: int) -> exp.Expression | None:
    made = guarded(node.args["offset"], what, least=least)
    if isinstance(made, exp.Literal):
        return None
    found = node.copy()
    found.set("offset", made)
    return found


def frame(node: exp.Expression) -> exp.Expression | None:
    """The bounds of a frame that are given as parameters are no NULL, no NaN and not negative."""
    made = node.copy()
    for key in ("start", "end"):
        bound = node.args.get(key)
        if isinstance(bound, exp.Cast | exp.Var | exp.Anonymous) and bound.find(exp.Placeholder):
            nan = " OR isnan({0})" if is_a(bound, FLOATS) else ""
            made.set(key, raw(
                "CASE WHEN {0} IS NULL THEN athena_error('The boundary offset value cannot be null') "
                f"WHEN {{0}} < 0{nan} THEN athena_error('Window frame offset for PRECEDING or FOLLOWING must be "
                "non-negative, but was ' || {0}) ELSE {0} END", bound,
            ))  # fmt: skip
    return made


def percentile(node: exp.Expression) -> exp.Expression | None:
    """PERCENTILE_CONT and PERCENTILE_DISC stand over a window only."""
    above = node.parent
    if above is None:  # taken out of its place: of BIGNUMERIC
        raise unsupported("PERCENTILE_CONT of BIGNUMERIC")
    while isinstance(above, exp.IgnoreNulls | exp.RespectNulls):
        above = above.parent
    if not isinstance(above, exp.Window):
        name = "PERCENTILE_CONT" if isinstance(node, exp.PercentileCont) else "PERCENTILE_DISC"
        raise invalid_query(f"Analytic function {name} cannot be called without an OVER clause")
    return None


def finite_percentile(node: exp.Expression) -> exp.Expression | None:
    """PERCENTILE_CONT of numbers of which one is no number or infinite: DuckDB puts them elsewhere."""
    function = _function(node)
    if not isinstance(function, exp.PercentileCont) or not is_a(function.this, FLOATS):
        return None
    said = "Unsupported feature: PERCENTILE_CONT of NaN or infinity is not supported by the embedded warehouse."
    doubtful = node.copy()
    doubtful.set("this", raw("bool_or(NOT isfinite({0}))", function.this))
    return raw(f"CASE WHEN {{0}} THEN athena_error('{said}') ELSE {{1}} END", doubtful, node.copy(), kind="FLOAT64")


def limit(node: exp.Expression) -> exp.Expression | None:
    """LIMIT and OFFSET of a query take a number, and no NULL."""
    value = node.expression
    if node.arg_key not in _CLAUSES or not isinstance(node.parent, exp.Query) or not isinstance(value, exp.Expression):
        return None
    made = guarded(value, f"{node.arg_key.upper()} of a query", least=0)
    return None if isinstance(made, exp.Literal) else type(node)(expression=made)


_CLAUSES = ("limit", "offset")

RULES = {
    exp.Limit: limit,
    exp.Offset: limit,
    exp.Lag: shifted,
    exp.Lead: shifted,
    exp.NthValue: nth,
    exp.Ntile: tiles,
    exp.WindowSpec: frame,
    exp.PercentileCont: percentile,
    exp.PercentileDisc: percentile,
}

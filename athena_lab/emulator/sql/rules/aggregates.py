"""Aggregates: integer sums stay INT64, ARRAY_AGG with NULLs, order and limit, APPROX_*."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.rules import intervals, totals, windows
from athena_lab.emulator.sql.rules.calls import DECIMALS, FLOATS, INTEGERS, call, cast, is_a
from athena_lab.emulator.sql.rules.raw import raw
from athena_lab.emulator.sql.rules.texts import as_bytes, is_bytes


def _in_window(node: exp.Expression) -> bool:
    parent = node.parent
    return isinstance(parent, exp.Window | exp.Filter | exp.IgnoreNulls | exp.RespectNulls)


def total(node: exp.Expression) -> exp.Expression | None:
    """SUM of INT64 is INT64 (DuckDB widens it), COUNTIF too."""
    if _in_window(node) or (isinstance(node, exp.Sum) and not is_a(node, INTEGERS)):
        return None if _in_window(node) else intervals.folded(node) or _finished(node)
    return _counted(type(node)(**{key: _copied(value) for key, value in node.args.items()}), node)


def _counted(made: exp.Expression, node: exp.Expression) -> exp.Expression:
    """COUNTIF of nothing is 0, SUM of nothing is NULL."""
    return cast(call("coalesce", made, 0) if isinstance(node, exp.CountIf) else made, "BIGINT")


def window(node: exp.Expression) -> exp.Expression | None:
    """The same of sums over windows; the whole window is cast."""
    windows.refuse_clauses(node)
    special = _percentile(node) or intervals.folded_window(node) or windows.finite_percentile(node)
    special = special or totals.finished(node)
    if special is not None:
        return special
    if (isinstance(node.this, exp.Sum) and is_a(node.this, INTEGERS)) or isinstance(node.this, exp.CountIf):
        return _counted(node.copy(), node.this)
    if isinstance(node.this, exp.Min) and is_a(_value(node.this.this), FLOATS):
        return _least_number(node)
    if isinstance(node.this, exp.Avg) and is_a(node.this.this, DECIMALS):
        return cast(node.copy(), "DECIMAL(38, 9)")
    return None


def _least_number(node: exp.Expression) -> exp.Expression:
    """MIN over a window is NaN if there is one in it."""
    has_nan = node.copy()
    has_nan.set("this", raw("bool_or(isnan({0}))", _value(node.this.this)))
    return raw("CASE WHEN {0} THEN CAST('NaN' AS DOUBLE) ELSE {1} END", has_nan, node.copy(), kind="FLOAT64")


def average(node: exp.Expression) -> exp.Expression | None:
    """AVG of NUMERIC is NUMERIC."""
    if is_a(node.this, DECIMALS) and not _in_window(node):
        return cast(exp.Avg(this=node.this.copy()), "DECIMAL(38, 9)")
    return None if _in_window(node) else intervals.folded(node) or _finished(node)


def _finished(node: exp.Expression) -> exp.Expression | None:
    """Of PIVOT DuckDB takes one plain aggregate."""
    return None if node.find_ancestor(exp.Pivot) is not None else totals.finished(node)


def spread(node: exp.Expression) -> exp.Expression | None:
    """STDDEV, VARIANCE, COVAR_* and CORR."""
    return None if _in_window(node) else _finished(node)


def _copied(value: object) -> object:
    return value.copy() if isinstance(value, exp.Expression) else value


def collect(node: exp.Expression) -> exp.Expression | None:
    """ARRAY_AGG(DISTINCT x IGNORE NULLS ORDER BY y LIMIT n)."""
    if isinstance(node.parent, exp.IgnoreNulls | exp.RespectNulls):
        return None
    return _collected(node, ignore_nulls=False)


def collect_nulls(node: exp.Expression) -> exp.Expression | None:
    """IGNORE NULLS around ARRAY_AGG; around window functions DuckDB has it itself."""
    if isinstance(node.this, exp.ApproxQuantiles) and not isinstance(node, exp.IgnoreNulls):
        return call("athena_quantiles", exp.ArrayAgg(this=node.this.this.copy()), node.this.expression)
    if isinstance(node.this, exp.Anonymous | exp.Limit) or (
        isinstance(node, exp.IgnoreNulls) and not isinstance(node.parent, exp.Window)
    ):
        plain = node.this
        if not isinstance(plain, exp.ArrayAgg):
            return plain.copy()
    if not isinstance(node.this, exp.ArrayAgg):
        return None
    return _collected(node.this, ignore_nulls=isinstance(node, exp.IgnoreNulls))


def _collected(node: exp.Expression, *, ignore_nulls: bool) -> exp.Expression | None:
    inner, limit = node.this, None
    if isinstance(inner, exp.Limit):
        limit, inner = inner.expression, inner.this
    if limit is None and not ignore_nulls:
        return node.copy() if isinstance(node.parent, exp.RespectNulls) else None
    if isinstance(node.parent, exp.Window) or isinstance(node.parent and node.parent.parent, exp.Window):
        raise unsupported("ARRAY_AGG with IGNORE NULLS or LIMIT over a window")
    value = inner.this if isinstance(inner, exp.Order) else inner
    if isinstance(value, exp.Distinct):
        value = value.expressions[0]
    made: exp.Expression = exp.ArrayAgg(this=inner.copy())
    if ignore_nulls:
        present = exp.Not(this=exp.Is(this=exp.Paren(this=value.copy()), expression=exp.Null()))
        made = exp.Filter(this=made, expression=exp.Where(this=present))
    if limit is None:
        return made
    return call("list_slice", made, 1, windows.guarded(limit, "LIMIT of an aggregate", least=0))


def joined(node: exp.Expression) -> exp.Expression | None:
    """STRING_AGG with a LIMIT, and of BYTES: of the list of what is not NULL."""
    separator = node.args.get("separator")
    if isinstance(separator, exp.Null):
        raise invalid_query("Argument 2 to STRING_AGG must be non-NULL")
    if is_bytes(_value(node.this)):
        return _joined_bytes(node)
    is_given = separator is not None and separator.find(exp.Placeholder) is not None
    if not isinstance(node.this, exp.Limit) and (not is_given or _is_over_window(node)):
        return None
    _refuse_windows(node, "STRING_AGG")
    inner, limit = node.this, exp.Literal.number(2**31)
    if isinstance(inner, exp.Limit):
        inner, limit = inner.this, inner.expression
    return call("athena_joined", _limited(inner, limit), _separator(separator))


def _separator(given: exp.Expression | None) -> exp.Expression:
    if given is None or isinstance(given, exp.Literal):
        return given if given is not None else exp.Literal.string(",")
    said = "Illegal NULL separator in STRING_AGG"
    return raw(f"CASE WHEN {{0}} IS NULL THEN athena_error('{said}') ELSE {{0}} END", given, kind="STRING")


def _value(inner: exp.Expression) -> exp.Expression:
    while isinstance(inner, exp.Limit | exp.Order | exp.Distinct):
        inner = inner.expressions[0] if isinstance(inner, exp.Distinct) else inner.this
    return inner


def _joined_bytes(node: exp.Expression) -> exp.Expression:
    _refuse_windows(node, "STRING_AGG of BYTES")
    separator = node.args.get("separator")
    plain, limit = node.this, exp.Literal.number(2**31)
    if isinstance(plain, exp.Limit):
        plain, limit = plain.this, plain.expression
    if separator is not None and not isinstance(separator, exp.ByteString):
        said = "Illegal NULL separator in STRING_AGG"
        separator = raw(
            f"CASE WHEN {{0}} IS NULL THEN athena_error('{said}') ELSE {{0}} END", as_bytes(separator), kind="BYTES"
        )
    return call("athena_join_bytes", _limited(plain, limit), as_bytes(separator or exp.Literal.string(",")))


def _limited(inner: exp.Expression, limit: exp.Expression) -> exp.Expression:
    value = inner.this if isinstance(inner, exp.Order) else inner
    if isinstance(value, exp.Distinct):
        value = value.expressions[0]
    present = exp.Not(this=exp.Is(this=exp.Paren(this=value.copy()), expression=exp.Null()))
    made = exp.Filter(this=exp.ArrayAgg(this=inner.copy()), expression=exp.Where(this=present))
    return call("list_slice", made, 1, windows.guarded(limit, "LIMIT of an aggregate", least=0))


def _is_over_window(node: exp.Expression) -> bool:
    return isinstance(node.parent, exp.Window) or isinstance(node.parent and node.parent.parent, exp.Window)


def _refuse_windows(node: exp.Expression, name: str) -> None:
    if _is_over_window(node):
        raise unsupported(f"{name} with IGNORE NULLS or LIMIT over a window")


def concatenated(node: exp.Expression) -> exp.Expression | None:
    """ARRAY_CONCAT_AGG with a LIMIT (of arrays, not of elements)."""
    if not isinstance(node.this, exp.Limit):
        return None
    _refuse_windows(node, "ARRAY_CONCAT_AGG")
    return call("flatten", _limited(node.this.this, node.this.expression))


def _percentile(node: exp.Expression) -> exp.Expression | None:
    """PERCENTILE_DISC(x, p RESPECT NULLS) OVER (...): NULLs come first."""
    inner = node.this.this if isinstance(node.this, exp.RespectNulls) else None
    if not isinstance(inner, exp.PercentileDisc | exp.PercentileCont):
        return None
    made = node.copy()
    made.set("this", exp.ArrayAgg(this=inner.this.copy()))
    name = "disc" if isinstance(inner, exp.PercentileDisc) else "cont"
    return call(f"athena_percentile_{name}", made, inner.expression)


def quantiles(node: exp.Expression) -> exp.Expression | None:
    """APPROX_QUANTILES, computed exactly."""
    if isinstance(node.parent, exp.RespectNulls):
        return None
    value, number = node.this, node.expression
    if isinstance(value, exp.Distinct) and len(value.expressions) == 2:
        number = value.expressions[1]
        value = exp.Distinct(expressions=[value.expressions[0].copy()])
    if not isinstance(number, exp.Literal) or not number.name.isdigit() or not 1 <= int(number.name) <= _MOST:
        _refuse_columns(number, "APPROX_QUANTILES")
        present = exp.Not(this=exp.Is(this=exp.Paren(this=_value(value).copy()), expression=exp.Null()))
        listed = exp.Filter(this=exp.ArrayAgg(this=value.copy()), expression=exp.Where(this=present))
        return call("athena_quantiles", listed, _number(number, "APPROX_QUANTILES", "second"))
    count = int(number.name)
    points = exp.Array(expressions=[exp.Literal.number(f"{index / count:.12f}e0") for index in range(count + 1)])
    return call("quantile_disc", value, points)


def top_count(node: exp.Expression) -> exp.Expression:
    """APPROX_TOP_COUNT, computed exactly."""
    number = _number(node.expression, "APPROX_TOP_COUNT", "second")
    return call("athena_top_count", exp.ArrayAgg(this=node.this.copy()), number)


def top_sum(node: exp.Expression) -> exp.Expression:
    """APPROX_TOP_SUM, computed exactly."""
    nan = " OR isnan({0})" if is_a(node.expression, FLOATS) else ""
    said = "APPROX_TOP_SUM does not support negative or NaN weights in the second argument; got "
    weight = raw(f"CASE WHEN {{0}} < 0{nan} THEN athena_error('{said}' || {{0}}) ELSE {{0}} END", node.expression)
    pairs = raw("list({{'v': {0}, 'w': {1}}})", node.this, weight)
    return call("athena_top_sum", pairs, _number(node.args["count"], "APPROX_TOP_SUM", "third"))


_MOST = 100_000


def _refuse_columns(number: exp.Expression, name: str) -> None:
    if number.find(exp.Column):
        raise unsupported(f"{name} with a number that is not a constant")


def _number(value: exp.Expression, name: str, place: str) -> exp.Expression:
    """Give the number of results that an approximate aggregate is asked for."""
    if isinstance(value, exp.Literal) and value.name.isdigit() and 1 <= int(value.name) <= _MOST:
        return value.copy()
    what = f"The {place} argument to {name} function"
    return raw(
        f"CASE WHEN {{0}} IS NULL THEN athena_error('{what} must not be NULL') "
        f"WHEN {{0}} <= 0 THEN athena_error('{what} must be positive') "
        f"WHEN {{0}} > {_MOST} THEN athena_error('{what} cannot be greater than {_MOST}') ELSE {{0}} END", value,
    )  # fmt: skip


def distinct(node: exp.Expression) -> exp.Expression:
    """APPROX_COUNT_DISTINCT, computed exactly: DuckDB's errs for a few values already."""
    return exp.Count(this=exp.Distinct(expressions=[node.this.copy()]))


RULES = {
    exp.ApproxDistinct: distinct,
    exp.ApproxTopSum: top_sum,
    exp.Sum: total,
    exp.CountIf: total,
    exp.Window: window,
    exp.Avg: average,
    **dict.fromkeys(
        (
            exp.Stddev,
            exp.StddevSamp,
            exp.StddevPop,
            exp.Variance,
            exp.VariancePop,
            exp.CovarPop,
            exp.CovarSamp,
            exp.Corr,
        ),
        spread,
    ),
    **windows.RULES,
    exp.ArrayAgg: collect,
    exp.IgnoreNulls: collect_nulls,
    exp.RespectNulls: collect_nulls,
    exp.ApproxQuantiles: quantiles,
    exp.GroupConcat: joined,
    exp.ArrayConcatAgg: concatenated,
    exp.ApproxTopK: top_count,
}

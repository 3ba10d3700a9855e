"""AGGREGATE(x HAVING MAX y): over the rows of the group of which y is the greatest (or, with MIN, the least).

https://cloud.google.com/bigquery/docs/reference/standard-sql/aggregate-function-calls
"""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.sql.rules.calls import FLOATS, call, is_a

_ROW, _KEY = "athena_row", "athena_key"


def straighten_having(query: exp.Expression) -> None:
    """Rewrite the aggregates of an annotated query that have HAVING MAX or HAVING MIN."""
    for node in reversed(list(query.find_all(exp.HavingMax))):
        whole = _whole(node)
        if isinstance(whole, exp.AnyValue):
            kind = exp.ArgMax if node.args.get("max") else exp.ArgMin
            made: exp.Expression = kind(this=node.this.copy(), expression=node.expression.copy())
        elif isinstance(whole.parent, exp.Window):
            raise invalid_query("HAVING MAX and HAVING MIN are not allowed in an analytic function")
        else:
            made = _over_rows(whole, node)
        made.type = whole.type
        whole.replace(made)


def _whole(node: exp.Expression) -> exp.Expression:
    """Give the aggregate around a modifier, with the treatment of NULLs around it."""
    found: exp.Expression = node
    while not isinstance(found, exp.AggFunc) and found.parent is not None:
        found = found.parent
    while isinstance(found.parent, exp.IgnoreNulls | exp.RespectNulls):
        found = found.parent
    return found


def _over_rows(whole: exp.Expression, node: exp.Expression) -> exp.Expression:
    """Aggregate, in a query of its own, the group's rows whose key is the extreme one."""
    key = node.expression
    columns: list[exp.Expression] = []
    inner = whole.copy()
    modifier = inner.find(exp.HavingMax)
    assert modifier is not None  # noqa: S101 (a copy of what has one)
    for place in _arguments(inner, modifier):
        columns.append(place.copy())
        field = exp.column(f"a{len(columns)}", table=_ROW, quoted=True)
        field.type = place.type
        place.replace(field)
    modifier.replace(modifier.this.copy())
    extreme = (exp.Max if node.args.get("max") else exp.Min)(this=key.copy())
    extreme.type = key.type
    parts = [exp.PropertyEQ(this=exp.to_identifier(_KEY), expression=key.copy())]
    for index, value in enumerate(columns, start=1):
        parts.append(exp.PropertyEQ(this=exp.to_identifier(f"a{index}"), expression=value))
    name = "athena_rows_at_number" if is_a(key, FLOATS) else "athena_rows_at"
    rows = call(name, exp.ArrayAgg(this=exp.Struct(expressions=parts)), extreme)
    source = exp.Select(expressions=[exp.alias_(exp.Anonymous(this="unnest", expressions=[rows]), _ROW)])
    names = exp.TableAlias(this=exp.to_identifier("athena_rows"))
    select = exp.Select(expressions=[inner])
    select.set("from_", exp.From(this=exp.Subquery(this=source, alias=names)))
    return exp.Subquery(this=select)


def _arguments(inner: exp.Expression, modifier: exp.Expression) -> list[exp.Expression]:
    """Give what an aggregate takes of each row: its arguments, and what it orders by."""
    found = [item for item in _parts(modifier.this) if not isinstance(item, exp.Star)]
    for order in inner.find_all(exp.Order):
        found += [item.this for item in order.expressions]
    aggregate = inner if isinstance(inner, exp.AggFunc) else inner.find(exp.AggFunc)
    others = [aggregate.args.get(key) for key in ("this", "expression")] if aggregate is not None else []
    plain = [item for item in others if isinstance(item, exp.Expression) and item.find(exp.Column)]
    return found + [item for item in plain if item.find(exp.HavingMax) is None]


def _parts(value: exp.Expression) -> list[exp.Expression]:
    return list(value.expressions) if isinstance(value, exp.Distinct) else [value]

"""Value tables: SELECT AS STRUCT and SELECT AS VALUE where a query's rows are read as columns.

https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax#value_tables
"""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import BigQueryError, unsupported
from athena_lab.emulator.sql.references import Sources
from athena_lab.emulator.sql.resolve import name_columns, resolve

_VALUE = "athena_value"


def open_value_tables(query: exp.Query, sources: Sources) -> exp.Query:
    """Make the fields of struct rows columns, at the top and in FROM and WITH; a scalar is named as its table."""
    for select in [item for item in query.find_all(exp.Select) if item.args.get("kind")][::-1]:
        holder = _holder(select)
        if holder is None:
            continue
        kind = select.args["kind"]
        select.set("kind", None)
        if kind == "VALUE":
            made = _opened(select, holder, sources)
            if select is query:
                query = made
    return query


def _holder(select: exp.Select) -> exp.Expression | None:
    """Give what holds a query whose rows become columns (itself at the top); None for one that gives a value."""
    at: exp.Expression = select
    while isinstance(at.parent, exp.SetOperation) or (
        isinstance(at.parent, exp.Subquery) and isinstance(at.parent.parent, exp.SetOperation)
    ):
        at = at.parent
    if at.parent is None or isinstance(at.parent, exp.CTE):
        return at.parent or select
    if not isinstance(at.parent, exp.Subquery):
        return None
    above = at.parent.parent
    return at.parent if above is None or isinstance(above, exp.From | exp.Join) else None


def _opened(select: exp.Select, holder: exp.Expression, sources: Sources) -> exp.Select:
    item = select.expressions[0].unalias()
    if len(select.expressions) == 1 and isinstance(item, exp.Struct) and _are_named(item):
        named = (exp.alias_(part.expression.copy(), part.name, quoted=True) for part in item.expressions)
        select.set("expressions", list(named))
        return select
    kind = _type_of(select, sources)
    if kind is None or kind.this != exp.DType.STRUCT:
        if holder is not select and holder.alias and not isinstance(select.expressions[0], exp.Alias):
            select.set("expressions", [exp.alias_(select.expressions[0].copy(), holder.alias, quoted=True)])
        return select
    inner = select.copy()
    inner.set("expressions", [exp.alias_(item.copy(), _VALUE, quoted=True)])
    star = exp.Dot(this=exp.column(exp.to_identifier(_VALUE)), expression=exp.Star())
    rows = exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("athena_rows")))
    made = exp.Select(expressions=[star]).from_(rows)
    if select.parent is not None:
        select.replace(made)
    return made


def _are_named(item: exp.Struct) -> bool:
    return all(isinstance(part, exp.PropertyEQ) for part in item.expressions)


def _type_of(select: exp.Select, sources: Sources) -> exp.DataType | None:
    """Resolve a query by itself, with the WITH clauses around it, to learn the type of its value."""
    probe = select.copy()
    at: exp.Expression | None = select.parent
    below: exp.Expression = select
    before: list[exp.Expression] = []
    while at is not None:
        clause = at if isinstance(at, exp.With) else at.args.get("with_")
        if isinstance(clause, exp.With) and below is not clause:
            before = [item.copy() for item in _until(clause.expressions, below)] + before
        below, at = at, at.parent
    own = probe.args.get("with_")
    if before:
        probe.set("with_", exp.With(expressions=[*before, *(own.expressions if own is not None else ())]))
    try:
        name_columns(probe)
        return resolve(probe, sources).selects[0].type
    except BigQueryError as error:
        raise unsupported("SELECT AS VALUE in this place") from error


def _until(clauses: list[exp.Expression], last: exp.Expression) -> list[exp.Expression]:
    found = []
    for item in clauses:
        if item is last:
            break
        found.append(item)
    return found

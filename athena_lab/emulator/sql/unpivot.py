"""UNPIVOT: a row for each of some columns, said with UNNEST so that every later rule sees plain columns."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported


def put_in_unpivots(tree: exp.Expression) -> None:
    """Replace every table or subquery with an UNPIVOT by the query that it stands for."""
    found: list[exp.Expression] = [*tree.find_all(exp.Table), *tree.find_all(exp.Subquery)]
    for node in found:
        pivots = list(node.args.get("pivots") or [])
        if not any(pivot.args.get("unpivot") for pivot in pivots):
            continue
        if len(pivots) > 1:
            raise unsupported("UNPIVOT beside another PIVOT or UNPIVOT")
        _replace(node, pivots[0])


def _replace(node: exp.Expression, pivot: exp.Expression) -> None:
    made = exp.Subquery(this=_query(node, pivot), joins=node.args.get("joins"), sample=node.args.get("sample"))
    if pivot.args.get("alias"):
        made.set("alias", exp.TableAlias(this=exp.to_identifier(pivot.alias)))
    node.replace(made)


def _query(node: exp.Expression, pivot: exp.Expression) -> exp.Select:
    """SELECT s.* EXCEPT (columns), u.value, u.name FROM s CROSS JOIN UNNEST([STRUCT(...), ...]) AS u WHERE ..."""
    values = [item.name for item in _parts(pivot.expressions[0])]
    chosen = pivot.args["fields"][0]
    label = chosen.this.name
    source = node.copy()
    for key in ("pivots", "joins", "sample"):
        source.set(key, None)
    name = node.alias or "athena_wide"
    source.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
    rows, used = [], []
    for item in chosen.expressions:
        columns = [part.name for part in _parts(item.this if isinstance(item, exp.PivotAlias) else item)]
        if len(columns) != len(values):
            raise invalid_query("UNPIVOT: the number of columns differs from that of the values")
        used += columns
        made = [_named(value, _column(part, name)) for part, value in zip(columns, values, strict=True)]
        rows.append(exp.Struct(expressions=[*made, _named(label, _label(item, columns))]))
    star = exp.Column(
        this=exp.Star(except_=[exp.to_identifier(part, quoted=True) for part in used]),
        table=exp.to_identifier(name, quoted=True),
    )
    select = exp.Select(expressions=[star, *(_column(part, _TALL) for part in [*values, label])]).from_(source)
    tall = exp.Unnest(expressions=[exp.Array(expressions=rows)], alias=_unnested())
    select = select.join(exp.Join(this=tall, kind="CROSS"), copy=False)
    if pivot.args.get("include_nulls"):
        return select
    return select.where(exp.or_(*(_column(part, _TALL).is_(exp.Null()).not_() for part in values)), copy=False)


_TALL = "athena_tall"


def _unnested() -> exp.TableAlias:
    return exp.TableAlias(columns=[exp.to_identifier(_TALL)])


def _named(name: str, value: exp.Expression) -> exp.Expression:
    return exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=value)


def _parts(node: exp.Expression) -> list[exp.Expression]:
    return list(node.expressions) if isinstance(node, exp.Tuple) else [node]


def _column(name: str, table: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(table, quoted=True))


def _label(item: exp.Expression, columns: list[str]) -> exp.Expression:
    if not isinstance(item, exp.PivotAlias):
        return exp.Literal.string("_".join(columns))
    alias = item.args["alias"]
    if not isinstance(alias, exp.Literal):
        raise invalid_query("UNPIVOT: the name of a row must be a literal")
    return alias.copy()

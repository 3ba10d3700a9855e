"""PIVOT with named aggregates: BigQuery calls a column total_Q1 where DuckDB calls it Q1_total."""

from __future__ import annotations

from sqlglot import exp


def straighten_pivots(tree: exp.Expression) -> exp.Expression:
    """Rename what a resolved tree reads of pivots as DuckDB names it; the result's own names stay."""
    for pivot in tree.find_all(exp.Pivot):
        if pivot.args.get("unpivot"):
            continue
        names = _names(pivot)
        alias = pivot.alias or (pivot.parent.alias if pivot.parent is not None else "")
        select = pivot.find_ancestor(exp.Select)
        for column in select.find_all(exp.Column) if select is not None else ():
            found = names.get(column.name.lower())
            if found is None or column.table != alias:
                continue
            label, new = found
            if isinstance(column.parent, exp.Alias):
                column.parent.meta.setdefault("label", label)
            column.set("this", exp.to_identifier(new, quoted=True))
    return tree


def _names(pivot: exp.Pivot) -> dict[str, tuple[str, str]]:
    """Give, by a column's name in small letters, its name as BigQuery and as DuckDB writes it."""
    found = {}
    for aggregate in pivot.expressions:
        for item in pivot.args["fields"][0].expressions:
            value = item.alias if isinstance(item, exp.PivotAlias) else item.alias_or_name
            name = aggregate.alias
            label = f"{name}_{value}" if name else value
            shown = f"_{label}" if label[:1].isdigit() else label
            found[label.lower()] = (shown, f"{value}_{name}" if name else value)
    return found

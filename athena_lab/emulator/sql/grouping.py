"""GROUP BY as GoogleSQL means it: what ALL, ordinals and expressions stand for in grouping sets.

https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax#group_by_clause
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported

_SETS = ("grouping_sets", "cube", "rollup")


def mark_written_keys(query: exp.Expression) -> None:
    """Remember which keys of grouping sets are expressions, before the names of others are put in their places."""
    for group in query.find_all(exp.Group):
        for key in _keys(group):
            key.meta["is_written"] = not isinstance(key, exp.Column | exp.Literal)


def straighten_groups(query: exp.Expression) -> None:
    """Rewrite the GROUP BY clauses of a qualified query to what DuckDB takes as BigQuery does."""
    for group in list(query.find_all(exp.Group)):
        select = group.parent
        if not isinstance(select, exp.Select):
            continue
        _put_in_names(select)
        if group.args.get("all"):
            _straighten_all(select, group)
        elif _sets(group):
            _put_in_ordinals(select, group)
            _keep_from_matching(select, group)


def _sets(group: exp.Group) -> list[exp.Expression]:
    """Give the GROUPING SETS, ROLLUP and CUBE of a clause."""
    given = [item for name in _SETS for item in group.args.get(name) or () if isinstance(item, exp.Expression)]
    return given + [item for item in group.expressions if isinstance(item, exp.GroupingSets | exp.Cube | exp.Rollup)]


def _keys(group: exp.Group) -> Iterator[exp.Expression]:
    for item in _sets(group):
        yield from _keys_of(item)


def _keys_of(node: exp.Expression) -> Iterator[exp.Expression]:
    for item in node.expressions:
        if isinstance(item, exp.Tuple | exp.GroupingSets | exp.Cube | exp.Rollup):
            yield from _keys_of(item)
        else:
            yield item.unnest() if isinstance(item, exp.Paren) else item


def _straighten_all(select: exp.Select, group: exp.Group) -> None:
    """GROUP BY ALL without anything to group by makes one group of all rows; DuckDB makes one of each."""
    plain = [item for item in select.selects if not item.find(exp.AggFunc, exp.Window)]
    if not any(item.find(exp.Column, exp.Query) for item in plain):
        group.set("all", None)
        group.set("grouping_sets", [exp.GroupingSets(expressions=[exp.Tuple(expressions=[])])])
    elif select.args.get("qualify"):
        group.set("all", None)
        keys = [item.unalias().copy() for item in plain if item.find(exp.Column, exp.Query)]
        group.set("expressions", keys)


def _put_in_names(select: exp.Select) -> None:
    """GROUPING of a result's name is that of the key which it stands for."""
    named = {item.alias.casefold(): item.this for item in select.selects if isinstance(item, exp.Alias)}
    for call in select.find_all(exp.Grouping):
        for item in list(call.expressions):
            if isinstance(item, exp.Column) and not item.table and item.name.casefold() in named:
                item.replace(named[item.name.casefold()].copy())


def _put_in_ordinals(select: exp.Select, group: exp.Group) -> None:
    for key in list(_keys(group)):
        if not isinstance(key, exp.Literal) or key.is_string:
            continue
        place = int(key.name) if key.name.isdigit() else 0
        if not 1 <= place <= len(select.selects):
            raise invalid_query(f"GROUP BY column number {key.name} is out of range")
        item = select.selects[place - 1].unalias()
        if not item.find(exp.Column):
            raise unsupported("GROUPING SETS, ROLLUP or CUBE by a constant")
        key.replace(item.copy())


def _keep_from_matching(select: exp.Select, group: exp.Group) -> None:
    """A key that is written as an expression of other keys is not what the same expression is elsewhere.

    There the other keys' values are put in: with GROUPING SETS (a, a + 1) the column `a + 1` is NULL where a is.
    """
    keys = list(_keys(group))
    by_name = {key.sql() for key in keys if not key.meta.get("is_written")}
    for key in keys:
        columns = list(key.find_all(exp.Column))
        is_made = columns and all(column.sql() in by_name for column in columns)
        if not key.meta.get("is_written") or not is_made or key.sql() in by_name:
            continue
        text = key.sql()
        for call in select.find_all(exp.Grouping):
            for item in list(call.expressions):
                if item.sql() == text:
                    item.replace(_hidden(item))
        key.replace(_hidden(key))


def _hidden(key: exp.Expression) -> exp.Expression:
    made = exp.Case(ifs=[exp.If(this=exp.true(), true=key.copy())])
    made.meta["is_written"] = True
    return made

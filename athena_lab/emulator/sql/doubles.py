"""Queries in FROM or WITH that have two columns of a name: a star reads both, and no name means either."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query

_APART = "\ue000"
"""Of a private use area: stands before the number that tells such columns apart."""


def name_shown(name: str) -> str:
    """Give a column's name without what tells it apart."""
    return name.partition(_APART)[0]


def refuse_doubles(query: exp.Expression) -> None:
    """Refuse a column of a query in FROM or WITH that has two columns of that name."""
    doubles: dict[str, set[str]] = {}
    for node in query.find_all(exp.Subquery, exp.CTE):
        names = (
            [item.alias_or_name.casefold() for item in node.this.selects] if isinstance(node.this, exp.Query) else []
        )
        if len(set(names)) < len(names):
            doubles[node.alias.casefold()] = {name for name in names if names.count(name) > 1}
    if not doubles:
        return
    for table in query.find_all(exp.Table):
        if table.name.casefold() in doubles:
            doubles[table.alias_or_name.casefold()] = doubles[table.name.casefold()]
    for column in query.find_all(exp.Column):
        if column.name.casefold() in doubles.get(column.table.casefold(), ()):
            raise invalid_query(f"Column name {column.name} is ambiguous")


def tell_apart(query: exp.Expression) -> bool:
    """Where a star is left that takes in such a query, give its columns names of their own; say whether it was so."""
    stars = list(_stars(query))
    if not stars:
        return False
    told: dict[str, list[exp.Identifier]] = {}
    for node in query.find_all(exp.Subquery, exp.CTE):
        selects = node.this.selects if isinstance(node.this, exp.Query) else []
        names = [item.alias_or_name.casefold() for item in selects]
        for index, item in enumerate(selects):
            if names.count(names[index]) > 1 and isinstance(item, exp.Alias):
                own = exp.to_identifier(f"{item.alias}{_APART}{index}", quoted=True)
                item.set("alias", own)
                told.setdefault(names[index], []).append(own)
    for star in stars:
        _tell_star(star, told)
    return True


def _stars(query: exp.Expression) -> Iterator[exp.Star]:
    for select in query.find_all(exp.Select):
        for item in select.expressions:
            if item.is_star:
                yield item if isinstance(item, exp.Star) else item.this


def _tell_star(star: exp.Star, told: dict[str, list[exp.Identifier]]) -> None:
    """EXCEPT leaves out all columns of a name; REPLACE has one to replace."""
    left_out = list(star.args.get("except_") or ())
    for item in list(left_out):
        left_out += [own.copy() for own in told.get(item.name.casefold(), ())]
    if left_out:
        star.set("except_", left_out)
    for item in star.args.get("replace") or ():
        if item.alias_or_name.casefold() in told:
            raise invalid_query(f"Column name {item.alias_or_name} is ambiguous")


def refuse_structs_of_doubles(query: exp.Expression) -> None:
    """Refuse SELECT AS STRUCT over a star with two columns of a name: a STRUCT's fields are told by theirs."""
    for select in query.find_all(exp.Select):
        if select.args.get("kind") == "STRUCT":
            shown = [name_shown(item.alias_or_name) for item in select.selects if _APART in item.alias_or_name]
            if shown:
                raise invalid_query(
                    "Duplicate column names in the result are not supported. "
                    f"Found duplicate(s): {', '.join(dict.fromkeys(shown))}"
                )

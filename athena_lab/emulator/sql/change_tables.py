"""APPENDS and CHANGES: the call becomes a table with the moments between which it is asked (changes.py)."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.sql.built_in_tables import SOURCE, put_source

CALLS = ("APPENDS", "CHANGES")


def changed_rows(name: str, given: list[exp.Expression]) -> exp.Query:
    """Give the query that a call stands for: (table, start, end)."""
    named = {item.this.name.lower(): item.expression for item in given if isinstance(item, exp.Kwarg)}
    plain = [item for item in given if not isinstance(item, exp.Kwarg)]
    if not 1 <= len(plain) <= 3:
        raise invalid_query(f"Number of arguments does not match for table function {name}")
    bounds = plain[1:] + [exp.Null()] * (3 - len(plain))
    start = named.get("start_timestamp", bounds[0])
    end = named.get("end_timestamp", bounds[1])
    select = exp.Select(expressions=[exp.Star()]).from_(exp.Table(this=exp.to_identifier(SOURCE)))
    query = put_source(select, plain[0])
    for node in query.find_all(exp.Table):
        if node.alias != SOURCE:
            raise invalid_query(f"{name} takes a table")
        call = exp.Anonymous(this=name, expressions=[start.copy(), end.copy()])
        call.meta["is_ours"] = True
        node.set("version", exp.Version(this="TIMESTAMP", expression=call, kind="AS OF"))
    return query

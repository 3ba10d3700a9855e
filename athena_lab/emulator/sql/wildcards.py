"""Wildcard tables: `dataset.prefix*` as the union of the tables whose names begin so.

https://cloud.google.com/bigquery/docs/querying-wildcard-tables: the newest table gives the columns; a table
that lacks one has NULL there; a column of another type is cast where that is safe, else it cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from athena_lab.emulator.definitions import Table
from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.sql.pseudo import TABLE_SUFFIX, may_match
from athena_lab.emulator.types import Field, googlesql_type


def wildcard_query(tables: Iterable[Table], name: str, select: exp.Expression | None, *, has_suffix: bool) -> exp.Query:
    """Give the query that a wildcard stands for, less the tables that conditions of `select` on their suffix exclude.

    `name` is the wildcard with its project, for errors; `has_suffix` whether _TABLE_SUFFIX is asked for.
    """
    prefix = name.rpartition(".")[2].removesuffix("*")
    found = sorted(
        (table for table in tables if table.view is None and table.name.startswith(prefix)), key=lambda item: item.name
    )
    if not found:
        raise invalid_query(f"{name} does not match any table.")
    newest = max(found, key=lambda table: (table.created_ms, table.name))
    chosen = [table for table in found if may_match(select, table.name[len(prefix) :])]
    parts = [_part(table, newest, prefix, has_suffix=has_suffix) for table in chosen or [newest]]
    if not chosen:
        parts[0].set("where", exp.Where(this=exp.false()))
    query: exp.Query = parts[0]
    for part in parts[1:]:
        query = exp.Union(this=query, expression=part, distinct=False)
    return query


def _part(table: Table, newest: Table, prefix: str, *, has_suffix: bool) -> exp.Select:
    own = {item.name.lower(): item for item in table.fields}
    columns = [_column(own.get(item.name.lower()), item, table) for item in newest.fields]
    if has_suffix:
        suffix = exp.Literal.string(table.name[len(prefix) :])
        columns.append(exp.alias_(suffix, TABLE_SUFFIX, quoted=True))
    source = exp.Table(
        this=exp.to_identifier(table.name, quoted=True), db=exp.to_identifier(table.dataset, quoted=True)
    )
    return exp.Select(expressions=columns).from_(source)


_WIDER = {
    ("INTEGER", "FLOAT"), ("INTEGER", "NUMERIC"), ("INTEGER", "BIGNUMERIC"), ("NUMERIC", "FLOAT"),
    ("NUMERIC", "BIGNUMERIC"), ("BIGNUMERIC", "FLOAT"), ("DATE", "DATETIME"),
}  # fmt: skip


def _column(own: Field | None, wanted: Field, table: Table) -> exp.Expression:
    """Give a column of the newest table's as another table has it."""
    kind = exp.DataType.build(googlesql_type(wanted), dialect="bigquery")
    if own is None:
        return exp.alias_(exp.Cast(this=exp.Null(), to=kind), wanted.name, quoted=True)
    column = exp.column(exp.to_identifier(own.name, quoted=True))
    if googlesql_type(own) == googlesql_type(wanted):
        return column
    if (own.type, wanted.type) in _WIDER and own.is_repeated == wanted.is_repeated is False:
        return exp.alias_(exp.Cast(this=column, to=kind), wanted.name, quoted=True)
    told = (
        f"Cannot read field '{wanted.name}' of type {googlesql_type(own)} in table {table.dataset}.{table.name} as "
        f"{googlesql_type(wanted)}"
    )
    fault = exp.Anonymous(this="ERROR", expressions=[exp.Literal.string(told)])  # said only if the column is read
    return exp.alias_(exp.Cast(this=fault, to=kind), wanted.name, quoted=True)

"""The SET clauses of UPDATE and MERGE: columns, fields of structs at any depth, defaults."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlglot import exp

from athena_lab.emulator.catalog import Table
from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.limits import limited
from athena_lab.emulator.select import without_nulls
from athena_lab.emulator.sql.pseudo import PARTITION_TIME, is_by_ingestion
from athena_lab.emulator.sql.values import written_value
from athena_lab.emulator.types import Field, duckdb_type, quote


def columns_of(target: Table) -> dict[str, Field]:
    """Give what DML can write by lower-case name: columns, and the time of ingestion."""
    known = {item.name.lower(): item for item in target.fields}
    if is_by_ingestion(target.resource):
        known["_partitiontime"] = Field(PARTITION_TIME, "TIMESTAMP")
    return known


def put_in_defaults(target: Table, then: exp.Expression) -> None:
    """Write DEFAULT, wherever an UPDATE, a MERGE's UPDATE or a MERGE's INSERT says it, as the column's default."""
    if isinstance(then, exp.Update):
        for item in then.expressions:
            column = _field_at(target, path_of(target, item, ""))
            item.set("expression", written_value(item.expression, column))
    elif isinstance(then, exp.Insert) and isinstance(then.expression, exp.Tuple):
        named = [item.name.lower() for item in then.this.expressions] if then.this is not None else []
        known = columns_of(target)
        columns = [known[name] for name in named if name in known] or list(target.fields)
        if len(columns) != len(then.expression.expressions):
            given = len(then.expression.expressions)
            raise invalid_query(f"Inserted row has wrong column count; Has {given}, expected {len(columns)}")
        values = zip(then.expression.expressions, columns, strict=True)
        then.set("expression", exp.Tuple(expressions=[written_value(item, column) for item, column in values]))


def spell_row(target: Table, then: exp.Expression, source: str) -> None:
    """Write a MERGE's INSERT ROW as the columns that it takes from the source."""
    if isinstance(then, exp.Insert) and isinstance(then.this, exp.Var):
        names = [exp.to_identifier(item.name, quoted=True) for item in target.fields]
        then.set("this", exp.Tuple(expressions=[exp.column(name.copy()) for name in names]))
        values = [exp.column(name, table=exp.to_identifier(source, quoted=True)) for name in names]
        then.set("expression", exp.Tuple(expressions=values))


def _field_at(target: Table, path: tuple[str, ...]) -> Field:
    """Give the column or the field of a struct that a path names; refuse one that is not there."""
    found = columns_of(target)[path[0]]
    for name in path[1:]:
        inner = next((part for part in found.fields if part.name.lower() == name), None)
        if inner is None or found.is_repeated:
            raise invalid_query(f"Field name {name} does not exist in {found.name}")
        found = inner
    return found


def path_of(target: Table, item: exp.Expression, alias: str) -> tuple[str, ...]:
    """Give the lower-case path of what `SET path = value` assigns; refuse what is no column of the target."""
    place = item.this
    if not isinstance(item, exp.EQ) or not isinstance(place, exp.Column | exp.Dot):
        raise unsupported("SET of anything but a column or a field")
    path = [part.name.lower() for part in place.parts]
    known = columns_of(target)
    if len(path) > 1 and (path[0] not in known or path[0] == alias.lower()):
        path = path[1:]
    if path[0] not in known:
        raise invalid_query(f"Column {path[0]} is not present in table {target.dataset}.{target.name}")
    return tuple(path)


def assigned(target: Table, alias: str, pairs: Iterable[tuple[tuple[str, ...], str]]) -> str:
    """Give DuckDB's SET clause of paths and their values; `alias` is the target's, quoted."""
    tree: dict[str, Any] = {}
    for path, value in pairs:
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                raise invalid_query(f"Update item {'.'.join(path)} overlaps another one")
        if path[-1] in node:
            raise invalid_query(f"Update item {'.'.join(path)} assigned more than once")
        node[path[-1]] = value
    known = columns_of(target)
    sets = []
    for name, value in tree.items():
        column = known[name]
        sets.append(f"{quote(column.name)} = {_value(column, f'{alias}.{quote(column.name)}', value)}")
    return ", ".join(sets)


def _value(item: Field, before: str, value: Any) -> str:
    """Give the expression of a column's or field's new value: all of it, or some of its fields."""
    if not isinstance(value, dict):
        return without_nulls(limited(str(value), item), item)
    if item.type != "RECORD" or item.is_repeated:
        raise invalid_query(f"Cannot access a field of {item.name}, which is no STRUCT")
    missing = set(value) - {part.name.lower() for part in item.fields}
    if missing:
        raise invalid_query(f"Field name {min(missing)} does not exist in {item.name}")
    parts = []
    for part in item.fields:
        old = f"({before}).{quote(part.name)}"
        name = part.name.lower()
        parts.append(f"{quote(part.name)}: {_value(part, old, value[name]) if name in value else old}")
    return f"CAST({{{', '.join(parts)}}} AS {duckdb_type(item)})"

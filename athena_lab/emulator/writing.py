"""Rows into a table: BigQuery's write and create dispositions, in one transaction with the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from athena_lab.emulator.catalog import Change, State, Table
from athena_lab.emulator.faults import BigQueryError, table_not_found
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.policies.model import check_assignment
from athena_lab.emulator.types import Field, duckdb_type, quote, schema_json
from athena_lab.emulator.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Source:
    """Rows to write: DuckDB's SQL with its parameters, and Arrow tables that it reads by name."""

    sql: str
    fields: tuple[Field, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    arrow: Mapping[str, pa.Table] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go, and what may happen to the table; `resource` is for a table that is made."""

    dataset: str
    name: str
    write: str = "WRITE_APPEND"
    create: str = "CREATE_IF_NEEDED"
    may_add_fields: bool = False
    resource: Mapping[str, Any] = field(default_factory=dict)
    takes_literals: bool = False
    """Whether the rows' types may differ from the table's where DuckDB can cast (INSERT, JSON)."""


def write(warehouse: Warehouse, source: Source, target: Target, job: Job | None = None) -> int:
    """Write rows; give their number. All of it happens or nothing."""

    def work(cursor: Any, state: State, change: Change) -> int:
        for name, table in source.arrow.items():
            cursor.register(name, table)
        table = _table_for(warehouse, cursor, state, change, source.fields, target)
        columns = ", ".join(quote(item.name) for item in source.fields)
        inserted = cursor.execute(
            f"INSERT INTO {table.physical} ({columns}) {source.sql}", dict(source.parameters) or None
        )
        return int(inserted.fetchone()[0])

    return warehouse.catalog.transact(work, holder=job)


def _table_for(
    warehouse: Warehouse, cursor: Any, state: State, change: Change, fields: tuple[Field, ...], target: Target
) -> Table:
    warehouse.catalog.dataset(target.dataset)
    existing = state.tables.get((target.dataset, target.name))
    change.based_on[target.dataset, target.name] = existing
    if existing is None:
        if target.create == "CREATE_NEVER":
            raise table_not_found(warehouse.project, target.dataset, target.name, warehouse.location)
        return _made(warehouse, cursor, change, fields, target, target.resource)
    if existing.view is not None:
        name = f"{warehouse.project}:{target.dataset}.{target.name}"
        raise BigQueryError("invalid", f"{name} is not allowed for this operation because it is currently a VIEW.")
    if target.write == "WRITE_TRUNCATE":
        change.dropped.append(existing)
        return _made(warehouse, cursor, change, fields, target, {**existing.resource, **target.resource})
    if target.write == "WRITE_EMPTY" and cursor.execute(f"SELECT 1 FROM {existing.physical} LIMIT 1").fetchone():  # noqa: S608
        raise BigQueryError("duplicate", f"Already Exists: Table {warehouse.project}:{target.dataset}.{target.name}")
    added = _compare(warehouse, existing, fields, target)
    if not added:
        change.written.append(existing)
        return existing
    return _widen(cursor, change, existing, added)


def _made(
    warehouse: Warehouse,
    cursor: Any,
    change: Change,
    fields: tuple[Field, ...],
    target: Target,
    resource: Mapping[str, Any],
) -> Table:
    check_assignment(warehouse.catalog.state, warehouse.project, fields, resource)
    kept = {**resource, "schema": schema_json(fields)}
    table = warehouse.catalog.new_table(cursor, target.dataset, target.name, fields, kept)
    change.tables.append(table)
    return table


def _compare(warehouse: Warehouse, existing: Table, fields: tuple[Field, ...], target: Target) -> tuple[Field, ...]:
    """Refuse rows that do not fit the table; give the columns to be added."""
    present = {item.name.lower(): item for item in existing.fields}
    added = tuple(item for item in fields if item.name.lower() not in present)
    if added and not target.may_add_fields:
        raise BigQueryError("invalid", f"Invalid schema update. Cannot add fields (field: {added[0].name})")
    for item in fields:
        known = present.get(item.name.lower())
        if known is None or target.takes_literals or _shape(known) == _shape(item):
            continue
        where = f"Provided Schema does not match Table {warehouse.project}:{existing.dataset}.{existing.name}."
        raise BigQueryError(
            "invalid", f"{where} Field {item.name} has changed type from {_said(known)} to {_said(item)}"
        )
    return added


def _said(item: Field) -> str:
    return f"ARRAY of {item.type}" if item.is_repeated else item.type


def _shape(item: Field) -> str:
    return duckdb_type(item).lower()


def _widen(cursor: Any, change: Change, existing: Table, added: tuple[Field, ...]) -> Table:
    for item in added:
        cursor.execute(f"ALTER TABLE {existing.physical} ADD COLUMN {quote(item.name)} {duckdb_type(item)}")
    relaxed = tuple(replace(item, mode="NULLABLE") if item.mode == "REQUIRED" else item for item in added)
    fields = existing.fields + relaxed
    table = replace(existing, fields=fields, resource={**existing.resource, "schema": schema_json(fields)})
    change.tables.append(table)
    return table

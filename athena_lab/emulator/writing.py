"""Rows into a table: BigQuery's write and create dispositions, in one transaction with the catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from athena_lab.emulator.catalog import Change, State, Table
from athena_lab.emulator.defaults import default_texts, has_default
from athena_lab.emulator.faults import BigQueryError, table_not_found
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.limits import has_limits, limited
from athena_lab.emulator.partitions import decorated, decorated_bounds, in_partition, start_of
from athena_lab.emulator.physical import remove_rows
from athena_lab.emulator.policies.model import check_assignment
from athena_lab.emulator.policies.protection import quotes_nothing
from athena_lab.emulator.sql.pseudo import PARTITION_TIME, is_by_ingestion
from athena_lab.emulator.types import Field, duckdb_type, quote, schema_json
from athena_lab.emulator.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Source:
    """Rows to write: DuckDB's SQL with its parameters, and Arrow tables that it reads by name."""

    sql: str
    fields: tuple[Field, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    arrow: Mapping[str, pa.Table | Callable[[], pa.RecordBatchReader]] = field(default_factory=dict)
    """A reader is made anew for each attempt to write."""
    is_dated: bool = False
    """Whether the last column is the time of ingestion, for tables that are partitioned by it."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go, and what may happen to the table; `resource` is for a table that is made."""

    dataset: str
    name: str
    write: str = "WRITE_APPEND"
    create: str = "CREATE_IF_NEEDED"
    may_add_fields: bool = False
    may_relax_fields: bool = False
    """Whether columns become NULLABLE that the rows have as such, or have not."""
    resource: Mapping[str, Any] = field(default_factory=dict)
    partition: str = ""
    """The partition's id that `name` carried (`table$id`)."""
    takes_literals: bool = False
    """Whether the rows' types may differ from the table's where DuckDB can cast (INSERT, JSON)."""
    fills_defaults: bool = True
    """Whether columns that the rows have not get their defaults."""
    session_user: str = ""


def write(warehouse: Warehouse, source: Source, target: Target, job: Job | None = None) -> int:
    """Write rows; give their number. All of it happens or nothing."""

    def work(cursor: Any, state: State, change: Change) -> int:
        for name, arrow in source.arrow.items():
            cursor.register(name, arrow() if callable(arrow) else arrow)
        name, partition = decorated(target.name)
        place = _table_for if partition is None else _partition_for
        table = place(
            warehouse, cursor, state, change, source.fields, replace(target, name=name, partition=partition or "")
        )
        sql = _insert(table, _filled(table, source, target), partition)
        with quotes_nothing(sql):
            return int(cursor.execute(sql, dict(source.parameters) or None).fetchone()[0])

    return warehouse.catalog.transact(work, holder=job)


def _filled(table: Table, source: Source, target: Target) -> Source:
    """Add the defaults of columns that the rows have not."""
    given = {item.name.lower() for item in source.fields}
    missing = tuple(item for item in table.fields if has_default(item) and item.name.lower() not in given)
    if not missing or not target.fills_defaults or source.is_dated:
        return source
    values = ", ".join(default_texts(missing, target.session_user))
    sql = f"SELECT *, {values} FROM ({source.sql})"  # noqa: S608 (our own translation)
    return replace(source, sql=sql, fields=source.fields + missing)


def _insert(table: Table, source: Source, partition: str | None) -> str:
    """Give DuckDB's INSERT; into a partition only rows that belong there."""
    names = [quote(item.name) for item in source.fields]
    limits = {item.name.lower(): item for item in table.fields if has_limits(item)}
    if limits and not source.is_dated and partition is None:
        values = [limited(quote(item.name), limits.get(item.name.lower(), item)) for item in source.fields]
        rows = f"({source.sql}) AS q({', '.join(names)})"
        return f"INSERT INTO {table.physical} ({', '.join(names)}) SELECT {', '.join(values)} FROM {rows}"  # noqa: S608
    is_by_time = is_by_ingestion(table.resource)
    if partition is None and not source.is_dated:
        return f"INSERT INTO {table.physical} ({', '.join(names)}) {source.sql}"
    rows = f"({source.sql}) AS q({', '.join([*names, *([PARTITION_TIME] if source.is_dated else [])])})"
    values = [limited(quote(item.name), limits.get(item.name.lower(), item)) for item in source.fields]
    where = ""
    if is_by_time:
        if partition is not None:
            values.append(f"make_timestamptz({start_of(decorated_bounds(table, partition))})")
        elif source.is_dated:
            values.append(PARTITION_TIME)
        names += [PARTITION_TIME] if len(values) > len(names) else []
    elif partition is not None:
        told = f"Some rows belong to different partitions rather than destination partition {partition}"
        where = f" WHERE CASE WHEN {in_partition(table, partition)} THEN true ELSE error('{told}') END"
    return f"INSERT INTO {table.physical} ({', '.join(names)}) SELECT {', '.join(values)} FROM {rows}{where}"  # noqa: S608


def _partition_for(
    warehouse: Warehouse,
    cursor: Any,
    state: State,
    change: Change,
    fields: tuple[Field, ...],
    target: Target,
) -> Table:
    """Give the table of a partition that is written to, emptied of the partition's rows if they are replaced."""
    existing, partition = state.tables.get((target.dataset, target.name)), target.partition
    if existing is None:
        unit = {4: "YEAR", 6: "MONTH", 10: "HOUR"}.get(len(partition), "DAY")
        target = replace(target, resource={"timePartitioning": {"type": unit}, **target.resource})
        table = _table_for(warehouse, cursor, state, change, fields, target)
        decorated_bounds(table, partition)
        return table
    where = in_partition(existing, partition)
    table = _table_for(warehouse, cursor, state, change, fields, replace(target, write="WRITE_APPEND"))
    if target.write == "WRITE_TRUNCATE":
        remove_rows(cursor, change, table, where)
        return table
    found = cursor.execute(f"SELECT 1 FROM {table.physical} WHERE {where} LIMIT 1").fetchone()  # noqa: S608 (our own)
    if target.write == "WRITE_EMPTY" and found:
        name = f"{warehouse.project}:{target.dataset}.{target.name}${partition}"
        raise BigQueryError("duplicate", f"Already Exists: Table {name}")
    return table


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
    if existing.resource.get("snapshotDefinition") and target.write != "WRITE_TRUNCATE":
        name = f"{warehouse.project}:{target.dataset}.{target.name}"
        raise BigQueryError("invalid", f"{name} is not allowed for this operation because it is currently a SNAPSHOT.")
    if existing.view is not None:
        name = f"{warehouse.project}:{target.dataset}.{target.name}"
        raise BigQueryError("invalid", f"{name} is not allowed for this operation because it is currently a VIEW.")
    if target.write == "WRITE_TRUNCATE":
        change.dropped.append(existing)
        return _made(warehouse, cursor, change, fields, target, {**existing.resource, **target.resource})
    if target.write == "WRITE_EMPTY" and cursor.execute(f"SELECT 1 FROM {existing.physical} LIMIT 1").fetchone():  # noqa: S608
        raise BigQueryError("duplicate", f"Already Exists: Table {warehouse.project}:{target.dataset}.{target.name}")
    added = _compare(warehouse, existing, fields, target)
    kept = _relaxed(cursor, existing, fields) if target.may_relax_fields else existing.fields
    if not added and kept == existing.fields:
        change.written.append(existing)
        return existing
    return _widen(cursor, change, replace(existing, fields=kept), added)


def _relaxed(cursor: Any, existing: Table, fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Give a table's columns, those NULLABLE that the rows do not always have."""
    required = {item.name.lower() for item in fields if item.mode == "REQUIRED"}
    made = []
    for item in existing.fields:
        if item.mode == "REQUIRED" and item.name.lower() not in required:
            cursor.execute(f"ALTER TABLE {existing.physical} ALTER COLUMN {quote(item.name)} DROP NOT NULL")
            item = replace(item, mode="NULLABLE")
        made.append(item)
    return tuple(made)


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

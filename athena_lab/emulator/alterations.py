"""ALTER TABLE, ALTER VIEW and ALTER SCHEMA: columns, options, names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlglot import exp

from athena_lab.emulator.catalog import Change, State, Table
from athena_lab.emulator.ddl import schema_name
from athena_lab.emulator.ddl_options import column_of, options_of
from athena_lab.emulator.faults import BigQueryError, invalid_query, unsupported
from athena_lab.emulator.physical import SINCE, create_rows
from athena_lab.emulator.policies.protection import Protection, require_all_rows, require_raw
from athena_lab.emulator.policies.roles import UPDATE_DATASET, UPDATE_TABLE
from athena_lab.emulator.sql.pseudo import PARTITION_TIME, is_by_ingestion
from athena_lab.emulator.sql.references import References
from athena_lab.emulator.sql.typenames import type_json
from athena_lab.emulator.types import Field, duckdb_type, field_from_json, quote, schema_json
from athena_lab.emulator.warehouse import Warehouse

_WIDER = {("INTEGER", "NUMERIC"), ("INTEGER", "BIGNUMERIC"), ("INTEGER", "FLOAT"), ("NUMERIC", "BIGNUMERIC"),
          ("NUMERIC", "FLOAT"), ("BIGNUMERIC", "FLOAT")}  # fmt: skip


def alter(warehouse: Warehouse, statement: exp.Alter, references: References) -> None:
    """Run an ALTER."""
    actions = statement.args.get("actions") or []
    if str(statement.args.get("kind")).upper() == "SCHEMA":
        references.space.require(UPDATE_DATASET, schema_name(warehouse, statement.this))
        _alter_schema(warehouse, statement, actions)
        return
    key = references.name_of(statement.this)
    references.space.require(UPDATE_TABLE, *key)
    if statement.args.get("exists") and key not in warehouse.catalog.state.tables:
        return

    def work(cursor: Any, state: State, change: Change) -> None:
        table = state.tables.get(key) or warehouse.catalog.table(*key)
        change.based_on[key] = table
        made = table
        for action in actions:
            _refuse_unseen(references.space.protect(made), action)
            made = _apply(cursor, state, made, action)
        resource = {name: value for name, value in made.resource.items() if value is not None}
        made = replace(made, resource={**resource, "schema": schema_json(made.fields)})
        if made.physical != table.physical:
            change.dropped.append(table)
            change.copied.append(table)
        if made.key != table.key:
            change.based_on[made.key] = state.tables.get(made.key)
            change.moved.append((table, made))
            return
        change.tables.append(made)

    warehouse.catalog.transact(work)


def _alter_schema(warehouse: Warehouse, statement: exp.Alter, actions: list[exp.Expression]) -> None:
    name = schema_name(warehouse, statement.this)
    if statement.args.get("exists") and name not in warehouse.catalog.state.datasets:
        return
    resource = dict(warehouse.catalog.dataset(name))
    for action in actions:
        if not isinstance(action, exp.AlterSet):
            raise unsupported(f"ALTER SCHEMA {action.sql('bigquery')}")
        for item in action.expressions:
            resource.update(options_of(item))
    warehouse.catalog.put_dataset(
        name, {key: value for key, value in resource.items() if value is not None}, must_be_new=False
    )


def _apply(cursor: Any, state: State, table: Table, action: exp.Expression) -> Table:
    makers: dict[type, Callable[[Any, State, Table, Any], Table]] = {
        exp.ColumnDef: _add, exp.Drop: _drop, exp.AlterColumn: _column, exp.RenameColumn: _rename_column,
        exp.AlterRename: _rename, exp.AlterSet: _set,
    }  # fmt: skip
    maker = makers.get(type(action))
    if maker is None:
        raise unsupported(f"ALTER TABLE {action.sql('bigquery')[:60]}")
    return maker(cursor, state, table, action)


def _refuse_unseen(protection: Protection | None, action: exp.Expression) -> None:
    """Another name or type may open what a policy hides: filters and policies hang on names, also those of the past,
    and a cast's error quotes values.
    """
    if isinstance(action, exp.ColumnDef | exp.Drop | exp.RenameColumn | exp.AlterColumn):
        require_all_rows(protection)
    nodes = action.args.get("tables") or [action.this] if isinstance(action, exp.Drop) else [action.this]
    is_cast = isinstance(action, exp.AlterColumn) and action.args.get("dtype") is not None
    if is_cast or isinstance(action, exp.Drop | exp.RenameColumn):
        require_raw(protection, [node.name for node in nodes])


def _find(table: Table, name: str) -> Field:
    found = next((item for item in table.fields if item.name.lower() == name.lower()), None)
    if found is None:
        raise invalid_query(f"Column not found: {name}")
    return found


def _exchange(table: Table, before: Field, after: Field) -> Table:
    return replace(table, fields=tuple(after if item is before else item for item in table.fields))


def _rebuilt(cursor: Any, table: Table, columns: list[tuple[Field, str]]) -> Table:
    """Give a table other columns, each with the expression that fills it; the old rows stay as they lie, as history."""
    ((number,),) = cursor.execute("SELECT nextval('athena_physical')").fetchall()
    made = replace(table, physical=f"t{number}", fields=tuple(item for item, _ in columns))
    create_rows(cursor, made)
    hidden = [SINCE, *([PARTITION_TIME] if is_by_ingestion(table.resource) else [])]
    names = ", ".join([*(quote(item.name) for item in made.fields), *hidden])
    values = ", ".join([*(text for _, text in columns), *hidden])
    cursor.execute(f"INSERT INTO {made.physical} ({names}) SELECT {values} FROM {table.physical}")  # noqa: S608
    return made


def _add(cursor: Any, state: State, table: Table, action: exp.ColumnDef) -> Table:
    del state
    made = column_of(action)
    if any(item.name.lower() == made.name.lower() for item in table.fields):
        if action.args.get("exists"):
            return table
        raise BigQueryError("duplicate", f"Column already exists: {made.name}")
    if made.mode == "REQUIRED":
        raise invalid_query(f"Cannot add required column {made.name} to an existing schema")
    cursor.execute(f"ALTER TABLE {table.physical} ADD COLUMN {quote(made.name)} {duckdb_type(made)}")
    return replace(table, fields=(*table.fields, made))


def _drop(cursor: Any, state: State, table: Table, action: exp.Drop) -> Table:
    del state
    nodes = action.args.get("tables") or [action.this]
    dropped: list[Field] = []
    for node in nodes:
        name = node.name
        if action.args.get("exists") and not any(item.name.lower() == name.lower() for item in table.fields):
            continue
        found = _find(table, name)
        dropped.append(found)
    kept = tuple(item for item in table.fields if item not in dropped)
    return _rebuilt(cursor, table, [(item, quote(item.name)) for item in kept]) if dropped else table


def _rename_column(cursor: Any, state: State, table: Table, action: exp.RenameColumn) -> Table:
    del state
    found = _find(table, action.this.name)
    name = action.args["to"].name
    columns = [(replace(item, name=name) if item is found else item, quote(item.name)) for item in table.fields]
    return _rebuilt(cursor, table, columns)


def _rename(cursor: Any, state: State, table: Table, action: exp.AlterRename) -> Table:
    del cursor
    name = action.this.name
    if (table.dataset, name) in state.tables:
        raise BigQueryError("duplicate", f"Already Exists: Table {table.dataset}.{name}")
    return replace(table, name=name)


def _set(cursor: Any, state: State, table: Table, action: exp.AlterSet) -> Table:
    del cursor, state
    resource = dict(table.resource)
    for item in action.expressions:
        found = options_of(item)
        if isinstance(found.get("timePartitioning"), dict):
            found["timePartitioning"] = {**(resource.get("timePartitioning") or {}), **found["timePartitioning"]}
        resource.update(found)
    return replace(table, resource=resource)


def _column(cursor: Any, state: State, table: Table, action: exp.AlterColumn) -> Table:
    del state
    found = _find(table, action.this.name)
    if action.args.get("allow_null") and action.args.get("drop"):
        cursor.execute(f"ALTER TABLE {table.physical} ALTER COLUMN {quote(found.name)} DROP NOT NULL")
        return _exchange(table, found, replace(found, mode="NULLABLE"))
    if action.args.get("dtype") is not None:
        made = field_from_json({"name": found.name, "mode": found.mode, **type_json(action.args["dtype"])})
        if (found.type, made.type) not in _WIDER and found.type != made.type:
            raise invalid_query(
                f"ALTER TABLE ALTER COLUMN SET DATA TYPE requires that the existing column type ({found.type}) is "
                f"assignable to the new type ({made.type})"
            )
        made = replace(made, extras={**found.extras, **made.extras})
        return _rebuilt(
            cursor,
            table,
            [
                (made, f"CAST({quote(item.name)} AS {duckdb_type(made)})")
                if item is found
                else (item, quote(item.name))
                for item in table.fields
            ],
        )
    if action.args.get("default") is not None:
        if action.args["default"].find(exp.Query, exp.Column):
            raise invalid_query("A column's default cannot contain a query or a column.")
        extras = {**found.extras, "defaultValueExpression": action.args["default"].sql("bigquery")}
        return _exchange(table, found, replace(found, extras=extras))
    raise unsupported(f"ALTER TABLE {action.sql('bigquery')[:60]}")

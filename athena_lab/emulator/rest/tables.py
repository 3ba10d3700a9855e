"""Tables and views: insert, get, list, patch, update, delete."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from athena_lab.emulator import ddl
from athena_lab.emulator.catalog import Change, State, Table
from athena_lab.emulator.faults import BigQueryError, unsupported
from athena_lab.emulator.policies.changes import refuse_unassigning
from athena_lab.emulator.policies.model import HIDDEN, check_assignment
from athena_lab.emulator.policies.roles import CREATE_TABLE, DELETE_TABLE, GET_TABLE, LIST_TABLES, UPDATE_TABLE
from athena_lab.emulator.rest.call import Answer, Call, route
from athena_lab.emulator.rest.pages import list_page
from athena_lab.emulator.rest.partition_summary import partition_summary
from athena_lab.emulator.rest.resources import check_etag, patched, result_json, table_json
from athena_lab.emulator.select import Prepared, space_for
from athena_lab.emulator.sql.collations import refuse_collations
from athena_lab.emulator.types import Field, duckdb_type, fields_from_json, quote, schema_json, selected

_DERIVED = (
    "kind", "id", "etag", "selfLink", "tableReference", "type", "creationTime", "lastModifiedTime", "numRows",
    "numBytes", "numLongTermBytes", "numTotalLogicalBytes", "numActiveLogicalBytes", "numLongTermLogicalBytes",
    "numPartitions", "location", "schema",
)  # fmt: skip
_NAME = re.compile(r"[\w\- ]{1,1024}")


def insert(call: Call) -> Answer:
    """Make a table or a view."""
    dataset = call.path["dataset"]
    name = str((call.body.get("tableReference") or {}).get("tableId", ""))
    if not _NAME.fullmatch(name):
        raise BigQueryError("invalid", f'Invalid table ID "{name}".')
    for kind in ("externalDataConfiguration", "snapshotDefinition", "cloneDefinition", "biglakeConfiguration"):
        if call.body.get(kind):
            raise unsupported(f"A table with {kind}")
    call.warehouse.catalog.dataset(dataset)
    resource = _kept(call.body)
    is_view = bool(resource.get("view") or resource.get("materializedView"))
    fields = _view_fields(call, resource) if is_view else fields_from_json(call.body.get("schema"))
    _check_partitioning(resource, fields)
    ddl.define(call.warehouse, (dataset, name), fields, resource)
    return table_json(call.warehouse, call.warehouse.catalog.table(dataset, name), call.principal)


def get(call: Call) -> Answer:
    """Give a table, a view, or the caller's own anonymous result; of its schema the fields that are selected."""
    dataset, name = call.path["dataset"], call.path["table"]
    view = call.query.get("view") or "STORAGE_STATS"
    if view not in ("TABLE_METADATA_VIEW_UNSPECIFIED", "BASIC", "STORAGE_STATS", "FULL"):
        raise BigQueryError("invalid", f"Invalid value '{view}' for view", "view")
    result = call.warehouse.find_result(dataset, name, call.principal) or partition_summary(call)
    if result is not None:
        made = result_json(call.warehouse, dataset, name, result)
    else:
        table = call.warehouse.catalog.table(dataset, name)
        made = table_json(call.warehouse, table, call.principal)
    paths = call.several("selectedFields")
    if paths:
        made["schema"] = schema_json(selected(fields_from_json(made["schema"]), paths))
    return {key: value for key, value in made.items() if view != "BASIC" or not key.startswith("num")}


def list_(call: Call) -> Answer:
    """List a dataset's tables."""
    dataset = call.path["dataset"]
    call.warehouse.catalog.dataset(dataset)
    tables = [table for key, table in sorted(call.warehouse.catalog.state.tables.items()) if key[0] == dataset]
    items = [table_json(call.warehouse, table, call.principal, short=True) for table in tables]
    page = list_page(items, "tables", call.query.get("pageToken"), call.integer("maxResults"))
    return {"kind": "bigquery#tableList", "totalItems": len(items), **page}


def patch(call: Call) -> Answer:
    """Change what the body names; columns may be added, described and relaxed."""
    table = call.warehouse.catalog.table(call.path["dataset"], call.path["table"])
    check_etag(call.headers, table_json(call.warehouse, table, call.principal))
    resource = patched(table.resource, _kept(call.body))
    fields = fields_from_json(call.body["schema"]) if call.body.get("schema") else table.fields
    return _change(call, table, fields, resource)


def update(call: Call) -> Answer:
    """Replace everything with the body."""
    table = call.warehouse.catalog.table(call.path["dataset"], call.path["table"])
    check_etag(call.headers, table_json(call.warehouse, table, call.principal))
    fields = fields_from_json(call.body["schema"]) if call.body.get("schema") else table.fields
    hidden = {key: table.resource[key] for key in HIDDEN if key in table.resource}
    return _change(call, table, fields, {**_kept(call.body), **hidden})


def delete(call: Call) -> Answer:
    """Drop a table or view."""
    ddl.drop_table(call.warehouse, (call.path["dataset"], call.path["table"]))
    return None


def _kept(body: Any) -> dict[str, Any]:
    refuse_collations(body)
    return {key: value for key, value in body.items() if key not in (*_DERIVED, *HIDDEN)}


def _view_fields(call: Call, resource: dict[str, Any]) -> tuple[Field, ...]:
    view = resource.get("view") or resource["materializedView"]
    if view.get("useLegacySql"):
        raise unsupported("Legacy SQL in a view")
    if view.get("userDefinedFunctionResources"):
        raise unsupported("A view with userDefinedFunctionResources")
    space = space_for(call.warehouse, call.principal, {})
    prepared = call.queries.preparer.prepare_text(str(view.get("query", "")), space, {}, {})
    if not isinstance(prepared, Prepared):
        raise BigQueryError("invalid", "A view's query must be a SELECT.")
    return prepared.fields


def _check_partitioning(resource: dict[str, Any], fields: tuple[Field, ...]) -> None:
    named = (resource.get("timePartitioning") or {}).get("field")
    if named and named.lower() not in {item.name.lower() for item in fields}:
        raise BigQueryError("invalid", "The field specified for partitioning cannot be found in the schema.")


_FIXED = {"timePartitioning": ("type", "field"), "rangePartitioning": ("field", "range")}
"""Of a table that is there: only when its partitions expire may change, and whether they need a filter."""


def _refuse_other_partitions(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    for key, parts in _FIXED.items():
        old, new = before.get(key), after.get(key)
        if bool(old) != bool(new):
            what = "partitioned table to non-partitioned table" if old else "non-partitioned table to partitioned table"
            raise BigQueryError("invalid", f"Cannot convert {what}.")
        if old and any(_partition_part(old, part) != _partition_part(new, part) for part in parts):
            raise BigQueryError("invalid", "Cannot change partitioning spec for a partitioned table.")


def _partition_part(spec: Any, part: str) -> str:
    return str(spec.get(part) or ("DAY" if part == "type" else "")).lower()


def _change(call: Call, table: Table, fields: tuple[Field, ...], resource: dict[str, Any]) -> Answer:
    kept = patched({}, resource)
    _refuse_other_partitions(table.resource, kept)
    _refuse_other_kind(call, table, kept)
    if table.view is not None:
        fields = _view_fields(call, kept)
    added = _compare(call, table, fields)
    refuse_unassigning(call.principal, call.warehouse.project, table.fields, fields)
    check_assignment(call.warehouse.catalog.state, call.warehouse.project, fields, kept)

    def work(cursor: Any, state: State, change: Change) -> None:
        del state
        change.based_on[table.key] = table
        if table.view is None:
            for item in added:
                cursor.execute(f"ALTER TABLE {table.physical} ADD COLUMN {quote(item.name)} {duckdb_type(item)}")
            for before, after in zip(table.fields, fields, strict=False):
                if before.mode == "REQUIRED" and after.mode == "NULLABLE":
                    cursor.execute(f"ALTER TABLE {table.physical} ALTER COLUMN {quote(after.name)} DROP NOT NULL")
        change.tables.append(replace(table, fields=fields, resource={**kept, "schema": schema_json(fields)}))

    call.warehouse.catalog.transact(work)
    return table_json(call.warehouse, call.warehouse.catalog.table(*table.key), call.principal)


_KINDS = ("view", "materializedView", "snapshotDefinition", "cloneDefinition", "externalDataConfiguration")


def _refuse_other_kind(call: Call, table: Table, resource: dict[str, Any]) -> None:
    """Refuse to make a view of a table, or the like: its rows, and the policies on its columns, would be lost."""
    for key in _KINDS:
        if bool(resource.get(key)) != bool(table.resource.get(key)):
            name = f"{call.warehouse.project}:{table.dataset}.{table.name}"
            raise BigQueryError("invalid", f"Cannot change {key} of {name}: a table or view stays what it is.")


def _compare(call: Call, table: Table, fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Refuse a schema that changes or drops a column; give the new columns at its end."""
    if table.view is not None:
        return ()
    where = f"Provided Schema does not match Table {call.warehouse.project}:{table.dataset}.{table.name}."
    for before, after in zip(table.fields, fields, strict=False):
        if before.name != after.name:
            raise BigQueryError("invalid", f"{where} Field {before.name} is missing in new schema")
        if duckdb_type(before) != duckdb_type(after):
            raise BigQueryError(
                "invalid", f"{where} Field {after.name} has changed type from {before.type} to {after.type}"
            )
        if (before.mode, after.mode) == ("NULLABLE", "REQUIRED"):
            raise BigQueryError("invalid", f"{where} Field {after.name} has changed mode from NULLABLE to REQUIRED")
    if len(fields) < len(table.fields):
        raise BigQueryError("invalid", f"{where} Field {table.fields[len(fields)].name} is missing in new schema")
    added = fields[len(table.fields) :]
    if any(item.mode == "REQUIRED" for item in added):
        raise BigQueryError("invalid", f"{where} Cannot add required fields to an existing schema.")
    return added


ROUTES = (
    route("/datasets/{dataset}/tables", "POST", insert, CREATE_TABLE),
    route("/datasets/{dataset}/tables", "GET", list_, LIST_TABLES),
    route("/datasets/{dataset}/tables/{table}", "GET", get, GET_TABLE),
    route("/datasets/{dataset}/tables/{table}", "PATCH", patch, UPDATE_TABLE),
    route("/datasets/{dataset}/tables/{table}", "PUT", update, UPDATE_TABLE),
    route("/datasets/{dataset}/tables/{table}", "DELETE", delete, DELETE_TABLE),
)

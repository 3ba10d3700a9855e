"""CREATE, DROP and ALTER of tables, views and schemas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import Change, State, Table
from athena_lab.emulator.copies import derivation, rows_of
from athena_lab.emulator.ddl_options import column_of, options_of
from athena_lab.emulator.faults import BigQueryError, invalid_query, unsupported
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.partitions import decorated, in_partition
from athena_lab.emulator.physical import remove_rows
from athena_lab.emulator.policies.authorization import ACCESS, default_access
from athena_lab.emulator.policies.model import ROW_POLICIES, check_assignment
from athena_lab.emulator.policies.protection import require_raw
from athena_lab.emulator.policies.roles import (
    CREATE_TABLE,
    DELETE_DATASET,
    DELETE_TABLE,
    GET_DATA,
    GET_TABLE,
    UPDATE_TABLE,
)
from athena_lab.emulator.select import Prepared
from athena_lab.emulator.sql.references import ANONYMOUS, TEMPORARY, References
from athena_lab.emulator.types import Field, schema_json
from athena_lab.emulator.warehouse import Warehouse
from athena_lab.emulator.writing import Target, write

_DATASET_ID = re.compile(r"[A-Za-z0-9_]{1,1024}")


@dataclass(frozen=True, slots=True)
class Definition:
    """A CREATE statement's target and what it says about it."""

    dataset: str
    name: str
    is_view: bool
    is_replace: bool
    if_not_exists: bool
    resource: Mapping[str, Any]
    fields: tuple[Field, ...]
    query: exp.Query | None
    source: Table | None = None
    """The table that is cloned or copied, perhaps as it was."""


def read_definition(statement: exp.Create, references: References) -> Definition:
    """Read a CREATE TABLE or CREATE VIEW; refuse the kinds that are not supported."""
    kind = str(statement.args.get("kind")).upper()
    if kind not in ("TABLE", "VIEW"):
        raise unsupported(f"CREATE {kind}")
    node = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
    properties = statement.args.get("properties")
    dataset, name = _place(node, properties, references)
    _require_create(statement, references, dataset, name)
    resource, query = options_of(properties), statement.expression
    columns = statement.this.expressions if isinstance(statement.this, exp.Schema) else []
    fields = () if kind == "VIEW" else tuple(column_of(item) for item in columns if isinstance(item, exp.ColumnDef))
    if kind == "VIEW":
        is_stored = properties is not None and properties.find(exp.MaterializedProperty) is not None
        key = "materializedView" if is_stored else "view"
        resource[key] = {"query": query.sql("bigquery")} | ({} if is_stored else {"useLegacySql": False})
    source = _source(statement)
    copied: Table | None = None
    if source is not None:
        is_like = statement.args.get("clone") is None
        references.space.require(GET_TABLE if is_like else GET_DATA, *references.name_of(source))
        found = _found_source(statement, source, references)
        resource = {**_definition(found.resource), **resource}
        fields = found.fields
        if not is_like:
            copied = found
            key = "snapshotDefinition" if statement.meta.get("is_snapshot") else "cloneDefinition"
            if not statement.args["clone"].args.get("copy"):
                resource[key] = derivation(references.space.project, found, key)
    return Definition(
        dataset, name, kind == "VIEW", bool(statement.args.get("replace")), bool(statement.args.get("exists")),
        resource, fields, query, copied,
    )  # fmt: skip


def _found_source(statement: exp.Create, source: exp.Table, references: References) -> Table:
    """Give the table that CLONE, COPY or LIKE names, as it was if the statement says when."""
    moment, space = statement.meta.get("moment"), references.space
    found = references.lookup(source) if moment is None else space.past(references.name_of(source), moment, space.given)
    if found.view is not None and statement.args.get("clone") is not None:
        raise invalid_query(f"{found.dataset}.{found.name} is a view, which cannot be cloned; query it instead.")
    if statement.args.get("clone") is not None:
        require_raw(space.protect(found))
    return found


def _require_create(statement: exp.Create, references: References, dataset: str, name: str) -> None:
    if (dataset, name) not in references.space.state.tables:
        references.space.require(CREATE_TABLE, dataset, name)
    elif not statement.args.get("exists"):
        references.space.require(UPDATE_TABLE, dataset, name)


def _place(node: exp.Table, properties: exp.Properties | None, references: References) -> tuple[str, str]:
    """Tell where a table is made: a temporary one in the hidden dataset of its script or session."""
    if properties is None or properties.find(exp.TemporaryProperty) is None:
        return references.name_of(node)
    if references.space.temporary is None:
        raise invalid_query("Use of CREATE TEMPORARY TABLE requires a script or session")
    return references.space.temporary, node.name


def _source(statement: exp.Create) -> exp.Table | None:
    """Give the table that CLONE, COPY or LIKE names."""
    clone = statement.args.get("clone")
    like = statement.find(exp.LikeProperty)
    found = clone.this if clone is not None else like.this if like is not None else None
    return found if isinstance(found, exp.Table) else None


def _definition(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a copy takes over from its source."""
    kept = (
        "timePartitioning",
        "rangePartitioning",
        "clustering",
        "requirePartitionFilter",
        "description",
        "labels",
        ROW_POLICIES,
    )
    return {key: resource[key] for key in kept if resource.get(key)}


def create(
    warehouse: Warehouse, made: Definition, prepared: Prepared | None, values: Mapping[str, Any], job: Job
) -> int | None:
    """Make a table or view; give the rows that were written, None for a view or a table without a query."""
    exists = (made.dataset, made.name) in warehouse.catalog.state.tables
    if exists and made.if_not_exists:
        return None
    if exists and not made.is_replace:
        raise BigQueryError("duplicate", f"Already Exists: Table {warehouse.project}:{made.dataset}.{made.name}")
    if made.source is not None:
        write_to = "WRITE_TRUNCATE" if made.is_replace else "WRITE_EMPTY"
        target = Target(made.dataset, made.name, write_to, resource=made.resource)
        return write(warehouse, rows_of(made.source), target, job)
    if prepared is None or made.is_view:
        fields = prepared.fields if prepared is not None else made.fields
        define(warehouse, (made.dataset, made.name), fields, made.resource, is_replace=made.is_replace)
        return None
    source = prepared.source(values)
    if made.fields:
        source = replace(source, fields=made.fields)
    target = Target(
        made.dataset, made.name, "WRITE_TRUNCATE" if made.is_replace else "WRITE_EMPTY", resource=made.resource
    )
    return write(warehouse, source, target, job)


def define(
    warehouse: Warehouse,
    key: tuple[str, str],
    fields: tuple[Field, ...],
    resource: Mapping[str, Any],
    *,
    is_replace: bool = False,
) -> None:
    """Make an empty table or a view; refuse a name that is taken unless it is replaced."""

    def work(cursor: Any, state: State, change: Change) -> None:
        existing = state.tables.get(key)
        change.based_on[key] = existing
        if existing is not None:
            if not is_replace:
                raise BigQueryError("duplicate", f"Already Exists: Table {warehouse.project}:{key[0]}.{key[1]}")
            change.dropped.append(existing)
        check_assignment(state, warehouse.project, fields, resource)
        kept = {**resource, "schema": schema_json(fields)}
        change.tables.append(warehouse.catalog.new_table(cursor, *key, fields, kept))

    warehouse.catalog.transact(work)


def drop_table(warehouse: Warehouse, key: tuple[str, str], *, if_exists: bool = False) -> None:
    """Drop a table or view; of `table$partition` the partition's rows."""
    if if_exists and key not in warehouse.catalog.state.tables:
        return
    table = warehouse.catalog.table(*key)
    _, partition = decorated(key[1])

    def work(cursor: Any, state: State, change: Change) -> None:
        del state
        change.based_on[table.key] = table
        if partition is None:
            change.dropped.append(table)
            return
        remove_rows(cursor, change, table, in_partition(table, partition))
        change.written.append(table)

    warehouse.catalog.transact(work)


def create_outcome(state: State, made: Definition) -> str:
    """Say in BigQuery's word what a CREATE TABLE or VIEW does (ddlOperationPerformed)."""
    if (made.dataset, made.name) not in state.tables:
        return "CREATE"
    return "SKIP" if made.if_not_exists else "REPLACE" if made.is_replace else "CREATE"


def drop_outcome(warehouse: Warehouse, statement: exp.Drop, references: References) -> dict[str, Any]:
    """Say in BigQuery's words what a DROP of one table, view or dataset does, and to what."""
    nodes = statement.args.get("tables") or [statement.this]
    project, state = warehouse.project, warehouse.catalog.state
    if str(statement.args.get("kind")).upper() == "SCHEMA":
        name = schema_name(warehouse, nodes[0])
        told = {"ddlTargetDataset": {"projectId": project, "datasetId": name}}
        is_there = name in state.datasets
    else:
        dataset, name = references.name_of(nodes[0])
        told = {"ddlTargetTable": {"projectId": project, "datasetId": dataset, "tableId": name}}
        is_there = (dataset, name) in state.tables
    return {"ddlOperationPerformed": "DROP" if is_there or not statement.args.get("exists") else "SKIP", **told}


def schema_outcome(warehouse: Warehouse, statement: exp.Create) -> dict[str, Any]:
    """Say in BigQuery's words what a CREATE SCHEMA does, and which dataset it makes."""
    name = schema_name(warehouse, statement.this)
    is_there = bool(statement.args.get("exists")) and name in warehouse.catalog.state.datasets
    target = {"projectId": warehouse.project, "datasetId": name}
    return {"ddlOperationPerformed": "SKIP" if is_there else "CREATE", "ddlTargetDataset": target}


def drop(warehouse: Warehouse, statement: exp.Drop, references: References) -> str:
    """Run a DROP; give its statement type."""
    kind = str(statement.args.get("kind")).upper()
    nodes = statement.args.get("tables") or [statement.this]
    if len(nodes) != 1:
        raise unsupported("DROP of several things")
    node = nodes[0]
    if kind == "SCHEMA":
        name = schema_name(warehouse, node)
        references.space.require(DELETE_DATASET, name)
        if not (statement.args.get("exists") and name not in warehouse.catalog.state.datasets):
            warehouse.catalog.drop_dataset(name, with_contents=bool(statement.args.get("cascade")))
        return "DROP_SCHEMA"
    if kind not in ("TABLE", "VIEW"):
        raise unsupported(f"DROP {kind}")
    key = references.name_of(node)
    references.space.require(DELETE_TABLE, *key)
    found = warehouse.catalog.state.tables.get(key)
    if found is not None and (found.view is not None) != (kind == "VIEW"):
        actual = "VIEW" if found.view is not None else "TABLE"
        raise invalid_query(f"{warehouse.project}:{key[0]}.{key[1]} has type {actual}; use DROP {actual}.")
    drop_table(warehouse, key, if_exists=bool(statement.args.get("exists")))
    return f"DROP_{kind}"


def schema_name(warehouse: Warehouse, node: exp.Expression) -> str:
    """Give the dataset that [project.]dataset names; refuse another project."""
    names = node.parts if isinstance(node, exp.Table) else node.find_all(exp.Identifier, bfs=False)
    parts = [piece for part in names for piece in part.name.split(".")]
    if len(parts) > 1:
        warehouse.require_project(".".join(parts[:-1]))
    return str(parts[-1])


def check_dataset_id(name: str) -> str:
    """Give the name of a dataset that is to be made; refuse what cannot be one, or is a hidden dataset's."""
    if not _DATASET_ID.fullmatch(name):
        raise BigQueryError(
            "invalid",
            f'Invalid dataset ID "{name}". Dataset IDs must be alphanumeric (plus underscores) and must be at most 1024'
            " characters long.",
        )
    if name.startswith((ANONYMOUS, *TEMPORARY)):
        raise BigQueryError("invalid", f'Invalid dataset ID "{name}": names like it are those of hidden datasets.')
    return name


def create_schema(warehouse: Warehouse, statement: exp.Create, creator: Principal) -> None:
    """Run a CREATE SCHEMA."""
    name = check_dataset_id(schema_name(warehouse, statement.this))
    if statement.args.get("exists") and name in warehouse.catalog.state.datasets:
        return
    resource = {ACCESS: default_access(creator), **options_of(statement.args.get("properties"))}
    warehouse.catalog.put_dataset(name, resource, must_be_new=True)

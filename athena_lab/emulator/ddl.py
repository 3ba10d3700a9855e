"""CREATE, DROP and ALTER of tables, views and schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from athena_lab.emulator.catalog import Change, State
from athena_lab.emulator.faults import BigQueryError, invalid_query, unsupported
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.policies.model import check_assignment
from athena_lab.emulator.policies.statements import assigned_name
from athena_lab.emulator.select import Prepared
from athena_lab.emulator.sql.references import References
from athena_lab.emulator.types import Field, duckdb_type, field_from_json, quote, schema_json
from athena_lab.emulator.warehouse import Warehouse
from athena_lab.emulator.writing import Target, write


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

    @property
    def operation(self) -> str:
        return "REPLACE" if self.is_replace else "CREATE"


def read_definition(statement: exp.Create, references: References) -> Definition:
    """Read a CREATE TABLE or CREATE VIEW; refuse the kinds that are not supported."""
    kind = str(statement.args.get("kind")).upper()
    if kind not in ("TABLE", "VIEW") or statement.args.get("clone"):
        raise unsupported(f"CREATE {kind}{' CLONE' if statement.args.get('clone') else ''}")
    node = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
    dataset, name = references.name_of(node)
    columns = statement.this.expressions if isinstance(statement.this, exp.Schema) else []
    resource = _options(statement.args.get("properties"))
    query = statement.expression
    if kind == "VIEW":
        resource["view"] = {"query": query.sql("bigquery"), "useLegacySql": False}
    is_replace = bool(statement.args.get("replace"))
    fields = () if kind == "VIEW" else tuple(_column(item) for item in columns)
    return Definition(
        dataset, name, kind == "VIEW", is_replace, bool(statement.args.get("exists")), resource, fields, query
    )


def create(
    warehouse: Warehouse, made: Definition, prepared: Prepared | None, values: Mapping[str, Any], job: Job
) -> int | None:
    """Make a table or view; give the rows that were written, None for a view or a table without a query."""
    exists = (made.dataset, made.name) in warehouse.catalog.state.tables
    if exists and made.if_not_exists:
        return None
    if exists and not made.is_replace:
        raise BigQueryError("duplicate", f"Already Exists: Table {warehouse.project}:{made.dataset}.{made.name}")
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
    """Drop a table or view."""
    if if_exists and key not in warehouse.catalog.state.tables:
        return
    table = warehouse.catalog.table(*key)

    def work(cursor: Any, state: State, change: Change) -> None:
        del cursor, state
        change.based_on[key] = table
        change.dropped.append(table)

    warehouse.catalog.transact(work)


def drop(warehouse: Warehouse, statement: exp.Drop, references: References) -> str:
    """Run a DROP; give its statement type."""
    kind = str(statement.args.get("kind")).upper()
    nodes = statement.args.get("tables") or [statement.this]
    if len(nodes) != 1:
        raise unsupported("DROP of several things")
    node = nodes[0]
    if kind == "SCHEMA":
        name = node.args["db"].name if node.args.get("db") else node.name
        if not (statement.args.get("exists") and name not in warehouse.catalog.state.datasets):
            warehouse.catalog.drop_dataset(name, with_contents=bool(statement.args.get("cascade")))
        return "DROP_SCHEMA"
    if kind not in ("TABLE", "VIEW"):
        raise unsupported(f"DROP {kind}")
    key = references.name_of(node)
    found = warehouse.catalog.state.tables.get(key)
    if found is not None and (found.view is not None) != (kind == "VIEW"):
        actual = "VIEW" if found.view is not None else "TABLE"
        raise invalid_query(f"{warehouse.project}:{key[0]}.{key[1]} has type {actual}; use DROP {actual}.")
    drop_table(warehouse, key, if_exists=bool(statement.args.get("exists")))
    return f"DROP_{kind}"


def create_schema(warehouse: Warehouse, statement: exp.Create) -> None:
    """Run a CREATE SCHEMA."""
    node = statement.this
    name = node.args["db"].name if node.args.get("db") else node.name
    if statement.args.get("exists") and name in warehouse.catalog.state.datasets:
        return
    resource = _options(statement.args.get("properties"))
    warehouse.catalog.put_dataset(name, resource, must_be_new=True)


def alter(warehouse: Warehouse, statement: exp.Alter, references: References) -> None:
    """Run an ALTER TABLE ADD COLUMN; refuse the other kinds."""
    key = references.name_of(statement.this)
    table = warehouse.catalog.table(*key)
    actions = statement.args.get("actions") or []
    if str(statement.args.get("kind")).upper() != "TABLE" or not all(
        isinstance(item, exp.ColumnDef) for item in actions
    ):
        raise unsupported("ALTER other than ADD COLUMN")
    added = tuple(_column(item) for item in actions)

    def work(cursor: Any, state: State, change: Change) -> None:
        del state
        change.based_on[key] = table
        for item in added:
            cursor.execute(f"ALTER TABLE {table.physical} ADD COLUMN {quote(item.name)} {duckdb_type(item)}")
        fields = table.fields + added
        change.tables.append(replace(table, fields=fields, resource={**table.resource, "schema": schema_json(fields)}))

    warehouse.catalog.transact(work)


def _column(node: exp.ColumnDef) -> Field:
    kind = node.args["kind"]
    resource: dict[str, Any] = {"name": node.name, **_type(kind)}
    for constraint in node.args.get("constraints") or ():
        if isinstance(constraint.args["kind"], exp.NotNullColumnConstraint):
            resource["mode"] = "REQUIRED"
        elif isinstance(constraint.args["kind"], exp.Properties):
            resource.update(_options(constraint.args["kind"]))
        else:
            raise unsupported(f"The constraint {constraint.sql('bigquery')}")
    return field_from_json(resource)


def _type(kind: exp.DataType) -> dict[str, Any]:
    if kind.this == exp.DType.ARRAY:
        return {**_type(kind.expressions[0]), "mode": "REPEATED"}
    if kind.this == exp.DType.STRUCT:
        fields = [{"name": item.name, **_type(item.args["kind"])} for item in kind.expressions]
        return {"type": "RECORD", "fields": fields}
    return {"type": exp.DataType(this=kind.this).sql("bigquery")}


def _options(properties: exp.Properties | None) -> dict[str, Any]:
    """Give what OPTIONS, PARTITION BY and CLUSTER BY say, in the REST API's words."""
    found: dict[str, Any] = {}
    for item in properties.expressions if properties is not None else ():
        if isinstance(item, exp.PartitionedByProperty):
            found.update(_partitioning(item.this))
        elif isinstance(item, exp.Cluster | exp.ClusterProperty):
            found["clustering"] = {"fields": [column.name for column in item.expressions]}
        elif isinstance(item, exp.Property) and type(item) is exp.Property:
            _add_option(found, item.name.lower(), item.args["value"])
        else:
            raise unsupported(f"{item.sql('bigquery')} in CREATE")
    return found


_OPTIONS = {"description": "description", "friendly_name": "friendlyName", "location": "location"}


def _add_option(found: dict[str, Any], name: str, value: exp.Expression) -> None:
    if name == "labels":
        found["labels"] = {pair.expressions[0].name: pair.expressions[1].name for pair in value.expressions}
    elif name == "data_policies":
        items = value.expressions if isinstance(value, exp.Array) else [value]
        found["dataPolicies"] = [{"name": assigned_name(item.name)} for item in items]
    elif name in _OPTIONS:
        found[_OPTIONS[name]] = value.name
    elif name in ("require_partition_filter", "partition_expiration_days", "expiration_timestamp"):
        raise unsupported(f"The option {name}")
    else:
        raise invalid_query(f"Unknown option: {name}")


def _partitioning(node: exp.Expression) -> dict[str, Any]:
    column = node.find(exp.Column) or node.find(exp.Identifier)
    unit = node.args.get("unit")
    if isinstance(node, exp.RangeBucket if hasattr(exp, "RangeBucket") else exp.GenerateSeries):
        raise unsupported("PARTITION BY RANGE_BUCKET")
    kind = unit.name.upper() if unit is not None else "DAY"
    return {"timePartitioning": {"type": kind, "field": column.name if column is not None else None}}

"""INFORMATION_SCHEMA beyond tables and columns: fields, constraints, parameters, options, snapshots, storage.

https://cloud.google.com/bigquery/docs/information-schema-intro
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

from athena_lab.emulator.catalog import State, Table
from athena_lab.emulator.ddl_text import dataset_options, option_text, type_shown
from athena_lab.emulator.sizes import TableSize
from athena_lab.emulator.sql.typenames import standard_text
from athena_lab.emulator.types import Field

Rows = list[tuple[Any, ...]]
View = tuple[tuple[Field, ...], Callable[[State, str, str], Rows]]


def fields_of(text: str) -> tuple[Field, ...]:
    """Read names of columns, each a STRING unless a type stands behind it (name:TYPE)."""
    pairs = (part.partition(":") for part in text.split())
    return tuple(Field(name, kind or "STRING") for name, _, kind in pairs)


def tables_of(state: State, dataset: str) -> Iterator[Table]:
    """Give the tables and views of a dataset."""
    return (table for table in state.tables.values() if table.dataset == dataset)


def _paths(state: State, project: str, dataset: str) -> Rows:
    return [
        (project, dataset, table.name, column.name, path, type_shown(item), item.extras.get("description"), "NULL",
         item.extras.get("roundingMode"), _tags(item))
        for table in tables_of(state, dataset)
        for column in table.fields
        for path, item in _leaves(column, column.name)
    ]  # fmt: skip


def _tags(item: Field) -> list[str]:
    return list((item.extras.get("policyTags") or {}).get("names") or ())


def _leaves(item: Field, path: str) -> Iterator[tuple[str, Field]]:
    yield path, item
    for part in item.fields:
        yield from _leaves(part, f"{path}.{part.name}")


def _keys(table: Table) -> Iterator[tuple[str, str, list[tuple[str, dict[str, Any] | None]]]]:
    """Give (name, kind, columns with what they refer to) of a table's constraints."""
    found = table.resource.get("tableConstraints") or {}
    primary = (found.get("primaryKey") or {}).get("columns") or []
    if primary:
        yield f"{table.name}.pk$", "PRIMARY KEY", [(name, None) for name in primary]
    for index, key in enumerate(found.get("foreignKeys") or (), start=1):
        pairs: list[tuple[str, dict[str, Any] | None]] = [
            (str(part["referencingColumn"]), {**key["referencedTable"], **part}) for part in key["columnReferences"]
        ]
        yield f"{table.name}.{key.get('name') or f'fk${index}'}", "FOREIGN KEY", pairs


def _constraints(state: State, project: str, dataset: str) -> Rows:
    return [
        (project, dataset, name, project, dataset, table.name, kind, "NO", "NO", "NO")
        for table in tables_of(state, dataset)
        for name, kind, _ in _keys(table)
    ]


def _key_columns(state: State, project: str, dataset: str) -> Rows:
    rows: Rows = []
    for table in tables_of(state, dataset):
        for name, kind, columns in _keys(table):
            for place, (column, _) in enumerate(columns, start=1):
                at = place if kind == "FOREIGN KEY" else None
                rows.append((project, dataset, name, project, dataset, table.name, column, place, at))
    return rows


def _constrained(state: State, project: str, dataset: str) -> Rows:
    rows: Rows = []
    for table in tables_of(state, dataset):
        for name, _, columns in _keys(table):
            for column, target in columns:
                where = (dataset, table.name, column)
                if target is not None:
                    where = (target["datasetId"], target["tableId"], target["referencedColumn"])
                rows.append((project, *where, project, dataset, name))
    return rows


def _parameters(state: State, project: str, dataset: str) -> Rows:
    rows: Rows = []
    for (owner, name), item in state.routines.items():
        if owner != dataset:
            continue
        if item.get("returnType"):
            rows.append((project, dataset, name, 0, None, "YES", None, standard_text(item["returnType"])))
        for place, argument in enumerate(item.get("arguments") or (), start=1):
            kind = standard_text(argument["dataType"]) if argument.get("dataType") else "ANY TYPE"
            rows.append((project, dataset, name, place, argument.get("mode"), "NO", argument.get("name"), kind))
    return rows


def _routine_options(state: State, project: str, dataset: str) -> Rows:
    return [
        (project, dataset, name, "description", "STRING", option_text(item["description"]))
        for (owner, name), item in state.routines.items()
        if owner == dataset and item.get("description")
    ]


def _dataset_options(state: State, project: str, dataset: str) -> Rows:
    resource = state.datasets.get(dataset, {})
    return [(project, dataset, *option) for option in dataset_options(resource) if option[0] != "location"]


def _snapshots(state: State, project: str, dataset: str) -> Rows:
    rows: Rows = []
    for table in tables_of(state, dataset):
        found = table.resource.get("snapshotDefinition")
        if found:
            base = found.get("baseTableReference") or {}
            rows.append(
                (project, dataset, table.name, base.get("projectId"), base.get("datasetId"), base.get("tableId"),
                 _moment(found.get("snapshotTime")))
            )  # fmt: skip
    return rows


def _moment(text: Any) -> datetime.datetime | None:
    return None if not text else datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))


def _materialized(state: State, project: str, dataset: str) -> Rows:
    return [
        (project, dataset, table.name, None, None)
        for table in tables_of(state, dataset)
        if table.resource.get("materializedView")
    ]


_ROUTINE = "specific_catalog specific_schema specific_name "
_PLACE = "table_catalog table_schema table_name "
_CONSTRAINT = "constraint_catalog constraint_schema constraint_name "
_PATHS_FIELDS = fields_of(f"{_PLACE} column_name field_path data_type description collation_name rounding_mode")
VIEWS: dict[str, View] = {
    "COLUMN_FIELD_PATHS": ((*_PATHS_FIELDS, Field("policy_tags", "STRING", "REPEATED")), _paths),
    "TABLE_CONSTRAINTS": (
        fields_of(f"{_CONSTRAINT} {_PLACE} constraint_type is_deferrable initially_deferred enforced"),
        _constraints,
    ),
    "KEY_COLUMN_USAGE": (
        fields_of(f"{_CONSTRAINT} {_PLACE} column_name ordinal_position:INTEGER position_in_unique_constraint:INTEGER"),
        _key_columns,
    ),
    "CONSTRAINT_COLUMN_USAGE": (fields_of(f"{_PLACE} column_name {_CONSTRAINT}"), _constrained),
    "PARAMETERS": (
        fields_of(f"{_ROUTINE} ordinal_position:INTEGER parameter_mode is_result parameter_name data_type"),
        _parameters,
    ),
    "ROUTINE_OPTIONS": (fields_of(f"{_ROUTINE} option_name option_type option_value"), _routine_options),
    "SCHEMATA_OPTIONS": (fields_of("catalog_name schema_name option_name option_type option_value"), _dataset_options),
    "TABLE_SNAPSHOTS": (
        fields_of(f"{_PLACE} base_table_catalog base_table_schema base_table_name snapshot_time:TIMESTAMP"),
        _snapshots,
    ),
    "MATERIALIZED_VIEWS": (
        fields_of(f"{_PLACE} last_refresh_time:TIMESTAMP refresh_watermark:TIMESTAMP"),
        _materialized,
    ),
}

STORAGE_VIEWS = {
    "__TABLES__": fields_of(
        "project_id dataset_id table_id creation_time:INTEGER last_modified_time:INTEGER row_count:INTEGER "
        "size_bytes:INTEGER type:INTEGER"
    ),
    "TABLE_STORAGE": fields_of(
        f"project_id {_PLACE} creation_time:TIMESTAMP total_rows:INTEGER total_partitions:INTEGER "
        "total_logical_bytes:INTEGER active_logical_bytes:INTEGER long_term_logical_bytes:INTEGER deleted:BOOLEAN "
        "storage_last_modified_time:TIMESTAMP table_type"
    ),
}
"""What tells how much a table holds: rows and bytes as far as whoever asks may know them."""


def storage_row(name: str, project: str, table: Table, modified_ms: int, size: TableSize | None) -> tuple[Any, ...]:
    """Give a table's row in one of the STORAGE_VIEWS; of a view, or of a table of which too little is seen, no size."""
    rows, total = (None, None) if size is None else (size.rows, size.total)
    is_materialized = bool(table.resource.get("materializedView"))
    if name == "__TABLES__":
        kind = 4 if is_materialized else 2 if table.view is not None else 1
        return (project, table.dataset, table.name, table.created_ms, modified_ms, rows, total, kind)
    kind_name = "MATERIALIZED VIEW" if is_materialized else "VIEW" if table.view is not None else "BASE TABLE"
    parts = None if size is None else len(size.partitions)
    return (
        project, project, table.dataset, table.name, _at(table.created_ms), rows, parts, total, total, 0, False,
        _at(modified_ms), kind_name,
    )  # fmt: skip


def _at(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)

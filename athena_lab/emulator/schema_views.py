"""INFORMATION_SCHEMA: TABLES, COLUMNS, VIEWS, TABLE_OPTIONS, ROUTINES of a dataset, SCHEMATA of the project."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from athena_lab.emulator.catalog import State, Table
from athena_lab.emulator.results import Result
from athena_lab.emulator.schema_details import VIEWS, option_text, type_shown
from athena_lab.emulator.types import Field, arrow_schema

_COLUMNS_FIELDS = tuple(
    Field(name, kind)
    for name, kind in (
        ("table_catalog", "STRING"), ("table_schema", "STRING"), ("table_name", "STRING"), ("column_name", "STRING"),
        ("ordinal_position", "INTEGER"), ("is_nullable", "STRING"), ("data_type", "STRING"),
        ("is_generated", "STRING"), ("generation_expression", "STRING"), ("is_stored", "STRING"),
        ("is_hidden", "STRING"), ("is_updatable", "STRING"), ("is_system_defined", "STRING"),
        ("is_partitioning_column", "STRING"), ("clustering_ordinal_position", "INTEGER"),
        ("collation_name", "STRING"), ("column_default", "STRING"), ("rounding_mode", "STRING"),
    )
)  # fmt: skip
_TABLES_FIELDS = tuple(
    Field(name, kind)
    for name, kind in (
        ("table_catalog", "STRING"), ("table_schema", "STRING"), ("table_name", "STRING"), ("table_type", "STRING"),
        ("is_insertable_into", "STRING"), ("is_typed", "STRING"), ("creation_time", "TIMESTAMP"),
    )
)  # fmt: skip


def schema_view(state: State, project: str, dataset: str, name: str) -> Result | None:
    """Give the rows of a view of INFORMATION_SCHEMA, or None where there is no such view."""
    found = _VIEWS.get(name)
    is_region = dataset.lower().startswith("region-") or not dataset
    if found is None or (dataset not in state.datasets and not is_region):
        return None
    fields, rows = found
    if dataset in state.datasets or name in _OF_PROJECT:
        return result_of(fields, rows(state, project, dataset))
    shown = (key for key, item in state.datasets.items() if not item.get("isHidden"))
    return result_of(fields, (row for key in shown for row in rows(state, project, key)))


def result_of(fields: tuple[Field, ...], rows: Iterable[tuple[Any, ...]]) -> Result:
    """Give rows as a result."""
    schema = arrow_schema(fields)
    columns = [item.name for item in fields]
    made = [dict(zip(columns, row, strict=True)) for row in rows]
    return Result(
        fields, schema, [batch for batch in pa.Table.from_pylist(made, schema=schema).to_batches() if batch.num_rows]
    )


def _tables(state: State, project: str, dataset: str) -> list[tuple[Any, ...]]:
    return [
        (
            project, dataset, table.name, _kind(table), "YES" if _kind(table) in _WRITABLE else "NO", "NO",
            datetime.datetime.fromtimestamp(table.created_ms / 1000, datetime.UTC),
        )
        for table in state.tables.values()
        if table.dataset == dataset
    ]  # fmt: skip


def _columns(state: State, project: str, dataset: str) -> list[tuple[Any, ...]]:
    rows = []
    for table in state.tables.values():
        if table.dataset != dataset:
            continue
        partitioning = table.resource.get("timePartitioning", {}).get("field")
        clustering = table.resource.get("clustering", {}).get("fields", [])
        for index, item in enumerate(table.fields):
            rows.append(
                (
                    project, dataset, table.name, item.name, index + 1, "NO" if item.mode == "REQUIRED" else "YES",
                    type_shown(item), "NEVER", None, None, "NO", None, "NO",
                    "YES" if item.name == partitioning else "NO",
                    clustering.index(item.name) + 1 if item.name in clustering else None,
                    item.extras.get("collation") or "NULL", item.extras.get("defaultValueExpression") or "NULL",
                    item.extras.get("roundingMode"),
                )
            )  # fmt: skip
    return rows


_WRITABLE = ("BASE TABLE", "CLONE")


def _kind(table: Table) -> str:
    if table.view is None:
        derived = {"snapshotDefinition": "SNAPSHOT", "cloneDefinition": "CLONE"}
        return next((kind for key, kind in derived.items() if table.resource.get(key)), "BASE TABLE")
    return "MATERIALIZED VIEW" if table.resource.get("materializedView") else "VIEW"


def _fields(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "STRING") for name in names)


def _views(state: State, project: str, dataset: str) -> list[tuple[Any, ...]]:
    return [
        (project, dataset, table.name, table.view, None, "YES")
        for table in state.tables.values()
        if table.dataset == dataset and table.view is not None
    ]


_OPTIONS = {
    "description": ("description", "STRING"), "friendlyName": ("friendly_name", "STRING"),
    "requirePartitionFilter": ("require_partition_filter", "BOOL"),
    "labels": ("labels", "ARRAY<STRUCT<STRING, STRING>>"), "expirationTime": ("expiration_timestamp", "TIMESTAMP"),
}  # fmt: skip


def _options(state: State, project: str, dataset: str) -> list[tuple[Any, ...]]:
    rows = []
    for table in state.tables.values():
        for key, (name, kind) in _OPTIONS.items():
            value = table.resource.get(key)
            if table.dataset == dataset and value:
                rows.append((project, dataset, table.name, name, kind, option_text(value)))
    return rows


def _schemata(state: State, project: str, dataset: str) -> list[tuple[Any, ...]]:
    del dataset
    return [
        (project, name, resource.get("location", "US"))
        for name, resource in state.datasets.items()
        if not resource.get("isHidden")
    ]


def _routines(state: State, project: str, dataset: str) -> list[tuple[Any, ...]]:
    kinds = {"SCALAR_FUNCTION": "FUNCTION", "TABLE_VALUED_FUNCTION": "TABLE FUNCTION"}
    return [
        (
            project, dataset, name, kinds.get(str(item.get("routineType")), "PROCEDURE"),
            str(item.get("language", "SQL")), str(item.get("definitionBody", "")),
        )
        for (owner, name), item in state.routines.items()
        if owner == dataset
    ]  # fmt: skip


_OF_PROJECT = frozenset({"SCHEMATA"})
"""Of which a region has one; of all others it has those of its datasets."""
_VIEWS: dict[str, tuple[tuple[Field, ...], Callable[[State, str, str], list[tuple[Any, ...]]]]] = {
    "TABLES": (_TABLES_FIELDS, _tables),
    "COLUMNS": (_COLUMNS_FIELDS, _columns),
    "VIEWS": (
        _fields("table_catalog", "table_schema", "table_name", "view_definition", "check_option", "use_standard_sql"),
        _views,
    ),
    "TABLE_OPTIONS": (
        _fields("table_catalog", "table_schema", "table_name", "option_name", "option_type", "option_value"),
        _options,
    ),
    "SCHEMATA": (_fields("catalog_name", "schema_name", "location"), _schemata),
    "ROUTINES": (
        _fields(
            "routine_catalog", "routine_schema", "routine_name", "routine_type", "routine_body", "routine_definition"
        ),
        _routines,
    ),
    **VIEWS,
}

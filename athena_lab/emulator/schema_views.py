"""INFORMATION_SCHEMA of a dataset: TABLES, COLUMNS, SCHEMATA."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from athena_lab.emulator.catalog import State
from athena_lab.emulator.results import Result
from athena_lab.emulator.sql.resolve import googlesql_type
from athena_lab.emulator.types import Field, arrow_schema

_COLUMNS_FIELDS = tuple(
    Field(name, kind)
    for name, kind in (
        ("table_catalog", "STRING"), ("table_schema", "STRING"), ("table_name", "STRING"), ("column_name", "STRING"),
        ("ordinal_position", "INTEGER"), ("is_nullable", "STRING"), ("data_type", "STRING"),
        ("is_partitioning_column", "STRING"), ("clustering_ordinal_position", "INTEGER"),
    )
)  # fmt: skip
_TABLES_FIELDS = tuple(
    Field(name, kind)
    for name, kind in (
        ("table_catalog", "STRING"), ("table_schema", "STRING"), ("table_name", "STRING"), ("table_type", "STRING"),
        ("is_insertable_into", "STRING"), ("creation_time", "TIMESTAMP"),
    )
)  # fmt: skip


def schema_view(state: State, project: str, dataset: str, name: str) -> Result | None:
    """Give the rows of a view of INFORMATION_SCHEMA, or None where there is no such view."""
    found = _VIEWS.get(name)
    if found is None or dataset not in state.datasets:
        return None
    fields, rows = found
    schema = arrow_schema(fields)
    columns = [item.name for item in fields]
    made = [dict(zip(columns, row, strict=True)) for row in rows(state, project, dataset)]
    return Result(
        fields, schema, [batch for batch in pa.Table.from_pylist(made, schema=schema).to_batches() if batch.num_rows]
    )


def _tables(state: State, project: str, dataset: str) -> list[tuple[Any, ...]]:
    return [
        (
            project, dataset, table.name, "VIEW" if table.view is not None else "BASE TABLE",
            "NO" if table.view is not None else "YES",
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
                    googlesql_type(item).replace("`", ""), "YES" if item.name == partitioning else "NO",
                    clustering.index(item.name) + 1 if item.name in clustering else None,
                )
            )  # fmt: skip
    return rows


_VIEWS: dict[str, tuple[tuple[Field, ...], Callable[[State, str, str], list[tuple[Any, ...]]]]] = {
    "TABLES": (_TABLES_FIELDS, _tables),
    "COLUMNS": (_COLUMNS_FIELDS, _columns),
}

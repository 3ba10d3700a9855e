"""INFORMATION_SCHEMA: TABLES, COLUMNS, VIEWS, TABLE_OPTIONS, ROUTINES of a dataset, SCHEMATA of the project."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from athena_lab.emulator.catalog import State, Table
from athena_lab.emulator.ddl_text import dataset_ddl, routine_ddl, table_ddl, table_options, type_shown
from athena_lab.emulator.results import Result
from athena_lab.emulator.schema_details import VIEWS, fields_of, tables_of
from athena_lab.emulator.sql.typenames import standard_text
from athena_lab.emulator.types import Field, arrow_schema

_COLUMNS_FIELDS = (
    *fields_of(
        "table_catalog table_schema table_name column_name ordinal_position:INTEGER is_nullable data_type is_generated "
        "generation_expression is_stored is_hidden is_updatable is_system_defined is_partitioning_column "
        "clustering_ordinal_position:INTEGER collation_name column_default rounding_mode"
    ),
    Field("policy_tags", "STRING", "REPEATED"),
)
_TABLES_FIELDS = fields_of(
    "table_catalog table_schema table_name table_type managed_table_type is_insertable_into "
    "is_fine_grained_mutations_enabled is_typed is_change_history_enabled creation_time:TIMESTAMP base_table_catalog "
    "base_table_schema base_table_name snapshot_time_ms:TIMESTAMP ddl default_collation_name"
)


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
    rows: list[tuple[Any, ...]] = []
    for table in tables_of(state, dataset):
        kind = _kind(table)
        derived = table.resource.get("snapshotDefinition") or table.resource.get("cloneDefinition") or {}
        base = derived.get("baseTableReference") or {}
        rows.append(
            (
                project, dataset, table.name, kind, "NATIVE" if kind in _WRITABLE else None,
                "YES" if kind in _WRITABLE else "NO", "NO", "NO", "NO", _at(table.created_ms), base.get("projectId"),
                base.get("datasetId"), base.get("tableId"),
                _moment(derived.get("snapshotTime") or derived.get("cloneTime")), table_ddl(project, table),
                table.resource.get("defaultCollation") or "NULL",
            )
        )  # fmt: skip
    return rows


def _at(milliseconds: Any) -> datetime.datetime | None:
    return None if not milliseconds else datetime.datetime.fromtimestamp(int(milliseconds) / 1000, datetime.UTC)


def _moment(text: Any) -> datetime.datetime | None:
    return None if not text else datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))


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
                    item.extras.get("roundingMode"), list((item.extras.get("policyTags") or {}).get("names") or ()),
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


def _options(state: State, project: str, dataset: str) -> list[tuple[Any, ...]]:
    return [
        (project, dataset, table.name, *option)
        for table in tables_of(state, dataset)
        for option in table_options(table.resource)
    ]


def _schemata(state: State, project: str, dataset: str) -> list[tuple[Any, ...]]:
    del dataset
    return [
        (
            project, name, None, _at(resource.get("creationTime")), _at(resource.get("lastModifiedTime")),
            resource.get("location", "US"), dataset_ddl(project, name, resource),
            resource.get("defaultCollation") or "NULL",
        )
        for name, resource in state.datasets.items()
        if not resource.get("isHidden")
    ]  # fmt: skip


def _routines(state: State, project: str, dataset: str) -> list[tuple[Any, ...]]:
    kinds = {"SCALAR_FUNCTION": "FUNCTION", "TABLE_VALUED_FUNCTION": "TABLE FUNCTION"}
    rows: list[tuple[Any, ...]] = []
    for (owner, name), item in state.routines.items():
        if owner != dataset:
            continue
        language = str(item.get("language", "SQL"))
        returns = standard_text(item["returnType"]) if item.get("returnType") else None
        level = str(item.get("determinismLevel") or "")
        rows.append(
            (
                project, dataset, name, project, dataset, name, kinds.get(str(item.get("routineType")), "PROCEDURE"),
                returns, "SQL" if language == "SQL" else "EXTERNAL", str(item.get("definitionBody", "")),
                None if language == "SQL" else language,
                {"DETERMINISTIC": "YES", "NOT_DETERMINISTIC": "NO"}.get(level), None, _at(item.get("creationTime")),
                _at(item.get("lastModifiedTime")), routine_ddl(project, dataset, name, item),
            )
        )  # fmt: skip
    return rows


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
    "SCHEMATA": (
        fields_of(
            "catalog_name schema_name schema_owner creation_time:TIMESTAMP last_modified_time:TIMESTAMP location ddl "
            "default_collation_name"
        ),
        _schemata,
    ),
    "ROUTINES": (
        fields_of(
            "specific_catalog specific_schema specific_name routine_catalog routine_schema routine_name routine_type "
            "data_type routine_body routine_definition external_language is_deterministic security_type "
            "created:TIMESTAMP last_altered:TIMESTAMP ddl"
        ),
        _routines,
    ),
    **VIEWS,
}

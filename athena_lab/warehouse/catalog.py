"""Every table that a client may see, as the gateway's catalog shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery

from athena_lab.gateway_api.warehouse import Catalog, CatalogColumn, CatalogTable
from athena_lab.warehouse.connect import PATIENCE, Warehouse
from athena_lab.warehouse.failures import translating

REQUESTS_AT_ONCE = 8
OWNER_LABEL = "owner"


def list_tables(client: Warehouse) -> Catalog:
    """List datasets, tables and columns: three kinds of free requests, those of the tables side by side."""
    with translating(client, "list the tables"), ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        datasets = [item.dataset_id for item in client.list_datasets(**PATIENCE)]
        listed = pool.map(lambda one: list(client.list_tables(f"{client.project}.{one}", **PATIENCE)), datasets)
        references = [item.reference for items in listed for item in items]
        tables = tuple(table for table in pool.map(lambda one: _get(client, one), references) if table is not None)
    return Catalog(project=client.project, tables=tuple(sorted(tables, key=lambda one: (one.dataset, one.table))))


def describe_table(client: Warehouse, name: str) -> CatalogTable:
    """Describe one table (`dataset.table`); raise NotFoundError with near names where there is none."""
    with translating(client, f"describe '{name}'"):
        reference = bigquery.TableReference.from_string(name, default_project=client.project)
        return _table_of(client.get_table(reference, **PATIENCE))


def describe_tables(client: Warehouse, names: Collection[str]) -> dict[str, CatalogTable]:
    """Describe those of the tables (`dataset.table`) that the caller may see."""
    with translating(client, "describe tables"), ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        found = zip(names, pool.map(lambda name: _get_if_visible(client, name), names), strict=True)
        return {name: _table_of(table) for name, table in found if table is not None}


def read_schemas(client: Warehouse, names: Collection[str]) -> dict[str, tuple[CatalogColumn, ...]]:
    """Give the columns, without the fields of structs, of those tables (`dataset.table`) that the caller may see."""
    with translating(client, "read columns"), ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        found = zip(names, pool.map(lambda name: _columns_if_visible(client, name), names), strict=True)
        return {name: columns for name, columns in found if columns is not None}


def read_classes(client: Warehouse, names: Collection[str]) -> dict[str, dict[str, frozenset[str]]]:
    """Give the data policies and policy tags on each column, its fields' included, of those tables that there are."""
    with translating(client, "read the policies of columns"), ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        found = zip(names, pool.map(lambda name: _schema_if_visible(client, name), names), strict=True)
        return {
            name: {field["name"]: frozenset(_classes_in(field)) for field in (item.to_api_repr() for item in schema)}
            for name, schema in found
            if schema is not None
        }


def _classes_in(field: Mapping[str, Any]) -> Iterator[str]:
    yield from (str(item["name"]) for item in field.get("dataPolicies") or ())
    yield from map(str, (field.get("policyTags") or {}).get("names") or ())
    for inner in field.get("fields") or ():
        yield from _classes_in(inner)


def _columns_if_visible(client: Warehouse, name: str) -> tuple[CatalogColumn, ...] | None:
    schema = _schema_if_visible(client, name)
    return None if schema is None else tuple(column for column in _columns_of(schema) if "." not in column.name)


def _schema_if_visible(client: Warehouse, name: str) -> Any:
    table = _get_if_visible(client, name)
    return None if table is None else table.schema


def _get_if_visible(client: Warehouse, name: str) -> Any:
    try:
        reference = bigquery.TableReference.from_string(name, default_project=client.project)
        return client.get_table(reference, **PATIENCE)
    except (exceptions.NotFound, exceptions.Forbidden, exceptions.BadRequest, ValueError):
        return None


def _get(client: Warehouse, reference: Any) -> CatalogTable | None:
    try:
        return _table_of(client.get_table(reference, **PATIENCE))
    except exceptions.NotFound:
        return None  # dropped since it was listed


def _table_of(table: Any) -> CatalogTable:
    is_view = table.table_type not in ("TABLE", "SNAPSHOT", "CLONE")
    return CatalogTable(
        dataset=table.dataset_id,
        table=table.table_id,
        type=table.table_type or "TABLE",
        description=table.description or "",
        owner=(table.labels or {}).get(OWNER_LABEL),
        rows=None if is_view else table.num_rows,
        size_bytes=None if is_view else table.num_bytes,
        modified_at=table.modified,
        columns=tuple(_columns_of(table.schema)),
    )


def _columns_of(fields: Any, prefix: str = "") -> Iterator[CatalogColumn]:
    """Columns, and the fields of a struct below it as `column.field`."""
    for field in fields:
        name = prefix + field.name
        yield CatalogColumn(
            name=name, type=field.field_type, mode=field.mode or "NULLABLE", description=field.description or ""
        )
        yield from _columns_of(field.fields or (), f"{name}.")

"""Wire models of the warehouse's tokens and of the catalog."""

from __future__ import annotations

from datetime import datetime

from athena_lab.gateway_api.wire import Wire


class WarehouseToken(Wire):
    """A short-lived bearer token for the BigQuery API, and where that API is.

    `endpoint` (http://host:port) and `grpc_endpoint` (host:port) are None for the real BigQuery.
    """

    token: str
    expires_at: datetime
    project: str
    location: str
    endpoint: str | None = None
    grpc_endpoint: str | None = None


class CatalogColumn(Wire):
    """A column of a table, with BigQuery's names of types and modes."""

    name: str
    type: str
    mode: str = "NULLABLE"
    description: str = ""


class CatalogTable(Wire):
    """A table or view with its size; `rows` and `size_bytes` are None for a view."""

    dataset: str
    table: str
    type: str = "TABLE"
    description: str = ""
    owner: str | None = None
    rows: int | None = None
    size_bytes: int | None = None
    modified_at: datetime | None = None
    columns: tuple[CatalogColumn, ...] = ()


class Catalog(Wire):
    """Every table that the caller may see."""

    project: str
    tables: tuple[CatalogTable, ...] = ()

"""Rows of a small table that notes something, read whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery

from athena_lab.warehouse.connect import PATIENCE, Warehouse
from athena_lab.warehouse.failures import translating

MOST_ROWS = 10_000


def read_notes(client: Warehouse, name: str) -> tuple[Mapping[str, Any], ...]:
    """Give the rows of `dataset.table` by the names of its columns; of a table that there is not, none."""
    reference = bigquery.TableReference.from_string(name, default_project=client.project)
    with translating(client, f"read '{name}'"):
        try:
            rows = client.list_rows(client.get_table(reference, **PATIENCE), max_results=MOST_ROWS, **PATIENCE)
            return tuple(dict(row.items()) for row in rows)
        except exceptions.NotFound:
            return ()

"""How large a table is, from its metadata: nothing is read or billed."""

from __future__ import annotations

from google.cloud import bigquery

from athena_lab.warehouse.connect import PATIENCE, Warehouse
from athena_lab.warehouse.failures import translating


def count_rows(client: Warehouse, name: str) -> int | None:
    """Give the rows of `[project.]dataset.table`, None for what has no count (a view); raise NotFoundError."""
    reference = bigquery.TableReference.from_string(name, default_project=client.project)
    with translating(client, f"count the rows of '{name}'"):
        rows = client.get_table(reference, **PATIENCE).num_rows
    return None if rows is None else int(rows)

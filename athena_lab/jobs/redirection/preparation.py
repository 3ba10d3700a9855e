"""The cell that goes before a redirected notebook: it makes the dataset, and copies the tables that there are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from athena_lab.gateway_api.worker import PREPARATION_TAG
from athena_lab.jobs.script import code_cell


def preparation(tables: Mapping[str, str], existing: Collection[str], dataset: str) -> dict[str, Any]:
    """Give the code cell that makes the dataset, for tables that last a day, and clones into it those that exist."""
    lines = [f"CREATE SCHEMA IF NOT EXISTS `{dataset}` OPTIONS (default_table_expiration_days = 1);"]
    lines += [
        f"CREATE TABLE IF NOT EXISTS `{scratch}` CLONE `{table}`;"
        for table, scratch in sorted(tables.items())
        if table in existing
    ]
    return {**code_cell("\n".join(["%%athena", *lines]), [PREPARATION_TAG]), "id": PREPARATION_TAG}

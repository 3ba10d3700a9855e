"""The table `table$__PARTITIONS_SUMMARY__`, by which clients list partitions (Client.list_partitions)."""

from __future__ import annotations

import datetime
from typing import Any

from athena_lab.emulator.partition_views import partition_rows
from athena_lab.emulator.policies.protection import require_raw
from athena_lab.emulator.rest.call import Call
from athena_lab.emulator.results import Result
from athena_lab.emulator.schema_views import result_of
from athena_lab.emulator.types import Field

_SUFFIX = "$__PARTITIONS_SUMMARY__"
_FIELDS = tuple(
    Field(name, kind)
    for name, kind in (
        ("project_id", "STRING"), ("dataset_id", "STRING"), ("table_id", "STRING"), ("partition_id", "STRING"),
        ("creation_time", "INTEGER"), ("creation_timestamp", "TIMESTAMP"), ("last_modified_time", "INTEGER"),
        ("last_modified_timestamp", "TIMESTAMP"),
    )
)  # fmt: skip


def partition_summary(call: Call) -> Result | None:
    """Give the partitions of the table that a call's table summarizes; None where it is an ordinary name.

    Raw access to the whole table is needed: partitions tell of rows.
    """
    name = str(call.path["table"])
    if not name.upper().endswith(_SUFFIX):
        return None
    warehouse = call.warehouse
    table = warehouse.readable(call.path["dataset"], name[: -len(_SUFFIX)])
    warehouse.require_query(call.principal, *table.key)
    require_raw(warehouse.protection_of(table, call.principal))
    made = datetime.datetime.fromtimestamp(table.created_ms / 1000, datetime.UTC)
    rows: list[tuple[Any, ...]] = []
    for project, dataset, shown, partition, *_, changed, _tier in partition_rows(
        warehouse.catalog, warehouse.sizes, warehouse.project, [table]
    ):
        if partition is not None:
            changed_ms = int(changed.timestamp() * 1000)
            rows.append((project, dataset, shown, partition, table.created_ms, made, changed_ms, changed))
    return result_of(_FIELDS, rows)

"""Copy jobs: the rows of tables, of a partition, or of a table as it was, into another table."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from athena_lab.emulator.catalog import Table, now_ms
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.partitions import decorated, restricted
from athena_lab.emulator.past import decorated_table
from athena_lab.emulator.policies.model import IAM_POLICY
from athena_lab.emulator.policies.protection import require_raw
from athena_lab.emulator.policies.roles import GET_DATA
from athena_lab.emulator.sql.pseudo import PARTITION_TIME, is_by_ingestion
from athena_lab.emulator.warehouse import Warehouse, select_list
from athena_lab.emulator.writing import Source, Target, write

_KINDS = {"SNAPSHOT": "snapshotDefinition", "CLONE": "cloneDefinition"}
_OWN = ("schema", IAM_POLICY, "snapshotDefinition", "cloneDefinition", "expirationTime")


def run_copy(warehouse: Warehouse, job: Job) -> None:
    """Do a copy job; of several sources each is appended after the first one was written."""
    copy = job.configuration["copy"]
    sources = copy.get("sourceTables") or [copy["sourceTable"]]
    target = copy["destinationTable"]
    for item in (*sources, target):
        warehouse.require_project(str(item.get("projectId", warehouse.project)))
    for item in sources:
        warehouse.require(job.owner, GET_DATA, item["datasetId"], decorated(item["tableId"].partition("@")[0])[0])
    warehouse.require_write(job.owner, target["datasetId"], target["tableId"])
    tables = [_source(warehouse, item["datasetId"], item["tableId"]) for item in sources]
    for table in tables:
        require_raw(warehouse.protection_of(table, job.owner))
    rows = write(
        warehouse,
        rows_of(*tables),
        Target(
            target["datasetId"], target["tableId"], copy.get("writeDisposition") or "WRITE_EMPTY",
            copy.get("createDisposition") or "CREATE_IF_NEEDED", resource=_resource(warehouse.project, tables[0], copy),
        ),
        job,
    )  # fmt: skip
    job.destination = dict(target)
    job.statistics["copy"] = {"copiedRows": str(rows)}


def _source(warehouse: Warehouse, dataset: str, name: str) -> Table:
    """Give the table that a name stands for: with `@milliseconds` as it was, with `$partition` a part of it."""
    plain, at, moment = name.partition("@")
    plain, partition = decorated(plain)
    table = decorated_table(warehouse.catalog, dataset, plain + at + moment)
    if table.view is not None:
        raise BigQueryError("invalid", "A view cannot be copied; query it instead.")
    return restricted(table, partition)


def _resource(project: str, source: Table, copy: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a copy takes over from its source, and what it says of its own."""
    kept = {key: value for key, value in source.resource.items() if key not in _OWN}
    key = _KINDS.get(str(copy.get("operationType") or "").upper())
    if key is not None:
        kept[key] = derivation(project, source, key)
    if copy.get("destinationExpirationTime"):
        moment = datetime.datetime.fromisoformat(str(copy["destinationExpirationTime"]).replace("Z", "+00:00"))
        kept["expirationTime"] = str(int(moment.timestamp() * 1000))
    return kept


def derivation(project: str, source: Table, key: str) -> dict[str, Any]:
    """Say of which table a snapshot or clone is, and when it was made."""
    moment = datetime.datetime.fromtimestamp(now_ms() / 1000, datetime.UTC)
    return {
        "baseTableReference": {"projectId": project, "datasetId": source.dataset, "tableId": source.name},
        key.replace("Definition", "Time"): moment.isoformat().replace("+00:00", "Z"),
    }


def rows_of(*tables: Table) -> Source:
    """Give all rows of tables for writing, with the time of ingestion where the first has it."""
    first = tables[0]
    is_dated = all(is_by_ingestion(table.resource) for table in tables)
    extra = f", {PARTITION_TIME}" if is_dated else ""
    union = " UNION ALL BY NAME ".join(
        f"SELECT {select_list(table.fields)}{extra} FROM {table.physical}"  # noqa: S608 (our own names)
        for table in tables
    )
    return Source(union, first.fields, is_dated=is_dated)

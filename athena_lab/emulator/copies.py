"""Copy jobs: the rows of tables into another table."""

from __future__ import annotations

from athena_lab.emulator.faults import BigQueryError, unsupported
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.policies.model import IAM_POLICY
from athena_lab.emulator.policies.protection import require_raw
from athena_lab.emulator.policies.roles import GET_DATA
from athena_lab.emulator.warehouse import Warehouse, select_list
from athena_lab.emulator.writing import Source, Target, write


def run_copy(warehouse: Warehouse, job: Job) -> None:
    """Do a copy job; of several sources each is appended after the first one was written."""
    copy = job.configuration["copy"]
    if copy.get("operationType") not in (None, "", "COPY", "OPERATION_TYPE_UNSPECIFIED"):
        raise unsupported(f"A copy job of the kind {copy['operationType']}")
    sources = copy.get("sourceTables") or [copy["sourceTable"]]
    target = copy["destinationTable"]
    for item in sources:
        warehouse.require(job.owner, GET_DATA, item["datasetId"], item["tableId"])
    warehouse.require_write(job.owner, target["datasetId"], target["tableId"])
    tables = [warehouse.catalog.table(item["datasetId"], item["tableId"]) for item in sources]
    if any(table.view is not None for table in tables):
        raise BigQueryError("invalid", "A view cannot be copied; query it instead.")
    for table in tables:
        require_raw(warehouse.protection_of(table, job.owner))
    union = " UNION ALL BY NAME ".join(f"SELECT {select_list(table.fields)} FROM {table.physical}" for table in tables)  # noqa: S608
    first = tables[0]
    kept = {key: value for key, value in first.resource.items() if key not in ("schema", IAM_POLICY)}
    disposition = copy.get("writeDisposition") or "WRITE_EMPTY"
    rows = write(
        warehouse,
        Source(union, first.fields),
        Target(
            target["datasetId"], target["tableId"], disposition, copy.get("createDisposition") or "CREATE_IF_NEEDED",
            resource=kept,
        ),
        job,
    )  # fmt: skip
    job.destination = dict(target)
    job.statistics["copy"] = {"copiedRows": str(rows)}

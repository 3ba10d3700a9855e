"""The JSON of jobs, datasets and tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import Table
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.policies.authorization import ACCESS, access_of
from athena_lab.emulator.policies.model import HIDDEN
from athena_lab.emulator.results import Result
from athena_lab.emulator.types import schema_json
from athena_lab.emulator.warehouse import Warehouse


def etag_of(resource: Mapping[str, Any]) -> str:
    """Give a tag that changes with the content."""
    return hashlib.sha256(json.dumps(resource, sort_keys=True).encode()).hexdigest()[:22]


def check_etag(headers: Mapping[str, str], resource: Mapping[str, Any]) -> None:
    """Refuse an update whose If-Match names another version."""
    wanted = headers.get("if-match")
    if wanted and wanted != "*" and wanted.strip('"') != resource["etag"]:
        raise BigQueryError("conditionNotMet", "Precondition check failed: it was changed meanwhile. Read it again.")


def patched(present: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Change what a patch names: objects within are changed likewise, null takes away (RFC 7386)."""
    made = dict(present)
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        elif isinstance(value, Mapping):
            before = made.get(key)
            made[key] = patched(before if isinstance(before, Mapping) else {}, value)
        else:
            made[key] = value
    return made


def shown(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not the API's."""
    return {key: value for key, value in resource.items() if key not in HIDDEN}


# -- jobs


def job_json(warehouse: Warehouse, job: Job) -> dict[str, Any]:
    """Give the Job resource."""
    statistics: dict[str, Any] = {"creationTime": str(job.created_ms), **job.statistics}
    for name, moment in (("startTime", job.started_ms), ("endTime", job.ended_ms)):
        if moment is not None:
            statistics[name] = str(moment)
    if job.kind == "query":
        statistics["totalBytesProcessed"] = str(job.processed_bytes)
        if job.ended_ms is not None and job.started_ms is not None and "query" in statistics:
            statistics |= _effort(job, job.ended_ms - job.started_ms)
    if job.parent is not None:
        statistics["parentJobId"] = job.parent.id
    status: dict[str, Any] = {"state": job.state}
    if job.fault is not None:
        status |= {"errorResult": job.fault.entry(), "errors": [job.fault.entry()]}
    return {
        "kind": "bigquery#job",
        "id": f"{warehouse.project}:{warehouse.location}.{job.id}",
        "etag": etag_of(status),
        "user_email": job.owner.email,
        "jobReference": job_reference(warehouse, job),
        "configuration": _configuration(job),
        "statistics": statistics,
        "status": status,
    }


def _effort(job: Job, elapsed_ms: int) -> dict[str, Any]:
    """Tell how long a query took; one slot worked on it, in one stage."""
    slot_ms = str(elapsed_ms)
    rows = job.result.rows if job.result is not None else job.affected_rows or 0
    stage = {
        "name": "S00: Output", "id": "0", "startMs": str(job.started_ms), "endMs": str(job.ended_ms),
        "slotMs": slot_ms, "recordsWritten": str(rows), "parallelInputs": "1", "completedParallelInputs": "1",
        "status": "COMPLETE", "steps": [],
    }  # fmt: skip
    moment = {
        "elapsedMs": slot_ms, "totalSlotMs": slot_ms, "pendingUnits": "0", "completedUnits": "1", "activeUnits": "0",
    }  # fmt: skip
    found = {**job.statistics["query"], "totalSlotMs": slot_ms, "timeline": [moment]}
    if job.fault is None and not job.configuration.get("dryRun"):
        found["queryPlan"] = [stage]
    return {"query": found, "totalSlotMs": slot_ms, "finalExecutionDurationMs": slot_ms}


def job_reference(warehouse: Warehouse, job: Job) -> dict[str, str]:
    """Give a job's name."""
    return {"projectId": warehouse.project, "jobId": job.id, "location": warehouse.location}


def _configuration(job: Job) -> dict[str, Any]:
    found = {"jobType": job.kind.upper(), **job.configuration}
    if job.kind == "query" and job.destination is not None:
        found["query"] = {**found["query"], "destinationTable": job.destination}
    return found


# -- datasets


def dataset_json(warehouse: Warehouse, name: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """Give the Dataset resource."""
    made = {
        "kind": "bigquery#dataset",
        "id": f"{warehouse.project}:{name}",
        "datasetReference": {"projectId": warehouse.project, "datasetId": name},
        "location": warehouse.location,
        "type": "DEFAULT",
        "creationTime": "0",
        "lastModifiedTime": "0",
        **shown(resource),
        ACCESS: access_of(resource),
    }
    return {**made, "etag": etag_of(made)}


# -- tables


_LISTED = (
    "kind", "id", "tableReference", "friendlyName", "type", "timePartitioning", "rangePartitioning", "clustering",
    "hivePartitioningOptions", "labels", "view", "creationTime", "expirationTime", "requirePartitionFilter",
)  # fmt: skip
"""What a list says of a table."""


def table_json(warehouse: Warehouse, table: Table, principal: Principal, *, short: bool = False) -> dict[str, Any]:
    """Give the Table resource as a principal may see it; the short one of lists has no schema and no sizes."""
    made: dict[str, Any] = {
        "kind": "bigquery#table",
        "id": f"{warehouse.project}:{table.dataset}.{table.name}",
        "tableReference": {"projectId": warehouse.project, "datasetId": table.dataset, "tableId": table.name},
        "type": _kind(table),
        "creationTime": str(table.created_ms),
        **shown(table.resource),
    }
    if short:
        found = {key: made[key] for key in _LISTED if key in made}
        if "view" in found:
            found["view"] = {"useLegacySql": bool(found["view"].get("useLegacySql"))}
        return found
    made |= {
        "schema": schema_json(table.fields),
        "lastModifiedTime": str(warehouse.catalog.modified_ms(table)),
        "location": warehouse.location,
    }
    if table.view is None and warehouse.sees_all_rows(table, principal):
        size = warehouse.size_of(table, principal)
        made |= {"numRows": str(size.rows), "numBytes": str(size.total), "numLongTermBytes": "0"}
        made |= {
            "numTotalLogicalBytes": str(size.total), "numActiveLogicalBytes": str(size.total),
            "numLongTermLogicalBytes": "0",
        }  # fmt: skip
        if table.resource.get("timePartitioning") or table.resource.get("rangePartitioning"):
            made["numPartitions"] = str(len(size.partitions))
    definition = {key: value for key, value in shown(table.resource).items() if key != "schema"}
    return {**made, "etag": etag_of({"resource": definition, "schema": made["schema"]})}


def _kind(table: Table) -> str:
    if table.view is not None:
        return "MATERIALIZED_VIEW" if table.resource.get("materializedView") else "VIEW"
    return "SNAPSHOT" if table.resource.get("snapshotDefinition") else "TABLE"


def result_json(warehouse: Warehouse, dataset: str, name: str, result: Result) -> dict[str, Any]:
    """Give the Table resource of an anonymous result."""
    return {
        "kind": "bigquery#table",
        "id": f"{warehouse.project}:{dataset}.{name}",
        "tableReference": {"projectId": warehouse.project, "datasetId": dataset, "tableId": name},
        "type": "TABLE",
        "location": warehouse.location,
        "schema": schema_json(result.fields),
        "numRows": str(result.rows),
        "numBytes": str(result.size_bytes),
    }

"""INFORMATION_SCHEMA.JOBS and its kin: the jobs that whoever asks may see."""

from __future__ import annotations

import datetime
from typing import Any

from athena_lab.emulator.access import Principal
from athena_lab.emulator.jobs import Job, Jobs
from athena_lab.emulator.types import Field

VIEWS = frozenset({"JOBS", "JOBS_BY_USER", "JOBS_BY_PROJECT", "JOBS_BY_FOLDER", "JOBS_BY_ORGANIZATION"})


def _texts(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "STRING") for name in names)


_TABLE = _texts("project_id", "dataset_id", "table_id")
_COUNTS = tuple(Field(f"{verb}_row_count", "INTEGER") for verb in ("inserted", "deleted", "updated"))
FIELDS = (
    Field("creation_time", "TIMESTAMP"), *_texts("project_id", "user_email", "job_id", "job_type", "statement_type"),
    *_texts("priority"), Field("start_time", "TIMESTAMP"), Field("end_time", "TIMESTAMP"), *_texts("query", "state"),
    Field("total_bytes_processed", "INTEGER"), Field("total_bytes_billed", "INTEGER"),
    Field("error_result", "RECORD", fields=_texts("reason", "location", "message")), Field("cache_hit", "BOOLEAN"),
    Field("destination_table", "RECORD", fields=_TABLE),
    Field("referenced_tables", "RECORD", "REPEATED", fields=_TABLE),
    Field("labels", "RECORD", "REPEATED", fields=_texts("key", "value")), *_texts("parent_job_id"),
    Field("total_slot_ms", "INTEGER"),
    Field("dml_statistics", "RECORD", fields=_COUNTS), Field("session_info", "RECORD", fields=_texts("session_id")),
)  # fmt: skip


def job_rows(jobs: Jobs, principal: Principal, view: str) -> list[tuple[Any, ...]]:
    """Give the rows of one of the views, the newest job first; JOBS_BY_USER has the asker's own alone."""
    return [
        _row(jobs.project, job)
        for job in jobs.visible(principal)
        if view != "JOBS_BY_USER" or job.owner.user == principal.user
    ]


def _row(project: str, job: Job) -> tuple[Any, ...]:
    given = job.configuration.get("query") or {}
    query = job.statistics.get("query") or {}
    fault = job.fault
    billed = query.get("totalBytesBilled")
    return (
        _moment(job.created_ms), project, job.owner.email, job.id, job.kind.upper(), query.get("statementType"),
        str(given.get("priority") or "INTERACTIVE"), _moment(job.started_ms), _moment(job.ended_ms),
        given.get("query"), job.state, job.processed_bytes, None if billed is None else int(billed),
        None if fault is None else {"reason": fault.reason, "location": None, "message": fault.message},
        query.get("cacheHit"), None if job.destination is None else _table(job.destination),
        [_table(item) for item in query.get("referencedTables") or ()],
        [{"key": key, "value": value} for key, value in (job.configuration.get("labels") or {}).items()],
        None if job.parent is None else job.parent.id,
        None if job.ended_ms is None or job.started_ms is None else job.ended_ms - job.started_ms,
        _dml(query.get("dmlStats")), _session(job),
    )  # fmt: skip


def _dml(counts: dict[str, str] | None) -> dict[str, int] | None:
    if counts is None:
        return None
    return {item.name: int(counts.get(f"{item.name.partition('_')[0]}RowCount", 0)) for item in _COUNTS}


def _session(job: Job) -> dict[str, str] | None:
    found = (job.statistics.get("sessionInfo") or {}).get("sessionId")
    return None if found is None else {"session_id": found}


def _table(reference: dict[str, str]) -> dict[str, str | None]:
    names = {"project_id": "projectId", "dataset_id": "datasetId", "table_id": "tableId"}
    return {name: reference.get(key) for name, key in names.items()}


def _moment(milliseconds: int | None) -> datetime.datetime | None:
    return None if milliseconds is None else datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)

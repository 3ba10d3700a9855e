"""Jobs and queries: insert, query, getQueryResults, get, list, cancel, delete."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from typing import Any

from starlette.concurrency import run_in_threadpool

from athena_lab.emulator.access import Principal
from athena_lab.emulator.copies import run_copy
from athena_lab.emulator.extracts import run_extract
from athena_lab.emulator.faults import BigQueryError, unsupported
from athena_lab.emulator.jobs import Job, new_id, run
from athena_lab.emulator.policies.protection import require_raw
from athena_lab.emulator.queries import require_text
from athena_lab.emulator.rest.accepted import check_configuration
from athena_lab.emulator.rest.call import Answer, Call, route
from athena_lab.emulator.rest.pages import (
    INLINE_CELLS,
    PAGE_CELLS,
    arrow_page,
    list_page,
    page_rows,
    rows_page,
    start_of,
    timestamps_of,
)
from athena_lab.emulator.rest.resources import job_json, job_reference
from athena_lab.emulator.results import Result
from athena_lab.emulator.rows import Timestamps
from athena_lab.emulator.types import schema_json
from athena_lab.emulator.uri_loads import run_uri_load

_ID = re.compile(r"[A-Za-z0-9_-]{1,1024}")
_WAIT_S = 10.0
_MOST_WAIT_S = 60.0
RUN_LABEL = "athena_run"
SHORT_WAIT_S = 2.0
"""For the answer to a load or copy: a client that sees it done need not poll, a second at least."""
_QUERY_KEYS = (
    "query", "defaultDataset", "queryParameters", "parameterMode", "maximumBytesBilled", "useLegacySql",
    "useQueryCache", "createSession", "connectionProperties",
)  # fmt: skip

_BODY_KEYS = frozenset({
    *_QUERY_KEYS, "kind", "labels", "dryRun", "jobTimeoutMs", "maxResults", "timeoutMs", "requestId", "location",
    "formatOptions", "queryResultsFormat", "jobCreationMode", "preserveNulls", "writeIncrementalResults",
    "arrowSerializationOptions", "connectionProperties",
})  # fmt: skip


def job_of(call: Call, configuration: dict[str, Any], job_id: str | None) -> Job:
    """Make a job of the caller's; refuse an id that is none."""
    if job_id is not None and not _ID.fullmatch(job_id):
        raise BigQueryError("invalid", f'Invalid job ID "{job_id}".')
    check_configuration(configuration)
    if call.principal.run is not None:  # whatever the run's code says of itself: its budget is counted by this label
        configuration["labels"] = {**(configuration.get("labels") or {}), RUN_LABEL: call.principal.run}
    return Job(job_id or new_id(), call.principal, configuration)


async def insert(call: Call) -> Answer:
    """Begin a job without a file: a query, a copy, an extract, a load from URIs; a dry run is answered at once."""
    configuration = dict(call.body.get("configuration") or {})
    job = job_of(call, configuration, (call.body.get("jobReference") or {}).get("jobId"))
    if "query" in configuration:
        require_text(configuration["query"])
        if configuration.get("dryRun"):
            await run_in_threadpool(run, job, call.queries.run)
            if job.fault is not None:
                raise job.fault
            return job_json(call.warehouse, job)
        begun = job_json(call.warehouse, job)
        call.warehouse.jobs.submit(job, call.queries.run)
        return begun  # as it was: the client asks getQueryResults for the end, errors included
    if "copy" in configuration:
        call.warehouse.jobs.submit(job, lambda running: run_copy(call.warehouse, running))
        await wait_for_end(job, SHORT_WAIT_S)
    elif "extract" in configuration:
        call.warehouse.jobs.submit(job, lambda running: run_extract(call.warehouse, running))
        await wait_for_end(job, SHORT_WAIT_S)
    elif "load" in configuration:
        call.warehouse.jobs.submit(job, lambda running: run_uri_load(call.warehouse, running))
        await wait_for_end(job, SHORT_WAIT_S)
    else:
        raise BigQueryError("required", "Required parameter is missing: a query, load, copy or extract configuration")
    return job_json(call.warehouse, job)


async def query(call: Call) -> Answer:
    """Run a query and answer with its first rows if it ends in time (jobs.query)."""
    require_text(call.body)
    unknown = sorted(key for key, value in call.body.items() if key not in _BODY_KEYS and value)
    if unknown:
        raise unsupported(f"The parameter {unknown[0]} of a query")
    configuration: dict[str, Any] = {
        "query": {key: call.body[key] for key in _QUERY_KEYS if call.body.get(key) is not None},
        **{key: call.body[key] for key in ("labels", "dryRun", "jobTimeoutMs") if call.body.get(key)},
    }
    if configuration.get("dryRun"):
        job = job_of(call, configuration, None)
        await run_in_threadpool(run, job, call.queries.run)
    else:
        job = _submit_once(call, configuration)
        await _wait(job, call.body.get("timeoutMs"))
    timestamps = timestamps_of(call.body.get("formatOptions") or {})
    wants_arrow = call.body.get("queryResultsFormat") == "ARROW"
    return await run_in_threadpool(_answer, call, job, call.body.get("maxResults"), timestamps, is_arrow=wants_arrow)


def _submit_once(call: Call, configuration: dict[str, Any]) -> Job:
    """A repeated request (same requestId) gets the job that the first one began."""
    request_id = call.body.get("requestId")
    job_id = None
    if request_id:
        who = f"{call.principal.user}/{call.principal.run}/{request_id}/{call.body['query']}"
        job_id = f"job_{hashlib.sha256(who.encode()).hexdigest()[:32]}"
        with contextlib.suppress(BigQueryError):
            return call.warehouse.jobs.find(job_id, call.principal)
    job = job_of(call, configuration, job_id)
    call.warehouse.jobs.submit(job, call.queries.run)
    return job


async def _wait(job: Job, timeout_ms: Any) -> None:
    await wait_for_end(job, _WAIT_S if timeout_ms is None else min(_MOST_WAIT_S, int(timeout_ms) / 1000))


async def wait_for_end(job: Job, timeout_s: float) -> None:
    """Wait until a job has ended, or the time is up."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(job.done)), timeout_s)


async def results(call: Call) -> Answer:
    """Wait for a query job and give a page of its rows (jobs.getQueryResults)."""
    job = call.warehouse.jobs.find(call.path["job"], call.principal)
    await _wait(job, call.integer("timeoutMs"))
    timestamps = timestamps_of(call.format_options())
    return await run_in_threadpool(_answer, call, job, call.integer("maxResults"), timestamps)


def _answer(call: Call, job: Job, wanted: int | None, timestamps: Timestamps, *, is_arrow: bool = False) -> Answer:
    """Give the answer of jobs.query and getQueryResults, which are alike."""
    is_first = "job" not in call.path
    answer: dict[str, Any] = {
        "kind": "bigquery#queryResponse" if is_first else "bigquery#getQueryResultsResponse",
        "jobReference": job_reference(call.warehouse, job),
        "jobComplete": job.done.done(),
        "queryId": job.id,
    }
    if not job.done.done():
        return answer
    if job.fault is not None:
        raise job.fault
    answer |= _facts(job)
    kind = job.statistics["query"]["statementType"]
    if job.configuration.get("dryRun") or kind not in ("SELECT", "SCRIPT") or (kind == "SCRIPT" and not job.result):
        return answer
    if is_arrow and job.result is not None:
        return answer | arrow_page(job.result, wanted)
    start = start_of(call.query.get("pageToken"), call.integer("startIndex"))
    if job.result is not None:
        count = page_rows(len(job.result.fields), wanted, INLINE_CELLS if is_first else PAGE_CELLS)
        return answer | rows_page(job.result, start, count, timestamps)
    return answer | _destination_page(call, job, start, wanted, timestamps)


def _facts(job: Job) -> dict[str, Any]:
    found = job.statistics["query"]
    facts: dict[str, Any] = {
        "totalBytesProcessed": found["totalBytesProcessed"],
        "totalBytesBilled": found["totalBytesBilled"],
        "cacheHit": False,
        "creationTime": str(job.created_ms),
        "startTime": str(job.started_ms),
        "endTime": str(job.ended_ms),
        "totalSlotMs": str((job.ended_ms or 0) - (job.started_ms or 0)),
    }
    if job.fields is not None:
        facts["schema"] = schema_json(job.fields)
    if "sessionInfo" in job.statistics:
        facts["sessionInfo"] = job.statistics["sessionInfo"]
    for key in ("numDmlAffectedRows", "dmlStats"):
        if key in found:
            facts[key] = found[key]
    return facts


def _destination_page(call: Call, job: Job, start: int, wanted: int | None, timestamps: Timestamps) -> dict[str, Any]:
    target = job.destination or {}
    table = call.warehouse.catalog.table(target["datasetId"], target["tableId"])
    require_raw(call.warehouse.protection_of(table, call.principal))
    count = page_rows(len(table.fields), wanted, PAGE_CELLS)
    result: Result = call.warehouse.read_table(table, call.principal, (), f"LIMIT {count} OFFSET {start}")
    page = rows_page(result, 0, count, timestamps)
    total = call.warehouse.sizes.of(table).rows
    page["totalRows"] = str(total)
    if result.rows and start + result.rows < total:
        page["pageToken"] = f"r{start + result.rows}"
    result.discard()
    return page


def get(call: Call) -> Answer:
    """Give a job."""
    return job_json(call.warehouse, call.warehouse.jobs.find(call.path["job"], call.principal))


def list_(call: Call) -> Answer:
    """List the caller's jobs, or everybody's for the platform with allUsers."""
    states = {state.upper() for state in call.several("stateFilter")}
    unknown = sorted(states - {"DONE", "PENDING", "RUNNING"})
    if unknown:
        raise BigQueryError("invalid", f"Invalid value '{unknown[0].lower()}' for stateFilter", "stateFilter")
    is_full = call.query.get("projection", "minimal").lower() == "full"
    earliest, latest = call.integer("minCreationTime"), call.integer("maxCreationTime")
    items = []
    for job in call.warehouse.jobs.visible(call.principal):
        if (job.parent.id if job.parent is not None else None) != (call.query.get("parentJobId") or None):
            continue
        is_mine = _owner_key(job.owner) == _owner_key(call.principal)
        if not (is_mine or call.flag("allUsers")) or (states and job.state not in states):
            continue
        if (earliest is not None and job.created_ms < earliest) or (latest is not None and job.created_ms > latest):
            continue
        made = job_json(call.warehouse, job)
        failed = {"errorResult": made["status"]["errorResult"]} if "errorResult" in made["status"] else {}
        if not is_full:
            made.pop("configuration")
        items.append(made | {"kind": "bigquery#jobListItem", "state": made["status"]["state"]} | failed)
    page = list_page(items, "jobs", call.query.get("pageToken"), call.integer("maxResults"))
    return {"kind": "bigquery#jobList", **page}


def _owner_key(principal: Principal) -> tuple[str, str | None]:
    return (principal.user, principal.run)


def cancel(call: Call) -> Answer:
    """Stop a job where it is."""
    job = call.warehouse.jobs.find(call.path["job"], call.principal)
    if not job.done.done():
        job.cancel()
    return {"kind": "bigquery#jobCancelResponse", "job": job_json(call.warehouse, job)}


def delete(call: Call) -> Answer:
    """Forget a job that has ended."""
    call.warehouse.jobs.forget(call.path["job"], call.principal)
    return None


ROUTES = (
    route("/jobs", "POST", insert),
    route("/jobs", "GET", list_),
    route("/jobs/{job}", "GET", get),
    route("/jobs/{job}/cancel", "POST", cancel),
    route("/jobs/{job}/delete", "DELETE", delete),
    route("/queries", "POST", query),
    route("/queries/{job}", "GET", results),
)

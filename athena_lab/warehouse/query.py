"""Run a statement: small answers in one trip, the job stopped for real when the user interrupts."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from google.api_core import exceptions

from athena_lab.errors import ConflictError, NotFoundError
from athena_lab.warehouse.connect import Warehouse
from athena_lab.warehouse.datasets import make_dataset
from athena_lab.warehouse.estimate import named
from athena_lab.warehouse.failures import translating
from athena_lab.warehouse.parameters import Parameter
from athena_lab.warehouse.statement import Statement

INLINE_ROWS = 500
"""Rows that come with the answer itself; more are read through the Storage API."""
FIRST_WAIT_MS = 250
"""How long the first trip waits: until it returns, the job's id is not known, so it cannot be stopped."""
NEXT_WAIT_MS = 2_000
DISPOSITIONS = {"create": "WRITE_EMPTY", "append": "WRITE_APPEND", "replace": "WRITE_TRUNCATE"}


@dataclass(frozen=True, slots=True)
class Destination:
    """A table to write to (`dataset.table`) and what to do where it exists: create, append or replace."""

    table: str
    mode: str = "create"


@dataclass(frozen=True, slots=True)
class Query:
    """A statement with everything that decides how it runs."""

    statement: Statement
    parameters: Sequence[Parameter] = ()
    max_bytes: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    destination: Destination | None = None
    is_cached: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished query: its first rows as the service sent them, and what it did."""

    job_id: str
    location: str
    response: dict[str, Any]
    bytes_processed: int
    is_cache_hit: bool
    elapsed_ms: int
    total_rows: int
    changed_rows: int | None = None

    @property
    def fields(self) -> list[dict[str, Any]]:
        """The columns as BigQuery's API describes them; empty for a statement without rows."""
        return list(self.response.get("schema", {}).get("fields", ()))


Progress = Callable[[float], None]
"""Called with the seconds since the start, a few times while a query runs."""


def run(client: Warehouse, query: Query, progress: Progress | None = None) -> Answer:
    """Run a statement to its end; on KeyboardInterrupt its job is cancelled before that is raised again."""
    started = time.monotonic()
    with translating(client, "run the query", query.statement):
        first: Future[dict[str, Any]] = Future()
        try:
            _in_background(lambda: _start(client, query), first)
            response = first.result()
            while not response.get("jobComplete"):
                if progress is not None:
                    progress(time.monotonic() - started)
                response = _continue(client, response["jobReference"])
        except (KeyboardInterrupt, SystemExit) as interrupt:
            interrupt.add_note(_cancel(client, first))
            raise
    return _answer_of(response, int((time.monotonic() - started) * 1000))


def _start(client: Warehouse, query: Query) -> dict[str, Any]:
    return _insert(client, query, query.destination) if query.destination else _post(client, query)


def _post(client: Warehouse, query: Query) -> dict[str, Any]:
    """Ask with `jobs.query`, which answers with the rows themselves."""
    body: dict[str, Any] = {
        "query": query.statement.text,
        "useLegacySql": False,
        "location": client.location,
        "labels": {**client.labels, **query.labels},
        "useQueryCache": query.is_cached,
        "timeoutMs": FIRST_WAIT_MS,
        "maxResults": INLINE_ROWS,
        "formatOptions": {"useInt64Timestamp": True},
        "requestId": str(uuid.uuid4()),
        "jobCreationMode": "JOB_CREATION_REQUIRED",
    }
    if query.max_bytes is not None:
        body["maximumBytesBilled"] = str(max(query.max_bytes, 10 * 1024**2))
    return client.call("POST", "/queries", data=body | named(query.parameters))


def _insert(client: Warehouse, query: Query, destination: Destination) -> dict[str, Any]:
    """Start a job that writes to a table; its answer is made to look like one that is not complete."""
    table = table_of(client, destination.table)
    make_dataset(client, table["datasetId"])
    if destination.mode == "create":
        _refuse_existing(client, destination.table, table)
    settings: dict[str, Any] = {
        "query": query.statement.text,
        "useLegacySql": False,
        "useQueryCache": False,
        "destinationTable": table,
        "createDisposition": "CREATE_IF_NEEDED",
        "writeDisposition": DISPOSITIONS[destination.mode],
    }
    if query.max_bytes is not None:
        settings["maximumBytesBilled"] = str(max(query.max_bytes, 10 * 1024**2))
    reference = {"projectId": client.project, "location": client.location, "jobId": f"athena_{uuid.uuid4().hex}"}
    configuration = {"query": settings | named(query.parameters), "labels": {**client.labels, **query.labels}}
    job = client.call("POST", "/jobs", data={"jobReference": reference, "configuration": configuration})
    return {"jobComplete": False, "jobReference": job.get("jobReference", reference)}


def table_of(client: Warehouse, name: str) -> dict[str, str]:
    """Read `dataset.table` or `project.dataset.table` as the API's reference of a table."""
    parts = name.strip("`").replace(":", ".").split(".")
    if len(parts) not in (2, 3) or not all(parts):
        raise NotFoundError(f"Cannot write to '{name}': it is no table name. Write it as dataset.table.")
    project = parts[0] if len(parts) == 3 else client.project
    return {"projectId": project, "datasetId": parts[-2], "tableId": parts[-1]}


def _refuse_existing(client: Warehouse, name: str, table: Mapping[str, str]) -> None:
    try:
        client.call("GET", f"/datasets/{table['datasetId']}/tables/{table['tableId']}")
    except exceptions.NotFound:
        return
    raise ConflictError(f"Cannot create '{name}': it exists. Say --mode replace or --mode append, or name another.")


def _continue(client: Warehouse, reference: Mapping[str, str]) -> dict[str, Any]:
    answer = client.call(
        "GET",
        f"/queries/{reference['jobId']}",
        query={
            "location": reference.get("location") or client.location,
            "timeoutMs": NEXT_WAIT_MS,
            "maxResults": INLINE_ROWS,
            "formatOptions.useInt64Timestamp": "true",
        },
    )
    return {"jobReference": dict(reference), **answer}


def _cancel(client: Warehouse, first: Future[dict[str, Any]]) -> str:
    """Stop the job and say so: it is known once the first trip has ended, which was told not to wait long."""
    if first.exception() is not None:
        return "No job was running."
    reference = first.result()["jobReference"]
    location = reference.get("location") or client.location
    with translating(client, f"cancel job '{reference['jobId']}'"):
        client.call("POST", f"/jobs/{reference['jobId']}/cancel", query={"location": location})
    return f"The query was stopped: job '{reference['jobId']}' is cancelled."


def _in_background(work: Callable[[], dict[str, Any]], future: Future[dict[str, Any]]) -> None:
    """Do it in a thread: an interrupt of the main thread must not lose the answer that names the job."""

    def target() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 (raised again by whoever waits for the future)
            future.set_exception(error)

    threading.Thread(target=target, name="athena-query", daemon=True).start()


def _answer_of(response: dict[str, Any], elapsed_ms: int) -> Answer:
    reference = response["jobReference"]
    changed = response.get("numDmlAffectedRows")
    return Answer(
        job_id=reference["jobId"],
        location=reference.get("location", ""),
        response=response,
        bytes_processed=int(response.get("totalBytesProcessed") or 0),
        is_cache_hit=bool(response.get("cacheHit")),
        elapsed_ms=elapsed_ms,
        total_rows=int(response.get("totalRows") or 0),
        changed_rows=None if changed is None else int(changed),
    )

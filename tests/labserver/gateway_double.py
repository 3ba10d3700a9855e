"""A gateway's stand-in as a process of its own: real HTTP and the real wire models, but jobs and runs only in memory.

Why a double: the real gateway needs a git repository, Airflow and PostgreSQL, so it cannot be made to lose its
scheduler, to fail a run's third cell or to speak another API number at a test's word. The acceptance story drives the
same front end against the real stack.

    python gateway_double.py PORT TOKEN      prints "ready" and serves until it is ended
    POST /control {"visible_after_s": …}     changes how it behaves (see `Behaviour`)
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from croniter import croniter
from pydantic import TypeAdapter, ValidationError
from rehearsal_double import Rehearsals, World

from athena_lab.errors import InvalidError
from athena_lab.gateway_api import jobs, versions, warehouse, wire
from athena_lab.gateway_api.lineage import Lineage, Upstream
from athena_lab.gateway_api.rehearsals import RefusedWrite, Rehearsal, RehearsalRequest
from athena_lab.gateway_api.terms import terms_of
from athena_lab.jobs.bundle import build_bundle
from athena_lab.jobs.bundle_content import read_archive
from athena_lab.warehouse.lineage import lineage_of_notebook

CELL_S, QUEUED_S = 1.0, 2.0


@dataclass
class Behaviour:
    """What a test may change."""

    visible_after_s: float = 0.6
    is_scheduler_down: bool = False
    failing_cell: int | None = None
    api: int = wire.API_VERSION
    last_upload: dict[str, Any] = field(default_factory=dict)
    last_run_request: dict[str, Any] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    upstreams: list[dict[str, Any]] = field(default_factory=list)
    known_tables: dict[str, int] = field(default_factory=dict)
    columns_added: list[str] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    rehearsal_refusal: dict[str, Any] | None = None
    last_rehearsal: dict[str, Any] = field(default_factory=dict)


class RefusedError(Exception):
    """An answer that is an `ErrorBody`."""

    def __init__(self, status: int, error: str, message: str, faults: list[wire.FaultModel] | None = None) -> None:
        self.status = status
        self.body = wire.ErrorBody(error=error, message=message, faults=tuple(faults or ()))


class State:
    """Everything the double remembers."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.bundles: dict[str, tuple[jobs.Bundle, dict[str, Any]]] = {}
        self.jobs: dict[str, jobs.Job] = {}
        self.removed: dict[str, jobs.Job] = {}
        self.deployed: dict[tuple[str, int], float] = {}
        self.history: dict[str, list[tuple[jobs.JobVersion, jobs.Job]]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.rehearsals = Rehearsals()

    # -- promotion

    def bundle(self, body: bytes) -> jobs.Bundle:
        upload = jobs.BundleUpload.model_validate_json(body)
        self.behaviour.last_upload = json.loads(body)
        try:
            built = build_bundle(upload)
        except InvalidError as error:
            faults = [wire.FaultModel(field=one.field, message=one.message) for one in error.faults]
            raise RefusedError(422, "InvalidError", str(error), faults) from error
        notebook = read_archive(built.archive).notebook
        found = lineage_of_notebook(notebook)
        lineage = Lineage(reads=found.reads, writes=found.writes, columns=dict(found.columns))
        warnings = ("The output table is appended to: a repeated run adds its rows again.",)
        bundle = built.summary.model_copy(update={"lineage": lineage, "warnings": warnings})
        self.bundles[bundle.hash] = (bundle, notebook)
        return bundle

    def check(self, body: bytes) -> jobs.Check:
        request = jobs.PromoteRequest.model_validate_json(body)
        faults, runs = faults_and_runs(request)
        job = self.find(request)
        is_unchanged = job is not None and self.is_same(job, request)
        version = (job.version + (0 if is_unchanged else 1)) if job else 1
        return jobs.Check(
            faults=tuple(faults),
            next_runs=() if faults else runs,
            job_id=job.id if job else None,
            next_version=version,
            is_unchanged=is_unchanged,
            upstreams=tuple(Upstream.model_validate(upstream) for upstream in self.behaviour.upstreams),
        )

    def promote(self, body: bytes) -> jobs.Promotion:
        request = jobs.PromoteRequest.model_validate_json(body)
        faults, runs = faults_and_runs(request)
        if faults:
            raise RefusedError(422, "InvalidError", "\n".join(f.message for f in faults), faults)
        job, now = self.find(request), datetime.now(UTC)
        if job and self.is_same(job, request):
            return self.promotion(job.id, job.version).model_copy(update={"is_unchanged": True})
        job_id = job.id if job else re.sub(r"[^a-z0-9]+", "_", request.name.lower()).strip("_")
        version = job.version + 1 if job else 1
        self.jobs[job_id] = jobs.Job(
            id=job_id,
            name=request.name,
            team="main",
            owner="analyst",
            version=version,
            bundle=request.bundle,
            source=self.bundles[request.bundle][0].source,
            **terms_of(request),
            next_run_at=runs[0] if runs else None,
            created_at=job.created_at if job else now,
            updated_at=now,
            rehearsed_at=self.rehearsals.succeeded_at(request.bundle),
        )
        self.deployed[job_id, version] = time.time()
        self.remember(self.jobs[job_id], request.message)
        return self.promotion(job_id, version)

    # -- versions

    def remember(self, job: jobs.Job, message: str, origin: int | None = None) -> None:
        if job.version == 1:
            self.history[job.id] = []
        made = jobs.JobVersion(
            version=job.version,
            deployed_at=job.updated_at,
            deployed_by=job.owner,
            message=message,
            content_hash=job.bundle,
            bundle=job.bundle,
            origin=origin,
            rehearsed_at=job.rehearsed_at,
        )
        self.history[job.id].insert(0, (made, job))

    def list_versions(self, job_id: str) -> list[jobs.JobVersion]:
        self.job(job_id)
        return [made for made, _ in self.history[job_id]]

    def content(self, job_id: str, version: int) -> versions.VersionContent:
        made, job = self.past(job_id, version)
        return versions.VersionContent(
            **made.model_dump(),
            job_id=job.id,
            name=job.name,
            owner=job.owner,
            source=job.source,
            **terms_of(job),
            notebook=self.bundles[job.bundle][1],
        )

    def rollback(self, job_id: str, body: bytes) -> jobs.Promotion:
        request = versions.RollbackRequest.model_validate_json(body)
        current, old = self.job(job_id), self.past(job_id, request.version)[1]
        if request.expected_version not in (None, current.version):
            raise RefusedError(409, "ConflictError", f"Cannot roll back '{job_id}': it has moved on. Reload it.")
        content = {"bundle": old.bundle, **terms_of(old)}
        changes = {**content, "version": current.version + 1, "updated_at": datetime.now(UTC)}
        self.jobs[job_id] = job = current.model_copy(update=changes)
        self.deployed[job_id, job.version] = time.time()
        self.remember(job, request.message or f"Roll back to v{request.version}", request.version)
        return self.promotion(job_id, job.version)

    def past(self, job_id: str, version: int) -> tuple[jobs.JobVersion, jobs.Job]:
        self.job(job_id)
        for made, job in self.history[job_id]:
            if made.version == version:
                return made, job
        raise RefusedError(404, "NotFoundError", f"Cannot find version {version} of '{job_id}': there is none.")

    def promotion(self, job_id: str, version: int) -> jobs.Promotion:
        at = self.deployed[job_id, version]
        is_visible = time.time() - at >= self.behaviour.visible_after_s and not self.behaviour.is_scheduler_down
        waiting = jobs.PromotionState.WAITING if self.behaviour.is_scheduler_down else jobs.PromotionState.COMMITTED
        moment = datetime.fromtimestamp(at, UTC)
        return jobs.Promotion(
            job_id=job_id,
            version=version,
            state=jobs.PromotionState.VISIBLE if is_visible else waiting,
            requested_at=moment,
            visible_at=moment + timedelta(seconds=self.behaviour.visible_after_s) if is_visible else None,
        )

    def wait(self, job_id: str, version: int, wait_s: float) -> jobs.Promotion:
        before, deadline = self.promotion(job_id, version), time.time() + wait_s
        while (now := self.promotion(job_id, version)).state == before.state and time.time() < deadline:
            if now.state == jobs.PromotionState.VISIBLE:
                break
            threading.Event().wait(0.05)
        return now

    def find(self, request: jobs.PromoteRequest) -> jobs.Job | None:
        return self.jobs.get(request.job_id or "")

    def is_same(self, job: jobs.Job, request: jobs.PromoteRequest) -> bool:
        mine = (job.bundle, job.name, terms_of(job))
        return mine == (request.bundle, request.name, terms_of(request))

    # -- jobs and runs

    def find_jobs(self, query: dict[str, list[str]]) -> jobs.JobPage:
        wanted = jobs.JobQuery.model_validate({name: values[0] for name, values in query.items()})
        found = [job for job in map(self.job, self.jobs) if self.is_found(job, wanted)]
        found.sort(key=lambda job: job.name.casefold())
        return jobs.JobPage(jobs=tuple(found[wanted.offset : wanted.offset + wanted.limit]), total=len(found))

    def is_found(self, job: jobs.Job, query: jobs.JobQuery) -> bool:
        if query.search.casefold() not in f"{job.name} {job.source.path}".casefold():
            return False
        is_by_source = query.path is not None or query.notebook_id is not None
        mine = (job.source.path == query.path, job.source.notebook_id == (query.notebook_id or ""))
        return any(mine) if is_by_source else True

    def job(self, job_id: str) -> jobs.Job:
        if job_id not in self.jobs:
            raise RefusedError(404, "NotFoundError", f"Cannot show job '{job_id}': there is none. Reload the list.")
        job, runs = self.jobs[job_id], self.list_runs(job_id)
        promotion = self.promotion(job_id, job.version).state
        last = summary_of(runs[0]) if runs else None
        return job.model_copy(update={"last_run": last, "promotion": promotion})

    def set_state(self, job_id: str, state: jobs.JobState) -> jobs.Job:
        self.jobs[job_id] = self.job(job_id).model_copy(update={"state": state})
        if state is jobs.JobState.DELETED:
            self.runs = {key: run for key, run in self.runs.items() if run["job"] != job_id}
            self.removed[job_id] = self.jobs.pop(job_id)
            return self.removed[job_id]
        return self.jobs[job_id]

    def restore(self, job_id: str) -> jobs.Promotion:
        changes = {"state": jobs.JobState.ACTIVE, "version": self.removed[job_id].version + 1}
        self.jobs[job_id] = job = self.removed.pop(job_id).model_copy(update=changes)
        self.deployed[job_id, job.version] = time.time()
        self.remember(job, "Restore", job.version - 1)
        return self.promotion(job_id, job.version)

    def start_run(self, job_id: str, body: bytes) -> jobs.Run:
        request = jobs.RunRequest.model_validate_json(body)
        self.behaviour.last_run_request = json.loads(body)
        run_id = hashlib.sha256(f"{job_id}{len(self.runs)}".encode()).hexdigest()[:32]
        self.runs[run_id] = {"job": job_id, "at": time.time(), "parameters": request.parameters, "cancelled_at": None}
        return self.run(run_id)

    def list_runs(self, job_id: str | None) -> list[jobs.Run]:
        ids = [key for key, run in self.runs.items() if job_id in (None, run["job"])]
        return [self.run(key) for key in reversed(ids)]

    def run(self, run_id: str) -> jobs.Run:
        if run_id not in self.runs:
            raise RefusedError(404, "NotFoundError", f"Cannot show run '{run_id}': there is none. Reload the list.")
        record = self.runs[run_id]
        job = self.jobs[record["job"]]
        total = len(self.bundles[job.bundle][0].cells)
        until = record["cancelled_at"] or time.time()
        done = int((until - record["at"] - QUEUED_S) / CELL_S)
        state, error = state_of(done, total, self.behaviour.failing_cell, is_cancelled=bool(record["cancelled_at"]))
        ended = record["at"] + QUEUED_S + CELL_S * min(max(done, 0), total)
        return jobs.Run(
            id=run_id,
            job_id=job.id,
            job_name=job.name,
            job_version=job.version,
            type="manual",
            state=state,
            queued_at=datetime.fromtimestamp(record["at"], UTC),
            started_at=None if done < 0 else datetime.fromtimestamp(record["at"] + QUEUED_S, UTC),
            ended_at=datetime.fromtimestamp(ended, UTC) if state.is_final else None,
            error=error,
            cells_done=max(0, min(done, total)),
            cells_total=0 if done < 0 else total,
            airflow_run_id=f"manual__{run_id}",
            dag_id=f"athena__main__{job.id}",
            parameters=record["parameters"],
            has_output=done >= 0,
        )

    def output(self, run_id: str) -> dict[str, Any]:
        job = self.jobs[self.runs[run_id]["job"]]
        self.run(run_id)
        return json.loads(json.dumps(self.bundles[job.bundle][1]))

    # -- the warehouse

    def catalog(self) -> warehouse.Catalog:
        known = [(*name.split("."), rows) for name, rows in self.behaviour.known_tables.items()]
        tables = (warehouse.CatalogTable(dataset=one, table=two, owner="ann", rows=rows) for one, two, rows in known)
        return warehouse.Catalog(project="athena", tables=tuple(tables))

    # -- rehearsals

    def rehearse(self, body: bytes) -> Rehearsal:
        request = RehearsalRequest.model_validate_json(body)
        self.behaviour.last_rehearsal = json.loads(body)
        if refusal := self.behaviour.rehearsal_refusal:
            faults = [wire.FaultModel.model_validate(fault) for fault in refusal.get("faults", ())]
            raise RefusedError(refusal["status"], refusal["error"], refusal["message"], faults)
        world = World(
            known_tables=self.behaviour.known_tables,
            columns_added=tuple(self.behaviour.columns_added),
            refused=tuple(RefusedWrite.model_validate(one) for one in self.behaviour.refused),
            failing_cell=self.behaviour.failing_cell,
        )
        return self.rehearsals.start(request, self.bundles[request.bundle][0], world)

    def rehearsal(self, rehearsal_id: str, wait_s: float = 0.0) -> Rehearsal:
        if not self.rehearsals.knows(rehearsal_id):
            raise RefusedError(404, "NotFoundError", f"Cannot show the rehearsal '{rehearsal_id}': there is none.")
        return self.rehearsals.wait(rehearsal_id, wait_s)

    def rehearsal_output(self, rehearsal_id: str) -> dict[str, Any]:
        return json.loads(json.dumps(self.bundles[self.rehearsals.bundle_of(rehearsal_id)][1]))


def state_of(done: int, total: int, failing: int | None, *, is_cancelled: bool) -> tuple[jobs.RunState, str | None]:
    """Say how a run stands after `done` cells."""
    if is_cancelled:
        return jobs.RunState.CANCELLED, None
    if done < 0:
        return jobs.RunState.QUEUED, None
    if failing is not None and done >= failing:
        return jobs.RunState.FAILED, f"Cell {failing + 1}: NotFoundError: table 'sales.missing' does not exist."
    return (jobs.RunState.SUCCEEDED if done >= total else jobs.RunState.RUNNING), None


def summary_of(run: jobs.Run) -> jobs.RunSummary:
    """Leave out what a list does not show."""
    return jobs.RunSummary.model_validate({name: getattr(run, name) for name in jobs.RunSummary.model_fields})


def faults_and_runs(request: jobs.PromoteRequest) -> tuple[list[wire.FaultModel], tuple[datetime, ...]]:
    """Check a form as the gateway does: every fault at once."""
    faults, runs, zone = [], (), None
    if not request.name:
        faults.append(wire.FaultModel(field="name", message="Cannot schedule '': it has no name. Type one."))
    try:
        zone = ZoneInfo(request.schedule.timezone)
    except (KeyError, ValueError):
        text = f"Cannot use the time zone '{request.schedule.timezone}': there is none. Use one such as Europe/Berlin."
        faults.append(wire.FaultModel(field="schedule.timezone", message=text))
    cron = request.schedule.cron
    if cron is not None and not croniter.is_valid(cron):
        text = f"Cannot schedule '{request.name}': cron '{cron}' is not valid. Use five fields such as 0 7 * * *."
        faults.append(wire.FaultModel(field="schedule.cron", message=text))
    elif cron is not None and zone is not None:
        fires = croniter(cron, datetime.now(zone))
        runs = tuple(fires.get_next(datetime).astimezone(UTC) for _ in range(10))
    return faults, runs


class Handler(BaseHTTPRequestHandler):
    """Routes requests to the state."""

    state: State
    token: str
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer("GET")

    def do_POST(self) -> None:
        self.answer("POST")

    def do_DELETE(self) -> None:
        self.answer("DELETE")

    def answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        status: int = 200
        try:
            if url.path == "/control":
                result = self.control(body)
            elif self.headers.get("Authorization") != f"Bearer {self.token}":
                raise RefusedError(
                    401, "UnauthenticatedError", "Cannot accept the token. Start Athena with `athena up`."
                )
            else:
                self.state.behaviour.requests.append(f"{method} {self.path}")
                result = self.route(method, url.path, parse_qs(url.query, keep_blank_values=True), body)
        except RefusedError as refusal:
            status, result = refusal.status, refusal.body
        except ValidationError as error:
            faults = [wire.FaultModel(field=".".join(map(str, e["loc"])), message=e["msg"]) for e in error.errors()]
            status, result = 422, wire.ErrorBody(error="InvalidError", message="invalid", faults=tuple(faults))
        content = TypeAdapter(Any).dump_json(result)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def control(self, body: bytes) -> dict[str, Any]:
        for name, value in json.loads(body or b"{}").items():
            setattr(self.state.behaviour, name, value)
        return vars(self.state.behaviour)

    def route(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Any:
        state = self.state
        routes: list[tuple[str, str, Any]] = [
            ("GET", r"/v1/version", lambda: wire.Version(version="0.1.0", api=state.behaviour.api, is_isolated=False)),
            ("GET", r"/v1/me", lambda: wire.Principal(kind="user", user="analyst")),
            ("GET", r"/v1/catalog", state.catalog),
            ("POST", r"/v1/bundles", lambda: state.bundle(body)),
            ("POST", r"/v1/jobs/check", lambda: state.check(body)),
            ("POST", r"/v1/jobs", lambda: state.promote(body)),
            ("GET", r"/v1/jobs", lambda: state.find_jobs(query)),
            ("GET", r"/v1/jobs/(\w+)", state.job),
            ("DELETE", r"/v1/jobs/(\w+)", lambda job: state.set_state(job, jobs.JobState.DELETED)),
            ("POST", r"/v1/jobs/(\w+)/pause", lambda job: state.set_state(job, jobs.JobState.PAUSED)),
            ("POST", r"/v1/jobs/(\w+)/resume", lambda job: state.set_state(job, jobs.JobState.ACTIVE)),
            ("GET", r"/v1/jobs/(\w+)/versions", state.list_versions),
            ("GET", r"/v1/jobs/(\w+)/versions/(\d+)", lambda job, n: state.content(job, int(n))),
            ("POST", r"/v1/jobs/(\w+)/restore", state.restore),
            ("POST", r"/v1/jobs/(\w+)/rollback", lambda job: state.rollback(job, body)),
            ("POST", r"/v1/jobs/(\w+)/runs", lambda job: state.start_run(job, body)),
            (
                "GET",
                r"/v1/jobs/(\w+)/versions/(\d+)/promotion",
                lambda job, n: state.wait(job, int(n), float(query.get("wait_s", ["0"])[0])),
            ),
            ("GET", r"/v1/runs", lambda: [summary_of(r) for r in state.list_runs(query.get("job_id", [None])[0])]),
            ("GET", r"/v1/runs/(\w+)", state.run),
            ("GET", r"/v1/runs/(\w+)/output", state.output),
            ("POST", r"/v1/runs/(\w+)/cancel", self.cancel),
            ("POST", r"/v1/rehearsals", lambda: state.rehearse(body)),
            ("GET", r"/v1/rehearsals", lambda: state.rehearsals.find(query["bundle"][0], int(query["limit"][0]))),
            ("GET", r"/v1/rehearsals/(\w+)", lambda one: state.rehearsal(one, float(query.get("wait_s", ["0"])[0]))),
            ("GET", r"/v1/rehearsals/(\w+)/output", state.rehearsal_output),
            ("POST", r"/v1/rehearsals/(\w+)/cancel", state.rehearsals.cancel),
        ]
        for verb, pattern, action in routes:
            match = re.fullmatch(pattern, path)
            if match and verb == method:
                return action(*match.groups())
        raise RefusedError(404, "NotFoundError", f"Cannot {method} '{path}': there is no such route.")

    def cancel(self, run_id: str) -> jobs.Run:
        self.state.runs[run_id]["cancelled_at"] = time.time()
        return self.state.run(run_id)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the parent's name)
        """Say nothing: tests ask `/control` which requests came."""


def main() -> None:
    """Serve until the process is ended."""
    Handler.state, Handler.token = State(), sys.argv[2]
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

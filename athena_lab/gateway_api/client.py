"""The typed client of the gateway: one method an endpoint; errors come back as our own tree."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from athena_lab import errors
from athena_lab.gateway_api import (
    alerts,
    backfills,
    jobs,
    lineage,
    once,
    rehearsals,
    secrets,
    versions,
    warehouse,
    wire,
    worker,
)
from athena_lab.gateway_api.terms import Schedule
from athena_lab.settings import Settings

Model = TypeVar("Model", bound=wire.Wire)
TokenSource = Callable[[], str]
_LARGEST_PAGE = 500


def token_source(settings: Settings) -> TokenSource:
    """Tell where the caller's credential comes from: a run's descriptor, or the user's own file."""
    if settings.token_fd is not None:
        return _DescriptorToken(settings.token_fd)
    path = settings.token_file
    if path is None:
        raise errors.ConfigurationError(
            "Cannot talk to the gateway: no credential is set. Start Athena with `athena up`, "
            "or set ATHENA_TOKEN_FILE to the file that holds your token."
        )

    def read() -> str:
        try:
            return path.read_text().strip()
        except OSError as error:
            raise errors.ConfigurationError(
                f"Cannot read the token file '{path}' ({error.strerror}). Start Athena with `athena up`."
            ) from error

    return read


class _DescriptorToken:
    """Ask the worker for the run's present token over the inherited socket: one line each way."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._lock = threading.Lock()

    def __call__(self) -> str:
        # One question at a time: threads of one kernel share the descriptor.
        with self._lock:
            try:
                self._socket.sendall(b"token\n")
                return str(json.loads(self._read_line())["token"])
            except OSError as error:
                raise self._abandoned() from error

    def _read_line(self) -> bytes:
        answer = b""
        while not answer.endswith(b"\n"):
            part = self._socket.recv(65536)
            if not part:
                raise self._abandoned()
            answer += part
        return answer

    def _abandoned(self) -> errors.UnauthenticatedError:
        return errors.UnauthenticatedError(
            "Cannot renew the run's token: its worker is gone. The run was abandoned; start it again."
        )


class GatewayClient:
    """Talk to the gateway as whoever `token` names. Close it, or use it in a `with`."""

    def __init__(self, url: str, token: TokenSource, *, timeout_s: float = 30.0) -> None:
        self._token = token
        self._http = httpx.Client(base_url=url, timeout=timeout_s, trust_env=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> GatewayClient:
        """Connect as the user or run that the environment names."""
        if settings.gateway_url is None:
            raise errors.ConfigurationError(
                "Cannot find the gateway: ATHENA_GATEWAY_URL is not set. Start Athena with `athena up`."
            )
        return cls(settings.gateway_url, token_source(settings))

    def __enter__(self) -> GatewayClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # -- about the caller and the platform

    def get_version(self) -> wire.Version:
        return self._get("/v1/version", wire.Version)

    def get_me(self) -> wire.Principal:
        return self._get("/v1/me", wire.Principal)

    def get_warehouse_token(self) -> warehouse.WarehouseToken:
        return self._send("POST", "/v1/warehouse/token", warehouse.WarehouseToken)

    def get_catalog(self) -> warehouse.Catalog:
        return self._get("/v1/catalog", warehouse.Catalog)

    # -- promotion

    def upload_bundle(self, upload: jobs.BundleUpload) -> jobs.Bundle:
        return self._send("POST", "/v1/bundles", jobs.Bundle, upload)

    def check_promotion(self, request: jobs.PromoteRequest, *, with_runs: bool = True) -> jobs.Check:
        """Give the faults and warnings of a promotion, with the next runs and the cost where they are wanted."""
        return self._send("POST", "/v1/jobs/check" + ("" if with_runs else "?with_runs=false"), jobs.Check, request)

    def promote(self, request: jobs.PromoteRequest) -> jobs.Promotion:
        return self._send("POST", "/v1/jobs", jobs.Promotion, request)

    def get_promotion(self, job_id: str, version: int, *, wait_s: float = 0) -> jobs.Promotion:
        """Give a promotion's state; with `wait_s` (at most 20) answer once it changes or time is up."""
        path = f"/v1/jobs/{quote(job_id, safe='')}/versions/{version}/promotion"
        return self._get(path, jobs.Promotion, {"wait_s": str(wait_s)})

    def preview_schedule(self, schedule: Schedule) -> jobs.SchedulePreview:
        return self._send("POST", "/v1/schedule/preview", jobs.SchedulePreview, schedule)

    # -- jobs

    def find_jobs(self, query: jobs.JobQuery) -> jobs.JobPage:
        given = query.model_dump(mode="json", exclude_defaults=True)
        return self._get("/v1/jobs", jobs.JobPage, {name: str(value) for name, value in given.items()})

    def list_jobs(self, query: jobs.JobQuery | None = None) -> tuple[jobs.Job, ...]:
        """Give every job that is found, page by page."""
        query = (query or jobs.JobQuery()).model_copy(update={"limit": _LARGEST_PAGE})
        found: list[jobs.Job] = []
        while True:
            page = self.find_jobs(query.model_copy(update={"offset": len(found)}))
            found += page.jobs
            if not page.jobs or len(found) >= page.total:
                return tuple(found)

    def get_job(self, job_id: str) -> jobs.Job:
        return self._get(f"/v1/jobs/{quote(job_id, safe='')}", jobs.Job)

    def list_versions(self, job_id: str) -> tuple[jobs.JobVersion, ...]:
        items = self._json("GET", f"/v1/jobs/{quote(job_id, safe='')}/versions")
        return tuple(jobs.JobVersion.model_validate(item) for item in items)

    def get_dependencies(self, job_id: str) -> lineage.Dependencies:
        return self._get(f"/v1/jobs/{quote(job_id, safe='')}/dependencies", lineage.Dependencies)

    def pause_job(self, job_id: str) -> jobs.Job:
        return self._send("POST", f"/v1/jobs/{quote(job_id, safe='')}/pause", jobs.Job)

    def resume_job(self, job_id: str) -> jobs.Job:
        return self._send("POST", f"/v1/jobs/{quote(job_id, safe='')}/resume", jobs.Job)

    def delete_job(self, job_id: str) -> jobs.Job:
        return self._send("DELETE", f"/v1/jobs/{quote(job_id, safe='')}", jobs.Job)

    # -- versions, and what is done with a job beside deploying its notebook

    def get_version_content(self, job_id: str, version: int) -> versions.VersionContent:
        return self._get(f"/v1/jobs/{quote(job_id, safe='')}/versions/{version}", versions.VersionContent)

    def diff_job(self, job_id: str, request: versions.DiffRequest) -> versions.JobDiff:
        return self._send("POST", f"/v1/jobs/{quote(job_id, safe='')}/diff", versions.JobDiff, request)

    def rollback_job(self, job_id: str, request: versions.RollbackRequest) -> jobs.Promotion:
        return self._send("POST", f"/v1/jobs/{quote(job_id, safe='')}/rollback", jobs.Promotion, request)

    def edit_job(self, job_id: str, request: versions.EditRequest) -> jobs.Promotion:
        return self._send("POST", f"/v1/jobs/{quote(job_id, safe='')}/edit", jobs.Promotion, request)

    def clone_job(self, job_id: str, request: versions.CloneRequest) -> jobs.Promotion:
        return self._send("POST", f"/v1/jobs/{quote(job_id, safe='')}/clone", jobs.Promotion, request)

    def transfer_job(self, job_id: str, request: versions.TransferRequest) -> jobs.Promotion:
        return self._send("POST", f"/v1/jobs/{quote(job_id, safe='')}/transfer", jobs.Promotion, request)

    def restore_job(self, job_id: str) -> jobs.Promotion:
        return self._send("POST", f"/v1/jobs/{quote(job_id, safe='')}/restore", jobs.Promotion)

    def export_job(self, job_id: str) -> versions.JobExport:
        return self._get(f"/v1/jobs/{quote(job_id, safe='')}/export", versions.JobExport)

    def import_job(self, request: versions.ImportRequest) -> jobs.Promotion:
        return self._send("POST", "/v1/jobs/import", jobs.Promotion, request)

    # -- runs

    def run_job(self, job_id: str, request: jobs.RunRequest, *, key: str | None = None) -> jobs.Run:
        """Start a run, one however often this has to be sent; `key` makes it one over several calls within a day."""
        return self._send_once(f"/v1/jobs/{quote(job_id, safe='')}/runs", jobs.Run, request, key)

    def list_runs(self, *, job_id: str | None = None, limit: int = 50) -> tuple[jobs.RunSummary, ...]:
        query = {"limit": str(limit)} | ({"job_id": job_id} if job_id else {})
        return tuple(jobs.RunSummary.model_validate(item) for item in self._json("GET", "/v1/runs", query))

    def get_run(self, run_id: str) -> jobs.Run:
        return self._get(f"/v1/runs/{run_id}", jobs.Run)

    def cancel_run(self, run_id: str) -> jobs.Run:
        return self._send("POST", f"/v1/runs/{run_id}/cancel", jobs.Run)

    def get_output(self, run_id: str) -> dict[str, Any]:
        """Give the run's output notebook (nbformat 4 JSON), partial while it runs or after a failure."""
        notebook: dict[str, Any] = self._json("GET", f"/v1/runs/{run_id}/output")
        return notebook

    # -- rehearsals

    def rehearse(self, request: rehearsals.RehearsalRequest, *, key: str | None = None) -> rehearsals.Rehearsal:
        """Start a rehearsal; `key` as in `run_job`."""
        return self._send_once("/v1/rehearsals", rehearsals.Rehearsal, request, key)

    def list_rehearsals(self, bundle: str, *, limit: int = 10) -> tuple[rehearsals.Rehearsal, ...]:
        """List the caller's rehearsals of a bundle, the newest first."""
        query = {"bundle": bundle, "limit": str(limit)}
        return tuple(rehearsals.Rehearsal.model_validate(one) for one in self._json("GET", "/v1/rehearsals", query))

    def get_rehearsal(self, rehearsal_id: str, *, wait_s: float = 0) -> rehearsals.Rehearsal:
        """Give a rehearsal; with `wait_s` (at most 20) answer once it changes or time is up."""
        path = f"/v1/rehearsals/{quote(rehearsal_id, safe='')}"
        return self._get(path, rehearsals.Rehearsal, {"wait_s": str(wait_s)})

    def get_rehearsal_output(self, rehearsal_id: str) -> dict[str, Any]:
        """Give a rehearsal's output notebook, partial while it runs."""
        return dict(self._json("GET", f"/v1/rehearsals/{quote(rehearsal_id, safe='')}/output"))

    def cancel_rehearsal(self, rehearsal_id: str) -> rehearsals.Rehearsal:
        return self._send("POST", f"/v1/rehearsals/{quote(rehearsal_id, safe='')}/cancel", rehearsals.Rehearsal)

    # -- backfills

    def preview_backfill(self, job_id: str, request: backfills.BackfillRequest) -> backfills.BackfillPreview:
        path = f"/v1/jobs/{quote(job_id, safe='')}/backfill/preview"
        return self._send("POST", path, backfills.BackfillPreview, request)

    def backfill_job(
        self, job_id: str, request: backfills.BackfillRequest, *, key: str | None = None
    ) -> backfills.Backfill:
        """Begin a backfill; `key` as in `run_job`."""
        return self._send_once(f"/v1/jobs/{quote(job_id, safe='')}/backfill", backfills.Backfill, request, key)

    def list_backfills(self, job_id: str) -> tuple[backfills.Backfill, ...]:
        items = self._json("GET", f"/v1/jobs/{quote(job_id, safe='')}/backfills")
        return tuple(backfills.Backfill.model_validate(item) for item in items)

    def cancel_backfill(self, job_id: str, backfill_id: int) -> backfills.Backfill:
        path = f"/v1/jobs/{quote(job_id, safe='')}/backfills/{backfill_id}/cancel"
        return self._send("POST", path, backfills.Backfill)

    # -- alerts and secrets

    def list_deliveries(self, job_id: str) -> tuple[alerts.AlertDelivery, ...]:
        items = self._json("GET", f"/v1/jobs/{quote(job_id, safe='')}/alerts")
        return tuple(alerts.AlertDelivery.model_validate(item) for item in items)

    def test_alerts(self, job_id: str) -> tuple[alerts.AlertDelivery, ...]:
        items = self._json("POST", f"/v1/jobs/{quote(job_id, safe='')}/alerts/test")
        return tuple(alerts.AlertDelivery.model_validate(item) for item in items)

    def list_secrets(self) -> tuple[secrets.SecretName, ...]:
        return tuple(secrets.SecretName.model_validate(item) for item in self._json("GET", "/v1/secrets"))

    def set_secret(self, name: str, value: secrets.SecretValue) -> secrets.SecretName:
        return self._send("PUT", f"/v1/secrets/{quote(name, safe='')}", secrets.SecretName, value)

    def delete_secret(self, name: str) -> None:
        self._request("DELETE", f"/v1/secrets/{quote(name, safe='')}")

    # -- a worker's side of a run

    def begin_attempt(self, request: worker.AttemptRequest) -> worker.Attempt:
        return self._send("POST", "/v1/worker/attempts", worker.Attempt, request)

    def ask_waits(self, query: worker.WaitQuery) -> worker.WaitAnswer:
        return self._send("POST", "/v1/worker/waits", worker.WaitAnswer, query)

    def heartbeat(self, run_id: str, attempt: int) -> worker.Heartbeat:
        return self._send("POST", f"/v1/worker/attempts/{run_id}/{attempt}/heartbeat", worker.Heartbeat)

    def report_cell(self, run_id: str, attempt: int, event: worker.CellEvent) -> None:
        self._request("POST", f"/v1/worker/attempts/{run_id}/{attempt}/cells", body=event)

    def save_output(self, run_id: str, attempt: int, notebook: bytes) -> None:
        self._request("PUT", f"/v1/worker/attempts/{run_id}/{attempt}/output", content=notebook)

    def finish_attempt(self, run_id: str, attempt: int, finish: worker.Finish) -> None:
        self._request("POST", f"/v1/worker/attempts/{run_id}/{attempt}/finish", body=finish)

    def fetch_bundle(self, content_hash: str) -> bytes:
        """Give a bundle as the bytes of its zip archive."""
        return self._request("GET", f"/v1/worker/bundles/{content_hash}").content

    # -- how a request is sent

    def _get(self, path: str, model: type[Model], query: Mapping[str, str] | None = None) -> Model:
        return model.model_validate(self._json("GET", path, query))

    def _send(self, method: str, path: str, model: type[Model], body: wire.Wire | None = None) -> Model:
        return model.model_validate(self._request(method, path, body=body).json())

    def _send_once(self, path: str, model: type[Model], body: wire.Wire, key: str | None) -> Model:
        """Send what starts something, again under the same key where no answer comes."""
        known = key or once.new_key()
        return once.send_once(lambda: model.model_validate(self._request("POST", path, body=body, key=known).json()))

    def _json(self, method: str, path: str, query: Mapping[str, str] | None = None) -> Any:
        return self._request(method, path, query=query).json()

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: wire.Wire | None = None,
        content: bytes | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        if body is not None:
            content = body.model_dump_json().encode()
        headers = {"Authorization": f"Bearer {self._token()}"}
        headers |= {"Content-Type": "application/json"} if content is not None else {}
        headers |= {once.KEY_HEADER: key} if key is not None else {}
        try:
            response = self._http.request(method, path, params=query, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise errors.UnreachableError(
                f"Cannot reach the gateway at '{self._http.base_url}' ({error}). "
                "Check it with `athena status`, start it with `athena up`."
            ) from error
        if response.is_error:
            raise error_of(response.status_code, response.content)
        return response


def error_of(status: int, content: bytes) -> errors.AthenaError:
    """Turn a refused or failed response back into the error that the gateway raised."""
    try:
        body = wire.ErrorBody.model_validate_json(content)
    except ValueError:
        text = content[:200].decode(errors="replace")
        return errors.UpstreamError(
            f"Cannot understand the gateway's answer (HTTP {status}): '{text}'. Check it with `athena logs gateway`."
        )
    kind = getattr(errors, body.error, None)
    if kind is errors.InvalidError:
        return errors.InvalidError([errors.Fault(f.field, f.message) for f in body.faults])
    if isinstance(kind, type) and issubclass(kind, errors.AthenaError) and kind is not errors.QuerySyntaxError:
        return kind(body.message)
    return errors.UpstreamError(body.message)

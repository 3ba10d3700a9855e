"""Load jobs with their file: multipart and resumable uploads.

https://cloud.google.com/bigquery/docs/reference/api-uploads
"""

from __future__ import annotations

import email.parser
import email.policy
import io
import json
import re
import tempfile
import threading
import uuid
from dataclasses import dataclass
from typing import Any, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from athena_lab.emulator.access import Principal
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.loads import run_load
from athena_lab.emulator.rest.call import Call, call_of, guarded, read_call
from athena_lab.emulator.rest.file_part import FilePart
from athena_lab.emulator.rest.jobs import SHORT_WAIT_S, job_of, wait_for_end
from athena_lab.emulator.rest.resources import job_json

_LIMIT = 4 * 1024**3
_MOST_JOB_BYTES, _MOST_END_BYTES = 16 * 1024**2, 64 * 1024
_IN_MEMORY = 16 * 1024**2
_MOST_OPEN = 256
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(slots=True)
class Upload:
    """A resumable upload: what the job is to be, and what has come of its file."""

    owner: Principal
    body: dict[str, Any]
    file: BinaryIO
    received: int = 0
    job: Job | None = None


class Uploads:
    """The resumable uploads under way; the oldest are given up when there are too many."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Upload] = {}

    def begin(self, upload: Upload) -> str:
        """Keep a new upload; give its id."""
        upload_id = uuid.uuid4().hex
        with self._lock:
            while len(self._open) >= _MOST_OPEN:
                self._open.pop(next(iter(self._open))).file.close()
            self._open[upload_id] = upload
        return upload_id

    def find(self, upload_id: str, principal: Principal) -> Upload:
        """Give the caller's own upload, else refuse with notFound."""
        with self._lock:
            found = self._open.get(upload_id)
        if found is None or (found.owner.user, found.owner.run) != (principal.user, principal.run):
            raise BigQueryError("notFound", "Not found: this upload does not exist, or is given up.")
        return found

    def forget(self, upload_id: str, principal: Principal) -> None:
        """Give up the caller's own upload; its job, if it has begun, goes on."""
        upload = self.find(upload_id, principal)
        with self._lock:
            self._open.pop(upload_id, None)
        if upload.job is None:
            upload.file.close()


async def _insert(request: Request) -> Response:
    return await guarded(request, lambda: _begin(request))


async def _continue(request: Request) -> Response:
    return await guarded(request, lambda: _receive(request))


async def _begin(request: Request) -> Response:
    kind = request.query_params.get("uploadType")
    if kind == "resumable":
        call = await read_call(request)
        call.warehouse.require_project(call.path["project"])
        upload = Upload(call.principal, dict(call.body), _spool(call))
        upload_id = request.app.state.uploads.begin(upload)
        path = f"resumable/upload/bigquery/v2/projects/{call.path['project']}/jobs?upload_id={upload_id}"
        return Response(status_code=200, headers={"Location": f"{request.base_url}{path}"})
    if kind == "multipart":
        return await _multipart(request)
    raise BigQueryError("invalid", f"Unknown upload type: {kind}")


def _spool(call: Call) -> BinaryIO:
    made: Any = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(call.warehouse.store.results))  # noqa: SIM115 (the job closes it)
    return made  # type: ignore[no-any-return]


async def _multipart(request: Request) -> Response:
    call = call_of(request, {})
    call.warehouse.require_project(call.path["project"])
    file = _spool(call)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _LIMIT:
            raise BigQueryError("invalid", f"The upload exceeds the limit of {_LIMIT} bytes.")
        file.write(chunk)
    job = await run_in_threadpool(_begin_multipart, call, request.headers.get("content-type", ""), file)
    await wait_for_end(job, SHORT_WAIT_S)
    return JSONResponse(job_json(call.warehouse, job))


def _begin_multipart(call: Call, content_type: str, file: BinaryIO) -> Job:
    """Take RFC 2387's two parts apart: the job as JSON, then the file."""
    header = email.parser.Parser(policy=email.policy.HTTP).parsestr(f"Content-Type: {content_type}\n\n")
    boundary = header.get_boundary()
    if not boundary:
        raise BigQueryError("invalid", "The multipart upload has no boundary.")
    body, start = _job_part(file, b"--" + boundary.encode())
    return _submit(call, body, FilePart(file, start, _end_of(file, b"--" + boundary.encode())))


def _job_part(file: BinaryIO, mark: bytes) -> tuple[dict[str, Any], int]:
    """Give the job, and where the content of the second part begins."""
    file.seek(0)
    head = file.read(_MOST_JOB_BYTES)
    parts = head.split(mark, 2)
    if len(parts) != 3:
        raise BigQueryError("invalid", "The multipart upload has not two parts.")
    try:
        body = json.loads(_content(parts[1]))
    except ValueError as error:
        raise BigQueryError("invalid", f"Parse Error: the job is no JSON ({error})") from error
    if not isinstance(body, dict):
        raise BigQueryError("invalid", "Parse Error: the job is no JSON object")
    return body, len(head) - len(_content(parts[2]))


def _end_of(file: BinaryIO, mark: bytes) -> int:
    """Give where the content of the last part ends: before the line with the closing boundary."""
    size = file.seek(0, io.SEEK_END)
    first = file.seek(max(0, size - _MOST_END_BYTES))
    tail = file.read()
    at = tail.rfind(b"\n" + mark)
    if at < 0:
        raise BigQueryError("invalid", "The multipart upload has no end.")
    return first + at - (1 if tail[at - 1 : at] == b"\r" else 0)


def _content(part: bytes) -> bytes:
    found = [part.find(separator) + len(separator) for separator in (b"\r\n\r\n", b"\n\n") if separator in part]
    return part[min(found) :] if found else part


async def _receive(request: Request) -> Response:
    """Take a piece of a resumable upload; the last one begins the job."""
    call = call_of(request, {})
    call.warehouse.require_project(call.path["project"])
    upload: Upload = request.app.state.uploads.find(request.query_params.get("upload_id", ""), call.principal)
    if upload.job is not None:  # whoever did not hear the answer asks again
        return JSONResponse(job_json(call.warehouse, upload.job))
    total = _total_of(request, upload)
    async for chunk in request.stream():
        upload.received += len(chunk)
        if upload.received > _LIMIT:
            raise BigQueryError("invalid", f"The upload exceeds the limit of {_LIMIT} bytes.")
        upload.file.write(chunk)
    if total is None or upload.received < total:
        headers = {"Range": f"bytes=0-{upload.received - 1}"} if upload.received else {}
        return Response(status_code=308, headers=headers)
    if upload.job is None:
        upload.job = _submit(call, upload.body, upload.file)
    await wait_for_end(upload.job, SHORT_WAIT_S)
    return JSONResponse(job_json(call.warehouse, upload.job))


def _total_of(request: Request, upload: Upload) -> int | None:
    """Read a piece's Content-Range: how long the file is in all, None where it is not known yet.

    A piece without one is the rest of the file. A piece that does not go on where the last one ended is refused.
    """
    header = request.headers.get("content-range")
    if header is None:
        return 0
    found = _RANGE.fullmatch(header)
    if found is None:
        raise BigQueryError("invalid", f"The piece of the upload has no valid Content-Range: {header[:80]}")
    if found[1] and int(found[1]) != upload.received:
        raise BigQueryError("invalid", f"The piece begins at {found[1]}, expected {upload.received}.")
    return None if found[3] == "*" else int(found[3])


async def _cancel(request: Request) -> Response:
    return await guarded(request, lambda: _give_up(request))


async def _give_up(request: Request) -> Response:
    """Give up an upload that is under way."""
    call = call_of(request, {})
    call.warehouse.require_project(call.path["project"])
    uploads: Uploads = request.app.state.uploads
    uploads.forget(request.query_params.get("upload_id", ""), call.principal)
    return Response(status_code=499)


def _submit(call: Call, body: dict[str, Any], file: BinaryIO) -> Job:
    configuration = dict(body.get("configuration") or {})
    if "load" not in configuration:
        raise BigQueryError("invalid", "An upload needs the configuration of a load job.")
    job = job_of(call, configuration, (body.get("jobReference") or {}).get("jobId"))

    def work(running: Job) -> None:
        with file:
            run_load(call.warehouse, running, file)

    call.warehouse.jobs.submit(job, work)
    return job


ROUTES = (
    Route("/upload/bigquery/v2/projects/{project}/jobs", _insert, methods=["POST"]),
    Route("/resumable/upload/bigquery/v2/projects/{project}/jobs", _insert, methods=["POST"]),
    Route("/resumable/upload/bigquery/v2/projects/{project}/jobs", _continue, methods=["PUT"]),
    Route("/resumable/upload/bigquery/v2/projects/{project}/jobs", _cancel, methods=["DELETE"]),
)

"""The labserver's routes under `/athena`: thin Tornado handlers over functions that know no framework."""

from __future__ import annotations

import uuid
from typing import Any

from jupyter_server.base.handlers import APIHandler
from pydantic import TypeAdapter, ValidationError
from tornado import web  # type: ignore[attr-defined]  # tornado exports by convention

from athena_lab import errors
from athena_lab.gateway_api.jobs import Bundle, RunSummary
from athena_lab.gateway_api.once import KEY_HEADER
from athena_lab.gateway_api.wire import ErrorBody, FaultModel
from athena_lab.jobs.drafting import DraftRequest, collect, lock
from athena_lab.labserver import outputs
from athena_lab.labserver.gateway import GatewayDoor
from athena_lab.labserver.handshake import shake_hands
from athena_lab.labserver.reading import ContentsReader
from athena_lab.labserver.routes import is_allowed

STATUS: dict[type[errors.AthenaError], int] = {
    errors.InvalidError: 422,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.TooLargeError: 413,
    errors.UnreachableError: 503,
    errors.ConfigurationError: 503,
    errors.AuditError: 503,
    errors.UpstreamError: 502,
}
"""ConfigurationError is 503 here: it means that this Jupyter was started without its gateway."""


def _query_of(query: str) -> str:
    """Leave out the bare number that JupyterLab puts behind an address so that no cache answers."""
    return "&".join(part for part in query.split("&") if not part.isdecimal())


class AthenaHandler(APIHandler):  # type: ignore[misc]  # jupyter_server ships no types
    """What every route shares: the door to the gateway, and errors as `ErrorBody`."""

    @property
    def door(self) -> GatewayDoor:
        """Give the connection to the gateway that the extension made at its start."""
        door: GatewayDoor = self.settings["athena_gateway"]
        return door

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with `ErrorBody`; a fault of our own is logged with its trace under the id that it carries."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        self.set_header("Content-Type", "application/json")
        if isinstance(error, errors.AthenaError):
            self.set_status(STATUS.get(type(error), 500))
            self.finish(body_of(error).model_dump_json())
            return
        error_id = None
        if isinstance(error, web.HTTPError):
            message = error.log_message or f"Cannot answer '{self.request.path}' (HTTP {status_code})."
            name = "HTTPError"
        else:
            error_id, name = uuid.uuid4().hex[:12], "PlatformError"
            self.log.error("Athena error %s", error_id, exc_info=kwargs.get("exc_info"))
            message = (
                f"Cannot answer '{self.request.path}': Athena's own fault '{error_id}'. "
                "Look for that id in the log of Jupyter Server and report it."
            )
        self.set_status(status_code)
        self.finish(ErrorBody(error=name, message=message, error_id=error_id).model_dump_json())

    def log_exception(self, kind: Any, value: Any, trace: Any) -> None:
        """Leave the user's mistakes out of the log; `write_error` logs ours."""
        if not isinstance(value, errors.AthenaError):
            super().log_exception(kind, value, trace)


class ProxyHandler(AthenaHandler):
    """`/athena/api/…`: the gateway's user routes, with the user's credential added on this side."""

    @web.authenticated  # type: ignore[untyped-decorator]  # tornado's types are not followed
    async def get(self, path: str) -> None:
        await self._forward(path)

    @web.authenticated  # type: ignore[untyped-decorator]  # as above
    async def post(self, path: str) -> None:
        await self._forward(path)

    @web.authenticated  # type: ignore[untyped-decorator]  # as above
    async def delete(self, path: str) -> None:
        await self._forward(path)

    async def _forward(self, path: str) -> None:
        method = self.request.method
        if not is_allowed(method, path):
            raise errors.NotFoundError(
                f"Cannot {method} '{path}': Athena serves no such route here. See ARCHITECTURE.md for those it does."
            )
        answer = await self.door.forward(
            method,
            path,
            query=_query_of(self.request.query),
            content=self.request.body,
            key=self.request.headers.get(KEY_HEADER),
        )
        if answer.is_error and not answer.content_type.startswith("application/json"):
            answer.raise_for_error()
        self.set_status(answer.status)
        self.set_header("Content-Type", answer.content_type or "application/json")
        self.finish(answer.content)


class DraftHandler(AthenaHandler):
    """`POST /athena/draft`: read the saved file as the user, upload it, and say what was found in it."""

    @web.authenticated  # type: ignore[untyped-decorator]  # as above
    async def post(self) -> None:
        try:
            request = DraftRequest.model_validate_json(self.request.body or b"{}")
        except ValidationError as error:
            raise errors.InvalidError(_faults_of(error)) from error
        upload = await collect(request, ContentsReader(self.contents_manager, request.path.strip("/")), lock)
        answer = await self.door.forward("POST", "bundles", content=upload.model_dump_json().encode())
        answer.raise_for_error()
        self.finish(Bundle.model_validate_json(answer.content).model_dump_json())


class ContentsHandler(AthenaHandler):
    """`GET /athena/contents/<run>.ipynb`: an output notebook in Jupyter's contents model, read-only.

    `rehearsals/<rehearsal>.ipynb` is that of a rehearsal.
    """

    @web.authenticated  # type: ignore[untyped-decorator]  # as above
    async def get(self, path: str) -> None:
        with_content = self.get_query_argument("content", "1") != "0"
        if not path.strip("/"):
            answer = await self._ask("runs")
            runs = TypeAdapter(tuple[RunSummary, ...]).validate_json(answer)
            self.finish(outputs.directory_model(runs, with_content=with_content))
            return
        found = outputs.route_of(path)
        if found is None:
            raise errors.NotFoundError(
                f"Cannot open '{path}': it names no run. Open a run's output from the Athena sidebar."
            )
        route, model = found
        run = model.model_validate_json(await self._ask(route))
        notebook = TypeAdapter(dict[str, Any]).validate_json(await self._ask(f"{route}/output"))
        self.finish(outputs.notebook_model(run, notebook if with_content else None))

    async def _ask(self, path: str) -> bytes:
        answer = await self.door.forward("GET", path)
        answer.raise_for_error()
        return answer.content


class CheckpointsHandler(AthenaHandler):
    """`GET /athena/contents/<run>.ipynb/checkpoints`: none, ever; JupyterLab asks before it opens a notebook."""

    @web.authenticated  # type: ignore[untyped-decorator]  # as above
    async def get(self, _path: str) -> None:
        self.finish("[]")


class VersionHandler(AthenaHandler):
    """`GET /athena/version`: the handshake."""

    @web.authenticated  # type: ignore[untyped-decorator]  # as above
    async def get(self) -> None:
        self.finish((await shake_hands(self.door)).model_dump_json())


HANDLERS: tuple[tuple[str, type[AthenaHandler]], ...] = (
    (r"/athena/api/(.*)", ProxyHandler),
    (r"/athena/draft", DraftHandler),
    (r"/athena/contents/(.+)/checkpoints/?", CheckpointsHandler),
    (r"/athena/contents/?(.*)", ContentsHandler),
    (r"/athena/version", VersionHandler),
)


def body_of(error: errors.AthenaError) -> ErrorBody:
    """Say an error on the wire."""
    faults = error.faults if isinstance(error, errors.InvalidError) else ()
    return ErrorBody(
        error=type(error).__name__,
        message=str(error),
        faults=tuple(FaultModel(field=fault.field, message=fault.message) for fault in faults),
    )


def _faults_of(error: ValidationError) -> list[errors.Fault]:
    return [
        errors.Fault(
            ".".join(map(str, item["loc"])), f"Cannot read the request: {item['msg']}. Reload the page and try again."
        )
        for item in error.errors()
    ]

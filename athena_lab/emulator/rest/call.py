"""A request as the handlers see it, and what turns handlers into routes."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from athena_lab.emulator.access import Principal
from athena_lab.emulator.faults import BigQueryError, dataset_not_found, engine_fault
from athena_lab.emulator.queries import Queries
from athena_lab.emulator.warehouse import Warehouse

logger = logging.getLogger(__name__)
_BODY_LIMIT = 64 * 1024**2
Answer = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who asks, for what, with which body."""

    warehouse: Warehouse
    queries: Queries
    principal: Principal
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    def integer(self, name: str, default: int | None = None) -> int | None:
        """Read a whole number of the query string; refuse anything else."""
        text = self.query.get(name)
        if text is None or text == "":
            return default
        try:
            return int(text)
        except ValueError as error:
            raise BigQueryError("invalid", f"Invalid value '{text}' for {name}", name) from error

    def several(self, name: str) -> list[str]:
        """Read a parameter that may come several times, or with commas between its values."""
        given = self.query.getlist(name) if isinstance(self.query, QueryParams) else [self.query.get(name, "")]
        return [part.strip() for text in given for part in text.split(",") if part.strip()]

    def format_options(self) -> dict[str, str]:
        """Read DataFormatOptions of the query string (formatOptions.NAME)."""
        start = "formatOptions."
        return {key.removeprefix(start): text for key, text in self.query.items() if key.startswith(start)}

    def flag(self, name: str) -> bool:
        """Read a boolean of the query string."""
        return self.query.get(name, "").lower() == "true"


Handler = Callable[[Call], Answer]
AsyncHandler = Callable[[Call], Awaitable[Answer]]


def route(path: str, method: str, handler: Handler | AsyncHandler, needs: str = "") -> Route:
    """Make a route of a handler, which runs in a thread unless it is a coroutine function.

    `needs` is the permission on the dataset or table of the path without which nobody gets to the handler; a
    handler of a route without one decides by itself.
    """

    async def endpoint(request: Request) -> Response:
        return await guarded(request, lambda: answer_call(request, handler, needs))

    endpoint.needs = needs  # type: ignore[attr-defined]  # read by tests: no road without a permission
    return Route(f"/bigquery/v2/projects/{{project}}{path}", endpoint, methods=[method])


async def answer_call(request: Request, handler: Handler | AsyncHandler, needs: str = "") -> Response:
    """Let a handler answer a request."""
    call = await read_call(request)
    call.warehouse.require_project(call.path["project"])
    call.warehouse.expire()
    if call.warehouse.is_hidden(call.path.get("dataset", ""), call.principal):
        raise dataset_not_found(call.warehouse.project, call.path["dataset"], call.warehouse.location)
    if needs:
        call.warehouse.require(call.principal, needs, call.path["dataset"], call.path.get("table"))
    if asyncio.iscoroutinefunction(handler):
        answer = await handler(call)
    else:
        answer = await run_in_threadpool(handler, call)
    return Response(status_code=204) if answer is None else JSONResponse(answer)


async def guarded(request: Request, work: Callable[[], Awaitable[Response]]) -> Response:
    """Answer with BigQuery's JSON whatever is refused or goes wrong."""
    try:
        return await work()
    except BigQueryError as fault:
        return JSONResponse(fault.body(), fault.status)
    except duckdb.Error as error:
        refusal = engine_fault(error)
        return JSONResponse(refusal.body(), refusal.status)
    except RecursionError:
        refusal = BigQueryError("invalid", "The request is too complex: it nests too deeply.")
        return JSONResponse(refusal.body(), refusal.status)
    except Exception:
        error_id = uuid.uuid4().hex
        logger.exception("error %s: %s %s", error_id, request.method, request.url.path)
        ours = BigQueryError("notImplemented", f"The embedded warehouse failed; its log says why under {error_id}.")
        return JSONResponse(ours.body(), ours.status)


async def read_call(request: Request) -> Call:
    """Read a request with its JSON body; refuse a body that is no object, or too large."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _BODY_LIMIT:
            raise BigQueryError("invalid", f"Request payload size exceeds the limit: {_BODY_LIMIT} bytes.")
    try:
        body = json.loads(raw) if raw else {}
    except ValueError as error:
        raise BigQueryError("invalid", f"Parse Error: the body is no JSON ({error})") from error
    if not isinstance(body, dict):
        raise BigQueryError("invalid", "Parse Error: the body is no JSON object")
    return call_of(request, body)


def call_of(request: Request, body: Mapping[str, Any]) -> Call:
    """Give the call that a request with this body is."""
    state = request.app.state
    principal: Principal = request.scope["principal"]
    return Call(
        state.warehouse, state.queries, principal, request.path_params, request.query_params, body, request.headers
    )

"""The gateway as an ASGI application: routes by subject, every one guarded but /healthz."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from athena_lab.gateway import (
    routes_about,
    routes_alerts,
    routes_backfills,
    routes_jobs,
    routes_rehearsals,
    routes_runs,
    routes_secrets,
    routes_versions,
    routes_worker,
)
from athena_lab.gateway.answers import answer_of
from athena_lab.gateway.services import Services
from athena_lab.gateway_api.wire import API_VERSION, ErrorBody

_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "The caller can mend it"},
    "5XX": {"model": ErrorBody, "description": "The platform's operators have to mend it"},
}


def make_app(services: Services | None = None) -> FastAPI:
    """Make the application; without `services` it only describes itself (the OpenAPI document)."""

    app = FastAPI(
        title="Athena gateway",
        version=str(API_VERSION),
        # Documentation is a file (docs/openapi.json), so that every route served is guarded.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=_ERRORS,
    )
    if services is not None:
        app.state.services = services
        app.state.guardian = services.guardian
    app.get("/healthz", tags=["about"], responses={})(get_health)
    of_jobs = (routes_jobs, routes_versions, routes_backfills, routes_alerts)
    for routes in (routes_about, *of_jobs, routes_rehearsals, routes_runs, routes_secrets, routes_worker):
        app.include_router(routes.router)
    app.add_exception_handler(HTTPException, _answer_unknown)
    app.add_middleware(SafeHeaders)
    return app


async def get_health() -> dict[str, str]:
    """Say that the gateway answers; needs no credential and tells nothing else."""
    return {"status": "ok"}


async def _answer_unknown(_request: Request, problem: Exception) -> Response:
    return answer_of(problem)


class SafeHeaders:
    """Forbid browsers to guess types and anybody to keep answers, on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, send_safely)

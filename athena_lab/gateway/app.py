"""The gateway as an ASGI application: routes by subject, every one guarded but /healthz."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from athena_lab.gateway import routes_about, routes_jobs, routes_runs, routes_worker
from athena_lab.gateway.answers import answer_of
from athena_lab.gateway.services import Services
from athena_lab.gateway_api.wire import API_VERSION, ErrorBody

_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "The caller can mend it"},
    "5XX": {"model": ErrorBody, "description": "The platform's operators have to mend it"},
}


def make_app(services: Services | None = None) -> FastAPI:
    """Make the application; without `services` it only describes itself (the OpenAPI document)."""

    @asynccontextmanager
    async def live(_app: FastAPI) -> AsyncIterator[None]:
        if services is not None:
            services.start()
        yield
        if services is not None:
            services.close()

    app = FastAPI(
        title="Athena gateway",
        version=str(API_VERSION),
        lifespan=live,
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
    for routes in (routes_about, routes_jobs, routes_runs, routes_worker):
        app.include_router(routes.router)
    app.add_exception_handler(HTTPException, _answer_unknown)
    app.middleware("http")(_add_headers)
    return app


async def get_health() -> dict[str, str]:
    """Say that the gateway answers; needs no credential and tells nothing else."""
    return {"status": "ok"}


async def _answer_unknown(_request: Request, problem: Exception) -> Response:
    return answer_of(problem)


async def _add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response

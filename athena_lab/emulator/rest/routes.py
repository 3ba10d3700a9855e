"""All REST routes, and the application that serves them behind the access check."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from athena_lab.emulator.access import AccessMiddleware, Guard
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.queries import Queries
from athena_lab.emulator.rest import data, datasets, jobs, policies, routines, tables, uploads
from athena_lab.emulator.rest.call import Answer, Call, route
from athena_lab.emulator.warehouse import Warehouse


def _service_account(call: Call) -> Answer:
    return {"kind": "bigquery#getServiceAccountResponse", "email": f"embedded@{call.warehouse.project}.local"}


async def _projects(request: Request) -> Response:
    project = request.app.state.warehouse.project
    entry = {
        "kind": "bigquery#project",
        "id": project,
        "numericId": "1",
        "projectReference": {"projectId": project},
        "friendlyName": project,
    }
    return JSONResponse({"kind": "bigquery#projectList", "projects": [entry], "totalItems": 1})


ROUTES: tuple[Route, ...] = (
    *jobs.ROUTES,  # first, because they are asked most and routes are tried in turn
    Route("/bigquery/v2/projects", _projects, methods=["GET"]),
    route("/serviceAccount", "GET", _service_account),
    *datasets.ROUTES,
    *policies.ROUTES,
    *tables.ROUTES,
    *routines.ROUTES,
    *data.ROUTES,
    *uploads.ROUTES,
)


async def _unknown(request: Request, error: Exception) -> Response:
    del error
    fault = BigQueryError(
        "notFound", f"Not found: {request.method} {request.url.path} is not served by the embedded warehouse."
    )
    return JSONResponse(fault.body(), fault.status)


def make_app(warehouse: Warehouse, guard: Guard) -> Starlette:
    """Make the REST application."""
    app = Starlette(
        routes=list(ROUTES),
        middleware=[Middleware(AccessMiddleware, guard=guard)],
        exception_handlers={404: _unknown, 405: _unknown},
    )
    app.state.warehouse = warehouse
    app.state.queries = Queries(warehouse)
    app.state.uploads = uploads.Uploads()
    return app

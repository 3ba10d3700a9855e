"""Routes of Airflow's workers: attempts of runs, their cells and outputs, and bundles."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from athena_lab.gateway.access import MEBIBYTE, WORKER, GuardedRoute, Recording, guard
from athena_lab.gateway.services import CurrentServices, Services
from athena_lab.gateway_api.worker import Attempt, AttemptRequest, CellEvent, Finish, Heartbeat, WaitAnswer, WaitQuery

LARGEST_OUTPUT = 100 * MEBIBYTE

router = APIRouter(prefix="/v1/worker", route_class=GuardedRoute, tags=["worker"])


@router.post("/waits")
@guard("wait.ask", WORKER, recording=Recording.BEFORE, is_polled=True)
def ask_waits(query: WaitQuery, services: CurrentServices) -> WaitAnswer:
    """Say which of the runs that wait for updates of tables may begin."""
    return services.waits.ask(query)


@router.post("/attempts")
@guard("attempt.begin", WORKER, recording=Recording.BEFORE)
def begin_attempt(request: AttemptRequest, services: CurrentServices) -> Attempt:
    """Give leave to execute a run; earlier attempts of it lose theirs."""
    return services.attempts.begin(request)


@router.post("/attempts/{run}/{attempt}/heartbeat")
@guard("attempt.heartbeat", WORKER, recording=Recording.BEFORE, is_polled=True)
def heartbeat(run: str, attempt: int, services: CurrentServices) -> Heartbeat:
    """Renew the run's token, and say whether it should stop."""
    return services.attempts.heartbeat(run, attempt)


@router.post("/attempts/{run}/{attempt}/cells", status_code=204)
@guard("attempt.cell", WORKER, recording=Recording.BEFORE, is_polled=True)
def report_cell(run: str, attempt: int, event: CellEvent, services: CurrentServices) -> None:
    """Record that a cell started, succeeded or failed."""
    services.attempts.report_cell(run, attempt, event)


@router.put("/attempts/{run}/{attempt}/output", status_code=204)
@guard("attempt.output", WORKER, recording=Recording.BEFORE, is_polled=True, limit_bytes=LARGEST_OUTPUT)
async def save_output(run: str, attempt: int, request: Request, services: CurrentServices) -> None:
    """Keep the output notebook as it is now."""
    await run_in_threadpool(_save, services, run, attempt, await request.body())


@router.post("/attempts/{run}/{attempt}/finish", status_code=204)
@guard("attempt.finish", WORKER, recording=Recording.BEFORE)
def finish_attempt(run: str, attempt: int, finish: Finish, services: CurrentServices) -> None:
    """End an attempt; its token is withdrawn."""
    services.attempts.finish(run, attempt, finish)
    services.watch.wake()
    services.rehearser.wake()


@router.get("/bundles/{content_hash}", response_class=Response)
@guard("bundle.fetch", WORKER)
def fetch_bundle(content_hash: str, services: CurrentServices) -> Response:
    """Give a bundle as a zip archive."""
    return Response(services.bundles.get(content_hash), media_type="application/zip")


def _save(services: Services, run: str, attempt: int, notebook: bytes) -> None:
    services.attempts.require(run, attempt)
    services.outputs.save(run, attempt, notebook)

"""Routes of runs, for people; a run's own credential may read that run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from athena_lab.errors import ConflictError, ForbiddenError
from athena_lab.gateway.access import USER, USER_OR_RUN, Act, CurrentAct, GuardedRoute, RequestKey, guard
from athena_lab.gateway.policy import may_read_run, require_owner
from athena_lab.gateway.services import CurrentServices, Services
from athena_lab.gateway_api.jobs import JobState, Run, RunRequest, RunSummary
from athena_lab.jobs.request_keys import Keep, KeyedRequest

MOST_LISTED = 500

router = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["runs"])


@router.post("/jobs/{job}/runs")
@guard("run.request", USER)
def run_job(job: str, request: RunRequest, act: CurrentAct, services: CurrentServices, key: RequestKey = None) -> Run:
    """Run a job now; the same request with the same key gives the run that it started the first time."""
    asked = KeyedRequest(act.principal.user, key, f"run {job}", request)
    begin = partial(_start, services, act, job, request)
    run = services.keys.once(asked, begin, services.runs.find_requested)
    services.watch.wake()
    return _with_output(services, run)


def _start(services: Services, act: Act, job: str, request: RunRequest, keep: Keep) -> Run:
    known = services.promoter.job(job)
    require_owner(act.principal, f"the job '{job}'", owner=known.owner)
    if known.state is not JobState.ACTIVE:
        raise ConflictError(f"Cannot run '{known.name}': it is {known.state.value}. Resume it, or deploy it again.")
    return services.runs.request_run(job, request, act.principal, act.audit, keep)


@router.get("/runs")
@guard("run.list", USER, is_polled=True)
def list_runs(
    act: CurrentAct,
    services: CurrentServices,
    job_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 50,
) -> Sequence[RunSummary]:
    """List the caller's runs, the newest first."""
    return services.runs.list(act.principal.user, job_id, limit)


@router.get("/runs/{run}")
@guard("run.read", USER_OR_RUN, is_polled=True)
def get_run(run: str, act: CurrentAct, services: CurrentServices) -> Run:
    """Give a run with its cells, attempts and parameters."""
    owner = services.runs.owner_of(run)
    if not may_read_run(act.principal, run_id=run, owner=owner):
        raise ForbiddenError(f"Cannot show the run '{run}': it belongs to somebody else. Ask its owner.")
    return _with_output(services, services.runs.get(run))


@router.get("/runs/{run}/output", response_class=Response)
@guard("run.output", USER)
def get_output(run: str, act: CurrentAct, services: CurrentServices) -> Response:
    """Give a run's output notebook, partial while it runs."""
    require_owner(act.principal, f"the run '{run}'", owner=services.runs.owner_of(run))
    return Response(services.outputs.latest(run), media_type="application/json")


@router.post("/runs/{run}/cancel")
@guard("run.cancel", USER)
def cancel_run(run: str, act: CurrentAct, services: CurrentServices) -> Run:
    """Ask a run to stop."""
    require_owner(act.principal, f"the run '{run}'", owner=services.runs.owner_of(run))
    cancelled = services.runs.cancel(run, act.audit)
    services.watch.wake()
    return _with_output(services, cancelled)


def _with_output(services: Services, run: Run) -> Run:
    return run.model_copy(update={"has_output": services.outputs.exists(run.id)})

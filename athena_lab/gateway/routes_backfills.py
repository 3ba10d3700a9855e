"""Routes of a job's backfills."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter

from athena_lab.errors import ConflictError
from athena_lab.gateway.access import USER, Act, CurrentAct, GuardedRoute, RequestKey, guard
from athena_lab.gateway.routes_jobs import require_own
from athena_lab.gateway.services import CurrentServices, Services
from athena_lab.gateway_api.backfills import Backfill, BackfillPreview, BackfillRequest
from athena_lab.gateway_api.jobs import JobState
from athena_lab.gateway_api.wire import Principal
from athena_lab.jobs.request_keys import Keep, KeyedRequest
from athena_lab.jobs.spec import JobSpec

router = APIRouter(prefix="/v1/jobs", route_class=GuardedRoute, tags=["backfills"])


@router.post("/{job}/backfill/preview")
@guard("backfill.preview", USER, is_polled=True)
def preview_backfill(job: str, request: BackfillRequest, act: CurrentAct, services: CurrentServices) -> BackfillPreview:
    """Give the runs that a backfill would make, or all its faults."""
    return services.stewards.backfills.preview(_own_spec(services, job, act.principal), request)


@router.post("/{job}/backfill")
@guard("backfill.create", USER)
def create_backfill(
    job: str, request: BackfillRequest, act: CurrentAct, services: CurrentServices, key: RequestKey = None
) -> Backfill:
    """Run a job for each fire of a span of the past; a key keeps it once however often it is sent."""
    spec = _own_spec(services, job, act.principal)
    asked = KeyedRequest(act.principal.user, key, f"backfill {job}", request)
    begin = partial(_start, services, act, spec, request)
    backfill = services.keys.once(asked, begin, partial(services.stewards.backfills.find_requested, spec, request))
    services.watch.wake()
    return backfill


def _start(services: Services, act: Act, spec: JobSpec, request: BackfillRequest, keep: Keep) -> Backfill:
    state = services.promoter.job(spec.id).state
    if state is not JobState.ACTIVE:
        raise ConflictError(f"Cannot backfill '{spec.name}': it is {state.value}. Resume it, or deploy it again.")
    return services.stewards.backfills.create(spec, request, act.audit, keep)


@router.get("/{job}/backfills")
@guard("backfill.list", USER, is_polled=True)
def list_backfills(job: str, act: CurrentAct, services: CurrentServices) -> Sequence[Backfill]:
    """List a job's latest backfills and how far they are, the newest first."""
    return services.stewards.backfills.list(_own_spec(services, job, act.principal))


@router.post("/{job}/backfills/{backfill}/cancel")
@guard("backfill.cancel", USER)
def cancel_backfill(job: str, backfill: int, act: CurrentAct, services: CurrentServices) -> Backfill:
    """End a backfill: runs that have begun go on, the others never begin."""
    return services.stewards.backfills.cancel(_own_spec(services, job, act.principal), backfill, act.audit)


def _own_spec(services: Services, job: str, principal: Principal) -> JobSpec:
    require_own(services, job, principal)
    return services.repository.spec(job)

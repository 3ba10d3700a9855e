"""Routes of rehearsals, for the people who asked for them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from athena_lab.gateway.access import USER, CurrentAct, GuardedRoute, RequestKey, guard
from athena_lab.gateway.policy import require_owner
from athena_lab.gateway.services import CurrentServices, Services
from athena_lab.gateway_api.rehearsals import Rehearsal, RehearsalRequest
from athena_lab.gateway_api.wire import Principal
from athena_lab.jobs.request_keys import KeyedRequest

LONGEST_WAIT_S = 20.0
LOOK_EVERY_S = 0.2
MOST_LISTED = 100

router = APIRouter(prefix="/v1/rehearsals", route_class=GuardedRoute, tags=["rehearsals"])


@router.post("")
@guard("rehearsal.request", USER)
def rehearse(
    request: RehearsalRequest, act: CurrentAct, services: CurrentServices, key: RequestKey = None
) -> Rehearsal:
    """Run a bundle once, now, with its writes in a scratch dataset; a key keeps it once however often it is sent."""
    asked = KeyedRequest(act.principal.user, key, "rehearse", request)
    begin = partial(services.rehearsals.request, request, act.principal, act.audit)
    rehearsal = services.keys.once(asked, begin, services.rehearsals.find_requested)
    services.watch.wake()
    return _with_output(services, rehearsal)


@router.get("")
@guard("rehearsal.list", USER, is_polled=True)
def list_rehearsals(
    act: CurrentAct,
    services: CurrentServices,
    bundle: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 10,
) -> Sequence[Rehearsal]:
    """List the caller's rehearsals, of one bundle or of all, the newest first."""
    found = services.rehearsals.list_newest(act.principal.user, bundle, limit)
    return [_with_output(services, one) for one in found]


@router.get("/{rehearsal}")
@guard("rehearsal.read", USER, is_polled=True)
async def get_rehearsal(
    rehearsal: str,
    act: CurrentAct,
    services: CurrentServices,
    wait_s: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 0,
) -> Rehearsal:
    """Give a rehearsal; with `wait_s` answer once it changes or time is up. No thread waits meanwhile."""
    deadline = time.monotonic() + wait_s
    first = seen = await run_in_threadpool(_get, services, rehearsal, act.principal)
    while seen == first and not seen.state.is_final and time.monotonic() < deadline:
        await anyio.sleep(LOOK_EVERY_S)
        seen = await run_in_threadpool(_get, services, rehearsal, act.principal)
    return seen


@router.get("/{rehearsal}/output", response_class=Response)
@guard("rehearsal.output", USER)
def get_rehearsal_output(rehearsal: str, act: CurrentAct, services: CurrentServices) -> Response:
    """Give a rehearsal's output notebook, partial while it runs."""
    _require_own(services, rehearsal, act.principal)
    return Response(services.outputs.latest(rehearsal), media_type="application/json")


@router.post("/{rehearsal}/cancel")
@guard("rehearsal.cancel", USER)
def cancel_rehearsal(rehearsal: str, act: CurrentAct, services: CurrentServices) -> Rehearsal:
    """Ask a rehearsal to stop."""
    _require_own(services, rehearsal, act.principal)
    cancelled = services.rehearsals.cancel(rehearsal, act.audit)
    services.watch.wake()
    return _with_output(services, cancelled)


def _get(services: Services, rehearsal: str, principal: Principal) -> Rehearsal:
    _require_own(services, rehearsal, principal)
    return _with_output(services, services.rehearsals.get(rehearsal))


def _require_own(services: Services, rehearsal: str, principal: Principal) -> None:
    require_owner(principal, f"the rehearsal '{rehearsal}'", owner=services.rehearsals.owner_of(rehearsal))


def _with_output(services: Services, rehearsal: Rehearsal) -> Rehearsal:
    return rehearsal.model_copy(update={"has_output": services.outputs.exists(rehearsal.id)})

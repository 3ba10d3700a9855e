"""Routes of a job's alerts: what became of those that were sent, and a test of all of them."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from athena_lab.gateway.access import USER, CurrentAct, GuardedRoute, guard
from athena_lab.gateway.routes_jobs import require_own
from athena_lab.gateway.services import CurrentServices
from athena_lab.gateway_api.alerts import AlertDelivery

router = APIRouter(prefix="/v1/jobs", route_class=GuardedRoute, tags=["alerts"])


@router.get("/{job}/alerts")
@guard("alert.list", USER, is_polled=True)
def list_deliveries(job: str, act: CurrentAct, services: CurrentServices) -> Sequence[AlertDelivery]:
    """List what became of a job's latest alerts, the newest first."""
    require_own(services, job, act.principal)
    return services.stewards.alerts.deliveries(job)


@router.post("/{job}/alerts/test")
@guard("alert.test", USER)
def test_alerts(job: str, act: CurrentAct, services: CurrentServices) -> Sequence[AlertDelivery]:
    """Send a test of each of a job's alerts; its state is told by the list."""
    require_own(services, job, act.principal)
    spec = services.repository.spec(job)
    act.audit("alert.test", {})
    deliveries = services.stewards.alerts.test(spec)
    services.steward.wake()
    return deliveries

"""Routes about the caller and the platform: version, identity, warehouse token, catalog."""

from __future__ import annotations

from fastapi import APIRouter

from athena_lab import __version__
from athena_lab.gateway.access import USER_OR_RUN, CurrentAct, GuardedRoute, guard
from athena_lab.gateway.services import CurrentServices
from athena_lab.gateway_api.warehouse import Catalog, WarehouseToken
from athena_lab.gateway_api.wire import Principal, Version

router = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["about"])


@router.get("/version")
@guard("version.read", USER_OR_RUN, is_polled=True)
def get_version(services: CurrentServices) -> Version:
    """Say which software answers, and whether the machine keeps users apart."""
    return Version(version=__version__, is_isolated=services.settings.is_isolated)


@router.get("/me")
@guard("me.read", USER_OR_RUN, is_polled=True)
def get_me(act: CurrentAct) -> Principal:
    """Say who the caller is."""
    return act.principal


@router.post("/warehouse/token")
@guard("warehouse.token", USER_OR_RUN)
def make_warehouse_token(act: CurrentAct, services: CurrentServices) -> WarehouseToken:
    """Give the caller a short-lived token for the warehouse."""
    return services.tables.token_for(act.principal)


@router.get("/catalog")
@guard("catalog.read", USER_OR_RUN)
def get_catalog(act: CurrentAct, services: CurrentServices) -> Catalog:
    """List the tables that the caller may see."""
    return services.tables.read_catalog(act.principal)

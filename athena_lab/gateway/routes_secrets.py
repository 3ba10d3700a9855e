"""Routes of a user's secrets: set, named and deleted by their user, never read back."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from athena_lab.gateway.access import USER, CurrentAct, GuardedRoute, guard
from athena_lab.gateway.services import CurrentServices
from athena_lab.gateway_api.secrets import SecretName, SecretValue

router = APIRouter(prefix="/v1/secrets", route_class=GuardedRoute, tags=["secrets"])


@router.get("")
@guard("secret.list", USER, is_polled=True)
def list_secrets(act: CurrentAct, services: CurrentServices) -> Sequence[SecretName]:
    """List the names of the caller's secrets."""
    return services.stewards.vault.names(act.principal.user)


@router.put("/{name}")
@guard("secret.set", USER)
def set_secret(name: str, secret: SecretValue, act: CurrentAct, services: CurrentServices) -> SecretName:
    """Keep a secret of the caller's under a name, in place of a former one."""
    act.audit("secret.set", {})
    return services.stewards.vault.set(act.principal.user, name, secret.value.get_secret_value())


@router.delete("/{name}", status_code=204)
@guard("secret.delete", USER)
def delete_secret(name: str, act: CurrentAct, services: CurrentServices) -> None:
    """Forget a secret of the caller's; runs that need it fail from now on."""
    act.audit("secret.delete", {})
    services.stewards.vault.delete(act.principal.user, name)

"""The handshake between browser, labserver and gateway: who answers and whether they speak the same API."""

from __future__ import annotations

from athena_lab import __version__
from athena_lab.errors import AthenaError
from athena_lab.gateway_api.wire import API_VERSION, ErrorBody, Version, Wire
from athena_lab.labserver.gateway import GatewayDoor


class Handshake(Wire):
    """The labserver's version and API number, and the gateway's, or the error that keeps it away."""

    labserver: str = __version__
    api: int = API_VERSION
    gateway: Version | None = None
    error: ErrorBody | None = None


async def shake_hands(door: GatewayDoor) -> Handshake:
    """Ask the gateway for its version; an absent gateway is part of the answer, not a failure."""
    try:
        answer = await door.forward("GET", "version")
        answer.raise_for_error()
        return Handshake(gateway=Version.model_validate_json(answer.content))
    except AthenaError as error:
        return Handshake(error=ErrorBody(error=type(error).__name__, message=str(error)))
    except ValueError as error:
        # A gateway of another number may answer with fields that this one does not know.
        message = "Cannot understand the gateway's version: it is of another release. Update Athena on both sides."
        return Handshake(error=ErrorBody(error=type(error).__name__, message=message))

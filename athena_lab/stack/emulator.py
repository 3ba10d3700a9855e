"""The emulator (the embedded BigQuery) as a process of the stack."""

from __future__ import annotations

from athena_lab.stack.place import Place, athena, base_environment
from athena_lab.stack.process import Process
from athena_lab.stack.readiness import has_logged


def emulator(place: Place) -> Process:
    """Describe the emulator; it has no route without a token, so its own word tells that both ports answer."""
    home, ports = place.home, place.ports
    words = ["--port", str(ports["emulator"]), "--grpc-port", str(ports["emulator-grpc"])]
    words += ["--data", str(home.emulator), "--jwks", str(home.jwks), "--revoked", str(home.revoked)]
    return Process(
        name="emulator",
        argv=athena("emulator", *words),
        account=place.accounts.of("emulator"),
        directory=home.emulator,
        environment=base_environment(place, "emulator", home.emulator),
        is_ready=has_logged("emulator ready on"),
    )

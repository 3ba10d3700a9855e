"""The gateway as a process of the stack."""

from __future__ import annotations

from athena_lab.stack.place import Place, athena, base_environment
from athena_lab.stack.process import Process
from athena_lab.stack.readiness import answers_http


def gateway(place: Place) -> Process:
    """Describe the gateway; every ATHENA_* of the caller that does not contradict the stack goes on to it."""
    home, ports = place.home, place.ports
    passed = {name: value for name, value in place.environ.items() if name.startswith("ATHENA_")}
    environment = passed | base_environment(place, "gateway", home.gateway)
    environment |= {
        "ATHENA_GATEWAY_PORT": str(ports["gateway"]),
        "ATHENA_AIRFLOW_URL": place.url("api-server"),
        "ATHENA_WAREHOUSE_URL": place.url("emulator"),
        "ATHENA_LAB_URL": passed.get("ATHENA_LAB_URL") or (place.url("lab") if "lab" in ports else ""),
        "ATHENA_WAREHOUSE_GRPC": f"127.0.0.1:{ports['emulator-grpc']}",
    }
    return Process(
        name="gateway",
        argv=athena("gateway"),
        account=place.accounts.of("gateway"),
        directory=home.gateway,
        environment=environment,
        is_ready=answers_http(ports["gateway"], "/healthz"),
        # Airflow's user reads what the gateway pushes to the jobs repository, everybody its public keys; what is
        # secret lies in gateway/, which nobody else can enter.
        umask=0o022,
    )

"""A real gateway and a real emulator on free ports, for the tests of warehouse, kernel and notebooks."""

import contextlib
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from athena_lab.gateway.keys import add_user, prepare_secrets
from athena_lab.settings import Home, Settings

DEADLINE_S = 60.0


@dataclass
class Parts:
    """Where the parts answer, and what a kernel's environment must say."""

    home: Home
    gateway_url: str
    emulator_url: str
    token_file: Path
    environment: dict[str, str]

    @property
    def settings(self) -> Settings:
        return Settings(gateway_url=self.gateway_url, token_file=self.token_file)


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def start_with(python):
    """Give the starter of processes by an interpreter that has the platform's packages."""

    def start(module, arguments, environment, log):
        with log.open("ab") as output:
            command = [python, "-m", module, *arguments]
            return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)

    return start


def start_from(nursery):
    """Give the starter of processes by the tests' nursery."""
    return lambda module, arguments, environment, log: nursery.start(f"{module}:main", arguments, environment, log)


@contextlib.contextmanager
def running(process, url, log):
    """Keep a process until the block ends; yields once `url` answers."""
    try:
        wait_until(lambda: process.poll() is not None or answers(url), f"'{url}' does not answer; see {log}")
        assert process.poll() is None, log.read_text()[-2000:]
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url):
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code < 500
    except httpx.HTTPError:
        return False


def wait_until(is_true, message, deadline_s=DEADLINE_S):
    end = time.monotonic() + deadline_s
    wait_s = 0.01
    while not is_true():
        assert time.monotonic() < end, message
        time.sleep(wait_s)  # between two looks at a condition with a deadline
        wait_s = min(wait_s * 1.5, 0.25)


@contextlib.contextmanager
def running_parts(folder, start):
    """Run both, with their state in `folder`; `start` is one of the starters above."""
    home = Home(folder)
    prepare_secrets(home.gateway, home.public)
    token_file = home.analyst / "token"
    home.analyst.mkdir()
    token_file.write_text("analyst-token-of-a-test-only-0123456789")
    token_file.chmod(0o600)
    add_user(home.gateway / "users.json", "analyst", (), token_file.read_text())
    rest, grpc, gateway = free_ports(3)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ATHENA_", "GOOGLE_"))}
    emulator_url, gateway_url = f"http://127.0.0.1:{rest}", f"http://127.0.0.1:{gateway}"
    places = {"ATHENA_WAREHOUSE_URL": emulator_url, "ATHENA_WAREHOUSE_GRPC": f"127.0.0.1:{grpc}"}
    of_emulator = ["--port", str(rest), "--grpc-port", str(grpc), "--data", str(home.emulator)]
    of_emulator += ["--jwks", str(home.jwks), "--revoked", str(home.revoked)]
    of_gateway = ["--home", str(folder), "--port", str(gateway)]
    logs = [folder / "emulator.log", folder / "gateway.log"]
    emulator = start("athena_lab.emulator.main", of_emulator, environment, logs[0])
    with running(emulator, f"{emulator_url}/healthz", logs[0]):
        started = start("athena_lab.gateway.main", of_gateway, environment | places, logs[1])
        with running(started, f"{gateway_url}/healthz", logs[1]):
            kernels = environment | {"ATHENA_GATEWAY_URL": gateway_url, "ATHENA_TOKEN_FILE": str(token_file)}
            yield Parts(home, gateway_url, emulator_url, token_file, kernels)


@pytest.fixture(scope="session")
def parts(tmp_path_factory, nursery):
    """The gateway and the emulator, empty at first."""
    with running_parts(tmp_path_factory.mktemp("parts"), start_from(nursery)) as found:
        yield found


@pytest.fixture(scope="session")
def warehouse(parts):
    """A client of the warehouse as the analyst."""
    from athena_lab.gateway_api.client import GatewayClient
    from athena_lab.warehouse.connect import connect

    with GatewayClient.from_settings(parts.settings) as gateway:
        client = connect(gateway, labels={"athena_user": "analyst"})
        yield client
        client.close()


@pytest.fixture(scope="session")
def sampled(warehouse):
    """The warehouse with a small sample in it: its first and last half hours are those of the plan."""
    from athena_lab.warehouse.sample import Plan, load_sample

    load_sample(warehouse, plan=Plan(customers=20))
    return warehouse

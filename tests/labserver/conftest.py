"""A real Jupyter Server with the extension, as a process, and a gateway's stand-in (see gateway_double.py)."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest

HERE = Path(__file__).parent
START_S = 60


def free_port() -> int:
    """Give a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
    """Wait for a condition with a deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)


def end(process: subprocess.Popen[Any]) -> None:
    """End a process that this test started."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


@dataclass(frozen=True)
class Gateway:
    """The stand-in: where it is, whom it believes, and its switches."""

    url: str
    token: str

    def control(self, **changes: Any) -> dict[str, Any]:
        """Change its behaviour; give what it has seen."""
        answer: dict[str, Any] = httpx.post(f"{self.url}/control", json=changes, trust_env=False).json()
        return answer


@dataclass(frozen=True)
class Jupyter:
    """A running Jupyter Server."""

    url: str
    token: str
    root: Path
    log: Path

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask as its user (a token in the header needs no XSRF cookie)."""
        headers = {"Authorization": f"token {self.token}"}
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=30, trust_env=False, **options)

    def write(self, name: str, *sources: str, **metadata: Any) -> str:
        """Write a notebook of code cells; give its contents path."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in sources],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}} | metadata,
        )
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return name


def start_gateway(port: int, token: str) -> subprocess.Popen[str]:
    """Start the stand-in and wait until it serves."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "gateway_double.py"), str(port), token], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def environment_of(home: Path, gateway: Gateway) -> dict[str, str]:
    """Give Jupyter folders of its own and the gateway's address."""
    token_file = home / "token"
    token_file.write_text(gateway.token)
    folders = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    configuration = home / "config" / "jupyter_server_config.json"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(json.dumps({"ServerApp": {"jpserver_extensions": {"athena_lab": True}}}))
    return os.environ | folders | {"ATHENA_GATEWAY_URL": gateway.url, "ATHENA_TOKEN_FILE": str(token_file)}


def start_jupyter(
    application: str, home: Path, environ: dict[str, str], *options: str
) -> tuple[Jupyter, subprocess.Popen[bytes]]:
    """Start Jupyter Server (or Lab) on a free port and wait until it answers."""
    port, token, root = free_port(), secrets.token_hex(16), home / "work"
    root.mkdir()
    log = home / "jupyter.log"
    command = [sys.executable, "-m", application]
    command += ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environ, stdout=output, stderr=output, cwd=home)
    jupyter = Jupyter(f"http://127.0.0.1:{port}", token, root, log)

    def is_up() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return jupyter.request("GET", "/api/status").is_success
        except httpx.TransportError:
            return False

    wait_until(is_up, "Jupyter answers")
    return jupyter, process


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """Give a running stand-in of the gateway."""
    found = Gateway(f"http://127.0.0.1:{(port := free_port())}", secrets.token_hex(16))
    process = start_gateway(port, found.token)
    yield found
    end(process)
    assert process.stdout
    process.stdout.close()


@pytest.fixture(scope="session")
def jupyter(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """Give a running Jupyter Server with the extension."""
    home = tmp_path_factory.mktemp("jupyter")
    found, process = start_jupyter(
        "jupyter_server", home, environment_of(home, gateway), "--ServerApp.allow_unauthenticated_access=False"
    )
    yield found
    end(process)


@pytest.fixture(scope="session")
def lonely_jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """Give a running Jupyter Server whose gateway does not answer."""
    home = tmp_path_factory.mktemp("lonely")
    nobody = Gateway(f"http://127.0.0.1:{free_port()}", "none")
    found, process = start_jupyter("jupyter_server", home, environment_of(home, nobody))
    yield found
    end(process)

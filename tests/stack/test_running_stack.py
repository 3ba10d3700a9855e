"""A whole stack on a fresh home: how fast, how big, what it answers, how it recovers and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from athena_lab.errors import UnreachableError
from athena_lab.settings import Home
from athena_lab.stack import Options, down, is_running, start
from athena_lab.stack.processes import is_alive, list_processes
from athena_lab.stack.status import format_status, read_status

pytestmark = pytest.mark.stack
COLD_START_S = 120
BINDER_BYTES = 2 * 2**30
AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer")


def _athena(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "athena_lab.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def _processes_of(home: Home) -> list[int]:
    """Find by the mark in their environment what a stack has started."""
    mark = f"ATHENA_STACK={home.root}".encode()
    found = []
    for pid in list_processes():
        try:
            if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
        except OSError:
            continue
    return found


def _get(url: str, token: str) -> dict:
    request = urllib.request.Request(url, headers={"Authorization": f"token {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_cold_start_is_measured_and_within_reason(stack, record_property, capsys):
    record_property("cold_start_s", stack.record.ready_s)
    with capsys.disabled():
        print(f"\ncold start: {stack.record.ready_s} s")
    assert stack.record.ready_s < COLD_START_S


def test_idle_stack_fits_into_the_memory_of_binder(stack, record_property, capsys):
    memory = read_status(stack.home)["memory_bytes"]
    record_property("memory_bytes", memory)
    with capsys.disabled():
        print(f"\nidle memory: {memory / 2**20:.0f} MB")
    assert 0 < memory < BINDER_BYTES


def test_status_names_every_process_and_whether_users_are_isolated(stack):
    text = format_status(read_status(stack.home))
    for name in (*("postgres", "gateway", "emulator", "lab"), *AIRFLOW):
        assert f"\n{name} " in f"\n{text}"
    isolated = "isolated: each part runs as a user of its own"
    plain = "not isolated: everything runs as one user"
    assert (isolated if os.geteuid() == 0 else plain) in text
    assert stack.lab_token in text
    assert stack.lab_token not in (stack.home.root / "stack.json").read_text()


def test_gateway_and_status_agree_on_isolation(stack):
    token = stack.token_file.read_text().strip()
    request = urllib.request.Request(f"{stack.url('gateway')}/v1/version", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["is_isolated"] is (os.geteuid() == 0)


def test_lab_offers_the_athena_kernel_first(stack):
    lab = stack.url("lab").split("/lab")[0]
    kernels = _get(f"{lab}/api/kernelspecs", stack.lab_token)
    assert kernels["default"] == "athena"
    assert kernels["kernelspecs"]["athena"]["spec"]["display_name"] == "Athena (Python 3)"


def test_second_up_is_refused_naming_the_address_of_the_first(stack):
    answer = _athena("up", "--no-browser", "--home", str(stack.home.root))
    assert answer.returncode == 1
    assert stack.url("lab") in answer.stderr
    assert "Traceback" not in answer.stderr


def test_port_that_is_taken_is_refused_before_anything_starts(home):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        answer = _athena("up", "--no-browser", "--port", str(port), "--home", str(home.root))
    assert answer.returncode == 1
    assert f"port '{port}'" in answer.stderr
    assert _processes_of(home) == []


def test_killed_gateway_is_back_on_its_port(stack, wait_until):
    def gateway():
        return next(process for process in stack.record.processes if process.name == "gateway")

    former = gateway()
    os.kill(former.pid, signal.SIGKILL)
    wait_until(lambda: gateway().state == "ready" and gateway().pid != former.pid, 60)
    assert (gateway().port, gateway().restarts) == (former.port, former.restarts + 1)
    assert urllib.request.urlopen(f"{stack.url('gateway')}/healthz", timeout=10).status == 200


def test_logs_of_an_unknown_process_are_refused_naming_the_known_ones(stack):
    answer = _athena("logs", "nobody", "--home", str(stack.home.root))
    assert answer.returncode == 1
    assert "scheduler" in answer.stderr
    assert "ready" in _athena("logs", "postgres", "--home", str(stack.home.root)).stdout


# -- ends, each with a stack of its own on the same home: from the second start on the database is there


@pytest.mark.story
def test_stack_ends_and_starts_again_however_it_was_ended(home, wait_until):
    first = start(home, Options(has_lab=False))
    os.kill(first.process.pid, signal.SIGINT)
    assert first.process.wait(timeout=60) == 0
    assert _processes_of(home) == []
    assert not is_running(home)

    second = start(home, Options(has_lab=False))
    recorded = [(process.pid, process.start) for process in second.record.processes if process.pid]
    os.kill(second.process.pid, signal.SIGKILL)
    second.process.wait()
    # Without waiting: the next start finds and stops what the killed supervisor left, or it is gone already.
    third = start(home, Options(has_lab=False))
    assert not [pid for pid, began in recorded if is_alive(pid, began)]

    assert _athena("down", "--home", str(home.root)).stdout == "Athena is stopped.\n"
    third.process.wait(timeout=10)
    assert _processes_of(home) == []
    assert not (home.root / "stack.json").exists()
    assert down(home) is False
    assert read_status(home)["state"] == "stopped"


def test_stack_that_cannot_start_says_why(home):
    home.root.mkdir()
    (home.root / "VERSION").write_text("99\n")
    with pytest.raises(Exception, match="Update Athena"):
        start(home)
    answer = _athena("up", "--no-browser", "--home", str(home.root))
    assert answer.returncode == 3
    assert "Update Athena" in answer.stderr


def test_start_that_fails_raises_the_supervisors_own_message(home):
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(UnreachableError, match="another program listens there"),
    ):
        start(home, Options(port=server.getsockname()[1]))

"""The gateway's command: what it makes, says, refuses, and how it ends."""

import os
import socket
import subprocess
import sys

import pytest

from athena_lab.gateway.main import main
from athena_lab.settings import Home


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "athena_lab.gateway.main", *arguments]
    env = {"PATH": os.environ["PATH"]} | environ
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_init_makes_the_secrets_and_ends(tmp_path, monkeypatch):
    monkeypatch.setenv("ATHENA_HOME", str(tmp_path / "home"))
    assert main(["--init"]) == 0
    home = Home(tmp_path / "home")
    assert sorted(path.name for path in home.gateway.iterdir()) == ["signing.key", "users.json", "worker.key"]
    assert sorted(path.name for path in home.root.iterdir()) == ["gateway", "public"]


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = run("--home", str(tmp_path), "--port", str(port))
    assert result.returncode == 1
    assert f"port '{port}' is not free" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("ATHENA_RUN_TOKEN_S", "soon"), ("ATHENA_CRASH_AT", "anywhere"), ("ATHENA_GATEWAY_PORT", "x")]
)
def test_a_setting_that_cannot_be_read_is_named(tmp_path, capsys, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert main(["--home", str(tmp_path)] + (["--port", "0"] if name != "ATHENA_GATEWAY_PORT" else [])) == 1
    assert name in capsys.readouterr().err


def test_sigterm_ends_it_in_order(make_gateway):
    gateway = make_gateway()
    gateway.start()
    gateway.ann.get_me()
    assert gateway.terminate() == 0
    assert "Traceback" not in gateway.log.read_text()
    assert gateway.records()[-1]["action"] == "me.read"


def test_it_says_whether_the_machine_keeps_users_apart(make_gateway):
    gateway = make_gateway(ATHENA_ISOLATED="1")
    gateway.start()
    assert gateway.ann.get_version().is_isolated


def test_a_second_gateway_on_the_same_home_is_refused(make_gateway, capsys):
    gateway = make_gateway()
    gateway.start()
    assert main(["--home", str(gateway.home.root), "--port", "0"]) == 1
    assert "audit.jsonl" in capsys.readouterr().err
    assert gateway.ann.get_version().is_isolated is False

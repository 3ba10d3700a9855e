"""What code of the analyst's or of a run's user can reach of a stack that root started: nothing of others."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from athena_lab.gateway_api import jobs
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.stack.accounts import launch_prefix, prepare_accounts
from athena_lab.stack.layout import sockets_folder

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes users; a plain user's stack is not isolated"),
]

# Tries everything that it is given and prints what it got; runs as the attacker, with the standard library alone.
PROBE = """
import ctypes, json, os, socket, sys
targets, got = json.load(sys.stdin), []
def attempt(name, action):
    try:
        action()
    except (OSError, PermissionError):
        return
    got.append(name)
def read(path):
    with open(path, "rb") as file:
        file.read(1)
def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
def trace(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, pid, 0, 0) != 0:
        raise PermissionError
for path in targets["files"]:
    attempt("read " + path, lambda: read(path))
for path in targets["folders"]:
    attempt("list " + path, lambda: os.listdir(path))
    attempt("write " + path, lambda: open(os.path.join(path, "planted"), "w"))
for path in targets["sockets"]:
    attempt("connect " + path, lambda: connect(path))
for pid in targets["pids"]:
    for name in ("environ", "mem", "maps"):
        attempt(f"read /proc/{pid}/{name}", lambda: read(f"/proc/{pid}/{name}"))
    attempt(f"list /proc/{pid}/fd", lambda: os.listdir(f"/proc/{pid}/fd"))
    attempt(f"signal {pid}", lambda: os.kill(pid, 0))
    attempt(f"trace {pid}", lambda: trace(pid))
attempt("become root", lambda: os.setuid(0))
print(json.dumps({"got": got, "uid": os.getuid()}))
"""

SECRETS = {
    "gateway": ("signing.key", "worker.key", "airflow.password", "users.json", "audit.jsonl", "runs.sqlite"),
    "airflow": ("airflow.cfg", "fernet.key", "jwt.secret", "api.secret", "passwords.json"),
    "worker": ("worker.key",),
    "emulator": ("warehouse.duckdb",),
    "postgres": ("data/PG_VERSION", "data/postmaster.pid"),
    "analyst": ("token", "lab.token"),
}


def _status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _targets(stack, *, spare: str | None) -> dict[str, list]:
    root = stack.home.root
    folders = [name for name in (*SECRETS, "workspace") if spare != "analyst" or name not in ("analyst", "workspace")]
    files = [str(root / name / file) for name in folders for file in SECRETS.get(name, ())]
    sockets = sockets_folder(stack.home, prepare_accounts())
    pids = [p.pid for p in stack.record.processes if p.pid and not (spare == "analyst" and p.name == "lab")]
    return {
        "files": [*files, "/etc/shadow"],
        "folders": [str(root / name) for name in folders] + [str(root), str(root / "public"), str(root / "jobs")],
        "sockets": [str(sockets / "postgres" / ".s.PGSQL.5432"), str(sockets / "airflow" / "redis.sock")],
        "pids": [*pids, stack.record.pid],
    }


@pytest.mark.parametrize("role", ["analyst", "run"])
def test_user_code_reaches_no_key_database_socket_or_process_of_the_platform(stack, role):
    targets = _targets(stack, spare=role)
    account = prepare_accounts().of(role)
    answer = subprocess.run(
        [*launch_prefix(account, is_isolated=True), sys.executable, "-I", "-S", "-c", PROBE],
        input=json.dumps(targets),
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env={},
    )
    result = json.loads(answer.stdout)
    allowed = {f"list {stack.home.root / name}" for name in ("", "public", "jobs")}
    assert result["uid"] == account.uid
    assert set(result["got"]) - allowed == set()


def test_targets_of_the_probe_exist(stack):
    """Else the attempts above would fail for want of a target, not for want of a right."""
    targets = _targets(stack, spare=None)
    for path in [*targets["files"], *targets["folders"], targets["sockets"][0]]:
        assert os.path.lexists(path), path
    assert len(targets["pids"]) >= 8


def test_no_secret_is_in_an_environment_or_on_a_command_line(stack):
    root = stack.home.root
    secrets = [
        (root / name / file).read_text().strip()
        for name, file in (
            ("gateway", "worker.key"),
            ("gateway", "airflow.password"),
            ("airflow", "fernet.key"),
            ("airflow", "jwt.secret"),
            ("airflow", "api.secret"),
            ("analyst", "token"),
            ("analyst", "lab.token"),
        )
    ]
    for process in stack.record.processes:
        if process.pid is None:
            continue
        proc = Path(f"/proc/{process.pid}")
        shown = (proc / "environ").read_text() + (proc / "cmdline").read_text()
        assert not [secret for secret in secrets if secret in shown], process.name


def test_no_secret_is_in_a_log(stack):
    root = stack.home.root
    secrets = [
        (root / name).read_text().strip()
        for name in (
            "gateway/worker.key",
            "gateway/airflow.password",
            "airflow/fernet.key",
            "airflow/jwt.secret",
            "airflow/api.secret",
            "analyst/token",
        )
    ]
    for log in stack.home.logs.glob("*.log"):
        text = log.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], log.name


def test_each_process_runs_as_the_user_of_its_role(stack):
    accounts = prepare_accounts()
    roles = {"postgres": "postgres", "gateway": "gateway", "emulator": "emulator", "lab": "analyst"}
    for process in stack.record.processes:
        if process.pid is not None:
            # Not the owner of the folder in /proc: that of a process which hides its memory is root.
            uid = int(_status_of(process.pid)["Uid"].split()[0])
            assert uid == accounts.of(roles.get(process.name, "airflow")).uid, process.name


def test_only_the_starters_of_kernels_keep_capabilities(stack):
    for process in stack.record.processes:
        if process.pid is not None:
            status = _status_of(process.pid)
            kept = 1 << 5 | 1 << 6 | 1 << 7  # kill, setgid, setuid (capability.h)
            assert int(status["CapEff"], 16) == (kept if process.name == "scheduler" else 0), process.name
            assert status["NoNewPrivs"] == "1"


def test_notebook_of_a_run_reaches_nothing_of_the_platform(stack, wait_until):
    """The same attempts from inside a kernel that Airflow's worker started for a promoted notebook."""
    attack = PROBE.replace("json.load(sys.stdin)", repr(_targets(stack, spare=None)))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(attack)])
    notebook.metadata.kernelspec = {"name": "athena", "display_name": "Athena (Python 3)", "language": "python"}
    token = stack.token_file.read_text().strip()
    with GatewayClient(stack.url("gateway"), lambda: token) as gateway:
        source = jobs.Source(path="probe.ipynb", notebook_id="probe")
        bundle = gateway.upload_bundle(jobs.BundleUpload(notebook=json.loads(nbformat.writes(notebook)), source=source))
        promotion = gateway.promote(jobs.PromoteRequest(bundle=bundle.hash, name="probe"))
        visible = jobs.PromotionState.VISIBLE
        wait_until(lambda: gateway.get_promotion(promotion.job_id, promotion.version).state is visible, 60)
        run = gateway.run_job(promotion.job_id, jobs.RunRequest())
        wait_until(lambda: gateway.get_run(run.id).state.is_final, 120)
        assert gateway.get_run(run.id).is_isolated
        output = json.dumps(gateway.get_output(run.id))
    result = json.loads(re.search(r'\{\\"got\\".*?\}', output).group().replace('\\"', '"'))
    allowed = {f"list {stack.home.root / name}" for name in ("", "public", "jobs")}
    assert result["uid"] == prepare_accounts().of("run").uid
    assert set(result["got"]) - allowed == set()

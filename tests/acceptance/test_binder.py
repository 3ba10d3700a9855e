"""Binder's start file opens the workbench for a plain user, within 2 GB."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import pytest

from tests.acceptance.memory_limit import memory_limit
from tests.acceptance.notebooks import notebook_of, promote
from tests.acceptance.running_stack import ROOT, RunningStack, wait_for

pytestmark = [pytest.mark.story, pytest.mark.stack, pytest.mark.timeout(600)]
LIMIT_BYTES = 2 * 1024**3
JOB = ("%%athena n\nSELECT COUNT(*) AS n FROM metering.readings", "print(int(n.df().n[0]))")


@pytest.fixture
def folder():
    """Give a folder of the plain user's own."""
    path = Path(tempfile.mkdtemp(prefix="athena-binder-"))
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def as_plain_user(*command: str) -> list[str]:
    if os.geteuid() != 0:
        return list(command)
    nobody = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", *command]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_start_file_opens_the_workbench_within_two_gigabytes(folder):
    port, home = free_port(), folder / ".athena"
    environment = {
        "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ATHENA_MINIMUM_INTERVAL_S": "60",
    }
    lab = ["python", "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ServerApp.port_retries=0"]
    lab += ["--IdentityProvider.token=binder"]
    command = as_plain_user(str(ROOT / "binder" / "start"), *lab)
    with memory_limit(LIMIT_BYTES) as limit, (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=limit.join if limit else None,
        )
        try:
            wait_for("Binder's JupyterLab", lambda: answers(port, process, folder / "log"), deadline_s=240)
            assert "athena" in kernels(port)
            stack = RunningStack(home, json.loads((home / "stack.json").read_text()))
            assert stack.status()["is_isolated"] is False
            run = stack.wait_run(stack.start_run(promote(stack, "in binder", notebook_of(*JOB)).job_id).id, "succeeded")
            assert run.is_isolated is False
            used = limit.peak_bytes if limit else stack.status()["memory_bytes"]
            print(json.dumps({"name": "binder_peak_bytes", "value": used, "unit": "B", "n": 1}))
            assert used <= LIMIT_BYTES
            assert limit is None or limit.kills == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            down = [str(ROOT / ".venv" / "bin" / "athena"), "down", "--home", str(home)]
            subprocess.run(as_plain_user(*down), check=True, env=environment, timeout=60)
            process.wait(timeout=30)


def answers(port: int, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-4000:]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2):
            return True
    except OSError:
        return False


def kernels(port: int) -> set[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/kernelspecs?token=binder", timeout=10) as answer:
        return set(json.load(answer)["kernelspecs"])

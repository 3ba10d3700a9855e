"""What a run's kernel can reach, and that nothing of it outlives its worker."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from athena_lab.airflow.sandbox import choose_sandbox, make_run_folder
from athena_lab.errors import ConfigurationError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes as other users")
on_linux = pytest.mark.skipif(not shutil.which("setpriv"), reason="the machine has no setpriv (util-linux)")

ATTACK = """
import json, os, glob
seen = {"environ": dict(os.environ), "uid": os.getuid(), "read": [], "signalled": [], "environs": []}
for pattern in (%r + "/worker.key", %r + "/cache/*", %r + "/r/*"):
    for path in glob.glob(pattern) or [pattern]:
        try:
            open(path, "rb").read(); seen["read"].append(path)
        except OSError:
            pass
for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
    try:
        seen["environs"].append(open(f"/proc/{pid}/environ", "rb").read().decode())
    except OSError:
        pass
for pid in %r:
    try:
        os.kill(pid, 0); seen["signalled"].append(pid)
    except OSError:
        pass
runs = os.path.dirname(os.path.dirname(os.environ["HOME"]))
seen["runs"] = os.listdir(runs) if os.access(runs, os.R_OK) else []
seen["caps"] = [l for l in open("/proc/self/status") if l.startswith(("CapEff", "CapPrm", "CapAmb", "NoNewPrivs"))]
try:
    open("beside.txt", "w").write("mine"); seen["wrote"] = True
except OSError:
    seen["wrote"] = False
print(json.dumps(seen))
"""


def seen_by_kernel(gateway):
    gateway.wait_for(lambda: gateway.finishes, 60)
    assert gateway.finishes[0].state == "succeeded", gateway.finishes
    return json.loads(gateway.output["cells"][0]["outputs"][0]["text"])


@as_root
@on_linux
def test_isolated_kernel_reaches_no_secret(gateway, lab, a_notebook, start_worker, short_folder):
    attack = ATTACK % (*[str(short_folder) + "/*"] * 3, [os.getpid()])
    worker = start_worker(lab.spec(a_notebook(attack)), is_isolated=True)
    seen = seen_by_kernel(gateway)
    assert worker.process.wait(30) == 0, worker.log
    assert seen["uid"] not in (0, os.getuid())
    assert seen["read"] == []
    assert seen["signalled"] == []
    assert seen["wrote"]
    assert len(seen["runs"]) <= 1
    assert "hunter2" not in json.dumps([seen["environ"], seen["environs"]])
    assert all(line.split()[1] in ("0000000000000000", "1") for line in seen["caps"])
    assert not [name for name in seen["environ"] if "AIRFLOW" in name or "KEY" in name]
    assert gateway.requests[0].is_isolated
    assert gateway.requests[0].worker == "celery@w1"


@as_root
@on_linux
def test_isolated_run_leaves_nothing_behind(gateway, lab, a_notebook, start_worker):
    hide = "import os; os.makedirs('a/b', mode=0o700); open('a/b/c', 'w').write('x'); os.chmod('a', 0o700)"
    worker = start_worker(lab.spec(a_notebook(hide)), is_isolated=True)
    assert worker.process.wait(60) == 0, worker.log
    assert list((worker.folder / "r").rglob("*")) == []


def test_token_is_in_no_environment_output_or_log(gateway, lab, a_notebook, start_worker):
    steal = (
        "import os, socket\nprint(dict(os.environ))\n"
        "s = socket.socket(fileno=os.dup(int(os.environ['ATHENA_TOKEN_FD'])))\n"
        "s.sendall(b'token\\n'); got = s.recv(65536).decode(); print(got); print(len(got))"
    )
    worker = start_worker(lab.spec(a_notebook(steal)))
    assert worker.process.wait(60) == 0, worker.log
    output = gateway.outputs[-1].decode()
    assert "[token removed]" in output
    assert "ATHENA_TOKEN_FD" in output
    for token in gateway.tokens:
        assert token not in output
        assert token not in worker.log
    assert lab.key not in output + worker.log


def test_kernel_gets_the_renewed_token_when_the_first_has_expired(gateway, lab, a_notebook, start_worker):
    wait = (
        "import os, socket, json, hashlib, time\n"
        "s = socket.socket(fileno=os.dup(int(os.environ['ATHENA_TOKEN_FD'])))\n"
        "def ask():\n    s.sendall(b'token\\n'); return json.loads(s.recv(65536))['token']\n"
        "first = ask()\nwhile ask() == first:\n    time.sleep(0.1)\n"
        "print(hashlib.sha256(ask().encode()).hexdigest())"
    )
    worker = start_worker(lab.spec(a_notebook(wait)))
    assert worker.process.wait(60) == 0, worker.log
    from hashlib import sha256

    got = gateway.output["cells"][0]["outputs"][0]["text"].strip()
    assert got in {sha256(token.encode()).hexdigest() for token in gateway.tokens[1:]}


FOREVER = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # %(marker)s"], start_new_session=True)
subprocess.Popen(["setsid", "sh", "-c", "sleep 600 & wait # %(marker)s"])
print("started", flush=True)
while True:
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        pass
"""


@pytest.mark.parametrize(
    ("victim", "is_isolated"),
    [
        ("task", False),
        ("group", False),
        *(pytest.param(v, True, marks=[as_root, on_linux]) for v in ("task", "supervisor", "parent", "group")),
    ],
)
def test_no_kernel_outlives_its_worker(gateway, lab, a_notebook, start_worker, victim, is_isolated):
    marker = f"marker-{os.urandom(6).hex()}"
    worker = start_worker(lab.spec(a_notebook(FOREVER % {"marker": marker})), is_isolated=is_isolated)
    folder = str(worker.folder / "r")
    lab.eventually(lambda: len(lab.processes(marker)) >= 2 and lab.processes(folder), 60)
    task, supervisor = worker.pid_of("task"), worker.pid_of("supervisor")
    if victim == "group":
        os.killpg(worker.process.pid, signal.SIGKILL)
    else:
        os.kill(worker.pid_of(victim), signal.SIGKILL)
    lab.eventually(lambda: not lab.processes(marker) and not lab.processes(folder), 10)
    lab.eventually(lambda: not is_running(task) and not (victim == "parent" and is_running(supervisor)), 10)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_worker_that_cannot_become_the_runs_user_refuses_to_run(short_folder):
    with pytest.raises(ConfigurationError, match="no such user"):
        choose_sandbox({"ATHENA_RUN_USER": "nobody-of-that-name", "PATH": os.environ["PATH"]})


def test_folders_of_killed_workers_are_swept(short_folder):
    environ = {"ATHENA_RUNS_DIR": str(short_folder / "r"), "PATH": os.environ["PATH"]}
    sandbox = choose_sandbox(environ)
    alive, dead = make_run_folder(sandbox, environ), make_run_folder(sandbox, environ)
    dead.work.rmdir()
    dead.home.rmdir()
    for folder in (alive, dead):
        os.utime(folder.path, (0, 0))
    make_run_folder(sandbox, environ)
    assert alive.path.exists()
    assert not dead.path.exists()


def test_folder_of_runs_that_belongs_to_another_is_refused(short_folder):
    (short_folder / "link").symlink_to("/etc")
    environ = {"ATHENA_RUNS_DIR": str(short_folder / "link"), "PATH": os.environ["PATH"]}
    with pytest.raises(ConfigurationError, match="belongs to somebody else"):
        make_run_folder(choose_sandbox(environ), environ)


@as_root
@on_linux
def test_two_runs_of_one_user_do_not_reach_each_other(gateway, lab, a_notebook, start_worker, short_folder):
    stay = (
        "import os, time\nopen('here', 'w').write('1')\n"
        "deadline = time.monotonic() + 60\nwhile time.monotonic() < deadline:\n    time.sleep(0.1)"
    )
    first = start_worker(lab.spec(a_notebook(stay), id="first"), is_isolated=True)
    (runs,) = lab.eventually(lambda: list((first.folder / "r").glob("*/work/here")), 60)
    target = runs.parents[1]
    look = (
        "import json, os\nseen = []\n"
        f"for path in ({str(target / 'k.json')!r}, {str(runs)!r}):\n"
        "    try:\n        open(path).read(); seen.append(path)\n    except OSError:\n        pass\n"
        "pids = [p for p in os.listdir('/proc') if p.isdigit()]\nprint(json.dumps([seen, len(pids)]))"
    )
    spec = lab.spec(a_notebook(look), id="second")
    second = start_worker(spec, is_isolated=True, runs=first.folder / "r")
    gateway.wait_for(lambda: gateway.finishes, 60)
    assert second.process.wait(30) == 0, second.log
    outputs = [json.loads(output)["cells"][0]["outputs"] for output in gateway.outputs]
    (text,) = {out["text"] for cell in outputs for out in cell if out.get("text", "").startswith("[[")}
    seen, processes = json.loads(text)
    assert seen == []
    assert processes <= 3

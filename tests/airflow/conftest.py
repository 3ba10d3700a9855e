"""A gateway that speaks the worker routes over real HTTP, and what a run needs around it."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from athena_lab.airflow.execution import RunOrder, Worker
from athena_lab.airflow.reporting import Pace
from athena_lab.gateway_api.jobs import BundleUpload, SideFile, Source
from athena_lab.gateway_api.worker import (
    Attempt,
    AttemptRequest,
    CellEvent,
    Finish,
    Heartbeat,
    WaitAnswer,
    WaitQuery,
    run_id_of,
)
from athena_lab.jobs.bundle import build_bundle
from tests.nursery import Nursery

AIRFLOW_MODULES = (
    "airflow.sdk", "airflow.settings", "airflow.dag_processing.dagbag", "airflow.serialization.serialized_objects",
    "athena_lab.airflow.loader",
)  # fmt: skip
"""What each of Airflow's own processes has imported before it reads a DAG."""
KEY = "worker-key-that-only-workers-know"


class WorkerGateway:
    """The worker routes with the real wire models, over memory: the gateway's own tests cover the gateway."""

    def __init__(self) -> None:
        self.bundles: dict[str, bytes] = {}
        self.requests: list[AttemptRequest] = []
        self.cells: list[CellEvent] = []
        self.outputs: list[bytes] = []
        self.finishes: list[Finish] = []
        self.tokens: list[str] = []
        self.heartbeats = 0
        self.asked: list[list[str]] = []
        self.ready: set[str] = set()
        self.parameters: dict[str, Any] = {}
        self.timeout_s = 300
        self.failed_before: int | None = None
        self.is_cancelled = False
        self.is_skipped = False
        self.is_superseded = False
        self.token_life_s = 60.0
        self.changed = threading.Condition()
        self.connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler_of(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self.connections):  # kept alive, they would go on to be served
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def new_token(self) -> str:
        self.tokens.append(f"eyJhbGciOiJFZERTQSJ9.eyJqdGkiOiJ0b2tlbiJ9{len(self.tokens):04}.c2lnbmF0dXJlLW9mLXRva2Vu")
        return self.tokens[-1]

    def wait_for(self, is_true: Callable[[], Any], timeout_s: float = 30) -> None:
        with self.changed:
            assert self.changed.wait_for(is_true, timeout_s), "the gateway did not see what was expected in time"

    @property
    def output(self) -> dict[str, Any]:
        return json.loads(self.outputs[-1])

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        parts = path.strip("/").split("/")[2:]
        if parts[0] == "bundles":
            return 200, self.bundles[parts[1]]
        if parts == ["waits"]:
            return 200, self._ask(WaitQuery.model_validate_json(body)).model_dump_json().encode()
        if len(parts) == 1:
            return 200, self._begin(AttemptRequest.model_validate_json(body)).model_dump_json().encode()
        if self.is_superseded:
            return 409, json.dumps({"error": "ConflictError", "message": "another attempt has begun"}).encode()
        if parts[3] == "heartbeat":
            self.heartbeats += 1
            beat = Heartbeat(token=self.new_token(), token_expires_at=self._expiry(), is_cancelled=self.is_cancelled)
            return 200, beat.model_dump_json().encode()
        if parts[3] == "cells":
            self.cells.append(CellEvent.model_validate_json(body))
        elif parts[3] == "output":
            self.outputs.append(body)
        elif parts[3] == "finish":
            self.finishes.append(Finish.model_validate_json(body))
        return 200, b"{}"

    def _ask(self, query: WaitQuery) -> WaitAnswer:
        asked = [run.airflow_run_id for run in query.runs]
        self.asked.append(asked)
        ready = [run_id_of(run.dag_id, run.airflow_run_id) for run in query.runs if run.airflow_run_id in self.ready]
        return WaitAnswer(ready=tuple(ready), ask_again_s=0.02)

    def _begin(self, request: AttemptRequest) -> Attempt:
        self.requests.append(request)
        return Attempt(
            run_id=run_id_of(request.dag_id, request.airflow_run_id),
            attempt=len(self.requests),
            token=self.new_token(),
            token_expires_at=self._expiry(),
            owner="ada",
            anchor=request.run_after,
            parameters=self.parameters,
            timeout_s=self.timeout_s,
            failed_before=self.failed_before,
            is_skipped=self.is_skipped,
        )

    def _expiry(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.token_life_s)


def _handler_of(gateway: WorkerGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            gateway.connections.add(self.connection)

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                status, answer = 401, json.dumps({"error": "UnauthenticatedError", "message": "no worker"}).encode()
            else:
                with gateway.changed:
                    status, answer = gateway.answer(self.path, body)
                    gateway.changed.notify_all()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 (http.server's names)

        def log_message(self, *args: Any) -> None:
            """Stay silent."""

    return Handler


@pytest.fixture
def gateway() -> Iterator[WorkerGateway]:
    server = WorkerGateway()
    yield server
    server.stop()


def code(source: str, *tags: str) -> dict[str, Any]:
    metadata = {"tags": list(tags)} if tags else {}
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [], "execution_count": None}


@pytest.fixture
def a_notebook(gateway: WorkerGateway) -> Callable[..., str]:
    """Put a notebook of these code cells (text, or (text, tag)) into the gateway's store; give its hash."""

    def make(*cells: Any, files: dict[str, bytes] | None = None) -> str:
        from base64 import b64encode

        notebook = {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": "athena", "display_name": "Athena", "language": "python"}},
            "cells": [code(*([cell] if isinstance(cell, str) else cell)) for cell in cells],
        }
        side = [SideFile(path=path, content_base64=b64encode(data).decode()) for path, data in (files or {}).items()]
        upload = BundleUpload(notebook=notebook, source=Source(path="reports/daily.ipynb"), files=tuple(side))
        built = build_bundle(upload)
        gateway.bundles[built.hash] = built.archive
        return built.hash

    return make


def make_spec(bundle: str, **changes: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "id": "daily",
        "name": "Daily report",
        "team": "analysts",
        "owner": "ada",
        "version": 3,
        "content_hash": "c" * 64,
        "origin": None,
        "bundle": bundle,
        "source": {"path": "reports/daily.ipynb", "notebook_id": None, "cell_id": None},
        "schedule": {"cron": "30 6 * * *", "timezone": "Europe/London"},
        "parameters": [],
        "retries": 0,
        "timeout_s": 300,
        "start_at": "2026-11-01T00:00:00Z",
        "deployed_at": "2026-11-01T00:00:00Z",
        "deployed_by": "ada",
        "message": "",
    } | changes


def make_order(spec: dict[str, Any], **changes: Any) -> RunOrder:
    values: dict[str, Any] = {
        "spec": spec,
        "dag_id": f"athena__{spec['team']}__{spec['id']}",
        "airflow_run_id": "manual__2026-11-24T06:00:00+00:00",
        "run_type": "manual",
        "run_after": datetime(2026, 11, 24, 6, tzinfo=UTC),
        "logical_date": None,
        "try_number": 1,
        "is_last_try": False,
    }
    return RunOrder(**(values | changes))


@pytest.fixture(scope="session")
def runs_folder() -> Iterator[Path]:
    """A folder for the runs of this session's workers: short, because a Unix socket's path has at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="ath-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def airflow_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Give a function that runs a program's text in a process that has Airflow imported, and an empty database."""
    root = tmp_path_factory.mktemp("airflow")
    environ = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(root / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 64,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "athena:admin",
    }
    nursery = Nursery(AIRFLOW_MODULES, environ)

    def run(program: str, *words: Any, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        (root / "home" / "airflow.db").unlink(missing_ok=True)
        folder = Path(tempfile.mkdtemp(dir=root))
        return nursery.run(program, [str(word) for word in words], environ | more, folder, stdin)

    yield run
    nursery.close()


@pytest.fixture
def worker(gateway: WorkerGateway, tmp_path: Path, runs_folder: Path) -> Worker:
    """A worker of this machine, without a user of its own for runs."""
    key = tmp_path / "worker.key"
    key.write_text(KEY + "\n")
    key.chmod(0o600)
    environ = {"PATH": os.environ["PATH"], "ATHENA_GATEWAY_URL": gateway.url, "ATHENA_RUNS_DIR": str(runs_folder)}
    return Worker(
        gateway_url=gateway.url,
        key_file=key,
        cache=tmp_path / "cache",
        name="test-worker",
        environ=environ | {"SECRET_OF_THE_WORKER": "hunter2"},
        pace=Pace(heartbeat_s=0.3, retry_s=0.1, give_up_s=20, grace_s=2),
    )


class WorkerProcess:
    """A worker in a process of its own: `supervisor` forks `task` as Airflow does, and executes one run in it."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process, self.folder = process, folder

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def pid_of(self, name: str) -> int:
        file = self.folder / f"{name}.pid"
        return eventually(lambda: file.exists() and file.read_text() and int(file.read_text()))


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder that every user may traverse, with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="ath-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start_worker(gateway: WorkerGateway, short_folder: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Start a worker process for a spec; `run_user` starts it as athena-airflow, with runs as athena-run."""
    started: list[WorkerProcess] = []

    def start(spec: dict[str, Any], *, is_isolated: bool = False, runs: Path | None = None) -> WorkerProcess:
        folder = Path(tempfile.mkdtemp(dir=short_folder))
        folder.chmod(0o711)
        prefix, owner = _lowered(["athena-airflow", "athena-run"]) if is_isolated else ([], None)
        (folder / "spec.json").write_text(json.dumps(spec))
        (folder / "worker.key").write_text(KEY)
        (folder / "worker.key").chmod(0o600)
        environ = {
            "PATH": os.environ["PATH"],
            "ATHENA_GATEWAY_URL": gateway.url,
            "ATHENA_WORKER_KEY_FILE": str(folder / "worker.key"),
            "ATHENA_BUNDLE_CACHE": str(folder / "cache"),
            "ATHENA_RUNS_DIR": str(runs or folder / "r"),
            "ATHENA_WORKER_NAME": "celery@w1",
            "AIRFLOW__CORE__FERNET_KEY": "hunter2",
        } | ({"ATHENA_RUN_USER": "athena-run"} if is_isolated else {})
        if owner is not None:
            for path in (folder, *folder.iterdir()):
                os.chown(path, *owner)
        script = Path(__file__).with_name("worker_process.py")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*prefix, sys.executable, str(script), str(folder)],
                env=environ, stdout=log, stderr=log, start_new_session=True, cwd="/",
            )  # fmt: skip
        started.append(WorkerProcess(process, folder))
        return started[-1]

    yield start
    for worker in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()


def _lowered(users: list[str]) -> tuple[list[str], tuple[int, int]]:
    """Give the setpriv call of the stack's workers, and their user; the users are made where they are absent."""
    for user in users:
        try:
            pwd.getpwnam(user)
        except KeyError:
            subprocess.run(["useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", user], check=True)
    entry = pwd.getpwnam(users[0])
    rights = "-all,+setuid,+setgid,+kill"
    identity = ["--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--init-groups", "--no-new-privs"]
    limits = ["--inh-caps", rights, "--ambient-caps", rights, "--bounding-set", rights]
    return ["setpriv", *identity, *limits], (entry.pw_uid, entry.pw_gid)


def processes_of(marker: str) -> list[int]:
    """List the processes whose command line has the marker."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


@pytest.fixture
def lab() -> SimpleNamespace:
    """The makers above, for tests (conftest is not importable by name)."""
    return SimpleNamespace(
        spec=make_spec, order=make_order, code=code, key=KEY, eventually=eventually, processes=processes_of
    )


def eventually(is_true: Callable[[], Any], timeout_s: float = 20) -> Any:
    """Wait until the condition holds, and give its value."""
    deadline = time.monotonic() + timeout_s
    while not (value := is_true()):
        assert time.monotonic() < deadline, "what was expected did not happen in time"
        time.sleep(0.02)
    return value

"""Fixtures of the gateway tests: a real gateway process on a home of its own, real git, real clients.

Airflow is the jobs tests' HTTP double: these tests need it down, or dead at one exact moment, which
the real one is not on demand; the stack tests exercise the real one.
"""

from __future__ import annotations

import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from athena_lab.gateway.audit import verify_chain
from athena_lab.gateway.keys import add_user, prepare_secrets
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.jobs import BundleUpload, PromoteRequest, PromotionState, Source
from athena_lab.gateway_api.terms import Schedule
from athena_lab.gateway_api.worker import AttemptRequest
from athena_lab.settings import Home
from tests.jobs.conftest import AirflowDouble, notebook_of
from tests.nursery import Child, Nursery

START_S = 60.0
TOKENS = {"ann": "token-of-ann-" + "a" * 30, "bob": "token-of-bob-" + "b" * 30}


class Airflow(AirflowDouble):
    """The jobs tests' double, which also lists the runs of every DAG."""

    def handle_dags(self, method, path, query, body):
        if path == ["~", "dagRuns"]:
            return 200, {"dag_runs": self.runs, "total_entries": len(self.runs)}
        return super().handle_dags(method, path, query, body)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(holds, what: str, timeout_s: float = 20.0):
    """Wait for a condition; give what it gave."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = holds()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout_s} s: {what}")


class Gateway:
    """A gateway in its own process, with the double as its Airflow and nobody as its warehouse."""

    def __init__(self, root: Path, nursery: Nursery, **environ: str) -> None:
        self.home = Home(root)
        self.nursery, self.environ = nursery, environ
        root.mkdir(exist_ok=True)
        prepare_secrets(self.home.gateway, self.home.public)
        for user, token in TOKENS.items():
            add_user(self.home.gateway / "users.json", user, ["analysts"], token)
        (self.home.gateway / "airflow.password").write_text("secret")
        self.airflow = Airflow(self.home.jobs_repository)
        self.airflow.start()
        self.nobody = free_port()
        self.process: Child | None = None
        self.url = ""
        self.clients: list[GatewayClient] = []
        self.starts = 0

    def start(self, **environ: str) -> None:
        settings = {
            "ATHENA_AIRFLOW_URL": self.airflow.url,
            "ATHENA_WAREHOUSE_URL": f"http://127.0.0.1:{self.nobody}",
            "ATHENA_WAREHOUSE_GRPC": f"127.0.0.1:{self.nobody}",
            "PATH": os.environ["PATH"],
        }
        self.starts += 1
        self.log = self.home.root / f"gateway{self.starts}.log"
        arguments = ["--home", str(self.home.root), "--port", "0"]
        environment = settings | self.environ | environ
        self.process = self.nursery.start("athena_lab.gateway.main:main", arguments, environment, self.log)
        self.url = self.process.first_line("gateway ready on ", START_S).split()[-1]

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for_end(self) -> int:
        process, self.process = self.process, None
        try:
            return process.wait(30)
        finally:
            process.kill()

    def terminate(self) -> int:
        self.process.terminate()
        return self.wait_for_end()

    def close(self) -> None:
        for client in self.clients:
            client.close()
        if self.process is not None:
            self.terminate()
        self.airflow.stop()

    # -- who asks

    def as_holder_of(self, token: str) -> GatewayClient:
        client = GatewayClient(self.url, lambda: token)
        self.clients.append(client)
        return client

    @property
    def ann(self) -> GatewayClient:
        return self.as_holder_of(TOKENS["ann"])

    @property
    def bob(self) -> GatewayClient:
        return self.as_holder_of(TOKENS["bob"])

    @property
    def worker(self) -> GatewayClient:
        return self.as_holder_of(self.worker_key)

    @property
    def worker_key(self) -> str:
        return (self.home.gateway / "worker.key").read_text()

    def send(self, method: str, path: str, token: str | None = None, **fields) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.request(method, self.url + path, headers=headers, timeout=30, trust_env=False, **fields)

    # -- what they ask

    def upload(self, text: str = "print(day)") -> str:
        source = Source(path="sales.ipynb", notebook_id="n1")
        return self.ann.upload_bundle(BundleUpload(notebook=notebook_of(text), source=source)).hash

    def request_of(self, text: str = "print(day)", name: str = "Daily sales", **fields) -> PromoteRequest:
        schedule = Schedule(cron="30 6 * * *", timezone="Europe/London")
        return PromoteRequest(bundle=self.upload(text), name=name, schedule=schedule, **fields)

    def deploy(self, text: str = "print(day)", **fields):
        """Deploy as ann and wait until Airflow shows it; give the job."""
        promotion = self.ann.promote(self.request_of(text, **fields))
        seen = self.ann.get_promotion(promotion.job_id, promotion.version, wait_s=10)
        assert seen.state is PromotionState.VISIBLE, seen
        return self.ann.get_job(promotion.job_id)

    def attempt_request(self, run, job, **changes) -> AttemptRequest:
        fields = {
            "dag_id": run.dag_id,
            "airflow_run_id": run.airflow_run_id,
            "run_type": "manual",
            "run_after": datetime.now(UTC),
            "job_id": job.id,
            "version": job.version,
            "bundle": job.bundle,
            "try_number": 1,
            "worker": "worker-1",
            "is_isolated": False,
        }
        return AttemptRequest(**fields | changes)

    # -- what it left

    def records(self) -> list[dict]:
        path = self.home.gateway / "audit.jsonl"
        assert verify_chain(path) == len(path.read_text().splitlines())
        return [json.loads(line) for line in path.read_text().splitlines()]

    def commits(self) -> list[str]:
        return self.airflow.git("log", "--format=%s", "main").splitlines()


@pytest.fixture
def make_gateway(tmp_path, nursery):
    made = []

    def make(**environ: str) -> Gateway:
        made.append(Gateway(tmp_path / f"home{len(made)}", nursery, **environ))
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, nursery):
    """One running gateway for a module's tests; each uses a job of its own."""
    made = Gateway(tmp_path_factory.mktemp("gateway") / "home", nursery)
    made.start()
    yield made
    made.close()


@pytest.fixture
def until():
    return wait_until

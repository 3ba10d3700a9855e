"""A running stack for the acceptance tests: started as a user starts it, watched, and stopped by its pid."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.jobs import Promotion, PromotionState, Run, RunRequest

ROOT = Path(__file__).parent.parent.parent
ATHENA = ROOT / ".venv" / "bin" / "athena"
START_S = 240
Value = TypeVar("Value")


def wait_for(what: str, probe: Callable[[], Value | None], *, deadline_s: float = 90, pause_s: float = 0.2) -> Value:
    """Ask until `probe` gives something true; fail naming what was awaited."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if found := probe():
            return found
        time.sleep(pause_s)
    raise AssertionError(f"{what}: not within {deadline_s} s")


@dataclass
class RunningStack:
    """A stack of `athena up` and how to talk to it."""

    home: Path
    state: dict[str, Any]
    suffix: str = field(default_factory=lambda: secrets.token_hex(2))
    """Tells the jobs of one session from another's on the same stack."""

    def url(self, name: str) -> str:
        """Give the address of "lab", "gateway" or "airflow"."""
        return str(self.state["urls"][name])

    def gateway(self) -> GatewayClient:
        token = (self.home / "analyst" / "token").read_text().strip()
        return GatewayClient(self.url("gateway"), lambda: token)

    def status(self) -> dict[str, Any]:
        return read_status(self.home)

    def get_run(self, run_id: str) -> Run:
        with self.gateway() as gateway:
            return gateway.get_run(run_id)

    def start_run(self, job_id: str, **parameters: Any) -> Run:
        with self.gateway() as gateway:
            return gateway.run_job(job_id, RunRequest(parameters=parameters))

    def wait_visible(self, promotion: Promotion) -> Promotion:
        def probe():
            with self.gateway() as gateway:
                now = gateway.get_promotion(promotion.job_id, promotion.version, wait_s=5)
            assert now.state is not PromotionState.FAILED, now.message
            return now if now.state is PromotionState.VISIBLE else None

        return wait_for(f"version {promotion.version} of {promotion.job_id} in Airflow", probe)

    def wait_run(self, run_id: str, *states: str, deadline_s: float = 120) -> Run:
        def probe():
            run = self.get_run(run_id)
            if run.state.is_final and run.state.value not in states:
                raise AssertionError(f"run ended {run.state.value}, not {states}: {run.error}")
            return run if run.state.value in states else None

        return wait_for(f"run {run_id} {states}", probe, deadline_s=deadline_s)


def read_status(home: Path) -> dict[str, Any]:
    answer = subprocess.run([ATHENA, "status", "--json", "--home", home], capture_output=True, check=True, timeout=60)
    return json.loads(answer.stdout)


@contextlib.contextmanager
def started_stack(command: list[str], environment: dict[str, str] | None = None) -> Iterator[RunningStack]:
    """Start `command` (make lab, or athena up) with a temporary ATHENA_HOME; stop it by its pid."""
    with tempfile.TemporaryDirectory(prefix="athena-story-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        log = Path(folder) / "up.log"
        env = os.environ | {"ATHENA_HOME": str(home)} | (environment or {})
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            yield RunningStack(home, _await_state(home, process, log))
        finally:
            _keep_logs(home, log)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _await_state(home: Path, process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    def probe():
        if process.poll() is not None:
            raise AssertionError(f"the stack ended with {process.returncode}:\n{log.read_text()[-6000:]}")
        return "Athena is ready" in log.read_text()

    try:
        wait_for("the stack's start", probe, deadline_s=START_S)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{log.read_text()[-6000:]}") from error
    return json.loads((home / "stack.json").read_text())


def _keep_logs(home: Path, log: Path) -> None:
    target = ROOT / "artifacts" / "logs"
    target.mkdir(parents=True, exist_ok=True)
    for file in [log, *sorted((home / "logs").glob("*.log"))]:
        if file.exists():
            (target / file.name).write_bytes(file.read_bytes()[-2_000_000:])

"""One attempt of a run, from the worker's key to the last report."""

from __future__ import annotations

import logging
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from athena_lab import errors
from athena_lab.airflow.ancestry import AncestryWatch
from athena_lab.airflow.budget import within_budget
from athena_lab.airflow.bundle_cache import BundleCache, lock_of, unpack
from athena_lab.airflow.environments import Environments
from athena_lab.airflow.kernels import KERNEL_MODULE, RunKernel
from athena_lab.airflow.notebook_run import NotebookError, NotebookInput, StoppedError, run_notebook
from athena_lab.airflow.parameters import type_parameters
from athena_lab.airflow.reporting import Pace, Reporter, StopReason
from athena_lab.airflow.sandbox import (
    Sandbox,
    choose_sandbox,
    kernel_environment,
    make_run_folder,
    remove_run_folder,
)
from athena_lab.airflow.token_handover import TokenHandover
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.worker import REHEARSAL_JOB_ID, Attempt, AttemptRequest

_log = logging.getLogger("athena_lab.airflow")
_REQUEST_TIMEOUT_S = 15.0
Answer = TypeVar("Answer")


class RunFailedError(errors.AthenaError):
    """The notebook failed or ran too long, after `failed_before` failures; `may_retry`: its owner allows another."""

    def __init__(self, message: str, *, failed_before: int, may_retry: bool) -> None:
        self.failed_before, self.may_retry = failed_before, may_retry
        super().__init__(message)


class RunStoppedError(errors.AthenaError):
    """The run was cancelled, ended from outside, or superseded: nobody wants a retry."""


class RunSkippedError(errors.AthenaError):
    """The run before this one is still under way, and the job skips what overlaps."""


class WorkerTroubleError(errors.PlatformError):
    """The platform failed under the run, so another try may succeed."""


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What Airflow says about the run that is to be executed."""

    spec: Mapping[str, Any]
    dag_id: str
    airflow_run_id: str
    run_type: str
    run_after: datetime
    logical_date: datetime | None
    try_number: int
    is_last_try: bool


@dataclass(frozen=True, slots=True)
class Worker:
    """What the environment of a worker's process says; the key itself is read when it is needed."""

    gateway_url: str
    key_file: Path
    cache: Path
    name: str
    environ: Mapping[str, str]
    kernel_module: str = KERNEL_MODULE
    pace: Pace = field(default_factory=Pace)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Worker:
        """Read ATHENA_*; raise ConfigurationError naming the variable that is missing."""
        airflow_home = environ.get("AIRFLOW_HOME") or str(Path.home() / "airflow")
        return cls(
            gateway_url=_required(environ, "ATHENA_GATEWAY_URL"),
            key_file=Path(_required(environ, "ATHENA_WORKER_KEY_FILE")),
            cache=Path(environ.get("ATHENA_BUNDLE_CACHE") or Path(airflow_home, "athena_bundles")),
            name=environ.get("ATHENA_WORKER_NAME") or _celery_name() or socket.gethostname(),
            environ=environ,
        )

    def read_key(self) -> str:
        try:
            return self.key_file.read_text().strip()
        except OSError as error:
            raise errors.ConfigurationError(
                f"Cannot read the worker's key '{self.key_file}' ({error.strerror}). Start Athena with `athena up`."
            ) from error


def execute_run(order: RunOrder, worker: Worker, on_started: Callable[[Reporter], None] = lambda _: None) -> None:
    """Execute one attempt and report it; return only when the notebook succeeded.

    Raises RunFailedError, RunStoppedError, WorkerTroubleError (and ConfigurationError before anything began);
    `on_started` gets the reporter, whose `stop` ends the attempt, from a signal handler too.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each heartbeat would bury the task's log
    key = worker.read_key()
    sandbox = choose_sandbox(worker.environ)
    with GatewayClient(worker.gateway_url, lambda: key, timeout_s=_REQUEST_TIMEOUT_S) as client:
        attempt = _begin(client, order, worker, sandbox)
        if attempt.is_skipped:
            raise RunSkippedError(
                "Cannot run yet: the run before this one is still under way, and overlaps are skipped."
            )
        worker = replace(worker, environ=within_budget(worker.environ, attempt.bytes_left))
        reporter = Reporter(client, attempt, worker.pace)
        on_started(reporter)
        failure: str | None = None
        try:
            _run_in_sandbox(order, worker, sandbox, (client, attempt, reporter))
        except (NotebookError, errors.InvalidError) as error:
            failure = str(error)
        except StoppedError:
            failure = "stopped"
        except (errors.AthenaError, OSError) as error:
            _give_up(order, reporter, error)
        finally:
            reporter.close_unless_ending()
        _conclude(order, attempt, reporter, failure)


def _begin(client: GatewayClient, order: RunOrder, worker: Worker, sandbox: Sandbox) -> Attempt:
    request = AttemptRequest(
        dag_id=order.dag_id,
        airflow_run_id=order.airflow_run_id,
        run_type=order.run_type,
        logical_date=order.logical_date,
        run_after=order.run_after,
        job_id=str(order.spec["id"]),
        version=int(order.spec["version"]),
        bundle=str(order.spec["bundle"]),
        try_number=order.try_number,
        worker=worker.name,
        is_isolated=sandbox.is_isolated,
    )
    try:
        return _patiently(lambda: client.begin_attempt(request), worker.pace)
    except errors.UserError as error:
        raise RunStoppedError(str(error)) from error
    except errors.PlatformError as error:
        raise WorkerTroubleError(str(error)) from error


def _run_in_sandbox(
    order: RunOrder, worker: Worker, sandbox: Sandbox, line: tuple[GatewayClient, Attempt, Reporter]
) -> None:
    client, attempt, reporter = line
    with ExitStack() as stack:
        folder = make_run_folder(sandbox, worker.environ)
        stack.callback(remove_run_folder, folder)
        handover = TokenHandover(reporter.token)
        stack.callback(handover.close)
        kernel = RunKernel(sandbox, folder, handover.child_fd, worker.kernel_module)
        stack.callback(kernel.close)
        reporter.start(kernel.leash.interrupt, kernel.leash.kill)
        if attempt.is_cancelled:
            reporter.stop(StopReason.CANCELLED)
        stack.callback(AncestryWatch(kernel.leash.kill).close)
        cache = BundleCache(worker.cache, lambda name: _patiently(lambda: client.fetch_bundle(name), worker.pace))
        archive = cache.get(str(order.spec["bundle"]))
        python = _use_environment(archive, kernel, worker, reporter)
        notebook = NotebookInput(
            file=unpack(archive, folder, sandbox),
            parameters=type_parameters(attempt.parameters, order.spec.get("parameters", ())),
            source_path=str(order.spec.get("source", {}).get("path", "")),
            cell_timeout_s=order.spec.get("guards", {}).get("cell_timeout_s"),
            secrets=tuple(str(attempt.parameters[name]) for name in attempt.secret_parameters),
            is_rehearsal=order.spec["id"] == REHEARSAL_JOB_ID,
        )
        if reporter.is_stopping():
            raise StoppedError("Cannot start the run: it was asked to stop. Start it again if that was a mistake.")
        environment = kernel_environment(folder, worker.environ, attempt.run_id, handover.child_fd, python)
        run_notebook(notebook, kernel, environment, reporter)


def _use_environment(archive: Path, kernel: RunKernel, worker: Worker, reporter: Reporter) -> Path | None:
    """Make the environment of the bundle's lock, if it has one, and start the kernel in it; give its interpreter."""
    lock = lock_of(archive)
    if lock is None:
        return None
    python = Environments(worker.environ, reporter.is_stopping).python_of(lock)
    kernel.use(python)
    return python


def _conclude(order: RunOrder, attempt: Attempt, reporter: Reporter, failure: str | None) -> None:
    """Report how the attempt ended, and raise what Airflow should make of it."""
    reason = reporter.stop_reason
    if failure is None:
        _finish(reporter, "succeeded", None)
        return
    if reason in (StopReason.CANCELLED, StopReason.ENDED_BY_AIRFLOW):
        message = "Cannot finish the run: it was cancelled. Start it again when you want its result."
        _finish(reporter, "cancelled", message)
        raise RunStoppedError(message)
    if reason is StopReason.TIMED_OUT:
        failure = f"The run took longer than the {attempt.timeout_s} s that its job allows"
    elif reason is StopReason.UNREACHABLE:
        raise WorkerTroubleError("Cannot go on with the run: the gateway does not answer. Check `athena status`.")
    elif reason is not None:
        raise RunStoppedError(f"Cannot go on with the run: the gateway no longer wants this attempt ({reason}).")
    _finish(reporter, "failed", failure)
    failed_before = _failed_before(order, attempt)
    may_retry = failed_before < int(order.spec.get("retries", 0))
    raise RunFailedError(failure, failed_before=failed_before, may_retry=may_retry)


def _failed_before(order: RunOrder, attempt: Attempt) -> int:
    """Count the notebook's earlier failures; where the gateway does not know, every earlier try counts as one."""
    return attempt.failed_before if attempt.failed_before is not None else order.try_number - 1


def _give_up(order: RunOrder, reporter: Reporter, error: errors.AthenaError | OSError) -> NoReturn:
    """The platform failed. Only the last try is reported as the run's failure: before, Airflow tries again."""
    what = "the rehearsal" if order.spec["id"] == REHEARSAL_JOB_ID else f"the job '{order.spec['id']}'"
    message = f"Cannot run {what} ({error}). Tell the platform's operators."
    if order.is_last_try and reporter.stop_reason is None:
        _finish(reporter, "failed", message)
    raise WorkerTroubleError(message) from error


def _finish(reporter: Reporter, state: str, error: str | None) -> None:
    try:
        reporter.finish(state, error)
    except errors.ConflictError as conflict:
        raise RunStoppedError(str(conflict)) from conflict
    except errors.UnreachableError as unreachable:
        raise WorkerTroubleError(str(unreachable)) from unreachable


def _patiently(ask: Callable[[], Answer], pace: Pace) -> Answer:
    """Ask the gateway; wait for one that is restarting, up to `give_up_s`."""
    deadline, is_told = time.monotonic() + pace.give_up_s, False
    while True:
        try:
            return ask()
        except errors.PlatformError as error:
            if time.monotonic() >= deadline:
                raise
            if not is_told:
                _log.warning("%s Trying again for %.0f s.", error, pace.give_up_s)
                is_told = True
            time.sleep(pace.retry_s)


def _celery_name() -> str | None:
    """Name the Celery worker that this task runs on, if it is one: its process title says `celeryd: name@host`."""
    module = sys.modules.get("celery._state")
    if module is None:
        return None
    task = module.get_current_worker_task()
    return str(task.request.hostname) if task is not None and task.request.hostname else None


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise errors.ConfigurationError(f"Cannot run jobs: {name} is not set. Start Athena with `athena up`.")
    return value

"""Jobs: who asked for what, how far it is, how it ended; run in threads, each can be interrupted."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

import duckdb

from athena_lab.emulator.access import Principal, asking
from athena_lab.emulator.catalog import StaleError, now_ms
from athena_lab.emulator.faults import BigQueryError, engine_fault
from athena_lab.emulator.results import Result
from athena_lab.emulator.types import Field

logger = logging.getLogger(__name__)
_KEPT = 5000
KEPT_MS = 24 * 3_600_000
"""A day, as BigQuery keeps anonymous results."""
_INTERRUPT_EVERY_S = 0.05
_RESULTS_KEPT_BYTES = 2 * 1024**3


@dataclass(slots=True)
class Job:
    """One job; written by the thread that runs it, read by all."""

    id: str
    owner: Principal
    configuration: Mapping[str, Any]
    created_ms: int = field(default_factory=now_ms)
    started_ms: int | None = None
    ended_ms: int | None = None
    fault: BigQueryError | None = None
    statistics: dict[str, Any] = field(default_factory=dict)
    """What the kind of job adds to `statistics`: {"query": {...}} or {"load": {...}}."""
    processed_bytes: int = 0
    fields: tuple[Field, ...] | None = None
    destination: dict[str, str] | None = None
    affected_rows: int | None = None
    is_cancelled: bool = False
    is_timed_out: bool = False
    session: str | None = None
    """The hidden dataset of the session that this job belongs to."""
    parent: Job | None = None
    """The script that this job is a statement of."""
    children: list[Job] = field(default_factory=list)
    stored_file: str | None = None
    """The file of its result that is kept from an earlier process."""
    result_bytes: int = 0
    done: Future[None] = field(default_factory=Future)
    _result: Result | Callable[[], Result | None] | None = None
    _cursor: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def kind(self) -> str:
        return next((kind for kind in ("query", "load", "copy", "extract") if kind in self.configuration), "query")

    @property
    def state(self) -> str:
        if self.done.done():
            return "DONE"
        return "PENDING" if self.started_ms is None else "RUNNING"

    @property
    def result(self) -> Result | None:
        """The rows, of a job of an earlier process read when they are first asked for."""
        found = self._result
        if callable(found):
            found = self._result = found()
        return found

    @result.setter
    def result(self, result: Result | None) -> None:
        self._result, self.result_bytes = result, 0 if result is None else result.size_bytes

    def keep_result(self, read: Callable[[], Result | None], size_bytes: int) -> None:
        """Remember how to read the rows."""
        self._result, self.result_bytes = read, size_bytes

    def hold(self, cursor: Any) -> None:
        """Remember which connection works for this job, to interrupt it; None when it is done."""
        with self._lock:
            self._cursor = cursor
            if cursor is not None and self.is_cancelled:
                raise stopped()
        if self.parent is not None:
            self.parent.hold(cursor)

    def cancel(self) -> None:
        """Stop the job: a statement of DuckDB's is interrupted where it is."""
        with self._lock:
            if self.is_cancelled:
                return
            self.is_cancelled = True
        threading.Thread(target=self._interrupt, name=f"cancel-{self.id}", daemon=True).start()

    def start_timeout(self) -> None:
        """Stop the job when its time is up (`jobTimeoutMs`)."""
        limit_ms = int(self.configuration.get("jobTimeoutMs") or 0)
        if limit_ms <= 0:
            return
        timer = threading.Timer(limit_ms / 1000, self._time_out)
        timer.daemon = True
        timer.start()
        self.done.add_done_callback(lambda _: timer.cancel())

    def _time_out(self) -> None:
        self.is_timed_out = True
        self.cancel()

    def _interrupt(self) -> None:
        """Interrupt until the job has ended: DuckDB forgets an interrupt that comes before its statement begins."""
        while not self.done.done():
            with self._lock:
                if self._cursor is not None:
                    self._cursor.interrupt()
            wait([self.done], _INTERRUPT_EVERY_S)


def stopped() -> BigQueryError:
    """Say in BigQuery's words that a job was cancelled."""
    return BigQueryError("stopped", "Job execution was cancelled: User requested cancellation")


def timed_out(job: Job) -> BigQueryError:
    """Say in BigQuery's words that a job took longer than it was given."""
    limit_s = int(job.configuration["jobTimeoutMs"]) / 1000
    return BigQueryError(
        "timeout",
        f"Operation timed out after {limit_s:g} sec. Consider reducing the amount of work performed by your operation "
        "so that it can complete within this limit.",
    )


class Keeper(Protocol):
    """Keeps jobs beyond the process (job_journal.py)."""

    def load(self, most: int) -> list[Job]: ...
    def write(self, job: Job) -> None: ...
    def forget(self, job_id: str) -> None: ...
    def close(self) -> None: ...


class Jobs:
    """All jobs of the last day, the oldest forgotten first; each is its owner's alone."""

    def __init__(self, project: str, location: str, keeper: Keeper, *, threads: int) -> None:
        self.project, self.location, self._keeper = project, location, keeper
        self._lock = threading.Lock()
        self._jobs = OrderedDict((job.id, job) for job in keeper.load(_KEPT))
        self._bytes = sum(job.result_bytes for job in self._jobs.values())
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="job")

    def submit(self, job: Job, work: Callable[[Job], None]) -> None:
        """Keep a new job and run it; refuse an id that is taken."""
        with self._lock:
            if job.id in self._jobs:
                raise BigQueryError("duplicate", f"Already Exists: Job {self.project}:{self.location}.{job.id}")
            self._keep(job)
        job.start_timeout()
        self._pool.submit(run, job, work)

    def adopt(self, job: Job) -> None:
        """Keep a statement of a script, which the script's own thread runs."""
        with self._lock:
            self._keep(job)
        if job.parent is not None:
            job.parent.children.append(job)

    def _keep(self, job: Job) -> None:
        self._jobs[job.id] = job
        job.done.add_done_callback(lambda _: self._ended(job))
        self._forget_oldest()

    def _ended(self, job: Job) -> None:
        with self._lock:
            self._bytes += job.result_bytes
        self._keeper.write(job)

    def find(self, job_id: str, principal: Principal) -> Job:
        """Give a job of the principal's own (any for the platform), else refuse with notFound."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None or not may_see(job, principal):
            raise BigQueryError("notFound", f"Not found: Job {self.project}:{job_id}")
        return job

    def forget(self, job_id: str, principal: Principal) -> None:
        """Forget a job of the principal's own with its result; refuse one that still runs."""
        job = self.find(job_id, principal)
        if not job.done.done():
            raise BigQueryError("invalid", f"Job {job_id} is still running; cancel it first.")
        with self._lock:
            self._drop(job_id)
        self._keeper.forget(job_id)

    def visible(self, principal: Principal) -> Iterator[Job]:
        """Give the jobs that the principal may see, the newest first."""
        with self._lock:
            jobs = list(reversed(self._jobs.values()))
        return (job for job in jobs if may_see(job, principal))

    def close(self) -> None:
        """Stop everything that still runs."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            if not job.done.done():
                job.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._keeper.close()

    def _forget_oldest(self) -> None:
        horizon = now_ms() - KEPT_MS
        while len(self._jobs) > 1:
            oldest = next((job for job in self._jobs.values() if job.done.done()), None)
            if oldest is None:
                return
            is_old = (oldest.ended_ms or 0) < horizon
            if not is_old and len(self._jobs) <= _KEPT and self._bytes <= _RESULTS_KEPT_BYTES:
                return
            self._drop(oldest.id)

    def _drop(self, job_id: str) -> None:
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        self._bytes -= job.result_bytes
        if job.result is not None:
            job.result.discard()


def may_see(job: Job, principal: Principal) -> bool:
    """A job belongs to its user, and within the user to the run; the platform sees all."""
    return principal.is_platform or (job.owner.user, job.owner.run) == (principal.user, principal.run)


def new_id() -> str:
    """Make up a job's id."""
    return f"job_{uuid.uuid4().hex}"


def run(job: Job, work: Callable[[Job], None]) -> None:
    """Run a job to its end in this thread; whatever goes wrong becomes its error."""
    job.started_ms = now_ms()
    try:
        if job.is_cancelled:
            raise stopped()
        with asking(job.owner):
            work(job)
    except BigQueryError as fault:
        job.fault = fault
    except duckdb.InterruptException:
        job.fault = stopped()
    except (StaleError, duckdb.TransactionException):
        message = "Could not serialize access to the table due to concurrent update. Run the statement again."
        job.fault = BigQueryError("invalidQuery", message)
    except duckdb.OutOfMemoryException:
        message = (
            "Resources exceeded during query execution: the embedded warehouse's memory limit. Read less at a time."
        )
        job.fault = BigQueryError("resourcesExceeded", message)
    except RecursionError:
        job.fault = BigQueryError("invalidQuery", "Query is too complex: it nests too deeply.", "query")
    except duckdb.Error as error:
        logger.info("job %s failed: %s", job.id, type(error).__name__)
        job.fault = engine_fault(error)
    except Exception:
        logger.exception("job %s failed inside the emulator", job.id)
        job.fault = BigQueryError("notImplemented", f"The embedded warehouse failed on job {job.id}; its log says why.")
    finally:
        if job.is_timed_out and job.fault is not None and job.fault.reason == "stopped":
            job.fault = timed_out(job)
        job.ended_ms = now_ms()
        job.done.set_result(None)

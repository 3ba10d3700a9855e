"""Backfills of a job: previewed, bounded, begun, followed and cancelled."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from athena_lab.errors import Fault, InvalidError, NotFoundError
from athena_lab.gateway_api.backfills import Backfill, BackfillPreview, BackfillRequest
from athena_lab.gateway_api.worker import run_id_of
from athena_lab.jobs.airflow_backfills import AirflowBackfill, AirflowBackfills
from athena_lab.jobs.request_keys import Keep, keep_nothing
from athena_lab.jobs.runs import Runs
from athena_lab.jobs.schedule import count_fires
from athena_lab.jobs.spec import JobSpec

MOST_RUNS = 500
MOST_LISTED = 20
MOST_KEPT = 1000
_AFTER = "after:"
_STATES = {"success": "succeeded"}
Audit = Callable[[str, dict[str, Any]], None]


class Backfills:
    """What people may ask of backfills; threads may share one."""

    def __init__(self, airflow: AirflowBackfills, runs: Runs, *, now: Callable[[], datetime]) -> None:
        self._airflow, self._runs, self._now = airflow, runs, now
        self._ended: OrderedDict[int, dict[str, int]] = OrderedDict()

    def preview(self, job: JobSpec, request: BackfillRequest) -> BackfillPreview:
        """Give the fires that would become runs; raise InvalidError with every fault."""
        faults = self._faults(job, request)
        if faults:
            raise InvalidError(faults)
        return BackfillPreview(runs=self._airflow.preview(job.dag_id, request))

    def create(self, job: JobSpec, request: BackfillRequest, audit: Audit, keep: Keep = keep_nothing) -> Backfill:
        """Begin a backfill; raise InvalidError (a fault, or nothing to run) or ConflictError (one is under way)."""
        preview = self.preview(job, request)
        if not preview.runs:
            text = f"Cannot backfill '{job.name}': no fire in that span is without a run. Choose another, or reprocess."
            raise InvalidError([Fault("from_at", text)])
        audit("backfill.create", {"version": job.version, "runs": len(preview.runs)})
        last = self._airflow.list(job.dag_id, 1)
        # Airflow numbers backfills itself, so until it answers, ours is known by coming after the last one.
        keep(f"{_AFTER}{last[0].id if last else 0}")
        made = self._airflow.create(job.dag_id, request)
        keep(str(made.id))
        return self._view(job, made)

    def find_requested(self, job: JobSpec, request: BackfillRequest, subject: str) -> Backfill | None:
        """Give the backfill that a request began, by what `create` kept of it; None if nothing came of it."""
        if not subject.startswith(_AFTER):
            made = self._airflow.get(job.dag_id, int(subject))
            return None if made is None else self._view(job, made)
        last = int(subject.removeprefix(_AFTER))
        span = (request.from_at, request.to_at)
        later = [one for one in self._airflow.list(job.dag_id, MOST_LISTED) if one.id > last]
        return next((self._view(job, one) for one in reversed(later) if (one.from_at, one.to_at) == span), None)

    def list(self, job: JobSpec) -> tuple[Backfill, ...]:
        """List a job's latest backfills with the states of their runs, the newest first."""
        return tuple(self._view(job, one) for one in self._airflow.list(job.dag_id, MOST_LISTED))

    def cancel(self, job: JobSpec, backfill_id: int, audit: Audit) -> Backfill:
        """End a backfill of the job: runs that have begun go on, the others never begin; raise NotFoundError."""
        known = {one.id: one for one in self._airflow.list(job.dag_id, MOST_LISTED)}
        if backfill_id not in known:
            raise NotFoundError(
                f"Cannot cancel backfill {backfill_id} of '{job.name}': the job has none of that number. List them."
            )
        audit("backfill.cancel", {"backfill": backfill_id})
        self._airflow.cancel(job.dag_id, backfill_id)
        return next(one for one in self.list(job) if one.id == backfill_id)

    def _faults(self, job: JobSpec, request: BackfillRequest) -> Sequence[Fault]:
        shown = f"Cannot backfill '{job.name}'"
        if job.schedule.cron is None:
            return [Fault("", f"{shown}: it has no schedule, so nothing says which runs are missing. Run it by hand.")]
        if request.to_at < request.from_at:
            return [Fault("to_at", f"{shown}: the span ends before it begins. Swap its ends.")]
        if request.to_at > self._now():
            return [Fault("to_at", f"{shown}: the span reaches into the future. End it now or earlier.")]
        if count_fires(job.schedule, request.from_at, request.to_at, MOST_RUNS + 1) > MOST_RUNS:
            return [Fault("from_at", f"{shown}: that span has more than {MOST_RUNS} fires. Backfill a part at a time.")]
        return []

    def _view(self, job: JobSpec, backfill: AirflowBackfill) -> Backfill:
        return Backfill(
            id=backfill.id,
            job_id=job.id,
            from_at=backfill.from_at,
            to_at=backfill.to_at,
            created_at=backfill.created_at,
            ended_at=backfill.ended_at,
            runs=self._count(backfill),
        )

    def _count(self, backfill: AirflowBackfill) -> dict[str, int]:
        """Count a backfill's runs by state; those of one that has ended are asked for once."""
        if backfill.id in self._ended:
            return self._ended[backfill.id]
        runs = self._airflow.runs(backfill)
        for run in runs:
            self._runs.learn(run_id_of(run.dag_id, run.run_id), run)
        counts = dict(Counter(_STATES.get(run.state, run.state) for run in runs))
        if backfill.ended_at is not None and not {"queued", "running"} & set(counts):
            self._ended[backfill.id] = counts
            while len(self._ended) > MOST_KEPT:
                self._ended.popitem(last=False)
        return counts

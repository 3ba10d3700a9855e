"""Runs: asked for, listed and cancelled by people; which state each is in."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from athena_lab.errors import ConflictError, InvalidError, NotFoundError
from athena_lab.gateway_api.jobs import Run, RunRequest, RunState, RunSummary
from athena_lab.gateway_api.wire import Principal
from athena_lab.gateway_api.worker import run_id_of
from athena_lab.jobs import run_rules
from athena_lab.jobs.airflow_api import AirflowRun, Scheduler
from athena_lab.jobs.parameters import override_faults
from athena_lab.jobs.repository import JobsRepository
from athena_lab.jobs.request_keys import Keep, keep_nothing
from athena_lab.jobs.run_store import AttemptRow, RunRow, RunStore, Standing
from athena_lab.jobs.run_view import view_run, view_summaries
from athena_lab.jobs.spec import JobSpec

SILENT_AFTER_S = 15
"""Workers heartbeat every second or two; after this long the attempt counts as lost for the moment."""
Audit = Callable[[str, dict[str, Any]], None]
"""Record a decision, or raise AuditError; called before anything changes."""


class Runs:
    """The records of runs and what may happen to them; threads may share one."""

    def __init__(
        self,
        store: RunStore,
        repository: JobsRepository,
        scheduler: Scheduler,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._repository = repository
        self._scheduler = scheduler
        self._now = now

    # -- for people

    def request_run(
        self, job_id: str, request: RunRequest, principal: Principal, audit: Audit, keep: Keep = keep_nothing
    ) -> Run:
        """Start a run by hand; if Airflow does not take it, raise its error and leave nothing in the lists."""
        job = self._repository.spec(job_id)
        faults = override_faults(request.parameters, job.parameters)
        if faults:
            raise InvalidError(faults)
        now = self._now()
        row = replace(asked_row(job, manual_name(now), principal.user, now), requested=request.parameters)
        audit("run.request", {"job": job.id, "version": job.version, "run": row.run_id})
        keep(row.run_id)
        try:
            self.start(row, _conf_of(row.run_id))
        except NotFoundError as error:
            raise ConflictError(
                f"Cannot run '{job.name}': Airflow has not read the job yet. Wait until it is deployed."
            ) from error
        return self.get(row.run_id)

    def find_requested(self, run_id: str) -> Run | None:
        """Give a run that was asked for, None if nothing came of it; where asking was cut short, ask to its end."""
        return self.get(run_id) if self.is_started(run_id, _conf_of(run_id)) else None

    def start(self, row: RunRow, conf: Mapping[str, Any]) -> None:
        """Keep the record of a run that is asked for, then hand the run to Airflow.

        If Airflow does not say yes, raise its error: the run is withdrawn, even should it start after all.
        """
        self._store.add_run(replace(row, standing=Standing.ASKED))
        self._ask(row, conf)

    def is_started(self, run_id: str, conf: Mapping[str, Any]) -> bool:
        """Say whether a run was handed to Airflow; one whose asking died with a gateway is handed over now."""
        row = self._store.find_run(run_id)
        if row is None or row.standing is Standing.WITHDRAWN:
            return False
        if row.standing is Standing.ASKED:
            if self._scheduler.run(row.dag_id, row.airflow_run_id) is None:
                self._ask(row, conf)
            self._store.change_run(run_id, standing=Standing.LISTED)
        return True

    def _ask(self, row: RunRow, conf: Mapping[str, Any]) -> None:
        try:
            self._scheduler.trigger(row.dag_id, row.airflow_run_id, conf)
        except BaseException:
            self._store.change_run(row.run_id, standing=Standing.WITHDRAWN, ended_at=self._now())
            raise
        self._store.change_run(row.run_id, standing=Standing.LISTED)

    def get(self, run_id: str) -> Run:
        """Give a run; raise NotFoundError."""
        return view_run(self._store, self.row(run_id))

    def owner_of(self, run_id: str) -> str:
        """Say whose run it is; raise NotFoundError."""
        return self.row(run_id).owner

    def list(self, owner: str, job_id: str | None, limit: int) -> tuple[RunSummary, ...]:
        """List an owner's newest runs, of one job or of all, the newest first."""
        return view_summaries(self._store, self._store.list_runs(owner, job_id, limit))

    def last_runs(self, job_ids: Sequence[str]) -> Mapping[str, RunSummary]:
        """Give each job's newest run."""
        rows = self._store.last_runs(job_ids)
        return {run.job_id: run for run in view_summaries(self._store, list(rows.values()))}

    def cancel(self, run_id: str, audit: Audit) -> Run:
        """Ask a run to stop: its worker hears of it at the next heartbeat, `RunWatch` sees to the rest."""
        row = self.row(run_id)
        if row.state.is_final:
            raise ConflictError(f"Cannot cancel the run '{run_id}': it has ended already. Look at its record.")
        audit("run.cancel", {"job": row.job_id, "run": run_id})
        with self._store.transaction():
            if row.cancel_requested_at is None:
                self._store.change_run(run_id, cancel_requested_at=self._now(), must_stop=True)
            self.settle(run_id)
        return self.get(run_id)

    def stop(self, run_id: str, why: str) -> None:
        """Make a run stop as a cancelled one does, because of the platform's own limits."""
        with self._store.transaction():
            self._store.change_run(run_id, cancel_requested_at=self._now(), must_stop=True, error=why)
            self.settle(run_id)

    # -- what both sides rely on

    def learn(self, run_id: str, run: AirflowRun) -> None:
        """Make a record of a run that only Airflow knows of as yet; jobs that are no more have none."""
        row = self._store.find_run(run_id)
        if row is not None and row.standing is Standing.ASKED:
            self._store.change_run(run_id, standing=Standing.LISTED)
        if row is not None:
            return
        job = self._repository.find(run.dag_id.split("__", 2)[-1])
        if job is not None and job.dag_id == run.dag_id:
            queued_at = min(run.queued_at or run.run_after, self._now())
            self._store.add_run(new_row(job, run.run_id, run_type=run.run_type, queued_at=queued_at))

    def settle(self, run_id: str) -> RunState:
        """Work out the run's state anew from its attempts and Airflow's state, and keep it."""
        now = self._now()
        with self._store.transaction():
            row = self.row(run_id, also_hidden=True)
            attempts = self._store.list_attempts(run_id)
            state = run_rules.state_of(
                run_rules.RunFacts(
                    attempts=tuple(attempt.state for attempt in attempts),
                    airflow_state=row.airflow_state,
                    is_cancel_requested=row.cancel_requested_at is not None,
                    is_silent=bool(attempts) and is_silent(attempts[-1], now),
                    failures_allowed=row.failures_allowed,
                    is_waiting=self._is_waiting(run_id),
                )
            )
            ended_at = (row.ended_at or now) if state.is_final else None
            started_at = attempts[0].started_at if attempts else None
            if (state, started_at, ended_at) != (row.state, row.started_at, row.ended_at):
                self._store.change_run(run_id, state=state, started_at=started_at, ended_at=ended_at)
        return state

    def _is_waiting(self, run_id: str) -> bool:
        wait = self._store.waits_of([run_id]).get(run_id)
        return wait is not None and wait.ready_at is None

    def row(self, run_id: str, *, also_hidden: bool = False) -> RunRow:
        """Give a run's record; raise NotFoundError."""
        row = self._store.find_run(run_id)
        if row is None or (row.standing is not Standing.LISTED and not also_hidden):
            raise NotFoundError(f"Cannot find the run '{run_id[:64]}': there is no record of it. List the runs anew.")
        return row


def _conf_of(run_id: str) -> Mapping[str, Any]:
    return {"athena_request": run_id}


def is_silent(attempt: AttemptRow, now: datetime) -> bool:
    """Is the attempt supposed to run, but its heartbeat overdue?"""
    return attempt.state == run_rules.RUNNING and (now - attempt.heartbeat_at).total_seconds() > SILENT_AFTER_S


def manual_name(now: datetime) -> str:
    """Name a run that is asked for now, in Airflow."""
    return f"manual__{now:%Y-%m-%dT%H:%M:%S.%f}+00:00__{secrets.token_hex(4)}"


def asked_row(job: JobSpec, airflow_run_id: str, user: str, now: datetime) -> RunRow:
    """Make the record of a run that a user asks for now."""
    row = new_row(job, airflow_run_id, run_type="manual", queued_at=now)
    return replace(row, anchor=now, requested_by=user)


def new_row(job: JobSpec, airflow_run_id: str, *, run_type: str, queued_at: datetime) -> RunRow:
    """Make the record of a run that has not begun."""
    return RunRow(
        run_id=run_id_of(job.dag_id, airflow_run_id),
        dag_id=job.dag_id,
        airflow_run_id=airflow_run_id,
        job_id=job.id,
        job_name=job.name,
        job_version=job.version,
        owner=job.owner,
        team=job.team,
        type=run_type,
        queued_at=queued_at,
        failures_allowed=job.retries,
    )

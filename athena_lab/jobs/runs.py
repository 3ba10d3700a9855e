"""Runs: asked for by people, executed by workers attempt by attempt, recorded cell by cell."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from athena_lab.errors import ConflictError, Fault, InvalidError, NotFoundError
from athena_lab.gateway_api.jobs import Run, RunRequest, RunState, RunSummary
from athena_lab.gateway_api.wire import Principal
from athena_lab.gateway_api.worker import (
    Attempt,
    AttemptRequest,
    CellEvent,
    Finish,
    Heartbeat,
    run_id_of,
)
from athena_lab.jobs import run_rules
from athena_lab.jobs.airflow_api import AirflowRun, Scheduler
from athena_lab.jobs.parameters import override_faults, resolve_parameters
from athena_lab.jobs.repository import JobsRepository
from athena_lab.jobs.run_store import AttemptRow, CellRow, RunRow, RunStore, Standing
from athena_lab.jobs.run_view import view_run, view_summaries
from athena_lab.jobs.spec import JobSpec

SILENT_AFTER_S = 15
"""Workers heartbeat every second or two; after this long the attempt counts as lost for the moment."""
_LONGEST_ERROR = 20_000
_CELL_STATES = {"started": "running", "running": "running", "succeeded": "succeeded", "failed": "failed"}

Audit = Callable[[str, dict[str, Any]], None]
"""Record a decision, or raise AuditError; called before anything changes."""


class RunTokens(Protocol):
    """Who gives a run its credential, and takes it away."""

    def mint(self, owner: str, run_id: str, attempt: int) -> tuple[str, datetime]:
        """Give a token and when it ends."""

    def revoke(self, run_id: str, attempt: int) -> None:
        """Withdraw the tokens of all attempts up to and including this one."""


class Runs:
    """The records of runs and what may happen to them; threads may share one."""

    def __init__(
        self,
        store: RunStore,
        repository: JobsRepository,
        scheduler: Scheduler,
        tokens: RunTokens,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._repository = repository
        self._scheduler = scheduler
        self._tokens = tokens
        self._now = now

    # -- for people

    def request_run(self, job_id: str, request: RunRequest, principal: Principal, audit: Audit) -> Run:
        """Start a run by hand; if Airflow does not take it, raise its error and leave nothing in the lists."""
        job = self._repository.spec(job_id)
        faults = override_faults(request.parameters, job.parameters)
        if faults:
            raise InvalidError(faults)
        now = self._now()
        airflow_run_id = f"manual__{now:%Y-%m-%dT%H:%M:%S.%f}+00:00__{secrets.token_hex(4)}"
        row = replace(
            new_row(job, airflow_run_id, run_type="manual", queued_at=now),
            anchor=now,
            requested=request.parameters,
            requested_by=principal.user,
            standing=Standing.ASKED,
        )
        audit("run.request", {"job": job.id, "version": job.version, "run": row.run_id})
        self._store.add_run(row)
        self._trigger(job, row)
        self._store.change_run(row.run_id, standing=Standing.LISTED)
        return self.get(row.run_id)

    def _trigger(self, job: JobSpec, row: RunRow) -> None:
        """Hand the run to Airflow; if it does not say yes, the run is withdrawn, even should it start after all."""
        try:
            self._scheduler.trigger(row.dag_id, row.airflow_run_id, {"athena_request": row.run_id})
        except BaseException as error:
            self._store.change_run(row.run_id, standing=Standing.WITHDRAWN, ended_at=self._now())
            if isinstance(error, NotFoundError):
                raise ConflictError(
                    f"Cannot run '{job.name}': Airflow has not read the job yet. Wait until it is deployed."
                ) from error
            raise

    def get(self, run_id: str) -> Run:
        """Give a run; raise NotFoundError."""
        return view_run(self._store, self._row(run_id))

    def owner_of(self, run_id: str) -> str:
        """Say whose run it is; raise NotFoundError."""
        return self._row(run_id).owner

    def list(self, owner: str, job_id: str | None, limit: int) -> tuple[RunSummary, ...]:
        """List an owner's newest runs, of one job or of all, the newest first."""
        return view_summaries(self._store, self._store.list_runs(owner, job_id, limit))

    def last_runs(self, job_ids: Sequence[str]) -> Mapping[str, RunSummary]:
        """Give each job's newest run."""
        rows = self._store.last_runs(job_ids)
        return {run.job_id: run for run in view_summaries(self._store, list(rows.values()))}

    def cancel(self, run_id: str, audit: Audit) -> Run:
        """Ask a run to stop: its worker hears of it at the next heartbeat, `RunWatch` sees to the rest."""
        row = self._row(run_id)
        if row.state.is_final:
            raise ConflictError(f"Cannot cancel the run '{run_id}': it has ended already. Look at its record.")
        audit("run.cancel", {"job": row.job_id, "run": run_id})
        with self._store.transaction():
            if row.cancel_requested_at is None:
                self._store.change_run(run_id, cancel_requested_at=self._now(), must_stop=True)
            self.settle(run_id)
        return self.get(run_id)

    # -- for workers

    def begin_attempt(self, request: AttemptRequest) -> Attempt:
        """Give leave to execute; earlier attempts lose their token first."""
        job = self._spec(request.job_id, request.version)
        _require_match(job, request)
        run_id = run_id_of(request.dag_id, request.airflow_run_id)
        now = self._now()
        with self._store.transaction():
            row = self._known_row(job, request, run_id)
            attempts = self._store.list_attempts(run_id)
            number = attempts[-1].attempt + 1 if attempts else 1
            if number > 1:
                self._tokens.revoke(run_id, number - 1)
            self._abandon_running(attempts, now)
            parameters = self._resolve(job, row, request)
            is_cancelled = row.cancel_requested_at is not None or row.standing is Standing.WITHDRAWN
            self._store.add_attempt(
                AttemptRow(
                    run_id=run_id,
                    attempt=number,
                    worker=request.worker,
                    state=run_rules.CANCELLED if is_cancelled else run_rules.RUNNING,
                    is_isolated=request.is_isolated,
                    try_number=request.try_number,
                    started_at=now,
                    heartbeat_at=now,
                    ended_at=now if is_cancelled else None,
                )
            )
            if is_cancelled:
                self._tokens.revoke(run_id, number)
            self.settle(run_id)
        token, expires_at = self._tokens.mint(job.owner, run_id, number)
        return Attempt(
            run_id=run_id,
            attempt=number,
            token=token,
            token_expires_at=expires_at,
            owner=job.owner,
            anchor=self._row(run_id, also_hidden=True).anchor or now,
            parameters=parameters,
            timeout_s=job.timeout_s,
            is_cancelled=is_cancelled,
        )

    def heartbeat(self, run_id: str, attempt: int) -> Heartbeat:
        """Renew the attempt's token and say whether it should stop; raise ConflictError if it may not go on."""
        with self._store.transaction():
            row, current = self._current(run_id, attempt)
            self._require_running(current)
            self._store.change_attempt(run_id, attempt, heartbeat_at=self._now())
            if row.state is RunState.RETRYING:
                self.settle(run_id)
        token, expires_at = self._tokens.mint(row.owner, run_id, attempt)
        return Heartbeat(token=token, token_expires_at=expires_at, is_cancelled=row.cancel_requested_at is not None)

    def report_cell(self, run_id: str, attempt: int, event: CellEvent) -> None:
        """Record what became of a cell; raise ConflictError if the attempt may not go on."""
        state = _CELL_STATES.get(event.state)
        if state is None or event.index < 0:
            raise InvalidError(
                [
                    Fault(
                        "state", f"Cannot record the cell: '{event.state}' is no state. Use started, succeeded, failed."
                    )
                ]
            )
        with self._store.transaction():
            _, current = self._current(run_id, attempt)
            self._require_running(current)
            known = {cell.position: cell for cell in self._store.list_cells(run_id, attempt)}.get(event.index)
            self._store.put_cell(
                CellRow(
                    run_id=run_id,
                    attempt=attempt,
                    position=event.index,
                    state=state,
                    started_at=known.started_at if known else event.at,
                    ended_at=None if state == "running" else event.at,
                    error=_shorten(event.error),
                )
            )
            started = current.cells_started + (known is None)
            self._store.change_attempt(run_id, attempt, heartbeat_at=self._now(), cells_started=started)
            self._store.change_run(run_id, cells_total=event.cells_total)

    def require_attempt(self, run_id: str, attempt: int) -> None:
        """Raise ConflictError unless this is the run's latest attempt: an older one may write nothing more."""
        self._current(run_id, attempt)

    def finish(self, run_id: str, attempt: int, finish: Finish) -> None:
        """End an attempt and withdraw its token; the same message twice is fine."""
        if finish.state not in run_rules.ATTEMPT_ENDINGS:
            raise InvalidError(
                [Fault("state", f"Cannot end the attempt: '{finish.state}' is no ending. Use succeeded or failed.")]
            )
        with self._store.transaction():
            _, current = self._current(run_id, attempt)
            if current.state == finish.state:
                return
            self._require_running(current)
            self._tokens.revoke(run_id, attempt)
            self._end_cells(run_id, attempt, finish)
            self._store.change_attempt(run_id, attempt, state=finish.state, ended_at=finish.at)
            self._store.change_run(run_id, error=_shorten(finish.error))
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

    def _spec(self, job_id: str, version: int) -> JobSpec:
        current = self._repository.spec(job_id)
        if current.version == version:
            return current
        for spec in self._repository.past_specs(job_id):
            if spec.version == version:
                return spec
        raise NotFoundError(f"Cannot find version {version} of the job '{job_id}': there is none. Deploy it again.")

    def settle(self, run_id: str) -> RunState:
        """Work out the run's state anew from its attempts and Airflow's state, and keep it."""
        now = self._now()
        with self._store.transaction():
            row = self._row(run_id, also_hidden=True)
            attempts = self._store.list_attempts(run_id)
            state = run_rules.state_of(
                run_rules.RunFacts(
                    attempts=tuple(attempt.state for attempt in attempts),
                    airflow_state=row.airflow_state,
                    is_cancel_requested=row.cancel_requested_at is not None,
                    is_silent=bool(attempts) and is_silent(attempts[-1], now),
                    failures_allowed=row.failures_allowed,
                )
            )
            ended_at = (row.ended_at or now) if state.is_final else None
            started_at = attempts[0].started_at if attempts else None
            if (state, started_at, ended_at) != (row.state, row.started_at, row.ended_at):
                self._store.change_run(run_id, state=state, started_at=started_at, ended_at=ended_at)
        return state

    def _row(self, run_id: str, *, also_hidden: bool = False) -> RunRow:
        row = self._store.find_run(run_id)
        if row is None or (row.standing is not Standing.LISTED and not also_hidden):
            raise NotFoundError(f"Cannot find the run '{run_id[:64]}': there is no record of it. List the runs anew.")
        return row

    def _known_row(self, job: JobSpec, request: AttemptRequest, run_id: str) -> RunRow:
        """Give the run's record, made now where only Airflow knew of the run; it follows the version that runs."""
        queued_at = min(request.run_after, self._now())
        self._store.add_run(new_row(job, request.airflow_run_id, run_type=request.run_type, queued_at=queued_at))
        if self._row(run_id, also_hidden=True).standing is Standing.ASKED:
            # Airflow took the run although the gateway did not live to hear it.
            self._store.change_run(run_id, standing=Standing.LISTED)
        # Airflow's state may be of the former try ("failed", then cleared): this attempt knows better.
        self._store.change_run(
            run_id, job_version=job.version, failures_allowed=job.retries, airflow_state="running", error=None
        )
        return self._row(run_id, also_hidden=True)

    def _resolve(self, job: JobSpec, row: RunRow, request: AttemptRequest) -> dict[str, Any]:
        """Give the run's parameters, the same for all attempts at one version."""
        if row.resolved_version == job.version:
            return row.parameters
        anchor = run_rules.anchor_of(
            request.run_type,
            logical_date=request.logical_date,
            run_after=request.run_after,
            triggered_at=row.anchor if row.requested_by is not None else None,
        )
        parameters = resolve_parameters(job.parameters, row.requested, anchor, job.schedule.timezone)
        self._store.change_run(row.run_id, anchor=anchor, parameters=parameters, resolved_version=job.version)
        return parameters

    def _abandon_running(self, attempts: Sequence[AttemptRow], now: datetime) -> None:
        for row in attempts:
            if row.state == run_rules.RUNNING:
                self._store.change_attempt(row.run_id, row.attempt, state=run_rules.ABANDONED, ended_at=now)

    def _end_cells(self, run_id: str, attempt: int, finish: Finish) -> None:
        for cell in self._store.list_cells(run_id, attempt):
            if cell.state == "running":
                self._store.put_cell(replace(cell, state="failed", ended_at=finish.at, error=_shorten(finish.error)))

    def _current(self, run_id: str, attempt: int) -> tuple[RunRow, AttemptRow]:
        """Give the run and its latest attempt; raise ConflictError if `attempt` was superseded."""
        row = self._row(run_id, also_hidden=True)
        attempts = self._store.list_attempts(run_id)
        if not 1 <= attempt <= len(attempts):
            raise NotFoundError(f"Cannot find attempt {attempt} of the run '{run_id}': it never began. Begin it first.")
        if attempt != len(attempts):
            raise ConflictError(
                f"Cannot go on with attempt {attempt} of the run '{run_id}': another attempt took its place. "
                "Stop its kernel."
            )
        return row, attempts[-1]

    def _require_running(self, attempt: AttemptRow) -> None:
        if attempt.state != run_rules.RUNNING:
            raise ConflictError(
                f"Cannot go on with attempt {attempt.attempt} of the run '{attempt.run_id}': "
                f"it ended as {attempt.state}. Stop its kernel."
            )


def is_silent(attempt: AttemptRow, now: datetime) -> bool:
    """Is the attempt supposed to run, but its heartbeat overdue?"""
    return attempt.state == run_rules.RUNNING and (now - attempt.heartbeat_at).total_seconds() > SILENT_AFTER_S


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


def _require_match(job: JobSpec, request: AttemptRequest) -> None:
    if request.dag_id != job.dag_id or request.bundle != job.bundle:
        raise ConflictError(
            f"Cannot begin a run of '{request.dag_id}': version {job.version} of the job '{job.id}' "
            "is another bundle or another DAG. Deploy the job again."
        )


def _shorten(error: str | None) -> str | None:
    return error if error is None or len(error) <= _LONGEST_ERROR else error[:_LONGEST_ERROR] + "\n…"

"""Attempts: workers begin a run, say that they live, report its cells and end it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from athena_lab.errors import ConflictError, Fault, InvalidError, NotFoundError, OverBudgetError, PlatformError
from athena_lab.gateway_api.jobs import RunState
from athena_lab.gateway_api.terms import Overlap
from athena_lab.gateway_api.worker import (
    REHEARSAL_JOB_ID,
    Attempt,
    AttemptRequest,
    CellEvent,
    Finish,
    Heartbeat,
    run_id_of,
)
from athena_lab.jobs import run_rules
from athena_lab.jobs.budgets import Budgets
from athena_lab.jobs.parameters import resolve_parameters, secret_of
from athena_lab.jobs.rehearsal_store import RehearsalStore
from athena_lab.jobs.repository import JobsRepository
from athena_lab.jobs.run_store import AttemptRow, CellRow, RunRow, RunStore, Standing
from athena_lab.jobs.runs import Runs, new_row
from athena_lab.jobs.spec import JobSpec
from athena_lab.jobs.spec_at import spec_at

_LONGEST_ERROR = 20_000
_CELL_STATES = {"started": "running", "running": "running", "succeeded": "succeeded", "failed": "failed"}
_log = logging.getLogger(__name__)


class RunPowers(Protocol):
    """Who gives a run its credential and takes it away, and stops what it started in the warehouse."""

    def mint(self, owner: str, run_id: str, attempt: int, scratch: str | None = None) -> tuple[str, datetime]:
        """Give a token and when it ends; a rehearsal's may write to its scratch dataset only."""

    def revoke(self, run_id: str, attempt: int) -> None:
        """Withdraw the tokens of all attempts up to and including this one."""

    def stop_queries(self, run_id: str) -> None:
        """Cancel the run's warehouse jobs; raise a PlatformError when the warehouse does not do so."""

    def drop_dataset(self, name: str) -> None:
        """Drop a rehearsal's scratch dataset; raise a PlatformError when the warehouse does not do so."""


@dataclass(frozen=True, slots=True)
class Means:
    """What attempts need beside their records: credentials, budgets, the values of a user's secrets, rehearsals."""

    powers: RunPowers
    budgets: Budgets
    reveal: Callable[[str, str], str]
    rehearsals: RehearsalStore


class Attempts:
    """What workers may do; threads may share one."""

    def __init__(
        self,
        store: RunStore,
        runs: Runs,
        repository: JobsRepository,
        means: Means,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._store, self._runs = store, runs
        self._repository, self._powers = repository, means.powers
        self._budgets, self._reveal, self._now = means.budgets, means.reveal, now
        self._rehearsals = means.rehearsals

    def begin(self, request: AttemptRequest) -> Attempt:
        """Give leave to execute; earlier attempts lose their token first.

        Raises OverBudgetError where the job has used up its bytes, NotFoundError where its owner no longer has a
        secret that it needs; the run's record then says so.
        """
        run_id = run_id_of(request.dag_id, request.airflow_run_id)
        job = self._spec_of(request, run_id)
        _require_match(job, request)
        try:
            if (refusal := self._budgets.begin(job, run_id)) is not None:
                raise OverBudgetError(refusal)
            return self._begun(job, request, run_id)
        except (OverBudgetError, NotFoundError) as error:
            with self._store.transaction():
                self._known_row(job, request, run_id)
                self._store.change_run(run_id, error=str(error))
            raise

    def _begun(self, job: JobSpec, request: AttemptRequest, run_id: str) -> Attempt:
        now = self._now()
        with self._store.transaction():
            row = self._known_row(job, request, run_id)
            _require_owner(job, row)
            attempts = self._store.list_attempts(run_id)
            number = attempts[-1].attempt + 1 if attempts else 1
            if number > 1:
                self._powers.revoke(run_id, number - 1)
            lost = [one.attempt for one in attempts if one.state == run_rules.RUNNING]
            for attempt in lost:
                self._store.change_attempt(run_id, attempt, state=run_rules.ABANDONED, ended_at=now)
            parameters = self._resolve(job, row, request)
            revealed = self._revealed(job, parameters)
            is_cancelled = row.cancel_requested_at is not None or row.standing is Standing.WITHDRAWN
            is_skipped = not is_cancelled and number == 1 and self._overlaps(job, row)
            ending = run_rules.CANCELLED if is_cancelled else run_rules.SKIPPED if is_skipped else None
            self._store.add_attempt(_new_attempt(request, run_id, number, now, ending))
            if ending is not None:
                self._powers.revoke(run_id, number)
            self._runs.settle(run_id)
        if lost:
            self._clear_lost(row)
        token, expires_at = self._mint(row, number)
        return Attempt(
            run_id=run_id,
            attempt=number,
            token=token,
            token_expires_at=expires_at,
            owner=job.owner,
            anchor=self._runs.row(run_id, also_hidden=True).anchor or now,
            parameters=parameters | revealed,
            secret_parameters=tuple(revealed),
            timeout_s=job.timeout_s,
            is_cancelled=is_cancelled,
            is_skipped=is_skipped,
            bytes_left=self._budgets.left(job, run_id),
            failed_before=sum(one.state == run_rules.FAILED for one in attempts),
        )

    def heartbeat(self, run_id: str, attempt: int) -> Heartbeat:
        """Renew the attempt's token and say whether it should stop; raise ConflictError if it may not go on."""
        with self._store.transaction():
            row, current = self._current(run_id, attempt)
            self._require_running(current)
            self._store.change_attempt(run_id, attempt, heartbeat_at=self._now())
            if row.state is RunState.RETRYING:
                self._runs.settle(run_id)
        token, expires_at = self._mint(row, attempt)
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

    def require(self, run_id: str, attempt: int) -> None:
        """Raise ConflictError unless this is the run's latest attempt: an older one may write nothing more."""
        self._current(run_id, attempt)

    def finish(self, run_id: str, attempt: int, finish: Finish) -> None:
        """End an attempt and withdraw its token; the same message twice is fine."""
        if finish.state not in run_rules.ATTEMPT_ENDINGS:
            raise InvalidError(
                [Fault("state", f"Cannot end the attempt: '{finish.state}' is no ending. Use succeeded or failed.")]
            )
        with self._store.transaction():
            row, current = self._current(run_id, attempt)
            if current.state == finish.state:
                return
            self._require_running(current)
            self._powers.revoke(run_id, attempt)
            self._end_cells(run_id, attempt, finish)
            self._store.change_attempt(run_id, attempt, state=finish.state, ended_at=finish.at)
            if finish.state != run_rules.CANCELLED or row.error is None:  # else: why the platform stopped it
                self._store.change_run(run_id, error=_shorten(finish.error))
            self._runs.settle(run_id)

    def _spec_of(self, request: AttemptRequest, run_id: str) -> JobSpec:
        """Give what is to be executed: a version of a job, or what a user asked to rehearse in this very run."""
        if request.job_id == REHEARSAL_JOB_ID:
            return self._rehearsals.row(run_id).spec
        return spec_at(self._repository, request.job_id, request.version)

    def _mint(self, row: RunRow, attempt: int) -> tuple[str, datetime]:
        scratch = self._rehearsals.row(row.run_id).scratch if row.job_id == REHEARSAL_JOB_ID else None
        return self._powers.mint(row.owner, row.run_id, attempt, scratch)

    def _revealed(self, job: JobSpec, parameters: Mapping[str, Any]) -> dict[str, str]:
        """Give the values of the parameters that refer to secrets of the owner's; they are kept nowhere."""
        declared = {parameter.name: parameter for parameter in job.parameters}
        names = {name: secret_of(declared[name], value) for name, value in parameters.items() if name in declared}
        return {name: self._reveal(job.owner, secret) for name, secret in names.items() if secret is not None}

    def _overlaps(self, job: JobSpec, row: RunRow) -> bool:
        """Is the run to be skipped, because an earlier one of the job is under way? Backfills are asked for by hand."""
        if job.guards.overlap is not Overlap.SKIP or row.type == "backfill":
            return False
        return self._store.has_active_before(row)

    def _known_row(self, job: JobSpec, request: AttemptRequest, run_id: str) -> RunRow:
        """Give the run's record, made now where only Airflow knew of the run; it follows the version that runs."""
        queued_at = min(request.run_after, self._now())
        self._store.add_run(new_row(job, request.airflow_run_id, run_type=request.run_type, queued_at=queued_at))
        if self._runs.row(run_id, also_hidden=True).standing is Standing.ASKED:
            # Airflow took the run although the gateway did not live to hear it.
            self._store.change_run(run_id, standing=Standing.LISTED)
        # Airflow's state may be of the former try ("failed", then cleared): this attempt knows better.
        self._store.change_run(
            run_id, job_version=job.version, failures_allowed=job.retries, airflow_state="running", error=None
        )
        return self._runs.row(run_id, also_hidden=True)

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

    def _clear_lost(self, row: RunRow) -> None:
        """Stop what a lost attempt still has running in the warehouse, before another appends the same rows.

        A rehearsal begins anew, from copies of the tables as they are now.
        """
        try:
            self._powers.stop_queries(row.run_id)
            if row.job_id == REHEARSAL_JOB_ID:
                self._powers.drop_dataset(self._rehearsals.row(row.run_id).scratch)
        except PlatformError as error:
            _log.warning("What a lost attempt of run %s does in the warehouse may go on: %s", row.run_id, error)

    def _end_cells(self, run_id: str, attempt: int, finish: Finish) -> None:
        for cell in self._store.list_cells(run_id, attempt):
            if cell.state == "running":
                self._store.put_cell(replace(cell, state="failed", ended_at=finish.at, error=_shorten(finish.error)))

    def _current(self, run_id: str, attempt: int) -> tuple[RunRow, AttemptRow]:
        """Give the run and its latest attempt; raise ConflictError if `attempt` was superseded."""
        row = self._runs.row(run_id, also_hidden=True)
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


def _new_attempt(request: AttemptRequest, run_id: str, number: int, now: datetime, ending: str | None) -> AttemptRow:
    return AttemptRow(
        run_id=run_id,
        attempt=number,
        worker=request.worker,
        state=ending or run_rules.RUNNING,
        is_isolated=request.is_isolated,
        try_number=request.try_number,
        started_at=now,
        heartbeat_at=now,
        ended_at=now if ending else None,
    )


def _require_owner(job: JobSpec, row: RunRow) -> None:
    """Refuse a run that a job's former owner asked for: it would run as somebody who did not."""
    if row.owner != job.owner:
        raise ConflictError(
            f"Cannot begin the run '{row.run_id}': the job '{job.id}' has another owner since it was asked for. "
            "Run it again."
        )


def _require_match(job: JobSpec, request: AttemptRequest) -> None:
    if request.dag_id != job.dag_id or request.bundle != job.bundle:
        raise ConflictError(
            f"Cannot begin a run of '{request.dag_id}': version {job.version} of the job '{job.id}' "
            "is another bundle or another DAG. Deploy the job again."
        )


def _shorten(error: str | None) -> str | None:
    return error if error is None or len(error) <= _LONGEST_ERROR else error[:_LONGEST_ERROR] + "\n…"

"""Watch runs from Airflow's side: queued ones, lost ones, and those that somebody asked to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from athena_lab.errors import AthenaError, ConflictError, NotFoundError, PlatformError
from athena_lab.gateway_api.worker import run_id_of
from athena_lab.jobs import run_rules
from athena_lab.jobs.airflow_api import BEACON_DAG_ID, AirflowRun, Scheduler
from athena_lab.jobs.run_attempts import RunPowers
from athena_lab.jobs.run_store import AttemptRow, RunRow, RunStore
from athena_lab.jobs.runs import Runs, is_silent

PREFIX = "athena__"
NEWEST = 100
"""Airflow's newest runs that one look reads, in one request."""
MOST_ASKED = 20
"""Runs beyond the newest that one look asks Airflow about, one request each."""
CANCEL_GRACE = timedelta(seconds=5)
UNKNOWN_AFTER = timedelta(seconds=60)
_log = logging.getLogger(__name__)


class RunWatch:
    """One thread calls `look` every second or two; Airflow down means that everything stays as it is."""

    def __init__(
        self,
        store: RunStore,
        runs: Runs,
        scheduler: Scheduler,
        powers: RunPowers,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._store, self._runs = store, runs
        self._scheduler, self._powers = scheduler, powers
        self._now = now
        self._is_down = False

    def look(self) -> None:
        """Make one pass: what Airflow has, what was lost, what is to be stopped."""
        self._stop_asked()
        try:
            seen = self._read_newest()
            self._follow(seen)
        except PlatformError as error:
            if not self._is_down:
                _log.warning("Runs are not followed for now: %s", error)
            self._is_down = True
            return
        self._is_down = False

    # -- what Airflow has

    def _read_newest(self) -> dict[str, AirflowRun]:
        """Read Airflow's newest runs of our jobs, and make a record of those that have none."""
        seen = {}
        for run in self._scheduler.list_runs("~", NEWEST):
            if run.dag_id.startswith(PREFIX) and run.dag_id != BEACON_DAG_ID:
                seen[run_id_of(run.dag_id, run.run_id)] = run
        for run_id, run in seen.items():
            self._runs.learn(run_id, run)
        return seen

    def _follow(self, seen: dict[str, AirflowRun]) -> None:
        asked = 0
        for row in self._store.list_unsettled(limit=10 * NEWEST):
            if row.run_id in seen:
                state: str | None = seen[row.run_id].state
            elif asked < MOST_ASKED:
                asked += 1
                state = self._scheduler.run_state(row.dag_id, row.airflow_run_id)
            else:
                continue
            self._take_state(row, state)

    def _take_state(self, row: RunRow, state: str | None) -> None:
        """Keep Airflow's state; an attempt that Airflow has given up is abandoned and loses its token."""
        if state is None:
            if self._now() - row.queued_at < UNKNOWN_AFTER:
                return
            # Airflow forgot the run (its DAG was deleted, its database replaced): nobody will execute it.
            state = "failed"
        with self._store.transaction():
            attempts = self._store.list_attempts(row.run_id)
            last = attempts[-1] if attempts else None
            changes = {"airflow_state": state}
            if state in run_rules.AIRFLOW_ENDINGS and (last is None or is_silent(last, self._now())):
                changes |= self._give_up(row, last, state)
            self._store.change_run(row.run_id, **changes)
            self._runs.settle(row.run_id)

    def _give_up(self, row: RunRow, last: AttemptRow | None, state: str) -> dict[str, str]:
        if last is not None:
            self._powers.revoke(row.run_id, last.attempt)
            self._store.change_attempt(row.run_id, last.attempt, state=run_rules.ABANDONED, ended_at=self._now())
        is_refused = last is None and row.error is not None
        if row.cancel_requested_at is not None or state == "success" or is_refused:
            return {}
        what = f"its worker '{last.worker}' was lost" if last else "Airflow ended it before any worker began"
        return {"error": f"Cannot finish the run '{row.airflow_run_id}': {what}, and no retry is left. Run it again."}

    # -- what is to be stopped

    def _stop_asked(self) -> None:
        for row in self._store.list_unsettled(limit=10 * NEWEST):
            if not row.must_stop:
                continue
            try:
                self._stop(row)
            except AthenaError as error:
                # It stays marked, so the next look tries again.
                _log.warning("Run %s is not stopped yet: %s", row.run_id, error)

    def _stop(self, row: RunRow) -> None:
        """Stop a run's queries at once; after the grace take its token, then end it in Airflow."""
        attempts = self._store.list_attempts(row.run_id)
        last = attempts[-1] if attempts else None
        if last is not None and last.state == run_rules.RUNNING:
            if self._is_in_grace(row):
                self._powers.stop_queries(row.run_id)
                return
            self._take_token(row, last)
        if last is None or last.state != run_rules.SUCCEEDED:
            self._stop_in_airflow(row)
        if last is not None:
            self._powers.stop_queries(row.run_id)
        self._store.change_run(row.run_id, must_stop=False)

    def _is_in_grace(self, row: RunRow) -> bool:
        """Does the worker still have time to stop by itself, and to save what there is?"""
        return row.cancel_requested_at is not None and self._now() - row.cancel_requested_at < CANCEL_GRACE

    def _take_token(self, row: RunRow, last: AttemptRow) -> None:
        with self._store.transaction():
            self._powers.revoke(row.run_id, last.attempt)
            self._store.change_attempt(row.run_id, last.attempt, state=run_rules.CANCELLED, ended_at=self._now())
            self._runs.settle(row.run_id)

    def _stop_in_airflow(self, row: RunRow) -> None:
        try:
            if self._scheduler.run_state(row.dag_id, row.airflow_run_id) not in run_rules.AIRFLOW_ENDINGS:
                self._scheduler.stop_run(row.dag_id, row.airflow_run_id)
        except (NotFoundError, ConflictError):
            return  # it has ended or is gone

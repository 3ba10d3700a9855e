"""Runs that wait for updates of tables: which may begin, which are late, and what Airflow knows of updates.

Airflow's triggerer asks on behalf of all runs that wait there; an update is an event of the table's asset, which
Airflow emits when the run of a job that writes the table has succeeded.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from athena_lab.errors import AthenaError, NotFoundError
from athena_lab.gateway_api.assets import SCHEME, asset_uri
from athena_lab.gateway_api.worker import WaitAnswer, WaitingRun, WaitQuery, run_id_of
from athena_lab.jobs.airflow_api import Scheduler
from athena_lab.jobs.repository import JobsRepository
from athena_lab.jobs.run_store import RunStore, WaitRow
from athena_lab.jobs.runs import Runs
from athena_lab.jobs.spec import JobSpec
from athena_lab.jobs.wait_rules import consumed_before, missing_tables, previous_fire

WAITING_TYPE = "scheduled"
"""Only runs of the schedule wait: whoever starts one by hand, or for the past, wants it now."""
OVERLAP = timedelta(seconds=15)
"""Updates are read again from this long before the last known one: their transactions may end out of order."""
FIRST_LOOK = timedelta(days=35)
IDLE_LOOK = timedelta(seconds=60)
_ENDED_READ = 50
"""A job's last waits that are searched for the update that each table last had; tables change seldom."""
_log = logging.getLogger(__name__)


class Waits:
    """Keeps what runs wait for; threads may share one."""

    def __init__(
        self,
        store: RunStore,
        runs: Runs,
        repository: JobsRepository,
        scheduler: Scheduler,
        project: str,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._store, self._runs, self._repository, self._scheduler = store, runs, repository, scheduler
        self._project, self._now = project, now
        self._looked_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._lock = threading.Lock()

    # -- updates

    def look(self) -> None:
        """Read what Airflow knows of updates, at each call while runs wait, else once a minute; raise PlatformError."""
        now = self._now()
        is_idle = self._asked_at is None or now - self._asked_at > IDLE_LOOK
        if is_idle and self._looked_at is not None and now - self._looked_at < IDLE_LOOK:
            return
        self._read_updates()

    def _read_updates(self) -> None:
        with self._lock:
            last = self._store.last_update_at()
            since = last - OVERLAP if last is not None else self._now() - FIRST_LOOK
            self._store.put_updates(self._scheduler.updates(since, SCHEME))
            self._looked_at = self._now()

    def updated_at(self, tables: Iterable[str]) -> dict[str, datetime]:
        """Give when each of the tables was last updated, of those that were."""
        uris = {uri: table for table in tables if (uri := self._uri_of(table)) is not None}
        return {uris[uri]: moment for uri, moment in self._store.updates_of(uris).items()}

    def _uri_of(self, table: str) -> str | None:
        try:
            return asset_uri(table, self._project)
        except ValueError:
            return None  # a form may name what is no table; its faults say so

    # -- waiting

    def ask(self, query: WaitQuery) -> WaitAnswer:
        """Say which of the runs may begin; what cannot be told now is told at a later call."""
        self._asked_at = self._now()
        ready = []
        for run in query.runs:
            try:
                if self._may_begin(run):
                    ready.append(run_id_of(run.dag_id, run.airflow_run_id))
            except AthenaError as error:
                _log.warning("the run '%s' of '%s' waits on: %s", run.airflow_run_id, run.job_id, error)
        return WaitAnswer(ready=tuple(ready))

    def _may_begin(self, run: WaitingRun) -> bool:
        run_id = run_id_of(run.dag_id, run.airflow_run_id)
        wait = self._store.waits_of([run_id]).get(run_id) or self._begin(run, run_id)
        if wait is None or wait.ready_at is not None:
            return True
        with self._store.transaction():
            if self._runs.row(run_id, also_hidden=True).cancel_requested_at is not None:
                return False
            wait = self._judged(wait)
            self._store.put_wait(wait)
            self._runs.settle(run_id)
        return wait.ready_at is not None

    def _begin(self, run: WaitingRun, run_id: str) -> WaitRow | None:
        """Make the record of a wait; None for a run that does not wait."""
        known = self._scheduler.run(run.dag_id, run.airflow_run_id)
        if known is None:
            raise NotFoundError(f"Cannot follow the run '{run.airflow_run_id}': Airflow does not know it. Ask later.")
        self._runs.learn(run_id, known)
        if known.run_type != WAITING_TYPE:
            return None
        spec = self._spec(run)
        now = self._now()
        return WaitRow(
            run_id=run_id,
            job_id=run.job_id,
            tables=list(spec.after.tables),
            missing=list(spec.after.tables),
            baseline_at=previous_fire(spec.schedule, known.run_after),
            deadline_at=known.run_after + timedelta(seconds=spec.after.deadline_s),
            seen_at=now,
        )

    def _judged(self, wait: WaitRow) -> WaitRow:
        """Hold a wait against what is known now."""
        now = self._now()
        updated = self.updated_at(wait.tables)
        ended = [_moments(other.consumed) for other in self._store.last_ready_waits(wait.job_id, _ENDED_READ)]
        missing = missing_tables(wait.tables, updated, consumed_before(ended), wait.baseline_at)
        late_at = wait.late_at or (now if now > wait.deadline_at else None)
        if missing:
            return replace(wait, missing=missing, seen_at=now, late_at=late_at)
        consumed = {table: updated[table].astimezone(UTC).isoformat() for table in wait.tables}
        return replace(wait, missing=[], seen_at=now, late_at=late_at, ready_at=now, consumed=consumed)

    def _spec(self, run: WaitingRun) -> JobSpec:
        for spec in self._repository.past_specs(run.job_id):
            if spec.version == run.version and spec.dag_id == run.dag_id:
                return spec
        raise NotFoundError(f"Cannot find version {run.version} of the job '{run.job_id}'. Deploy the job again.")


def _moments(consumed: Mapping[str, str]) -> dict[str, datetime]:
    return {table: datetime.fromisoformat(text) for table, text in consumed.items()}

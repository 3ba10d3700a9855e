"""Bring what is committed to Airflow: ask it to read a shard, see the version arrive, finish deletions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from athena_lab.errors import ConflictError, NotFoundError, PlatformError, UnreachableError
from athena_lab.gateway_api.jobs import Promotion, PromotionState
from athena_lab.gateway_api.worker import dag_id_of
from athena_lab.jobs.outbox import Entry, EntryKind, EntryState
from athena_lab.jobs.services import Services
from athena_lab.jobs.spec import JobSpec

BATCH = 50
"""How many entries one pass looks at, so that a pass is short whatever has piled up."""
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 60.0
_SETTLED = timedelta(seconds=40)
"""A parse that began before the deletion may bring the DAG back; it is over by then (files are read every 30 s)."""
_FRESH_S = 30.0
"""How long a promotion is expected to take at most; what is older is looked at now and then."""
_FRESH_AGAIN_S = 5.0
"""The same once Airflow had to be asked again."""
_LONGEST_LOOK_S = 10.0
_READ = timedelta(seconds=1)
"""How long Airflow takes to read a loader, so earlier there is no fault of it to look for."""
_REMEMBERED = 1000
_WAITING = "waiting for the scheduler"
_ACTIVE_RUNS = ("queued", "running")


def promotion_of(entry: Entry, *, is_unchanged: bool = False) -> Promotion:
    """Tell a client about an entry."""
    states = {EntryState.PREPARED: PromotionState.COMMITTED, EntryState.DROPPED: PromotionState.FAILED}
    return Promotion(
        job_id=entry.job_id,
        version=entry.version,
        state=states.get(entry.state) or PromotionState(entry.state.value),
        is_unchanged=is_unchanged,
        message=entry.message,
        requested_at=entry.requested_at,
        visible_at=entry.visible_at,
    )


class Delivery:
    """What stands between a commit and Airflow showing it; every step may be repeated."""

    def __init__(self, services: Services, now: Callable[[], datetime]) -> None:
        self._repository, self._outbox = services.repository, services.outbox
        self._scheduler, self._now = services.scheduler, now
        self._looked: dict[tuple[str, int, EntryKind], datetime] = {}

    def ask(self, entry: Entry) -> Entry:
        """Ask Airflow to read the job's shard now; if it does not answer the entry waits."""
        spec = self._spec_of(entry)
        if spec is None:
            return self._drop(entry)
        sibling = self._repository.sibling_of(entry.job_id)
        is_new = entry.version == 1 and entry.kind is EntryKind.DEPLOY
        state, message = EntryState.COMMITTED, ""
        try:
            if entry.kind is EntryKind.DELETE and entry.attempts == 0:
                self._stop(spec)
            self._scheduler.reparse(None if is_new else spec.dag_id, dag_id_of(spec.team, sibling) if sibling else None)
        except (PlatformError, NotFoundError) as error:
            state, message = EntryState.WAITING, f"{_WAITING}: {error}"
        return self._outbox.update(
            entry, state=state, message=message, asked_at=self._now(), attempts=entry.attempts + 1
        )

    def advance(self, entry: Entry) -> Entry:
        """Look at Airflow once; raise UnreachableError if it does not answer, after marking the entry as waiting."""
        step = self._finish_deletion if entry.kind is EntryKind.DELETE else self._see
        try:
            return step(entry)
        except UnreachableError as error:
            self._outbox.update(entry, state=EntryState.WAITING, message=f"{_WAITING}: {error}")
            raise

    def pump(self) -> int:
        """Advance what is unfinished, one pass; give how much of it is fresh, so worth another look at once."""
        fresh = 0
        is_down = False
        for entry in self._outbox.unfinished(BATCH):
            try:
                if not is_down and self._may_look(entry):
                    entry = self.advance(entry)
            except UnreachableError:
                is_down = True
            fresh += self._is_fresh(entry)
        return fresh

    def _may_look(self, entry: Entry) -> bool:
        """Say whether a pass may look at an entry: the longer ago Airflow was asked, the rarer, at most every 10 s."""
        key, now = (entry.job_id, entry.version, entry.kind), self._now()
        share = 10 if entry.attempts <= 1 else 2
        wait = min((now - _last_step(entry)) / share, timedelta(seconds=_LONGEST_LOOK_S))
        looked = self._looked.get(key)
        if looked is not None and now - looked < wait:
            return False
        if len(self._looked) >= _REMEMBERED:
            self._looked.clear()
        self._looked[key] = now
        return True

    def _is_fresh(self, entry: Entry) -> bool:
        span_s = _FRESH_S if entry.attempts <= 1 else _FRESH_AGAIN_S
        is_open = entry.state in (EntryState.COMMITTED, EntryState.WAITING)
        return is_open and self._now() - _last_step(entry) < timedelta(seconds=span_s)

    # -- deployments

    def _see(self, entry: Entry) -> Entry:
        spec = self._spec_of(entry)
        if spec is None or self._repository.find(entry.job_id) is None:
            return self._drop(entry)
        if entry.asked_at is None and self._repository.is_ahead():
            return entry  # its push still waits, so Airflow could read nothing new: it stays told as waiting
        if (self._scheduler.deployed_version(spec.dag_id) or 0) >= entry.version:
            return self._outbox.update(entry, state=EntryState.VISIBLE, visible_at=self._now(), message="")
        trouble = self._import_error(entry)
        if trouble:
            message = (
                f"Cannot show '{spec.name}' in Airflow: its loader failed ({trouble[:300]}). Tell the platform team."
            )
            entry = self._outbox.update(entry, state=EntryState.FAILED, message=message)
        if not self._is_due(entry):
            return entry
        asked = self.ask(entry)
        if trouble and asked.state is EntryState.COMMITTED:
            # It stays told as failed until Airflow shows it.
            return self._outbox.update(asked, state=EntryState.FAILED, message=entry.message)
        return asked

    def _import_error(self, entry: Entry) -> str | None:
        place = self._repository.path_of(entry.job_id)
        if place is None or entry.asked_at is None or self._now() - entry.asked_at < _READ:
            return None
        return self._scheduler.import_error(place.loader_in_dags, since=entry.requested_at)

    # -- deletions

    def _stop(self, spec: JobSpec) -> None:
        """Keep Airflow from starting what is about to go, and end what runs."""
        try:
            self._scheduler.set_paused(spec.dag_id, is_paused=True)
        except NotFoundError:
            return
        self._stop_runs(spec)

    def _stop_runs(self, spec: JobSpec) -> None:
        for run in self._scheduler.list_runs(spec.dag_id):
            if run.state in _ACTIVE_RUNS:
                self._scheduler.stop_run(spec.dag_id, run.run_id)

    def _finish_deletion(self, entry: Entry) -> Entry:
        spec = self._spec_of(entry)
        if spec is None:
            return self._drop(entry)
        if entry.attempts == 0 or (entry.state is EntryState.WAITING and self._is_due(entry)):
            return self.ask(entry)
        if not self._is_due(entry):
            return entry
        if self._scheduler.details(spec.dag_id) is None:
            if self._now() - entry.requested_at >= _SETTLED:
                return self._outbox.update(entry, state=EntryState.VISIBLE, visible_at=self._now(), message="")
            return self._outbox.update(entry, asked_at=self._now())
        try:
            self._scheduler.delete(spec.dag_id)
        except ConflictError:
            self._stop_runs(spec)
        return self._outbox.update(entry, asked_at=self._now(), attempts=entry.attempts + 1)

    # -- both

    def _spec_of(self, entry: Entry) -> JobSpec | None:
        if entry.kind is EntryKind.DELETE:
            return self._repository.deleted(entry.job_id)
        spec = self._repository.find(entry.job_id)
        return spec if spec is not None and spec.version >= entry.version else None

    def _drop(self, entry: Entry) -> Entry:
        """End an entry whose commit is not in the repository any more."""
        message = "The job was deleted, or another deployment came first."
        return self._outbox.update(entry, state=EntryState.DROPPED, message=message)

    def _is_due(self, entry: Entry) -> bool:
        """Say whether Airflow may be asked again: after 2 s, then twice as long each time, at most 60 s."""
        if entry.asked_at is None:
            return True
        wait_s = min(_FIRST_WAIT_S * 2.0 ** min(max(entry.attempts - 1, 0), 10), _LONGEST_WAIT_S)
        return self._now() - entry.asked_at >= timedelta(seconds=wait_s)


def _last_step(entry: Entry) -> datetime:
    """Give when Airflow was last asked about an entry, else when it was made."""
    return max(entry.requested_at, entry.asked_at or entry.requested_at)

"""Carry a deployment through: commit, push, reparse; how far each is, and what a crash left unfinished."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from athena_lab.errors import AthenaError, ConflictError, NotFoundError, PlatformError, UnreachableError
from athena_lab.gateway_api.jobs import Promotion
from athena_lab.gateway_api.wire import Principal
from athena_lab.gateway_api.worker import REHEARSAL_DAG_ID
from athena_lab.jobs.delivery import Delivery, promotion_of
from athena_lab.jobs.job_listing import entry_of
from athena_lab.jobs.outbox import Entry, EntryKind, EntryState
from athena_lab.jobs.repository import Change
from athena_lab.jobs.services import Services

_MAINTAIN_EVERY = 200
_LOG = logging.getLogger(__name__)


class Deployments:
    """What `Promoter` decided is made so here; whoever writes holds the repository's lock."""

    def __init__(self, services: Services, now: Callable[[], datetime], at_seam: Callable[[str], None]) -> None:
        self._repository, self._outbox = services.repository, services.outbox
        self._delivery = Delivery(services, now)
        self._now, self._at_seam = now, at_seam
        self._scheduler = services.scheduler
        self._commits = 0
        self._has_news = False
        """Whether Airflow is still to be asked to read the platform's own files anew."""

    # -- after a crash

    def recover(self) -> None:
        """Bring clone, remote and outbox into agreement after a crash; call once at start.

        It prepares the repository on a fresh home. A prepared entry without its commit is dropped; a
        commit without its entry gets one; commits that the remote lacks are pushed.
        """
        self._has_news = self._repository.prepare()
        with self._repository.locked():
            try:
                self.agree()
            except (UnreachableError, ConflictError) as error:
                _LOG.warning("the jobs repository is not in agreement yet: %s", error)
            self._settle_prepared()
            known = self._outbox.versions()
            lost = [spec for spec in self._repository.specs() if (spec.id, spec.version) not in known]
            self._outbox.put_all([entry_of(spec, EntryState.COMMITTED) for spec in lost])
            for spec in self._repository.deleted_specs():
                if self._outbox.get(spec.id, spec.version, EntryKind.DELETE) is None:
                    self._outbox.put(entry_of(spec, EntryState.COMMITTED, kind=EntryKind.DELETE, at=self._now()))

    def agree(self) -> None:
        """Take over the remote's commits, push ours, and settle entries that a crash left open."""
        self._repository.refresh()
        if self._repository.is_ahead():
            self._repository.push()
        self._settle_prepared()

    def _settle_prepared(self) -> None:
        for entry in self._outbox.prepared():
            if self._is_committed(entry):
                self._outbox.update(entry, state=EntryState.COMMITTED)
            else:
                self._outbox.drop(entry)

    def _is_committed(self, entry: Entry) -> bool:
        if entry.kind is EntryKind.DELETE:
            return self._repository.deleted(entry.job_id) is not None
        spec = self._repository.find(entry.job_id) or self._repository.deleted(entry.job_id)
        return spec is not None and spec.version >= entry.version

    # -- one deployment

    def commit(self, entry: Entry, make: Callable[[], Change], principal: Principal, message: str) -> Entry:
        """Write the entry, commit and push; on failure before the commit nothing is left."""
        self._outbox.put(entry)
        try:
            self._repository.commit(make(), principal.user, message)
        except AthenaError:
            self._outbox.drop(entry)
            raise
        self._commits += 1
        self._at_seam("commit")
        try:
            self._repository.push()
        except ConflictError:
            self._outbox.drop(entry)
            raise
        except UnreachableError as error:
            waiting = f"waiting for the jobs repository: {error}"
            return self._outbox.update(entry, state=EntryState.WAITING, message=waiting)
        entry = self._outbox.update(entry, state=EntryState.COMMITTED)
        self._at_seam("push")
        return entry

    def ask(self, entry: Entry) -> Entry:
        """Ask Airflow to read what was committed, unless the push is still waiting."""
        if entry.state is EntryState.COMMITTED:
            entry = self._delivery.ask(entry)
        self._at_seam("reparse")
        return entry

    # -- how far it is

    def promotion(self, job_id: str, version: int) -> Promotion:
        """Give the state of a promotion as last known; raise NotFoundError."""
        entry = self._outbox.get(job_id, version)
        if entry is not None:
            return promotion_of(entry)
        for spec in self._repository.past_specs(job_id):
            if spec.version == version:
                return promotion_of(entry_of(spec, EntryState.VISIBLE))
        raise NotFoundError(
            f"Cannot find version {version} of the job '{job_id[:60]}': it was never deployed. Look at its versions."
        )

    def poll(self, job_id: str, version: int) -> Promotion:
        """Ask Airflow now about one promotion that is under way, and give its state; raise NotFoundError."""
        entry = self._outbox.get(job_id, version)
        if entry is None or entry.state not in (EntryState.COMMITTED, EntryState.WAITING, EntryState.FAILED):
            return self.promotion(job_id, version)
        try:
            return promotion_of(self._delivery.advance(entry))
        except PlatformError:
            return self.promotion(job_id, version)

    def pump(self) -> int:
        """Make one pass over what is unfinished: pushes, reparses, visibility, deletions.

        Gives how many entries are fresh, so that another pass at once is worth it; what is older than
        half a minute is looked at now and then, so a pass every few seconds is enough for it.
        """
        if self._repository.is_ahead() or self._outbox.prepared():
            with self._repository.locked():
                try:
                    self.agree()
                except (UnreachableError, ConflictError) as error:
                    _LOG.warning("the jobs repository is not in agreement yet: %s", error)
        if self._commits >= _MAINTAIN_EVERY:
            self._commits = 0
            self._repository.maintain()
        if self._has_news and not self._repository.is_ahead():
            self._tell_news()
        return self._delivery.pump()

    def _tell_news(self) -> None:
        """Ask Airflow to read the platform's files now, and not when it next looks for new ones by itself."""
        try:
            self._scheduler.reparse(REHEARSAL_DAG_ID, None)
        except (PlatformError, NotFoundError):
            return  # it is not up yet, or has read nothing yet: the next pass asks again
        self._has_news = False

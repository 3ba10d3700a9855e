"""Tell a client about jobs: the spec, with what Airflow and the outbox know of it."""

from __future__ import annotations

import logging
from datetime import datetime

from athena_lab.errors import PlatformError
from athena_lab.gateway_api.jobs import Job, JobPage, JobQuery, JobState
from athena_lab.gateway_api.terms import terms_of
from athena_lab.gateway_api.wire import Principal
from athena_lab.jobs.airflow_api import DagStanding
from athena_lab.jobs.delivery import promotion_of
from athena_lab.jobs.outbox import Entry, EntryKind, EntryState
from athena_lab.jobs.services import Services
from athena_lab.jobs.spec import JobSpec, name_key

_LOG = logging.getLogger(__name__)


class JobListing:
    """The jobs as the sidebar shows them; without Airflow's word they are shown as last known."""

    def __init__(self, services: Services) -> None:
        self._repository, self._outbox, self._scheduler = services.repository, services.outbox, services.scheduler

    def find(self, query: JobQuery, principal: Principal) -> JobPage:
        """Give a page of the caller's own jobs by name; what it costs grows with the page, hardly with the jobs."""
        specs = [spec for spec in self._repository.specs() if spec.owner == principal.user and _is_found(spec, query)]
        specs.sort(key=lambda spec: (spec.name.casefold(), spec.id))
        page = specs[query.offset : query.offset + query.limit]
        paused = self._outbox.paused()
        try:
            standings = self._scheduler.standings([spec.dag_id for spec in page])
        except PlatformError as error:
            _LOG.warning("jobs are listed without Airflow's word: %s", error)
            standings = {}
        jobs = tuple(self._job_of(spec, standings.get(spec.dag_id), paused) for spec in page)
        return JobPage(jobs=jobs, total=len(specs))

    def job(self, job_id: str) -> Job:
        """Give a job, a deleted one too (state DELETED); raise NotFoundError."""
        deleted = self._repository.deleted(job_id)
        if deleted is not None:
            return self._job_of(deleted, None, set(), is_deleted=True)
        spec = self._repository.spec(job_id)
        try:
            standing = self._scheduler.standings([spec.dag_id]).get(spec.dag_id)
        except PlatformError as error:
            _LOG.warning("a job is shown without Airflow's word: %s", error)
            standing = None
        return self._job_of(spec, standing, self._outbox.paused())

    def entry(self, spec: JobSpec) -> Entry:
        """Give the outbox's entry of a deployment; one that it no longer knows was seen long ago."""
        return self._outbox.get(spec.id, spec.version) or entry_of(spec, EntryState.VISIBLE)

    def _job_of(
        self, spec: JobSpec, standing: DagStanding | None, paused: set[str], *, is_deleted: bool = False
    ) -> Job:
        is_paused = standing.is_paused if standing else spec.id in paused
        state = JobState.PAUSED if is_paused else JobState.ACTIVE
        return Job(
            id=spec.id,
            name=spec.name,
            team=spec.team,
            owner=spec.owner,
            version=spec.version,
            bundle=spec.bundle,
            source=spec.source,
            **terms_of(spec),
            state=JobState.DELETED if is_deleted else state,
            promotion=promotion_of(self.entry(spec)).state,
            next_run_at=standing.next_run_at if standing and not is_paused else None,
            created_at=self._created_at(spec),
            updated_at=spec.deployed_at,
            rehearsed_at=spec.rehearsed_at,
        )

    def _created_at(self, spec: JobSpec) -> datetime:
        first = self._outbox.get(spec.id, 1)
        return first.requested_at if first else self._repository.past_specs(spec.id)[-1].deployed_at


def _is_found(spec: JobSpec, query: JobQuery) -> bool:
    """Say whether a job is asked for: each word somewhere in its texts, and its notebook if one is named."""
    text = f"{spec.name} {spec.id} {spec.owner} {spec.source.path}"
    text = name_key(text)
    if not all(word in text for word in name_key(query.search).split()):
        return False
    if query.path is None and query.notebook_id is None:
        return True
    is_at_path = query.path is not None and spec.source.path == query.path
    return is_at_path or (query.notebook_id is not None and spec.source.notebook_id == query.notebook_id)


def entry_of(
    spec: JobSpec, state: EntryState, *, kind: EntryKind = EntryKind.DEPLOY, at: datetime | None = None
) -> Entry:
    """Make the outbox's entry of a version's deployment or deletion."""
    moment = at or spec.deployed_at
    visible_at = moment if state is EntryState.VISIBLE else None
    return Entry(spec.id, spec.version, kind, state, requested_at=moment, visible_at=visible_at)

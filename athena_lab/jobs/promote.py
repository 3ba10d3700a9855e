"""Promote a bundle to a scheduled job: all faults first, then audit, outbox, commit, push, reparse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from athena_lab.gateway_api.jobs import Check, Job, JobVersion, Promotion, PromoteRequest
from athena_lab.gateway_api.wire import Principal
from athena_lab.jobs.airflow_api import Scheduler
from athena_lab.jobs.bundle_store import BundleStore
from athena_lab.jobs.outbox import Outbox
from athena_lab.jobs.repository import JobsRepository

Audit = Callable[[str, dict[str, Any]], None]
"""Record a decision, or raise AuditError; called before anything changes."""


@dataclass(frozen=True, slots=True)
class PromotionRules:
    """What a promotion may ask for, and the team that its job belongs to."""

    minimum_interval_s: int
    team: str


class Promoter:
    """Deploy, list, pause and delete jobs; one repository, one lock (also across processes)."""

    def __init__(
        self,
        repository: JobsRepository,
        outbox: Outbox,
        bundles: BundleStore,
        scheduler: Scheduler,
        rules: PromotionRules,
        *,
        now: Callable[[], datetime],
        at_seam: Callable[[str], None] = lambda _seam: None,
    ) -> None:
        raise NotImplementedError

    def recover(self) -> None:
        """Bring clone, remote and outbox into agreement after a crash; call once at start (also on a fresh home:
        it prepares the repository)."""

    def check(self, request: PromoteRequest, principal: Principal) -> Check:
        """Say what a promotion would do: every fault at once, and the next ten runs if there is none."""

    def promote(self, request: PromoteRequest, principal: Principal, audit: Audit) -> Promotion:
        """Deploy; raise InvalidError (all faults), ForbiddenError, NotFoundError (job_id), ConflictError
        (expected_version, or the repository moved on)."""

    def promotion(self, job_id: str, version: int) -> Promotion:
        """Give the state of a promotion as last known; raise NotFoundError."""

    def poll(self, job_id: str, version: int) -> Promotion:
        """Ask Airflow now about one promotion that is under way, and give its state; raise NotFoundError."""

    def jobs(self, principal: Principal) -> tuple[Job, ...]:
        """List the caller's own jobs by name (`last_run` is the caller's to fill)."""

    def job(self, job_id: str) -> Job:
        """Give a job, a deleted one too (state DELETED); raise NotFoundError."""

    def versions(self, job_id: str) -> tuple[JobVersion, ...]:
        """List a job's versions, the newest first; raise NotFoundError."""

    def pause(self, job_id: str, principal: Principal, audit: Audit) -> Job:
        """Stop a job's schedule; raise ForbiddenError, NotFoundError, UnreachableError."""

    def resume(self, job_id: str, principal: Principal, audit: Audit) -> Job:
        """Start a paused job's schedule again; raise ForbiddenError, NotFoundError, UnreachableError."""

    def delete(self, job_id: str, principal: Principal, audit: Audit) -> Job:
        """Delete a job by a commit; Airflow's side is finished now or, if it is down, later by `pump`."""

    def pump(self) -> int:
        """Make one pass over what is unfinished (pushes, reparses, visibility, deletions); give how much is left."""

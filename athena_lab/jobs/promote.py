"""Promote a bundle to a scheduled job: all faults first, then audit, outbox, commit, push, reparse."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from athena_lab.errors import (
    ConflictError,
    Fault,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PlatformError,
    UnreachableError,
    UpstreamError,
)
from athena_lab.gateway_api.bundles import EnvironmentKind
from athena_lab.gateway_api.jobs import Bundle, Check, Job, JobPage, JobQuery, JobVersion, PromoteRequest, Promotion
from athena_lab.gateway_api.lineage import Lineage
from athena_lab.gateway_api.wire import FaultModel, Principal
from athena_lab.jobs.class_rules import class_faults, tables_of
from athena_lab.jobs.delivery import promotion_of
from athena_lab.jobs.dependencies import JobGraph, JobNode, cycle_fault, warnings_of
from athena_lab.jobs.dependency_plan import dependency_faults, node_of, planned_node, resolved
from athena_lab.jobs.dependency_view import DependencyView, UpdatedAt
from athena_lab.jobs.deployments import Deployments
from athena_lab.jobs.job_listing import JobListing, entry_of
from athena_lab.jobs.outbox import Entry, EntryKind, EntryState
from athena_lab.jobs.promotion_plan import (
    Deployment,
    Known,
    PromotionRules,
    environment_warnings,
    expected_fault,
    form_faults,
    next_spec,
    previous_of,
)
from athena_lab.jobs.repository import Change
from athena_lab.jobs.schedule import count_made_up, marks_of
from athena_lab.jobs.services import Services
from athena_lab.jobs.spec import JobSpec, with_content_hash

__all__ = ["Audit", "Occasion", "Promoter", "PromotionRules", "Services"]

PREVIEWED = 10
SEAMS = ("bundle", "audit", "commit", "push", "reparse", "answer")
"""The points of a promotion at which a test may kill the process; the gateway marks the last."""
_LOG = logging.getLogger(__name__)
Audit = Callable[[str, dict[str, Any]], None]
"""Record a decision, or raise AuditError; called before anything changes."""


Revision = Callable[[JobSpec], JobSpec]
"""Make a job's next spec of its last one, or raise."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why a version is deployed: the audit's words for it, and the version whose content it repeats, if named."""

    action: str = "job.promote"
    origin: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a promotion would do; `spec` is None when there are faults. `graph` is that of the jobs with it done."""

    faults: tuple[Fault, ...]
    conflict: Fault | None
    previous: JobSpec | None
    spec: JobSpec | None
    node: JobNode
    graph: JobGraph

    @property
    def is_unchanged(self) -> bool:
        same = self.spec is not None and self.previous is not None
        return same and self.spec.content_hash == self.previous.content_hash  # type: ignore[union-attr]  # `same`


class Promoter:
    """Deploy, list, pause and delete jobs; one repository, one lock (also across processes)."""

    def __init__(
        self,
        services: Services,
        rules: PromotionRules,
        *,
        now: Callable[[], datetime],
        at_seam: Callable[[str], None] = lambda _seam: None,
        updated_at: UpdatedAt = lambda _tables: {},
    ) -> None:
        self._repository, self._outbox = services.repository, services.outbox
        self._bundles, self._scheduler = services.bundles, services.scheduler
        self._lineage, self.dependencies = services.lineage, DependencyView(services, updated_at, now)
        self._rules, self._now, self._at_seam = rules, now, at_seam
        self._deployments = Deployments(services, now, at_seam)
        self._listing = JobListing(services)

    # -- promoting

    def check(self, request: PromoteRequest, principal: Principal, *, with_runs: bool = True) -> Check:
        """Say what a promotion would do: every fault at once, and the next ten runs if there is none, where wanted.

        The runs are left out when Airflow, whose timetable tells them, does not answer.
        """
        faults: list[Fault] = []
        if request.job_id is not None:
            try:
                self._owned(request.job_id, principal)
            except (NotFoundError, ForbiddenError) as error:
                faults.append(Fault("job_id", str(error)))
        plan = self._plan(request, principal)
        faults += plan.faults
        if plan.conflict and not plan.is_unchanged:
            faults.append(plan.conflict)
        version = plan.previous.version if plan.previous else 0
        next_runs = self._next_runs(request) if with_runs and not faults else ()
        return Check(
            faults=tuple(FaultModel(field=fault.field, message=fault.message) for fault in faults),
            next_runs=next_runs,
            marks=marks_of(next_runs, request.schedule),
            made_up=0 if faults else count_made_up(request.schedule, self._now()),
            job_id=plan.previous.id if plan.previous else None,
            next_version=version if plan.is_unchanged else version + 1,
            is_unchanged=plan.is_unchanged,
            upstreams=self.dependencies.upstreams(plan.node, plan.graph),
            cycle=plan.graph.cycle_of(plan.node),
            warnings=tuple(
                FaultModel(field=one.field, message=one.message)
                for one in (*self._environment_warnings(request, plan.previous), *warnings_of(plan.node, plan.graph))
            ),
        )

    def _environment_warnings(self, request: PromoteRequest, previous: JobSpec | None) -> tuple[Fault, ...]:
        if previous is None or previous.bundle == request.bundle:
            return ()
        before = self._bundle(previous.bundle)
        if before is None or before.environment.kind is not EnvironmentKind.LOCK:
            return ()  # most have none: the other bundle need not be read again
        return environment_warnings(previous.name, before, self._bundle(request.bundle))

    def promote(
        self, request: PromoteRequest, principal: Principal, audit: Audit, occasion: Occasion | None = None
    ) -> Promotion:
        """Deploy the bundle: one commit, or none if its content is current already.

        Raises InvalidError (all faults), ForbiddenError or NotFoundError (`job_id`), ConflictError
        (`expected_version`, or the repository moved on), AuditError: nothing has changed then. With
        Airflow down the promotion is committed and its state is "waiting".
        """
        self._class_faults(self._follow(request.bundle, principal))  # so that nobody waits at the lock meanwhile
        with self._repository.locked():
            self._deployments.agree()
            plan = self._accepted(request, principal)
            occasion = occasion or Occasion()
            spec = plan.spec
            assert spec is not None  # noqa: S101 (an accepted plan has its spec)
            if occasion.origin is not None:
                spec = spec.model_copy(update={"origin": occasion.origin})
            spec = self._with_rehearsal(spec, principal)
            self._at_seam("bundle")
            audit(occasion.action, {**_detail_of(spec), "is_unchanged": plan.is_unchanged, **occasion.detail})
            self._at_seam("audit")
            if plan.is_unchanged and plan.previous is not None:
                return promotion_of(self._listing.entry(plan.previous), is_unchanged=True)
            entry = self._deploy(spec, principal, lambda: self._repository.change_of(spec))
        return promotion_of(self._deployments.ask(entry))

    def revise(
        self, job_id: str, principal: Principal, audit: Audit, revision: Revision, occasion: Occasion
    ) -> Promotion:
        """Deploy what a revision makes of a job's own last spec, with the next version number.

        Raises ForbiddenError, NotFoundError, AuditError, and what the revision raises: nothing has changed then.
        """
        with self._repository.locked():
            self._deployments.agree()
            previous = self._owned(job_id, principal, with_deleted=True)
            spec = with_content_hash(revision(previous).model_copy(update={"version": previous.version + 1}))
            spec = self._with_rehearsal(spec, principal)
            audit(occasion.action, {**_detail_of(spec), **occasion.detail})
            change = self._repository.restoration_of if self._repository.deleted(job_id) else self._repository.change_of
            entry = self._deploy(spec, principal, lambda: change(spec))
        return promotion_of(self._deployments.ask(entry))

    def require_fit(self, spec: JobSpec, principal: Principal) -> None:
        """Raise InvalidError where a job that comes back would close a circle, or carry classes where they may not go.

        Both may have changed since it was deployed.
        """
        node = node_of(spec)
        circle = cycle_fault(node, self.dependencies.graph().with_job(node))
        faults = [circle] if circle else []
        faults += self._class_faults(self._follow(spec.bundle, principal))
        if faults:
            raise InvalidError(faults)

    def _with_rehearsal(self, spec: JobSpec, principal: Principal) -> JobSpec:
        return spec.model_copy(update={"rehearsed_at": self._rules.rehearsed_at(spec.bundle, principal.user)})

    def _deploy(self, spec: JobSpec, principal: Principal, make: Callable[[], Change]) -> Entry:
        entry = entry_of(spec, EntryState.PREPARED)
        return self._deployments.commit(entry, make, principal, f"Deploy {spec.id} v{spec.version}")

    def _accepted(self, request: PromoteRequest, principal: Principal) -> _Plan:
        if request.job_id is not None:
            self._owned(request.job_id, principal)
        plan = self._plan(request, principal)
        if plan.faults:
            raise InvalidError(plan.faults)
        if plan.conflict and not plan.is_unchanged:
            raise ConflictError(plan.conflict.message)
        return plan

    def _plan(self, request: PromoteRequest, principal: Principal) -> _Plan:
        known = Known(
            bundle=self._bundle(request.bundle),
            target=self._repository.find(request.job_id) if request.job_id else None,
            namesake=self._repository.named(self._rules.team, request.name.strip()),
            now=self._now(),
        )
        lineage = self._follow(request.bundle, principal) if known.bundle is not None else None
        request = resolved(request, lineage, self._lineage.project)
        previous = previous_of(request, principal.user, known)
        conflict = expected_fault(request, previous)
        node = planned_node(request, principal.user, previous)
        graph = self.dependencies.graph().with_job(node)
        faults = form_faults(request, principal.user, known, self._rules)
        faults += dependency_faults(request, node, graph)
        faults += self._class_faults(lineage)
        if faults or known.bundle is None:
            return _Plan(faults, conflict, previous, None, node, graph)
        past = self._repository.past_specs(previous.id) if previous else ()
        by = Deployment(principal.user, self._rules.team, self._now(), self._repository.is_taken)
        spec = next_spec(request, known.bundle, previous, past, by)
        columns = lineage.columns if lineage is not None else {}
        spec = spec.model_copy(update={"project": self._lineage.project, "columns": columns})
        return _Plan((), conflict, previous, spec, node, graph)

    def _class_faults(self, lineage: Lineage | None) -> tuple[Fault, ...]:
        """Hold the classes of columns against lineage; a warehouse that cannot tell them is a fault."""
        if lineage is None or not any(lineage.columns.values()):
            return ()
        try:
            classes = self._lineage.classes_of(tables_of(lineage.columns))
        except PlatformError as error:
            return (Fault("tables.writes", f"Cannot tell which classes the columns have: {error}"),)
        return tuple(class_faults(lineage.columns, classes, lineage.made))

    def _follow(self, content_hash: str, principal: Principal) -> Lineage | None:
        try:
            return self._lineage.of(content_hash, principal)
        except (NotFoundError, UpstreamError, InvalidError):
            return None  # the plan says that the bundle is not stored whole

    def _bundle(self, content_hash: str) -> Bundle | None:
        try:
            return self._bundles.describe(content_hash)
        except (NotFoundError, UpstreamError):
            return None

    def _next_runs(self, request: PromoteRequest) -> tuple[datetime, ...]:
        if request.schedule.cron is None:
            return ()
        try:
            return self._scheduler.preview(request.schedule, PREVIEWED, self._now())
        except PlatformError as error:
            _LOG.warning("no preview of the next runs: %s", error)
            return ()

    def recover(self) -> None:
        """Bring clone, remote and outbox into agreement after a crash; call once at start."""
        self._deployments.recover()

    def promotion(self, job_id: str, version: int) -> Promotion:
        """Give the state of a promotion as last known; raise NotFoundError."""
        return self._deployments.promotion(job_id, version)

    def poll(self, job_id: str, version: int) -> Promotion:
        """Ask Airflow now about one promotion that is under way, and give its state; raise NotFoundError."""
        return self._deployments.poll(job_id, version)

    def pump(self) -> int:
        """Make one pass over what is unfinished; give how many entries are fresh (`Deployments.pump`)."""
        return self._deployments.pump()

    # -- jobs

    def find(self, query: JobQuery, principal: Principal) -> JobPage:
        """Give a page of the caller's own jobs by name (`last_run` is the caller's to fill)."""
        return self._listing.find(query, principal)

    def job(self, job_id: str) -> Job:
        """Give a job, a deleted one too (state DELETED); raise NotFoundError."""
        return self._listing.job(job_id)

    def named(self, name: str) -> JobSpec | None:
        """Give the job that bears a name among those of the team that promotions go to."""
        return self._repository.named(self._rules.team, name.strip())

    def versions(self, job_id: str) -> tuple[JobVersion, ...]:
        """List a job's versions, the newest first; raise NotFoundError."""
        return self._repository.history(job_id)

    def pause(self, job_id: str, principal: Principal, audit: Audit) -> Job:
        """Stop a job's schedule; raise ForbiddenError, NotFoundError, UnreachableError."""
        return self._set_paused(job_id, principal, audit, is_paused=True)

    def resume(self, job_id: str, principal: Principal, audit: Audit) -> Job:
        """Start a paused job's schedule again; raise ForbiddenError, NotFoundError, UnreachableError."""
        return self._set_paused(job_id, principal, audit, is_paused=False)

    def delete(self, job_id: str, principal: Principal, audit: Audit) -> Job:
        """Delete a job by a commit; Airflow's side is finished now or, if it is down, later by `pump`.

        Deleting a deleted job changes nothing. Raises ForbiddenError and NotFoundError.
        """
        with self._repository.locked():
            self._deployments.agree()
            spec = self._owned(job_id, principal, with_deleted=True)
            if self._repository.deleted(job_id) is not None:
                return self.job(job_id)
            audit("job.delete", {"job_id": job_id, "version": spec.version})
            prepared = entry_of(spec, EntryState.PREPARED, kind=EntryKind.DELETE, at=self._now())
            entry = self._deployments.commit(
                prepared, lambda: self._repository.removal_of(spec), principal, f"Delete {job_id} v{spec.version}"
            )
        self._outbox.set_paused(job_id, is_paused=False)
        self._deployments.ask(entry)
        return self.job(job_id)

    def _set_paused(self, job_id: str, principal: Principal, audit: Audit, *, is_paused: bool) -> Job:
        verb = "pause" if is_paused else "resume"
        with self._repository.locked():  # so that nobody resumes a job while it is given away
            spec = self._owned(job_id, principal)
            audit(f"job.{verb}", {"job_id": job_id, "version": spec.version})
            try:
                self._scheduler.set_paused(spec.dag_id, is_paused=is_paused)
            except NotFoundError as error:
                raise ConflictError(
                    f"Cannot {verb} '{spec.name}': Airflow has not read it yet. Wait until its deployment is visible."
                ) from error
            except UnreachableError as error:
                raise UnreachableError(
                    f"Cannot {verb} '{spec.name}': the scheduler does not answer, and nothing was changed. "
                    "Start it with `athena up`, then try again."
                ) from error
        self._outbox.set_paused(job_id, is_paused=is_paused)
        return self.job(job_id)

    def _owned(self, job_id: str, principal: Principal, *, with_deleted: bool = False) -> JobSpec:
        deleted = self._repository.deleted(job_id) if with_deleted else None
        spec = deleted or self._repository.spec(job_id)
        if spec.owner != principal.user:
            raise ForbiddenError(
                f"Cannot change the job '{spec.name}': it belongs to another user. Ask its owner to do it."
            )
        return spec


def _detail_of(spec: JobSpec) -> dict[str, Any]:
    return {"job_id": spec.id, "version": spec.version, "bundle": spec.bundle, "origin": spec.origin}

"""The graph of all jobs as it is now, and what a caller is shown of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from athena_lab.errors import AthenaError, PlatformError
from athena_lab.gateway_api.lineage import Dependencies, DependencyEdge, DependencyNode, UnknownTable, Upstream
from athena_lab.gateway_api.wire import FaultModel, Principal
from athena_lab.jobs.dependencies import Edge, JobGraph, JobNode, schedule_in_words, warnings_of
from athena_lab.jobs.dependency_plan import node_of
from athena_lab.jobs.services import Services
from athena_lab.jobs.spec import JobSpec

MOST_NODES = 200
_NEXT_RUN_FOR = timedelta(seconds=10)
_MOST_CHANGES = 8
"""With more, the graph is made anew."""
_NEVER = datetime.min.replace(tzinfo=UTC)
UpdatedAt = Callable[[Iterable[str]], Mapping[str, datetime]]
"""Give when each of the tables was last updated, of those that were."""


class DependencyView:
    """Follows the jobs repository; threads may share one."""

    def __init__(self, services: Services, updated_at: UpdatedAt, now: Callable[[], datetime]) -> None:
        self._repository, self._scheduler = services.repository, services.scheduler
        self._lineage, self._updated_at, self._now = services.lineage, updated_at, now
        self._graph = JobGraph(())
        self._specs: dict[str, JobSpec] = {}
        self._next_runs: dict[str, tuple[datetime, datetime | None]] = {}
        self._lock = threading.Lock()

    def graph(self) -> JobGraph:
        """Give the graph of all jobs; a deployment costs what it changed."""
        with self._lock:
            specs = {spec.id: spec for spec in self._repository.specs()}
            changed = [spec for spec in specs.values() if self._specs.get(spec.id) is not spec]
            gone = self._specs.keys() - specs.keys()
            if len(changed) + len(gone) > _MOST_CHANGES:
                self._graph = JobGraph(map(node_of, specs.values()))
            else:
                for job_id in gone:
                    self._graph = self._graph.without_job(job_id)
                for spec in changed:
                    self._graph = self._graph.with_job(node_of(spec))
            self._specs = specs
            return self._graph

    def upstreams(self, job: JobNode, graph: JobGraph) -> tuple[Upstream, ...]:
        """Give each table that a job reads with each job that writes it, what it waits for first."""
        edges = graph.upstream(job)
        writers = {edge.source: graph.job(edge.source) for edge in edges if edge.source is not None}
        next_runs = self._next_runs_of([writer for writer in writers.values() if writer is not None])
        updated = self._updated_at({edge.table for edge in edges})
        return tuple(_upstream(edge, writers.get(edge.source or ""), next_runs, updated) for edge in edges)

    def dependencies(self, job_id: str, principal: Principal) -> Dependencies:
        """Give what is before and after a job; raise NotFoundError.

        Names and owners of other people's jobs are shown where they touch one of the caller's; what lies beyond
        them is not.
        """
        spec = self._repository.spec(job_id)
        graph = self.graph()
        job = graph.job(job_id) or node_of(spec)
        found = _Surroundings(graph, principal.user)
        found.walk(job, downstream=False)
        found.walk(job, downstream=True)
        next_runs = self._next_runs_of(list(found.jobs.values()))
        return Dependencies(
            job_id=job_id,
            nodes=tuple(found.nodes(next_runs)),
            edges=tuple(found.edges),
            upstreams=self.upstreams(job, graph),
            cycle=graph.cycle_of(job),
            unknown=self._unknown(spec, principal),
            warnings=tuple(FaultModel(field=one.field, message=one.message) for one in warnings_of(job, graph)),
            is_truncated=found.is_truncated,
        )

    def _unknown(self, spec: JobSpec, principal: Principal) -> tuple[UnknownTable, ...]:
        try:
            return self._lineage.of(spec.bundle, principal).unknown
        except AthenaError:
            return ()  # the bundle is not stored whole any more; its tables are in the spec

    def _next_runs_of(self, jobs: list[JobNode]) -> Mapping[str, datetime | None]:
        """Ask Airflow about those jobs that have a schedule, all at once and now and then; silence is no next run."""
        now = self._now()
        due = [job.id for job in jobs if job.schedule.cron is not None]
        stale = [job for job in due if now - self._next_runs.get(job, (_NEVER, None))[0] > _NEXT_RUN_FOR]
        specs = [spec for job in stale if (spec := self._repository.find(job)) is not None]
        try:
            found = self._scheduler.standings([spec.dag_id for spec in specs])
        except PlatformError:
            found = {}
        for spec in specs:
            standing = found.get(spec.dag_id)
            is_due = standing is not None and not standing.is_paused
            self._next_runs[spec.id] = (now, standing.next_run_at if standing and is_due else None)
        return {job: self._next_runs[job][1] for job in due if job in self._next_runs}


class _Surroundings:
    """Collects the jobs before and after one, nearest first."""

    def __init__(self, graph: JobGraph, user: str) -> None:
        self._graph, self._user = graph, user
        self.jobs: dict[str, JobNode] = {}
        self.edges: dict[DependencyEdge, None] = {}
        self._depths: dict[str, int] = {}
        self._tables: dict[str, int] = {}
        self.is_truncated = False

    def walk(self, job: JobNode, *, downstream: bool) -> None:
        """Go one way from a job, through the caller's own jobs and one step beyond."""
        step = 1 if downstream else -1
        self.jobs.setdefault(job.id, job)
        self._depths.setdefault(job.id, 0)
        wave, depth, seen = [job], 0, {job.id}
        while wave:
            depth += step
            following: list[JobNode] = []
            for at in wave:
                for edge in self._graph.downstream(at) if downstream else self._graph.upstream(at):
                    other = self._take(edge, edge.target if downstream else edge.source, depth)
                    if other is not None and other.id not in seen:
                        seen.add(other.id)
                        if other.owner == self._user:
                            following.append(other)
            wave = following

    def _take(self, edge: Edge, other_id: str | None, depth: int) -> JobNode | None:
        """Note an edge and the job at its other end; None where there is no job, or no room."""
        other = self._graph.job(other_id) if other_id is not None else None
        name = other.id if other is not None else edge.table
        known = self._depths if other is not None else self._tables
        if name not in known and len(self._depths) + len(self._tables) >= MOST_NODES:
            self.is_truncated = True
            return None
        known.setdefault(name, depth)
        source = edge.source or f"table:{edge.table}"
        shown = DependencyEdge(source=source, target=edge.target, table=edge.table, is_awaited=edge.is_awaited)
        self.edges[shown] = None
        if other is not None:
            self.jobs.setdefault(other.id, other)
        return other

    def nodes(self, next_runs: Mapping[str, datetime | None]) -> Iterable[DependencyNode]:
        """Give the jobs, then the tables that no job writes."""
        for job in self.jobs.values():
            yield DependencyNode(
                id=job.id,
                job_id=job.id,
                name=job.name,
                owner=job.owner,
                schedule=schedule_in_words(job),
                next_run_at=next_runs.get(job.id),
                is_own=job.owner == self._user,
                depth=self._depths[job.id],
            )
        for table, depth in self._tables.items():
            yield DependencyNode(id=f"table:{table}", name=table, depth=depth)


def _upstream(
    edge: Edge, writer: JobNode | None, next_runs: Mapping[str, datetime | None], updated: Mapping[str, datetime]
) -> Upstream:
    return Upstream(
        table=edge.table,
        job_id=writer.id if writer else None,
        job_name=writer.name if writer else None,
        owner=writer.owner if writer else None,
        schedule=schedule_in_words(writer) if writer else "",
        next_run_at=next_runs.get(writer.id) if writer else None,
        updated_at=updated.get(edge.table),
        is_awaited=edge.is_awaited,
    )

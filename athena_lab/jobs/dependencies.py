"""Who writes the tables that a job reads, who waits for whom, and what is wrong with it: values in, values out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from athena_lab.errors import Fault
from athena_lab.gateway_api.terms import After, AfterMode, Schedule, Tables

LEAST_DEADLINE_S = 60
MOST_DEADLINE_S = 7 * 24 * 3600
MOST_AWAITED = 50
MOST_TABLES = 1000
_PART = r"[^\s.`'\"/\\?#%<>]{1,1024}"
_NAME = re.compile(rf"(?:{_PART}\.)?{_PART}\.{_PART}")


@dataclass(frozen=True, slots=True)
class JobNode:
    """What counts of a job here; tables are named as `own_name` does."""

    id: str
    name: str
    owner: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    awaited: tuple[str, ...] = ()
    mode: AfterMode = AfterMode.TIME
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` writes the table that `target` reads (ids of jobs; None: no job writes it)."""

    source: str | None
    target: str
    table: str
    is_awaited: bool


def own_name(table: str, project: str) -> str:
    """Name a table the one way it is kept: without the platform's own project, without quotes."""
    name = table.strip().strip("`")
    return name.removeprefix(f"{project}.") if name.count(".") == 2 else name


def own_tables(tables: Tables, project: str) -> Tables:
    """Give tables with each named once, in order, as `own_name` does."""
    return Tables(reads=_named(tables.reads, project), writes=_named(tables.writes, project))


def own_after(after: After, project: str) -> After:
    """Give what is waited for with each table named as `own_name` does."""
    return after.model_copy(update={"tables": _named(after.tables, project)})


def _named(tables: Iterable[str], project: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(own_name(table, project) for table in tables))


class JobGraph:
    """Jobs by the tables that they write and read."""

    def __init__(self, jobs: Iterable[JobNode]) -> None:
        self._jobs = {job.id: job for job in jobs}
        # These may name a job's former tables too, so whoever looks asks the job itself.
        self._writers: dict[str, set[str]] = {}
        self._readers: dict[str, set[str]] = {}
        self._wildcards: dict[str, set[str]] = {}
        for job in self._jobs.values():
            for index, table in self._places(job):
                index.setdefault(table, set()).add(job.id)

    def with_job(self, job: JobNode) -> JobGraph:
        """Give the graph as it would be with a job's next version."""
        made = JobGraph(())
        made._jobs = {**self._jobs, job.id: job}
        made._writers, made._readers = dict(self._writers), dict(self._readers)
        made._wildcards = dict(self._wildcards)
        for index, table in made._places(job):
            index[table] = index.get(table, set()) | {job.id}
        return made

    def without_job(self, job_id: str) -> JobGraph:
        """Give the graph as it would be without a job."""
        made = JobGraph(())
        made._jobs = {key: job for key, job in self._jobs.items() if key != job_id}
        made._writers, made._readers, made._wildcards = self._writers, self._readers, self._wildcards
        return made

    def job(self, job_id: str) -> JobNode | None:
        """Give a job by its id."""
        return self._jobs.get(job_id)

    def writers_of(self, table: str) -> list[JobNode]:
        """Give the jobs that write a table (`dataset.table_*`: any table of that prefix), by id."""
        if not table.endswith("*"):
            return [job for job in self._known(self._writers.get(table, ())) if table in job.writes]
        prefix = table[:-1]
        ids = {job for name, jobs in self._writers.items() if name.startswith(prefix) for job in jobs}
        return [job for job in self._known(ids) if any(name.startswith(prefix) for name in job.writes)]

    def readers_of(self, table: str) -> list[JobNode]:
        """Give the jobs that read a table or wait for it, by wildcard too, by id."""
        ids = set(self._readers.get(table, ()))
        ids.update(*(jobs for name, jobs in self._wildcards.items() if table.startswith(name[:-1])))
        return [job for job in self._known(ids) if any(_covers(name, table) for name in (*job.reads, *job.awaited))]

    def _places(self, job: JobNode) -> Iterator[tuple[dict[str, set[str]], str]]:
        """Give each index that a job belongs in, with the table."""
        yield from ((self._writers, table) for table in job.writes)
        for table in (*job.reads, *job.awaited):
            yield (self._wildcards if table.endswith("*") else self._readers), table

    def _known(self, ids: Iterable[str]) -> list[JobNode]:
        return [self._jobs[job] for job in sorted(ids) if job in self._jobs]

    def is_written(self, table: str) -> bool:
        """Say whether a job writes the table."""
        return bool(self.writers_of(table))

    def upstream(self, job: JobNode) -> list[Edge]:
        """Give who writes each table that a job reads or waits for; its own writes are no dependency."""
        edges = []
        for table in dict.fromkeys((*job.awaited, *job.reads)):
            is_awaited = table in job.awaited
            writers = self.writers_of(table)
            others = [writer for writer in writers if writer.id != job.id]
            edges += [Edge(writer.id, job.id, table, is_awaited) for writer in others]
            if not writers:
                edges.append(Edge(None, job.id, table, is_awaited))
        return edges

    def downstream(self, job: JobNode) -> list[Edge]:
        """Give who reads each table that a job writes."""
        return [
            Edge(job.id, reader.id, table, is_awaited=table in reader.awaited)
            for table in job.writes
            for reader in self.readers_of(table)
            if reader.id != job.id
        ]

    def cycle_of(self, job: JobNode, *, awaited_only: bool = False) -> tuple[str, ...]:
        """Give the ids of a shortest circle that a job is in, the job first and last; empty if it is in none.

        With `awaited_only` only waiting counts: in such a circle each job would wake the next one for ever, or
        none would ever begin.
        """
        before: dict[str, str | None] = {job.id: None}
        wave = [job.id]
        while wave:
            following: list[str] = []
            for at in wave:
                for edge in self.downstream(self._jobs.get(at, job)):
                    if awaited_only and not edge.is_awaited:
                        continue
                    if edge.target == job.id:
                        return (*reversed(list(_path(before, at))), job.id)
                    if edge.target not in before:
                        before[edge.target] = at
                        following.append(edge.target)
            wave = following
        return ()


def _covers(name: str, table: str) -> bool:
    return name == table or (name.endswith("*") and table.startswith(name[:-1]))


def _path(before: Mapping[str, str | None], at: str | None) -> Iterator[str]:
    while at is not None:
        yield at
        at = before[at]


# -- what is wrong


def table_faults(tables: Tables | None) -> list[Fault]:
    """Give every fault of the tables that a request names."""
    if tables is None:
        return []
    faults = []
    for name, items in (("reads", tables.reads), ("writes", tables.writes)):
        if len(items) > MOST_TABLES:
            message = f"Cannot keep {len(items)} tables that the job {name}: more than {MOST_TABLES}. Name fewer."
            faults.append(Fault(f"tables.{name}", message))
        bad = [table for table in items if not _is_name(table, may_be_wildcard=name == "reads")]
        faults += [_name_fault(f"tables.{name}", table) for table in bad[:10]]
    return faults


def after_faults(after: After, schedule: Schedule, reads: Collection[str], graph: JobGraph) -> list[Fault]:
    """Give every fault of what a job waits for, but circles; `reads` are the tables that it reads."""
    if after.mode is AfterMode.TIME:
        if not after.tables:
            return []
        return [_fault("tables", "a job that runs by its schedule alone waits for none", "Choose another mode")]
    faults = _mode_faults(after, schedule)
    if not LEAST_DEADLINE_S <= after.deadline_s <= MOST_DEADLINE_S:
        why = f"a deadline of {after.deadline_s} s is not possible"
        faults.append(_fault("deadline_s", why, f"Use {LEAST_DEADLINE_S} to {MOST_DEADLINE_S}"))
    return faults + _awaited_faults(after, reads, graph)


def _mode_faults(after: After, schedule: Schedule) -> list[Fault]:
    if after.mode is AfterMode.UPDATES and schedule.cron is not None:
        return [_fault("mode", "a job that runs when tables are updated has no schedule", "Remove the cron expression")]
    if after.mode is AfterMode.TIME_AND_UPDATES and schedule.cron is None:
        return [_fault("mode", "a job that runs at a time and after updates needs the time", "Add a cron expression")]
    return []


def _awaited_faults(after: After, reads: Collection[str], graph: JobGraph) -> list[Fault]:
    if not after.tables:
        return [_fault("tables", "no table is named", "Name the tables whose updates it waits for")]
    faults = []
    if len(after.tables) > MOST_AWAITED:
        faults.append(_fault("tables", f"{len(after.tables)} tables are too many", f"Name at most {MOST_AWAITED}"))
    for table in after.tables[:MOST_AWAITED]:
        if not _is_name(table, may_be_wildcard=False):
            faults.append(_name_fault("after.tables", table))
        elif table not in reads and not graph.is_written(table):
            why = f"the job does not read '{table}', and no job writes it"
            faults.append(_fault("tables", why, "Name a table that it reads"))
    return faults


def cycle_fault(job: JobNode, graph: JobGraph) -> Fault | None:
    """Give the fault of a job that would wait for itself, directly or by others."""
    own = [table for table in job.awaited if table in job.writes]
    if own:
        return _fault("tables", f"the job writes '{own[0]}' itself", "Leave it out")
    if job.mode is AfterMode.TIME:
        return None
    cycle = graph.cycle_of(job, awaited_only=True)
    if not cycle:
        return None
    names = [found.name if (found := graph.job(one)) else one for one in cycle]
    return _fault("tables", f"the jobs {' → '.join(names)} would wait in a circle", "Leave one of the tables out")


def warnings_of(job: JobNode, graph: JobGraph) -> list[Fault]:
    """Give what is not wrong but should be known: tables that no job writes or several do, circles of data."""
    found = []
    for table in job.awaited:
        writers = [writer for writer in graph.writers_of(table) if writer.id != job.id]
        if not writers:
            text = (
                f"No job writes '{table}': unless something else in Airflow updates its asset, nothing wakes this job."
            )
            found.append(Fault("after.tables", text))
        elif len(writers) > 1:
            names = ", ".join(f"'{writer.name}' ({writer.owner})" for writer in writers[:5])
            found.append(
                Fault("after.tables", f"Several jobs write '{table}': {names}. An update by any of them counts.")
            )
    cycle = graph.cycle_of(job)
    if cycle:
        names = " → ".join(one.name if (one := graph.job(at)) else at for at in cycle)
        found.append(Fault("tables", f"The data goes in a circle: {names}. Each run sees the others' last results."))
    return found


def schedule_in_words(job: JobNode) -> str:
    """Say when a job runs: "0 6 * * * UTC", "after ds.orders", "by hand"."""
    clock = f"{job.schedule.cron} {job.schedule.timezone}" if job.schedule.cron is not None else ""
    tables = f"after {', '.join(job.awaited)}" if job.mode is not AfterMode.TIME else ""
    return " ".join(part for part in (clock, tables) if part) or "by hand"


def _is_name(table: str, *, may_be_wildcard: bool) -> bool:
    plain = table.removesuffix("*") + "x" if table.endswith("*") and may_be_wildcard else table
    return "*" not in plain and _NAME.fullmatch(plain) is not None


def _name_fault(path: str, table: str) -> Fault:
    return Fault(path, f"Cannot use the table '{table[:100]}': that is no name of one. Write 'dataset.table'.")


def _fault(name: str, why: str, todo: str) -> Fault:
    return Fault(f"after.{name}", f"Cannot wait for updates: {why}. {todo}.")

"""Plan a rehearsal: every fault of its request, the scratch tables, and the spec that a worker executes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from athena_lab.errors import Fault
from athena_lab.gateway_api.jobs import Bundle, PromoteRequest
from athena_lab.gateway_api.rehearsals import RefusedWrite, RehearsalRequest
from athena_lab.gateway_api.terms import Guards, Overlap, Schedule, Tables
from athena_lab.gateway_api.worker import REHEARSAL_DAG_ID, REHEARSAL_JOB_ID
from athena_lab.jobs.dependencies import table_faults
from athena_lab.jobs.guards import guard_faults
from athena_lab.jobs.parameters import merge_parameters, parameter_faults, secret_faults
from athena_lab.jobs.promotion_plan import MAX_TIMEOUT_S
from athena_lab.jobs.schedule import schedule_faults
from athena_lab.jobs.spec import JobSpec

MOST_UNFINISHED = 3
"""Rehearsals of one user at once."""
LONGEST_S = 6 * 3600
"""However long a run of the job may take."""
TEAM = "platform"
_LONGEST_TABLE = 1024
"""Characters of a table's name in BigQuery."""


class RehearsalSpec(JobSpec):
    """What a rehearsal executes, in the shape of a job's version; its id is no job's, so that the two never mix."""

    id: str = REHEARSAL_JOB_ID
    team: str = TEAM
    version: int = 1

    @property
    def dag_id(self) -> str:
        """The name of the DAG of all rehearsals."""
        return REHEARSAL_DAG_ID


def request_faults(
    request: RehearsalRequest, bundle: Bundle | None, secrets: Collection[str] | None, now: datetime
) -> tuple[Fault, ...]:
    """Give every fault of a request but those of its tables; `secrets` are the names of the caller's."""
    if bundle is None:
        why = "none with that hash is stored whole. Upload the notebook again."
        return (Fault("bundle", f"Cannot rehearse the bundle '{request.bundle[:12]}': {why}"),)
    zone = schedule_faults(Schedule(timezone=request.timezone), 0, now)
    faults = [Fault("timezone", fault.message) for fault in zone]
    faults += [*parameter_faults(request.parameters, bundle.parameters), *secret_faults(request.parameters, secrets)]
    if not 1 <= request.timeout_s <= MAX_TIMEOUT_S:
        why = f"a timeout of {request.timeout_s} s is not possible. Use 1 to {MAX_TIMEOUT_S}."
        faults.append(Fault("timeout_s", f"Cannot rehearse '{bundle.source.path}': {why}"))
    return (*faults, *guard_faults(_promotion_of(request, bundle)))


def tables_faults(tables: Tables) -> tuple[Fault, ...]:
    """Give every fault of the tables that a rehearsal would read and write."""
    return tuple(table_faults(tables))


def scratch_name(run_id: str) -> str:
    """Name a rehearsal's scratch dataset, hidden as BigQuery's are that begin with an underscore."""
    return f"_rehearsal_{run_id[:12]}"


def scratch_tables(writes: Iterable[str], dataset: str) -> dict[str, str]:
    """Give each written table of the own project (`dataset.table`) a scratch table of its own."""
    taken: dict[str, str] = {}
    for table in writes:
        if _is_foreign(table):
            continue
        wanted, number = table.replace(".", "__", 1)[:_LONGEST_TABLE], 1
        name = wanted
        while name in taken:  # `a.b__c` and `a__b.c`
            number += 1
            name = f"{wanted[: _LONGEST_TABLE - 1 - len(str(number))]}_{number}"
        taken[name] = table
    return {table: f"{dataset}.{name}" for name, table in taken.items()}


def foreign_writes(writes: Iterable[str]) -> tuple[RefusedWrite, ...]:
    """Tell of the written tables of other projects: nothing takes their place, so writing them is refused."""
    return tuple(
        RefusedWrite(text=f"'{table}' belongs to another project, and no scratch table takes its place.")
        for table in writes
        if _is_foreign(table)
    )


def dataset_of(table: str) -> str:
    """Give the dataset of a table of the own project."""
    return table.split(".", 1)[0]


def homeless_writes(writes: Iterable[str], absent: Collection[str]) -> tuple[RefusedWrite, ...]:
    """Tell of the written tables whose dataset there is not: writing them fails, as in a job that does not make it."""
    return tuple(
        RefusedWrite(
            text=f"'{table}' is in the dataset '{dataset_of(table)}', which there is not, so that writing it fails, "
            "as in a job that does not make the dataset itself. Make it first, outside the notebook."
        )
        for table in writes
        if not _is_foreign(table) and dataset_of(table) in absent
    )


def spec_of(request: RehearsalRequest, bundle: Bundle, redirected: str, *, owner: str, now: datetime) -> RehearsalSpec:
    """Make what is executed: the redirected bundle, within the request's limits, once."""
    guards = request.guards
    return RehearsalSpec(
        name=f"Rehearsal of {bundle.source.path}",
        owner=owner,
        bundle=redirected,
        source=bundle.source,
        schedule=Schedule(timezone=request.timezone),
        parameters=merge_parameters(bundle.parameters, request.parameters),
        timeout_s=min(request.timeout_s, LONGEST_S),
        guards=Guards(cell_timeout_s=guards.cell_timeout_s, run_bytes=guards.run_bytes, overlap=Overlap.ALLOW),
        start_at=now,
        deployed_at=now,
        deployed_by=owner,
    )


def conf_of(spec: RehearsalSpec, run_id: str) -> dict[str, Any]:
    """Give a run's conf: the fields that the operator reads, of parameters their types alone."""
    told: Mapping[str, Any] = spec.model_dump(
        mode="json",
        include={
            **dict.fromkeys(("schema_version", "id", "version", "bundle", "source", "retries", "timeout_s"), True),
            "guards": {"cell_timeout_s"},
            "parameters": {"__all__": {"name", "type"}},
        },
    )
    return {"athena_request": run_id, "spec": dict(told)}


def _promotion_of(request: RehearsalRequest, bundle: Bundle) -> PromoteRequest:
    """Give the promotion that a rehearsal precedes, as far as it has limits."""
    name, limits = bundle.source.path, request.guards
    return PromoteRequest(bundle=request.bundle, name=name, timeout_s=request.timeout_s, guards=limits)


def _is_foreign(table: str) -> bool:
    return table.count(".") > 1

"""What a promotion means for the jobs around it: the tables it names, its place among them, every fault of both."""

from __future__ import annotations

from athena_lab.errors import Fault
from athena_lab.gateway_api.jobs import PromoteRequest
from athena_lab.gateway_api.lineage import Lineage
from athena_lab.gateway_api.terms import Tables
from athena_lab.jobs.dependencies import (
    JobGraph,
    JobNode,
    after_faults,
    cycle_fault,
    own_after,
    own_tables,
    table_faults,
)
from athena_lab.jobs.spec import JobSpec

UNNAMED = "?"
"""The id of a job that has none yet; no id holds this character."""


def resolved(request: PromoteRequest, lineage: Lineage | None, project: str) -> PromoteRequest:
    """Give the request with its tables named: those of the request, else those that lineage found."""
    found = Tables(reads=lineage.reads, writes=lineage.writes) if lineage is not None else Tables()
    tables = own_tables(request.tables if request.tables is not None else found, project)
    return request.model_copy(update={"tables": tables, "after": own_after(request.after, project)})


def node_of(spec: JobSpec) -> JobNode:
    """Give what of a deployed job counts among jobs."""
    tables = spec.tables or Tables()
    return JobNode(
        id=spec.id,
        name=spec.name,
        owner=spec.owner,
        reads=tables.reads,
        writes=tables.writes,
        awaited=spec.after.tables,
        mode=spec.after.mode,
        schedule=spec.schedule,
    )


def planned_node(request: PromoteRequest, owner: str, previous: JobSpec | None) -> JobNode:
    """Give the node that a resolved request would make."""
    tables = request.tables or Tables()
    return JobNode(
        id=previous.id if previous else UNNAMED,
        name=request.name.strip(),
        owner=previous.owner if previous else owner,
        reads=tables.reads,
        writes=tables.writes,
        awaited=request.after.tables,
        mode=request.after.mode,
        schedule=request.schedule,
    )


def dependency_faults(request: PromoteRequest, node: JobNode, graph: JobGraph) -> tuple[Fault, ...]:
    """Give every fault of a resolved request's tables and of what it waits for; `graph` has the node in it."""
    faults = table_faults(request.tables)
    faults += after_faults(request.after, request.schedule, node.reads, graph)
    if not faults:
        circle = cycle_fault(node, graph)
        faults += [circle] if circle else []
    return tuple(faults)

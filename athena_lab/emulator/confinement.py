"""Where a rehearsal may write: into its one scratch dataset, and nothing else of what lasts.

Asked twice. `Authorization` asks by the permission that something needs, before anything is done, so that dry runs
tell it too; the catalog asks once more of every change before it is committed, whatever road it came by, and
`extracts.bucket_path` of every file. Temporary tables and results (hidden datasets) are no rehearsal's concern.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from athena_lab.emulator.access import Principal
from athena_lab.emulator.faults import BigQueryError

Place = tuple[str, str]
"""A dataset, and what is written in it: "" for the dataset itself."""
Datasets = Mapping[str, Mapping[str, Any]]


def may_write(principal: Principal, dataset: str, resource: Mapping[str, Any] | None) -> bool:
    """Tell whether a dataset, given with its resource if there is one, is open to whoever writes."""
    if principal.scratch is None or dataset == principal.scratch:
        return True
    return resource is not None and bool(resource.get("isHidden"))


def refuse_outside(principal: Principal, project: str, places: Iterable[Place], datasets: Datasets) -> None:
    """Refuse a rehearsal to write anywhere but into its scratch dataset."""
    for dataset, name in sorted(places):
        if not may_write(principal, dataset, datasets.get(dataset)):
            raise outside(principal, place_text(project, dataset, name))


def refuse_confined(principal: Principal, what: str) -> None:
    """Refuse a rehearsal to write what is in no dataset: a data policy, a file of a bucket."""
    if principal.scratch is not None:
        raise outside(principal, what)


def outside(principal: Principal, what: str) -> BigQueryError:
    """Say that a rehearsal may not write something.

    The gateway finds its refused writes by these words (`gateway_api.rehearsals.REFUSAL`, held against them by a test:
    to import it here would bring pydantic into the start of the warehouse).
    """
    return BigQueryError(
        "accessDenied",
        f"Access Denied: {what}: a rehearsal may write only to the dataset '{principal.scratch}'. "
        "Write to a table of that dataset, or to a temporary one.",
    )


def place_text(project: str, dataset: str, name: str | None) -> str:
    """Name a dataset or a table as BigQuery's refusals do."""
    return f"Table {project}:{dataset}.{name}" if name else f"Dataset {project}:{dataset}"

"""What promotion works with: the jobs repository, the outbox, bundles with their lineage, and Airflow."""

from __future__ import annotations

from dataclasses import dataclass

from athena_lab.jobs.airflow_api import Scheduler
from athena_lab.jobs.bundle_lineage import BundleLineage
from athena_lab.jobs.bundle_store import BundleStore
from athena_lab.jobs.outbox import Outbox
from athena_lab.jobs.repository import JobsRepository


@dataclass(frozen=True, slots=True)
class Services:
    """The five parts, opened by whoever starts the process."""

    repository: JobsRepository
    outbox: Outbox
    bundles: BundleStore
    scheduler: Scheduler
    lineage: BundleLineage

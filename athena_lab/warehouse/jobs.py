"""Jobs by their labels, whoever started them: stop those that run, add up their bills, say which failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from athena_lab.warehouse.connect import PATIENCE, Warehouse
from athena_lab.warehouse.failures import translating


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that failed: when it was made, and what the warehouse says of it."""

    at: datetime
    message: str


def cancel_jobs(client: Warehouse, labels: Mapping[str, str]) -> tuple[str, ...]:
    """Cancel every pending or running job that carries all the labels; give the ids of those told to stop.

    Needs the right to see and stop other users' jobs (the gateway's platform token).
    """
    if not labels:
        return ()
    stopped = []
    with translating(client, f"cancel the jobs labelled '{', '.join(labels.values())}'"):
        for state in ("pending", "running"):
            for job in client.list_jobs(state_filter=state, all_users=True, **PATIENCE):
                if labels.items() <= dict(job.labels or {}).items():
                    job.cancel(**PATIENCE)
                    stopped.append(job.job_id)
    return tuple(stopped)


def billed_bytes(client: Warehouse, label: str, since: datetime) -> dict[str, int]:
    """Add up the bytes billed of all jobs made since a moment, by their value of a label; running ones count so far.

    A script's statements are counted with the script. Needs the right to see other users' jobs.
    """
    found: Counter[str] = Counter()
    with translating(client, f"list the jobs labelled '{label}'"):
        for job in client.list_jobs(all_users=True, min_creation_time=since, **PATIENCE):
            value = dict(job.labels or {}).get(label)
            if value is not None:
                found[value] += int(getattr(job, "total_bytes_billed", None) or 0)
    return dict(found)


def failed_jobs(client: Warehouse, labels: Mapping[str, str], since: datetime) -> tuple[FailedJob, ...]:
    """Give the failed jobs made since a moment that carry all the labels, the first first.

    Needs the right to see other users' jobs.
    """
    with translating(client, f"list the jobs labelled '{', '.join(labels.values())}'"):
        jobs = client.list_jobs(all_users=True, state_filter="done", min_creation_time=since, **PATIENCE)
        found = [
            FailedJob(job.created, str(job.error_result.get("message") or ""))
            for job in jobs
            if job.error_result and labels.items() <= dict(job.labels or {}).items()
        ]
    return tuple(sorted(found, key=lambda job: job.at))

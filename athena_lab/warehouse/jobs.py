"""Stop running jobs by their labels, whoever started them."""

from __future__ import annotations

from collections.abc import Mapping

from athena_lab.warehouse.connect import PATIENCE, Warehouse
from athena_lab.warehouse.failures import translating


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

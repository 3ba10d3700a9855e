"""Find the spec of a job at one of its versions."""

from __future__ import annotations

from athena_lab.errors import NotFoundError
from athena_lab.jobs.repository import JobsRepository
from athena_lab.jobs.spec import JobSpec


def spec_at(repository: JobsRepository, job_id: str, version: int) -> JobSpec:
    """Give a version of a job that is not deleted, the current one or one of the past; raise NotFoundError."""
    current = repository.spec(job_id)
    if current.version == version:
        return current
    for spec in repository.past_specs(job_id):
        if spec.version == version:
            return spec
    raise NotFoundError(f"Cannot find version {version} of the job '{job_id}': there is none. Deploy it again.")

"""Routes of promotion and of jobs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query

from athena_lab.gateway.access import MEBIBYTE, USER, CurrentAct, GuardedRoute, guard
from athena_lab.gateway.policy import require_owner
from athena_lab.gateway.services import CurrentServices, Services
from athena_lab.gateway_api.jobs import (
    Bundle,
    BundleUpload,
    Check,
    Job,
    JobPage,
    JobQuery,
    JobVersion,
    PromoteRequest,
    Promotion,
    PromotionState,
    SchedulePreview,
)
from athena_lab.gateway_api.lineage import Dependencies
from athena_lab.gateway_api.terms import Schedule
from athena_lab.gateway_api.wire import FaultModel, Principal
from athena_lab.jobs.bundle import build_bundle
from athena_lab.jobs.schedule import count_made_up, marks_of, schedule_faults

LONGEST_WAIT_S = 20.0
MOST_WAITING = 32
"""Requests that may wait at once for a promotion; more are answered at once, so that threads remain for others."""
LARGEST_BUNDLE = 160 * MEBIBYTE
PREVIEWED_RUNS = 10
_FINAL = (PromotionState.VISIBLE, PromotionState.FAILED)
_waiting = CapacityLimiter(MOST_WAITING)

router = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["jobs"])


@router.post("/bundles")
@guard("bundle.upload", USER, limit_bytes=LARGEST_BUNDLE)
def upload_bundle(upload: BundleUpload, act: CurrentAct, services: CurrentServices) -> Bundle:
    """Keep a notebook and its side files, without outputs, under the hash of their content."""
    if upload.environment_of is not None:
        require_own(services, upload.environment_of, act.principal)
        upload = services.changes.with_environment(upload, upload.environment_of)
    built = build_bundle(upload)
    act.audit("bundle.upload", {"bundle": built.hash})
    services.bundles.put(built)
    return services.lineage.described(built.summary, act.principal)


@router.post("/schedule/preview")
@guard("schedule.preview", USER, is_polled=True)
def preview_schedule(schedule: Schedule, services: CurrentServices) -> SchedulePreview:
    """Give the next fires of a schedule, asked of Airflow's own timetable, or all its faults."""
    faults = schedule_faults(schedule, services.settings.minimum_interval_s, services.now())
    if faults:
        return SchedulePreview(faults=tuple(FaultModel(field=one.field, message=one.message) for one in faults))
    if schedule.cron is None:
        return SchedulePreview()
    now = services.now()
    runs = services.scheduler.preview(schedule, PREVIEWED_RUNS, now)
    return SchedulePreview(runs=runs, marks=marks_of(runs, schedule), made_up=count_made_up(schedule, now))


@router.post("/jobs/check")
@guard("job.check", USER, is_polled=True)
def check_promotion(
    request: PromoteRequest, act: CurrentAct, services: CurrentServices, *, with_runs: bool = True
) -> Check:
    """Say what a promotion would do: every fault at once, and the next runs and the cost if there is none.

    Without `with_runs` neither Airflow is asked for runs nor the warehouse for the cost.
    """
    check = services.promoter.check(request, act.principal, with_runs=with_runs)
    if not with_runs:
        return check
    return check.model_copy(update={"forecast": services.stewards.forecasts.of(request, act.principal)})


@router.post("/jobs")
@guard("job.promote", USER)
def promote(request: PromoteRequest, act: CurrentAct, services: CurrentServices) -> Promotion:
    """Make a bundle a job, or the next version of one."""
    promotion = services.promoter.promote(request, act.principal, act.audit)
    services.pump.wake()
    services.at_seam("answer")
    return promotion


@router.get("/jobs")
@guard("job.list", USER, is_polled=True)
def find_jobs(query: Annotated[JobQuery, Query()], act: CurrentAct, services: CurrentServices) -> JobPage:
    """Give a page of the caller's jobs, each with its last run."""
    page = services.promoter.find(query, act.principal)
    return page.model_copy(update={"jobs": tuple(_with_last_runs(services, page.jobs))})


@router.get("/jobs/{job}")
@guard("job.read", USER, is_polled=True)
def get_job(job: str, act: CurrentAct, services: CurrentServices) -> Job:
    """Give one job with its last run."""
    return _own_job(services, job, act.principal)


@router.delete("/jobs/{job}")
@guard("job.delete", USER)
def delete_job(job: str, act: CurrentAct, services: CurrentServices) -> Job:
    """Delete a job; its record of runs stays."""
    deleted = services.promoter.delete(job, act.principal, act.audit)
    services.pump.wake()
    return deleted


@router.get("/jobs/{job}/versions")
@guard("job.versions", USER, is_polled=True)
def list_versions(job: str, act: CurrentAct, services: CurrentServices) -> Sequence[JobVersion]:
    """List a job's versions, the newest first."""
    require_own(services, job, act.principal)
    return services.promoter.versions(job)


@router.get("/jobs/{job}/versions/{version}/promotion")
@guard("job.promotion", USER, is_polled=True)
async def get_promotion(
    job: str,
    version: int,
    act: CurrentAct,
    services: CurrentServices,
    wait_s: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 0,
) -> Promotion:
    """Say how far a promotion is; wait for its end for at most `wait_s` seconds."""
    wait_s = wait_s if _waiting.available_tokens > 0 else 0
    limiter = _waiting if wait_s > 0 else None
    return await to_thread.run_sync(_wait, services, (job, version), act.principal, wait_s, limiter=limiter)


@router.get("/jobs/{job}/dependencies")
@guard("job.dependencies", USER, is_polled=True)
def get_dependencies(job: str, act: CurrentAct, services: CurrentServices) -> Dependencies:
    """Say which jobs write what a job reads, and which read what it writes."""
    require_own(services, job, act.principal)
    return services.promoter.dependencies.dependencies(job, act.principal)


@router.post("/jobs/{job}/pause")
@guard("job.pause", USER)
def pause_job(job: str, act: CurrentAct, services: CurrentServices) -> Job:
    """Stop a job's schedule."""
    return services.promoter.pause(job, act.principal, act.audit)


@router.post("/jobs/{job}/resume")
@guard("job.resume", USER)
def resume_job(job: str, act: CurrentAct, services: CurrentServices) -> Job:
    """Start a paused job's schedule again."""
    return services.promoter.resume(job, act.principal, act.audit)


def _own_job(services: Services, job_id: str, principal: Principal) -> Job:
    require_own(services, job_id, principal)
    return _with_last_runs(services, [services.promoter.job(job_id)])[0]


def require_own(services: Services, job_id: str, principal: Principal) -> None:
    """Raise ForbiddenError or NotFoundError unless the job, deleted or not, is the caller's own."""
    spec = services.repository.deleted(job_id) or services.repository.spec(job_id)
    require_owner(principal, f"the job '{job_id}'", owner=spec.owner)


def _with_last_runs(services: Services, jobs: Sequence[Job]) -> list[Job]:
    last = services.runs.last_runs([job.id for job in jobs])
    return [job.model_copy(update={"last_run": last.get(job.id)}) for job in jobs]


def _wait(services: Services, what: tuple[str, int], principal: Principal, wait_s: float) -> Promotion:
    job_id, version = what
    require_own(services, job_id, principal)
    deadline = time.monotonic() + wait_s
    while True:
        promotion = services.promoter.promotion(job_id, version)
        left_s = deadline - time.monotonic()
        if promotion.state in _FINAL or left_s <= 0:
            return promotion
        services.pump.wait_for_round(left_s)

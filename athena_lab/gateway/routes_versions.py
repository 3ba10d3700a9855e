"""Routes of a job's versions and of what is done with a job beside deploying its notebook."""

from __future__ import annotations

from fastapi import APIRouter

from athena_lab.errors import Fault, InvalidError
from athena_lab.gateway.access import USER, CurrentAct, GuardedRoute, guard
from athena_lab.gateway.routes_jobs import LARGEST_BUNDLE, require_own
from athena_lab.gateway.services import CurrentServices, Services
from athena_lab.gateway_api.jobs import Promotion
from athena_lab.gateway_api.versions import (
    CloneRequest,
    DiffRequest,
    EditRequest,
    ImportRequest,
    JobDiff,
    JobExport,
    RollbackRequest,
    TransferRequest,
    VersionContent,
)

router = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["versions"])


@router.get("/jobs/{job}/versions/{version}")
@guard("job.version", USER, is_polled=True)
def get_version(job: str, version: int, act: CurrentAct, services: CurrentServices) -> VersionContent:
    """Give one version whole: its settings and its notebook, without outputs."""
    require_own(services, job, act.principal)
    return services.changes.content(job, version)


@router.post("/jobs/{job}/diff")
@guard("job.diff", USER, is_polled=True)
def diff_job(job: str, request: DiffRequest, act: CurrentAct, services: CurrentServices) -> JobDiff:
    """Compare two versions, or a version and a bundle: cells, settings, side files."""
    require_own(services, job, act.principal)
    return services.changes.diff(job, request)


@router.post("/jobs/{job}/rollback")
@guard("job.rollback", USER)
def rollback_job(job: str, request: RollbackRequest, act: CurrentAct, services: CurrentServices) -> Promotion:
    """Deploy an earlier version's content as a new version that names its origin."""
    require_own(services, job, act.principal)
    return _delivered(services, services.changes.rollback(job, request, act.principal, act.audit))


@router.post("/jobs/{job}/edit")
@guard("job.edit", USER)
def edit_job(job: str, request: EditRequest, act: CurrentAct, services: CurrentServices) -> Promotion:
    """Change a job's name, schedule, parameters or limits without touching its notebook."""
    require_own(services, job, act.principal)
    return _delivered(services, services.changes.edit(job, request, act.principal, act.audit))


@router.post("/jobs/{job}/clone")
@guard("job.clone", USER)
def clone_job(job: str, request: CloneRequest, act: CurrentAct, services: CurrentServices) -> Promotion:
    """Make a new job of a job's current content."""
    require_own(services, job, act.principal)
    return _delivered(services, services.changes.clone(job, request.name, act.principal, act.audit))


@router.post("/jobs/{job}/transfer")
@guard("job.transfer", USER)
def transfer_job(job: str, request: TransferRequest, act: CurrentAct, services: CurrentServices) -> Promotion:
    """Give a job to another user; its former owner has no more right to it."""
    require_own(services, job, act.principal)
    if not services.users.is_known(request.owner):
        message = f"Cannot give the job to '{request.owner[:60]}': the gateway knows no such user. Check the name."
        raise InvalidError([Fault("owner", message)])
    return _delivered(services, services.changes.transfer(job, request.owner, act.principal, act.audit))


@router.post("/jobs/{job}/restore")
@guard("job.restore", USER)
def restore_job(job: str, act: CurrentAct, services: CurrentServices) -> Promotion:
    """Bring a deleted job back, as a new version."""
    require_own(services, job, act.principal)
    return _delivered(services, services.changes.restore(job, act.principal, act.audit))


@router.get("/jobs/{job}/export")
@guard("job.export", USER)
def export_job(job: str, act: CurrentAct, services: CurrentServices) -> JobExport:
    """Give a job as one file."""
    require_own(services, job, act.principal)
    return services.changes.export(job)


@router.post("/jobs/import")
@guard("job.import", USER, limit_bytes=LARGEST_BUNDLE)
def import_job(request: ImportRequest, act: CurrentAct, services: CurrentServices) -> Promotion:
    """Make a new job of an exported one."""
    return _delivered(services, services.changes.import_job(request, act.principal, act.audit))


def _delivered(services: Services, promotion: Promotion) -> Promotion:
    services.pump.wake()
    return promotion

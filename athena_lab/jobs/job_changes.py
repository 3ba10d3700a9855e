"""What is done to a job beside deploying its notebook: compare, roll back, edit, copy, hand over, restore."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime

from athena_lab.errors import ConflictError, Fault, InvalidError, NotFoundError, PlatformError
from athena_lab.gateway_api.bundles import EnvironmentKind
from athena_lab.gateway_api.jobs import BundleUpload, PromoteRequest, Promotion
from athena_lab.gateway_api.terms import Parameter, Terms, terms_of
from athena_lab.gateway_api.versions import (
    DiffRequest,
    EditRequest,
    ImportRequest,
    JobDiff,
    JobExport,
    RollbackRequest,
    VersionContent,
)
from athena_lab.gateway_api.wire import Principal
from athena_lab.jobs.bundle_content import BundleContent, read_archive, rebuild
from athena_lab.jobs.diff import Settings, diff_cells, diff_files, diff_settings
from athena_lab.jobs.promote import Audit, Occasion, Promoter
from athena_lab.jobs.services import Services
from athena_lab.jobs.spec import JobSpec

_NEW = 0
"""`expected_version` of a job that must not exist yet."""


class JobChanges:
    """Everything here ends in `Promoter`, under its lock and its rules; it asks whether a job is the caller's."""

    def __init__(self, services: Services, promoter: Promoter, now: Callable[[], datetime]) -> None:
        self._repository, self._bundles = services.repository, services.bundles
        self._scheduler, self._promoter, self._now = services.scheduler, promoter, now

    # -- looking back

    def content(self, job_id: str, version: int) -> VersionContent:
        """Give one version whole, of a deleted job too; raise NotFoundError."""
        spec = self._version(job_id, version)
        bundle = self._bundle(spec.bundle)
        return VersionContent(
            **spec.summary.model_dump(),
            **terms_of(spec),
            job_id=spec.id,
            name=spec.name,
            owner=spec.owner,
            source=spec.source,
            files=tuple(sorted(bundle.files)),
            environment=EnvironmentKind.PLATFORM if bundle.lock is None else EnvironmentKind.LOCK,
            notebook=bundle.notebook,
        )

    def diff(self, job_id: str, request: DiffRequest) -> JobDiff:
        """Compare a version with another or with a bundle; raise NotFoundError, or InvalidError if nothing is named."""
        if request == DiffRequest() or (request.bundle is not None and request.to_version is not None):
            why = (
                "it names nothing to compare with"
                if request == DiffRequest()
                else "it names two things to compare with"
            )
            message = f"Cannot compare the job '{job_id}': {why}. Name one version, or one bundle."
            raise InvalidError([Fault("version", message)])
        current = self._past(job_id)[0].version
        old = self._version(job_id, request.version or current)
        new = None if request.bundle else self._version(job_id, request.to_version or current)
        before = self._bundle(old.bundle)
        after = self._bundle(request.bundle or (new or old).bundle)
        cells = diff_cells(before.notebook["cells"], after.notebook["cells"])
        fields = diff_settings(_settings_of(old, before), _settings_of(new or old, after))
        files = diff_files(before.files, after.files)
        touched = sum(cell.after is not None for cell in cells)
        return JobDiff(
            version=old.version,
            to_version=new.version if new else None,
            cells=cells,
            fields=fields,
            files=files,
            same_cells=len(after.notebook["cells"]) - touched,
            is_same=not (cells or fields or files),
        )

    # -- new versions

    def with_environment(self, upload: BundleUpload, job_id: str) -> BundleUpload:
        """Give an upload without a lock that of the job's present version, if it has one, and say so; NotFoundError."""
        spec = self._past(job_id)[0]
        lock = None if upload.lock is not None else self._bundle(spec.bundle).lock
        if lock is None:
            return upload
        note = (
            f"it keeps the locked environment of '{spec.name}' v{spec.version}; choose 'lock' to lock it anew, "
            "'platform' to run in the platform's"
        )
        return upload.model_copy(update={"lock": lock, "warnings": (*upload.warnings, note)})

    def rollback(self, job_id: str, request: RollbackRequest, principal: Principal, audit: Audit) -> Promotion:
        """Deploy an earlier version's content as a new version that names it; the job's name and owner stay.

        The current content changes nothing. Raises what `Promoter.promote` raises, NotFoundError for the version.
        """
        current = self._repository.spec(job_id)
        old = self._version(job_id, request.version)
        message = request.message.strip() or f"Roll back to v{old.version}"
        wanted = _request_of(old).model_copy(
            update={
                "name": current.name,
                "job_id": job_id,
                "message": message,
                "expected_version": _expected(request.expected_version, current),
            }
        )
        occasion = Occasion("job.rollback", origin=old.version, detail={"to": old.version})
        return self._promoter.promote(wanted, principal, audit, occasion)

    def edit(self, job_id: str, request: EditRequest, principal: Principal, audit: Audit) -> Promotion:
        """Deploy the current notebook with other settings; what the request leaves None stays."""
        current = self._repository.spec(job_id)
        given = {name: getattr(request, name) for name in ("name", *Terms.model_fields)}
        changes = {name: value for name, value in given.items() if value is not None}
        if request.parameters is not None:
            changes["parameters"] = _laid_over(current.parameters, request.parameters)
        wanted = _request_of(current).model_copy(
            update={
                **changes,
                "job_id": job_id,
                "message": request.message,
                "expected_version": _expected(request.expected_version, current),
            }
        )
        return self._promoter.promote(wanted, principal, audit, Occasion("job.edit"))

    def transfer(self, job_id: str, owner: str, principal: Principal, audit: Audit) -> Promotion:
        """Give a job to another user (who exists: the caller has looked), paused until they resume it.

        Nobody may have code run as somebody else who has not agreed to it: so it is paused under the lock, and no
        run that its former owner started may still be under way. Raises ConflictError and UnreachableError.
        """

        def revise(spec: JobSpec) -> JobSpec:
            if spec.owner == owner:
                raise ConflictError(
                    f"Cannot give '{spec.name}' to '{owner}': it is theirs already. Name somebody else."
                )
            self._require_alive(spec)
            self._require_idle(spec)
            self._promoter.pause(spec.id, principal, audit)
            self._require_idle(spec)
            changes = {"owner": owner, "origin": None, "message": f"Hand over to {owner}"}
            return self._stamped(spec, principal).model_copy(update=changes)

        return self._promoter.revise(job_id, principal, audit, revise, Occasion("job.transfer", detail={"to": owner}))

    def restore(self, job_id: str, principal: Principal, audit: Audit) -> Promotion:
        """Bring a deleted job back with its versions; raise ConflictError if it is not deleted or its name is taken.

        Raises InvalidError where it fits no longer among the jobs and the classes that there are now.

        It fires from now on: what it would have done meanwhile is not made up for.
        """

        def revise(spec: JobSpec) -> JobSpec:
            if self._repository.deleted(spec.id) is None:
                raise ConflictError(f"Cannot restore '{spec.name}': it is not deleted. Look at the list of jobs.")
            if self._repository.named(spec.team, spec.name) is not None:
                raise ConflictError(
                    f"Cannot restore '{spec.name}': another job has that name now. Rename that job, then try again."
                )
            self._promoter.require_fit(spec, principal)
            changes = {"origin": spec.version, "message": f"Restore v{spec.version}", "start_at": self._now()}
            return self._stamped(spec, principal).model_copy(update=changes)

        promotion = self._promoter.revise(job_id, principal, audit, revise, Occasion("job.restore"))
        try:
            # Its deletion paused it first; a DAG that Airflow has forgotten meanwhile begins active.
            self._scheduler.set_paused(self._repository.spec(job_id).dag_id, is_paused=False)
        except (NotFoundError, PlatformError):
            return promotion
        return promotion

    # -- new jobs

    def clone(self, job_id: str, name: str, principal: Principal, audit: Audit) -> Promotion:
        """Make a new job of a job's current content; raise InvalidError if the name is not free."""
        spec = self._repository.spec(job_id)
        self._require_free(name)
        wanted = _request_of(spec).model_copy(
            update={"name": name, "message": f"Clone {spec.id} v{spec.version}", "expected_version": _NEW}
        )
        occasion = Occasion("job.clone", detail={"from": spec.id, "from_version": spec.version})
        return self._promoter.promote(wanted, principal, audit, occasion)

    def export(self, job_id: str) -> JobExport:
        """Give a job as one file, with its bundle; raise NotFoundError."""
        spec = self._past(job_id)[0]
        return JobExport(
            exported_at=self._now(),
            name=spec.name,
            version=spec.version,
            **terms_of(spec),
            source=spec.source,
            bundle=spec.bundle,
            archive_base64=base64.b64encode(self._bundles.get(spec.bundle)).decode(),
        )

    def import_job(self, request: ImportRequest, principal: Principal, audit: Audit) -> Promotion:
        """Make a new job of an exported one, held against every rule; raise InvalidError with its faults."""
        job = request.job
        name = job.name if request.name is None else request.name
        built = rebuild(job.archive_base64, job.bundle, job.source.path)
        self._require_free(name)
        audit("bundle.upload", {"bundle": built.hash})
        self._bundles.put(built)
        wanted = PromoteRequest(
            bundle=built.hash,
            name=name,
            **terms_of(job),
            message=f"Import {job.name[:60]} v{job.version}",
            expected_version=_NEW,
        )
        return self._promoter.promote(wanted, principal, audit, Occasion("job.import", detail={"from": job.bundle}))

    # -- what they share

    def _past(self, job_id: str) -> tuple[JobSpec, ...]:
        return self._repository.past_specs(job_id)

    def _version(self, job_id: str, version: int) -> JobSpec:
        for spec in self._past(job_id):
            if spec.version == version:
                return spec
        raise NotFoundError(
            f"Cannot find version {version} of the job '{job_id[:60]}': it was never deployed. Look at its versions."
        )

    def _bundle(self, content_hash: str) -> BundleContent:
        return read_archive(self._bundles.get(content_hash))

    def _stamped(self, spec: JobSpec, principal: Principal) -> JobSpec:
        return spec.model_copy(update={"deployed_at": self._now(), "deployed_by": principal.user})

    def _require_alive(self, spec: JobSpec) -> None:
        if self._repository.deleted(spec.id) is not None:
            raise ConflictError(f"Cannot change '{spec.name}': it is deleted. Restore it first.")

    def _require_idle(self, spec: JobSpec) -> None:
        if any(run.state in ("queued", "running") for run in self._scheduler.list_runs(spec.dag_id)):
            raise ConflictError(f"Cannot give '{spec.name}' away: a run is under way. Wait for its end, or cancel it.")

    def _require_free(self, name: str) -> None:
        namesake = self._promoter.named(name)
        if namesake is not None:
            message = f"Cannot name the job '{name.strip()[:100]}': a job has that name. Choose another name."
            raise InvalidError([Fault("name", message)])


def _expected(given: int | None, current: JobSpec) -> int:
    """Give the version that must still be current: the caller's, else the one that was just read."""
    return current.version if given is None else given


def _request_of(spec: JobSpec) -> PromoteRequest:
    return PromoteRequest(bundle=spec.bundle, name=spec.name, **terms_of(spec))


def _laid_over(current: tuple[Parameter, ...], given: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """Replace parameters by name; one that the job does not have is kept, so that it is told as a fault."""
    by_name = {parameter.name: parameter for parameter in current}
    return tuple((by_name | {parameter.name: parameter for parameter in given}).values())


def _settings_of(spec: JobSpec, bundle: BundleContent) -> Settings:
    return Settings(
        name=spec.name,
        owner=spec.owner,
        terms=spec,
        fields={"kernel": bundle.kernel, "environment": bundle.environment},
    )

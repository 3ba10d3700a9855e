"""What each `athena jobs` command does: through the gateway's own client, with the caller's own rights."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, TypeAdapter, ValidationError

from athena_lab.errors import Fault, InvalidError, NotFoundError
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.jobs import (
    Bundle,
    Job,
    JobQuery,
    Promotion,
    PromotionState,
    Run,
    RunRequest,
    RunState,
)
from athena_lab.gateway_api.terms import Parameter, ParameterType, RelativeDate
from athena_lab.gateway_api.versions import (
    CloneRequest,
    DiffRequest,
    EditRequest,
    ImportRequest,
    JobExport,
    RollbackRequest,
    TransferRequest,
)
from athena_lab.gateway_api.wire import Wire
from athena_lab.jobs.drafting import DraftRequest, upload_of
from athena_lab.jobs.spec import name_key
from athena_lab.stack import jobs_output
from athena_lab.stack.jobs_terms import after_of, tables_of
from athena_lab.stack.jobs_when import guards_of, schedule_of

EXIT_FAILED, EXIT_PLATFORM = 1, 3
LONG_POLL_S = 20.0
RUN_POLL_S = 0.5
_DATES = (ParameterType.DATE, ParameterType.DATETIME)
_FINAL = (PromotionState.VISIBLE, PromotionState.FAILED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is printed (`value` as JSON, `text` for people) and how the command ends."""

    value: Wire | Sequence[Wire]
    text: str
    code: int = 0

    def as_json(self) -> str:
        """Write the value as the gateway tells it."""
        if isinstance(self.value, Wire):
            return self.value.model_dump_json(indent=1)
        return json.dumps([item.model_dump(mode="json") for item in self.value], indent=1)


class JobsActions:
    """One method a command; `arguments` are its options as `jobs_command` declares them."""

    def __init__(self, gateway: GatewayClient, workspace: Path) -> None:
        self.gateway, self._workspace = gateway, workspace

    # -- looking

    def list(self, _arguments: argparse.Namespace) -> Outcome:
        jobs = self.gateway.list_jobs()
        return Outcome(jobs, jobs_output.format_jobs(jobs))

    def show(self, arguments: argparse.Namespace) -> Outcome:
        job = self.find(arguments.job)
        if arguments.json:
            return _job(job)
        current = next((one for one in self.gateway.list_versions(job.id) if one.version == job.version), None)
        return Outcome(job, jobs_output.format_job(job, current))

    def versions(self, arguments: argparse.Namespace) -> Outcome:
        versions = self.gateway.list_versions(self.find(arguments.job).id)
        return Outcome(versions, jobs_output.format_versions(versions))

    def dependencies(self, arguments: argparse.Namespace) -> Outcome:
        found = self.gateway.get_dependencies(self.find(arguments.job).id)
        return Outcome(found, jobs_output.format_dependencies(found))

    def diff(self, arguments: argparse.Namespace) -> Outcome:
        job = self.find(arguments.job)
        bundle = None
        if arguments.file is not None:
            wanted = DraftRequest(path="", cell_id=job.source.cell_id, cell_ids=job.source.cell_ids, job_id=job.id)
            bundle = self.upload(arguments.file, wanted).hash
        request = DiffRequest(version=arguments.from_version, to_version=arguments.to_version, bundle=bundle)
        diff = self.gateway.diff_job(job.id, request)
        return Outcome(diff, jobs_output.format_diff(diff))

    # -- changing

    def pause(self, arguments: argparse.Namespace) -> Outcome:
        return _job(self.gateway.pause_job(self.find(arguments.job).id))

    def resume(self, arguments: argparse.Namespace) -> Outcome:
        return _job(self.gateway.resume_job(self.find(arguments.job).id))

    def delete(self, arguments: argparse.Namespace) -> Outcome:
        return _job(self.gateway.delete_job(self.find(arguments.job).id))

    def restore(self, arguments: argparse.Namespace) -> Outcome:
        return self.deployed(self.gateway.restore_job(arguments.job), is_waiting=arguments.wait)

    def rollback(self, arguments: argparse.Namespace) -> Outcome:
        request = RollbackRequest(version=arguments.version, message=arguments.message)
        promotion = self.gateway.rollback_job(self.find(arguments.job).id, request)
        return self.deployed(promotion, is_waiting=arguments.wait)

    def edit(self, arguments: argparse.Namespace) -> Outcome:
        job = self.find(arguments.job)
        schedule = schedule_of(arguments, job.schedule)
        request = EditRequest(
            name=arguments.name,
            schedule=None if schedule == job.schedule else schedule,
            after=None if (after := after_of(arguments, job.after, schedule)) == job.after else after,
            tables=tables_of(arguments, job.tables),
            parameters=values_of(arguments.param, job.parameters) if arguments.param else None,
            retries=arguments.retries,
            timeout_s=arguments.timeout_s,
            guards=guards_of(arguments, job.guards),
            message=arguments.message,
            expected_version=job.version,
        )
        return self.deployed(self.gateway.edit_job(job.id, request), is_waiting=arguments.wait)

    def clone(self, arguments: argparse.Namespace) -> Outcome:
        promotion = self.gateway.clone_job(self.find(arguments.job).id, CloneRequest(name=arguments.name))
        return self.deployed(promotion, is_waiting=arguments.wait)

    def transfer(self, arguments: argparse.Namespace) -> Outcome:
        request = TransferRequest(owner=arguments.owner)
        return self.deployed(self.gateway.transfer_job(self.find(arguments.job).id, request), is_waiting=False)

    def export(self, arguments: argparse.Namespace) -> Outcome:
        exported = self.gateway.export_job(self.find(arguments.job).id)
        if arguments.output is None:
            return Outcome(exported, exported.model_dump_json(indent=1))
        arguments.output.write_text(exported.model_dump_json(indent=1) + "\n")
        return Outcome(exported, f"{exported.name} v{exported.version} is in '{arguments.output}'.")

    def import_(self, arguments: argparse.Namespace) -> Outcome:
        try:
            job = JobExport.model_validate_json(arguments.file.read_bytes())
        except (OSError, ValidationError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no exported job"
            message = f"Cannot import '{arguments.file}': {why}. Name a file that `athena jobs export` wrote."
            raise InvalidError([Fault("file", message)]) from error
        promotion = self.gateway.import_job(ImportRequest(job=job, name=arguments.name))
        return self.deployed(promotion, is_waiting=arguments.wait)

    def run(self, arguments: argparse.Namespace) -> Outcome:
        job = self.find(arguments.job)
        values = {one.name: one.value for one in values_of(arguments.param, job.parameters, is_relative_kept=False)}
        given = {name for name, _ in _pairs(arguments.param)}
        parameters = {name: value for name, value in values.items() if name in given}
        run = self.gateway.run_job(job.id, RunRequest(parameters=parameters, note=arguments.note), key=arguments.key)
        while arguments.wait and not run.state.is_final:
            time.sleep(RUN_POLL_S)
            run = self.gateway.get_run(run.id)
        return _run(run)

    # -- what they share

    def upload(self, file: Path, request: DraftRequest) -> Bundle:
        """Make a bundle of a file and what it needs, and store it; raise InvalidError with every fault."""
        return self.gateway.upload_bundle(upload_of(file, self._workspace, request))

    def named(self, name: str) -> Job | None:
        """Give the caller's job of an id or a name, if there is one that is not deleted."""
        jobs = self.gateway.list_jobs(JobQuery(search=name[:200]))
        found = [job for job in jobs if job.id == name]
        found += [job for job in jobs if name_key(job.name) == name_key(name)]
        return found[0] if found else None

    def find(self, name: str) -> Job:
        """Give the job of an id or a name; raise NotFoundError."""
        found = self.named(name)
        if found is not None:
            return found
        try:
            return self.gateway.get_job(name)  # a deleted one, whose versions can still be looked at
        except NotFoundError as error:
            raise NotFoundError(
                f"Cannot find the job '{name[:100]}': you have none of that name or id. See `athena jobs list`."
            ) from error

    def deployed(self, promotion: Promotion, *, is_waiting: bool) -> Outcome:
        """Tell of a deployment; wait until Airflow reports it where that is wanted."""
        while is_waiting and promotion.state not in _FINAL:
            followed = self.gateway.get_promotion(promotion.job_id, promotion.version, wait_s=LONG_POLL_S)
            promotion = followed.model_copy(update={"is_unchanged": promotion.is_unchanged})
            time.sleep(0 if promotion.state in _FINAL else RUN_POLL_S)
        code = EXIT_PLATFORM if promotion.state is PromotionState.FAILED else 0
        return Outcome(promotion, jobs_output.format_promotion(promotion), code)


def _job(job: Job) -> Outcome:
    return Outcome(job, jobs_output.format_job(job))


def _run(run: Run) -> Outcome:
    is_bad = run.state in (RunState.FAILED, RunState.CANCELLED)
    return Outcome(run, jobs_output.format_run(run), EXIT_FAILED if is_bad else 0)


def _pairs(texts: Iterable[str]) -> Sequence[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, is_pair, value = text.partition("=")
        if not is_pair:
            message = f"Cannot read the parameter '{text[:60]}': it has no '='. Write it as name=value."
            raise InvalidError([Fault("parameters", message)])
        pairs.append((name.strip(), value))
    return pairs


def _unknown(texts: Iterable[str], present: Sequence[Parameter]) -> Sequence[Parameter]:
    """Give what the job does not have, as text: the gateway tells it as a fault, with all the others."""
    known = {parameter.name for parameter in present}
    named = dict(_pairs(texts))
    return [Parameter(name=name, type=ParameterType.STRING, value=named[name]) for name in named if name not in known]


def values_of(
    texts: Sequence[str], present: Sequence[Parameter], *, is_relative_kept: bool = True
) -> tuple[Parameter, ...]:
    """Lay the values that the command gives (`name=value`) over the parameters; raise InvalidError."""
    given = dict(_pairs(texts))
    changed = []
    for parameter in present:
        if parameter.name not in given:
            changed.append(parameter)
            continue
        text = given[parameter.name]
        is_relative = is_relative_kept and parameter.type in _DATES and text in set(RelativeDate)
        update = (
            {"value": None, "relative": text} if is_relative else {"value": _value(text, parameter), "relative": None}
        )
        changed.append(parameter.model_copy(update=update))
    return (*changed, *_unknown(texts, present))


def _value(text: str, parameter: Parameter) -> JsonValue:
    """Read a value of the parameter's type; text that is none is sent as it is, and refused by the gateway."""
    if parameter.type in (ParameterType.STRING, *_DATES):
        return text
    try:
        value: JsonValue = TypeAdapter(JsonValue).validate_python(json.loads(text.lower() if _is_flag(text) else text))
    except ValueError:
        return text
    return value


def _is_flag(text: str) -> bool:
    return text.lower() in ("true", "false")

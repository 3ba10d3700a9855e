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
from athena_lab.gateway_api.bundles import Destination, DestinationMode
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.jobs import (
    Job,
    JobQuery,
    PromoteRequest,
    Promotion,
    PromotionState,
    Run,
    RunRequest,
    RunState,
)
from athena_lab.gateway_api.terms import After, Guards, Parameter, ParameterType, RelativeDate, Schedule
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
        return _job(self.find(arguments.job))

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
            wanted = DraftRequest(path="", cell_id=job.source.cell_id, cell_ids=job.source.cell_ids)
            upload = upload_of(arguments.file, self._workspace, wanted)
            bundle = self.gateway.upload_bundle(upload).hash
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
        return self._deployed(self.gateway.restore_job(arguments.job), is_waiting=arguments.wait)

    def rollback(self, arguments: argparse.Namespace) -> Outcome:
        request = RollbackRequest(version=arguments.version, message=arguments.message)
        promotion = self.gateway.rollback_job(self.find(arguments.job).id, request)
        return self._deployed(promotion, is_waiting=arguments.wait)

    def edit(self, arguments: argparse.Namespace) -> Outcome:
        job = self.find(arguments.job)
        schedule = schedule_of(arguments, job.schedule)
        request = EditRequest(
            name=arguments.name,
            schedule=None if schedule == job.schedule else schedule,
            after=None if (after := after_of(arguments, job.after, schedule)) == job.after else after,
            tables=tables_of(arguments, job.tables),
            parameters=_values_of(arguments.param, job.parameters) if arguments.param else None,
            retries=arguments.retries,
            timeout_s=arguments.timeout_s,
            guards=guards_of(arguments, job.guards),
            message=arguments.message,
            expected_version=job.version,
        )
        return self._deployed(self.gateway.edit_job(job.id, request), is_waiting=arguments.wait)

    def clone(self, arguments: argparse.Namespace) -> Outcome:
        promotion = self.gateway.clone_job(self.find(arguments.job).id, CloneRequest(name=arguments.name))
        return self._deployed(promotion, is_waiting=arguments.wait)

    def transfer(self, arguments: argparse.Namespace) -> Outcome:
        request = TransferRequest(owner=arguments.owner)
        return self._deployed(self.gateway.transfer_job(self.find(arguments.job).id, request), is_waiting=False)

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
        return self._deployed(promotion, is_waiting=arguments.wait)

    def promote(self, arguments: argparse.Namespace) -> Outcome:
        bundle = self.gateway.upload_bundle(upload_of(arguments.file, self._workspace, _draft_of(arguments)))
        name = arguments.name or arguments.file.stem
        known = self._named(name)
        # What the command does not say stays as the job has it; of a new one, as the notebook has it.
        kept = {parameter.name: parameter for parameter in known.parameters} if known else {}
        present = tuple(kept.get(parameter.name, parameter) for parameter in bundle.parameters)
        schedule = schedule_of(arguments, known.schedule if known else Schedule())
        request = PromoteRequest(
            bundle=bundle.hash,
            name=name,
            schedule=schedule,
            after=after_of(arguments, known.after if known else After(), schedule),
            tables=tables_of(arguments, bundle.lineage),
            parameters=_values_of(arguments.param, present),
            message=arguments.message,
            guards=guards_of(arguments, known.guards if known else Guards()),
            alerts=known.alerts if known else (),
            **{key: value for key in ("retries", "timeout_s") if (value := getattr(arguments, key)) is not None},
        )
        return self._deployed(self.gateway.promote(request), is_waiting=arguments.wait)

    def run(self, arguments: argparse.Namespace) -> Outcome:
        job = self.find(arguments.job)
        values = {one.name: one.value for one in _values_of(arguments.param, job.parameters, is_relative_kept=False)}
        given = {name for name, _ in _pairs(arguments.param)}
        parameters = {name: value for name, value in values.items() if name in given}
        run = self.gateway.run_job(job.id, RunRequest(parameters=parameters, note=arguments.note))
        while arguments.wait and not run.state.is_final:
            time.sleep(RUN_POLL_S)
            run = self.gateway.get_run(run.id)
        return _run(run)

    # -- what they share

    def _named(self, name: str) -> Job | None:
        """Give the caller's job of an id or a name, if there is one that is not deleted."""
        jobs = self.gateway.list_jobs(JobQuery(search=name[:200]))
        found = [job for job in jobs if job.id == name]
        found += [job for job in jobs if job.name.casefold() == name.casefold()]
        return found[0] if found else None

    def find(self, name: str) -> Job:
        """Give the job of an id or a name; raise NotFoundError."""
        found = self._named(name)
        if found is not None:
            return found
        try:
            return self.gateway.get_job(name)  # a deleted one, whose versions can still be looked at
        except NotFoundError as error:
            raise NotFoundError(
                f"Cannot find the job '{name[:100]}': you have none of that name or id. See `athena jobs list`."
            ) from error

    def _deployed(self, promotion: Promotion, *, is_waiting: bool) -> Outcome:
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


def _draft_of(arguments: argparse.Namespace) -> DraftRequest:
    """Give what `promote` says of the file: which cells, which table, which environment, which files beside it."""
    one, several = (arguments.cell[0], ()) if len(arguments.cell) == 1 else (None, tuple(arguments.cell))
    into = arguments.into
    return DraftRequest(
        path="",
        cell_id=one,
        cell_ids=several,
        destination=Destination(table=into, mode=DestinationMode(arguments.mode)) if into else None,
        environment=arguments.environment,
        globs=tuple(arguments.include),
    )


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


def _values_of(
    texts: Sequence[str], present: Sequence[Parameter], *, is_relative_kept: bool = True
) -> tuple[Parameter, ...]:
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

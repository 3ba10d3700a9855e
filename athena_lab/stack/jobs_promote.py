"""`athena jobs promote`, `rehearse` and `rehearsal`: a file made a job's next version, and run once before it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from athena_lab.errors import ConflictError, Fault, InvalidError
from athena_lab.gateway_api.bundles import Destination, DestinationMode, EnvironmentKind
from athena_lab.gateway_api.jobs import Bundle, Job, PromoteRequest
from athena_lab.gateway_api.rehearsals import Rehearsal
from athena_lab.gateway_api.terms import Terms, terms_of
from athena_lab.gateway_api.versions import DiffRequest
from athena_lab.jobs.drafting import DraftRequest
from athena_lab.jobs.drafting.rehearsal import cancel, follow, has_succeeded, rehearsal_of, settled, summarise
from athena_lab.stack.jobs_actions import EXIT_FAILED, JobsActions, Outcome, values_of
from athena_lab.stack.jobs_output import format_diff
from athena_lab.stack.jobs_terms import add_found_tables, add_tables, after_of, tables_of
from athena_lab.stack.jobs_when import add_guards, add_run_guards, add_schedule, guards_of, schedule_of

Add = Callable[[str, str, Callable[[JobsActions, argparse.Namespace], Outcome]], argparse.ArgumentParser]
_OF_A_JOB = (
    *("by_hand", "cron", "start", "end", "missed", "after_mode", "after_tables", "deadline_s"),
    *("retries", "retry_delay_s", "has_backoff", "overlap", "month_bytes"),
)
"""What `promote` may say and `rehearse` does not."""


@dataclass(frozen=True, slots=True)
class _Drafted:
    """A file's stored bundle, what would be deployed of it, and the job whose next version that would be."""

    bundle: Bundle
    request: PromoteRequest
    known: Job | None


# -- the options


def add_promoting(add: Add) -> None:
    """Add the commands; `add` makes the parser of one."""
    promote = add("promote", "schedule a file, or deploy its next version", promote_file)
    _add_content(promote)
    add_terms(promote)
    text = "run it once before, with its writes in a scratch dataset; deploy only what succeeded"
    promote.add_argument("--rehearse", action="store_true", help=text)
    text = "deploy although the rehearsal was refused writes that its cells went on after"
    promote.add_argument("--despite-refusals", action="store_true", help=text)
    rehearse = add("rehearse", "run a file once on a worker, with its writes in a scratch dataset", rehearse_file)
    _add_content(rehearse)
    rehearse.add_argument("--zone", metavar="ZONE", help="where relative dates are read, such as Europe/London")
    add_run_guards(rehearse)
    add_found_tables(rehearse)
    add_parameters(rehearse)
    rehearse.add_argument("--detach", action="store_true", help="do not wait until it has ended")
    add_key(rehearse)
    rehearse.set_defaults(message="", **dict.fromkeys(_OF_A_JOB))
    shown = add("rehearsal", "show a rehearsal", show_rehearsal)
    shown.add_argument("rehearsal", metavar="ID")
    how = shown.add_mutually_exclusive_group()
    how.add_argument("--wait", action="store_true", help="until it has ended; one that failed ends with 1")
    how.add_argument("--cancel", action="store_true", help="ask to end it")


def add_terms(parser: argparse.ArgumentParser) -> None:
    """Add the options of how a job runs, to a command that deploys."""
    add_schedule(parser)
    add_guards(parser)
    add_tables(parser)
    add_parameters(parser)
    add_message(parser)
    add_wait(parser)


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Add `--param`."""
    text = "a parameter's value; a date may be 'yesterday' or another relative one"
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help=text)


def add_message(parser: argparse.ArgumentParser) -> None:
    """Add `--message`."""
    parser.add_argument("-m", "--message", default="", metavar="TEXT", help="what changed")


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Add `--wait` of a deployment."""
    parser.add_argument("--wait", action="store_true", help="until Airflow reports the version")


def add_key(parser: argparse.ArgumentParser) -> None:
    """Add `--key`."""
    parser.add_argument("--key", metavar="KEY", help="said again with its key within a day, it starts nothing more")


def _add_content(parser: argparse.ArgumentParser) -> None:
    """Add what is promoted: the file, its cells, its destination, its environment and the files beside it."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a notebook, a .sql or a .py file")
    parser.add_argument("--name", metavar="NAME", help="the job's name (default: the file's)")
    text = "only this cell and what it needs (again for another)"
    parser.add_argument("--cell", metavar="ID", action="append", default=[], help=text)
    parser.add_argument("--into", metavar="DATASET.TABLE", help="the table that takes the rows of a .sql file")
    parser.add_argument("--mode", choices=[mode.value for mode in DestinationMode], default="replace")
    kinds = [kind.value for kind in EnvironmentKind]
    parser.add_argument("--environment", choices=kinds, help="'lock' pins what the code's metadata asks for")
    parser.add_argument("--include", metavar="GLOB", action="append", default=[], help="further files beside it")


# -- the commands


def promote_file(actions: JobsActions, arguments: argparse.Namespace) -> Outcome:
    """Deploy a file; with `--rehearse` only after a rehearsal of the same bundle has succeeded."""
    drafted = _drafted(actions, arguments)
    # First what would be refused anyhow, so that nobody waits for a rehearsal in vain.
    check = actions.gateway.check_promotion(drafted.request, with_runs=False)
    if check.faults and arguments.rehearse:
        raise InvalidError([Fault(fault.field, fault.message) for fault in check.faults])
    for warning in check.warnings:
        _tell(f"Note: {warning.message}")
    if arguments.rehearse:
        ended = settled(actions.gateway, _rehearsed(actions, drafted))
        obstacle = _obstacle(ended, is_despite=arguments.despite_refusals)
        if obstacle is not None:
            _tell(f"Cannot deploy '{drafted.request.name}': {obstacle}")
            return _ended(ended, EXIT_FAILED)
        _tell(summarise(ended))
    try:
        promotion = actions.gateway.promote(drafted.request)
    except ConflictError:
        _tell_difference(actions, drafted)
        raise
    return actions.deployed(promotion, is_waiting=arguments.wait)


def _obstacle(ended: Rehearsal, *, is_despite: bool) -> str | None:
    """Say why a rehearsal that has ended is no reason to deploy; None where it is one."""
    if not has_succeeded(ended):
        return f"its rehearsal ended as '{ended.state.value}'. Mend the file and try again, or leave out --rehearse."
    if ended.refused and not is_despite:
        refused = f"its rehearsal went on, but {len(ended.refused)} of its writes were refused, so they were not"
        return f"{refused} rehearsed. Mend the file (see the list), or say --despite-refusals."
    if ended.billed_bytes is None and not is_despite:
        why = "the warehouse does not tell yet whether writes of its rehearsal were refused"
        return f"{why}. Try again once it answers, or say --despite-refusals."
    return None


def rehearse_file(actions: JobsActions, arguments: argparse.Namespace) -> Outcome:
    """Rehearse a file and wait until that has ended, unless it is detached."""
    drafted = _drafted(actions, arguments)
    if arguments.detach:
        begun = _begin(actions, drafted, arguments.key)
        return Outcome(begun, f"{summarise(begun)}\nSee how it goes with `athena jobs rehearsal {begun.id} --wait`.")
    return _ended(_rehearsed(actions, drafted, arguments.key))


def show_rehearsal(actions: JobsActions, arguments: argparse.Namespace) -> Outcome:
    """Show a rehearsal, wait for its end, or ask to end it."""
    if arguments.cancel:
        return _ended(cancel(actions.gateway, arguments.rehearsal), code=0)
    found = actions.gateway.get_rehearsal(arguments.rehearsal)
    return _ended(follow(actions.gateway, found, _tell) if arguments.wait else found)


def _drafted(actions: JobsActions, arguments: argparse.Namespace) -> _Drafted:
    """Store the file's bundle and lay the command over the job that it is of; what is not said stays as it is."""
    name = arguments.name or arguments.file.stem
    known = actions.named(name)
    bundle = actions.upload(arguments.file, _draft_of(arguments, known))
    for warning in (*bundle.warnings, *bundle.undecided):
        _tell(f"Note: {warning}")
    present = known or Terms()
    kept = {parameter.name: parameter for parameter in present.parameters}
    parameters = tuple(kept.get(parameter.name, parameter) for parameter in bundle.parameters)
    schedule = schedule_of(arguments, present.schedule)
    terms = terms_of(present) | {
        "schedule": schedule,
        "after": after_of(arguments, present.after, schedule),
        "tables": tables_of(arguments, bundle.lineage),
        "parameters": values_of(arguments.param, parameters),
        "guards": guards_of(arguments, present.guards),
    }
    terms |= {key: value for key in ("retries", "timeout_s") if (value := getattr(arguments, key)) is not None}
    terms |= {"message": arguments.message, "expected_version": known.version if known else 0}
    return _Drafted(bundle, PromoteRequest(bundle=bundle.hash, name=name, **terms), known)


def _draft_of(arguments: argparse.Namespace, known: Job | None) -> DraftRequest:
    """Give what the command says of the file: which cells, which table, which environment, which files beside it."""
    one, several = (arguments.cell[0], ()) if len(arguments.cell) == 1 else (None, tuple(arguments.cell))
    into = arguments.into
    return DraftRequest(
        path="",
        cell_id=one,
        cell_ids=several,
        destination=Destination(table=into, mode=DestinationMode(arguments.mode)) if into else None,
        environment=arguments.environment,
        job_id=known.id if known else None,
        globs=tuple(arguments.include),
    )


def _tell_difference(actions: JobsActions, drafted: _Drafted) -> None:
    """Show whoever came second how the file differs from what was deployed meanwhile."""
    job = actions.named(drafted.request.name)
    if job is not None:
        _tell(format_diff(actions.gateway.diff_job(job.id, DiffRequest(bundle=drafted.bundle.hash))))


def _begin(actions: JobsActions, drafted: _Drafted, key: str | None = None) -> Rehearsal:
    request = rehearsal_of(drafted.request, drafted.known.id if drafted.known else None)
    return actions.gateway.rehearse(request, key=key)


def _rehearsed(actions: JobsActions, drafted: _Drafted, key: str | None = None) -> Rehearsal:
    return follow(actions.gateway, _begin(actions, drafted, key), _tell, drafted.bundle)


def _ended(rehearsal: Rehearsal, code: int | None = None) -> Outcome:
    is_bad = rehearsal.state.is_final and not has_succeeded(rehearsal)
    return Outcome(rehearsal, summarise(rehearsal), (EXIT_FAILED if is_bad else 0) if code is None else code)


def _tell(line: str) -> None:
    """Tell progress beside the answer, which alone is on standard output."""
    print(line, file=sys.stderr, flush=True)

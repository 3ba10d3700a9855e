"""`%athena promote` and `rehearse`: schedule the notebook that this kernel runs, or one cell of it, or run it once."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from athena_lab.errors import ConflictError, Fault, InvalidError
from athena_lab.gateway_api.bundles import Destination, DestinationMode, EnvironmentKind, KernelReport
from athena_lab.gateway_api.jobs import Bundle, Check, Job, PromoteRequest
from athena_lab.gateway_api.terms import Schedule, terms_of
from athena_lab.jobs.drafting import DraftRequest, upload_of
from athena_lab.jobs.drafting.rehearsal import follow, has_succeeded, rehearsal_of, summarise
from athena_lab.jobs.spec import name_key
from athena_lab.kernel.report import report
from athena_lab.kernel.session import Session

USAGE = """\
%athena promote [FILE] [--cell [ID]] [--name NAME] [--cron CRON | --by-hand] [--zone ZONE] [--into DATASET.TABLE]
                [--mode create|replace|append] [--environment platform|lock] [--include GLOB] [--message TEXT]
%athena rehearse takes the same."""
_SHOWN_RUNS = 3


class _Parser(argparse.ArgumentParser):
    """A parser that raises where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        raise InvalidError([Fault("line", f"Cannot read the line of '{self.prog}': {message}. Usage:\n{USAGE}")])


@dataclass(frozen=True, slots=True)
class _Drafted:
    """What the line names, stored: its bundle, what would be deployed of it, and the job that it would be of."""

    bundle: Bundle
    request: PromoteRequest
    known: Job | None


def promote(session: Session, words: Sequence[str]) -> str:
    """Promote what the line says; give the job, its version and its next runs in words.

    Without FILE it is this kernel's own notebook as it was last saved; `--cell` without an id is the present cell.
    """
    drafted = _drafted(session, "promote", words)
    request = drafted.request
    check = session.gateway.check_promotion(request)
    promotion = session.gateway.promote(request)
    what = "is current already" if promotion.is_unchanged else f"is {promotion.state.value}"
    deployed = f"'{request.name}' version {promotion.version} {what} ({promotion.job_id})."
    warnings = [f"Note: {warning.message}" for warning in check.warnings]
    return "\n".join([deployed, _when(request, check), *_notes(drafted.bundle), *warnings])


def rehearse(session: Session, words: Sequence[str], tell: Callable[[str], None]) -> str:
    """Run once, with its writes in a scratch dataset, what `promote` would deploy; give how it went in words.

    `tell` gets a line for each step. A rehearsal that did not succeed is told too, then raises ConflictError, so
    that no cell below runs as if it had. Interrupting the cell asks to cancel it.
    """
    drafted = _drafted(session, "rehearse", words)
    for note in _notes(drafted.bundle):
        tell(note)
    begun = session.gateway.rehearse(rehearsal_of(drafted.request, drafted.known.id if drafted.known else None))
    ended = follow(session.gateway, begun, tell, drafted.bundle)
    if has_succeeded(ended):
        return summarise(ended)
    tell(summarise(ended))
    why = f"Cannot go on with '{drafted.request.name}': its rehearsal ended as '{ended.state.value}'."
    raise ConflictError(f"{why} Mend what is told above, save, and rehearse it again.")


def _drafted(session: Session, verb: str, words: Sequence[str]) -> _Drafted:
    arguments = _parser(verb).parse_args(shlex.split(" ".join(words)))
    file = _file_of(arguments.file)
    name = arguments.name or file.stem
    known = next((job for job in session.gateway.list_jobs() if name_key(job.name) == name_key(name)), None)
    with ThreadPoolExecutor(max_workers=1) as thread:
        # In a thread, because a kernel's own runs a loop already.
        upload = thread.submit(upload_of, file, _workspace_of(file), _draft_of(arguments, known)).result()
    bundle = session.gateway.upload_bundle(upload)
    return _Drafted(bundle, _request_of(arguments, bundle, name, known), known)


def _notes(bundle: Bundle) -> list[str]:
    """Tell what was kept of the notebook, and what was found in it that may be wrong."""
    notes = [f"Note: {warning}" for warning in (*bundle.warnings, *bundle.undecided)]
    if not bundle.slice:
        return notes
    kept = sum(cell.is_kept and not cell.is_target for cell in bundle.slice)
    return [f"It keeps {kept} of the {sum(not cell.is_target for cell in bundle.slice)} other cells.", *notes]


def _when(request: PromoteRequest, check: Check) -> str:
    """Tell the next runs."""
    if request.schedule.cron is None:
        return "It has no schedule: it runs when somebody starts it."
    runs = [f"{moment:%Y-%m-%d %H:%M} UTC" for moment in check.next_runs[:_SHOWN_RUNS]]
    when = f"'{request.schedule.cron}' in {request.schedule.timezone}"
    return f"It runs at {when}" + (f": {', '.join(runs)}." if runs else "; the scheduler does not answer at present.")


def _parser(verb: str) -> _Parser:
    parser = _Parser(prog=f"%athena {verb}", add_help=False, allow_abbrev=False)
    parser.add_argument("file", nargs="?")
    parser.add_argument("--cell", nargs="?", const="", action="append", default=[])
    parser.add_argument("--name")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--cron")
    when.add_argument("--by-hand", action="store_true")
    parser.add_argument("--zone")
    parser.add_argument("--into")
    parser.add_argument("--mode", choices=[mode.value for mode in DestinationMode], default="replace")
    parser.add_argument("--environment", choices=[kind.value for kind in EnvironmentKind])
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--message", "-m", default="")
    return parser


def _file_of(named: str | None) -> Path:
    """Give the file: the one that is named, else this kernel's notebook, whose path Jupyter tells the kernel."""
    if named:
        return Path(named).expanduser()
    own = os.environ.get("JPY_SESSION_NAME", "")
    if not own.endswith(".ipynb"):
        why = "this kernel does not know which notebook it runs"
        raise InvalidError([Fault("file", f"Cannot promote: {why}. Name the file: %athena promote report.ipynb")])
    return Path(own) if Path(own).is_absolute() else Path.cwd() / Path(own).name


def _workspace_of(file: Path) -> Path:
    """Give the folder that Jupyter shows: this kernel's notebook says it by the part of its path that it knows."""
    known = os.environ.get("JPY_SESSION_NAME", "")
    relative, whole = Path(known), Path.cwd() / Path(known).name
    if known and not relative.is_absolute() and whole.parts[-len(relative.parts) :] == relative.parts:
        return Path(*whole.parts[: -len(relative.parts)])
    return file.absolute().parent


def _draft_of(arguments: argparse.Namespace, known: Job | None) -> DraftRequest:
    cells = tuple(cell or _present_cell() for cell in arguments.cell)
    into = arguments.into
    is_locked = arguments.environment == EnvironmentKind.LOCK
    told = KernelReport.model_validate(dict(report(with_distributions=is_locked)))
    return DraftRequest(
        path="",
        cell_ids=cells if len(cells) > 1 else (),
        cell_id=cells[0] if len(cells) == 1 else None,
        destination=Destination(table=into, mode=DestinationMode(arguments.mode)) if into else None,
        environment=arguments.environment,
        job_id=known.id if known else None,
        globs=tuple(arguments.include),
        report=told,
    )


def _present_cell() -> str:
    """Name the cell that is running: the request that started it carries its id."""
    # Here and not above: the shell is there only in a kernel.
    from IPython import get_ipython  # noqa: PLC0415 (above)

    kernel: Any = getattr(get_ipython(), "kernel", None)
    parent = kernel.get_parent() if kernel is not None else {}
    found = (parent.get("metadata") or {}).get("cellId")
    if not found:
        why = "this front end does not say which cell is running"
        raise InvalidError([Fault("cell", f"Cannot promote the present cell: {why}. Name it: --cell ID")])
    return str(found)


def _request_of(arguments: argparse.Namespace, bundle: Bundle, name: str, known: Job | None) -> PromoteRequest:
    """Lay the line over what the job has already; what is not said stays as it is."""
    present = known.schedule if known else Schedule()
    changes: dict[str, Any] = {"timezone": arguments.zone} if arguments.zone else {}
    if arguments.by_hand or arguments.cron:
        changes["cron"] = arguments.cron
    kept = {parameter.name: parameter for parameter in known.parameters} if known else {}
    terms = (terms_of(known) if known else {}) | {
        "schedule": present.model_copy(update=changes),
        "parameters": tuple(kept.get(parameter.name, parameter) for parameter in bundle.parameters),
        "tables": None,  # as lineage finds them in the new content
    }
    version = known.version if known else 0
    return PromoteRequest(bundle=bundle.hash, name=name, message=arguments.message, expected_version=version, **terms)

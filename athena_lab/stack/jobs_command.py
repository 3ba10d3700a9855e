"""`athena jobs …`: the jobs by command, over the gateway's API."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from athena_lab.gateway_api.client import GatewayClient
from athena_lab.settings import Home, Settings
from athena_lab.stack.jobs_actions import JobsActions, Outcome
from athena_lab.stack.jobs_past import add_past
from athena_lab.stack.jobs_promote import add_key, add_message, add_parameters, add_promoting, add_terms, add_wait

Action = Callable[[JobsActions, argparse.Namespace], Outcome]


def run_jobs(words: Sequence[str], place: Callable[[argparse.Namespace], tuple[Settings, Home]]) -> int:
    """Run one command and print what it gave; `place` tells the settings and the home of its arguments."""
    arguments = build_parser().parse_args(words)
    settings, home = place(arguments)
    action: Action = arguments.action
    with GatewayClient.from_settings(settings) as gateway:
        outcome = action(JobsActions(gateway, home.workspace), arguments)
    print(outcome.as_json() if arguments.json else outcome.text)
    return outcome.code


def build_parser() -> argparse.ArgumentParser:
    """Give the parser of `athena jobs`."""
    parser = argparse.ArgumentParser(prog="athena jobs", description="Scheduled jobs, by their name or id.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "list", "list your jobs", JobsActions.list)
    for name, text, action in (
        ("show", "show one job", JobsActions.show),
        ("versions", "list a job's versions", JobsActions.versions),
        ("dependencies", "show whose tables a job reads, and who reads its own", JobsActions.dependencies),
        ("pause", "stop a job's schedule", JobsActions.pause),
        ("resume", "start a paused job's schedule again", JobsActions.resume),
        ("delete", "delete a job (`restore` brings it back)", JobsActions.delete),
    ):
        _add_for_job(commands, name, text, action)
    _add_comparing(commands)
    _add_deploying(commands)
    _add_moving(commands)
    add_past(lambda name, text, action: _add_for_job(commands, name, text, action))
    run = _add_for_job(commands, "run", "run a job now", JobsActions.run)
    run.add_argument("--wait", action="store_true", help="until it has ended; a run that failed ends with 1")
    run.add_argument("--note", default="", metavar="TEXT", help="why it is run")
    add_parameters(run)
    add_key(run)
    return parser


def _add_comparing(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    diff = _add_for_job(commands, "diff", "compare versions, or a version and a notebook", JobsActions.diff)
    diff.add_argument("--from", type=int, metavar="N", dest="from_version", help="the version before (the current one)")
    after = diff.add_mutually_exclusive_group()
    after.add_argument("--to", type=int, metavar="N", dest="to_version", help="the version after (the current one)")
    after.add_argument("--file", type=Path, metavar="FILE", help="the file after")


def _add_deploying(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    add_promoting(lambda name, text, action: _add(commands, name, text, action))
    edit = _add_for_job(commands, "edit", "change a job without its notebook", JobsActions.edit)
    edit.add_argument("--name", metavar="NAME", help="the job's name")
    add_terms(edit)
    rollback = _add_for_job(commands, "rollback", "deploy an earlier version again, as a new one", JobsActions.rollback)
    rollback.add_argument("version", metavar="N", type=int)
    add_message(rollback)
    add_wait(rollback)


def _add_moving(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    restore = _add_for_job(commands, "restore", "bring a deleted job back, by its id", JobsActions.restore)
    clone = _add_for_job(commands, "clone", "make a new job of a job's content", JobsActions.clone)
    clone.add_argument("name", metavar="NEW-NAME")
    transfer = _add_for_job(commands, "transfer", "give a job to another user, paused", JobsActions.transfer)
    transfer.add_argument("owner", metavar="USER")
    export = _add_for_job(commands, "export", "write a job to one file", JobsActions.export)
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="instead of the screen")
    imported = _add(commands, "import", "make a new job of an exported one", JobsActions.import_)
    imported.add_argument("file", metavar="FILE", type=Path)
    imported.add_argument("--name", metavar="NAME", help="instead of its own name")
    for parser in (restore, clone, imported):
        add_wait(parser)


def _add(commands: argparse._SubParsersAction, name: str, text: str, action: Action) -> argparse.ArgumentParser:  # type: ignore[type-arg]
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--home", type=Path, metavar="DIR", help="state directory (default: ATHENA_HOME)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(action=action)
    return parser


def _add_for_job(commands: argparse._SubParsersAction, name: str, text: str, action: Action) -> argparse.ArgumentParser:  # type: ignore[type-arg]
    parser = _add(commands, name, text, action)
    parser.add_argument("job", metavar="JOB", help="its name or id")
    return parser

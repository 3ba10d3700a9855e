"""What `athena jobs promote` and `edit` say of tables: after which a job runs, which it reads and writes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from athena_lab.gateway_api.lineage import Lineage
from athena_lab.gateway_api.terms import After, AfterMode, Schedule, Tables


def add_tables(parser: argparse.ArgumentParser) -> None:
    """Add the options of a job's tables to a command."""
    modes = [mode.value for mode in AfterMode]
    parser.add_argument("--after-mode", choices=modes, help="what makes it run: its time, updates of tables, or both")
    text = "the tables whose updates it runs after, with commas between them"
    parser.add_argument("--after-tables", metavar="TABLES", help=text)
    text = "a run that waits longer is reported as late"
    parser.add_argument("--after-deadline", type=int, metavar="SECONDS", dest="deadline_s", help=text)
    add_found_tables(parser)


def add_found_tables(parser: argparse.ArgumentParser) -> None:
    """Add the options of tables that the code does not show."""
    for name, verb in (("reads", "read"), ("writes", "written")):
        text = f"a table {verb} beside those found in the code (again for another)"
        parser.add_argument(f"--{name}", metavar="TABLE", action="append", default=[], help=text)


def after_of(arguments: argparse.Namespace, present: After, schedule: Schedule) -> After:
    """Lay what the command says over what the job waits for now; with a schedule it is a time and updates."""
    tables = present.tables
    if arguments.after_tables is not None:
        tables = tuple(name.strip() for name in arguments.after_tables.split(",") if name.strip())
    mode = present.mode
    if arguments.after_mode is not None:
        mode = AfterMode(arguments.after_mode)
    elif arguments.after_tables is not None:
        mode = AfterMode.UPDATES if schedule.cron is None else AfterMode.TIME_AND_UPDATES
    if mode is AfterMode.TIME and arguments.after_tables is None:
        tables = ()
    given = {"deadline_s": arguments.deadline_s} if arguments.deadline_s is not None else {}
    return present.model_copy(update={"mode": mode, "tables": tables, **given})


def runs_by_updates(arguments: argparse.Namespace) -> bool:
    """Say whether the command takes the schedule away by its mode."""
    return arguments.after_mode == AfterMode.UPDATES.value and arguments.cron is None


def tables_of(arguments: argparse.Namespace, found: Lineage | Tables | None) -> Tables | None:
    """Give the tables found with those of the command added; None where the command adds none."""
    if not arguments.reads and not arguments.writes:
        return None
    known = found or Tables()
    return Tables(reads=_joined(known.reads, arguments.reads), writes=_joined(known.writes, arguments.writes))


def _joined(found: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*found, *given)))

"""What `athena jobs promote` and `edit` say of a schedule and of a run's limits, laid over what the job has."""

from __future__ import annotations

import argparse
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from athena_lab.errors import Fault, InvalidError
from athena_lab.gateway_api.terms import Guards, MissedRuns, Overlap, Schedule
from athena_lab.stack.jobs_terms import runs_by_updates

_LIMITS = ("retry_delay_s", "has_backoff", "cell_timeout_s", "overlap", "run_bytes", "month_bytes")


def add_schedule(parser: argparse.ArgumentParser) -> None:
    """Add the options of a schedule to a command."""
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--cron", metavar="CRON", help="five fields, such as '30 6 * * 1-5'")
    when.add_argument("--by-hand", action="store_true", help="no schedule")
    parser.add_argument("--zone", metavar="ZONE", help="the schedule's time zone, such as Europe/London")
    for name, text in (("start", "no run before"), ("end", "no run after")):
        parser.add_argument(f"--{name}", metavar="TIME", help=f"{text} this time in the zone; '' for none")
    choices = [missed.value for missed in MissedRuns]
    parser.add_argument("--missed", choices=choices, help="what is made up for after a pause or an outage")


def add_guards(parser: argparse.ArgumentParser) -> None:
    """Add the options of all limits to a command; 0 takes a limit away."""
    parser.add_argument("--retries", type=int, metavar="N")
    parser.add_argument("--retry-delay", type=int, metavar="SECONDS", dest="retry_delay_s")
    text = "double the delay at each retry"
    parser.add_argument("--backoff", action=argparse.BooleanOptionalAction, dest="has_backoff", help=text)
    parser.add_argument("--overlap", choices=[overlap.value for overlap in Overlap])
    parser.add_argument("--month-bytes", type=int, metavar="BYTES", help="what a month's runs may be billed")
    add_run_guards(parser)


def add_run_guards(parser: argparse.ArgumentParser) -> None:
    """Add the options of the limits of one run."""
    parser.add_argument("--timeout", type=int, metavar="SECONDS", dest="timeout_s")
    parser.add_argument("--cell-timeout", type=int, metavar="SECONDS", dest="cell_timeout_s")
    parser.add_argument("--run-bytes", type=int, metavar="BYTES", help="what a run's queries may be billed")


def schedule_of(arguments: argparse.Namespace, present: Schedule) -> Schedule:
    """Lay the command's schedule over the present one; `--by-hand` takes the schedule away."""
    changes: dict[str, object] = {}
    if arguments.by_hand or runs_by_updates(arguments):
        changes["cron"] = None
    elif arguments.cron:
        changes["cron"] = arguments.cron
    timezone = arguments.zone or present.timezone
    changes["timezone"] = timezone
    if arguments.missed is not None:
        changes["missed"] = MissedRuns(arguments.missed)
    for name in ("start", "end"):
        text = getattr(arguments, name)
        if text is not None:
            changes[name] = _moment(name, text, timezone) if text else None
    return present.model_copy(update=changes)


def guards_of(arguments: argparse.Namespace, present: Guards) -> Guards:
    """Lay the command's limits over the present ones."""
    given = {name: value for name in _LIMITS if (value := getattr(arguments, name)) is not None}
    none = {name: None for name in ("cell_timeout_s", "run_bytes", "month_bytes") if given.get(name) == 0}
    return Guards.model_validate(present.model_dump() | given | none)


def moment_of(name: str, text: str, timezone: str) -> datetime:
    """Read a time that a person wrote: ISO 8601, in the job's zone unless it names another."""
    return _moment(name, text, timezone)


def _moment(name: str, text: str, timezone: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))
    except (ValueError, ZoneInfoNotFoundError) as error:
        message = (
            f"Cannot read the {name} '{text[:60]}' in '{timezone[:60]}'. Write it as 2026-01-31 or 2026-01-31T06:00."
        )
        raise InvalidError([Fault(f"schedule.{name}", message)]) from error

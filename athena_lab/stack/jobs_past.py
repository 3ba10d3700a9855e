"""`athena jobs backfill`, `backfills`, `alerts` and `alerts-test`: the past made up for, and what was told."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from athena_lab.gateway_api.alerts import AlertDelivery, DeliveryState
from athena_lab.gateway_api.backfills import Backfill, BackfillRequest, Reprocess
from athena_lab.gateway_api.jobs import Job
from athena_lab.stack.jobs_actions import EXIT_FAILED, JobsActions, Outcome
from athena_lab.stack.jobs_promote import add_key
from athena_lab.stack.jobs_when import moment_of

_POLL_S = 0.5
_WAIT_S = 60.0
Add = Callable[[str, str, Callable[[JobsActions, argparse.Namespace], Outcome]], argparse.ArgumentParser]


def add_past(add: Add) -> None:
    """Add the commands; `add` makes the parser of one that names a job."""
    backfill = add("backfill", "run a job for past fires of its schedule", backfill_job)
    backfill.add_argument("--from", metavar="TIME", dest="from_at", required=True, help="in the job's zone, inclusive")
    backfill.add_argument("--to", metavar="TIME", dest="to_at", help="in the job's zone, inclusive (default: now)")
    backfill.add_argument("--reprocess", choices=[one.value for one in Reprocess], default=Reprocess.NONE.value)
    backfill.add_argument("--at-once", type=int, default=1, metavar="N", help="runs at once (default: 1)")
    backfill.add_argument("--newest-first", action="store_true")
    backfill.add_argument("--dry-run", action="store_true", help="only say which runs it would be")
    add_key(backfill)
    backfill.add_argument("--wait", action="store_true", help="until all have ended; with a failed one it ends with 1")
    backfills = add("backfills", "list a job's backfills and how far they are", list_backfills)
    backfills.add_argument("--cancel", type=int, metavar="ID", help="end one: what has not begun never begins")
    add("alerts", "show what became of a job's alerts", list_alerts)
    add("alerts-test", "send a test of each of a job's alerts", send_test)


def backfill_job(actions: JobsActions, arguments: argparse.Namespace) -> Outcome:
    """Begin a backfill, or preview it."""
    job = actions.find(arguments.job)
    zone = job.schedule.timezone
    request = BackfillRequest(
        from_at=moment_of("from", arguments.from_at, zone),
        to_at=moment_of("to", arguments.to_at, zone) if arguments.to_at else datetime.now(UTC),
        reprocess=Reprocess(arguments.reprocess),
        max_active_runs=arguments.at_once,
        is_newest_first=arguments.newest_first,
    )
    if arguments.dry_run:
        preview = actions.gateway.preview_backfill(job.id, request)
        lines = [f"{len(preview.runs)} runs:", *(f"{run:%Y-%m-%d %H:%M} UTC" for run in preview.runs)]
        return Outcome(preview, "\n".join(lines))
    backfill = actions.gateway.backfill_job(job.id, request, key=arguments.key)
    while arguments.wait and backfill.ended_at is None:
        time.sleep(_POLL_S)
        backfill = _of(actions, job, backfill.id)
    return Outcome(backfill, _format_backfills([backfill]), EXIT_FAILED if backfill.runs.get("failed") else 0)


def list_backfills(actions: JobsActions, arguments: argparse.Namespace) -> Outcome:
    """List backfills, or end one."""
    job = actions.find(arguments.job)
    if arguments.cancel is not None:
        ended = actions.gateway.cancel_backfill(job.id, arguments.cancel)
        return Outcome(ended, _format_backfills([ended]))
    backfills = actions.gateway.list_backfills(job.id)
    return Outcome(backfills, _format_backfills(backfills))


def list_alerts(actions: JobsActions, arguments: argparse.Namespace) -> Outcome:
    """Show the latest deliveries."""
    deliveries = actions.gateway.list_deliveries(actions.find(arguments.job).id)
    return Outcome(deliveries, _format_deliveries(deliveries))


def send_test(actions: JobsActions, arguments: argparse.Namespace) -> Outcome:
    """Send a test of each alert and wait for a minute until each has been tried."""
    job = actions.find(arguments.job)
    events = {one.event for one in actions.gateway.test_alerts(job.id)}
    deadline = time.monotonic() + _WAIT_S
    while True:
        tried = [one for one in actions.gateway.list_deliveries(job.id) if one.event in events]
        if all(one.attempts for one in tried) or time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    is_bad = any(one.state is not DeliveryState.SENT for one in tried)
    return Outcome(tried, _format_deliveries(tried), EXIT_FAILED if is_bad else 0)


def _of(actions: JobsActions, job: Job, backfill_id: int) -> Backfill:
    return next(one for one in actions.gateway.list_backfills(job.id) if one.id == backfill_id)


def _format_backfills(backfills: Sequence[Backfill]) -> str:
    lines = []
    for one in backfills:
        runs = ", ".join(f"{count} {state}" for state, count in sorted(one.runs.items())) or "no runs yet"
        state = "ended" if one.ended_at else "under way"
        lines.append(f"{one.id}: {one.from_at:%Y-%m-%d %H:%M} to {one.to_at:%Y-%m-%d %H:%M} UTC, {state}: {runs}")
    return "\n".join(lines) or "There are no backfills."


def _format_deliveries(deliveries: Sequence[AlertDelivery]) -> str:
    lines = []
    for one in deliveries:
        trouble = f" ({one.error})" if one.error else ""
        lines.append(f"{one.created_at:%Y-%m-%d %H:%M} {one.subject}: {one.channel} {one.target} {one.state}{trouble}")
    return "\n".join(lines) or "No alert was sent."

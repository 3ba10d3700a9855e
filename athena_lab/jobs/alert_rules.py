"""Check a job's alerts, decide which of them an event concerns, and write their text."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from athena_lab.errors import Fault
from athena_lab.gateway_api.jobs import PromoteRequest
from athena_lab.gateway_api.terms import Alert, AlertChannel, AlertOn

MOST_ALERTS = 20
MOST_ROWS = 10**15
COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
_EXCEPTION = re.compile(
    r"([A-Za-z_][A-Za-z0-9_.]{0,80})(:.*?)?(?P<where> \((?:code cell \d+ of \d+|parameters cell)\))?"
)
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """Something that happened to a run; `key` names it, so that it is told once whoever notices it, and however often.

    `detail` is the platform's own sentence (about lateness, a condition, a budget); `error` the run's error, of which
    no more is told than its kind and its cell: what a notebook raises may quote what it read.
    """

    key: str
    on: AlertOn
    job_id: str
    job_version: int
    run_id: str
    detail: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class AlertedJob:
    """What an alert says of the job."""

    name: str
    owner: str
    version: int


def alert_faults(request: PromoteRequest, secrets: Collection[str] | None) -> tuple[Fault, ...]:
    """Give every fault of a job's alerts; `secrets` are the names that its owner has, None if they are unknown."""
    if len(request.alerts) > MOST_ALERTS:
        text = f"it has {len(request.alerts)} alerts. Use at most {MOST_ALERTS}."
        return (Fault("alerts", f"Cannot schedule '{request.name[:100]}': {text}"),)
    written = request.tables.writes if request.tables is not None else None
    faults = []
    for number, alert in enumerate(request.alerts):
        troubles = [*_target_troubles(alert, secrets), *_condition_troubles(alert, written)]
        faults += [Fault(f"alerts.{number}.{field}", f"Cannot alert {text}") for field, text in troubles]
    return tuple(faults)


def _target_troubles(alert: Alert, secrets: Collection[str] | None) -> list[tuple[str, str]]:
    shown = alert.target[:80]
    if alert.channel is AlertChannel.MAIL:
        is_address = len(alert.target) <= 254 and _ADDRESS.fullmatch(alert.target)
        return [] if is_address else [("target", f"'{shown}': it is no mail address. Write name@example.org.")]
    if not SECRET_NAME.fullmatch(alert.target):
        text = f"through '{shown}': it is no name of a secret. Store the channel's URL with `athena secrets set NAME`."
        return [("target", text)]
    if secrets is not None and alert.target not in secrets:
        text = f"through '{shown}': you have no secret of that name. Store its URL with `athena secrets set {shown}`."
        return [("target", text)]
    return []


def _condition_troubles(alert: Alert, written: Collection[str] | None) -> list[tuple[str, str]]:
    condition = alert.condition
    if alert.on is not AlertOn.CONDITION:
        return [("condition", "on a condition: this alert is on another event. Leave it out.")] if condition else []
    if condition is None:
        return [("condition", "on a condition: there is none. Say which table should have how many rows.")]
    shown, troubles = f"on the rows of '{condition.table[:80]}'", []
    if condition.operator not in COMPARISONS:
        text = f"{shown}: '{condition.operator[:10]}' compares nothing. Use one of {' '.join(COMPARISONS)}."
        troubles.append(("condition.operator", text))
    if not 0 <= condition.rows <= MOST_ROWS:
        troubles.append(("condition.rows", f"{shown}: no table has {condition.rows} rows. Use 0 or more."))
    if written is not None and condition.table not in written:
        text = f"{shown}: the job does not write it. Name one of its tables{_list_of(written)}."
        troubles.append(("condition.table", text))
    return troubles


def _list_of(names: Collection[str]) -> str:
    return f": {', '.join(names)}" if names else ""


def subject_of(event: AlertEvent, job: AlertedJob) -> str:
    """Give an alert's first line."""
    words = {AlertOn.FAILURE: "failed", AlertOn.LATE: "is late", AlertOn.CONDITION: "met its condition"}
    return f"Job '{job.name}' {words[event.on]}"


def text_of(event: AlertEvent, job: AlertedJob, link: str) -> str:
    """Give an alert's text: job, owner, version, run, and what happened, without anything that a notebook printed."""
    lines = [subject_of(event, job), f"Owner: {job.owner}", f"Version: v{job.version}", f"Run: {link}"]
    happened = event.detail or (plain_error(event.error) if event.error else "")
    return "\n".join([*lines, *([f"What happened: {happened}"] if happened else [])])


def plain_error(error: str) -> str:
    """Give the first line of a run's error: an exception's kind and cell, or the platform's own sentence."""
    first = next(iter(error.splitlines()), "")[:_LONGEST]
    found = _EXCEPTION.fullmatch(first)
    return f"{found.group(1)}{found.group('where') or ''}" if found else first

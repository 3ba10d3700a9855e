"""Alerts: what happened to runs becomes messages to who asked for them, each sent once, off everybody's way."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from athena_lab.errors import AthenaError, ConflictError, NotFoundError, PlatformError
from athena_lab.gateway_api.alerts import AlertDelivery, DeliveryState
from athena_lab.gateway_api.terms import Alert, AlertChannel, AlertOn, RowCondition
from athena_lab.jobs.alert_outbox import FAILED, PENDING, SENT, AlertOutbox, Delivery
from athena_lab.jobs.alert_rules import COMPARISONS, AlertedJob, AlertEvent, subject_of
from athena_lab.jobs.alert_rules import text_of as alert_text
from athena_lab.jobs.private_file import text_of
from athena_lab.jobs.run_events import EndedRun, RunEvents
from athena_lab.jobs.spec import JobSpec

OVERLAP = timedelta(minutes=10)
"""How far back each look reads again: a run may be written down a moment after one that ended later."""
KEPT = timedelta(days=30)
WAITS_S = (5, 30, 120, 600, 1800, 3600)
GIVE_UP_AFTER = timedelta(days=1)
MOST_AT_ONCE = 50
PAGE = 500
MOST_SHOWN = 50
_log = logging.getLogger(__name__)


class RefusedError(ConflictError):
    """A target will not take the alert however often it is tried."""


class Sender(Protocol):
    """Who brings messages out."""

    def send(self, delivery: Delivery) -> None:
        """Send one; raise RefusedError where trying again is of no use, else any AthenaError."""


class RowCounter(Protocol):
    """Who counts the rows of a table."""

    def count_rows(self, table: str) -> int | None:
        """Give a table's rows, None for what has no count (a view); raise NotFoundError or a PlatformError."""


@dataclass(frozen=True, slots=True)
class AlertMeans:
    """What alerts work with beside their outbox."""

    events: RunEvents
    sender: Sender
    rows: RowCounter
    spec_of: Callable[[str, int], JobSpec]
    link_of: Callable[[str], str]


class Alerts:
    """Tells what happened; threads may share one, one thread calls `look` and `pump`."""

    def __init__(self, outbox: AlertOutbox, means: AlertMeans, *, now: Callable[[], datetime]) -> None:
        self._outbox, self._means, self._now = outbox, means, now
        self._began_at = now()
        self._ended_mark: datetime | None = None
        self._handled: dict[str, datetime] = {}

    # -- telling

    def tell(self, event: AlertEvent) -> None:
        """Put what an event gives to send into the outbox, once however often it is told."""
        if self._outbox.is_told(event.key):
            return
        try:
            job = self._means.spec_of(event.job_id, event.job_version)
        except NotFoundError:
            return  # deleted meanwhile
        alerts = [(number, alert) for number, alert in enumerate(job.alerts) if alert.on is event.on]
        self._put(event, job, alerts)

    def test(self, job: JobSpec) -> tuple[AlertDelivery, ...]:
        """Send a test of each alert of a job; raise ConflictError if it has none."""
        if not job.alerts:
            raise ConflictError(f"Cannot test the alerts of '{job.name}': it has none. Add one to the job first.")
        key = f"test:{secrets.token_hex(8)}"
        event = AlertEvent(key, AlertOn.FAILURE, job.id, job.version, "", detail="Nothing: this is a test.")
        self._put(event, job, list(enumerate(job.alerts)), subject=f"Test: alert of the job '{job.name}'")
        return tuple(one for one in self.deliveries(job.id) if one.event == key)

    def _put(
        self, event: AlertEvent, job: JobSpec, alerts: Sequence[tuple[int, Alert]], *, subject: str | None = None
    ) -> None:
        now, alerted = self._now(), AlertedJob(job.name, job.owner, job.version)
        link = self._means.link_of(event.run_id) if event.run_id else "-"
        first = subject or subject_of(event, alerted)
        body = "\n".join([first, *alert_text(event, alerted, link).splitlines()[1:]])
        self._outbox.tell(
            event.key,
            now,
            [
                Delivery(
                    event=event.key, number=number, job_id=job.id, run_id=event.run_id, owner=job.owner,
                    channel=alert.channel.value, target=alert.target, subject=first, body=body, state=PENDING,
                    attempts=0, created_at=text_of(now), due_at=text_of(now),
                )
                for number, alert in alerts
            ],
        )  # fmt: skip

    # -- noticing

    def look(self) -> None:
        """Tell of the runs that ended or became late since the last look, and of those before a restart."""
        mark = self._ended_mark or self._outbox.last_told_at() or self._began_at
        for late in self._means.events.late_since(mark - OVERLAP, MOST_AT_ONCE):
            detail = "It still waits for updates of its tables after its deadline, and goes on waiting."
            key = f"late:{late.run_id}"
            self.tell(AlertEvent(key, AlertOn.LATE, late.job_id, late.job_version, late.run_id, detail=detail))
        self._ended_mark = self._look_at_ends(mark)
        self._handled = {run: at for run, at in self._handled.items() if at >= self._ended_mark - OVERLAP}

    def _look_at_ends(self, mark: datetime) -> datetime:
        """Tell of the runs that ended; give the moment up to which each could be dealt with."""
        since, stalled = mark - OVERLAP, None
        while True:
            runs = self._means.events.ended_since(since, PAGE)
            for run in runs:
                if self._handled.get(run.run_id) == run.ended_at:
                    continue
                try:
                    self._tell_end(run)
                except PlatformError as error:
                    _log.warning("The end of run %s is not told yet: %s", run.run_id, error)
                    stalled = stalled or run.ended_at
                else:
                    self._handled[run.run_id] = run.ended_at
                    mark = max(run.ended_at, mark)
            if len(runs) < PAGE or runs[-1].ended_at == since:
                return stalled or mark
            since = runs[-1].ended_at

    def _tell_end(self, run: EndedRun) -> None:
        if run.state == "failed":
            key = f"failure:{run.run_id}"
            self.tell(AlertEvent(key, AlertOn.FAILURE, run.job_id, run.job_version, run.run_id, error=run.error))
        elif run.state == "succeeded":
            self._tell_conditions(run)

    def _tell_conditions(self, run: EndedRun) -> None:
        key = f"condition:{run.run_id}"
        if self._outbox.is_told(key):
            return
        try:
            job = self._means.spec_of(run.job_id, run.job_version)
        except NotFoundError:
            return
        conditions = [(number, alert) for number, alert in enumerate(job.alerts) if alert.condition is not None]
        if not conditions:
            return
        met: list[tuple[int, Alert]] = []
        details = []
        for number, alert in conditions:
            detail = self._met(alert.condition) if alert.condition else None
            if detail is not None:
                met.append((number, alert))
                details.append(detail)
        event = AlertEvent(
            key, AlertOn.CONDITION, job.id, job.version, run.run_id, detail="; ".join(dict.fromkeys(details))
        )
        self._put(event, job, met)

    def _met(self, condition: RowCondition) -> str | None:
        """Say that a condition is met, None if it is not."""
        shown = f"alert on rows {condition.operator} {condition.rows}"
        try:
            rows = self._means.rows.count_rows(condition.table)
        except NotFoundError:
            return f"'{condition.table}' does not exist after the run ({shown})"
        if rows is None:
            return f"'{condition.table}' has no number of rows, as a view has none ({shown})"
        is_met = COMPARISONS[condition.operator](rows, condition.rows)
        return f"'{condition.table}' has {rows} rows ({shown})" if is_met else None

    # -- sending

    def pump(self) -> None:
        """Send what is due; what did not work is tried again, ever less often, for a day."""
        now = self._now()
        for delivery in self._outbox.due(now, MOST_AT_ONCE):
            self._outbox.put(self._sent(delivery))
        self._outbox.forget_before(now - KEPT)

    def _sent(self, delivery: Delivery) -> Delivery:
        attempts = delivery.attempts + 1
        try:
            self._means.sender.send(delivery)
        except AthenaError as error:
            now = self._now()
            is_over = (
                isinstance(error, RefusedError) or now - datetime.fromisoformat(delivery.created_at) > GIVE_UP_AFTER
            )
            _log.warning("The alert '%s' through %s was not sent: %s", delivery.event, delivery.channel, error)
            due = now + timedelta(seconds=WAITS_S[min(attempts, len(WAITS_S)) - 1])
            state = FAILED if is_over else PENDING
            return replace(delivery, attempts=attempts, due_at=text_of(due), state=state, error=str(error))
        return replace(delivery, attempts=attempts, state=SENT, sent_at=text_of(self._now()), error=None)

    # -- looking

    def deliveries(self, job_id: str) -> tuple[AlertDelivery, ...]:
        """Give what became of a job's latest alerts, the newest first."""
        return tuple(_view(delivery) for delivery in self._outbox.of_job(job_id, MOST_SHOWN))


def _view(delivery: Delivery) -> AlertDelivery:
    return AlertDelivery(
        event=delivery.event,
        channel=AlertChannel(delivery.channel),
        target=delivery.target,
        subject=delivery.subject,
        state=DeliveryState(delivery.state),
        attempts=delivery.attempts,
        created_at=datetime.fromisoformat(delivery.created_at),
        sent_at=datetime.fromisoformat(delivery.sent_at) if delivery.sent_at else None,
        error=delivery.error,
    )

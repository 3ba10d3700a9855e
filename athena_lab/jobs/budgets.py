"""Budgets of bytes billed, a run and a month: what is left, whether a run may begin, which one has to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from athena_lab.errors import AthenaError, NotFoundError, PlatformError
from athena_lab.gateway_api.terms import Guards
from athena_lab.jobs.ledger import Bill, Ledger
from athena_lab.jobs.run_store import RunRow, RunStore
from athena_lab.jobs.spec import JobSpec

COUNT_EVERY = timedelta(seconds=4)
SETTLED_AFTER = timedelta(seconds=5)
"""After a run's end its queries are stopped; until then its bill may still grow."""
_log = logging.getLogger(__name__)


class Billing(Protocol):
    """Who knows what was billed."""

    def billed(self, since: datetime) -> dict[str, int]:
        """Give the bytes billed for warehouse jobs made since a moment, by run; raise a PlatformError."""


SpecOf = Callable[[RunRow], JobSpec]
"""Give the spec that a run executes; raise NotFoundError."""
Stop = Callable[[RunRow, str], None]
"""Stop a run with a message that says why."""


class Budgets:
    """Counts what runs are billed and keeps them within what their jobs allow; threads may share one."""

    def __init__(
        self, ledger: Ledger, store: RunStore, billing: Billing, spec_of: SpecOf, *, now: Callable[[], datetime]
    ) -> None:
        self._ledger, self._store, self._billing, self._spec_of = ledger, store, billing, spec_of
        self._now = now
        self._counted_at: datetime | None = None

    def begin(self, job: JobSpec, run_id: str) -> str | None:
        """Begin to count a run; give why it may not run, if its job has used up what it may."""
        left = self.left(job, run_id)
        if left is not None and left <= 0:
            return _refusal(job, self._spent(job, run_id))
        self._ledger.open(run_id, job.id, self._now())
        return None

    def left(self, job: JobSpec, run_id: str) -> int | None:
        """Give how many bytes a run may still be billed, None for no limit."""
        limit = limit_of(job.guards, self._spent_before(job, run_id))
        return None if limit is None else limit - self._ledger.bytes_of(run_id)

    def billed(self, run_id: str) -> int:
        """Give what a run was billed as far as it was counted."""
        return self._ledger.bytes_of(run_id)

    def count(self, run_id: str, since: datetime) -> None:
        """Count one run now, for whoever wants to see it at once; raise a PlatformError."""
        self._ledger.count(run_id, self._billing.billed(since).get(run_id, 0), is_final=False)

    def look(self, stop: Stop) -> None:
        """Count the runs that are under way or have just ended; stop those over their budget."""
        now = self._now()
        if self._counted_at is not None and now - self._counted_at < COUNT_EVERY:
            return
        bills = [bill for bill in self._ledger.open_bills() if self._is_due(bill)]
        if not bills:
            return
        self._counted_at = now
        try:
            billed = self._billing.billed(min(bill.began_at for bill in bills))
        except PlatformError as error:
            _log.warning("Budgets are not counted for now: %s", error)
            return
        for bill in bills:
            self._take(bill, max(bill.bytes, billed.get(bill.run_id, 0)), stop)

    def _is_due(self, bill: Bill) -> bool:
        """Runs without a budget are counted once, when they have ended."""
        row = self._store.find_run(bill.run_id)
        if row is None:
            return False
        return self._has_settled(row) or (not row.state.is_final and self._limit(row) is not None)

    def _has_settled(self, row: RunRow) -> bool:
        ended_at = row.ended_at
        return row.state.is_final and ended_at is not None and self._now() - ended_at > SETTLED_AFTER

    def _take(self, bill: Bill, count: int, stop: Stop) -> None:
        row = self._store.find_run(bill.run_id)
        if row is None:
            return
        self._ledger.count(bill.run_id, count, is_final=self._has_settled(row))
        limit = None if row.state.is_final or row.cancel_requested_at is not None else self._limit(row)
        if limit is None or count <= limit:
            return
        try:
            stop(row, _overrun(row, count, limit))
        except AthenaError as error:
            _log.warning("Run %s is over its budget and not stopped yet: %s", bill.run_id, error)

    def _limit(self, row: RunRow) -> int | None:
        try:
            job = self._spec_of(row)
        except NotFoundError:
            return None  # deleted meanwhile
        return limit_of(job.guards, self._spent_before(job, row.run_id))

    def _spent_before(self, job: JobSpec, run_id: str) -> int:
        if job.guards.month_bytes is None:
            return 0
        return self._ledger.bytes_since(job.id, month_of(self._now(), job.schedule.timezone), without=run_id)

    def _spent(self, job: JobSpec, run_id: str) -> tuple[int, int]:
        return self._spent_before(job, run_id), self._ledger.bytes_of(run_id)


def limit_of(guards: Guards, spent_before: int) -> int | None:
    """Give the bytes that a run may be billed where the job's other runs of the month were billed `spent_before`."""
    limits = [guards.run_bytes, None if guards.month_bytes is None else guards.month_bytes - spent_before]
    return min((limit for limit in limits if limit is not None), default=None)


def month_of(moment: datetime, timezone: str) -> datetime:
    """Give the first moment of the calendar month that it is in a zone."""
    return moment.astimezone(ZoneInfo(timezone)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _refusal(job: JobSpec, spent: tuple[int, int]) -> str:
    month, run = spent
    if job.guards.month_bytes is not None and month + run >= job.guards.month_bytes:
        return (
            f"Cannot run '{job.name}': its runs of this month were billed {month + run} bytes, and "
            f"{job.guards.month_bytes} are allowed. Raise the budget a month, or wait for the next month."
        )
    return (
        f"Cannot run '{job.name}' again: this run was billed {run} bytes, and {job.guards.run_bytes} are allowed. "
        "Read less, or raise the budget a run."
    )


def _overrun(row: RunRow, count: int, limit: int) -> str:
    return (
        f"Cannot go on with the run of '{row.job_name}': it was billed {count} bytes, and {limit} were left of its "
        "budget. Read less, or raise the job's budget."
    )

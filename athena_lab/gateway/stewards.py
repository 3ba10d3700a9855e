"""Who keeps runs within their jobs' terms beside the watch: budgets, counted on a beat of their own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from athena_lab.jobs.budgets import Billing, Budgets
from athena_lab.jobs.ledger import Ledger
from athena_lab.jobs.repository import JobsRepository
from athena_lab.jobs.run_store import RunStore
from athena_lab.jobs.runs import Runs
from athena_lab.jobs.spec_at import spec_at

LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Records:
    """The records that stewards read."""

    store: RunStore
    runs: Runs
    repository: JobsRepository


class Stewards:
    """Opened once at start; `look` is called again and again from one thread."""

    def __init__(
        self, folder: Path, records: Records, billing: Billing, opened: ExitStack, now: Callable[[], datetime]
    ) -> None:
        ledger = opened.enter_context(closing(Ledger(folder / "ledger.sqlite")))
        self._runs = records.runs
        self.budgets = Budgets(
            ledger, records.store, billing, lambda job, version: spec_at(records.repository, job, version), now=now
        )

    def look(self) -> float:
        """Make one pass; give the seconds until the next."""
        self.budgets.look(self._runs.stop)
        return LOOK_S

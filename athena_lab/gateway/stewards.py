"""Who keeps runs within their jobs' terms beside the watch: budgets, secrets, alerts, backfills and forecasts."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime

from athena_lab.errors import AthenaError
from athena_lab.gateway.channels import Channels, ChannelSettings
from athena_lab.gateway.tables import Tables
from athena_lab.gateway.vault import Vault
from athena_lab.gateway_api.terms import AlertOn
from athena_lab.gateway_api.worker import REHEARSAL_JOB_ID
from athena_lab.jobs.airflow_backfills import AirflowBackfills
from athena_lab.jobs.alert_outbox import AlertOutbox
from athena_lab.jobs.alert_rules import AlertEvent
from athena_lab.jobs.alerts import AlertMeans, Alerts
from athena_lab.jobs.backfills import Backfills
from athena_lab.jobs.budgets import Budgets
from athena_lab.jobs.forecast import Forecasts
from athena_lab.jobs.ledger import Ledger
from athena_lab.jobs.rehearsal_store import RehearsalStore
from athena_lab.jobs.run_events import RunEvents
from athena_lab.jobs.run_store import RunRow, RunStore
from athena_lab.jobs.runs import Runs
from athena_lab.jobs.services import Services as PromotionServices
from athena_lab.jobs.spec import JobSpec
from athena_lab.jobs.spec_at import spec_at
from athena_lab.settings import GatewaySettings

LOOK_S = 1.0
_REMEMBERED = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Records:
    """The records that stewards read."""

    store: RunStore
    runs: Runs
    parts: PromotionServices
    vault: Vault
    rehearsals: RehearsalStore


class Stewards:
    """Opened once at start; `look` is called again and again from one thread."""

    def __init__(
        self,
        settings: GatewaySettings,
        records: Records,
        tables: Tables,
        opened: ExitStack,
        now: Callable[[], datetime],
    ) -> None:
        folder = settings.home.gateway
        self._specs: OrderedDict[tuple[str, int], JobSpec] = OrderedDict()
        self._lock = threading.Lock()
        self._runs, self._repository = records.runs, records.parts.repository
        self._rehearsals = records.rehearsals
        ledger = opened.enter_context(closing(Ledger(folder / "ledger.sqlite")))
        outbox = opened.enter_context(closing(AlertOutbox(folder / "alerts.sqlite")))
        events = opened.enter_context(closing(RunEvents(folder / "runs.sqlite")))
        self.vault = records.vault
        self.budgets = Budgets(ledger, records.store, tables, self._executed, now=now)
        channels = Channels(_channel_settings(settings), self.vault.reveal)
        means = AlertMeans(events, channels, tables, self._spec_of, _link_of(settings.lab_url))
        self.alerts = Alerts(outbox, means, now=now)
        self.backfills = Backfills(AirflowBackfills(records.parts.scheduler), records.runs, now=now)
        forecasts = Forecasts(records.parts.bundles, tables, settings.price_per_tib, now=now)
        self.forecasts = opened.enter_context(closing(forecasts))

    def look(self) -> float:
        """Make one pass; give the seconds until the next. What fails now is tried again at the next."""
        for work in (self._count, self.alerts.look, self.alerts.pump):
            try:
                work()
            except AthenaError as error:
                _log.warning("%s", error)
        return LOOK_S

    def _count(self) -> None:
        self.budgets.look(self._stop)

    def _spec_of(self, job_id: str, version: int) -> JobSpec:
        """Give a version of a job; it never changes, and a look each second must not read it from git each time."""
        key = (job_id, version)
        with self._lock:
            known = self._specs.get(key)
        if known is None:
            known = spec_at(self._repository, job_id, version)
            with self._lock:
                self._specs[key] = known
                while len(self._specs) > _REMEMBERED:
                    self._specs.popitem(last=False)
        return known

    def _executed(self, row: RunRow) -> JobSpec:
        """Give the spec that a run executes."""
        if row.job_id == REHEARSAL_JOB_ID:
            return self._rehearsals.row(row.run_id).spec
        return self._spec_of(row.job_id, row.job_version)

    def _stop(self, row: RunRow, why: str) -> None:
        """Tell of it first: a crash in between must not leave it untold. Of a rehearsal nobody is told."""
        if row.job_id == REHEARSAL_JOB_ID:
            self._runs.stop(row.run_id, why)
            return
        key = f"failure:{row.run_id}"
        self.alerts.tell(AlertEvent(key, AlertOn.FAILURE, row.job_id, row.job_version, row.run_id, detail=why))
        self._runs.stop(row.run_id, why)


def _channel_settings(settings: GatewaySettings) -> ChannelSettings:
    return ChannelSettings(
        smtp_url=settings.smtp_url,
        mail_from=settings.mail_from,
        password_file=settings.home.gateway / "smtp.password",
        hosts=settings.alert_hosts,
    )


def _link_of(lab_url: str | None) -> Callable[[str], str]:
    def link(run_id: str) -> str:
        return f"{lab_url}/lab?athena-run={run_id}" if lab_url else run_id

    return link

"""What the gateway is made of, put together from its settings once at start."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import Depends, Request

from athena_lab.errors import AthenaError
from athena_lab.gateway.access import Guardian
from athena_lab.gateway.audit import Audit
from athena_lab.gateway.beat import Beat
from athena_lab.gateway.identity import Identities, LocalUsers, RunTokens, WorkerKey
from athena_lab.gateway.keys import Secrets, prepare_secrets, read_secrets
from athena_lab.gateway.mint import Mint
from athena_lab.gateway.outputs import Outputs
from athena_lab.gateway.repeats import Repeats
from athena_lab.gateway.revoke import Revocations
from athena_lab.gateway.seams import crash_at
from athena_lab.gateway.stewards import Records, Stewards
from athena_lab.gateway.tables import Tables
from athena_lab.gateway.vault import Vault
from athena_lab.gateway_api.tokens import GATEWAY, TokenVerifier
from athena_lab.gateway_api.wire import Principal
from athena_lab.jobs.airflow_api import Scheduler
from athena_lab.jobs.bundle_lineage import BundleLineage
from athena_lab.jobs.bundle_store import BundleStore
from athena_lab.jobs.job_changes import JobChanges
from athena_lab.jobs.outbox import Outbox
from athena_lab.jobs.promote import Promoter, PromotionRules
from athena_lab.jobs.rehearsal_store import RehearsalStore
from athena_lab.jobs.rehearsals import RehearsalMeans, Rehearsals
from athena_lab.jobs.repository import JobsRepository
from athena_lab.jobs.request_keys import RequestKeys
from athena_lab.jobs.run_attempts import Attempts, Means
from athena_lab.jobs.run_store import RunStore
from athena_lab.jobs.run_watch import RunWatch
from athena_lab.jobs.runs import Runs
from athena_lab.jobs.services import Services as PromotionServices
from athena_lab.jobs.waits import Waits
from athena_lab.settings import GatewaySettings

TEAM = "local"
"""The team of every job where one local user is all there is."""
PUMP_PENDING_S = 0.1
PUMP_SLOW_S = 1.0
PUMP_IDLE_S = 2.0
QUICK_ROUNDS = 300
WATCH_S = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that routes use."""

    settings: GatewaySettings
    guardian: Guardian
    tables: Tables
    repository: JobsRepository
    bundles: BundleStore
    lineage: BundleLineage
    scheduler: Scheduler
    promoter: Promoter
    changes: JobChanges
    users: LocalUsers
    runs: Runs
    attempts: Attempts
    waits: Waits
    outputs: Outputs
    pump: Beat
    watch: Beat
    stewards: Stewards
    steward: Beat
    rehearsals: Rehearsals
    rehearser: Beat
    keys: RequestKeys
    at_seam: Callable[[str], None]
    now: Callable[[], datetime]
    opened: ExitStack

    def start(self) -> None:
        """Bring what a crash left into agreement, then follow promotions and runs in threads of their own."""
        self.promoter.recover()
        self.pump.start()
        self.watch.start()
        self.steward.start()
        self.rehearser.start()

    def close(self) -> None:
        """Stop the threads, close the files."""
        self.pump.stop()
        self.watch.stop()
        self.steward.stop()
        self.rehearser.stop()
        self.opened.close()


class PowersOverRuns:
    """Mints, revokes and stops on behalf of `Runs`; a run's groups are its owner's present ones."""

    def __init__(self, mint: Mint, revocations: Revocations, users: LocalUsers, tables: Tables) -> None:
        self._mint, self._revocations, self._users = mint, revocations, users
        self._tables = tables

    def mint(self, owner: str, run_id: str, attempt: int, scratch: str | None = None) -> tuple[str, datetime]:
        minted = self._mint.mint_run_token(owner, self._users.groups_of(owner), run_id, attempt, scratch)
        return minted.token, minted.expires_at

    def revoke(self, run_id: str, attempt: int) -> None:
        self._revocations.revoke_attempts(run_id, attempt)

    def stop_queries(self, run_id: str) -> None:
        self._tables.stop_queries(run_id)

    def drop_dataset(self, name: str) -> None:
        self._tables.drop_dataset(name)


def make_services(settings: GatewaySettings, environ: Mapping[str, str]) -> Services:
    """Open every file and connection that the gateway needs; raise ConfigurationError or AuditError."""
    prepare_secrets(settings.home.gateway, settings.home.public)
    secrets = read_secrets(settings.home.gateway)
    at_seam = crash_at(environ)
    with ExitStack() as opened:
        services = _open(settings, secrets, at_seam, opened)
        # From here on `Services.close` sees to what was opened.
        return replace(services, opened=opened.pop_all())


def _open(settings: GatewaySettings, secrets: Secrets, at_seam: Callable[[str], None], opened: ExitStack) -> Services:
    home = settings.home
    mint = Mint(secrets, run_token_s=settings.run_token_s, warehouse_token_s=settings.warehouse_token_s, now=utc_now)
    users = LocalUsers(home.gateway / "users.json")
    verifier = TokenVerifier(home.jwks, home.revoked, GATEWAY)
    revocations = Revocations(home.revoked, longest_life_s=mint.longest_life_s, now=utc_now)
    audit = opened.enter_context(closing(Audit(home.gateway / "audit.jsonl", utc_now)))
    store = opened.enter_context(closing(RunStore(home.gateway / "runs.sqlite")))
    rehearsed = opened.enter_context(closing(RehearsalStore(home.gateway / "runs.sqlite")))
    keys = opened.enter_context(closing(RequestKeys(home.gateway / "runs.sqlite", now=utc_now)))
    tables = Tables(settings, mint)
    parts = _promotion_services(settings, tables, opened)
    repository, scheduler = parts.repository, parts.scheduler
    runs = Runs(store, repository, scheduler, now=utc_now)
    waits = Waits(store, runs, repository, scheduler, settings.project, now=utc_now)
    vault = Vault(home.gateway, utc_now)
    rules = PromotionRules(settings.minimum_interval_s, TEAM, partial(_secret_names, vault), rehearsed.last_success)
    promoter = Promoter(parts, rules, now=utc_now, at_seam=at_seam, updated_at=waits.updated_at)
    powers = PowersOverRuns(mint, revocations, users, tables)
    stewards = Stewards(settings, Records(store, runs, parts, vault, rehearsed), tables, opened, utc_now)
    having = RehearsalMeans(parts, tables, stewards.budgets, partial(_secret_names, vault), partial(_user, users))
    rehearsals = Rehearsals(rehearsed, runs, having, now=utc_now)
    means = Means(powers, stewards.budgets, vault.reveal, rehearsed)
    return Services(
        settings=settings,
        guardian=Guardian(_identities(secrets, users, verifier), audit, Repeats(time.monotonic)),
        tables=tables,
        repository=repository,
        bundles=parts.bundles,
        lineage=parts.lineage,
        scheduler=scheduler,
        promoter=promoter,
        changes=JobChanges(parts, promoter, utc_now),
        users=users,
        runs=runs,
        attempts=Attempts(store, runs, repository, means, now=utc_now),
        waits=waits,
        outputs=Outputs(home.gateway / "outputs"),
        pump=Beat("pump", _Pump(promoter).round),
        watch=_watching(RunWatch(store, runs, scheduler, powers, now=utc_now), waits),
        stewards=stewards,
        steward=Beat("steward", stewards.look),
        rehearsals=rehearsals,
        rehearser=_rehearsing(rehearsals),
        keys=keys,
        at_seam=at_seam,
        now=utc_now,
        opened=opened,
    )


def _promotion_services(settings: GatewaySettings, tables: Tables, opened: ExitStack) -> PromotionServices:
    folder = settings.home.gateway
    scheduler = opened.enter_context(closing(Scheduler(settings.airflow_url, folder / "airflow.password")))
    outbox = opened.enter_context(closing(Outbox(folder / "outbox.sqlite")))
    bundles = BundleStore(str(folder / "bundles"))
    lineage = BundleLineage(bundles, tables, settings.project, now=utc_now)
    repository = JobsRepository(settings.home.jobs_repository, folder / "clone")
    return PromotionServices(repository, outbox, bundles, scheduler, lineage)


def _identities(secrets: Secrets, users: LocalUsers, verifier: TokenVerifier) -> Identities:
    return Identities([WorkerKey(secrets.worker_key), users, RunTokens(verifier)])


def _secret_names(vault: Vault, user: str) -> set[str]:
    return {one.name for one in vault.names(user)}


def _user(users: LocalUsers, name: str) -> Principal:
    return Principal(kind="user", user=name, groups=users.groups_of(name))


def utc_now() -> datetime:
    """Read the clock, in UTC."""
    return datetime.now(UTC)


class _Pump:
    """Pumps promotions: quickly at first, then, while Airflow is away for long, less so."""

    def __init__(self, promoter: Promoter) -> None:
        self._promoter = promoter
        self._rounds = 0

    def round(self) -> float:
        """Make one pass; give the seconds until the next."""
        self._rounds = self._rounds + 1 if self._promoter.pump() else 0
        if self._rounds == 0:
            return PUMP_IDLE_S
        return PUMP_PENDING_S if self._rounds < QUICK_ROUNDS else PUMP_SLOW_S


def _watching(watch: RunWatch, waits: Waits) -> Beat:
    return Beat("watch", lambda: _look(watch, waits))


def _rehearsing(rehearsals: Rehearsals) -> Beat:
    def look() -> float:
        rehearsals.look()
        return WATCH_S

    return Beat("rehearser", look)


def _look(watch: RunWatch, waits: Waits) -> float:
    watch.look()
    try:
        waits.look()
    except AthenaError as error:
        _log.warning("Updates of tables are not followed for now: %s", error)
    return WATCH_S


def _services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


CurrentServices = Annotated[Services, Depends(_services_of)]

"""Rehearsals: a stored bundle runs once on a worker and writes to a scratch dataset only, which lives for a day."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

from athena_lab.errors import (
    AthenaError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PlatformError,
    UnreachableError,
    UpstreamError,
)
from athena_lab.gateway_api.jobs import Bundle
from athena_lab.gateway_api.rehearsals import RefusedWrite, Rehearsal, RehearsalRequest, RehearsedTable
from athena_lab.gateway_api.terms import Tables
from athena_lab.gateway_api.warehouse import CatalogTable
from athena_lab.gateway_api.wire import Principal
from athena_lab.gateway_api.worker import REHEARSAL_DAG_ID, run_id_of
from athena_lab.jobs import rehearsal_plan as plan
from athena_lab.jobs.budgets import Budgets
from athena_lab.jobs.bundle import BuiltBundle, replace_notebook
from athena_lab.jobs.bundle_content import read_archive
from athena_lab.jobs.dependencies import own_tables
from athena_lab.jobs.redirection import NOTES, Redirection, preparation, redirect
from athena_lab.jobs.rehearsal_store import RehearsalRow, RehearsalStore
from athena_lab.jobs.rehearsal_view import as_noted, compare, refused_writes, view_rehearsal
from athena_lab.jobs.request_keys import Keep, keep_nothing
from athena_lab.jobs.runs import Audit, Runs, asked_row, manual_name
from athena_lab.jobs.services import Services
from athena_lab.warehouse.jobs import FailedJob

KEPT_FOR = timedelta(days=1)
"""How long scratch datasets stay."""
ASKED_FOR = timedelta(minutes=1)
"""How long a rehearsal that Airflow has not answered for counts as unfinished: the gateway may have died meanwhile."""
RETRY_AFTER = timedelta(seconds=10)
"""How soon a warehouse that did not answer is asked again."""
CLONED = frozenset({"TABLE", "CLONE", "SNAPSHOT"})
"""Types of tables whose rows a scratch table can begin with; a view's definition is not copied."""
_MOST_AT_ONCE = 50
_log = logging.getLogger(__name__)


class ScratchWarehouse(Protocol):
    """The warehouse as rehearsals need it; each method raises a PlatformError where it is away."""

    @property
    def is_confining(self) -> bool:
        """Whether it holds a rehearsal's token to its scratch dataset."""

    def describe(self, principal: Principal, tables: Collection[str]) -> Mapping[str, CatalogTable]:
        """Describe those of the tables (`dataset.table`) that the principal may see."""

    def absent_datasets(self, principal: Principal, names: Collection[str]) -> Collection[str]:
        """Give those of the datasets that there are not."""

    def read_notes(self, principal: Principal, table: str) -> Sequence[Mapping[str, Any]]:
        """Give the rows of a small table as the principal; of one that there is not, none."""

    def failed_jobs(self, run_id: str, since: datetime) -> Sequence[FailedJob]:
        """Give the jobs of a run that have failed, the first first, as the platform."""

    def drop_dataset(self, name: str) -> None:
        """Drop a dataset with its tables, as the platform; one that there is not is fine."""


@dataclass(frozen=True, slots=True)
class RehearsalMeans:
    """What rehearsals need beside their records: promotion's parts, the warehouse, bills, and what users have."""

    parts: Services
    warehouse: ScratchWarehouse
    budgets: Budgets
    secret_names: Callable[[str], Collection[str]]
    principal_of: Callable[[str], Principal]
    """A user with his present groups."""


class Rehearsals:
    """Ask for rehearsals, show and stop them, clear up behind them; threads may share one."""

    def __init__(
        self, store: RehearsalStore, runs: Runs, means: RehearsalMeans, *, now: Callable[[], datetime]
    ) -> None:
        self._store, self._runs, self._now = store, runs, now
        self._repository, self._bundles = means.parts.repository, means.parts.bundles
        self._lineage, self._warehouse = means.parts.lineage, means.warehouse
        self._budgets, self._secret_names, self._principal_of = means.budgets, means.secret_names, means.principal_of
        self._counting, self._settling = threading.Lock(), threading.Lock()
        self._again_at: datetime | None = None

    # -- for people

    def request(
        self, request: RehearsalRequest, principal: Principal, audit: Audit, keep: Keep = keep_nothing
    ) -> Rehearsal:
        """Start a rehearsal; if Airflow does not take it, raise its error and leave nothing in the lists.

        Raises InvalidError (all faults), ConflictError (the warehouse confines no token, or too many are under way),
        ForbiddenError or NotFoundError (`job_id`), UnreachableError (warehouse or Airflow).
        """
        self._require_confinement()
        if request.job_id is not None:
            self._require_own(request.job_id, principal)
        bundle, now = self._accepted(request, principal), self._now()
        name = manual_name(now)
        draft = self._draft(request, run_id_of(REHEARSAL_DAG_ID, name), principal)
        spec = plan.spec_of(request, bundle, draft.built.hash, owner=principal.user, now=now)
        row = _row_of(request, draft, spec, now)
        with self._counting:
            self._require_room(principal, now)
            audit("rehearsal.request", {"bundle": row.bundle, "run": row.run_id, "scratch": row.scratch})
            keep(row.run_id)
            self._store.add(row)
        self._bundles.put(draft.built)
        run = replace(asked_row(spec, name, principal.user, now), cells_total=len(bundle.cells) + 1)
        try:
            self._runs.start(run, plan.conf_of(spec, run.run_id))
        except NotFoundError as error:
            raise ConflictError(
                f"Cannot rehearse '{bundle.source.path}': Airflow has not read the DAG of rehearsals yet. "
                "Wait until it has started, then try again."
            ) from error
        return self.get(run.run_id)

    def find_requested(self, run_id: str) -> Rehearsal | None:
        """Give a rehearsal that was asked for, None if nothing came of it; as `Runs.find_requested` does."""
        row = self._store.find(run_id)
        is_started = row is not None and self._runs.is_started(run_id, plan.conf_of(row.spec, run_id))
        return self.get(run_id) if is_started else None

    def owner_of(self, run_id: str) -> str:
        """Say whose rehearsal it is; raise NotFoundError."""
        return self._store.row(run_id).owner

    def get(self, run_id: str) -> Rehearsal:
        """Give a rehearsal; one that has ended comes with its differences, unless the warehouse is away."""
        row, run = self._store.row(run_id), self._runs.get(run_id)
        if run.state.is_final and not row.is_settled:
            self._try(lambda: self._settle(run_id))
            row = self._store.row(run_id)
        return view_rehearsal(row, run, self._budgets.billed(run_id))

    def list_newest(self, owner: str, bundle: str | None, limit: int) -> tuple[Rehearsal, ...]:
        """List an owner's newest rehearsals, of one bundle or of all, the newest first."""
        rows = self._store.list_newest(owner, bundle, limit)
        return tuple(view_rehearsal(row, self._runs.get(row.run_id), self._budgets.billed(row.run_id)) for row in rows)

    def cancel(self, run_id: str, audit: Audit) -> Rehearsal:
        """Ask a rehearsal to stop, as a run is asked; raise ConflictError for one that has ended."""
        self._runs.cancel(run_id, lambda _action, _details: audit("rehearsal.cancel", {"run": run_id}))
        return self.get(run_id)

    # -- what the gateway does by itself

    def look(self) -> None:
        """Make one pass: settle what has ended, drop what was kept for long enough. What fails is tried again."""
        for row in self._store.unsettled(_MOST_AT_ONCE):
            if not self._try(partial(self._settle, row.run_id)):
                return
        for row in self._store.expired(self._now() - KEPT_FOR, _MOST_AT_ONCE):
            if not self._try(partial(self._drop, row)):
                return

    def _try(self, work: Callable[[], None]) -> bool:
        """Do what needs the warehouse; False while that is away, which is not asked again at once."""
        if self._again_at is not None and self._now() < self._again_at:
            return False
        self._again_at = None
        try:
            work()
        except PlatformError as error:
            _log.warning("Rehearsals are not settled for now: %s", error)
            self._again_at = self._now() + RETRY_AFTER
            return False
        except AthenaError as error:
            _log.warning("A rehearsal is not settled: %s", error)
        return True

    def _settle(self, run_id: str) -> None:
        """Compare the tables as their owner, find what was refused, count the bytes: once, when all has ended."""
        with self._settling:
            row = self._store.row(run_id)
            if row.is_settled:
                return
            run = self._runs.get(run_id)
            owner = self._principal_of(row.owner)
            found = self._describe([name for one in row.tables for name in (one.table, one.scratch)], owner)
            begun = row.tables
            if any(table.is_copied for table in begun):
                begun = as_noted(begun, self._warehouse.read_notes(owner, f"{row.scratch}.{NOTES}"))
            tables = [compare(table, found.get(table.table), found.get(table.scratch)) for table in begun]
            failed = self._warehouse.failed_jobs(run_id, run.queued_at)
            self._budgets.count(run_id, run.queued_at)
            self._store.settle(run_id, tables, (*row.refused, *refused_writes(failed, run)))

    def _drop(self, row: RehearsalRow) -> None:
        self._warehouse.drop_dataset(row.scratch)
        self._store.mark_dropped(row.run_id)

    # -- what a request is held against

    def _require_confinement(self) -> None:
        if not self._warehouse.is_confining:
            raise ConflictError(
                "Cannot rehearse: the platform's warehouse is not the embedded one, and cannot hold a token to one "
                "scratch dataset. Deploy the job without a rehearsal, and run it by hand."
            )

    def _require_own(self, job_id: str, principal: Principal) -> None:
        if self._repository.spec(job_id).owner != principal.user:
            raise ForbiddenError(
                f"Cannot rehearse for the job '{job_id}': it belongs to another user. Ask its owner to do it."
            )

    def _require_room(self, principal: Principal, now: datetime) -> None:
        count = self._store.count_unfinished(principal.user, now - ASKED_FOR)
        if count >= plan.MOST_UNFINISHED:
            raise ConflictError(
                f"Cannot rehearse now: {count} of your rehearsals have not ended, and {plan.MOST_UNFINISHED} may be "
                "under way. Wait for one, or cancel it."
            )

    def _accepted(self, request: RehearsalRequest, principal: Principal) -> Bundle:
        """Give the bundle of a request without faults; raise InvalidError with all of them."""
        bundle = self._bundle(request.bundle)
        names = self._secret_names(principal.user)
        faults = plan.request_faults(request, bundle, names, self._now())
        if faults or bundle is None:
            raise InvalidError(faults)
        return bundle

    def _bundle(self, content_hash: str) -> Bundle | None:
        try:
            return self._bundles.describe(content_hash)
        except (NotFoundError, UpstreamError):
            return None

    # -- what is executed

    def _draft(self, request: RehearsalRequest, run_id: str, principal: Principal) -> _Draft:
        """Redirect the bundle's writes; raise UnreachableError where the warehouse does not tell what there is."""
        tables, dataset = self._tables(request, principal), plan.scratch_name(run_id)
        scratch = plan.scratch_tables(tables.writes, dataset)
        found = self._describe(scratch, principal)
        absent = self._absent_datasets({name for name in scratch if name not in found}, principal)
        # What is written there is not redirected: it fails in the rehearsal as it would in the job.
        scratch = {name: taken for name, taken in scratch.items() if plan.dataset_of(name) not in absent}
        existing = {name for name, table in found.items() if table.type in CLONED}
        archive = self._bundles.get(request.bundle)
        redirection = redirect(read_archive(archive).notebook, scratch, project=self._lineage.project)
        cells = [preparation(scratch, existing, dataset), *redirection.notebook["cells"]]
        return _Draft(
            run_id=run_id,
            scratch=dataset,
            tables=tuple(
                RehearsedTable(
                    table=name,
                    scratch=taken,
                    is_copied=name in existing,
                    rows_before=found[name].rows if name in found else None,
                )
                for name, taken in scratch.items()
            ),
            refused=(*plan.foreign_writes(tables.writes), *plan.homeless_writes(tables.writes, absent)),
            redirection=redirection,
            built=replace_notebook(archive, {**redirection.notebook, "cells": cells}),
        )

    def _tables(self, request: RehearsalRequest, principal: Principal) -> Tables:
        lineage = self._lineage.of(request.bundle, principal)
        if not lineage.is_complete:
            raise UnreachableError(
                f"Cannot rehearse the bundle '{request.bundle[:12]}': the warehouse does not answer, so that the "
                "tables that it writes are not known. Check it with `athena status`, start it with `athena up`."
            )
        found = Tables(reads=lineage.reads, writes=lineage.writes)
        tables = own_tables(found if request.tables is None else request.tables, self._lineage.project)
        faults = plan.tables_faults(tables)
        if faults:
            raise InvalidError(faults)
        return tables

    def _absent_datasets(self, tables: Collection[str], principal: Principal) -> Collection[str]:
        names = {plan.dataset_of(table) for table in tables}
        return self._warehouse.absent_datasets(principal, sorted(names)) if names else ()

    def _describe(self, tables: Collection[str], principal: Principal) -> Mapping[str, CatalogTable]:
        return self._warehouse.describe(principal, list(tables)) if tables else {}


@dataclass(frozen=True, slots=True)
class _Draft:
    """A bundle made ready to be rehearsed."""

    run_id: str
    scratch: str
    tables: tuple[RehearsedTable, ...]
    refused: tuple[RefusedWrite, ...]
    redirection: Redirection
    built: BuiltBundle


def _row_of(request: RehearsalRequest, draft: _Draft, spec: plan.RehearsalSpec, now: datetime) -> RehearsalRow:
    return RehearsalRow(
        run_id=draft.run_id,
        owner=spec.owner,
        bundle=request.bundle,
        job_id=request.job_id,
        scratch=draft.scratch,
        tables=draft.tables,
        redirected=draft.redirection.changed,
        missed=(*draft.redirection.missed, *draft.redirection.stale),
        refused=draft.refused,
        spec=spec,
        requested_at=now,
    )

"""The gateway's side of the warehouse: tokens for callers, the catalog, and stopping a run's queries."""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from athena_lab.errors import UnreachableError
from athena_lab.gateway.mint import Mint, MintedToken
from athena_lab.gateway_api.warehouse import Catalog, CatalogTable, WarehouseToken
from athena_lab.gateway_api.wire import Principal
from athena_lab.settings import GatewaySettings
from athena_lab.warehouse.catalog import describe_tables, list_tables, read_classes, read_schemas
from athena_lab.warehouse.connect import connect_with
from athena_lab.warehouse.datasets import absent_datasets, drop_dataset
from athena_lab.warehouse.estimate import estimate
from athena_lab.warehouse.jobs import FailedJob, billed_bytes, cancel_jobs, failed_jobs
from athena_lab.warehouse.notes import read_notes
from athena_lab.warehouse.parameters import bind
from athena_lab.warehouse.sizes import count_rows
from athena_lab.warehouse.statement import read_statement

_CONNECT_S = 2.0
RUN_LABEL = "athena_run"
"""The label that a run's kernel puts on each of its warehouse jobs."""


class Tables:
    """Mint warehouse tokens, and use the warehouse with some of them."""

    def __init__(self, settings: GatewaySettings, mint: Mint) -> None:
        self._settings = settings
        self._mint = mint

    def token_for(self, principal: Principal) -> WarehouseToken:
        """Give the caller a token of their own, and say where the warehouse is."""
        return self._placed(self._mint.mint_warehouse_token(principal))

    def read_catalog(self, principal: Principal) -> Catalog:
        """List the tables as the caller, so that the warehouse decides what they see."""
        self._require_answer()
        with connect_with(lambda: self.token_for(principal)) as client:
            return list_tables(client)

    def columns_of(self, principal: Principal, tables: Collection[str]) -> Mapping[str, Collection[str]]:
        """Give the columns of those of the tables (`dataset.table`) that the caller may see."""
        self._require_answer()
        with connect_with(lambda: self.token_for(principal)) as client:
            return {name: [column.name for column in found] for name, found in read_schemas(client, tables).items()}

    def estimate_bytes(self, principal: Principal, sql: str, values: Mapping[str, Any]) -> int | None:
        """Dry-run a statement as the caller; give the bytes that it would read, None for a script."""
        self._require_answer()
        with connect_with(lambda: self.token_for(principal)) as client:
            statement = read_statement(sql)
            found = estimate(client, statement, bind(statement.parameters, values))
        return None if found.statement_type == "SCRIPT" else found.bytes_processed

    def count_rows(self, table: str) -> int | None:
        """Give the rows of `dataset.table` as the platform, None for a view; raise NotFoundError."""
        self._require_answer()
        with connect_with(lambda: self._placed(self._mint.mint_platform_token())) as client:
            return count_rows(client, table)

    def classes_of(self, tables: Collection[str]) -> Mapping[str, Mapping[str, frozenset[str]]]:
        """Give the policies and tags on each column of those of the tables that there are, as the platform."""
        self._require_answer()
        with connect_with(lambda: self._placed(self._mint.mint_platform_token())) as client:
            return read_classes(client, tables)

    @property
    def is_confining(self) -> bool:
        """Whether this is the embedded warehouse, which holds a rehearsal's token to its scratch dataset."""
        return self._settings.warehouse_url is not None

    def describe(self, principal: Principal, tables: Collection[str]) -> Mapping[str, CatalogTable]:
        """Describe those of the tables (`dataset.table`) that the principal may see."""
        self._require_answer()
        with connect_with(lambda: self.token_for(principal)) as client:
            return describe_tables(client, tables)

    def absent_datasets(self, principal: Principal, names: Collection[str]) -> Collection[str]:
        """Give those of the datasets that there are not; one that the principal may not see counts as there."""
        self._require_answer()
        with connect_with(lambda: self.token_for(principal)) as client:
            return absent_datasets(client, names)

    def read_notes(self, principal: Principal, table: str) -> Sequence[Mapping[str, Any]]:
        """Give the rows of a small table (`dataset.table`) as the principal; of one that there is not, none."""
        self._require_answer()
        with connect_with(lambda: self.token_for(principal)) as client:
            return read_notes(client, table)

    def failed_jobs(self, run_id: str, since: datetime) -> Sequence[FailedJob]:
        """Give the failed warehouse jobs of a run, as the platform."""
        self._require_answer()
        with connect_with(lambda: self._placed(self._mint.mint_platform_token())) as client:
            return failed_jobs(client, {RUN_LABEL: run_id}, since)

    def drop_dataset(self, name: str) -> None:
        """Drop a dataset with its tables, as the platform; one that there is not is fine."""
        self._require_answer()
        with connect_with(lambda: self._placed(self._mint.mint_platform_token())) as client:
            drop_dataset(client, name)

    def stop_queries(self, run_id: str) -> None:
        """Cancel every warehouse job of a run, as the platform."""
        self._require_answer()
        with connect_with(lambda: self._placed(self._mint.mint_platform_token())) as client:
            cancel_jobs(client, {RUN_LABEL: run_id})

    def billed(self, since: datetime) -> dict[str, int]:
        """Add up the bytes billed since a moment, by run, as the platform."""
        self._require_answer()
        with connect_with(lambda: self._placed(self._mint.mint_platform_token())) as client:
            return billed_bytes(client, RUN_LABEL, since)

    def _require_answer(self) -> None:
        """Raise UnreachableError at once where nothing listens: the vendor's client would try for ten minutes."""
        address = urlsplit(self._settings.warehouse_url or "")
        if address.hostname is None:
            return  # the real BigQuery
        try:
            socket.create_connection((address.hostname, address.port or 80), timeout=_CONNECT_S).close()
        except OSError as error:
            raise UnreachableError(
                f"Cannot reach the warehouse at '{self._settings.warehouse_url}' ({error.strerror or error}). "
                "Check it with `athena status`, start it with `athena up`."
            ) from error

    def _placed(self, minted: MintedToken) -> WarehouseToken:
        return WarehouseToken(
            token=minted.token,
            expires_at=minted.expires_at,
            project=self._settings.project,
            location=self._settings.location,
            endpoint=self._settings.warehouse_url,
            grpc_endpoint=self._settings.warehouse_grpc,
        )

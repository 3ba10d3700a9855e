"""What the warehouse holds: datasets and tables with BigQuery's own schemas, kept inside the DuckDB file.

Readers use an immutable `State`; a change is committed to the file and then becomes the new state.
A table's rows lie in a DuckDB table named `t<number>`: replacing a table makes a new one and drops
the old one in the same transaction, and a reader keeps what it began to read.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import duckdb

from athena_lab.emulator.faults import BigQueryError, dataset_not_found, table_not_found
from athena_lab.emulator.partitioning import check_partitioning
from athena_lab.emulator.sql.pseudo import PARTITION_TIME, is_by_ingestion, partition_unit
from athena_lab.emulator.store import Store
from athena_lab.emulator.transactions import OpenTransaction, changed_tables
from athena_lab.emulator.types import Field, duckdb_type, fields_from_json, quote

T = TypeVar("T")
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a view; `resource` is what its makers said in the REST API's JSON."""

    dataset: str
    name: str
    physical: str
    fields: tuple[Field, ...]
    resource: Mapping[str, Any]
    created_ms: int
    modified_ms: int

    @property
    def key(self) -> tuple[str, str]:
        return (self.dataset, self.name)

    @property
    def view(self) -> str | None:
        """The SQL of a view."""
        found = (self.resource.get("view") or self.resource.get("materializedView") or {}).get("query")
        return None if found is None else str(found)


@dataclass(frozen=True, slots=True)
class State:
    """Everything that exists at one moment; `version` grows with every change of a definition."""

    version: int
    datasets: Mapping[str, Mapping[str, Any]]
    tables: Mapping[tuple[str, str], Table]
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Data policies by id."""
    routines: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    """Routines (REST resources) by dataset and name."""


@dataclass(slots=True)
class Change:
    """What a transaction did: definitions put and dropped, tables written to."""

    tables: list[Table] = field(default_factory=list)
    dropped: list[Table] = field(default_factory=list)
    written: list[Table] = field(default_factory=list)
    rewritten: list[Table] = field(default_factory=list)
    """Of the tables written to: those whose rows were changed or removed, not only appended."""
    moved: list[tuple[Table, Table]] = field(default_factory=list)
    """Tables that got another name: as they were, as they are."""
    based_on: dict[tuple[str, str], Table | None] = field(default_factory=dict)
    """What the work found under a name; the change is refused and tried again if that changed since."""


class StaleError(Exception):
    """Somebody else changed a definition meanwhile; the work is done again."""


class Catalog:
    """The datasets and tables of the one project."""

    def __init__(self, store: Store, project: str, location: str) -> None:
        self.store, self.project, self.location = store, project, location
        self._lock = threading.RLock()
        self._transactions = threading.local()
        self._writes: dict[str, int] = {}
        self._rewrites: dict[str, int] = {}
        self._modified: dict[str, int] = {}
        self._state = self._load()

    @property
    def state(self) -> State:
        """The present state; inside of a script's transaction as that transaction sees it."""
        open_ = self._transaction()
        return self._state if open_ is None else open_.state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state

    def _load(self) -> State:
        with self.store.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS athena_datasets (name VARCHAR, resource VARCHAR)")
            cursor.execute(
                "CREATE TABLE IF NOT EXISTS athena_tables"
                " (dataset VARCHAR, name VARCHAR, physical VARCHAR, resource VARCHAR,"
                " created_ms BIGINT, modified_ms BIGINT)"
            )
            cursor.execute("CREATE TABLE IF NOT EXISTS athena_policies (name VARCHAR, resource VARCHAR)")
            cursor.execute(
                "CREATE TABLE IF NOT EXISTS athena_routines (dataset VARCHAR, name VARCHAR, resource VARCHAR)"
            )
            cursor.execute("CREATE SEQUENCE IF NOT EXISTS athena_physical")
            routines = {
                (dataset, name): json.loads(text)
                for dataset, name, text in cursor.execute("FROM athena_routines").fetchall()
            }
            policies = {name: json.loads(text) for name, text in cursor.execute("FROM athena_policies").fetchall()}
            datasets = {name: json.loads(text) for name, text in cursor.execute("FROM athena_datasets").fetchall()}
            tables = {}
            for dataset, name, physical, text, created, modified in cursor.execute("FROM athena_tables").fetchall():
                resource = json.loads(text)
                fields = fields_from_json(resource.get("schema"))
                tables[dataset, name] = Table(dataset, name, physical, fields, resource, created, modified)
        return State(1, datasets, tables, policies, routines)

    # -- looking

    def dataset(self, name: str) -> Mapping[str, Any]:
        """Give a dataset's resource, or refuse with notFound."""
        found = self.state.datasets.get(name)
        if found is None:
            raise dataset_not_found(self.project, name, self.location)
        return found

    def table(self, dataset: str, name: str) -> Table:
        """Give a table or view, or refuse with notFound."""
        self.dataset(dataset)
        found = self.state.tables.get((dataset, name))
        if found is None:
            raise table_not_found(self.project, dataset, name, self.location)
        return found

    def writes_of(self, table: Table) -> int:
        """Count the writes to a table since the start; sizes and caches hang on it."""
        return self._writes.get(table.physical, 0)

    def rewrites_of(self, table: Table) -> int:
        """Count the writes since the start that did more than append rows."""
        return self._rewrites.get(table.physical, 0)

    def modified_ms(self, table: Table) -> int:
        """Give when a table was last written or defined."""
        return self._modified.get(table.physical, table.modified_ms)

    # -- changing

    def put_dataset(self, name: str, resource: Mapping[str, Any], *, must_be_new: bool) -> None:
        """Keep a dataset's resource; refuse with duplicate if it must be new and is not."""
        with self._lock:
            if must_be_new and name in self.state.datasets:
                raise BigQueryError("duplicate", f"Already Exists: Dataset {self.project}:{name}")
            with self.store.cursor() as cursor:
                cursor.begin()
                cursor.execute("DELETE FROM athena_datasets WHERE name = ?", [name])
                cursor.execute("INSERT INTO athena_datasets VALUES (?, ?)", [name, json.dumps(resource)])
                cursor.commit()
            datasets = {**self.state.datasets, name: resource}
            self.state = replace(self.state, version=self.state.version + 1, datasets=datasets)

    def drop_dataset(self, name: str, *, with_contents: bool) -> None:
        """Drop a dataset; refuse with resourceInUse if it has tables and they must stay."""
        with self._lock:
            self.dataset(name)
            inside = [table for table in self.state.tables.values() if table.dataset == name]
            if inside and not with_contents:
                raise BigQueryError("resourceInUse", f"Dataset {self.project}:{name} is still in use")
            with self.store.cursor() as cursor:
                cursor.begin()
                for table in inside:
                    _forget(cursor, table)
                    _drop_rows(cursor, table)
                cursor.execute("DELETE FROM athena_datasets WHERE name = ?", [name])
                cursor.execute("DELETE FROM athena_routines WHERE dataset = ?", [name])
                cursor.commit()
            datasets = {key: value for key, value in self.state.datasets.items() if key != name}
            tables = {key: value for key, value in self.state.tables.items() if key[0] != name}
            routines = {key: value for key, value in self.state.routines.items() if key[0] != name}
            version = self.state.version + 1
            self.state = replace(self.state, version=version, datasets=datasets, tables=tables, routines=routines)

    def put_routine(self, dataset: str, name: str, resource: Mapping[str, Any] | None) -> None:
        """Keep a routine's resource; None drops it."""
        with self._lock:
            self.dataset(dataset)
            with self.store.cursor() as cursor:
                cursor.begin()
                cursor.execute("DELETE FROM athena_routines WHERE dataset = ? AND name = ?", [dataset, name])
                if resource is not None:
                    cursor.execute(
                        "INSERT INTO athena_routines VALUES (?, ?, ?)", [dataset, name, json.dumps(resource)]
                    )
                cursor.commit()
            routines = {key: value for key, value in self.state.routines.items() if key != (dataset, name)}
            if resource is not None:
                routines[dataset, name] = resource
            self.state = replace(self.state, version=self.state.version + 1, routines=routines)

    def put_policy(self, name: str, resource: Mapping[str, Any] | None) -> None:
        """Keep a data policy; None drops it."""
        with self._lock:
            with self.store.cursor() as cursor:
                cursor.begin()
                cursor.execute("DELETE FROM athena_policies WHERE name = ?", [name])
                if resource is not None:
                    cursor.execute("INSERT INTO athena_policies VALUES (?, ?)", [name, json.dumps(resource)])
                cursor.commit()
            policies = {key: value for key, value in self.state.policies.items() if key != name}
            if resource is not None:
                policies[name] = resource
            self.state = replace(self.state, version=self.state.version + 1, policies=policies)

    def transact(self, work: Callable[[Any, State, Change], T], *, holder: Any = None) -> T:
        """Do `work` in one transaction of DuckDB and of the catalog; again if another writer came between.

        `work` gets a connection, the state, and a Change to fill in. `holder`, a job, learns which
        connection to interrupt.
        """
        for attempt in range(_ATTEMPTS):
            try:
                with self.store.cursor() as cursor:
                    if holder is not None:
                        holder.hold(cursor)
                    return self._transact_once(cursor, work)
            except (StaleError, duckdb.TransactionException):
                if attempt == _ATTEMPTS - 1:
                    raise
            finally:
                if holder is not None:
                    holder.hold(None)
            time.sleep(random.uniform(0, min(0.5, 0.002 * 2**attempt)))  # noqa: S311 (spreads writers)
        raise AssertionError("unreachable")

    def _transact_once(self, cursor: Any, work: Callable[[Any, State, Change], T]) -> T:
        state, change, open_ = self.state, Change(), self._transaction()
        if open_ is None:
            cursor.begin()
        found = work(cursor, state, change)
        with self._lock:
            for key, basis in change.based_on.items():
                if self.state.tables.get(key) is not basis:
                    raise StaleError
            now = now_ms()
            for table in change.dropped:
                _forget(cursor, table)
                _drop_rows(cursor, table)
            for before, _ in change.moved:
                _forget(cursor, before)
            for table in (*change.tables, *(after for _, after in change.moved)):
                self.dataset(table.dataset)
                _forget(cursor, table)
                cursor.execute(
                    "INSERT INTO athena_tables VALUES (?, ?, ?, ?, ?, ?)",
                    [table.dataset, table.name, table.physical, json.dumps(table.resource), table.created_ms, now],
                )
            if open_ is not None:
                open_.add(change, now)
                return found
            cursor.commit()
            self._apply(change, now)
        return found

    # -- transactions of scripts: each is its thread's own

    def _transaction(self) -> OpenTransaction | None:
        found: OpenTransaction | None = getattr(self._transactions, "open", None)
        return found

    @property
    def is_in_transaction(self) -> bool:
        """Whether this thread's statements are parts of a script's transaction."""
        return self._transaction() is not None

    def begin(self) -> None:
        """Begin a transaction for the statements of this thread."""
        if self.is_in_transaction:
            raise BigQueryError("invalidQuery", "Transaction is already in progress", "query")
        self._transactions.open = OpenTransaction(self.store.pin(), self._state)

    def commit(self) -> None:
        """Make what the transaction did last; refuse where somebody else changed the same."""
        open_ = self._required()
        try:
            with self._lock:
                open_.check(self._state)
                open_.cursor.commit()
                self._transactions.open = None
                for change in open_.changes:
                    self._apply(change, now_ms())
        finally:
            self._transactions.open = None
            self.store.unpin()

    def rollback(self, *, is_open_only: bool = False) -> None:
        """Undo what the transaction did; `is_open_only` for where there may be none."""
        if is_open_only and not self.is_in_transaction:
            return
        open_ = self._required()
        self._transactions.open = None
        try:
            open_.cursor.rollback()
        finally:
            self.store.unpin()

    def _required(self) -> OpenTransaction:
        open_ = self._transaction()
        if open_ is None:
            raise BigQueryError("invalidQuery", "There is no active transaction to commit or roll back", "query")
        return open_

    @contextmanager
    def reading(self, tables: Collection[str]) -> Iterator[Any]:
        """Lend a connection for a query: the transaction's own only where it wrote what is read.

        An error would end DuckDB's whole transaction; BigQuery's goes on.
        """
        open_ = self._transaction()
        if open_ is None or any(name in open_.written for name in tables):
            with self.store.cursor() as cursor:
                yield cursor
            return
        with self.store.fresh_cursor() as cursor:
            yield cursor

    def _apply(self, change: Change, now: int) -> None:
        tables = changed_tables(self._state, change, now)
        for table in change.rewritten:
            self._rewrites[table.physical] = self._rewrites.get(table.physical, 0) + 1
        for table in (*change.written, *change.tables):
            self._writes[table.physical] = self._writes.get(table.physical, 0) + 1
            self._modified[table.physical] = now
        if change.tables or change.dropped or change.moved:
            self._state = replace(self._state, version=self._state.version + 1, tables=tables)

    def new_table(
        self, cursor: Any, dataset: str, name: str, fields: tuple[Field, ...], resource: Mapping[str, Any]
    ) -> Table:
        """Make an empty table's rows in DuckDB; the caller puts the table into its Change."""
        self.dataset(dataset)
        if not (resource.get("view") or resource.get("materializedView")):
            check_partitioning(fields, resource)
        number = cursor.execute("SELECT nextval('athena_physical')").fetchone()[0]
        table = Table(dataset, name, f"t{number}", fields, resource, now_ms(), now_ms())
        if table.view is None:
            cursor.execute(f"CREATE TABLE {table.physical} ({columns_sql(fields)})")
            if is_by_ingestion(resource):
                default = f"date_trunc('{partition_unit(resource)}', now())"
                cursor.execute(
                    f"ALTER TABLE {table.physical} ADD COLUMN {PARTITION_TIME} TIMESTAMPTZ DEFAULT {default}"
                )
        return table


def columns_sql(fields: tuple[Field, ...]) -> str:
    """Give the column list of a CREATE TABLE."""
    columns = (
        f"{quote(item.name)} {duckdb_type(item)}" + (" NOT NULL" if item.mode == "REQUIRED" else "") for item in fields
    )
    return ", ".join(columns) or '"athena_no_columns" BIGINT'


def now_ms() -> int:
    """Give the present moment in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _forget(cursor: Any, table: Table) -> None:
    cursor.execute("DELETE FROM athena_tables WHERE dataset = ? AND name = ?", [table.dataset, table.name])


def _drop_rows(cursor: Any, table: Table) -> None:
    if table.view is None:
        cursor.execute(f"DROP TABLE IF EXISTS {table.physical}")

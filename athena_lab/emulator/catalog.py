"""What the warehouse holds: datasets and tables with BigQuery's own schemas, kept inside the DuckDB file.

Readers use an immutable `State`; a change is committed to the file and then becomes the new state.
A table's rows lie in a DuckDB table named `t<number>`: replacing a table makes a new one, and the old one
becomes history (history.py) in the same transaction; a reader keeps what it began to read.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import duckdb

from athena_lab.emulator.access import who_asks
from athena_lab.emulator.confinement import Datasets, Place, refuse_confined, refuse_outside
from athena_lab.emulator.definitions import Change as Change
from athena_lab.emulator.definitions import State as State
from athena_lab.emulator.definitions import Table as Table
from athena_lab.emulator.faults import BigQueryError, dataset_not_found, table_not_found
from athena_lab.emulator.history import History
from athena_lab.emulator.partitioning import check_partitioning, with_lifetimes
from athena_lab.emulator.physical import create_rows, drop_rows
from athena_lab.emulator.store import Store
from athena_lab.emulator.transactions import OpenTransaction, changed_tables, watched
from athena_lab.emulator.types import Field, fields_from_json

T = TypeVar("T")
_ATTEMPTS = 50
_ABORTED = "Transaction is aborted due to concurrent update. Roll it back, and run it again."


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
        self.history = History()
        self._state = self._load()
        self._purge()

    @property
    def state(self) -> State:
        """The present state; inside of a script's transaction as that transaction sees it."""
        open_ = self._transaction()
        return self._state if open_ is None else open_.state(self._state)

    @property
    def committed(self) -> State:
        """The present state as everybody else sees it."""
        return self._state

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
            self.history.load(cursor, tables.values(), now_ms())
        return State(1, datasets, tables, policies, routines)

    # -- looking

    def dataset(self, name: str) -> Mapping[str, Any]:
        """Give a dataset's resource, or refuse with notFound."""
        found = self.state.datasets.get(name)
        if found is None:
            raise dataset_not_found(self.project, name, self.location)
        return found

    def guarded(self, table: Table) -> Table:
        """Give a table with all definitions whose policies protect its rows: in a transaction others' since, too."""
        return table if (open_ := self._transaction()) is None else open_.guarded(table, self._state)

    def table(self, dataset: str, name: str) -> Table:
        """Give a table or view, or refuse with notFound; a partition's decorator (`table$id`) names its table."""
        self.dataset(dataset)
        found = self.state.tables.get((dataset, name.partition("$")[0]))
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
        self._refuse_outside([(name, "")], {name: resource})
        with self._lock:
            if must_be_new and name in self.state.datasets:
                raise BigQueryError("duplicate", f"Already Exists: Dataset {self.project}:{name}")
            with self.store.fresh_cursor() as cursor:
                cursor.begin()
                cursor.execute("DELETE FROM athena_datasets WHERE name = ?", [name])
                cursor.execute("INSERT INTO athena_datasets VALUES (?, ?)", [name, json.dumps(resource)])
                cursor.commit()
            self._publish(datasets={**self._state.datasets, name: resource})

    def drop_dataset(self, name: str, *, with_contents: bool) -> None:
        """Drop a dataset; refuse with resourceInUse if it has tables and they must stay."""
        self._refuse_outside([(name, "")])
        with self._lock:
            self.dataset(name)
            if self.is_in_transaction:
                raise BigQueryError("invalidQuery", "A dataset cannot be dropped inside of a transaction.", "query")
            inside = [table for table in self.state.tables.values() if table.dataset == name]
            if inside and not with_contents:
                raise BigQueryError("resourceInUse", f"Dataset {self.project}:{name} is still in use")
            with self.store.cursor() as cursor:
                cursor.begin()
                for table in inside:
                    _forget(cursor, table)
                    drop_rows(cursor, table)
                self.history.forget_dataset(cursor, name, inside)
                cursor.execute("DELETE FROM athena_datasets WHERE name = ?", [name])
                cursor.execute("DELETE FROM athena_routines WHERE dataset = ?", [name])
                cursor.commit()
            datasets = {key: value for key, value in self.state.datasets.items() if key != name}
            tables = {key: value for key, value in self.state.tables.items() if key[0] != name}
            routines = {key: value for key, value in self.state.routines.items() if key[0] != name}
            self._publish(datasets=datasets, tables=tables, routines=routines)

    def put_routine(self, dataset: str, name: str, resource: Mapping[str, Any] | None) -> None:
        """Keep a routine's resource; None drops it."""
        self._refuse_outside([(dataset, "")])
        with self._lock:
            self.dataset(dataset)
            with self.store.fresh_cursor() as cursor:
                cursor.begin()
                cursor.execute("DELETE FROM athena_routines WHERE dataset = ? AND name = ?", [dataset, name])
                if resource is not None:
                    row = [dataset, name, json.dumps(resource)]
                    cursor.execute("INSERT INTO athena_routines VALUES (?, ?, ?)", row)
                cursor.commit()
            routines = {key: value for key, value in self._state.routines.items() if key != (dataset, name)}
            if resource is not None:
                routines[dataset, name] = resource
            self._publish(routines=routines)

    def put_policy(self, name: str, resource: Mapping[str, Any] | None) -> None:
        """Keep a data policy; None drops it."""
        refuse_confined(who_asks(), f"Data policy {name}")
        with self._lock:
            with self.store.fresh_cursor() as cursor:
                cursor.begin()
                cursor.execute("DELETE FROM athena_policies WHERE name = ?", [name])
                if resource is not None:
                    cursor.execute("INSERT INTO athena_policies VALUES (?, ?)", [name, json.dumps(resource)])
                cursor.commit()
            policies = {key: value for key, value in self._state.policies.items() if key != name}
            if resource is not None:
                policies[name] = resource
            self._publish(policies=policies)

    def _refuse_outside(self, places: Collection[Place], datasets: Datasets | None = None) -> None:
        """Every write comes by here, with its places."""
        refuse_outside(who_asks(), self.project, places, self.state.datasets if datasets is None else datasets)

    def _publish(self, **changes: Any) -> None:
        """Make datasets, routines or policies known at once, inside of a transaction too: they are no part of one."""
        self._state = replace(self._state, version=self._state.version + 1, **changes)

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
            except (StaleError, duckdb.TransactionException) as error:
                if self.is_in_transaction:  # DuckDB has ended it: trying again would not help
                    raise BigQueryError("invalidQuery", _ABORTED, "query") from error
                if attempt == _ATTEMPTS - 1:
                    raise
            finally:
                if holder is not None:
                    holder.hold(None)
            time.sleep(random.uniform(0, min(0.5, 0.002 * 2**attempt)))  # noqa: S311 (spreads writers)
        raise AssertionError("unreachable")

    def _transact_once(self, cursor: Any, work: Callable[[Any, State, Change], T]) -> T:
        state, change, open_, writes, begun_us = self.state, Change(), self._transaction(), dict(self._writes), now_us()
        if open_ is None:
            cursor.begin()
        with watched(cursor, open_) as watching:
            found = work(watching, state, change)
        try:
            self._refuse_outside(change.places)
        except Exception:
            self.rollback(is_open_only=True)  # or a script that goes on would commit what DuckDB has done already
            raise
        with self._lock:
            self._refuse_stale(change, writes)
            moment = now_us()
            self._write_down(cursor, change, moment // 1000)
            if open_ is not None:
                open_.add(change, self._state, moment // 1000)
                return found
            versions = self.history.record(cursor, self._state, change, moment)
            duration = self.history.record_duration(cursor, begun_us, moment)
            cursor.commit()
            self._apply(change, moment // 1000)
            self.history.apply(change, versions, duration)
        if self.history.is_purge_due(moment // 1000):
            self._purge()
        return found

    def _refuse_stale(self, change: Change, writes: Mapping[str, int]) -> None:
        for key, basis in change.based_on.items():
            if self.state.tables.get(key) is not basis:
                raise StaleError
        for table in change.copied:
            if self._writes.get(table.physical, 0) != writes.get(table.physical, 0):
                raise StaleError

    def _write_down(self, cursor: Any, change: Change, now: int) -> None:
        for table in (*change.dropped, *(before for before, _ in change.moved)):
            _forget(cursor, table)
        for table in (*change.tables, *(after for _, after in change.moved)):
            self.dataset(table.dataset)
            _forget(cursor, table)
            cursor.execute(
                "INSERT INTO athena_tables VALUES (?, ?, ?, ?, ?, ?)",
                [table.dataset, table.name, table.physical, json.dumps(table.resource), table.created_ms, now],
            )

    def _purge(self) -> None:
        """Forget the past that is too old or too much."""
        with self._lock, self.store.fresh_cursor() as cursor:
            cursor.begin()
            self.history.purge(cursor, self._state.tables, now_ms())
            cursor.commit()

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
        self._transactions.open = OpenTransaction(self.store.pin(), self._state, now_us(), dict(self._rewrites))

    def commit(self) -> None:
        """Make what the transaction did last; refuse where somebody else changed the same."""
        open_ = self._required()
        try:
            with self._lock:
                open_.check(self._state, self._rewrites)
                moment = now_us()
                versions = [self.history.record(open_.cursor, self._state, change, moment) for change in open_.changes]
                duration = self.history.record_duration(open_.cursor, open_.begun_us, moment)
                try:
                    open_.cursor.commit()
                except duckdb.TransactionException as error:
                    raise BigQueryError("invalidQuery", _ABORTED, "query") from error
                self._transactions.open = None
                for change, found in zip(open_.changes, versions, strict=True):
                    self._apply(change, moment // 1000)
                    self.history.apply(change, found, duration)
                    duration = None
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

    def suspend(self) -> OpenTransaction | None:
        """Take the transaction off this thread, for another one to go on with it."""
        found, self._transactions.open = self._transaction(), None
        self.store.release()
        return found

    def resume(self, found: OpenTransaction) -> None:
        """Go on with a transaction on this thread."""
        self._transactions.open = found
        self.store.adopt(found.cursor)

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
        resource = with_lifetimes(resource, self.dataset(dataset), now_ms())
        number = cursor.execute("SELECT nextval('athena_physical')").fetchone()[0]
        table = Table(dataset, name, f"t{number}", fields, resource, now_ms(), now_ms())
        if table.view is None:
            create_rows(cursor, table)
        return table


def now_ms() -> int:
    """Give the present moment in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def now_us() -> int:
    """Give the present moment in microseconds since 1970."""
    return time.time_ns() // 1000


def _forget(cursor: Any, table: Table) -> None:
    cursor.execute("DELETE FROM athena_tables WHERE dataset = ? AND name = ?", [table.dataset, table.name])

"""The embedded warehouse: what all requests share, and how names and rows are found."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from athena_lab.emulator.access import ITSELF, Principal, asking, who_asks
from athena_lab.emulator.catalog import Catalog, State, Table
from athena_lab.emulator.expiration import Expiration
from athena_lab.emulator.faults import BigQueryError, dataset_not_found
from athena_lab.emulator.job_journal import Journal
from athena_lab.emulator.job_views import FIELDS as JOB_FIELDS
from athena_lab.emulator.job_views import VIEWS as JOB_VIEWS
from athena_lab.emulator.job_views import job_rows
from athena_lab.emulator.jobs import Job, Jobs
from athena_lab.emulator.partition_views import FIELDS as PARTITION_FIELDS
from athena_lab.emulator.partition_views import partition_rows
from athena_lab.emulator.partitions import decorated, restricted
from athena_lab.emulator.past import table_as_of, table_at
from athena_lab.emulator.policies.authorization import Authorization
from athena_lab.emulator.policies.filters import filter_sql
from athena_lab.emulator.policies.masking_routines import hide_body
from athena_lab.emulator.policies.protection import ALIAS, Protection, protection_of, quotes_nothing, require_raw
from athena_lab.emulator.policies.roles import CREATE_TABLE, LIST_ROUTINES, LIST_TABLES, UPDATE_DATA
from athena_lab.emulator.policies.sizes import seen_size
from athena_lab.emulator.privilege_views import FIELDS as PRIVILEGE_FIELDS
from athena_lab.emulator.privilege_views import privilege_rows
from athena_lab.emulator.results import BATCH_ROWS, Result, collect
from athena_lab.emulator.schema_details import STORAGE_VIEWS, storage_row
from athena_lab.emulator.schema_views import result_of, schema_view
from athena_lab.emulator.sizes import Sizes, TableSize
from athena_lab.emulator.sql.references import ANONYMOUS, TEMPORARY, Namespace
from athena_lab.emulator.sql.scans import partition_column
from athena_lab.emulator.store import Store
from athena_lab.emulator.types import Field, duckdb_type, quote

_OF_ROUTINES = frozenset({"ROUTINES", "PARAMETERS", "ROUTINE_OPTIONS"})
_THREADS = 64
"""Of jobs: those that write for long must not keep others from reading."""


class Warehouse:
    """One project in one DuckDB file."""

    def __init__(self, directory: Path, project: str, location: str, *, memory_mib: int | None = None) -> None:
        self.project, self.location = project, location
        self.store = Store(directory, memory_mib=memory_mib)
        self._key = self.store.secret("results.key")
        self.catalog = Catalog(self.store, project, location)
        self.sizes = Sizes(self.catalog)
        self._expiration = Expiration(self.catalog)
        self.jobs = Jobs(project, location, Journal(directory / "jobs", self.store.results), threads=_THREADS)
        with asking(ITSELF):
            for name, resource in list(self.catalog.state.datasets.items()):
                if resource.get("isHidden") or name.startswith(TEMPORARY):
                    self.catalog.drop_dataset(name, with_contents=True)  # left by a process that was killed

    def keep_temporary(self, dataset: str) -> None:
        """Make the hidden dataset of a script's or session's temporary tables, if it is not there yet."""
        if dataset not in self.catalog.state.datasets:
            self.catalog.put_dataset(dataset, {"isHidden": True}, must_be_new=False)

    def close(self) -> None:
        """Stop the jobs and write everything into the file."""
        self.jobs.close()
        self.store.close()

    def require_project(self, project: str) -> None:
        """Refuse any project but the one there is."""
        if project != self.project:
            raise BigQueryError(
                "accessDenied", f"Access Denied: Project {project}: this warehouse has only {self.project}."
            )

    def namespace(self, principal: Principal, default_dataset: str | None) -> Namespace:
        """Tell where a statement of the principal's looks names up."""
        self.expire()
        return Namespace(
            self.catalog.state,
            self.project,
            self.location,
            default_dataset,
            lambda dataset, name: self.find_result(dataset, name, principal),
            lambda state, dataset, name: self._schema_view(state, dataset, name, principal),
            lambda table: self.protection_of(table, principal),
            filter_sql,
            (principal.user, *sorted(principal.groups), str(principal.is_administrator)),
            principal.email,
            self.authorization(principal),
            past=partial(table_as_of, self.catalog),
            anonymous=self.anonymous_dataset(principal),
        )

    def expire(self) -> None:
        """Drop the tables and partitions whose time has come."""
        self._expiration.apply()

    def authorization(self, principal: Principal) -> Authorization:
        """Tell what a principal may do."""
        return Authorization(self.project, principal, self.catalog.committed)

    def require(self, principal: Principal, permission: str, dataset: str, table: str | None = None) -> None:
        """Refuse what a principal may not do with a dataset or a table."""
        if self.is_hidden(dataset, principal):
            raise dataset_not_found(self.project, dataset, self.location)
        self.authorization(principal).require(self.catalog.state, permission, dataset, table)

    def require_query(self, principal: Principal, dataset: str, table: str) -> None:
        """Refuse to read a table's rows to whoever may not."""
        self.authorization(principal).require_query(self.catalog.state, dataset, table)

    def require_write(self, principal: Principal, dataset: str, table: str) -> None:
        """Refuse to write rows into a table, or to make it, to whoever may not; nobody names temporary tables so."""
        if dataset.startswith(TEMPORARY):
            raise dataset_not_found(self.project, dataset, self.location)
        name = table.partition("$")[0]
        if (dataset, name) in self.catalog.state.tables:
            self.require(principal, UPDATE_DATA, dataset, name)
        else:
            self.require(principal, CREATE_TABLE, dataset, name)

    def protection_of(self, table: Table, principal: Principal) -> Protection | None:
        """Tell what a principal may see of a table; None for everything."""
        return protection_of(self.catalog.state, self.project, principal, self.catalog.guarded(table))

    def size_of(self, table: Table, principal: Principal) -> TableSize:
        """Give a table's size as a principal may know it."""
        return seen_size(self.sizes.of(table), self.protection_of(table, principal))

    def sees_all_rows(self, table: Table, principal: Principal) -> bool:
        """Tell whether row access policies hide nothing of a table."""
        protection = self.protection_of(table, principal)
        return protection is None or protection.filters is None

    def _schema_view(self, state: State, dataset: str, name: str, principal: Principal) -> Result | None:
        allowed = self.authorization(principal)
        if dataset in state.datasets:
            allowed.require(state, LIST_ROUTINES if name in _OF_ROUTINES else LIST_TABLES, dataset)
        else:
            state = allowed.visible(state)
        routines = {key: hide_body(principal, item) for key, item in state.routines.items()}
        state = replace(state, routines=routines)
        if name == "PARTITIONS" and dataset in state.datasets:  # they tell of rows and of lengths
            tables = [item for item in state.tables.values() if item.dataset == dataset and item.view is None]
            shown = [item for item in tables if self.protection_of(item, principal) is None]
            return result_of(PARTITION_FIELDS, partition_rows(self.catalog, self.sizes, self.project, shown))
        if name in JOB_VIEWS and dataset.lower().startswith("region-"):
            return result_of(JOB_FIELDS, job_rows(self.jobs, principal, name))
        if name == "OBJECT_PRIVILEGES" and dataset.lower().startswith("region-"):
            return result_of(PRIVILEGE_FIELDS, privilege_rows(state, allowed))
        if name in STORAGE_VIEWS:
            return result_of(STORAGE_VIEWS[name], self._storage_rows(state, dataset, name, principal))
        return schema_view(state, self.project, dataset, name)

    def _storage_rows(self, state: State, dataset: str, name: str, principal: Principal) -> list[tuple[Any, ...]]:
        rows = []
        for table in state.tables.values():
            is_shown = table.dataset == dataset or (
                dataset not in state.datasets and not state.datasets[table.dataset].get("isHidden")
            )
            if is_shown:
                has_size = table.view is None and self.sees_all_rows(table, principal)
                size = self.size_of(table, principal) if has_size else None
                changed = self.catalog.modified_ms(table)
                rows.append(storage_row(name, self.project, table, changed, size))
        return rows

    # -- results that are no tables

    def anonymous_table(self, job: Job) -> dict[str, str]:
        """Name the result of a query without a destination; only its owner can read it."""
        dataset = self.anonymous_dataset(job.owner)
        self.keep_temporary(dataset)
        return {"projectId": self.project, "datasetId": dataset, "tableId": f"anon_{job.id}"}

    def anonymous_dataset(self, owner: Principal) -> str:
        """Name the hidden dataset of a user's (or run's) own results, into which he may load and write, too.

        Nobody else can know its name; what was written into it ends with the process.
        """
        whose = f"{owner.user}/{owner.run or ''}".encode()
        return ANONYMOUS + hashlib.blake2b(whose, key=self._key, digest_size=16).hexdigest()

    def is_hidden(self, dataset: str, principal: Principal) -> bool:
        """Tell whether a dataset is a script's, a session's, or of somebody else's results."""
        is_anonymous = dataset.startswith(ANONYMOUS) and dataset != self.anonymous_dataset(principal)
        return is_anonymous or dataset.startswith(TEMPORARY)

    def find_result(self, dataset: str, table: str, principal: Principal) -> Result | None:
        """Give an anonymous result by its table's name, or None if the name is no anonymous one."""
        if not dataset.startswith(ANONYMOUS) or not table.startswith("anon_"):
            return None
        try:
            job = self.jobs.find(table.removeprefix("anon_"), principal)
        except BigQueryError as fault:
            message = f"Not found: Table {self.project}:{dataset}.{table} was not found in location {self.location}"
            raise BigQueryError("notFound", message) from fault
        return job.result

    # -- rows

    def read(self, dataset: str, name: str, principal: Principal, columns: Sequence[str] = ()) -> Result:
        """Take a snapshot of a table or anonymous result: some columns, all if none is named."""
        result = self.find_result(dataset, name, principal)
        if result is not None:
            chosen_fields(result.fields, columns)
            return result.select(columns) if columns else result
        return self.read_table(self.readable(dataset, name), principal, columns)

    def readable(self, dataset: str, name: str, moment: int | None = None) -> Table:
        """Give a table whose rows can be read by name; refuse views and other people's temporary tables.

        With a moment (microseconds since 1970) the table as it was.
        """
        if dataset.startswith(TEMPORARY):
            raise dataset_not_found(self.project, dataset, self.location)
        self.expire()
        table = self.catalog.table(dataset, name)
        if table.view is not None:
            raise BigQueryError("invalid", f"Cannot list a table of type VIEW: {self.project}:{dataset}.{name}")
        found = table if moment is None else table_at(self.catalog, table.key, moment)
        column, partition = partition_column(found), decorated(name)[1]
        if partition is not None and column is not None:
            require_raw(self.protection_of(found, who_asks()), [column])  # whether there are rows would tell of values
        return restricted(found, partition)

    def read_table(self, table: Table, principal: Principal, columns: Sequence[str] = (), limit: str = "") -> Result:
        """Take a snapshot of what a principal may see of a table; `limit` is DuckDB's LIMIT and OFFSET."""
        fields = chosen_fields(table.fields, columns)
        rows = self.rows_sql(table, principal, fields)
        sql = f"SELECT {select_list(fields)} FROM {rows} {limit}"  # noqa: S608 (our own names)
        with self.store.cursor() as cursor, quotes_nothing(sql):
            return collect(iter(cursor.sql(sql).to_arrow_reader(BATCH_ROWS)), fields, self.store.results)

    def rows_sql(self, table: Table, principal: Principal, fields: tuple[Field, ...]) -> str:
        """Give what DuckDB is to read for some fields of a table: the table, or what may be seen of it."""
        self.require_query(principal, *table.key)
        protection = self.protection_of(table, principal)
        if protection is None:
            return table.physical
        protection.refuse(item.name for item in fields)
        space = self.namespace(principal, None)
        rows = protection.relation(partial(filter_sql, space, table), space.salt, fields)
        return f"({rows}) AS {ALIAS}"


def chosen_fields(fields: tuple[Field, ...], columns: Sequence[str]) -> tuple[Field, ...]:
    """Give the fields that are named, in the table's order; refuse a name that is none."""
    if not columns:
        return fields
    wanted = {name.lower() for name in columns}
    unknown = wanted - {item.name.lower() for item in fields}
    if unknown:
        raise BigQueryError(
            "invalid", f"The following selected fields do not exist in the table schema: {', '.join(sorted(unknown))}"
        )
    return tuple(item for item in fields if item.name.lower() in wanted)


def select_list(fields: tuple[Field, ...]) -> str:
    """Give the DuckDB select list that reads fields; a NULL array is empty in BigQuery."""
    return (
        ", ".join(
            f"coalesce({quote(item.name)}, []::{duckdb_type(item)}) AS {quote(item.name)}"
            if item.is_repeated
            else quote(item.name)
            for item in fields
        )
        or "1 AS nothing"
    )

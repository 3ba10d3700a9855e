"""Table references of a statement: each is resolved in the catalog and replaced by what holds its rows.

This is the one place where a name becomes data: views are put in as subqueries here, and a table of
which the reader may not see everything becomes the query of what he may (`rows` of the node's meta,
written out by `translate.generate`): no part of a statement ever names the table itself.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from athena_lab.emulator.catalog import State, Table
from athena_lab.emulator.faults import BigQueryError, dataset_not_found, invalid_query, table_not_found, unsupported
from athena_lab.emulator.policies.authorization import Authorization, Part
from athena_lab.emulator.policies.protection import Protect, Protection
from athena_lab.emulator.results import Result
from athena_lab.emulator.sql.parse import parse_statement
from athena_lab.emulator.sql.pruning import Reader
from athena_lab.emulator.sql.pseudo import (
    PARTITION_TIME,
    TABLE_SUFFIX,
    is_by_ingestion,
    mentions,
    put_in_pseudo_columns,
)
from athena_lab.emulator.sql.scans import Scan
from athena_lab.emulator.sql.stored import put_in_functions, table_function
from athena_lab.emulator.sql.udfs import seclude
from athena_lab.emulator.sql.unnest import names_seen
from athena_lab.emulator.sql.unpivot import put_in_unpivots
from athena_lab.emulator.sql.wildcards import wildcard_query
from athena_lab.emulator.types import Field

_MAX_DEPTH = 16
_DATASET = re.compile(r"[\w-]{1,1024}")
_SCHEMA_VIEWS = "INFORMATION_SCHEMA."
_OF_PROJECT = (f"{_SCHEMA_VIEWS}SCHEMATA", f"{_SCHEMA_VIEWS}SCHEMATA_OPTIONS")
TEMPORARY = ("_script", "_session")
"""How the names of hidden datasets begin."""
ANONYMOUS = "_anon"
"""How the names of the datasets of users' own results begin."""


@dataclass(slots=True)
class Sources:
    """What a statement reads: DuckDB names with their BigQuery columns, and which tables they are."""

    columns: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    """Results that are read by name; registered with the connection under that name."""
    referenced: list[dict[str, str]] = field(default_factory=list)
    schema_views: int = 0
    """How many views of INFORMATION_SCHEMA are read: each costs the least that a query can."""
    protections: dict[str, Protection] = field(default_factory=dict)
    """By name: of which tables the reader sees only a part."""
    scans: list[Scan] = field(default_factory=list)
    """Each reading of a table, once the statement is resolved; their conditions' constants are in `reader`."""
    reader: Reader = field(default_factory=Reader)

    is_past: bool = False
    """Whether a table is read as it was at some moment."""

    @property
    def is_volatile(self) -> bool:
        """Whether the same text gives other values the next time."""
        return self.is_past or any(item.is_volatile for item in self.protections.values())


Given = tuple[Mapping[str, Field], Mapping[str, Any]]
Past = Callable[[tuple[str, str], exp.Expression, Given], Table]


def _no_past() -> Table:
    raise unsupported("FOR SYSTEM_TIME AS OF here")


@dataclass(frozen=True, slots=True)
class Namespace:
    """Where names are looked up: the catalog's state, the default dataset, the caller's own results."""

    state: State
    project: str
    location: str
    default_dataset: str | None
    find_result: Callable[[str, str], Result | None]
    schema_view: Callable[[State, str, str], Result | None]
    protect: Protect
    filter_sql: Callable[[Namespace, Table, str], str]
    viewer: tuple[str, ...]
    """Who reads: what is prepared for one reader is not another's."""
    session_user: str
    authorization: Authorization
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    """Of random hashes: another one for each statement."""
    past: Past = field(default=lambda *_: _no_past())
    """Gives a table as it was."""
    given: Given = ({}, {})
    """The statement's parameters and variables: their types, their values."""
    nested: int = 0
    temporary: str | None = None
    """The hidden dataset of a script's or session's temporary tables."""
    anonymous: str = ""
    """The reader's own dataset of results."""

    def require(self, permission: str, dataset: str, table: str | None = None) -> None:
        """Refuse what the reader may not do; of others' hidden datasets he may not even know."""
        if dataset.startswith((*TEMPORARY, ANONYMOUS)):
            if dataset not in (self.temporary, self.anonymous):
                raise dataset_not_found(self.project, dataset, self.location)
            return  # his own
        self.authorization.require(self.state, permission, dataset, table)


class References:
    """Replaces the table references of one statement."""

    def __init__(self, space: Namespace, reader: Part | None = None) -> None:
        self.space, self.sources = space, Sources()
        self.reader = reader
        """The view or routine within which the references stand."""
        self.hidden: set[str] = set()
        """Columns for pseudo columns that the statement names."""

    def replace(self, tree: exp.Expression, depth: int = 0) -> None:
        """Replace every reference below `tree`, which must not itself be one."""
        if depth > _MAX_DEPTH:
            raise invalid_query("A view is nested too deeply, or refers to itself.")
        put_in_functions(tree, self.space, self.reader)
        seclude(tree, self.space.salt)
        put_in_unpivots(tree)
        self.hidden |= mentions(tree)
        for node in list(tree.find_all(exp.Table)):
            if node.this is None or self._is_local(node):
                continue
            if not isinstance(node.this, exp.Identifier):
                query = table_function(node, self.space, self.reader)
                self.replace(query, depth + 1)
                self._put_query(node, query, node.alias or node.this.name)
                continue
            if self._is_array(node):
                self._unnest(node)
                continue
            self._replace_one(node, depth)
        self._shorten_columns(tree)
        if self.hidden:
            put_in_pseudo_columns(tree)
        for node in list(tree.find_all(exp.SessionUser, exp.CurrentUser)):
            node.replace(exp.Literal.string(self.space.session_user))

    def lookup(self, node: exp.Table) -> Table:
        """Give the stored table that a DML or DDL statement names; refuse anything else."""
        dataset, name = self.name_of(node)
        self._refuse_hidden(dataset, name)
        found = self.space.state.tables.get((dataset, name))
        if found is None:
            raise self._not_found(dataset, name)
        return found

    def _refuse_hidden(self, dataset: str, name: str) -> None:
        """Temporary tables are their script's or session's alone, results their owner's."""
        if dataset.startswith((*TEMPORARY, ANONYMOUS)) and dataset not in (self.space.temporary, self.space.anonymous):
            raise self._not_found(dataset, name)

    def name_of(self, node: exp.Table) -> tuple[str, str]:
        """Give (dataset, table) of a reference; refuse another project."""
        parts = [part.name for part in node.parts]
        if len(parts) == 1 and parts[0].upper() in _OF_PROJECT:
            return f"region-{self.space.location.lower()}", parts[0]
        if len(parts) == 1 and "." in parts[0]:
            parts = parts[0].split(".")
        name = parts[-1]
        if len(parts) == 1:
            if self.space.temporary is not None and (self.space.temporary, name) in self.space.state.tables:
                return self.space.temporary, name
            if self.space.default_dataset is None:
                raise invalid_query(
                    f'Table "{name}" must be qualified with a dataset (e.g. dataset.table){_place(node.this)}.'
                )
            return self.space.default_dataset, name
        if not _DATASET.fullmatch(parts[-2]):
            raise BigQueryError(
                "invalid",
                f'Invalid dataset ID "{parts[-2]}". Dataset IDs must be alphanumeric (plus underscores and dashes) and '
                "must be at most 1024 characters long.",
            )
        project = ".".join(parts[:-2])
        if project and project != self.space.project:
            raise BigQueryError(
                "accessDenied", f"Access Denied: Project {project}: this warehouse has only {self.space.project}."
            )
        return parts[-2], name

    def _replace_one(self, node: exp.Table, depth: int) -> None:
        dataset, name = self.name_of(node)
        self._refuse_hidden(dataset, name)
        alias = node.alias or name.rpartition(".")[2]
        version = node.args.get("version")
        if version is not None:
            self._put_past(node, (dataset, name), alias, depth)
            return
        if name.upper().startswith(_SCHEMA_VIEWS) or name == "__TABLES__":
            if dataset == self.space.project and dataset not in self.space.state.datasets:
                dataset = f"region-{self.space.location.lower()}"  # project.INFORMATION_SCHEMA
            found = self.space.schema_view(self.space.state, dataset, name.upper().removeprefix(_SCHEMA_VIEWS))
            if found is None:
                raise self._not_found(dataset, name)
            self.sources.schema_views += 1
            self._put(node, self._result_name(found), alias, found.fields)
            return
        if name.endswith("*"):
            self._put_wildcard(node, dataset, name, depth)
            return
        result = self.space.find_result(dataset, name)
        if result is not None:
            self._put(node, self._result_name(result), alias, result.fields)
            return
        self._require_query(node, dataset, name)
        table = self.space.state.tables.get((dataset, name))
        if table is None:
            raise self._not_found(dataset, name)
        self._refer(dataset, name, depth)
        if table.view is not None:
            self._put_view(node, table, alias, depth)
            return
        self._put_rows(node, table, alias)

    def _put_past(self, node: exp.Table, key: tuple[str, str], alias: str, depth: int) -> None:
        """Put in a table as it was (FOR SYSTEM_TIME AS OF)."""
        self._require_query(node, *key)
        table = self.space.past(key, node.args["version"].expression, self.space.given)
        self._refer(*key, depth)
        self.sources.is_past = True
        node.set("version", None)
        self._put_rows(node, table, alias)

    def _refer(self, dataset: str, name: str, depth: int) -> None:
        reference = {"projectId": self.space.project, "datasetId": dataset, "tableId": name}
        if depth == 0 and reference not in self.sources.referenced:
            self.sources.referenced.append(reference)

    def _require_query(self, node: exp.Table, dataset: str, name: str) -> None:
        """Refuse what the reader may not read; of a DML statement's target that is checked in dml.py."""
        if not node.meta.get("is_target"):
            reader = node.meta.get("reader") or self.reader
            self.space.authorization.require_query(self.space.state, dataset, name, reader)

    def _put_rows(self, node: exp.Table, table: Table, alias: str) -> None:
        """Put in a table, or what may be seen of it (the target of a DML statement itself: see dml.py)."""
        protection = None if node.meta.get("is_target") else self.space.protect(table)
        is_dated = PARTITION_TIME in self.hidden and is_by_ingestion(table.resource)
        fields = table.fields + ((Field(PARTITION_TIME, "TIMESTAMP"),) if is_dated else ())
        is_past = table.physical.startswith("(")
        name = f"past_{len(self.sources.tables)}" if is_past else table.physical
        if protection is None:
            self.sources.tables[name] = table
            self._put(node, name, alias, fields)
            if is_past:
                node.meta["rows"] = table.physical
            return
        name = f"seen_{name}"
        self.sources.tables[name], self.sources.protections[name] = table, protection
        self._put(node, name, alias, fields)
        translate = partial(self.space.filter_sql, self.space, table)
        node.meta["rows"] = protection.relation(translate, self.space.salt, fields)

    def _put_wildcard(self, node: exp.Table, dataset: str, name: str, depth: int) -> None:
        """Put in the tables of a wildcard."""
        self._require_query(node, dataset, name)
        query = wildcard_query(
            [table for key, table in self.space.state.tables.items() if key[0] == dataset],
            f"{self.space.project}:{dataset}.{name}",
            node.find_ancestor(exp.Select),
            has_suffix=TABLE_SUFFIX in self.hidden,
        )
        inner = References(self.space, node.meta.get("reader") or self.reader)
        inner.sources = self.sources
        inner.replace(query, depth)
        self._put_query(node, query, node.alias or name)

    def _put(self, node: exp.Table, physical: str, alias: str, fields: tuple[Field, ...]) -> None:
        self.sources.columns[physical] = fields
        node.meta["placed"] = True
        node.set("this", exp.to_identifier(physical, quoted=True))
        node.set("db", None)
        node.set("catalog", None)
        if not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))

    def _put_view(self, node: exp.Table, table: Table, alias: str, depth: int) -> None:
        query = parse_statement(table.view or "")
        if not isinstance(query, exp.Query):
            raise invalid_query(f"View {table.dataset}.{table.name} is not a query.")
        inner = References(self.space, ("view", table.dataset, table.name))
        inner.sources = self.sources
        inner.replace(query, depth + 1)
        self._put_query(node, query, alias)

    def _put_query(self, node: exp.Table, query: exp.Query, alias: str) -> None:
        made = exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
        for key in ("joins", "pivots", "sample"):
            made.set(key, node.args.get(key))
        node.replace(made)

    def _result_name(self, result: Result) -> str:
        name = f"r{id(result)}"
        self.sources.results[name] = result
        return name

    def _not_found(self, dataset: str, name: str) -> BigQueryError:
        if dataset not in self.space.state.datasets:
            return dataset_not_found(self.space.project, dataset, self.space.location)
        return table_not_found(self.space.project, dataset, name, self.space.location)

    def _is_local(self, node: exp.Table) -> bool:
        """Tell whether a name is that of a WITH clause around it, and visible where it stands."""
        if node.args.get("db") is not None:
            return False
        below: Any = node
        at: Any = node.parent
        while at is not None:
            clause = at.args.get("with_") if isinstance(at, exp.Expression) else None
            if clause is not None and clause is not below and _names(clause.expressions, node.name):
                return True
            if isinstance(at, exp.With):
                before = at.expressions if at.args.get("recursive") else _until(at.expressions, below)
                if _names(before, node.name):
                    return True
            below, at = at, at.parent
        return False

    def _is_array(self, node: exp.Table) -> bool:
        """Tell whether `a.b` in FROM is the array b of the table a that stands before it."""
        select = node.find_ancestor(exp.Select)
        if node.args.get("db") is None or node.args.get("catalog") is not None or select is None:
            return False
        names: set[str] = set()
        while select is not None:  # the table may stand in a query around
            tables = (item for item in select.find_all(exp.Table, exp.Unnest) if item is not node)
            names |= {name for item in tables for name in names_seen(item)}
            select = select.find_ancestor(exp.Select)
        key = (node.args["db"].name, node.name)
        return node.args["db"].name.lower() in names and key not in self.space.state.tables

    def _unnest(self, node: exp.Table) -> None:
        column = exp.column(node.this.copy(), table=node.args["db"].copy())
        alias = exp.TableAlias(columns=[exp.to_identifier(node.alias)]) if node.alias else None
        node.replace(exp.Unnest(expressions=[column], alias=alias, joins=node.args.get("joins")))

    def _shorten_columns(self, tree: exp.Expression) -> None:
        """`dataset.table.column` becomes `table.column`."""
        known = {(item["datasetId"], item["tableId"]) for item in self.sources.referenced}
        for column in tree.find_all(exp.Column):
            database = column.args.get("db")
            if database is not None and (database.name, column.table) in known:
                column.set("db", None)
                column.set("catalog", None)


def _until(clauses: list[exp.Expression], last: exp.Expression) -> list[exp.Expression]:
    return clauses[: next(index for index, item in enumerate(clauses) if item is last)]


def _names(clauses: list[exp.Expression], name: str) -> bool:
    return any(item.alias.lower() == name.lower() for item in clauses)


def refuse_strays(tree: exp.Expression) -> None:
    """Refuse a table that was not put in above and is no WITH clause either: nothing else may be read."""
    strays = {id(node) for node in tree.find_all(exp.Table) if not node.meta.get("placed")}
    if not strays:
        return
    for scope in traverse_scope(tree):
        strays -= {id(node) for node, source in scope.selected_sources.values() if not isinstance(source, exp.Table)}
    if strays:
        name = next(node.name for node in tree.find_all(exp.Table) if id(node) in strays)
        raise invalid_query(f'Table "{name}" must be qualified with a dataset (e.g. dataset.table).')


def check_access(resolved: exp.Expression, sources: Sources, read: frozenset[tuple[str, str]]) -> None:
    """Refuse a statement that reads a column of which the reader may see nothing, be it as a part of a row."""
    for name, protection in sources.protections.items():
        protection.refuse(path for physical, path in read if physical == name)
        if protection.denied() and resolved.find(exp.TableColumn):
            protection.refuse(protection.denied())


def _place(identifier: exp.Expression) -> str:
    line, column = identifier.meta.get("line"), identifier.meta.get("col")
    return f" at [{line}:{column - len(identifier.name) + 1}]" if line and column else ""

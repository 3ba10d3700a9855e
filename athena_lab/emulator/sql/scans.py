"""What a resolved statement reads of each table: columns, and the condition that partitions must let through.

Conditions are followed from WHERE and ON into views, subqueries, WITH clauses and the parts of unions, and
along equalities between columns, as far as they cannot change what a query answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from athena_lab.emulator.catalog import Table
from athena_lab.emulator.faults import BigQueryError, invalid_query
from athena_lab.emulator.sql.pruning import Condition, Reader, Together, is_filter
from athena_lab.emulator.sql.pseudo import PARTITION_TIME

_OUTPUT = "athena_output"
"""Stands in conditions for the table that a query's result is; its columns are named by their places."""
_TEMPORAL = ("DATE", "DATETIME", "TIMESTAMP")
_BLIND = (exp.Is, exp.Coalesce, exp.If, exp.Case)
"""What may be true of a row that an outer join made up."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One reading of a table: by its name among the sources, paths of columns, the condition on its partitions."""

    source: str
    paths: frozenset[str]
    condition: Condition | None = None
    is_copied: bool = False
    """Whether the rows are only copied (CLONE), for which no filter is required."""

    @property
    def is_filtered(self) -> bool:
        """Whether the condition can exclude partitions."""
        return is_filter(self.condition)


@dataclass(frozen=True, slots=True)
class _Known:
    """A condition known to hold of the rows of some sources (None: of all); `is_outer` if it came from above."""

    node: exp.Expression
    aliases: frozenset[str] | None = None


def partition_column(table: Table) -> str | None:
    """Give the lower-case name of the column by which a table is partitioned."""
    by_time, by_range = table.resource.get("timePartitioning"), table.resource.get("rangePartitioning")
    if not by_time:
        return str(by_range["field"]).lower() if by_range else None
    name = str(by_time.get("field") or PARTITION_TIME).lower()
    kind = next((item.type for item in table.fields if item.name.lower() == name), "TIMESTAMP")
    return name if kind in _TEMPORAL else None


def requires_filter(table: Table) -> bool:
    """Tell whether a table may only be read with a filter on its partitions."""
    if partition_column(table) is None:
        return False
    by_time = table.resource.get("timePartitioning") or {}
    return bool(table.resource.get("requirePartitionFilter") or by_time.get("requirePartitionFilter"))


def no_filter(table: Table) -> BigQueryError:
    """Say in BigQuery's words that a filter on the partitions is missing."""
    by_time = table.resource.get("timePartitioning") or {}
    by_range = table.resource.get("rangePartitioning") or {}
    column = by_time.get("field") or by_range.get("field")
    names = f"'{column}'" if column else "'_PARTITION_LOAD_TIME', '_PARTITIONDATE', '_PARTITIONTIME'"
    return invalid_query(
        f"Cannot query over table '{table.dataset}.{table.name}' without a filter over column(s) {names} that can be "
        "used for partition elimination"
    )


def scans_of(query: exp.Expression, tables: Mapping[str, Table], reader: Reader) -> list[Scan]:
    """Give the scans of a resolved query (its projections pushed down); constants are kept in `reader`."""
    scopes = traverse_scope(query)
    if not scopes:
        return []
    walk = _Walk(tables, reader)
    walk.visit(scopes[-1], [])
    for scope in scopes:
        if id(scope.expression) not in walk.seen and not _is_unused(scope, walk.seen):
            walk.visit(scope, [])
    return walk.found


def path_of(column: exp.Column) -> str:
    """Give the path of a column or of the field of a struct that is read: "column.field", in lower case."""
    path, node = [column.name.lower()], column
    while (
        isinstance(node.parent, exp.Dot)
        and node.parent.this is node
        and isinstance(node.parent.expression, exp.Identifier)
    ):
        node = node.parent
        path.append(node.expression.name.lower())
    return ".".join(path)


def _is_unused(scope: Scope, seen: set[int]) -> bool:
    """Tell whether a scope is, or is part of, a WITH clause that nothing reads, or no query at all."""
    at: Scope | None = scope
    while at is not None:
        if (at.is_cte and id(at.expression) not in seen) or at.is_udtf:
            return True
        at = at.parent
    return False


class _Walk:
    """Goes through the scopes of a statement from the outside in."""

    def __init__(self, tables: Mapping[str, Table], reader: Reader) -> None:
        self.tables, self.reader = tables, reader
        self.found: list[Scan] = []
        self.seen: set[int] = set()
        self._open: list[int] = []

    def visit(self, scope: Scope, given: list[exp.Expression]) -> None:
        """Visit a scope; `given` are conditions on its output that whoever reads it adds."""
        if id(scope.expression) in self._open:
            return  # a recursive WITH clause
        self.seen.add(id(scope.expression))
        self._open.append(id(scope.expression))
        try:
            if isinstance(scope.expression, exp.Select):
                self._visit_select(scope, scope.expression, given)
            else:
                is_cut = bool(scope.expression.args.get("limit") or scope.expression.args.get("offset"))
                for part in scope.set_operation_scopes:
                    self.visit(part, [] if is_cut or isinstance(scope.expression, exp.Except) else given)
            for inner in (*scope.subquery_scopes, *scope.udtf_scopes):
                self.visit(inner, [])
        finally:
            self._open.pop()

    def _visit_select(self, scope: Scope, select: exp.Select, given: list[exp.Expression]) -> None:
        known = [*_own(select), *(_Known(node) for node in _below(select, given))]
        known += _equal(known)
        nullable = _nullable(select)
        for alias, (node, source) in scope.selected_sources.items():
            usable = [
                item.node
                for item in known
                if (item.aliases is None or alias in item.aliases)
                and not (alias in nullable and item.aliases is None and item.node.find(*_BLIND))
            ]
            if isinstance(source, Scope):
                self.visit(source, list(_onto(usable, alias, source)))
            elif isinstance(source, exp.Table) and source.name in self.tables:
                self._scan(scope, alias, source, usable, is_copied=bool(node.meta.get("is_copied")))

    def _scan(
        self, scope: Scope, alias: str, source: exp.Table, usable: list[exp.Expression], *, is_copied: bool
    ) -> None:
        table = self.tables[source.name]
        paths = {path_of(column) for column in scope.columns if column.table == alias}
        if any(column.name == alias for column in scope.find_all(exp.TableColumn)):
            paths |= {item.name.lower() for item in table.fields}
        column = partition_column(table)

        def is_column(node: exp.Column) -> bool:
            return bool(node.name.lower() == column and node.table == alias)

        parts = []
        for node in usable:
            tables = {item.table for item in node.walk(prune=_is_query) if isinstance(item, exp.Column)}
            if tables <= {alias} and (column is not None or not tables):
                parts.append(self.reader.read(node, is_column))
        condition = Together(tuple(parts), is_all=True) if parts else None
        self.found.append(Scan(source.name, frozenset(paths), condition, is_copied))


def _is_query(node: exp.Expression) -> bool:
    return isinstance(node, exp.Query)


def _conjuncts(node: Any) -> Iterator[exp.Expression]:
    if isinstance(node, exp.Where | exp.Paren):
        yield from _conjuncts(node.this)
    elif isinstance(node, exp.And):
        yield from _conjuncts(node.this)
        yield from _conjuncts(node.expression)
    elif isinstance(node, exp.Expression):
        yield node


def _own(select: exp.Select) -> list[_Known]:
    """Give the conditions of WHERE and ON, with the sources of whose rows they hold."""
    found = [_Known(node) for node in _conjuncts(select.args.get("where"))]
    before = {_from_alias(select)}
    for join in select.args.get("joins") or ():
        alias = join.alias_or_name
        aliases = {"LEFT": frozenset({alias}), "RIGHT": frozenset(before), "FULL": frozenset()}.get(join.side.upper())
        found += [_Known(node, aliases) for node in _conjuncts(join.args.get("on"))]
        before.add(alias)
    return found


def _from_alias(select: exp.Select) -> str:
    clause = select.args.get("from_")
    return "" if clause is None else str(clause.alias_or_name)


def _nullable(select: exp.Select) -> set[str]:
    """Give the sources whose rows may be made up by an outer join."""
    found: set[str] = set()
    before = {_from_alias(select)}
    for join in select.args.get("joins") or ():
        side = join.side.upper()
        found |= {join.alias_or_name} if side in ("LEFT", "FULL") else set()
        found |= before if side in ("RIGHT", "FULL") else set()
        before.add(join.alias_or_name)
    return found


def _equal(known: list[_Known]) -> list[_Known]:
    """Give what conditions say of other columns that are equal to theirs."""
    pairs = [
        (item.node.this, item.node.expression)
        for item in known
        if item.aliases is None
        and isinstance(item.node, exp.EQ)
        and isinstance(item.node.this, exp.Column)
        and isinstance(item.node.expression, exp.Column)
    ]
    made: list[_Known] = []
    seen: set[str] = set()
    waiting = [item.node for item in known if item.aliases is None] if pairs else []
    while waiting:
        node = waiting.pop()
        columns = {(column.table, column.name) for column in node.find_all(exp.Column)}
        for one, two in (*pairs, *((right, left) for left, right in pairs)):
            if columns != {(one.table, one.name)}:
                continue
            new = _substituted(node, lambda _, two=two: two)
            if new is not None and new.sql() not in seen:
                seen.add(new.sql())
                made.append(_Known(new))
                waiting.append(new)
    return made


def _substituted(node: exp.Expression, find: Any) -> exp.Expression | None:
    """Give a condition with every column replaced by what `find` gives; None where it gives nothing."""
    holder = exp.Paren(this=node.copy())
    for column in list(holder.find_all(exp.Column)):
        found = find(column)
        if found is None:
            return None
        column.replace(found.copy())
    made: exp.Expression = holder.this
    return made


def _onto(usable: list[exp.Expression], alias: str, source: Scope) -> Iterator[exp.Expression]:
    """Give conditions on a query's output, its columns named by their places."""
    names = {name.lower(): index for index, name in enumerate(source.expression.named_selects)}

    def place(column: exp.Column) -> exp.Expression | None:
        index = names.get(column.name.lower()) if column.table == alias else None
        return None if index is None else exp.column(str(index), table=_OUTPUT)

    for node in usable:
        made = _substituted(node, place)
        if made is not None:
            yield made


def _below(select: exp.Select, given: list[exp.Expression]) -> Iterator[exp.Expression]:
    """Give what conditions on a query's output say of the rows that it reads."""
    cut = any(select.args.get(key) for key in ("limit", "offset", "qualify"))
    if cut or any(item.find(exp.Window) for item in select.selects):
        return
    selects = select.selects

    def origin(column: exp.Column) -> exp.Expression | None:
        if column.table != _OUTPUT or int(column.name) >= len(selects):
            return None
        found: exp.Expression = selects[int(column.name)].unalias()
        return None if found.find(exp.AggFunc) else exp.Paren(this=found)

    for node in given:
        made = _substituted(node, origin)
        if made is not None:
            yield made

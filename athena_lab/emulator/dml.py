"""INSERT, UPDATE, DELETE, MERGE and TRUNCATE: resolved through a SELECT, planned (dml_plans.py runs them)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlglot import exp

from athena_lab.emulator.assignments import assigned, columns_of, path_of, put_in_defaults, spell_row
from athena_lab.emulator.catalog import Table
from athena_lab.emulator.dml_plans import Plan
from athena_lab.emulator.estimates import read_bytes
from athena_lab.emulator.faults import BigQueryError, invalid_query, unsupported
from athena_lab.emulator.limits import limited
from athena_lab.emulator.physical import NOW, SINCE
from athena_lab.emulator.policies.protection import Protection, require_all_rows, require_raw
from athena_lab.emulator.policies.roles import GET_DATA, UPDATE_DATA
from athena_lab.emulator.select import Preparer, without_nulls
from athena_lab.emulator.sql.pseudo import PARTITION_TIME, partition_unit
from athena_lab.emulator.sql.references import Namespace, References, check_access
from athena_lab.emulator.sql.resolve import columns_read, resolve
from athena_lab.emulator.sql.rules import apply_rules
from athena_lab.emulator.sql.translate import bind_names, bind_parameters, generate
from athena_lab.emulator.sql.unnest import straighten_unnests
from athena_lab.emulator.sql.values import written_value
from athena_lab.emulator.types import Field, duckdb_type, quote
from athena_lab.emulator.warehouse import Warehouse
from athena_lab.emulator.writing import Source


def plan(
    warehouse: Warehouse,
    preparer: Preparer,
    statement: exp.Expression,
    space: Namespace,
    parameters: tuple[Mapping[str, Field], Mapping[str, Any]],
) -> Plan:
    """Translate a DML statement; refuse what is wrong before anything runs."""
    builder = _Builder(warehouse, preparer, replace(space, given=parameters), *parameters)
    bind_parameters(statement, parameters[0])
    makers = {
        exp.Insert: builder.insert,
        exp.Update: builder.update,
        exp.Delete: builder.delete,
        exp.Merge: builder.merge,
        exp.TruncateTable: builder.truncate,
    }
    return makers[type(statement)](statement)


class _Builder:
    """Makes the plan of one statement."""

    def __init__(
        self,
        warehouse: Warehouse,
        preparer: Preparer,
        space: Namespace,
        types: Mapping[str, Field],
        values: Mapping[str, Any],
    ) -> None:
        self.warehouse, self.preparer, self.space = warehouse, preparer, space
        self.types, self.values = types, values
        self.references = References(space)
        self._hidden: Protection | None = None
        self._changed: Table | None = None
        self._alias = ""

    def insert(self, statement: exp.Insert) -> Plan:
        node = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
        target = self._target(node)
        named = [item.name for item in statement.this.expressions] if isinstance(statement.this, exp.Schema) else []
        columns = self._columns(target, named)
        query = statement.expression
        if isinstance(query, exp.Values):
            query = self._rows(query, columns)
        if not isinstance(query, exp.Query):
            raise unsupported("INSERT without VALUES or a query")
        prepared = self.preparer.prepare(query, self.space, self.types, self.values)
        if len(prepared.fields) != len(columns):
            raise invalid_query(
                f"Inserted row has wrong column count; Has {len(prepared.fields)}, expected {len(columns)}"
            )
        source = Source(prepared.shaped(columns), columns, prepared.parameters(self.values), prepared.arrow())
        missing = self._missing(target, columns)
        if missing:
            values = ", ".join(self._default_texts(missing))
            source = replace(source, sql=f"SELECT *, {values} FROM ({source.sql})", fields=columns + missing)  # noqa: S608
        if any(item.name == PARTITION_TIME for item in columns):
            source = _dated(source, target)
        sources = prepared.translation.sources
        read = read_bytes(self.warehouse, sources, self.values)
        return Plan("INSERT", target, sources.referenced, read, [], {}, self.references, source=source)

    def delete(self, statement: exp.Delete) -> Plan:
        node, where = statement.this, statement.args.get("where")
        if where is None:
            raise invalid_query("DELETE must have a WHERE clause")
        target = self._target(node)
        select = exp.Select(expressions=[exp.Literal.number(1)]).from_(node.copy())
        select.set("where", where.copy())
        resolved = self._resolved(select)
        condition = generate(resolved.args["where"].this)
        alias = _alias(node)
        if resolved.find(exp.Rand, exp.Uuid) is None:
            sql = f"DELETE FROM {target.physical} AS {alias} WHERE {condition}"  # noqa: S608 (translated)
            return self._plan("DELETE", target, [sql], archiving=(alias, condition))
        chosen = f"{alias}.rowid IN (FROM athena_chosen)"  # chance decides once
        choose = f"CREATE OR REPLACE TEMP TABLE athena_chosen AS SELECT {alias}.rowid AS id"
        sql = f"DELETE FROM {target.physical} AS {alias} WHERE {chosen}"  # noqa: S608 (our own names)
        made = self._plan("DELETE", target, [sql], archiving=(alias, chosen))
        made.choosing = f"{choose} FROM {target.physical} AS {alias} WHERE {condition}"
        return made

    def truncate(self, statement: exp.TruncateTable) -> Plan:
        target = self._target(statement.expressions[0])
        return self._plan("TRUNCATE_TABLE", target, [])

    def update(self, statement: exp.Update) -> Plan:
        node, where = statement.this, statement.args.get("where")
        if where is None:
            raise invalid_query("UPDATE must have a WHERE clause")
        target = self._target(node)
        put_in_defaults(target, statement)
        paths = [path_of(target, item, node.alias_or_name) for item in statement.expressions]
        select = exp.Select(
            expressions=[
                exp.alias_(item.expression.copy(), f"s{index}") for index, item in enumerate(statement.expressions)
            ]
        ).from_(node.copy())
        others = statement.args.get("from_")
        if others is not None:
            select.append("joins", exp.Join(this=others.this.copy()))
        select.set("where", where.copy())
        resolved = self._resolved(select)
        values = [_text(item) for item in resolved.selects]
        sets = assigned(target, _alias(node), zip(paths, values, strict=True))
        condition = generate(resolved.args["where"].this)
        joined = [generate(item.this) for item in resolved.args.get("joins") or ()]
        source = f" FROM {', '.join(joined)}" if joined else ""
        alias = _alias(node)
        sql = f"UPDATE {target.physical} AS {alias} SET {sets}, {SINCE} = {NOW}{source} WHERE {condition}"  # noqa: S608
        if not joined:
            return self._plan("UPDATE", target, [sql], archiving=(alias, condition))
        tables = ", ".join([f"{target.physical} AS {alias}", *joined])
        made = self._plan("UPDATE", target, [sql], archiving=(alias, _matching(alias, tables, condition)))
        made.check = _twice(alias, tables, condition)
        return made

    def merge(self, statement: exp.Merge) -> Plan:
        node, using = statement.this, statement.args["using"]
        target = self._target(node)
        for when in statement.args["whens"].expressions:
            spell_row(target, when.args["then"], using.alias_or_name)
            put_in_defaults(target, when.args["then"])
        both: list[exp.Expression] = []
        only_source: list[exp.Expression] = []
        for when in statement.args["whens"].expressions:
            for item in _merge_expressions(when):
                (both if when.args.get("matched") or when.args.get("source") else only_source).append(item)
        on = exp.Where(this=statement.args["on"].copy())
        select = _select_of(both).from_(node.copy())
        select.append("joins", exp.Join(this=using.copy(), kind="CROSS"))
        select.set("where", on)
        resolved = self._resolved(select)
        source_select = self._resolved(_select_of(only_source).from_(using.copy()))
        matched = iter(resolved.selects)
        unmatched = iter(source_select.selects)
        clauses, whens = [], statement.args["whens"].expressions
        changing: list[tuple[bool, str]] = []
        for when in whens:
            pool = matched if when.args.get("matched") or when.args.get("source") else unmatched
            texts = [_text(next(pool)) for _ in _merge_expressions(when)]
            clauses.append(self._clause(target, node, when, texts))
            if not isinstance(when.args["then"], exp.Insert):
                condition = texts[0] if when.args.get("condition") is not None else "true"
                changing.append((bool(when.args.get("matched")), condition))
        condition = generate(resolved.args["where"].this)
        source = generate(resolved.args["joins"][0].this)
        head = f"MERGE INTO {target.physical} AS {_alias(node)} USING {source} ON {condition}"
        sql = " ".join([head, *clauses, "RETURNING merge_action"])
        made = self._plan("MERGE", target, [sql], archiving=_merged(target, _alias(node), source, condition, changing))
        if any(when.args.get("matched") for when in whens):
            made.check = _twice(_alias(node), f"{target.physical} AS {_alias(node)}, {source}", condition)
        return made

    def _clause(self, target: Table, node: exp.Table, when: exp.Expression, texts: list[str]) -> str:
        head = "WHEN MATCHED" if when.args.get("matched") else "WHEN NOT MATCHED"
        if when.args.get("source"):
            head += " BY SOURCE"
        rest = list(texts)
        if when.args.get("condition") is not None:
            head += f" AND {rest.pop(0)}"
        then = when.args["then"]
        if isinstance(then, exp.Var):
            return f"{head} THEN DELETE"
        if isinstance(then, exp.Update):
            paths = [path_of(target, item, node.alias_or_name) for item in then.expressions]
            sets = assigned(target, _alias(node), zip(paths, rest, strict=True))
            return f"{head} THEN UPDATE SET {sets}, {SINCE} = {NOW}"
        named = [item.name for item in then.this.expressions] if then.this is not None else []
        fields = self._columns(target, named)
        missing = self._missing(target, fields)
        columns = ", ".join(quote(item.name) for item in fields + missing)
        rest = [without_nulls(limited(text, item), item) for text, item in zip(rest, fields, strict=True)]
        return f"{head} THEN INSERT ({columns}) VALUES ({', '.join(rest + self._default_texts(missing))})"  # noqa: S608

    # -- parts

    def _target(self, node: exp.Expression) -> Table:
        if not isinstance(node, exp.Table):
            raise unsupported("DML on anything but a table")
        self.space.require(UPDATE_DATA, *self.references.name_of(node))
        table = self.references.lookup(node)
        if table.view is not None:
            raise BigQueryError("invalidQuery", f"Cannot modify the view {table.dataset}.{table.name}", "query")
        if table.resource.get("snapshotDefinition"):
            raise invalid_query(f"{table.dataset}.{table.name} is a table snapshot, which cannot be modified.")
        node.meta["is_target"] = True  # its rows are changed where they lie; see _refuse_hidden
        if not isinstance(node.find_ancestor(exp.Insert), exp.Insert):
            self.space.require(GET_DATA, *table.key)
            protection = self.space.protect(table)
            require_all_rows(protection)
            self._hidden, self._changed = protection, table
            self._alias = (node.alias or node.name.rpartition(".")[2]).lower()
        return table

    def _refuse_hidden(self, resolved: exp.Expression) -> None:
        """Refuse to read a column of the target whose raw values the reader may not see."""
        if self._hidden is None or not self._hidden.masks:
            return
        if resolved.find(exp.TableColumn):
            require_raw(self._hidden)
        read = [item.name for item in resolved.find_all(exp.Column) if item.table.lower() in (self._alias, "")]
        require_raw(self._hidden, read)

    def _spell_rows(self, resolved: exp.Expression) -> None:
        """Write the target's whole row as its columns: DuckDB's own would be among them."""
        for node in list(resolved.find_all(exp.TableColumn)):
            if self._changed is not None and node.name.lower() == self._alias:
                parts = [
                    exp.PropertyEQ(
                        this=exp.to_identifier(item.name, quoted=True),
                        expression=exp.column(exp.to_identifier(item.name, quoted=True), table=node.this.copy()),
                    )
                    for item in self._changed.fields
                ]
                node.replace(exp.Struct(expressions=parts))

    def _columns(self, target: Table, names: list[str]) -> tuple[Field, ...]:
        known = columns_of(target)
        for name in names:
            if name.lower() not in known:
                raise invalid_query(f"Column {name} is not present in table {target.dataset}.{target.name}")
        return tuple(known[name.lower()] for name in names) or target.fields

    def _missing(self, target: Table, columns: tuple[Field, ...]) -> tuple[Field, ...]:
        """Give the columns that are not written, but have defaults."""
        names = {item.name for item in columns}
        return tuple(
            item for item in target.fields if item.name not in names and item.extras.get("defaultValueExpression")
        )

    def _default_texts(self, columns: tuple[Field, ...]) -> list[str]:
        if not columns:
            return []
        made = self._resolved(_select_of([written_value(exp.Var(this="DEFAULT"), item) for item in columns]))
        return [
            f"CAST({_text(item)} AS {duckdb_type(column)})" for item, column in zip(made.selects, columns, strict=True)
        ]

    def _rows(self, values: exp.Values, columns: tuple[Field, ...]) -> exp.Query:
        rows = [item.expressions if isinstance(item, exp.Tuple) else [item] for item in values.expressions]
        for row in rows:
            if len(row) != len(columns):
                raise invalid_query(f"Inserted row has wrong column count; Has {len(row)}, expected {len(columns)}")
        selects = [
            exp.Select(
                expressions=[
                    exp.alias_(written_value(item, column), f"v{index}")
                    for index, (item, column) in enumerate(zip(row, columns, strict=True))
                ]
            )
            for row in rows
        ]
        return _union_all(selects)

    def _resolved(self, select: exp.Select) -> exp.Select:
        self.references.replace(select)
        bind_names(select, self.references.sources, self.types)
        resolved = resolve(select, self.references.sources)
        self._refuse_hidden(resolved)
        self._spell_rows(resolved)
        paths = columns_read(resolved, self.references.sources)
        check_access(resolved, self.references.sources, paths)
        made = apply_rules(straighten_unnests(resolved))
        assert isinstance(made, exp.Select)  # noqa: S101 (a SELECT stays one)
        return made

    def _plan(
        self, kind: str, target: Table, statements: list[str], *, archiving: tuple[str, str] | None = None
    ) -> Plan:
        """Make the plan; whatever changes rows reads all columns of the partitions of the target that it scans.

        `archiving` is the alias of the target, and which rows are changed or removed.
        """
        sources = self.references.sources
        read = read_bytes(self.warehouse, sources, self.values, target if archiving else None, self._hidden)
        made = Plan(kind, target, sources.referenced, read, statements, dict(self.values), self.references)
        if archiving is not None:
            made.alias, made.archiving = archiving
        return made


def _dated(source: Source, target: Table) -> Source:
    """Put the time of ingestion, cut to the table's partitions, behind the other columns."""
    names = [f'"c{index}"' for index in range(len(source.fields))]
    pairs = list(zip(names, source.fields, strict=True))
    fields = tuple(item for _, item in pairs if item.name != PARTITION_TIME)
    unit = partition_unit(target.resource)
    moments = [f"date_trunc('{unit}', {name})" for name, item in pairs if item.name == PARTITION_TIME]
    values = [name for name, item in pairs if item.name != PARTITION_TIME] + moments
    sql = f"SELECT {', '.join(values)} FROM ({source.sql}) AS q({', '.join(names)})"  # noqa: S608 (translated)
    return replace(source, sql=sql, fields=fields, is_dated=True)


def _select_of(expressions: list[exp.Expression]) -> exp.Select:
    items = [exp.alias_(item.copy(), f"s{index}") for index, item in enumerate(expressions)]
    return exp.Select(expressions=items or [exp.alias_(exp.Literal.number(1), "s0")])


def _text(item: exp.Expression) -> str:
    """Write a value; a subquery's own name, which it was given while names were resolved, would be in the way."""
    value = item.unalias()
    if isinstance(value, exp.Subquery):
        value.set("alias", None)
    return generate(value)


def _merge_expressions(when: exp.Expression) -> list[exp.Expression]:
    """Give the expressions of a WHEN clause in order: its condition, then what is set or inserted."""
    found = [when.args["condition"]] if when.args.get("condition") is not None else []
    then = when.args["then"]
    if isinstance(then, exp.Update):
        return found + [item.expression for item in then.expressions]
    if isinstance(then, exp.Insert) and isinstance(then.expression, exp.Tuple):
        return found + list(then.expression.expressions)
    return found


def _merged(
    target: Table, alias: str, source: str, condition: str, changing: list[tuple[bool, str]]
) -> tuple[str, str] | None:
    """Tell which rows a MERGE changes or removes; `changing` are its clauses that do: whether matched, and if what."""
    both = f"{target.physical} AS {alias}, {source}"
    parts = [
        _matching(alias, both, f"({condition}) AND ({when})")
        if is_matched
        else f"(NOT EXISTS (SELECT 1 FROM {source} WHERE {condition}) AND ({when}))"  # noqa: S608 (translated)
        for is_matched, when in changing
    ]
    return (alias, " OR ".join(parts)) if parts else None


def _matching(alias: str, tables: str, condition: str) -> str:
    return f"{alias}.rowid IN (SELECT {alias}.rowid FROM {tables} WHERE {condition})"  # noqa: S608 (translated)


def _twice(alias: str, tables: str, condition: str) -> str:
    return f"SELECT 1 FROM {tables} WHERE {condition} GROUP BY {alias}.rowid HAVING count(*) > 1 LIMIT 1"  # noqa: S608


def _alias(node: exp.Expression) -> str:
    return quote(node.alias or node.name.rpartition(".")[2])


def _union_all(selects: list[exp.Select]) -> exp.Query:
    """Join many rows in a tree of small depth."""
    queries: list[exp.Query] = list(selects)
    while len(queries) > 1:
        queries = [
            exp.Union(this=queries[index], expression=queries[index + 1], distinct=False)
            if index + 1 < len(queries)
            else queries[index]
            for index in range(0, len(queries), 2)
        ]
    return queries[0]

"""Statements that change rows, planned: run in one transaction that keeps what they change as history."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from athena_lab.emulator.catalog import Change, State, Table
from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.physical import archive, has_past, keep_old_rows
from athena_lab.emulator.policies.protection import quotes_nothing
from athena_lab.emulator.sql.references import References
from athena_lab.emulator.warehouse import Warehouse
from athena_lab.emulator.writing import Source, Target, write


@dataclass(slots=True)
class Plan:
    """A statement that changes rows, ready to run, with what it reads."""

    kind: str
    target: Table
    referenced: list[dict[str, str]]
    read_bytes: int
    statements: list[str]
    """DuckDB's statements in order; the last one's count of rows is the number affected."""
    parameters: dict[str, Any]
    references: References
    check: str | None = None
    """A query that finds a row matched twice, which BigQuery refuses."""
    source: Source | None = None
    archiving: str | None = None
    """The condition, after `archive`'s FROM, of the rows that are changed or removed; they are kept as history."""
    alias: str = ""
    choosing: str | None = None
    """A statement that keeps the chosen rows' numbers aside before anything else."""
    actions: Mapping[str, int] = field(default_factory=dict)
    """After a MERGE: how many rows were inserted, updated and deleted (INSERT, UPDATE, DELETE)."""


def execute(warehouse: Warehouse, made: Plan, job: Job) -> int:
    """Run a plan; give the number of rows affected. All of it happens or nothing."""
    if made.source is not None:
        return write(warehouse, made.source, Target(made.target.dataset, made.target.name, takes_literals=True), job)

    def work(cursor: Any, state: State, change: Change) -> int:
        if state.tables.get(made.target.key) is not made.target:
            raise invalid_query(
                f"Table {made.target.dataset}.{made.target.name} was changed meanwhile. Run the statement again."
            )
        change.based_on[made.target.key] = made.target
        if made.kind == "TRUNCATE_TABLE":
            return _truncate(warehouse, cursor, change, made.target)
        change.written.append(made.target)
        change.rewritten.append(made.target)
        return _change_rows(cursor, made)

    return warehouse.catalog.transact(work, holder=job)


def _change_rows(cursor: Any, made: Plan) -> int:
    """Check that no row is matched twice, keep what is about to change as history, and change it."""

    def run(sql: str) -> Any:
        with quotes_nothing(sql):
            return cursor.execute(sql, _used(sql, made.parameters))

    for name, result in made.references.sources.results.items():
        cursor.register(name, result.table())
    if made.check and run(made.check).fetchone():
        raise invalid_query("UPDATE/MERGE must match at most one source row for each target row")
    if made.choosing:
        run(made.choosing)
    if made.archiving and has_past(made.target):
        keep_old_rows(cursor, made.target.physical)
        run(archive(made.target.physical, made.alias, made.archiving))
    affected = 0
    for sql in made.statements:
        answer = run(sql)
        if made.kind == "MERGE":
            made.actions = Counter(row[0] for row in answer.fetchall())
            affected = sum(made.actions.values())
        else:
            affected = int(answer.fetchone()[0])
    return affected


def _truncate(warehouse: Warehouse, cursor: Any, change: Change, target: Table) -> int:
    """Give a table new, empty rows; give the number of the old ones, which are history as they lie."""
    ((rows,),) = cursor.execute(f"SELECT count(*) FROM {target.physical}").fetchall()  # noqa: S608 (our own name)
    made = warehouse.catalog.new_table(cursor, *target.key, target.fields, target.resource)
    change.dropped.append(target)
    change.tables.append(replace(made, created_ms=target.created_ms))
    return int(rows)


def _used(sql: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    return {name: value for name, value in parameters.items() if re.search(rf"\${name}\b", sql)} or None

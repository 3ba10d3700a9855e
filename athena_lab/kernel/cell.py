"""Run one `%%athena` cell: bind, estimate, refuse or run, and keep the result under its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from athena_lab.errors import Fault, InvalidError
from athena_lab.kernel import rendering
from athena_lab.kernel.arguments import Arguments
from athena_lab.kernel.notice import Notice
from athena_lab.kernel.result import Result
from athena_lab.kernel.session import Session
from athena_lab.warehouse import parameters, query
from athena_lab.warehouse.estimate import CURRENCY, Estimate, cost_of, estimate, format_bytes, refuse_over_budget
from athena_lab.warehouse.statement import Statement, read_statement

FIRST_SQL_LINE = 2
"""The magic's own line is line 1 of the cell."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a query would read; nothing was run."""

    bytes: int
    cost: float
    tables: tuple[str, ...]

    def __repr__(self) -> str:
        read = f" from {', '.join(self.tables)}" if self.tables else ""
        return f"This query would read {format_bytes(self.bytes)}{read} ({self.cost:.5f} {CURRENCY})."


def run_cell(session: Session, arguments: Arguments, sql: str, namespace: Mapping[str, Any]) -> Result | DryRun:
    """Run a cell's SQL as its line says; raises our errors, and KeyboardInterrupt once the job is stopped."""
    if not sql.strip():
        raise InvalidError([Fault("sql", "Cannot run an empty cell: write the SQL below the line of %%athena.")])
    client = session.warehouse
    statement = read_statement(sql, lambda name: _table_of(namespace.get(name)), first_line=FIRST_SQL_LINE)
    bound = _bind(statement, arguments, namespace)
    found = estimate(client, statement, bound)
    if arguments.is_dry_run:
        return DryRun(found.bytes_processed, cost_of(found.bytes_processed), found.tables)
    notice = Notice()
    notice.show(_announce(found))
    refuse_over_budget(found, arguments.max_bytes)
    asked = query.Query(
        statement=statement,
        parameters=bound,
        max_bytes=arguments.max_bytes,
        labels=arguments.labels,
        destination=query.Destination(arguments.into, arguments.mode) if arguments.into else None,
        is_cached=arguments.is_cached,
    )
    answer = query.run(
        client, asked, lambda elapsed_s: notice.show(f"{_announce(found)} Running for {elapsed_s:.0f} s.")
    )
    session.count(answer.bytes_processed)
    result = Result(
        client, answer, name=arguments.name, is_ordered=statement.is_ordered, max_rows=arguments.max_results
    )
    detail = f" Job {answer.job_id}." if arguments.is_verbose else ""
    notice.show(f"{rendering.summarise(result)}.{detail}")
    return result


def _announce(found: Estimate) -> str:
    return f"Reads {format_bytes(found.bytes_processed)} ({cost_of(found.bytes_processed):.5f} {CURRENCY})."


def _bind(statement: Statement, arguments: Arguments, namespace: Mapping[str, Any]) -> list[parameters.Parameter]:
    if not statement.parameters:
        return []
    live = {name: namespace[name] for name in statement.parameters if name in namespace}
    return parameters.bind(statement.parameters, live | dict(arguments.params))


def _table_of(value: Any) -> str | None:
    return value.table if isinstance(value, Result) and value.schema else None

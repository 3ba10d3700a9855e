"""Tables as they were: what FOR SYSTEM_TIME AS OF and a decorated name (`table@milliseconds`) stand for."""

from __future__ import annotations

import datetime
import re
from dataclasses import replace

import duckdb
from sqlglot import exp

from athena_lab.emulator.catalog import Catalog, Table, now_us
from athena_lab.emulator.changes import table_changes
from athena_lab.emulator.faults import BigQueryError, invalid_query, table_not_found
from athena_lab.emulator.history import WINDOW_MS
from athena_lab.emulator.physical import keep_old_rows
from athena_lab.emulator.sql.pruning import microseconds
from athena_lab.emulator.sql.pseudo import PARTITION_TIME, is_by_ingestion
from athena_lab.emulator.sql.references import Given, Sources
from athena_lab.emulator.sql.translate import bind_names, finish
from athena_lab.emulator.types import quote

_ATTEMPTS = 20


def table_as_of(catalog: Catalog, key: tuple[str, str], expression: exp.Expression, given: Given) -> Table:
    """Give a table as it was at the moment that a constant expression tells, under all policies since then."""
    if isinstance(expression, exp.Anonymous) and expression.meta.get("is_ours"):
        return table_changes(catalog, key, expression, lambda item: moment_of(catalog, item, given))
    return table_at(catalog, key, moment_of(catalog, expression, given))


def table_at(catalog: Catalog, key: tuple[str, str], moment: int) -> Table:
    """Give a table as it was at a moment (in microseconds since 1970)."""
    current = catalog.committed.tables.get(key)
    if current is None:
        raise table_not_found(catalog.project, *key, catalog.location)
    if current.view is not None:
        raise invalid_query(f"FOR SYSTEM_TIME AS OF cannot be used with the view {key[0]}.{key[1]}; name its tables.")
    return _at(catalog, key, current, moment)


def decorated_table(catalog: Catalog, dataset: str, name: str) -> Table:
    """Give the table that a copy job's source names: `table@milliseconds` as it was, be it dropped since.

    The number counts from 1970, a negative one back from now, 0 is the first moment that is known.
    """
    table, at, text = name.partition("@")
    if not at:
        return catalog.table(dataset, table)
    catalog.dataset(dataset)
    if not re.fullmatch(r"-?\d+", text):
        raise BigQueryError("invalid", f'Invalid snapshot decorator "@{text}" of the table {dataset}.{table}.')
    key = (dataset, table)
    current = catalog.committed.tables.get(key)
    if current is None and catalog.history.last_moment(key) is None:
        raise table_not_found(catalog.project, dataset, table, catalog.location)
    moment = int(text) * 1000 if int(text) > 0 else now_us() + int(text) * 1000
    if int(text) == 0:
        first = catalog.history.find(key, current, _horizon(catalog, key))
        moment = _horizon(catalog, key) if isinstance(first, Table) else first
    elif int(text) > 0:
        moment += 999  # the end of the millisecond that the name tells
    return _at(catalog, key, current, moment)


def moment_of(catalog: Catalog, expression: exp.Expression, given: Given) -> int:
    """Compute a constant TIMESTAMP expression in microseconds since 1970; refuse anything else."""
    types, values = given
    if isinstance(expression, exp.Literal) and expression.is_string:
        expression = exp.Cast(this=expression, to=exp.DataType.build("TIMESTAMP", dialect="bigquery"))
    select = exp.Select(expressions=[exp.alias_(expression.copy(), "moment")])
    bind_names(select, Sources(), types)
    if select.find(exp.Column, exp.Subquery, exp.AggFunc, exp.Rand):
        raise invalid_query("FOR SYSTEM_TIME AS OF expects a constant TIMESTAMP expression")
    made = finish(select, Sources())
    used = {name: values[name] for name in made.parameters}
    with catalog.store.fresh_cursor() as cursor:
        ((value,),) = cursor.execute(made.sql, used or None).fetchall()
    if not isinstance(value, datetime.datetime):
        raise invalid_query("FOR SYSTEM_TIME AS OF expects a TIMESTAMP that is not NULL")
    return microseconds(value)


def _horizon(catalog: Catalog, key: tuple[str, str]) -> int:
    """Give the first moment that a dataset's time travel reaches (`max_time_travel_hours`)."""
    hours = (catalog.committed.datasets.get(key[0]) or {}).get("maxTimeTravelHours")
    window = WINDOW_MS if hours in (None, "") else min(WINDOW_MS, int(str(hours)) * 3_600_000)
    return now_us() - window * 1000


def _at(catalog: Catalog, key: tuple[str, str], current: Table | None, moment: int) -> Table:
    name = f"{catalog.project}:{key[0]}.{key[1]}@{moment // 1000}"
    if moment > now_us():
        raise invalid_query(
            f"Invalid snapshot time {moment // 1000} for table {name}. Cannot read after {now_us() // 1000}."
        )
    horizon = _horizon(catalog, key)
    found: Table | int = horizon if moment < horizon else catalog.history.find(key, current, moment)
    if not isinstance(found, Table):
        first = "what is kept" if found >= 2**62 else f"{max(found, horizon) // 1000}"
        raise invalid_query(f"Invalid snapshot time {moment // 1000} for table {name}. Cannot read before {first}.")
    for attempt in range(_ATTEMPTS):
        try:
            with catalog.store.fresh_cursor() as cursor:
                keep_old_rows(cursor, found.physical)
            break
        except duckdb.TransactionException:  # somebody makes it at this moment
            if attempt == _ATTEMPTS - 1:
                raise
    columns = [quote(item.name) for item in found.fields] or ['"athena_no_columns"']
    columns += [PARTITION_TIME] if is_by_ingestion(found.resource) else []
    rows = catalog.history.rows_sql(found.physical, ", ".join(columns), moment)
    later = catalog.history.since(key, moment) + (() if current is None else (current,))
    return replace(found, physical=f"({rows})", later=tuple(item for item in later if item is not found))

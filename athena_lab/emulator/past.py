"""Tables as they were: what FOR SYSTEM_TIME AS OF and a decorated name (`table@milliseconds`) stand for."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import duckdb
from sqlglot import exp

from athena_lab.emulator.catalog import Catalog, Table, now_us
from athena_lab.emulator.changes import table_changes
from athena_lab.emulator.faults import BigQueryError, invalid_query, table_not_found
from athena_lab.emulator.history import WINDOW_MS
from athena_lab.emulator.physical import keep_old_rows
from athena_lab.emulator.policies.model import HIDDEN
from athena_lab.emulator.sql.pruning import microseconds
from athena_lab.emulator.sql.pseudo import PARTITION_TIME, is_by_ingestion
from athena_lab.emulator.sql.references import Given, Sources
from athena_lab.emulator.sql.translate import bind_names, finish
from athena_lab.emulator.types import Field, quote

_ATTEMPTS = 20
_POLICIES = ("dataPolicies", "policyTags")


def table_as_of(catalog: Catalog, key: tuple[str, str], expression: exp.Expression, given: Given) -> Table:
    """Give a table as it was at the moment that a constant expression tells, under the policies of now."""
    if isinstance(expression, exp.Anonymous) and expression.meta.get("is_ours"):
        return table_changes(catalog, key, expression, lambda item: moment_of(catalog, item, given))
    moment = moment_of(catalog, expression, given)
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
    fields = found.fields if current is None else _guarded(found.fields, current.fields)
    columns = [quote(item.name) for item in fields] or ['"athena_no_columns"']
    columns += [PARTITION_TIME] if is_by_ingestion(found.resource) else []
    rows = catalog.history.rows_sql(found.physical, ", ".join(columns), moment)
    hidden = (found if current is None else current).resource
    resource = {key: value for key, value in found.resource.items() if key not in HIDDEN}
    resource |= {key: hidden[key] for key in HIDDEN if key in hidden}
    return replace(found, physical=f"({rows})", fields=fields, resource=resource)


def _guarded(then: tuple[Field, ...], now: tuple[Field, ...]) -> tuple[Field, ...]:
    """Give columns as they were with the policies that they have; those that are gone keep theirs."""
    present: Mapping[str, Field] = {item.name.lower(): item for item in now}
    made = []
    for item in then:
        known = present.get(item.name.lower())
        if known is not None:
            extras: dict[str, Any] = {key: value for key, value in item.extras.items() if key not in _POLICIES}
            extras |= {key: known.extras[key] for key in _POLICIES if key in known.extras}
            item = replace(item, extras=extras, fields=_guarded(item.fields, known.fields))
        made.append(item)
    return tuple(made)

"""What APPENDS and CHANGES stand for: the rows that came between two moments, with the kind of change.

https://cloud.google.com/bigquery/docs/change-history. Every table keeps its history here (no `enable_change_history`
is asked for), and it is complete at once (no ten minutes are waited for). The rows of a table that was changed by
anything but additions are refused: what was changed into what is not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from athena_lab.emulator.catalog import Catalog, Table
from athena_lab.emulator.faults import invalid_query, table_not_found, unsupported
from athena_lab.emulator.physical import SINCE, UNTIL, old_rows
from athena_lab.emulator.types import Field, quote

_KIND, _MOMENT = "_CHANGE_TYPE", "_CHANGE_TIMESTAMP"


def table_changes(
    catalog: Catalog, key: tuple[str, str], call: exp.Anonymous, moment_of: Callable[[exp.Expression], int]
) -> Table:
    """Give the rows added to a table as a table: its columns, _CHANGE_TYPE and _CHANGE_TIMESTAMP."""
    table = catalog.committed.tables.get(key)
    if table is None:
        raise table_not_found(catalog.project, *key, catalog.location)
    if table.view is not None:
        raise invalid_query(f"{call.name} takes a table, not the view {key[0]}.{key[1]}.")
    start, end = (None if isinstance(item, exp.Null) else moment_of(item) for item in call.expressions)
    if end is None and call.name.upper() == "CHANGES":
        raise invalid_query("CHANGES: the argument end_timestamp must not be NULL")
    _refuse_changed(catalog, table, call.name.upper(), start or 0)
    columns = "".join(f"{quote(item.name)}, " for item in table.fields)
    bounds = [f"{SINCE} >= {start}" if start is not None else "", f"{SINCE} < {end}" if end is not None else ""]
    where = " AND ".join(bound for bound in bounds if bound) or "true"
    rows = (
        f"SELECT {columns}'INSERT' AS {quote(_KIND)}, make_timestamptz({SINCE}) AS {quote(_MOMENT)} "  # noqa: S608
        f"FROM {table.physical} WHERE {where}"
    )
    fields = (*table.fields, Field(_KIND, "STRING"), Field(_MOMENT, "TIMESTAMP"))
    return replace(table, physical=f"({rows})", fields=fields)


def _refuse_changed(catalog: Catalog, table: Table, name: str, start: int) -> None:
    with catalog.store.fresh_cursor() as cursor:
        old = old_rows(table.physical)
        exists = cursor.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [old]).fetchone()
        if exists and cursor.execute(f"SELECT 1 FROM {old} WHERE {UNTIL} >= {start} LIMIT 1").fetchone():  # noqa: S608
            raise unsupported(f"{name} of a table whose rows were changed or removed")

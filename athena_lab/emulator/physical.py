"""A table's rows in DuckDB: its columns, and those that nobody names.

`t<number>` holds the rows as they are; each carries the moment since when it is there. `t<number>_old`, made
when rows are first changed or removed, holds them as they were, with the moment until when. Moments are
microseconds since 1970, of the beginning of the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from athena_lab.emulator.definitions import Change, Table
from athena_lab.emulator.sql.pseudo import PARTITION_TIME, is_by_ingestion, partition_unit
from athena_lab.emulator.types import Field, duckdb_type, quote

SINCE, UNTIL = '"athena.since"', '"athena.until"'
"""No column of BigQuery's has a dot in its name."""
NOW = "epoch_us(now())"


def create_rows(cursor: Any, table: Table) -> None:
    """Make the DuckDB table of an empty table."""
    cursor.execute(f"CREATE TABLE {table.physical} ({columns_sql(table.fields)}, {SINCE} BIGINT DEFAULT {NOW})")
    if is_by_ingestion(table.resource):
        default = f"date_trunc('{partition_unit(table.resource)}', now())"
        cursor.execute(f"ALTER TABLE {table.physical} ADD COLUMN {PARTITION_TIME} TIMESTAMPTZ DEFAULT {default}")


def drop_rows(cursor: Any, table: Table) -> None:
    """Remove a table's rows, those that it had before too."""
    if table.view is None:
        cursor.execute(f"DROP TABLE IF EXISTS {table.physical}")
        cursor.execute(f"DROP TABLE IF EXISTS {old_rows(table.physical)}")


def old_rows(physical: str) -> str:
    """Name the DuckDB table of the rows as they were."""
    return f"{physical}_old"


def columns_sql(fields: Iterable[Field]) -> str:
    """Give the column list of a CREATE TABLE."""
    columns = (
        f"{quote(item.name)} {duckdb_type(item)}" + (" NOT NULL" if item.mode == "REQUIRED" else "") for item in fields
    )
    return ", ".join(columns) or '"athena_no_columns" BIGINT'


def keep_old_rows(cursor: Any, physical: str) -> None:
    """Make the DuckDB table of the rows as they were, or give it the columns that the table got since."""
    old = old_rows(physical)
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {old} AS SELECT *, 0::BIGINT AS {UNTIL} FROM {physical} LIMIT 0")  # noqa: S608
    has = {row[0] for row in cursor.execute(f"SELECT * FROM {old} LIMIT 0").description}  # noqa: S608 (our own names)
    for name, kind, *_ in cursor.execute(f"DESCRIBE {physical}").fetchall():
        if name not in has:
            cursor.execute(f"ALTER TABLE {old} ADD COLUMN {quote(name)} {kind}")


def archive(physical: str, alias: str, where: str) -> str:
    """Give the statement that keeps rows which are about to be changed or removed."""
    return (
        f"INSERT INTO {old_rows(physical)} BY NAME SELECT {alias}.*, {NOW} AS {UNTIL}"  # noqa: S608 (translated)
        f" FROM {physical} AS {alias} WHERE {where}"
    )


def has_past(table: Table) -> bool:
    """Tell whether a table's past is kept: not of views, nor of temporary tables."""
    return table.view is None and not table.dataset.startswith("_")


def remove_rows(cursor: Any, change: Change, table: Table, where: str) -> int:
    """Remove rows of a table, which stay as history; give their number."""
    change.rewritten.append(table)
    if has_past(table):
        keep_old_rows(cursor, table.physical)
        cursor.execute(archive(table.physical, table.physical, where))
    return int(cursor.execute(f"DELETE FROM {table.physical} WHERE {where}").fetchone()[0])  # noqa: S608 (our own)

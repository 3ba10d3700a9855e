"""What columns that are not written get: their defaults, as DuckDB's SQL.

https://cloud.google.com/bigquery/docs/default-values
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from athena_lab.emulator.sql.references import Sources
from athena_lab.emulator.sql.resolve import resolve
from athena_lab.emulator.sql.translate import generate, rewrite
from athena_lab.emulator.sql.values import written_value
from athena_lab.emulator.types import Field, duckdb_type


def has_default(column: Field) -> bool:
    """Tell whether a column has a default."""
    return bool(column.extras.get("defaultValueExpression"))


def default_texts(columns: Iterable[Field], session_user: str) -> list[str]:
    """Give the values of columns that have defaults; a default reads no table."""
    made = []
    for column in columns:
        select = exp.Select(expressions=[exp.alias_(written_value(exp.Var(this="DEFAULT"), column), "d")])
        for node in list(select.find_all(exp.SessionUser, exp.CurrentUser)):
            node.replace(exp.Literal.string(session_user))
        resolved = resolve(select, Sources())
        value = generate(rewrite(resolved.selects[0].unalias()))
        made.append(f"CAST({value} AS {duckdb_type(column)})")
    return made

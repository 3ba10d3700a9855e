"""The values of INSERT … VALUES."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.sql.functions import refuse_unknown_functions
from athena_lab.emulator.types import Field, googlesql_type


def written_value(item: exp.Expression, column: Field) -> exp.Expression:
    """Give a value of a row; DEFAULT is the column's own, or NULL."""
    made = item.copy()
    if isinstance(item, exp.Column | exp.Var) and item.name.upper() == "DEFAULT":
        default = column.extras.get("defaultValueExpression")
        made = exp.Null() if default is None else _default(str(default), column.name)
    return _converted(made, column)


def _converted(value: exp.Expression, column: Field) -> exp.Expression:
    """DuckDB itself would match structs by names, and take a number for a BIGNUMERIC of 10^-38."""
    kind = googlesql_type(column)
    if "BIGNUMERIC" not in kind and "STRUCT<" not in kind:
        return value
    return exp.Cast(this=value, to=exp.DataType.build(kind, dialect="bigquery"))


def _default(text: str, name: str) -> exp.Expression:
    """Read a default, which whoever made the table wrote: it reads nothing with the rights of whoever inserts."""
    made: exp.Expression = exp.maybe_parse(text, dialect="bigquery")
    if made.find(exp.Query, exp.Table, exp.Column, exp.Dot):
        raise invalid_query(f"The default of column {name} must be a literal or a function of GoogleSQL's own.")
    refuse_unknown_functions(made, text)
    return made

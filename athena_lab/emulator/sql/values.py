"""The values of INSERT … VALUES."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.types import Field


def written_value(item: exp.Expression, column: Field) -> exp.Expression:
    """Give a value of a row; DEFAULT is the column's own, or NULL."""
    if not (isinstance(item, exp.Column | exp.Var) and item.name.upper() == "DEFAULT"):
        return item.copy()
    default = column.extras.get("defaultValueExpression")
    return exp.Null() if default is None else exp.maybe_parse(str(default), dialect="bigquery")

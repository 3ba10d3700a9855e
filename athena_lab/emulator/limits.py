"""What type parameters ask of every value that is written: STRING(n), BYTES(n), NUMERIC(p, s), BIGNUMERIC(p, s).

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#parameterized_data_types
"""

from __future__ import annotations

from athena_lab.emulator.types import Field, duckdb_type, quote

_MEASURED = ("STRING", "BYTES")


def has_limits(item: Field) -> bool:
    """Tell whether a column, or a part of it, has a length or a precision."""
    own = item.extras.get("maxLength") or item.extras.get("precision")
    return bool(own) or any(map(has_limits, item.fields))


def limited(value: str, item: Field) -> str:
    """Give DuckDB's expression of a column's value within its limits: rounded to the scale, else an error."""
    if not has_limits(item):
        return value
    if item.is_repeated:
        return f"list_transform({value}, lambda v: {limited('v', item.element())})"
    if item.type == "RECORD":
        cast = f"CAST({value} AS {duckdb_type(item)})"
        parts = ", ".join(
            f"{quote(part.name)} := {limited(f'({cast}).{quote(part.name)}', part)}" for part in item.fields
        )
        return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({parts}) END"
    if item.type in _MEASURED:
        kind = "VARCHAR" if item.type == "STRING" else "BLOB"
        return f"athena_measured_{item.type.lower()}(CAST({value} AS {kind}), {int(item.extras['maxLength'])})"
    precision, scale = int(item.extras["precision"]), int(item.extras.get("scale") or 0)
    if item.type == "NUMERIC":
        return f"athena_limited_numeric(CAST({value} AS DECIMAL(38, 9)), {precision}, {scale})"
    return f"athena_big_limited({value}, {precision}, {scale})"

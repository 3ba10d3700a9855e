"""Types of GoogleSQL as sqlglot reads them, as fields and as the REST API's JSON of routines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from athena_lab.emulator.types import Field, field_from_json


def field_of_type(name: str, kind: exp.DataType) -> Field:
    """Give the field that a type makes."""
    return field_from_json({"name": name, **type_json(kind)})


def type_json(kind: exp.DataType) -> dict[str, Any]:
    """Give a type as a TableFieldSchema says it: type, mode, fields."""
    if kind.this == exp.DType.ARRAY:
        return {**type_json(kind.expressions[0]), "mode": "REPEATED"}
    if kind.this == exp.DType.STRUCT:
        fields = [
            {"name": part.name, **type_json(part.args["kind"])}
            if isinstance(part, exp.ColumnDef)
            else {"name": f"_field_{index}", **type_json(part)}
            for index, part in enumerate(kind.expressions, start=1)
        ]
        return {"type": "RECORD", "fields": fields}
    if kind.this == exp.DType.RANGE:
        element = exp.DataType(this=kind.expressions[0].this).sql("bigquery")
        return {"type": "RANGE", "rangeElementType": {"type": element}}
    name = exp.DataType(this=kind.this).sql("bigquery")
    return {"type": name, **_limits(name, kind)}


def _limits(name: str, kind: exp.DataType) -> dict[str, str]:
    sizes = [part.name for part in kind.expressions if isinstance(part, exp.DataTypeParam)]
    if not sizes:
        return {}
    if name in ("STRING", "BYTES"):
        return {"maxLength": sizes[0]}
    return dict(zip(("precision", "scale"), sizes, strict=False))


def standard_type(kind: exp.DataType) -> dict[str, Any]:
    """Give a type as a routine's resource says it (StandardSqlDataType)."""
    if kind.this == exp.DType.ARRAY:
        return {"typeKind": "ARRAY", "arrayElementType": standard_type(kind.expressions[0])}
    if kind.this == exp.DType.STRUCT:
        fields = [
            {"name": part.name, "type": standard_type(part.args["kind"])}
            if isinstance(part, exp.ColumnDef)
            else {"type": standard_type(part)}
            for part in kind.expressions
        ]
        return {"typeKind": "STRUCT", "structType": {"fields": fields}}
    return {"typeKind": exp.DataType(this=kind.this).sql("bigquery")}


def standard_text(resource: Mapping[str, Any]) -> str:
    """Give the GoogleSQL text of a StandardSqlDataType."""
    kind = str(resource.get("typeKind", "STRING"))
    if kind == "ARRAY":
        return f"ARRAY<{standard_text(resource['arrayElementType'])}>"
    if kind == "STRUCT":
        fields = resource.get("structType", {}).get("fields", ())
        return "STRUCT<" + ", ".join(f"`{part['name']}` {standard_text(part['type'])}" for part in fields) + ">"
    return kind

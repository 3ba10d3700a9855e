"""Stored routines: their resources (REST's JSON) to statements and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from athena_lab.emulator.sql.typenames import standard_text, standard_type
from athena_lab.emulator.sql.udfs import is_table_body

_GOVERNANCE = "data_governance_type"


def function_text(name: str, resource: Mapping[str, Any]) -> str:
    """Give the CREATE TEMP FUNCTION that a stored function is."""
    arguments = ", ".join(
        f"`{item.get('name')}` " + (standard_text(item["dataType"]) if item.get("dataType") else "ANY TYPE")
        for item in resource.get("arguments", ())
    )
    returns = f" RETURNS {standard_text(resource['returnType'])}" if resource.get("returnType") else ""
    body = str(resource.get("definitionBody", ""))
    if str(resource.get("language", "SQL")).upper() == "JAVASCRIPT":
        quoted = exp.Literal.string(body).sql("bigquery")
        return f"CREATE TEMP FUNCTION `{name}`({arguments}){returns} LANGUAGE js AS {quoted}"
    return f"CREATE TEMP FUNCTION `{name}`({arguments}){returns} AS (\n{body}\n)"


def function_resource(statement: exp.Create) -> dict[str, Any]:
    """Give the resource of a CREATE FUNCTION or CREATE TABLE FUNCTION."""
    head, body = statement.this, statement.expression
    language = statement.find(exp.LanguageProperty)
    returns = statement.find(exp.ReturnsProperty)
    is_javascript = language is not None and language.this.name.lower() in ("js", "javascript")
    is_table = is_table_body(body)
    inner = body
    if isinstance(body, exp.Paren | exp.Subquery):
        inner = body.unnest() if is_table or isinstance(body, exp.Paren) else body.this
    found: dict[str, Any] = {
        "routineType": "TABLE_VALUED_FUNCTION" if is_table else "SCALAR_FUNCTION",
        "language": "JAVASCRIPT" if is_javascript else "SQL",
        "definitionBody": body.name if is_javascript else inner.sql("bigquery"),
        "arguments": [_argument(item) for item in head.expressions],
    }
    governed = next((item for item in statement.find_all(exp.Property) if item.name.lower() == _GOVERNANCE), None)
    if governed is not None:
        found["dataGovernanceType"] = governed.args["value"].name.upper()
    if returns is not None and isinstance(returns.this, exp.DataType) and not is_table:
        found["returnType"] = standard_type(returns.this)
    return found


def _argument(item: exp.Expression) -> dict[str, Any]:
    kind = item.args.get("kind")
    if not isinstance(kind, exp.DataType) or "ANY" in kind.sql("bigquery").upper():
        return {"name": item.name, "argumentKind": "ANY_TYPE"}
    return {"name": item.name, "dataType": standard_type(kind)}

"""JSON: what is extracted from a STRING is a STRING, from a JSON a JSON."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import unsupported
from athena_lab.emulator.sql.rules.calls import call, cast, is_type


def _is_json(node: exp.Expression) -> bool:
    return is_type(node, exp.DType.JSON) or isinstance(node, exp.ParseJSON)


def extract(node: exp.Expression) -> exp.Expression | None:
    """JSON_QUERY and JSON_EXTRACT."""
    if node.meta.get("is_final") or _is_json(node.this):
        return None
    made = node.copy()
    made.meta["is_final"] = True
    return call("nullif", cast(made, "VARCHAR"), "null")


def extract_array(node: exp.Expression) -> exp.Expression | None:
    """JSON_QUERY_ARRAY and JSON_EXTRACT_ARRAY."""
    if node.meta.get("is_final") or _is_json(node.this):
        return None
    made = node.copy()
    made.meta["is_final"] = True
    return cast(made, "VARCHAR[]")


def kind(node: exp.Expression) -> exp.Expression:
    """JSON_TYPE."""
    return call("athena_json_type", call("json_type", node.this))


def refuse(node: exp.Expression) -> exp.Expression:
    """What would be answered wrongly."""
    raise unsupported(f"{node.sql('bigquery')[:60]}")


RULES = {
    exp.JSONExtract: extract,
    exp.JSONExtractArray: extract_array,
    exp.JSONType: kind,
    exp.SessionUser: refuse,
}

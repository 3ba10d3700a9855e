"""Procedures of BigQuery's own: CALL BQ.REFRESH_MATERIALIZED_VIEW."""

from __future__ import annotations

from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.script_values import Running, evaluate, type_named


def run_system_procedure(script: Running, name: str, arguments: str, start: int) -> bool:
    """Run a procedure of BigQuery's own; tell whether the name is one."""
    if name.strip().strip("`").upper() != "BQ.REFRESH_MATERIALIZED_VIEW":
        return False
    view = str(evaluate(script, arguments, start, type_named("STRING")).value or "")
    *before, table = view.replace("`", "").split(".")
    dataset = before[-1] if before else (script.query.get("defaultDataset") or {}).get("datasetId")
    found = script.queries.warehouse.catalog.state.tables.get((str(dataset), table))
    if found is None or "materializedView" not in found.resource:
        raise invalid_query(f"Invalid materialized view: {view}")
    return True  # its rows are those of its query already

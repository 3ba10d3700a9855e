"""What a statement would read and cost, found by a dry run that touches no data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from athena_lab.errors import OverBudgetError
from athena_lab.warehouse.connect import Warehouse
from athena_lab.warehouse.failures import translating
from athena_lab.warehouse.parameters import Parameter
from athena_lab.warehouse.statement import Statement

TIB = 1024**4
PRICE_PER_TIB = 6.25
CURRENCY = "USD"
"""BigQuery's on-demand list price (cloud.google.com/bigquery/pricing)."""
LEAST_BILLED = 10 * 1024**2
UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a dry run says: bytes to process, the tables read (`dataset.table`), the columns of the result."""

    bytes_processed: int
    statement_type: str = ""
    tables: tuple[str, ...] = ()
    schema: tuple[dict[str, Any], ...] = field(default_factory=tuple)


def estimate(client: Warehouse, statement: Statement, parameters: Sequence[Parameter] = ()) -> Estimate:
    """Dry-run a statement; raises what running it would raise for its text, names and rights."""
    query = {"query": statement.text, "useLegacySql": False} | named(parameters)
    reference = {"projectId": client.project, "location": client.location}
    body = {"jobReference": reference, "configuration": {"dryRun": True, "query": query, "labels": client.labels}}
    with translating(client, "estimate the query", statement):
        answer = client.call("POST", "/jobs", data=body)
    statistics = answer.get("statistics", {})
    details = statistics.get("query", {})
    tables = tuple(f"{item['datasetId']}.{item['tableId']}" for item in details.get("referencedTables", ()))
    return Estimate(
        bytes_processed=int(details.get("totalBytesProcessed") or statistics.get("totalBytesProcessed") or 0),
        statement_type=details.get("statementType", ""),
        tables=tables,
        schema=tuple(details.get("schema", {}).get("fields", ())),
    )


def refuse_over_budget(found: Estimate, max_bytes: int | None) -> None:
    """Raise OverBudgetError where the estimate exceeds the bytes allowed."""
    if max_bytes is None or found.bytes_processed <= max_bytes:
        return
    read = f" of {', '.join(found.tables)}" if found.tables else ""
    raise OverBudgetError(
        f"Cannot run the query: it would read {format_bytes(found.bytes_processed)}{read}, and "
        f"{format_bytes(max_bytes)} are allowed. Read fewer columns or partitions, or raise --max-bytes "
        "(for a clustered table the estimate is an upper bound)."
    )


def cost_of(bytes_processed: int, price_per_tib: float = PRICE_PER_TIB) -> float:
    """Give the on-demand price of a query: at least 10 MB are billed unless nothing was read."""
    billed = max(bytes_processed, LEAST_BILLED) if bytes_processed else 0
    return billed / TIB * price_per_tib


def format_bytes(count: int) -> str:
    """Write a size as people read it, in powers of 1024: 1536 is '1.5 KB'."""
    size, unit = float(count), 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    digits = 0 if unit == 0 or size >= 100 else 1
    return f"{size:.{digits}f} {UNITS[unit]}"


def named(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Give the part of a query's configuration that holds its parameters."""
    if not parameters:
        return {}
    return {"parameterMode": "NAMED", "queryParameters": [item.to_api_repr() for item in parameters]}

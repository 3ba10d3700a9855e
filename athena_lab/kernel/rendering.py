"""How a result looks: the grid's data, a plain HTML table for other viewers, and text."""

from __future__ import annotations

import base64
import datetime as dt
import html
import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from athena_lab.warehouse.estimate import format_bytes

if TYPE_CHECKING:
    import pyarrow as pa

MIME = "application/vnd.athena.result+json"
VERSION = 1
SHOWN_ROWS = 500
"""Rows that the grid's data holds, and so a saved notebook."""
SHOWN_BYTES = 1_000_000
HTML_ROWS = 20
TEXT_ROWS = 10
TEXT_WIDTH = 24
_SAFE_INTEGER = 2**53


class Column(Protocol):
    """A column as it is shown."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...


class Shown(Protocol):
    """What is shown: rows of a finished query, and what they cost."""

    @property
    def name(self) -> str | None: ...
    @property
    def schema(self) -> Sequence[Column]: ...
    @property
    def bytes(self) -> int: ...
    @property
    def cost(self) -> float: ...
    @property
    def currency(self) -> str: ...
    @property
    def job_id(self) -> str: ...
    @property
    def elapsed_ms(self) -> float: ...
    @property
    def changed_rows(self) -> int | None: ...
    def head(self) -> pa.Table: ...
    def __len__(self) -> int: ...


def as_bundle(result: Shown) -> dict[str, Any]:
    """Give a result in every form that a front end may choose from."""
    rows = [[as_json(value) for value in row.values()] for row in result.head().to_pylist()]
    kept = _fitting(rows)
    document = {
        "version": VERSION,
        "name": result.name,
        "columns": [{"name": column.name, "type": column.type} for column in result.schema],
        "rows": kept,
        "total_rows": len(result),
        "bytes_processed": result.bytes,
        "cost": result.cost,
        "currency": result.currency,
        "job_id": result.job_id,
        "elapsed_ms": result.elapsed_ms,
        "truncated": len(kept) < len(result),
    }
    return {MIME: document, "text/html": _as_html(result, kept), "text/plain": _as_text(result, kept)}


def as_text(result: Shown) -> str:
    """Give a result as a small table of text."""
    rows = result.head().slice(0, TEXT_ROWS).to_pylist()
    return _as_text(result, [[as_json(value) for value in row.values()] for row in rows])


def summarise(result: Shown) -> str:
    """Say in one line what a query did."""
    cost = (
        f"{format_bytes(result.bytes)} read ({result.cost:.5f} {result.currency}) in {result.elapsed_ms / 1000:.1f} s"
    )
    if result.changed_rows is not None:
        return f"{_count(result.changed_rows)} changed, {cost}"
    return f"{_count(len(result))}, {cost}" if result.schema else f"Done, {cost}"


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def as_json(value: Any) -> Any:
    """Turn a value into JSON that loses nothing: what JavaScript's numbers cannot hold becomes text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) < _SAFE_INTEGER else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _non_finite(value)
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def _decimal_text(value: Decimal) -> str:
    """Write all digits but the zeros that Arrow pads NUMERIC with (`normalize` would round to 28 digits)."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _non_finite(value: float) -> str:
    """Name it as BigQuery's JSON does."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _fitting(rows: list[list[Any]]) -> list[list[Any]]:
    """Keep the first rows that fit in what one output may add to a notebook."""
    size = 0
    for index, row in enumerate(rows):
        size += len(json.dumps(row))
        if size > SHOWN_BYTES:
            return rows[:index]
    return rows


def _as_html(result: Shown, rows: list[list[Any]]) -> str:
    if not result.schema:
        return f"<p>{html.escape(summarise(result))}</p>"
    head = "".join(f"<th>{html.escape(column.name)}</th>" for column in result.schema)
    lines = "".join(
        f"<tr>{''.join(f'<td>{html.escape(_cell(value))}</td>' for value in row)}</tr>" for row in rows[:HTML_ROWS]
    )
    shown = f"<caption>First {min(len(rows), HTML_ROWS)} of {len(result):,} rows</caption>"
    caption = shown if len(result) > min(len(rows), HTML_ROWS) else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _as_text(result: Shown, rows: list[list[Any]]) -> str:
    if not result.schema:
        return summarise(result)
    table = [[column.name for column in result.schema], *[[_cell(value) for value in row] for row in rows[:TEXT_ROWS]]]
    widths = [min(TEXT_WIDTH, max(len(row[index]) for row in table)) for index in range(len(table[0]))]
    lines = ["  ".join(_fit(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([*lines, summarise(result)])


def _fit(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

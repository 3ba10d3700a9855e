"""Pages: of rows, as JSON or Arrow, and of lists."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.results import Result
from athena_lab.emulator.rows import Timestamps, encode_rows

PAGE_CELLS = 200_000
INLINE_CELLS = 20_000
"""Of a query's first answer: more is read as Arrow over the Storage API anyway."""
_ARROW_BYTES = 8 * 1024**2


def start_of(token: str | None, start_index: int | None) -> int:
    """Give the first row that a page token or a start index asks for."""
    if not token:
        return max(0, start_index or 0)
    if not token.startswith("r") or not token[1:].isdigit():
        raise BigQueryError("invalid", f"Invalid page token: {token}")
    return int(token[1:])


def page_rows(columns: int, wanted: int | None, cells: int) -> int:
    """Give how many rows a page has: what is wanted, as far as the limit on cells goes."""
    most = max(1, cells // max(1, columns))
    return most if wanted is None else max(0, min(wanted, most))


def timestamps_of(options: Mapping[str, Any]) -> Timestamps:
    """Read DataFormatOptions: how timestamps are to be written."""
    wanted = options.get("timestampOutputFormat")
    if not wanted or wanted == "TIMESTAMP_OUTPUT_FORMAT_UNSPECIFIED":
        is_whole = str(options.get("useInt64Timestamp") or "").lower() == "true"
        return Timestamps.INT64 if is_whole else Timestamps.FLOAT64
    if wanted not in tuple(Timestamps):
        raise BigQueryError("invalid", f"Invalid value for timestampOutputFormat: {wanted}")
    return Timestamps(wanted)


def rows_page(result: Result, start: int, count: int, timestamps: Timestamps) -> dict[str, Any]:
    """Give {"rows", "totalRows", "pageToken"} of a result."""
    rows = [row for batch in result.read(start, count) for row in encode_rows(batch, result.fields, timestamps)]
    page: dict[str, Any] = {"totalRows": str(result.rows)}
    if rows:  # an empty list would be taken for the first page by the client
        page["rows"] = rows
    if start + len(rows) < result.rows and count:
        page["pageToken"] = f"r{start + len(rows)}"
    return page


def arrow_page(result: Result, wanted: int | None) -> dict[str, Any]:
    """Give the first rows as one Arrow record batch, and a page token if there are more."""
    page: dict[str, Any] = {
        "totalRows": str(result.rows),
        "arrowSchema": {"serializedSchema": base64.b64encode(result.schema.serialize().to_pybytes()).decode()},
    }
    count = result.rows if wanted is None else min(wanted, result.rows)
    if result.size_bytes > _ARROW_BYTES:
        count = min(count, max(1, int(result.rows * _ARROW_BYTES / result.size_bytes)))
    batches = pa.Table.from_batches(list(result.read(0, count)), schema=result.schema).combine_chunks().to_batches()
    sent = sum(batch.num_rows for batch in batches)
    if batches:
        data = base64.b64encode(batches[0].serialize().to_pybytes()).decode()
        page["arrowRecordBatch"] = {"serializedRecordBatch": data, "rowCount": str(sent)}
    page["pageRowCount"] = str(sent)
    if sent < result.rows:
        page["pageToken"] = f"r{sent}"
    return page


def list_page(items: Sequence[Mapping[str, Any]], key: str, token: str | None, wanted: int | None) -> dict[str, Any]:
    """Give one page of a list."""
    start = start_of(token, None)
    end = start + (wanted or 1000)
    page: dict[str, Any] = {key: list(items[start:end])} if items[start:end] else {}
    if end < len(items):
        page["nextPageToken"] = f"r{end}"
    return page

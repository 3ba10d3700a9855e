"""Rows of tables: tabledata.list and insertAll."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Any

from athena_lab.emulator.catalog import Table
from athena_lab.emulator.faults import BigQueryError, unsupported
from athena_lab.emulator.json_rows import RowError, convert_row, known_only
from athena_lab.emulator.loads import rows_to_source
from athena_lab.emulator.policies.protection import require_raw
from athena_lab.emulator.policies.roles import GET_DATA, UPDATE_DATA
from athena_lab.emulator.rest.call import Answer, Call, route
from athena_lab.emulator.rest.pages import PAGE_CELLS, page_rows, rows_page, start_of, timestamps_of
from athena_lab.emulator.rest.partition_summary import partition_summary
from athena_lab.emulator.results import Result
from athena_lab.emulator.rows import Timestamps
from athena_lab.emulator.types import selected
from athena_lab.emulator.writing import Target, write

_REMEMBERED_S = 60.0
_REMEMBERED = 100_000


def list_(call: Call) -> Answer:
    """Give a page of rows, of some fields if asked."""
    dataset, name = call.path["dataset"], call.path["table"]
    columns = call.several("selectedFields")
    start = start_of(call.query.get("pageToken"), call.integer("startIndex"))
    timestamps = timestamps_of(call.format_options())
    result = call.warehouse.find_result(dataset, name, call.principal) or partition_summary(call)
    if result is not None:
        fields = selected(result.fields, columns) if columns else result.fields
        chosen = result.select([item.name for item in fields]) if columns else result
        chosen.fields = fields
        count = page_rows(len(chosen.fields), call.integer("maxResults"), PAGE_CELLS)
        return {"kind": "bigquery#tableDataList", **rows_page(chosen, start, count, timestamps)}
    return {"kind": "bigquery#tableDataList", **_stored_page(call, columns, start, timestamps)}


def _stored_page(call: Call, columns: list[str], start: int, timestamps: Timestamps) -> dict[str, Any]:
    table = call.warehouse.readable(call.path["dataset"], call.path["table"])
    fields = selected(table.fields, columns) if columns else table.fields
    require_raw(call.warehouse.protection_of(table, call.principal), [item.name for item in fields])
    count = page_rows(len(fields), call.integer("maxResults"), PAGE_CELLS)
    result: Result = call.warehouse.read_table(
        table, call.principal, [item.name for item in fields] if columns else (), f"LIMIT {count} OFFSET {start}"
    )
    result.fields = fields
    page = rows_page(result, 0, count, timestamps)
    total = _count(call, table)
    page["totalRows"] = str(total)
    page.pop("pageToken", None)
    if count and start + result.rows < total and result.rows:
        page["pageToken"] = f"r{start + result.rows}"
    result.discard()
    return page


def _count(call: Call, table: Table) -> int:
    """Count a table's rows, or those of the partition that its decorator names."""
    whole = call.warehouse.catalog.table(*table.key)
    if table.physical == whole.physical:
        return call.warehouse.sizes.of(table).rows
    with call.warehouse.store.cursor() as cursor:
        return int(cursor.execute(f"SELECT count(*) FROM {table.physical}").fetchone()[0])  # noqa: S608 (our own names)


class _Remembered:
    """Insert ids of the last minute: a client that repeats a request must not double its rows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()

    def is_new(self, table: Table, insert_id: str | None) -> bool:
        with self._lock:
            return insert_id is None or (table.physical, insert_id) not in self._seen

    def add(self, table: Table, insert_ids: list[str]) -> None:
        now = time.monotonic()
        with self._lock:
            for insert_id in insert_ids:
                self._seen[table.physical, insert_id] = now
            while self._seen and (
                len(self._seen) > _REMEMBERED or next(iter(self._seen.values())) < now - _REMEMBERED_S
            ):
                self._seen.popitem(last=False)


_remembered = _Remembered()


def insert_all(call: Call) -> Answer:
    """Append rows; those that do not fit are told one by one, and nothing is written unless they may be skipped."""
    table = call.warehouse.catalog.table(call.path["dataset"], call.path["table"])
    if call.body.get("templateSuffix"):
        raise unsupported("insertAll with templateSuffix")
    good: list[dict[str, Any]] = []
    ids: list[str] = []
    errors: list[dict[str, Any]] = []
    rows = call.body.get("rows") or []
    if not rows:
        raise BigQueryError("invalid", "No rows present in the request.")
    if not all(isinstance(row, dict) and isinstance(row.get("json") or {}, dict) for row in rows):
        raise BigQueryError("invalid", "A row of the request is no object with the member json.")
    for index, row in enumerate(rows):
        content, insert_id = row.get("json") or {}, row.get("insertId")
        try:
            if call.body.get("ignoreUnknownValues"):
                content = known_only(content, table.fields)
            convert_row(content, table.fields)
        except RowError as error:
            entry = {"reason": "invalid", "location": error.field, "debugInfo": "", "message": str(error)}
            errors.append({"index": index, "errors": [entry]})
            continue
        if _remembered.is_new(table, insert_id):
            good.append(content)
            ids.extend([insert_id] if insert_id else [])
    if errors and not call.body.get("skipInvalidRows"):
        failed = {item["index"] for item in errors}
        stopped = {"reason": "stopped", "location": "", "debugInfo": "", "message": ""}
        errors += [{"index": index, "errors": [stopped]} for index in range(len(rows)) if index not in failed]
    elif good:
        target = Target(table.dataset, call.path["table"], create="CREATE_NEVER")
        write(call.warehouse, rows_to_source(good, table.fields, call.principal.email), target)
        _remembered.add(table, ids)
    answer: dict[str, Any] = {"kind": "bigquery#tableDataInsertAllResponse"}
    return answer | ({"insertErrors": errors} if errors else {})


ROUTES = (
    route("/datasets/{dataset}/tables/{table}/data", "GET", list_, GET_DATA),
    route("/datasets/{dataset}/tables/{table}/insertAll", "POST", insert_all, UPDATE_DATA),
)

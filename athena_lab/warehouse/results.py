"""Rows of a finished query as Arrow: the first ones from its answer, all of them through Storage Read."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from google.cloud import bigquery

from athena_lab.errors import NotFoundError
from athena_lab.warehouse import storage
from athena_lab.warehouse.connect import Warehouse
from athena_lab.warehouse.failures import translating
from athena_lab.warehouse.query import Answer


def first_rows(client: Warehouse, answer: Answer) -> pa.Table:
    """Give the rows that came with the answer, decoded by the vendor's client."""
    schema = [bigquery.SchemaField.from_api_repr(field) for field in answer.fields]
    page = {key: value for key, value in answer.response.items() if key != "pageToken"}
    rows = bigquery.table.RowIterator(client, None, None, schema, first_page_response=page)
    return rows.to_arrow(create_bqstorage_client=False)


def all_rows(client: Warehouse, answer: Answer, *, is_ordered: bool, max_rows: int | None = None) -> pa.Table:
    """Give all rows (or the first `max_rows`), in the query's order where it has one."""
    inline = len(answer.response.get("rows", ()))
    wanted = answer.total_rows if max_rows is None else min(max_rows, answer.total_rows)
    if inline >= wanted:
        return first_rows(client, answer).slice(0, wanted)
    table = _find_destination(client, answer)
    with translating(client, "read the query's rows"):
        if table is None:
            rows: pa.Table = _job_of(client, answer).result(max_results=wanted).to_arrow(create_bqstorage_client=False)
            return rows
        return _download(client, table, wanted, is_ordered=is_ordered)


def destination_of(client: Warehouse, answer: Answer) -> dict[str, str]:
    """Ask which table holds the rows: the one written to, else an anonymous one that lives for a day.

    Raises NotFoundError for a script, whose last statement's rows are in no table of the job's own.
    """
    table = _find_destination(client, answer)
    if table is None:
        raise NotFoundError(
            f"Cannot query the rows of job '{answer.job_id}': it was a script of several statements. "
            "Put its last SELECT in a cell of its own."
        )
    return table


def _job_of(client: Warehouse, answer: Answer) -> Any:
    return client.get_job(answer.job_id, location=answer.location or client.location)


def _find_destination(client: Warehouse, answer: Answer) -> dict[str, str] | None:
    with translating(client, f"find the rows of job '{answer.job_id}'"):
        job = client.call("GET", f"/jobs/{answer.job_id}", query={"location": answer.location or client.location})
    destination: dict[str, str] | None = job["configuration"]["query"].get("destinationTable")
    return destination


def read_table(client: Warehouse, name: str, *, max_rows: int | None = None) -> pa.Table:
    """Read a table (`dataset.table`) through the Storage API."""
    reference = bigquery.TableReference.from_string(name, default_project=client.project)
    with translating(client, f"read '{name}'"):
        return _download(client, reference.to_api_repr(), max_rows, is_ordered=max_rows is not None)


def _download(client: Warehouse, table: dict[str, str], wanted: int | None, *, is_ordered: bool) -> pa.Table:
    path = f"projects/{table['projectId']}/datasets/{table['datasetId']}/tables/{table['tableId']}"
    batches: list[Any] = []
    count = 0
    for batch in storage.read_batches(client.storage, client.project, path, is_ordered=is_ordered):
        batches.append(batch)
        count += batch.num_rows
        if wanted is not None and count >= wanted:
            break
    rows = pa.Table.from_batches(batches)
    return rows if wanted is None else rows.slice(0, wanted)

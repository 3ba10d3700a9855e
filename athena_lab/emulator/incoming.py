"""Rows of a file on their way into a table: read piece by piece, never all of them in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from athena_lab.emulator import bignumerics
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.types import Field, googlesql_type

Batches = Iterator[pa.RecordBatch]
UNREADABLE = (ValueError, pa.ArrowNotImplementedError, OSError)


class Incoming:
    """Rows with their schema; `batches` begins to read them anew, because a transaction may have to."""

    def __init__(self, kind: str, schema: pa.Schema, batches: Callable[[], Batches]) -> None:
        self.schema = schema
        self.size_bytes = 0
        self.bad_records = 0
        """Rows that did not fit and were passed over."""
        self.fault: BigQueryError | None = None
        """Why the rows could not be read to their end: DuckDB's own error would quote a Python trace."""
        self._kind, self._batches = kind, batches

    def reader(self) -> pa.RecordBatchReader:
        """Give the rows from the first on, for DuckDB to read."""
        return pa.RecordBatchReader.from_batches(self.schema, self._counted())

    def _counted(self) -> Batches:
        self.size_bytes, self.fault = 0, None
        try:
            for batch in self._batches():
                self.size_bytes += batch.nbytes
                yield batch
        except BigQueryError as fault:
            self.fault = fault
            raise
        except UNREADABLE as error:
            self.fault = unreadable(self._kind, error)
            raise


def for_duckdb(column: pa.Array, item: Field) -> pa.Array:
    """Give the values of a field as DuckDB reads them: those of BIGNUMERIC as the texts of their whole numbers."""
    if "BIGNUMERIC" not in googlesql_type(item):
        return column
    if item.is_repeated:
        values = for_duckdb(column.values, item.element())
        return pa.ListArray.from_arrays(column.offsets, values, mask=column.is_null())
    if item.type == "RECORD":
        known = {part.name.lower(): part for part in item.fields}
        names = [part.name for part in column.type]
        parts = zip(column.flatten(), names, strict=True)
        made = [for_duckdb(values, known[name.lower()]) if name.lower() in known else values for values, name in parts]
        return pa.StructArray.from_arrays(made, names=names, mask=column.is_null())
    return bignumerics.to_texts(column)


def unreadable(kind: str, error: Exception) -> BigQueryError:
    """Say in BigQuery's words that a file is not what it should be."""
    message = f"Error while reading data, error message: {kind} cannot be read: {str(error).splitlines()[0]}"
    return BigQueryError("invalid", message)

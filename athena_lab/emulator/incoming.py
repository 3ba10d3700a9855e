"""Rows of a file on their way into a table: read piece by piece, never all of them in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pyarrow as pa

from athena_lab.emulator.faults import BigQueryError

Batches = Iterator[pa.RecordBatch]
UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError, json.JSONDecodeError, OSError)


class Incoming:
    """Rows with their schema; `batches` begins to read them anew, because a transaction may have to."""

    def __init__(self, kind: str, schema: pa.Schema, batches: Callable[[], Batches]) -> None:
        self.schema = schema
        self.size_bytes = 0
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


def unreadable(kind: str, error: Exception) -> BigQueryError:
    """Say in BigQuery's words that a file is not what it should be."""
    message = f"Error while reading data, error message: {kind} cannot be read: {str(error).splitlines()[0]}"
    return BigQueryError("invalid", message)

"""Rows that are read while they are fetched: a Storage Read session answers before its snapshot is whole."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Iterator

import pyarrow as pa

from athena_lab.emulator.types import Field, arrow_schema

Batches = Iterator[pa.RecordBatch]


class GrowingResult:
    """A result whose number of rows is known and whose batches come from a thread; read any range of it."""

    def __init__(self, fields: tuple[Field, ...], rows: int, size_bytes: int, fetch: Callable[[], Batches]) -> None:
        self.fields, self.schema = fields, arrow_schema(fields)
        self.rows, self.size_bytes = rows, size_bytes
        self._batches: list[pa.RecordBatch] = []
        self._starts: list[int] = []
        self._fetched = 0
        self._fault: BaseException | None = None
        self._is_whole = False
        self._news = threading.Condition()
        threading.Thread(target=self._fill, args=(fetch,), name="session", daemon=True).start()

    def _fill(self, fetch: Callable[[], Batches]) -> None:
        try:
            for batch in fetch():
                with self._news:
                    self._starts.append(self._fetched)
                    self._batches.append(batch)
                    self._fetched += batch.num_rows
                    self._news.notify_all()
        except BaseException as fault:  # noqa: BLE001 (told to whoever reads)
            self._fault = fault
        finally:
            with self._news:
                self._is_whole = True
                self._news.notify_all()

    def read(self, start: int, count: int) -> Batches:
        """Give the rows from `start` (from 0) on, `count` at most, as they come."""
        at, end = start, min(self.rows, start + count)
        while at < end:
            with self._news:
                self._news.wait_for(lambda wanted=at: self._fetched > wanted or self._is_whole)  # type: ignore[misc]
                if self._fetched <= at:
                    raise self._fault or RuntimeError("a snapshot has fewer rows than were counted")
                index = bisect.bisect_right(self._starts, at) - 1
                batch, offset = self._batches[index], at - self._starts[index]
            piece = batch.slice(offset, min(end - at, batch.num_rows - offset))
            yield piece
            at += piece.num_rows

    def discard(self) -> None:
        """Nothing to remove: the rows are in memory, and go with the last who reads."""

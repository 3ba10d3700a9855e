"""Rows that are read while they are fetched: a Storage Read session answers before its snapshot is whole."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Iterator

import pyarrow as pa

from athena_lab.emulator.messages import Piece, encode, pieces_of
from athena_lab.emulator.types import Field, arrow_schema

Batches = Iterator[pa.RecordBatch]


class GrowingResult:
    """A result whose number of rows is known and whose batches come from a thread; read any range of it."""

    def __init__(self, fields: tuple[Field, ...], rows: int, size_bytes: int, fetch: Callable[[], Batches]) -> None:
        self.fields, self.schema = fields, arrow_schema(fields)
        self.rows, self.size_bytes = rows, size_bytes
        self._pieces: list[Piece] = []
        self._starts: list[int] = []
        self._fetched = 0
        self._fault: BaseException | None = None
        self._is_whole = False
        self._news = threading.Condition()
        threading.Thread(target=self._fill, args=(fetch,), name="session", daemon=True).start()

    @property
    def held_bytes(self) -> int:
        """Give how much memory the rows take by now."""
        return sum(piece.held_bytes for piece in self._pieces)

    @property
    def is_broken(self) -> bool:
        """Whether the rows could not be fetched."""
        return self._fault is not None

    def _fill(self, fetch: Callable[[], Batches]) -> None:
        try:
            for batch in fetch():
                for part in pieces_of(batch):
                    self._add(Piece(part))
        except BaseException as fault:  # noqa: BLE001 (told to whoever reads)
            self._fault = fault
        finally:
            with self._news:
                self._is_whole = True
                self._news.notify_all()

    def _add(self, piece: Piece) -> None:
        with self._news:
            self._starts.append(self._fetched)
            self._pieces.append(piece)
            self._fetched += piece.rows
            self._news.notify_all()

    def answers(self, start: int, count: int, *, is_compressed: bool) -> Iterator[bytes]:
        """Give the rows from `start` (from 0) on, `count` at most, as answers of ReadRows, as they come."""
        at, end = start, min(self.rows, start + count)
        while at < end:
            piece, offset = self._piece(at)
            rows = min(end - at, piece.rows - offset)
            if rows == piece.rows:
                yield piece.answer(self.schema, is_compressed=is_compressed)
            else:
                yield encode(piece.batch(self.schema).slice(offset, rows), is_compressed=is_compressed)
            at += rows

    def start_near(self, row: int) -> int:
        """Give the first row of the piece that begins nearest; the row itself while they are not all there."""
        with self._news:
            if self._fetched < self.rows:
                return row
            index = bisect.bisect_right(self._starts, row)
            return min(self._starts[max(0, index - 1) : index + 1], key=lambda start: abs(start - row), default=row)

    def _piece(self, row: int) -> tuple[Piece, int]:
        """Wait for the piece with a row; give it, and the row's place in it."""
        with self._news:
            self._news.wait_for(lambda: self._fetched > row or self._is_whole)
            if self._fetched <= row:
                raise self._fault or RuntimeError("a snapshot has fewer rows than were counted")
            index = bisect.bisect_right(self._starts, row) - 1
            return self._pieces[index], row - self._starts[index]

    def discard(self) -> None:
        """Nothing to remove: the rows are in memory, and go with the last who reads."""

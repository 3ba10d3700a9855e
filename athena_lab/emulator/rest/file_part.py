"""A part of a file, read as a file of its own."""

from __future__ import annotations

import io
from typing import Any, BinaryIO


class _Range(io.RawIOBase):
    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file, self._start, self._end, self._at = file, start, max(start, end), start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: self._start, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        self._at = max(self._start, base + offset)
        return self._at - self._start

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        self._file.seek(self._at)
        data = self._file.read(max(0, min(len(view), self._end - self._at)))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class FilePart(io.BufferedReader):
    """The bytes of `file` from `start` up to `end`; closes the file when it is closed."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        super().__init__(_Range(file, start, end), 1024**2)

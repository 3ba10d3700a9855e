"""The audit: append-only JSON lines, each holding the hash of the former; no record, no action."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from athena_lab.errors import AuditError

GENESIS = "0" * 64
_MOST_LINE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who (with which credential, for which purpose) did what to what, and the gateway's decision.

    `decision` is "allowed" or "denied"; `reason` is the error's name, never its text, which may
    quote what the user typed.
    """

    user: str
    kind: str
    token_id: str | None
    purpose: str
    action: str
    object: dict[str, Any]
    decision: str
    reason: str = ""


class Audit:
    """Append to the audit file; every record is on the disk before `record` returns."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # One writer only: a second gateway on the same home would fork the chain.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._previous, self._sequence = self._resume()
        except (OSError, ValueError) as error:
            raise AuditError(_trouble(path, error)) from error

    def close(self) -> None:
        os.close(self._file)

    def record(self, entry: AuditEntry) -> None:
        """Append one record durably, else raise AuditError; then nothing may be done."""
        with self._lock:
            body = {
                "sequence": self._sequence + 1,
                "at": self._now().isoformat(),
                **asdict(entry),
                "previous": self._previous,
            }
            body["hash"] = _hash_of(body)
            self._append(_line(body))
            self._previous, self._sequence = body["hash"], body["sequence"]

    def _append(self, line: bytes) -> None:
        end = None
        try:
            end = self._own_size()
            if os.write(self._file, line) != len(line):
                raise OSError("the disk took only a part of the record")
            os.fsync(self._file)
        except OSError as error:
            self._cut(end)
            raise AuditError(_trouble(self._path, error)) from error

    def _own_size(self) -> int:
        """Give the file's size after making sure that `path` still names the file that is open."""
        mine, named = os.fstat(self._file), self._path.stat()
        if (mine.st_dev, mine.st_ino) != (named.st_dev, named.st_ino):
            raise OSError("the file was replaced while the gateway ran")
        return mine.st_size

    def _cut(self, end: int | None) -> None:
        """Take away a record that was written in part: its action is not going to happen."""
        if end is None:
            return
        try:
            os.ftruncate(self._file, end)
        except OSError:
            # The next start cuts an incomplete line away (`_resume`).
            return

    def _resume(self) -> tuple[str, int]:
        """Find the last whole record; cut what a crash left of a record whose action never happened."""
        size = os.fstat(self._file).st_size
        start = max(0, size - 2 * _MOST_LINE_BYTES)
        tail = os.pread(self._file, size - start, start) if size else b""
        whole = tail[: tail.rfind(b"\n") + 1]
        if len(whole) != len(tail):
            os.ftruncate(self._file, start + len(whole))
        if not whole:
            return GENESIS, 0
        last = json.loads(whole[:-1].rsplit(b"\n", 1)[-1])
        return str(last["hash"]), int(last["sequence"])


def verify_chain(path: Path) -> int:
    """Check every record's hash and its link to the former; give their number, else raise AuditError.

    A change, removal or insertion anywhere but at the very end breaks the chain; against a cut tail
    compare the number with one kept elsewhere.
    """
    previous, sequence = GENESIS, 0
    for number, record in enumerate(_records(path), start=1):
        claimed = record.pop("hash", None)
        if record.get("previous") != previous or record.get("sequence") != number or _hash_of(record) != claimed:
            raise AuditError(
                f"Cannot trust the audit '{path}': record {number} was changed, or one before it is missing. "
                "Compare the file with your backups."
            )
        previous, sequence = claimed, number
    return sequence


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield dict(json.loads(line))
            except ValueError as error:
                raise AuditError(
                    f"Cannot trust the audit '{path}': line {number} is no record. Compare the file with your backups."
                ) from error


def _hash_of(body: dict[str, Any]) -> str:
    return hashlib.sha256(_line(body)).hexdigest()


def _line(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _trouble(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or error
    return (
        f"Cannot write the audit '{path}' ({reason}), so nothing was done. "
        "Free space on its disk, then try again; see `athena logs gateway`."
    )

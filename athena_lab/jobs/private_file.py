"""A SQLite file of the gateway's own: opened, shared between threads, its troubles told in one way."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from athena_lab.errors import ConfigurationError


class PrivateFile:
    """A database that only its owner may read; `what` names it in errors, threads may share it."""

    def __init__(self, path: Path, what: str, schema: str) -> None:
        self._path, self._what, self._lock = path, what, threading.Lock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(schema)
            path.chmod(0o600)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def using(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to one thread at a time; raise ConfigurationError where the file is unusable."""
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"Cannot use the {self._what} '{self._path}' ({error}). Check the disk and the file's owner, then restart."
        )


def text_of(moment: datetime) -> str:
    """Write a moment so that text sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")

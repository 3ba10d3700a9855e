"""Keys of requests that start something: sent again with its key, a request starts nothing more (SQLite)."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from athena_lab.errors import Fault, InProgressError, InvalidError
from athena_lab.gateway_api.once import KEY_HEADER
from athena_lab.gateway_api.wire import Wire
from athena_lab.jobs.private_file import PrivateFile, text_of

KEPT_FOR = timedelta(days=1)
"""How long a key stands for its request; after that it may be used anew."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS request_keys (
  owner TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, subject TEXT NOT NULL, made_at TEXT NOT NULL,
  PRIMARY KEY (owner, key)
) STRICT;
CREATE INDEX IF NOT EXISTS request_keys_by_age ON request_keys (made_at);
"""
T = TypeVar("T")
Keep = Callable[[str], None]
"""Write down what a request starts, under the name by which it is found again: before anything is started."""


def keep_nothing(_subject: str) -> None:
    """Be the `Keep` of a request that came without a key."""


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that may be sent again: whose it is, its key (None without one), what it asks for and with what."""

    owner: str
    key: str | None
    action: str
    body: Wire

    @property
    def fingerprint(self) -> str:
        """Tell one request from another, however its JSON was written."""
        return hashlib.sha256(f"{self.action}\n{self.body.model_dump_json(exclude_defaults=True)}".encode()).hexdigest()


class RequestKeys:
    """The keys in one file, each its owner's own; threads may share it."""

    def __init__(self, path: Path, *, now: Callable[[], datetime]) -> None:
        self._file, self._now = PrivateFile(path, "keys of requests", _SCHEMA), now
        self._lock = threading.Lock()
        self._answering: set[tuple[str, str]] = set()

    def close(self) -> None:
        self._file.close()

    def once(self, asked: KeyedRequest, begin: Callable[[Keep], T], find: Callable[[str], T | None]) -> T:
        """Give what `begin` starts, or, where the request was sent before, what `find` gives for what it started.

        `begin` calls its `Keep` before it starts anything, so that a gateway that dies then knows the request again;
        `find` gives None where nothing came of it, and it begins anew. Raises InvalidError where the key came with
        another request, InProgressError while the same one is being answered, and what `begin` raises.
        """
        key = asked.key
        if key is None:
            return begin(keep_nothing)
        with self._alone(asked.owner, key):
            subject = self._subject_of(asked.owner, key, asked.fingerprint)
            found = find(subject) if subject is not None else None
            if found is not None:
                return found
            return begin(lambda started: self._keep(asked.owner, key, asked.fingerprint, started))

    @contextmanager
    def _alone(self, owner: str, key: str) -> Iterator[None]:
        with self._lock:
            if (owner, key) in self._answering:
                raise InProgressError(
                    f"Cannot answer the request with the key '{key}' twice at once: it is still being answered. "
                    "Send it again in a moment, with the same key."
                )
            self._answering.add((owner, key))
        try:
            yield
        finally:
            with self._lock:
                self._answering.discard((owner, key))

    def _subject_of(self, owner: str, key: str, fingerprint: str) -> str | None:
        with self._file.using() as db:
            row = db.execute(
                "SELECT request, subject FROM request_keys WHERE owner = ? AND key = ? AND made_at >= ?",
                (owner, key, text_of(self._now() - KEPT_FOR)),
            ).fetchone()
        if row is None:
            return None
        if row[0] != fingerprint:
            message = (
                f"Cannot use the key '{key}' for this request: it came with another one. Send this with a new key."
            )
            raise InvalidError([Fault(KEY_HEADER, message)])
        return str(row[1])

    def _keep(self, owner: str, key: str, fingerprint: str, subject: str) -> None:
        now = self._now()
        with self._file.using() as db:
            db.execute("DELETE FROM request_keys WHERE made_at < ?", (text_of(now - KEPT_FOR),))
            db.execute(
                "INSERT OR REPLACE INTO request_keys VALUES (?, ?, ?, ?, ?)",
                (owner, key, fingerprint, subject, text_of(now)),
            )

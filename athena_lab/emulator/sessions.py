"""Sessions: temporary tables that outlive a statement, until the session is ended or the process stops."""

from __future__ import annotations

import hashlib
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import Catalog
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.transactions import OpenTransaction

_ABORT = re.compile(r"(?is)\s*CALL\s+BQ\.ABORT_SESSION\s*\(\s*(?:['\"]([^'\"]*)['\"])?\s*\)\s*;?\s*")
_MOST = 1000


class Sessions:
    """The sessions that are open, each its owner's alone."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str | None, str], None] = {}
        self._parked: dict[str, OpenTransaction] = {}
        """Transactions between two jobs, by their session's hidden dataset."""
        self._busy: set[str] = set()

    def join(self, job: Job) -> None:
        """Open the session that a job asks for, or find the one that it names."""
        query = job.configuration.get("query") or {}
        named = [item for item in query.get("connectionProperties") or () if item.get("key") == "session_id"]
        if named:
            session = str(named[0].get("value") or "")
            with self._lock:
                is_open = _key(job.owner, session) in self._open
            if not is_open:
                raise BigQueryError("invalid", f"Session {session} not found or has ended.")
        elif query.get("createSession"):
            session = uuid.uuid4().hex
            with self._lock:
                if len(self._open) >= _MOST:
                    raise BigQueryError("invalid", "Too many sessions are open. End one with CALL BQ.ABORT_SESSION().")
                self._open[_key(job.owner, session)] = None
        else:
            return
        job.session = hidden_dataset(job.owner, session)
        job.statistics["sessionInfo"] = {"sessionId": session}

    @contextmanager
    def transaction(self, job: Job) -> Iterator[None]:
        """Let a job go on with the transaction that an earlier one of its session began; an error undoes it."""
        if job.session is None:
            yield
            return
        self._resume(job.session)
        try:
            yield
        except BaseException:
            self._catalog.rollback(is_open_only=True)
            raise
        finally:
            found = self._catalog.suspend()
            with self._lock:
                self._busy.discard(job.session)
                if found is not None:
                    self._parked[job.session] = found

    def _resume(self, session: str) -> None:
        with self._lock:
            if session in self._busy:
                raise BigQueryError("invalidQuery", "Another job of the session is in its transaction.", "query")
            found = self._parked.pop(session, None)
            if found is not None:
                self._busy.add(session)
        if found is not None:
            self._catalog.resume(found)

    def end(self, job: Job, text: str) -> bool:
        """End a session if a text says so; tell whether it did."""
        found = _ABORT.fullmatch(text)
        if found is None:
            return False
        session = found[1] or (job.statistics.get("sessionInfo") or {}).get("sessionId") or ""
        with self._lock:
            is_open = self._open.pop(_key(job.owner, session), session) is None
        if not is_open:
            raise BigQueryError("invalid", f"Session {session} not found or has ended.")
        dataset = hidden_dataset(job.owner, session)
        self._resume(dataset)
        self._catalog.rollback(is_open_only=True)
        self._busy.discard(dataset)
        if dataset in self._catalog.state.datasets:
            self._catalog.drop_dataset(dataset, with_contents=True)
        return True


def hidden_dataset(owner: Principal, session: str) -> str:
    """Name the hidden dataset of a session's temporary tables; another user's is another one."""
    return "_session" + hashlib.sha256(f"{owner.user}/{owner.run or ''}/{session}".encode()).hexdigest()[:32]


def _key(owner: Principal, session: str) -> tuple[str, str | None, str]:
    return (owner.user, owner.run, session)

"""A gateway of which only the rehearsals are a stand-in: everything else is asked of the real one behind it.

Why a double: a rehearsal runs on Airflow's worker in the warehouse, which the tests of what is printed of it do not
have, and which cannot be made to fail at a test's word.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx

from athena_lab.gateway_api.jobs import CellRun, RunState
from athena_lab.gateway_api.rehearsals import RefusedWrite, Rehearsal, RehearsalRequest, RehearsedTable

BEGAN = datetime(2026, 11, 24, 6, tzinfo=UTC)
SCRATCH = "_rehearsal_0123456789ab"


def cell(index: int, state: str, took_s: float = 0.5, error: str | None = None) -> CellRun:
    ended = BEGAN + timedelta(seconds=took_s) if state in ("succeeded", "failed") else None
    return CellRun(index=index, state=state, started_at=BEGAN, ended_at=ended, error=error)


GOOD = (
    {
        "state": RunState.RUNNING,
        "cells": (cell(0, "succeeded"), cell(1, "running")),
        "preparation": cell(0, "succeeded"),
    },
    {
        "state": RunState.SUCCEEDED,
        "cells": (cell(0, "succeeded"), cell(1, "succeeded", 1.25)),
        "preparation": cell(0, "succeeded"),
        "ended_at": BEGAN + timedelta(seconds=3.5),
        "billed_bytes": 20 * 1024**2,
        "tables": (
            RehearsedTable(
                table="ds.old",
                scratch=f"{SCRATCH}.ds__old",
                is_copied=True,
                rows_before=1200,
                rows_after=1230,
                columns_added=("n INT64",),
                columns_removed=("m STRING",),
                columns_changed=("k INT64 → STRING",),
            ),
            RehearsedTable(table="ds.new", scratch=f"{SCRATCH}.ds__new", rows_after=3),
        ),
        "has_output": True,
    },
)
BAD = (
    {
        "state": RunState.FAILED,
        "cells": (cell(0, "succeeded"), cell(1, "failed", error="ValueError: no rows")),
        "ended_at": BEGAN + timedelta(seconds=2),
        "error": "Cannot run cell 2: ValueError: no rows. Mend it.",
        "refused": (RefusedWrite(cell=1, text="a rehearsal may write only to the dataset '_rehearsal_0123456789ab'"),),
    },
)


class Front:
    """Serves on loopback until it is closed; `steps` are what the questions after a rehearsal are answered with."""

    def __init__(self, behind: str) -> None:
        self.steps: tuple[dict, ...] = GOOD
        self.requests: list[RehearsalRequest] = []
        self.cancelled = 0
        self.on_question: Callable[[], None] = lambda: None
        self._behind, self._asked = behind, 0
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if urlsplit(self.path).path.startswith("/v1/rehearsals"):
                    status, data = 200, front.rehearse(self.command, urlsplit(self.path).path, body)
                else:
                    kept = {
                        name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers
                    }
                    url = front._behind + self.path
                    reply = httpx.request(self.command, url, content=body, headers=kept, timeout=30, trust_env=False)
                    status, data = reply.status_code, reply.content
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def rehearse(self, method: str, path: str, body: bytes) -> bytes:
        if method == "POST" and path == "/v1/rehearsals":
            self.requests.append(RehearsalRequest.model_validate_json(body))
            self._asked, self.cancelled = 0, 0
            return self._tell({"state": RunState.QUEUED, "started_at": None})
        if path.endswith("/cancel"):
            self.cancelled += 1
            return self._tell({"state": RunState.RUNNING})
        self.on_question()
        if self.cancelled:
            return self._tell({"state": RunState.CANCELLED, "ended_at": BEGAN + timedelta(seconds=1)})
        self._asked += 1
        return self._tell(self.steps[min(self._asked, len(self.steps)) - 1])

    def _tell(self, step: dict) -> bytes:
        known = {
            "id": "r1",
            "bundle": self.requests[-1].bundle,
            "owner": "ann",
            "queued_at": BEGAN,
            "started_at": BEGAN,
            "cells_total": 2,
            "scratch_dataset": SCRATCH,
        }
        return Rehearsal.model_validate(known | step).model_dump_json().encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

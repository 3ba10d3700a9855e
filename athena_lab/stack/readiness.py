"""Questions that tell whether a service answers; each takes a moment and never raises."""

from __future__ import annotations

import json
import socket
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from athena_lab.stack.process import Launch, ReadyCheck

_TIMEOUT_S = 2.0


def answers_http(port: int, path: str) -> ReadyCheck:
    """Ask whether GET `path` on loopback gives 200."""

    def check(launch: Launch) -> bool:  # noqa: ARG001 (the signature of a ready check)
        return _get(port, path) is not None

    return check


def is_healthy_in_airflow(port: int, component: str) -> ReadyCheck:
    """Ask Airflow's api-server whether `component` has reported itself since its start."""

    def check(launch: Launch) -> bool:
        body = _get(port, "/api/v2/monitor/health")
        health = json.loads(body).get(component) if body else None
        if not health or health.get("status") != "healthy":
            return False
        # A predecessor that was killed still looks healthy for half a minute.
        seen = health.get(f"latest_{component}_heartbeat")
        return bool(seen) and datetime.fromisoformat(seen).timestamp() >= launch.started_at

    return check


def has_status_line(path: Path, number: int, word: str) -> ReadyCheck:
    """Ask whether line `number` (from 1) of a state file is `word`."""

    def check(launch: Launch) -> bool:  # noqa: ARG001 (the signature of a ready check)
        try:
            lines = path.read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= number and lines[number - 1].strip() == word

    return check


def answers_redis(path: Path) -> ReadyCheck:
    """Ask whether a Redis server on a Unix socket answers PING."""

    def check(launch: Launch) -> bool:  # noqa: ARG001 (the signature of a ready check)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_TIMEOUT_S)
            try:
                connection.connect(str(path))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    return check


def has_logged(text: str) -> ReadyCheck:
    """Ask whether this start of the process has written `text` into its log."""

    def check(launch: Launch) -> bool:
        try:
            with launch.log.open("rb") as log:
                log.seek(launch.log_offset)
                return text.encode() in log.read()
        except OSError:
            return False

    return check


def _get(port: int, path: str) -> bytes | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
    return body if answer.status == 200 else None

"""`athena status`: what runs in a home, since when, where, and whether users are isolated."""

from __future__ import annotations

import time
from typing import Any

from athena_lab.settings import Home
from athena_lab.stack.processes import find_descendants, list_processes, resident_bytes
from athena_lab.stack.record import ProcessRecord, StackLock, StackRecord, read_record

_HEADINGS = ("NAME", "STATE", "PID", "PORT", "UPTIME", "MEMORY", "RESTARTS")


def read_status(home: Home) -> dict[str, Any]:
    """Give the state of a home's stack as JSON values; "stopped" where none runs."""
    record = read_record(home)
    if record is None:
        return {"home": str(home.root), "state": "stopped", "processes": []}
    if not StackLock(home).is_held():
        return {"home": str(home.root), "state": "killed", "processes": []}
    processes = [_describe(process) for process in record.processes]
    return {
        "home": str(home.root),
        "state": record.state,
        "is_isolated": record.is_isolated,
        "started_at": record.started_at,
        "ready_s": record.ready_s,
        "pid": record.pid,
        "urls": {**record.urls, **_url_with_token(home, record)},
        "memory_bytes": sum(process["memory_bytes"] for process in processes),
        "processes": processes,
    }


def format_status(status: dict[str, Any]) -> str:
    """Give the table for a terminal."""
    if status["state"] == "stopped":
        return f"Athena is not running in '{status['home']}'. Start it with `athena up`."
    if status["state"] == "killed":
        return f"Athena was killed in '{status['home']}'. `athena down` cleans up, `athena up` starts it again."
    rows = [_HEADINGS, *(_row(process) for process in status["processes"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    isolation = "isolated: each part runs as a user of its own"
    if not status["is_isolated"]:
        isolation = "not isolated: everything runs as one user"
    memory = f"memory: {status['memory_bytes'] / 2**20:.0f} MB"
    lines += ["", f"state: {status['state']}", isolation, memory, f"home: {status['home']}"]
    lines += [f"{name}: {url}" for name, url in status["urls"].items()]
    return "\n".join(lines)


def _describe(process: ProcessRecord) -> dict[str, Any]:
    uptime_s = round(time.time() - process.started_at) if process.pid and process.started_at else None
    return {
        "name": process.name,
        "state": process.state,
        "pid": process.pid,
        "port": process.port,
        "uptime_s": uptime_s,
        "memory_bytes": _memory(process.pid),
        "restarts": process.restarts,
    }


def _memory(pid: int | None) -> int:
    """Sum a process and its descendants; 0 where the caller may not look."""
    if pid is None:
        return 0
    return sum(resident_bytes(member) for member in {pid} | find_descendants([pid], list_processes()))


def _row(process: dict[str, Any]) -> tuple[str, ...]:
    memory = process["memory_bytes"]
    return (
        process["name"],
        process["state"],
        _or_dash(process["pid"]),
        _or_dash(process["port"]),
        "-" if process["uptime_s"] is None else f"{process['uptime_s']} s",
        f"{memory / 2**20:.0f} MB" if memory else "-",
        str(process["restarts"]),
    )


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def _url_with_token(home: Home, record: StackRecord) -> dict[str, str]:
    """Give JupyterLab's address with its token, to who may read that."""
    path = home.analyst / "lab.token"
    if "lab" not in record.urls:
        return {}
    try:
        # Not through a link that the analyst might have put there: this is shown on root's terminal.
        return {} if path.is_symlink() else {"lab": f"{record.urls['lab']}?token={path.read_text().strip()}"}
    except OSError:
        return {}

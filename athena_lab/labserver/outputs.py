"""Runs' output notebooks as a read-only drive of JupyterLab: Jupyter's contents model over the gateway's answers."""

from __future__ import annotations

import re
from typing import Any

from athena_lab.gateway_api.jobs import RunSummary

SUFFIX = ".ipynb"
_RUN = re.compile(r"[A-Za-z0-9_-]{1,200}")


def run_of(path: str) -> str | None:
    """Give the run's id that a path of the drive names, or None if it names none."""
    name = path.strip("/")
    stem = name.removesuffix(SUFFIX)
    return stem if name.endswith(SUFFIX) and _RUN.fullmatch(stem) else None


def notebook_model(run: RunSummary, notebook: dict[str, Any] | None) -> dict[str, Any]:
    """Describe a run's output as Jupyter's contents API does; with `notebook`, its content as well."""
    moment = (run.ended_at or run.started_at or run.queued_at).isoformat()
    return {
        "name": f"{run.id}{SUFFIX}",
        "path": f"{run.id}{SUFFIX}",
        "type": "notebook",
        "writable": False,
        "created": run.queued_at.isoformat(),
        "last_modified": moment,
        "mimetype": None,
        "format": None if notebook is None else "json",
        "content": None if notebook is None else _without_trust(notebook),
        "size": None,
        "hash": None,
        "hash_algorithm": None,
    }


def directory_model(runs: tuple[RunSummary, ...], *, with_content: bool) -> dict[str, Any]:
    """Describe the drive's only folder: one notebook a run."""
    newest = max((run.queued_at for run in runs), default=None)
    moment = newest.isoformat() if newest else "1970-01-01T00:00:00+00:00"
    return {
        "name": "",
        "path": "",
        "type": "directory",
        "writable": False,
        "created": moment,
        "last_modified": moment,
        "mimetype": None,
        "format": "json" if with_content else None,
        "content": [notebook_model(run, None) for run in runs] if with_content else None,
        "size": None,
        "hash": None,
        "hash_algorithm": None,
    }


def _without_trust(notebook: dict[str, Any]) -> dict[str, Any]:
    """Take any mark of trust off: only this user's own Jupyter may say that outputs are safe to run."""
    for cell in notebook.get("cells", ()):
        cell.get("metadata", {}).pop("trusted", None)
    return notebook

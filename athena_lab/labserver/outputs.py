"""Output notebooks as a read-only drive of JupyterLab: Jupyter's contents model over the gateway's answers.

Those of runs lie in its folder, those of rehearsals in `rehearsals/` below.
"""

from __future__ import annotations

import re
from typing import Any

from athena_lab.gateway_api.jobs import Run, RunSummary
from athena_lab.gateway_api.rehearsals import Rehearsal

SUFFIX = ".ipynb"
REHEARSALS = "rehearsals"
_PATH = re.compile(rf"(?P<folder>{REHEARSALS}/)?(?P<id>[A-Za-z0-9_-]{{1,200}}){re.escape(SUFFIX)}")


def route_of(path: str) -> tuple[str, type[Run] | type[Rehearsal]] | None:
    """Give the gateway's route of whatever a path of the drive is the output of, and its model; None if it is none."""
    found = _PATH.fullmatch(path.strip("/"))
    if found is None:
        return None
    return (f"rehearsals/{found['id']}", Rehearsal) if found["folder"] else (f"runs/{found['id']}", Run)


def notebook_model(run: RunSummary | Rehearsal, notebook: dict[str, Any] | None) -> dict[str, Any]:
    """Describe an output as Jupyter's contents API does; with `notebook`, its content as well."""
    moment = (run.ended_at or run.started_at or run.queued_at).isoformat()
    name = f"{run.id}{SUFFIX}"
    return {
        "name": name,
        "path": f"{REHEARSALS}/{name}" if isinstance(run, Rehearsal) else name,
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
    """Describe the drive's folder: one notebook a run."""
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

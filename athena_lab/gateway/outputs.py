"""Output notebooks of runs, a file an attempt; readers see a whole one, the newest."""

from __future__ import annotations

import json
import re
from pathlib import Path

from athena_lab.errors import Fault, InvalidError, NotFoundError, PlatformError
from athena_lab.gateway.durable import replace_file

_RUN_ID = re.compile(r"[0-9a-f]{32}")


class Outputs:
    """Keep outputs under `folder/<run>/<attempt>.ipynb`; ids are checked, so no path leaves the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, run_id: str, attempt: int, notebook: bytes) -> None:
        """Keep an attempt's output in place of its former one; raise InvalidError if it is no notebook."""
        path = self._run_folder(run_id) / f"{attempt:04d}.ipynb"
        if not _is_notebook(notebook):
            raise InvalidError(
                [Fault("", f"Cannot keep the output of run '{run_id}': it is no notebook in JSON. Send nbformat 4.")]
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(path, notebook, mode=0o600)
        except OSError as error:
            raise PlatformError(
                f"Cannot keep the output of run '{run_id}' ({error.strerror}). Free space on the gateway's disk."
            ) from error

    def latest(self, run_id: str) -> bytes:
        """Give the output of the latest attempt that left one; raise NotFoundError."""
        path = self._find(run_id)
        if path is None:
            raise NotFoundError(
                f"Cannot find an output of run '{run_id[:64]}': it saved none yet. Wait for its first cell."
            )
        return path.read_bytes()

    def exists(self, run_id: str) -> bool:
        """Did any attempt leave an output?"""
        return self._find(run_id) is not None

    def _find(self, run_id: str) -> Path | None:
        return max(self._run_folder(run_id).glob("[0-9]*.ipynb"), default=None)

    def _run_folder(self, run_id: str) -> Path:
        if not _RUN_ID.fullmatch(run_id):
            raise NotFoundError(f"Cannot find the run '{run_id[:64]}': that is no id of a run. List the runs anew.")
        return self._folder / run_id


def _is_notebook(content: bytes) -> bool:
    try:
        notebook = json.loads(content)
    except ValueError:
        return False
    return isinstance(notebook, dict) and isinstance(notebook.get("cells"), list)

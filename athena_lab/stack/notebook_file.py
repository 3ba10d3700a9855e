"""A notebook on the disk made ready for upload: read by whoever types the command, held against the draft's rules."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from athena_lab.errors import Fault, InvalidError
from athena_lab.gateway_api.jobs import BundleUpload
from athena_lab.labserver.draft import Document, DraftRequest, collect


class _FolderReader:
    """A `draft.Reader` over one folder; what lies outside it (through a link, too) is not read."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    async def read_notebook(self, path: str) -> Document:
        try:
            notebook = json.loads((self._root / path).read_bytes())
        except OSError as error:
            raise _refusal(path, f"it cannot be read ({error.strerror})", "Check the path.") from error
        except ValueError as error:
            raise _refusal(path, "it is no valid notebook", "Open it in JupyterLab and save it again.") from error
        if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
            raise _refusal(path, "it is no notebook of format 4", "Open it in JupyterLab and save it again.")
        return Document(notebook)

    async def read_file(self, path: str) -> bytes | None:
        found = (self._root / path).resolve()
        if not found.is_relative_to(self._root) or not found.is_file():
            return None
        try:
            return found.read_bytes()
        except OSError:
            return None


def upload_of(file: Path, workspace: Path, cell_id: str | None = None) -> BundleUpload:
    """Read a notebook and its local modules; raise InvalidError with every fault, TooLargeError over the limits.

    Its path is told as JupyterLab tells it where it lies in the `workspace`, so that both find the same job.
    """
    file = file.absolute()
    if file.suffix != ".ipynb":
        raise _refusal(file.name, "it is not a notebook", "Name a file that ends in '.ipynb'.")
    is_inside = file.resolve().is_relative_to(workspace.resolve())
    root = workspace.resolve() if is_inside else file.parent
    path = file.resolve().relative_to(root).as_posix() if is_inside else file.name
    return asyncio.run(collect(DraftRequest(path=path, cell_id=cell_id), _FolderReader(root)))


def _refusal(path: str, why: str, todo: str) -> InvalidError:
    return InvalidError([Fault("path", f"Cannot schedule '{path}': {why}. {todo}")])

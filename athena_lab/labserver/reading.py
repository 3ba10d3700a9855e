"""Reads the user's files through Jupyter's own contents manager, with the user's rights and nobody else's."""

from __future__ import annotations

import base64
import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from tornado.web import HTTPError

from athena_lab.errors import Fault, InvalidError
from athena_lab.jobs.drafting import Document


class ContentsReader:
    """A `draft.Reader` over Jupyter's contents manager (a directory, or wherever the user's files are).

    `named` is the file that the user named; it and its folder may be reached by a link.
    """

    def __init__(self, contents_manager: Any, named: str) -> None:
        self._contents, self._named = contents_manager, named

    async def read_notebook(self, path: str) -> Document:
        """Give the notebook; raise InvalidError if it is missing, unreadable or no notebook."""
        if not path.endswith(".ipynb"):
            raise _refusal(path, "it is not a notebook", "Open a notebook (.ipynb) and press the button there.")
        if not await self._has_file(path):
            raise _refusal(path, "there is no such file", "Save the notebook first.")
        try:
            model = await ensure_async(self._contents.get(path, content=True, type="notebook"))
        except HTTPError as error:
            # The manager's own message names the file by its absolute path, which is nobody's business.
            reason = "you may not read it" if error.status_code == HTTPStatus.FORBIDDEN else "it is no valid notebook"
            raise _refusal(path, reason, "Open it in JupyterLab and save it again.") from error
        # Through JSON: the contents manager's NotebookNode is a dict of its own kind.
        return Document(json.loads(json.dumps(model["content"])), str(model.get("message") or ""))

    async def read_file(self, path: str) -> bytes | None:
        """Give a file's bytes, or None if there is no such file that the user may read."""
        if not await self._has_file(path):
            return None
        try:
            model = await ensure_async(self._contents.get(path, content=True, type="file", format="base64"))
        except HTTPError:
            return None
        return base64.b64decode(model["content"])

    async def size_of(self, path: str) -> int | None:
        """Give a file's size in bytes, or None if there is no such file that the user may read."""
        if not await self._has_file(path):
            return None
        try:
            model = await ensure_async(self._contents.get(path, content=False, type="file"))
        except HTTPError:
            return None
        return int(model.get("size") or 0)

    async def list_folder(self, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Give the names of the files and of the folders in a folder, none where there is no such folder."""
        if not await ensure_async(self._contents.dir_exists(path)):
            return (), ()
        try:
            model = await ensure_async(self._contents.get(path, content=True, type="directory"))
        except HTTPError:
            return (), ()
        entries = model["content"]
        folders = tuple(entry["name"] for entry in entries if entry["type"] == "directory")
        return tuple(entry["name"] for entry in entries if entry["type"] != "directory"), folders

    async def _has_file(self, path: str) -> bool:
        """Tell whether a file is there; one that a link beside the named file leads away to is not meant to go along.

        Jupyter itself follows links wherever they lead.
        """
        root = getattr(self._contents, "root_dir", None)
        try:
            if root and path != self._named:
                found = Path(root, path).resolve()
                if not any(map(found.is_relative_to, (Path(root).resolve(), Path(root, self._named).parent.resolve()))):
                    return False
            return bool(await ensure_async(self._contents.file_exists(path)))
        except (HTTPError, OSError, RuntimeError, ValueError):  # outside, a name of no file, links in a circle
            return False


def _refusal(path: str, reason: str, remedy: str) -> InvalidError:
    return InvalidError([Fault("path", f"Cannot schedule '{path}': {reason}. {remedy}")])

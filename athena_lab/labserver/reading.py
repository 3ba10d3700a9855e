"""Reads the user's files through Jupyter's own contents manager, with the user's rights and nobody else's."""

from __future__ import annotations

import base64
import json
from http import HTTPStatus
from typing import Any

from jupyter_core.utils import ensure_async
from tornado.web import HTTPError

from athena_lab.errors import Fault, InvalidError
from athena_lab.labserver.draft import Document


class ContentsReader:
    """A `draft.Reader` over Jupyter's contents manager (a directory, or wherever the user's files are)."""

    def __init__(self, contents_manager: Any) -> None:
        self._contents = contents_manager

    async def read_notebook(self, path: str) -> Document:
        """Give the notebook; raise InvalidError if it is missing, unreadable or no notebook."""
        if not path.endswith(".ipynb"):
            raise _refusal(path, "it is not a notebook", "Open a notebook (.ipynb) and press the button there.")
        if not await ensure_async(self._contents.file_exists(path)):
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
        if not await ensure_async(self._contents.file_exists(path)):
            return None
        try:
            model = await ensure_async(self._contents.get(path, content=True, type="file", format="base64"))
        except HTTPError:
            return None
        return base64.b64decode(model["content"])


def _refusal(path: str, reason: str, remedy: str) -> InvalidError:
    return InvalidError([Fault("path", f"Cannot schedule '{path}': {reason}. {remedy}")])

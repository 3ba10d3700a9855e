"""A draft of a promotion: the notebook and its side files, read as the user, checked and made ready for upload."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

from pydantic import ConfigDict

from athena_lab.errors import Fault, InvalidError, TooLargeError
from athena_lab.gateway_api.jobs import BundleUpload, SideFile, Source
from athena_lab.gateway_api.wire import Wire
from athena_lab.labserver import imports

MAX_FILES = 200
MAX_BYTES = 20 * 1024 * 1024


class DraftRequest(Wire):
    """What the front end sends: the notebook's contents path, the promoted cell, further files beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    path: str
    cell_id: str | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A notebook as Jupyter's contents manager gave it; `problem` says why it is not a valid one."""

    notebook: dict[str, Any]
    problem: str = ""


class Reader(Protocol):
    """Reads the user's files as the user."""

    async def read_notebook(self, path: str) -> Document:
        """Give the notebook; raise InvalidError if it is missing or no notebook."""

    async def read_file(self, path: str) -> bytes | None:
        """Give a file's bytes, or None if there is no such file."""


async def collect(request: DraftRequest, reader: Reader) -> BundleUpload:
    """Read the notebook and its side files; raise InvalidError with every fault, TooLargeError over the limits."""
    path = request.path.strip("/")
    document = await reader.read_notebook(path)
    faults = [*faults_of(path, document), *faults_of_cell(path, document.notebook, request.cell_id)]
    files: dict[str, bytes] = {}
    folder = PurePosixPath(path).parent
    for name in request.files:
        content = await reader.read_file(_beside(folder, name)) if _is_inside(name) else None
        if content is None:
            faults.append(Fault("files", _missing(path, name)))
        else:
            files[name] = content
    if faults:
        raise InvalidError(faults)
    await _add_modules(files, imports.imports_of_notebook(document.notebook), folder, reader)
    _refuse_too_much(path, files)
    return BundleUpload(
        notebook=_content_of(document.notebook),
        source=Source(path=path, notebook_id=_notebook_id(document.notebook), cell_id=request.cell_id),
        files=tuple(
            SideFile(path=name, content_base64=base64.b64encode(content).decode())
            for name, content in sorted(files.items())
        ),
    )


def faults_of(path: str, document: Document) -> list[Fault]:
    """List what makes the notebook unfit to be scheduled."""
    if document.problem:
        reason = document.problem.rstrip(".")
        return [
            Fault(
                "path", f"Cannot schedule '{path}': it is not a valid notebook ({reason}). Open it and save it again."
            )
        ]
    faults = []
    metadata = document.notebook.get("metadata", {})
    kernel = metadata.get("kernelspec", {})
    language = kernel.get("language") or metadata.get("language_info", {}).get("name") or "python"
    if not kernel.get("name"):
        faults.append(
            Fault("kernel", f"Cannot schedule '{path}': it names no kernel. Choose one at the top right, then save.")
        )
    elif language != "python":
        faults.append(
            Fault("kernel", f"Cannot schedule '{path}': its kernel speaks '{language}'. Choose a Python kernel.")
        )
    if not any(_is_code(cell) for cell in document.notebook.get("cells", ())):
        faults.append(Fault("path", f"Cannot schedule '{path}': it has no code cell. Write one, then save."))
    return faults


def faults_of_cell(path: str, notebook: dict[str, Any], cell_id: str | None) -> list[Fault]:
    """List what is wrong with the promoted cell, if one was named."""
    if cell_id is None:
        return []
    cells = [cell for cell in notebook.get("cells", ()) if cell.get("id") == cell_id]
    if not cells:
        return [
            Fault("cell_id", f"Cannot promote cell '{cell_id}': '{path}' has no such cell. Save it, then try again.")
        ]
    if not _is_code(cells[0]):
        return [
            Fault("cell_id", f"Cannot promote cell '{cell_id}' of '{path}': it is empty or no code. Choose another.")
        ]
    return []


async def _add_modules(
    files: dict[str, bytes], wanted: Iterable[imports.Import], folder: PurePosixPath, reader: Reader
) -> None:
    """Add the local modules that the notebook imports, and those that they import."""
    pending = list(imports.candidates(wanted))
    seen = set(files)
    while pending:
        name = pending.pop()
        if name in seen or not _is_inside(name):
            continue
        seen.add(name)
        content = await reader.read_file(_beside(folder, name))
        if content is None:
            continue
        files[name] = content
        pending += imports.candidates(imports.imports_of(content.decode(errors="replace")), name)
        if name.count("/"):
            # A module of a package is never loaded without the package's own __init__.
            pending += [f"{parent}/__init__.py" for parent in PurePosixPath(name).parents if str(parent) != "."]


def _refuse_too_much(path: str, files: dict[str, bytes]) -> None:
    size = sum(len(content) for content in files.values())
    if len(files) > MAX_FILES or size > MAX_BYTES:
        raise TooLargeError(
            f"Cannot take '{path}' with {len(files)} files of {size} bytes beside it: at most {MAX_FILES} files and "
            f"{MAX_BYTES} bytes are allowed. Put the code into an installed package."
        )


def _is_code(cell: dict[str, Any]) -> bool:
    return cell.get("cell_type") == "code" and bool("".join(cell.get("source", "")).strip())


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\\" not in name


def _beside(folder: PurePosixPath, name: str) -> str:
    return str(folder / name)


def _missing(path: str, name: str) -> str:
    return f"Cannot take the file '{name}' with '{path}': there is no such file in its folder. Take it off the list."


def _notebook_id(notebook: dict[str, Any]) -> str | None:
    found = notebook.get("metadata", {}).get("athena", {}).get("notebook_id")
    return str(found) if found else None


def _content_of(notebook: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is no content: outputs, which may hold personal data and megabytes, and marks of trust,
    which Jupyter adds when it reads."""
    cells = []
    for cell in notebook.get("cells", ()):
        metadata = {key: value for key, value in cell.get("metadata", {}).items() if key != "trusted"}
        bare: dict[str, Any] = {"outputs": [], "execution_count": None} if cell.get("cell_type") == "code" else {}
        cells.append(cell | {"metadata": metadata} | bare)
    return notebook | {"cells": cells}

"""A file on the disk made ready for upload: read by whoever types the command, held against the draft's rules."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from athena_lab.errors import Fault, InvalidError
from athena_lab.gateway_api.bundles import EnvironmentLock, KernelReport
from athena_lab.gateway_api.jobs import BundleUpload
from athena_lab.jobs.drafting.draft import Document, DraftRequest, collect, is_script
from athena_lab.jobs.drafting.files import is_text
from athena_lab.jobs.drafting.metadata import Metadata

_SHOWN = 200


class FolderReader:
    """A `draft.Reader` over one folder; what lies outside it (through a link, too) is not read.

    `named` is the file that the user named: it may be a link. Devices and pipes, which may never end, are no files.
    """

    def __init__(self, root: Path, named: str = "") -> None:
        self._root, self._named = root.resolve(), named

    async def read_notebook(self, path: str) -> Document:
        """Give the notebook; raise InvalidError if it is missing or no notebook."""
        try:
            found = self._find(path)
            if found is None and (self._root / path).exists():
                raise _refusal(path, "it is no regular file", "Name a notebook that is saved on the disk.")
            notebook = json.loads((found or self._root / path).read_bytes())
        except OSError as error:
            raise _refusal(path, f"it cannot be read ({error.strerror})", "Check the path.") from error
        except (ValueError, RecursionError) as error:
            raise _refusal(path, "it is no valid notebook", "Open it in JupyterLab and save it again.") from error
        if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
            raise _refusal(path, "it is no notebook of format 4", "Open it in JupyterLab and save it again.")
        return Document(notebook)

    async def read_file(self, path: str) -> bytes | None:
        """Give a file's bytes, or None if there is no such file."""
        found = self._find(path)
        try:
            return found.read_bytes() if found is not None else None
        except OSError:
            return None

    async def size_of(self, path: str) -> int | None:
        """Give a file's size, or None if there is no such file."""
        found = self._find(path)
        return found.stat().st_size if found is not None else None

    async def list_folder(self, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Give the names of the files and of the folders in a folder."""
        try:
            found = (self._root / path).resolve()
            if not found.is_relative_to(self._root) or not found.is_dir():
                return (), ()
            entries = sorted(found.iterdir())
        except OSError:  # a folder that the user may not list, or links in a circle
            return (), ()
        files = tuple(entry.name for entry in entries if entry.is_file())
        return files, tuple(entry.name for entry in entries if entry.is_dir() and not entry.is_symlink())

    def _find(self, path: str) -> Path | None:
        try:
            found = (self._root / path).resolve()
            is_ours = found.is_relative_to(self._root) or path == self._named
            return found if is_ours and found.is_file() else None
        except (OSError, ValueError, RuntimeError):  # a name that no file can have, or links in a circle
            return None


def upload_of(file: Path, workspace: Path, request: DraftRequest | None = None) -> BundleUpload:
    """Read a file and what it needs; raise InvalidError with every fault, TooLargeError over the limits.

    Its path is told as JupyterLab tells it where it lies in the `workspace`, so that both find the same job. The
    `request` says what else is wanted; its path does not count.
    """
    file = file.absolute()
    if file.suffix != ".ipynb" and not is_script(file.name):
        raise _refusal(file.name, "it is no notebook", "Name a file that ends in '.ipynb', '.sql' or '.py'.")
    root, path = _place_of(file, workspace)
    if not is_text(path):
        raise _refusal(ascii(path), "its name is no valid Unicode", "Rename the file.")
    asked = (request or DraftRequest(path=path)).model_copy(update={"path": path})
    return asyncio.run(collect(asked, FolderReader(root, path), lock))


def _place_of(file: Path, workspace: Path) -> tuple[Path, str]:
    """Give the folder that is read and the file's path in it: the workspace where the file lies there, else its own."""
    try:
        found, root = file.resolve(), workspace.resolve()
        found.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, links in a circle, a NUL
        why = f"it cannot be read ({getattr(error, 'strerror', None) or 'no file can have that name'})"
        raise _refusal(ascii(file.name)[1:-1], why, "Check the path.") from error
    return (root, found.relative_to(root).as_posix()) if found.is_relative_to(root) else (file.parent, file.name)


async def lock(report: KernelReport, metadata: Metadata) -> tuple[EnvironmentLock, tuple[str, ...]]:
    """Lock an environment in a thread: it asks the package index and may take a minute."""
    # Here and not above: only a draft with a lock needs it, and it reads the metadata of every distribution.
    from athena_lab.jobs.drafting.environment import lock_environment  # noqa: PLC0415 (above)

    return await asyncio.to_thread(lock_environment, report, metadata)


def _refusal(path: str, why: str, todo: str) -> InvalidError:
    return InvalidError([Fault("path", f"Cannot schedule '{path[:_SHOWN]}': {why}. {todo}")])

"""A draft of a promotion: the file and its side files, read as the user, checked and made ready for upload."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Protocol

from pydantic import ConfigDict

from athena_lab.errors import Fault, InvalidError
from athena_lab.gateway_api.bundles import Destination, EnvironmentKind, EnvironmentLock, KernelReport
from athena_lab.gateway_api.jobs import BundleUpload, Source
from athena_lab.gateway_api.wire import Wire
from athena_lab.jobs.bundle import script_of
from athena_lab.jobs.bundle_notebook import clean_cells, is_code, text_of
from athena_lab.jobs.bundle_slice import keep_slice, targets_of
from athena_lab.jobs.drafting.files import Collector
from athena_lab.jobs.drafting.metadata import Metadata, metadata_of, without_reason
from athena_lab.jobs.drafting.shape import trouble_of

MAX_NOTEBOOK_BYTES = 100 * 1024**2
MAX_SCRIPT_BYTES = 2 * 1024**2
SCRIPT_SUFFIXES = (".sql", ".py")


class DraftRequest(Wire):
    """What the front end sends; everything but `path` (Jupyter's contents path) may be left out.

    `cell_id` or `cell_ids` name what is promoted of a notebook, `kept_cells` what the user ticked in its slice;
    `files` and `globs` name files beside it. `environment` None takes what the file's own metadata asks for, else
    the environment of the job that it becomes a version of (`job_id`), else the platform's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    path: str
    cell_id: str | None = None
    cell_ids: tuple[str, ...] = ()
    kept_cells: tuple[str, ...] | None = None
    destination: Destination | None = None
    environment: EnvironmentKind | None = None
    job_id: str | None = None
    files: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    report: KernelReport = KernelReport()


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

    async def size_of(self, path: str) -> int | None:
        """Give a file's size in bytes, or None if there is no such file."""

    async def list_folder(self, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Give the names of the files and of the folders in a folder; none where there is no such folder."""


Locker = Callable[[KernelReport, Metadata], Awaitable[tuple[EnvironmentLock, tuple[str, ...]]]]
"""Locks an environment; gives the lock and what could not be locked. Raises our errors."""


async def collect(request: DraftRequest, reader: Reader, lock: Locker) -> BundleUpload:
    """Read the file and its side files; raise InvalidError with every fault, TooLargeError over the limits."""
    path = request.path.strip("/")
    upload, faults = await _read(path, request, reader)
    collector = Collector(path, reader)
    await collector.add_named(request.files, request.globs)
    faults += collector.faults
    if faults:
        raise InvalidError(faults)
    # In a thread: slicing a large notebook takes seconds, and Jupyter's loop must go on meanwhile.
    sources = await asyncio.to_thread(_sources_of, upload)
    await collector.add_found(sources)
    if collector.faults:
        raise InvalidError(collector.faults)
    metadata = metadata_of(sources)
    kind = request.environment or (EnvironmentKind.LOCK if metadata.is_given else EnvironmentKind.PLATFORM)
    found, warnings = None, without_reason(metadata, kind)
    if kind is EnvironmentKind.LOCK:
        found, warnings = await lock(request.report, metadata)
    is_told = request.environment is not None or metadata.is_given
    return upload.model_copy(
        update={
            "files": collector.side_files,
            "lock": found,
            "environment_of": None if is_told else request.job_id,
            "warnings": (*collector.warnings, *warnings),
        }
    )


async def _read(path: str, request: DraftRequest, reader: Reader) -> tuple[BundleUpload, list[Fault]]:
    source = Source(path=path, cell_id=request.cell_id, cell_ids=request.cell_ids)
    if path.lower().endswith(SCRIPT_SUFFIXES):
        text, faults = await _read_script(path, reader)
        given = BundleUpload(text=text, source=source, destination=request.destination)
        return given, faults
    await _refuse_large(path, MAX_NOTEBOOK_BYTES, "Clear its outputs and save it.", reader)
    document = await reader.read_notebook(path)
    # Before anything else looks into it: what is no text or no object there would break it.
    document = replace(document, problem=document.problem or trouble_of(document.notebook))
    if document.problem:
        raise InvalidError(faults_of(path, document))
    faults = [*faults_of(path, document), *_cell_faults(path, document.notebook, targets_of(source))]
    upload = BundleUpload(
        notebook=_content_of(document.notebook),
        source=source.model_copy(update={"notebook_id": _notebook_id(document.notebook)}),
        executions=request.report.executions,
        names=request.report.names,
        kept_cells=request.kept_cells,
        destination=request.destination,
    )
    return upload, faults


async def _read_script(path: str, reader: Reader) -> tuple[str, list[Fault]]:
    await _refuse_large(path, MAX_SCRIPT_BYTES, "Split it.", reader)
    content = await reader.read_file(path)
    if content is None:
        return "", [Fault("path", f"Cannot schedule '{path}': there is no such file. Save the file first.")]
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return "", [Fault("path", f"Cannot schedule '{path}': it is no text in UTF-8. Save it in that encoding.")]


async def _refuse_large(path: str, limit: int, todo: str, reader: Reader) -> None:
    size = await reader.size_of(path)
    if size is not None and size > limit:
        why = f"it has {size // 1024**2} MB, more than the {limit // 1024**2} MB allowed"
        raise InvalidError([Fault("path", f"Cannot schedule '{path}': {why}. {todo}")])


def faults_of(path: str, document: Document) -> list[Fault]:
    """List what makes the notebook unfit to be scheduled."""
    if document.problem:
        reason = document.problem.rstrip(".")
        message = f"Cannot schedule '{path}': it is not a valid notebook ({reason}). Open it and save it again."
        return [Fault("path", message)]
    faults = []
    metadata = document.notebook.get("metadata", {})
    kernel = metadata.get("kernelspec") or {}
    language = kernel.get("language") or (metadata.get("language_info") or {}).get("name") or "python"
    if not kernel.get("name"):
        faults.append(
            Fault("kernel", f"Cannot schedule '{path}': it names no kernel. Choose one at the top right, then save.")
        )
    elif language != "python":
        faults.append(
            Fault("kernel", f"Cannot schedule '{path}': its kernel speaks '{language}'. Choose a Python kernel.")
        )
    if not any(_has_code(cell) for cell in document.notebook.get("cells", ())):
        faults.append(Fault("path", f"Cannot schedule '{path}': it has no code cell. Write one, then save."))
    return faults


def _cell_faults(path: str, notebook: dict[str, Any], wanted: tuple[str, ...]) -> list[Fault]:
    """List what is wrong with the promoted cells, if any were named."""
    by_id = {cell.get("id"): cell for cell in notebook.get("cells", ())}
    faults = []
    for cell_id in wanted:
        if cell_id not in by_id:
            why = f"'{path}' has no such cell. Save it, then try again."
            faults.append(Fault("cell_id", f"Cannot promote cell '{cell_id}': {why}"))
        elif not _has_code(by_id[cell_id]):
            why = "it is empty or no code. Choose another."
            faults.append(Fault("cell_id", f"Cannot promote cell '{cell_id}' of '{path}': {why}"))
    return faults


def _sources_of(upload: BundleUpload) -> list[str]:
    """Give the code that the job will run; none where the file is unfit, which the gateway says."""
    if upload.text is not None:
        cells = script_of(upload).notebook.get("cells", ())
    elif targets_of(upload.source):
        cells = keep_slice(clean_cells((upload.notebook or {})["cells"]), upload).cells
    else:
        cells = (upload.notebook or {})["cells"]
    return [text_of(cell["source"]) for cell in cells if is_code(cell)]


def _has_code(cell: dict[str, Any]) -> bool:
    return cell.get("cell_type") == "code" and bool("".join(cell.get("source", "")).strip())


def _notebook_id(notebook: dict[str, Any]) -> str | None:
    found = (notebook.get("metadata", {}).get("athena") or {}).get("notebook_id")
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


def is_script(path: str) -> bool:
    """Tell whether a path names a file that is promoted as a script."""
    return PurePosixPath(path).suffix.lower() in SCRIPT_SUFFIXES

"""Build a bundle: a notebook without outputs and its side files, named by the hash of their content."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import nbformat

from athena_lab.errors import Fault, InvalidError, UpstreamError
from athena_lab.gateway_api.jobs import Bundle, BundleUpload, CellSummary, SideFile, Source
from athena_lab.gateway_api.terms import Parameter
from athena_lab.jobs.parameters import PARAMETERS_TAG, read_parameters
from athena_lab.jobs.slicing import slice_cells

MAX_FILE_BYTES = 20 * 1024**2
MAX_BUNDLE_BYTES = 100 * 1024**2
NOTEBOOK = "notebook.ipynb"
MANIFEST = "manifest.json"
FILES = "files/"
SCHEMA_VERSION = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAX_PATH = 240
Cell = dict[str, Any]
Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a side file and a whole bundle may be."""

    file_bytes: int = MAX_FILE_BYTES
    bundle_bytes: int = MAX_BUNDLE_BYTES


@dataclass(frozen=True, slots=True)
class BuiltBundle:
    """A bundle ready to be stored: `archive` is the zip, the rest says what is in it."""

    hash: str
    archive: bytes
    source: Source
    cells: tuple[CellSummary, ...]
    parameters: tuple[Parameter, ...]
    warnings: tuple[str, ...]

    @property
    def summary(self) -> Bundle:
        """What is told to the client."""
        return Bundle(
            hash=self.hash,
            source=self.source,
            cells=self.cells,
            parameters=self.parameters,
            size_bytes=len(self.archive),
            warnings=self.warnings,
        )


def build_bundle(upload: BundleUpload, limits: Limits | None = None) -> BuiltBundle:
    """Make the bundle of an upload; raise InvalidError with every fault of notebook and files."""
    given = upload.notebook or {}
    faults = [*_notebook_faults(given, upload.source.path)]
    files, file_faults = _read_files(upload.files, limits or Limits())
    faults += file_faults
    cells = [] if faults else _clean_cells(given["cells"])
    warnings: tuple[str, ...] = ()
    if cells and upload.source.cell_id is not None:
        cells, faults, warnings = _keep_slice(cells, upload.source.cell_id)
    if faults:
        raise InvalidError(faults)
    notebook = _canonical(_clean_notebook(given, cells))
    manifest = _canonical(
        {
            "schema_version": SCHEMA_VERSION,
            "environment": "platform",
            "source": upload.source.model_dump(mode="json"),
        }
    )
    members = {NOTEBOOK: notebook, MANIFEST: manifest} | {FILES + path: data for path, data in files.items()}
    archive = _zip(members)
    described = describe_bundle(archive)
    return BuiltBundle(
        hash=described.hash,
        archive=archive,
        source=upload.source,
        cells=described.cells,
        parameters=described.parameters,
        warnings=warnings + described.warnings,
    )


def describe_bundle(archive: bytes) -> Bundle:
    """Read back what a bundle's archive holds; raise UpstreamError if it is not one of ours."""
    members = _unzip(archive)
    try:
        notebook = json.loads(members[NOTEBOOK])
        manifest = json.loads(members[MANIFEST])
        source = Source.model_validate(manifest["source"])
    except (KeyError, ValueError) as error:
        raise UpstreamError(
            "Cannot read the stored bundle: it lacks its notebook or manifest. Upload the notebook again."
        ) from error
    parameters, warnings = read_parameters(notebook)
    return Bundle(
        hash=_hash_of(members),
        source=source,
        cells=_summaries(notebook["cells"]),
        parameters=parameters,
        size_bytes=len(archive),
        warnings=warnings,
    )


def hash_of_archive(archive: bytes) -> str:
    """Give a bundle's content hash (SHA-256, hex): over names and contents, not over the zip's own bytes."""
    return _hash_of(_unzip(archive))


# -- the archive


def _hash_of(members: Mapping[str, bytes]) -> str:
    listing = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    return hashlib.sha256(_canonical(listing)).hexdigest()


def _zip(members: Mapping[str, bytes]) -> bytes:
    """Write the members sorted, without times, so that equal content makes equal archives."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o100644 << 16
            archive.writestr(info, members[name])
    return buffer.getvalue()


def _unzip(archive: bytes) -> Files:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return {name: opened.read(name) for name in opened.namelist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise UpstreamError(
            f"Cannot read the stored bundle: its archive is damaged ({error}). Upload the notebook again."
        ) from error


def _canonical(value: Any) -> bytes:
    return (json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogatepass")


# -- the notebook


def _notebook_faults(notebook: Mapping[str, Any], path: str) -> Sequence[Fault]:
    if notebook.get("nbformat") != nbformat.current_nbformat:
        found = notebook.get("nbformat")
        return [
            _fault("notebook", path, f"it is not a notebook of format 4 (found {found!r})", "Save it in JupyterLab")
        ]
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        return [_fault("notebook", path, "it is not a valid notebook (it has no cells)", "Save it anew in JupyterLab")]
    try:
        nbformat.validate(_with_ids(notebook), relax_add_props=True)
    except (nbformat.ValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
        reason = str(getattr(error, "message", error)).splitlines()[0][:200]
        return [_fault("notebook", path, f"it is not a valid notebook ({reason})", "Save it anew in JupyterLab")]
    faults = []
    if not _kernel_name(notebook):
        faults.append(_fault("notebook", path, "it names no kernel", "Choose a kernel and save it"))
    if not any(_is_code(cell) for cell in notebook["cells"]):
        faults.append(_fault("notebook", path, "it has no code cell with anything in it", "Write one and save it"))
    return faults


def _kernel_name(notebook: Mapping[str, Any]) -> str:
    spec = notebook["metadata"].get("kernelspec")
    return str(spec.get("name") or "") if isinstance(spec, dict) else ""


def _is_code(cell: Mapping[str, Any]) -> bool:
    return cell["cell_type"] == "code" and bool(_text(cell["source"]).strip())


def _text(source: str | Sequence[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _with_ids(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Give the notebook with a distinct id on every cell (format 4.5), the same for the same content."""
    seen: set[str] = set()
    cells = []
    for index, cell in enumerate(notebook["cells"]):
        wanted = cell.get("id") or f"cell-{index}"
        cell_id = wanted if wanted not in seen else f"{wanted[:50]}-{index}"
        seen.add(cell_id)
        cells.append({**cell, "id": cell_id})
    return {**notebook, "nbformat_minor": 5, "cells": cells}


def _clean_notebook(notebook: Mapping[str, Any], cells: list[Cell]) -> dict[str, Any]:
    """Keep what decides how it runs: not outputs, execution counts, widgets' state or editors' marks."""
    metadata = notebook["metadata"]
    spec, info = metadata["kernelspec"], metadata.get("language_info") or {}
    # JupyterLab adds the language once a kernel has run; Athena's runs know Python kernels only.
    language = info.get("name") or spec.get("language") or "python"
    kernel = {"name": spec["name"], "display_name": spec.get("display_name") or spec["name"], "language": language}
    kept = {"kernelspec": kernel, "language_info": {"name": language}}
    return {"cells": cells, "metadata": kept, "nbformat": 4, "nbformat_minor": 5}


def _clean_cells(cells: Any) -> list[Cell]:
    return [_clean_cell(cell) for cell in _with_ids({"cells": cells})["cells"]]


def _clean_cell(cell: Mapping[str, Any]) -> Cell:
    tags = cell["metadata"].get("tags")
    clean: Cell = {
        "cell_type": cell["cell_type"],
        "id": cell["id"],
        "metadata": {"tags": list(tags)} if tags else {},
        "source": _text(cell["source"]),
    }
    if cell["cell_type"] == "code":
        clean |= {"outputs": [], "execution_count": None}
    if cell.get("attachments"):
        clean["attachments"] = cell["attachments"]
    return clean


def _keep_slice(cells: list[Cell], cell_id: str) -> tuple[list[Cell], list[Fault], tuple[str, ...]]:
    """Keep the target, the earlier cells that it needs, and the parameters cell with what that needs."""
    at = next((index for index, cell in enumerate(cells) if cell["id"] == cell_id), None)
    if at is None or not _is_code(cells[at]):
        why = "the saved notebook has no such code cell"
        return [], [_fault("source.cell_id", cell_id, why, "Save the notebook and press the button again", "cell")], ()
    tagged = next((cell for cell in cells if PARAMETERS_TAG in cell["metadata"].get("tags", ())), None)
    candidates = [cell for cell in cells[: at + 1] if _is_code(cell)]
    if tagged is not None and tagged not in candidates:
        # A parameters cell below the target goes first, else the values would arrive too late.
        candidates.insert(0, tagged)
    always = (candidates.index(tagged),) if tagged is not None else ()
    found = slice_cells(candidates, len(candidates) - 1, always=always)
    kept = [candidates[index] for index in found.cells]
    counted = f"keeps {len(kept) - 1} of the {len(candidates) - 1} cells before it"
    reasons = [_reason(candidates[index], names) for index, names in found.why.items() if names]
    return kept, [], (counted, *reasons, *(f"not decided: {note}" for note in found.undecided))


def _reason(cell: Cell, names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"keeps '{_first_line(cell)[:60]}' for {', '.join(names[:5])}{more}"


def _first_line(cell: Cell) -> str:
    return next((line.strip() for line in cell["source"].splitlines() if line.strip()), "")


def _summaries(cells: Sequence[Cell]) -> tuple[CellSummary, ...]:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return tuple(
        CellSummary(
            index=index,
            cell_id=cell["id"],
            first_line=_first_line(cell)[:200],
        )
        for index, cell in enumerate(code)
    )


# -- the side files


def _read_files(uploads: Sequence[SideFile], limits: Limits) -> tuple[Files, list[Fault]]:
    files: Files = {}
    faults: list[Fault] = []
    folded: set[str] = set()
    for index, upload in enumerate(uploads):
        field = f"files.{index}"
        trouble = _path_trouble(upload.path)
        # Case does not tell files apart on every machine that unpacks the bundle.
        if not trouble and upload.path.casefold() in folded:
            trouble = "the bundle holds that path already"
        folded.add(upload.path.casefold())
        data = _decode(upload.content_base64)
        if not trouble and data is None:
            trouble = "its content is not base64"
        if data is not None and len(data) > limits.file_bytes:
            trouble = f"it has {len(data)} bytes, more than the {limits.file_bytes} allowed"
        if trouble or data is None:
            faults.append(_fault(field, upload.path, trouble, "Leave it out, or rename or shrink it", "side file"))
        else:
            files[upload.path] = data
    faults += _whole_faults(files, limits)
    return files, faults


def _whole_faults(files: Files, limits: Limits) -> list[Fault]:
    total = sum(map(len, files.values()))
    faults = []
    if total > limits.bundle_bytes:
        why = f"together they have {total} bytes, more than the {limits.bundle_bytes} allowed"
        faults.append(_fault("files", f"{len(files)} files", why, "Leave some out", "side files"))
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    faults += [
        _fault("files", path, "another file's path needs it as a folder", "Rename one of them", "side file")
        for path in files
        if path in folders
    ]
    return faults


def _decode(content: str) -> bytes | None:
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        return None


_PATH_RULES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda path: not path.strip(), "its path is empty"),
    (lambda path: len(path) > _MAX_PATH, f"its path is longer than {_MAX_PATH} characters"),
    (lambda path: path.startswith(("/", "~")) or path[1:2] == ":", "its path is absolute"),
    (lambda path: "\\" in path, r"its path holds '\'"),
    (lambda path: any(ord(char) < 32 or ord(char) == 127 for char in path), "its path holds a control character"),
    (lambda path: any(0xD800 <= ord(char) <= 0xDFFF for char in path), "its path is not valid Unicode"),
    (lambda path: ".." in path.split("/"), "its path leaves the notebook's folder"),
    (lambda path: bool({"", "."} & set(path.split("/"))), "its path has an empty or '.' part"),
    (lambda path: ".lnk" in PurePosixPath(path).suffix.lower(), "it is a link, not a file"),
)


def _path_trouble(path: str) -> str:
    return next((trouble for is_bad, trouble in _PATH_RULES if is_bad(path)), "")


def _fault(field: str, what: str, why: str, todo: str, kind: str = "notebook") -> Fault:
    return Fault(field, f"Cannot promote the {kind} {what!r}: {why}. {todo}.")

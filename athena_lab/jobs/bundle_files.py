"""A bundle's side files: decoded, and held against the rules of paths and sizes."""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from athena_lab.errors import Fault
from athena_lab.gateway_api.bundles import FileSummary
from athena_lab.gateway_api.jobs import SideFile
from athena_lab.jobs.bundle_notebook import fault

MAX_FILE_BYTES = 20 * 1024**2
MAX_BUNDLE_BYTES = 100 * 1024**2
_MAX_PATH = 240


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a side file and a whole bundle may be."""

    file_bytes: int = MAX_FILE_BYTES
    bundle_bytes: int = MAX_BUNDLE_BYTES


def read_files(uploads: Sequence[SideFile], limits: Limits) -> tuple[dict[str, bytes], list[Fault]]:
    """Give the files by path, and every fault of theirs."""
    files: dict[str, bytes] = {}
    faults: list[Fault] = []
    folded: set[str] = set()
    for index, upload in enumerate(uploads):
        field = f"files.{index}"
        trouble = _path_trouble(upload.path)
        # Case and the way accents are written do not tell files apart on every machine that unpacks the bundle.
        key = unicodedata.normalize("NFC", upload.path).casefold()
        if not trouble and key in folded:
            trouble = "the bundle holds that path already"
        folded.add(key)
        data = _decode(upload.content_base64)
        if not trouble and data is None:
            trouble = "its content is not base64"
        if data is not None and len(data) > limits.file_bytes:
            trouble = f"it has {len(data)} bytes, more than the {limits.file_bytes} allowed"
        if trouble or data is None:
            faults.append(fault(field, upload.path, trouble, "Leave it out, or rename or shrink it", kind="side file"))
        else:
            files[upload.path] = data
    faults += _whole_faults(files, limits)
    return files, faults


def _whole_faults(files: dict[str, bytes], limits: Limits) -> list[Fault]:
    total = sum(map(len, files.values()))
    faults = []
    if total > limits.bundle_bytes:
        why = f"together they have {total} bytes, more than the {limits.bundle_bytes} allowed"
        faults.append(fault("files", f"{len(files)} files", why, "Leave some out", kind="side files"))
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    faults += [
        fault("files", path, "another file's path needs it as a folder", "Rename one of them", kind="side file")
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


def summarise_files(files: Mapping[str, bytes], uploads: Sequence[SideFile] = ()) -> tuple[FileSummary, ...]:
    """Say of each file how large it is, and why it was brought where its upload is known."""
    reasons = {upload.path: upload.why for upload in uploads}
    return tuple(
        FileSummary(path=path, size_bytes=len(data), why=reasons.get(path, "")) for path, data in sorted(files.items())
    )

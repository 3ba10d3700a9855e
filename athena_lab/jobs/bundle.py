"""Build a bundle: a notebook without outputs and its side files, named by the hash of their content."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from athena_lab.errors import InvalidError, UpstreamError
from athena_lab.gateway_api.bundles import BundleKind, EnvironmentKind, EnvironmentLock, EnvironmentSummary
from athena_lab.gateway_api.jobs import Bundle, BundleUpload, Source
from athena_lab.jobs.bundle_files import Limits, read_files, summarise_files
from athena_lab.jobs.bundle_notebook import clean_cells, clean_notebook, fault, notebook_faults, summarise_cells
from athena_lab.jobs.bundle_slice import KeptCells, keep_slice, targets_of
from athena_lab.jobs.environment_lock import lock_faults, summarise_lock
from athena_lab.jobs.parameters import read_parameters
from athena_lab.jobs.python_script import notebook_of_python
from athena_lab.jobs.script import Script
from athena_lab.jobs.sql_script import notebook_of_sql

NOTEBOOK = "notebook.ipynb"
MANIFEST = "manifest.json"
LOCK = "environment.lock"
FILES = "files/"
SCHEMA_VERSION = 1
_SCRIPTS = {"sql": notebook_of_sql, "py": notebook_of_python}
_EPOCH = (1980, 1, 1, 0, 0, 0)
Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class BuiltBundle:
    """A bundle ready to be stored: `archive` is the zip, `summary` what is told to the client."""

    archive: bytes
    summary: Bundle

    @property
    def hash(self) -> str:
        """The SHA-256 (hex) of the content."""
        return self.summary.hash


def build_bundle(upload: BundleUpload, limits: Limits | None = None) -> BuiltBundle:
    """Make the bundle of an upload; raise InvalidError with every fault of notebook, files and environment."""
    script = script_of(upload)
    notebook = script.notebook
    faults = [*script.faults] or [*notebook_faults(notebook, upload.source.path)]
    files, file_faults = read_files(upload.files, limits or Limits())
    faults += [*file_faults, *(lock_faults(upload.lock) if upload.lock else ())]
    kept = KeptCells() if faults else _keep(notebook, upload)
    faults += kept.faults
    if faults:
        raise InvalidError(faults)
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "environment": _described(upload.lock),
        "source": upload.source.model_dump(mode="json"),
    }
    members = {NOTEBOOK: _canonical(clean_notebook(notebook, list(kept.cells))), MANIFEST: _canonical(manifest)}
    members |= {LOCK: upload.lock.requirements.encode()} if upload.lock else {}
    archive = _zip(members | {FILES + path: data for path, data in files.items()})
    described = describe_bundle(archive)
    told = {
        "slice": kept.listing,
        "undecided": kept.undecided,
        "missing_names": kept.missing_names,
        "files": summarise_files(files, upload.files),
        "warnings": (*upload.warnings, *script.warnings, *kept.warnings, *described.warnings),
    }
    return BuiltBundle(archive=archive, summary=described.model_copy(update=told))


def describe_bundle(archive: bytes) -> Bundle:
    """Read back what a bundle's archive holds; raise UpstreamError if it is not one of ours."""
    members = _unzip(archive)
    try:
        notebook = json.loads(members[NOTEBOOK])
        manifest = json.loads(members[MANIFEST])
        source = Source.model_validate(manifest["source"])
        environment = _summary_of(manifest, members)
    except (KeyError, ValueError) as error:
        raise UpstreamError(
            "Cannot read the stored bundle: it lacks its notebook or manifest. Upload the notebook again."
        ) from error
    parameters, warnings = read_parameters(notebook)
    files = {name.removeprefix(FILES): data for name, data in members.items() if name.startswith(FILES)}
    return Bundle(
        hash=_hash_of(members),
        source=source,
        kind=kind_of(source),
        cells=summarise_cells(notebook["cells"]),
        parameters=parameters,
        files=summarise_files(files),
        environment=environment,
        size_bytes=len(archive),
        warnings=warnings,
    )


def replace_notebook(archive: bytes, notebook: Mapping[str, Any]) -> BuiltBundle:
    """Make a bundle of the same files, environment and source with another notebook; raise UpstreamError."""
    made = _zip(_unzip(archive) | {NOTEBOOK: _canonical(notebook)})
    return BuiltBundle(archive=made, summary=describe_bundle(made))


def kind_of(source: Source) -> BundleKind:
    """Tell what was promoted."""
    if targets_of(source):
        return BundleKind.CELL
    suffix = source.path.rpartition(".")[2].lower()
    return {"sql": BundleKind.SQL, "py": BundleKind.PYTHON}.get(suffix, BundleKind.NOTEBOOK)


def hash_of_archive(archive: bytes) -> str:
    """Give a bundle's content hash (SHA-256, hex): over names and contents, not over the zip's own bytes."""
    return _hash_of(_unzip(archive))


def script_of(upload: BundleUpload) -> Script:
    """Give the upload's notebook, made of its text where it is a script."""
    path = upload.source.path
    if upload.text is None:
        return Script(notebook=upload.notebook or {})
    make = _SCRIPTS.get(path.rpartition(".")[2].lower())
    if make is None:
        why, todo = "it is neither a notebook nor a .sql or .py file", "Give its name the right ending"
        return Script(faults=(fault("source.path", path, why, todo, kind="file"),))
    if upload.notebook is not None or targets_of(upload.source):
        why, todo = "it comes as text and as a notebook at once", "Upload one of them"
        return Script(faults=(fault("text", path, why, todo, kind="file"),))
    return make(upload.text, path, upload.destination)


def _keep(notebook: Mapping[str, Any], upload: BundleUpload) -> KeptCells:
    cells = clean_cells(notebook["cells"])
    return keep_slice(cells, upload) if targets_of(upload.source) else KeptCells(cells=tuple(cells))


def _described(lock: EnvironmentLock | None) -> dict[str, str]:
    if lock is None:
        return {"kind": EnvironmentKind.PLATFORM}
    return {"kind": EnvironmentKind.LOCK, "python": lock.python}


def _summary_of(manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> EnvironmentSummary:
    lock = read_lock(manifest, members)
    return EnvironmentSummary() if lock is None else summarise_lock(lock)


def read_lock(manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> EnvironmentLock | None:
    """Give a bundle's lock, or None; raise KeyError where it says that it has one and has not."""
    described = manifest.get("environment")
    if not isinstance(described, dict) or described.get("kind") != EnvironmentKind.LOCK:
        return None  # bundles of before there were locks say "platform"
    return EnvironmentLock(python=described["python"], requirements=members[LOCK].decode())


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

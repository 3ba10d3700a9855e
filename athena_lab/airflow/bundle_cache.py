"""Fetch bundles by their hash, keep them in a folder of the worker's own, and unpack one for a run."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from athena_lab.airflow.sandbox import RunFolder, Sandbox, share
from athena_lab.errors import UpstreamError
from athena_lab.gateway_api.bundles import EnvironmentLock
from athena_lab.jobs.bundle import FILES, LOCK, MANIFEST, NOTEBOOK, hash_of_archive, read_lock

_KEPT = 50


class BundleCache:
    """Archives by hash in `folder`, which only the worker may read; the oldest are dropped."""

    def __init__(self, folder: Path, fetch: Callable[[str], bytes]) -> None:
        self._folder, self._fetch = folder, fetch

    def get(self, content_hash: str) -> Path:
        """Give the path of a verified archive; raise UpstreamError when its content is not what its name says."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{content_hash}.zip"
        if path.exists() and self._is_intact(path, content_hash):
            path.touch()
            return path
        archive = self._fetch(content_hash)
        if hash_of_archive(archive) != content_hash:
            raise UpstreamError(
                f"Cannot use the bundle '{content_hash}': the gateway sent other content. Deploy the job again."
            )
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(archive)
        Path(name).replace(path)
        self._drop_oldest()
        return path

    @staticmethod
    def _is_intact(path: Path, content_hash: str) -> bool:
        try:
            return hash_of_archive(path.read_bytes()) == content_hash
        except (UpstreamError, OSError):
            return False

    def _drop_oldest(self) -> None:
        archives = sorted(self._folder.glob("*.zip"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in archives[_KEPT:]:
            path.unlink(missing_ok=True)


def unpack(archive: Path, folder: RunFolder, sandbox: Sandbox) -> Path:
    """Put the side files into the run's working directory, and give the path of the notebook outside of it.

    Raises UpstreamError for a member that would land elsewhere ("zip slip") or is a link.
    """
    with zipfile.ZipFile(archive) as opened:
        notebook = folder.path / NOTEBOOK
        notebook.write_bytes(opened.read(NOTEBOOK))
        notebook.chmod(0o600)
        for member in opened.infolist():
            if member.filename.startswith(FILES) and not member.is_dir():
                _place(opened.read(member), _relative(member.filename), folder.work, sandbox)
    return notebook


def lock_of(archive: Path) -> EnvironmentLock | None:
    """Give the lock of a bundle's environment, None for the platform's own; raise UpstreamError where it is damaged."""
    with zipfile.ZipFile(archive) as opened:
        members = {name: opened.read(name) for name in (MANIFEST, LOCK) if name in opened.namelist()}
    try:
        return read_lock(json.loads(members[MANIFEST]), members)
    except (KeyError, ValueError) as error:
        raise UpstreamError("Cannot read the bundle's environment: it is damaged. Deploy the job again.") from error


def _relative(name: str) -> PurePosixPath:
    path = PurePosixPath(name.removeprefix(FILES))
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
        raise UpstreamError(f"Cannot unpack the bundle: its file '{name}' lies outside. Deploy the job again.")
    return path


def _place(content: bytes, relative: PurePosixPath, work: Path, sandbox: Sandbox) -> None:
    target = work / relative
    for parent in reversed(relative.parents[:-1]):
        folder = work / parent
        if not folder.exists():
            folder.mkdir()
            share(folder, sandbox)
    target.write_bytes(content)
    share(target, sandbox)

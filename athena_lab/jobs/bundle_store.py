"""Keep bundles by their content hash on fsspec: a directory, gs:// or s3:// by URL."""

from __future__ import annotations

import contextlib
import re
import threading
import uuid
from collections import OrderedDict

import fsspec

from athena_lab.errors import ConfigurationError, NotFoundError, UnreachableError, UpstreamError
from athena_lab.gateway_api.jobs import Bundle
from athena_lab.jobs.bundle import BuiltBundle, describe_bundle, hash_of_archive

_HASH = re.compile(r"[0-9a-f]{64}")
_REMEMBERED = 256


class BundleStore:
    """Immutable archives, each named by the hash of what is in it; `url` is a directory or an fsspec URL."""

    def __init__(self, url: str) -> None:
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise ConfigurationError(
                f"Cannot open the bundle store '{url}': {error}. Set it to a directory or a gs:// or s3:// URL."
            ) from error
        self._described: OrderedDict[str, Bundle] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, bundle: BuiltBundle) -> None:
        """Store a bundle; a bundle that is there already, whole, is left alone."""
        if self.exists(bundle.hash):
            return
        path = self._path(bundle.hash)
        # Written under a name of its own and moved: a reader sees all of it or nothing.
        partial = f"{path}.{uuid.uuid4().hex}.part"
        try:
            self._files.makedirs(self._root, exist_ok=True)
            self._files.pipe_file(partial, bundle.archive)
            self._files.mv(partial, path)
        except OSError as error:
            self._forget(partial)
            raise UnreachableError(
                f"Cannot store the bundle '{bundle.hash[:12]}' ({error}). Check the bundle store, then try again."
            ) from error

    def _forget(self, partial: str) -> None:
        """Remove what was written of a bundle: a full store is not filled further by each new try."""
        with contextlib.suppress(OSError):
            self._files.rm_file(partial)

    def get(self, content_hash: str) -> bytes:
        """Give a bundle's archive; raise NotFoundError, or UpstreamError if its content is not what its name says."""
        path = self._path(content_hash)
        try:
            archive: bytes = self._files.cat_file(path)
        except FileNotFoundError as error:
            raise self._unknown(content_hash) from error
        except OSError as error:
            raise UnreachableError(
                f"Cannot read the bundle '{content_hash[:12]}' ({error}). Check the bundle store, then try again."
            ) from error
        if hash_of_archive(archive) != content_hash:
            raise UpstreamError(
                f"Cannot use the stored bundle '{content_hash[:12]}': its content has another hash. "
                "Restore it from a backup, or upload the notebook again."
            )
        return archive

    def exists(self, content_hash: str) -> bool:
        """Say whether the bundle is stored and whole (a damaged one counts as absent, so `put` mends it)."""
        try:
            self.get(content_hash)
        except (NotFoundError, UpstreamError):
            return False
        return True

    def describe(self, content_hash: str) -> Bundle:
        """Say what a stored bundle holds, verified; raise NotFoundError or UpstreamError."""
        archive = self.get(content_hash)
        with self._lock:
            known = self._described.get(content_hash)
        if known is not None:
            return known
        bundle = describe_bundle(archive)
        with self._lock:
            self._described[content_hash] = bundle
            while len(self._described) > _REMEMBERED:
                self._described.popitem(last=False)
        return bundle

    def _path(self, content_hash: str) -> str:
        if not _HASH.fullmatch(content_hash):
            raise self._unknown(content_hash)
        return f"{self._root}/{content_hash}.zip"

    def _unknown(self, content_hash: str) -> NotFoundError:
        return NotFoundError(
            f"Cannot find the bundle '{content_hash[:64]}': nothing with that hash was uploaded. "
            "Upload the notebook first."
        )

"""What a stored bundle holds: its notebook and side files; and an exported archive made a bundle again."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from athena_lab.errors import Fault, InvalidError
from athena_lab.gateway_api.bundles import EnvironmentKind, EnvironmentLock
from athena_lab.gateway_api.jobs import BundleUpload, SideFile, Source
from athena_lab.jobs.bundle import FILES, MANIFEST, NOTEBOOK, BuiltBundle, build_bundle, hash_of_archive, read_lock
from athena_lab.jobs.bundle_files import MAX_BUNDLE_BYTES

_MOST_MEMBERS = 10_000


@dataclass(frozen=True, slots=True)
class BundleContent:
    """A bundle's notebook (nbformat 4 JSON, without outputs) and its side files by path."""

    notebook: dict[str, Any]
    files: Mapping[str, bytes]
    lock: EnvironmentLock | None = None

    @property
    def environment(self) -> str:
        """The environment in a word: "platform", or its Python and the hash of its lock."""
        if self.lock is None:
            return EnvironmentKind.PLATFORM.value
        return f"lock of Python {self.lock.python}, {hashlib.sha256(self.lock.requirements.encode()).hexdigest()[:12]}"

    @property
    def kernel(self) -> str:
        """The name of the notebook's kernel."""
        spec = self.notebook.get("metadata", {}).get("kernelspec", {})
        return str(spec.get("name") or "")


def read_archive(archive: bytes) -> BundleContent:
    """Read a bundle's archive; raise InvalidError if it is none, or larger than a bundle may be once unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            members = opened.infolist()
            size = sum(member.file_size for member in members)
            if size > MAX_BUNDLE_BYTES or len(members) > _MOST_MEMBERS:
                raise _refusal(f"it unpacks to {size} bytes, more than the {MAX_BUNDLE_BYTES} allowed")
            content = {member.filename: opened.read(member) for member in members}
        notebook, manifest = json.loads(content[NOTEBOOK]), json.loads(content[MANIFEST])
        lock = read_lock(manifest, content)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise _refusal(f"its archive is damaged ({error})") from error
    except (KeyError, ValueError, AttributeError) as error:
        raise _refusal("its archive lacks a readable notebook or manifest") from error
    files = {name.removeprefix(FILES): data for name, data in content.items() if name.startswith(FILES)}
    return BundleContent(notebook, files, lock)


def rebuild(archive_base64: str, expected_hash: str, path: str) -> BuiltBundle:
    """Make the bundle of an exported archive anew, held against every rule of an upload; raise InvalidError.

    It names the notebook's path but not its id: an imported job must not take another notebook's place.
    """
    try:
        archive = base64.b64decode(archive_base64, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refusal("its archive is not base64") from error
    content = read_archive(archive)
    if hash_of_archive(archive) != expected_hash:
        raise _refusal("its archive is not the one that was exported")
    files = tuple(
        SideFile(path=name, content_base64=base64.b64encode(data).decode()) for name, data in content.files.items()
    )
    source = Source(path=path)
    return build_bundle(BundleUpload(notebook=content.notebook, source=source, files=files, lock=content.lock))


def _refusal(why: str) -> InvalidError:
    fault = Fault("job.archive_base64", f"Cannot import the job: {why}. Export it again and use that file as it is.")
    return InvalidError([fault])

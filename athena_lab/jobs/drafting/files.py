"""The files that go along: those that the user names, local modules, and data that the code reads by a written path."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import PurePosixPath
from typing import Protocol

from athena_lab.errors import Fault, TooLargeError
from athena_lab.gateway_api.jobs import SideFile
from athena_lab.jobs.bundle_files import MAX_BUNDLE_BYTES, MAX_FILE_BYTES
from athena_lab.jobs.drafting import imports
from athena_lab.jobs.drafting.data_files import files_of_cells

MAX_FILES = 200
_MOST_LISTED = 5_000
_MOST_CANDIDATES = 2_000
_MOST_PATTERNS = 200
_DEEPEST = 8
_SHOWN = 100
_UNSEEN = (".", "__pycache__", "node_modules")
_DATA = frozenset(
    [".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet", ".xlsx", ".xls", ".feather", ".npy", ".npz", ".pkl", ".zip",
     ".gz", ".yaml", ".yml", ".toml", ".sqlite", ".db", ".sql"]
)  # fmt: skip


class FileReader(Protocol):
    """Reads the user's files as the user (`draft.Reader` says more)."""

    async def read_file(self, path: str) -> bytes | None: ...

    async def size_of(self, path: str) -> int | None: ...

    async def list_folder(self, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]: ...


class Collector:
    """Gathers the files of one draft by their path in the folder of the promoted file, each with its reason."""

    def __init__(self, path: str, reader: FileReader) -> None:
        self._path, self._reader = path, reader
        self._folder = PurePosixPath(path).parent
        self._own = PurePosixPath(path).name
        self._contents: dict[str, bytes] = {}
        self._reasons: dict[str, str] = {}
        self._listing: tuple[str, ...] | None = None
        self._size = 0
        self.faults: list[Fault] = []
        self.warnings: list[str] = []

    @property
    def side_files(self) -> tuple[SideFile, ...]:
        """The files in the order of their paths."""
        return tuple(
            SideFile(path=name, content_base64=base64.b64encode(content).decode(), why=self._reasons[name])
            for name, content in sorted(self._contents.items())
        )

    async def add_named(self, files: Sequence[str], globs: Sequence[str]) -> None:
        """Add what the user asked for; what is not there is a fault."""
        for name in files:
            if not _is_inside(name) or not await self._add(name, "asked for"):
                self._fault(
                    f"Cannot take the file '{name[:_SHOWN]}' with '{self._path}': there is no such file in its folder. "
                    "Take it off the list."
                )
        for pattern in globs:
            if not await self._add_matching(pattern, f"matches '{pattern}'"):
                self._fault(
                    f"Cannot take '{pattern[:_SHOWN]}' with '{self._path}': no file in its folder matches. "
                    "Correct the pattern, such as data/*.csv."
                )

    async def add_found(self, sources: Sequence[str]) -> None:
        """Add what the code imports and reads, and what the modules among that need in their turn."""
        await self._add_modules(await asyncio.to_thread(imports.imports_of_cells, sources))
        await self._add_data(sources)

    async def _add_modules(self, wanted: Iterable[imports.Import]) -> None:
        pending = [(name, "imported") for name in imports.candidates(wanted)]
        seen = set(self._contents)
        while pending:
            name, why = pending.pop()
            if name in seen or not _is_inside(name):
                continue
            seen.add(name)
            if not await self._add(name, why):
                continue
            found = imports.imports_of(self._contents[name].decode(errors="replace"))
            pending += [(item, f"imported by '{name}'") for item in imports.candidates(found, name)]
            if name.count("/"):
                # A module of a package is never loaded without the package's own __init__.
                folders = [parent for parent in PurePosixPath(name).parents if str(parent) != "."]
                pending += [(f"{parent}/__init__.py", f"the package of '{name}'") for parent in folders]

    async def _add_data(self, sources: Sequence[str]) -> None:
        seen: set[str] = set()
        pending = list(sources)
        while pending:
            found = await asyncio.to_thread(files_of_cells, pending)
            pending = []
            for name in found.paths[:_MOST_CANDIDATES]:
                if name in seen or name == self._own:
                    continue
                seen.add(name)
                if not _is_inside(name):
                    self._warn_outside(name)
                elif name not in self._contents and await self._add(name, "read by its path") and name.endswith(".py"):
                    code = self._contents[name].decode(errors="replace")
                    await self._add_modules(imports.imports_of(code))
                    pending.append(code)
            for pattern in islice(found.patterns, _MOST_PATTERNS):
                if pattern not in seen and _is_inside(pattern) and any(mark in pattern for mark in "*?["):
                    seen.add(pattern)
                    await self._add_matching(pattern, f"matches '{pattern}'")

    async def _add_matching(self, pattern: str, why: str) -> bool:
        if not _is_inside(pattern):
            return False
        names = [name for name in await self._list() if _matches(name, pattern) and name != self._own]
        return any([await self._add(name, why) for name in names])

    async def _add(self, name: str, why: str) -> bool:
        """Add one file; tell whether it is there. One over the limit is a fault."""
        if name in self._contents:
            return True
        size = await self._reader.size_of(self._beside(name))
        if size is None:
            return False
        if size > MAX_FILE_BYTES:
            self._fault(
                f"Cannot take the file '{name}' with '{self._path}' ({why}): it has {size / 1024**2:.0f} MB, more than "
                f"the {MAX_FILE_BYTES // 1024**2} MB allowed. Load it into a table with `athena load`."
            )
            return True
        self._size += size
        if len(self._contents) >= MAX_FILES or self._size > MAX_BUNDLE_BYTES:
            raise TooLargeError(
                f"Cannot take '{self._path}' with {len(self._contents) + 1} files of {self._size} bytes beside it: at "
                f"most {MAX_FILES} files and {MAX_BUNDLE_BYTES} bytes are allowed. Load data into tables, put code "
                "into an installed package."
            )
        content = await self._reader.read_file(self._beside(name))
        if content is None:
            return False
        self._contents[name], self._reasons[name] = content, why
        return True

    async def _list(self) -> tuple[str, ...]:
        """Give the paths of the files below the folder, hidden ones left out."""
        if self._listing is None:
            found: list[str] = []
            pending = [("", 0)]
            while pending and len(found) < _MOST_LISTED:
                folder, depth = pending.pop()
                files, folders = await self._reader.list_folder(self._beside(folder))
                prefix = f"{folder}/" if folder else ""
                found += [prefix + name for name in files if not name.startswith(".") and is_text(name)]
                visible = [name for name in folders if not name.startswith(_UNSEEN) and is_text(name)]
                pending += [(prefix + name, depth + 1) for name in visible if depth < _DEEPEST]
            self._listing = tuple(sorted(found))
        return self._listing

    def _warn_outside(self, name: str) -> None:
        if PurePosixPath(name).suffix.lower() in _DATA and name.startswith(("/", "../", "~")):
            self.warnings.append(f"it reads '{name}', which lies outside its folder: the job will not have that file")

    def _fault(self, message: str) -> None:
        self.faults.append(Fault("files", message))

    def _beside(self, name: str) -> str:
        path = str(self._folder / name)
        return "" if path == "." else path


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith(("/", "~")) and ".." not in parts and "\\" not in name


def _matches(name: str, pattern: str) -> bool:
    """Match as a shell does: `*` stays in its folder, `**` goes through folders.

    The work is the product of both lengths, however many `**` there are.
    """
    parts = name.split("/")
    ends = {0}  # how many parts of the name the pattern may have used up so far
    for one in pattern.removeprefix("./").split("/"):
        if one == "**":
            ends = set(range(min(ends), len(parts) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(parts) and fnmatchcase(parts[end], one)}
        if not ends:
            return False
    return len(parts) in ends


def is_text(name: str) -> bool:
    """Tell whether a name is text, which names of other encodings are not."""
    return not any(0xD800 <= ord(char) <= 0xDFFF for char in name)

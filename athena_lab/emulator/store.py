"""The DuckDB file: opened once, locked down, a cursor for each piece of work."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from athena_lab.emulator.engine.register import register
from athena_lab.emulator.sql.macros import MACROS
from athena_lab.errors import ConfigurationError

_REQUIRED_EXTENSIONS = frozenset({"core_functions", "icu", "json"})
_MEBIBYTE = 1024**2
_MOST_REPLAYED = 1024**2
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


class Store:
    """One DuckDB file under `directory`; what it spills lies beside it, the results too."""

    def __init__(self, directory: Path, *, memory_mib: int | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)
        self.results = directory / "results"
        self.results.mkdir(exist_ok=True, mode=0o700)
        self._pinned = threading.local()
        path = directory / "warehouse.duckdb"
        if not path.exists():
            os.umask(0o077)
        try:
            self._connection = duckdb.connect(str(path))
        except duckdb.Error as error:
            raise ConfigurationError(
                f"Cannot open the warehouse '{path}': {error}. Stop the process that uses it, or restore the file."
            ) from error
        path.chmod(0o600)
        self._prepare(directory / "spill", memory_mib or default_memory_mib())
        log = path.with_name(f"{path.name}.wal")
        if log.exists() and log.stat().st_size > _MOST_REPLAYED:
            threading.Thread(target=self._shorten_log, name="checkpoint", daemon=True).start()

    def _shorten_log(self) -> None:
        """Write the log into the file: else a process that is killed often replays more at each start."""
        with contextlib.suppress(duckdb.Error), self.fresh_cursor() as cursor:
            cursor.execute("CHECKPOINT")  # where it cannot be done now, DuckDB does it some other time

    def _prepare(self, spill: Path, memory_mib: int) -> None:
        loaded = self._connection.execute("SELECT extension_name FROM duckdb_extensions() WHERE loaded").fetchall()
        missing = _REQUIRED_EXTENSIONS - {name for (name,) in loaded}
        if missing:
            raise ConfigurationError(
                f"Cannot use this DuckDB: '{', '.join(sorted(missing))}' is not linked in. Install duckdb's own wheel."
            )
        register(self._connection)
        for macro in MACROS:
            self._connection.execute(f"CREATE OR REPLACE MACRO {macro}")
        for name, value in (
            ("GLOBAL TimeZone", "'UTC'"),
            ("memory_limit", f"'{memory_mib}MiB'"),
            ("temp_directory", "'" + str(spill).replace("'", "''") + "'"),
            ("autoinstall_known_extensions", "false"),
            ("autoload_known_extensions", "false"),
            ("allow_community_extensions", "false"),
            ("python_enable_replacements", "false"),
            ("enable_external_access", "false"),
            ("lock_configuration", "true"),
        ):
            self._connection.execute(f"SET {name} = {value}")

    def secret(self, name: str) -> bytes:
        """Give bytes that nobody can guess: made once, kept in a file of their own."""
        path = self.results.parent / name
        with contextlib.suppress(FileExistsError):
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(made, secrets.token_bytes(32))
            finally:
                os.close(made)
        return path.read_bytes()

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """Lend a connection to one piece of work: of its own, or the one of this thread's transaction."""
        pinned = getattr(self._pinned, "cursor", None)
        if pinned is not None:
            yield pinned
            return
        with self.fresh_cursor() as cursor:
            yield cursor

    def pin(self) -> Any:
        """Begin a transaction that all work of this thread is part of; give its connection."""
        self._pinned.cursor = self._connection.cursor()
        self._pinned.cursor.begin()
        return self._pinned.cursor

    def adopt(self, cursor: Any) -> None:
        """Go on with a transaction's connection on this thread."""
        self._pinned.cursor = cursor

    def release(self) -> None:
        """Take a transaction's connection off this thread, open as it is."""
        self._pinned.cursor = None

    def unpin(self) -> None:
        """Let go of the connection of this thread's transaction."""
        self._pinned.cursor.close()
        self._pinned.cursor = None

    @contextmanager
    def fresh_cursor(self) -> Iterator[Any]:
        """Lend a connection of its own to one piece of work; what is open is rolled back."""
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def open_cursor(self) -> Any:
        """Give a connection that the caller closes."""
        return self._connection.cursor()

    def close(self) -> None:
        """Write everything into the file and let go of it."""
        self._connection.close()


def default_memory_mib() -> int:
    """Give DuckDB a quarter of the machine, or of the container, between 256 MiB and 4 GiB."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _CONTAINER_LIMIT.read_text().strip() if _CONTAINER_LIMIT.exists() else "max"
    total = min(total, int(limit)) if limit.isdigit() else total
    return max(256, min(4096, total // 4 // _MEBIBYTE))

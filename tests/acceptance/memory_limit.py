"""Run a command within a memory limit (a control group of version 1 or 2), where root may make one."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryLimit:
    """A control group with a limit; processes that join it, and their children, share the limit."""

    folder: Path

    def join(self) -> None:
        """Put the calling process into the group; for `preexec_fn`."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def peak_bytes(self) -> int:
        names = ("memory.max_usage_in_bytes", "memory.peak")
        return next(int((self.folder / name).read_text()) for name in names if (self.folder / name).exists())

    @property
    def kills(self) -> int:
        """How often the kernel killed a process of the group for want of memory."""
        for name in ("memory.oom_control", "memory.events"):
            with contextlib.suppress(OSError):
                words = (self.folder / name).read_text().split()
                return int(words[words.index("oom_kill") + 1])
        return 0


@contextlib.contextmanager
def memory_limit(limit_bytes: int) -> Iterator[MemoryLimit | None]:
    """Make a group of the machine's own kind; None where this user may not."""
    parent = V1 if (V1 / "memory.limit_in_bytes").exists() else V2
    folder = parent / f"athena-{secrets.token_hex(4)}"
    limit = "memory.limit_in_bytes" if parent == V1 else "memory.max"
    try:
        folder.mkdir()
        (folder / limit).write_text(str(limit_bytes))
    except OSError:
        with contextlib.suppress(OSError):
            folder.rmdir()
        yield None
        return
    try:
        yield MemoryLimit(folder)
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()

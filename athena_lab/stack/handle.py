"""A stack in the background: started by a program (`athena up --detach`, tests, bench), waited for, stopped."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from athena_lab.errors import UnreachableError
from athena_lab.settings import Home
from athena_lab.stack.down import down
from athena_lab.stack.layout import open_home
from athena_lab.stack.place import Options, athena
from athena_lab.stack.record import StackLock, StackRecord, read_record

PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Handle:
    """A running stack. `lab_token` is "" without JupyterLab, or where the caller may not read it."""

    home: Home
    process: subprocess.Popen[bytes]

    @property
    def record(self) -> StackRecord:
        """Give the present content of stack.json."""
        record = read_record(self.home)
        if record is None:
            raise UnreachableError(f"Cannot use the stack of '{self.home.root}': it does not run. Start it again.")
        return record

    def url(self, name: str) -> str:
        """Give the address of "lab", "gateway", "airflow", "emulator" or "emulator-grpc"."""
        return self.record.urls[name]

    @property
    def lab_token(self) -> str:
        with contextlib.suppress(OSError):
            return (self.home.analyst / "lab.token").read_text().strip()
        return ""

    @property
    def token_file(self) -> Path:
        """The local user's credential for the gateway."""
        return self.home.analyst / "token"

    def stop(self) -> None:
        """Stop everything and wait until it is gone."""
        down(self.home)
        self.process.wait()


def start(
    home: Home,
    options: Options | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    patience_s: float = PATIENCE_S,
) -> Handle:
    """Start a stack in the background and wait until it is ready.

    `environ` is added to the caller's environment (ATHENA_MINIMUM_INTERVAL_S, ATHENA_RUN_TOKEN_S …).
    Raises UnreachableError with the supervisor's own message where it does not come up.
    """
    open_home(home)
    log = home.logs / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            athena("up", *_words(home, options or Options())),
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    handle = Handle(home, process)
    try:
        _wait_until_ready(handle, log, patience_s)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return handle


def _wait_until_ready(handle: Handle, log: Path, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if handle.process.poll() is not None:
            lines = log.read_text().strip().splitlines() or [f"See '{log}'."]
            raise UnreachableError(lines[-1])
        record = read_record(handle.home)
        if record is not None and record.pid == handle.process.pid and record.state == "ready":
            return
        time.sleep(0.1)
    raise UnreachableError(
        f"Cannot start Athena in '{handle.home.root}': it was not ready after {patience_s:.0f} s. Read '{log}'."
    )


def _words(home: Home, options: Options) -> list[str]:
    words = ["--home", str(home.root)]
    words += ["--celery"] if options.is_celery else []
    words += ["--port", str(options.port)] if options.port is not None else []
    words += [] if options.has_lab else ["--no-lab"]
    words += [] if options.opens_browser else ["--no-browser"]
    words += ["--sample"] if options.loads_sample else []
    words += ["--workspace", str(options.workspace)] if options.workspace else []
    return words


def is_running(home: Home) -> bool:
    """Tell whether a supervisor of this home lives."""
    return StackLock(home).is_held()

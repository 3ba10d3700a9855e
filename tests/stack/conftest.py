"""Homes that the stack's other users can traverse (pytest's own folders are private), and processes to supervise."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from athena_lab.settings import Home
from athena_lab.stack import Handle, Options, start
from athena_lab.stack.accounts import Account
from athena_lab.stack.process import Process, never


def make_home() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="athena-stack-"))
    folder.chmod(0o755)
    return folder


@pytest.fixture
def home() -> Iterator[Home]:
    folder = make_home()
    yield Home(folder / "home")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def stack() -> Iterator[Handle]:
    """Start a whole stack once for the tests that only look at it, or harm it in a way that it mends."""
    folder = make_home()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATHENA_ALERT_HOSTS", "127.0.0.1")  # where the tests' own webhooks listen
        if os.geteuid() == 0:
            (folder / "cache").mkdir(mode=0o700)
            patch.setenv("UV_CACHE_DIR", str(folder / "cache"))  # root's own, which no other user can enter
        running = start(Home(folder / "home"), Options())
    yield running
    running.stop()
    shutil.rmtree(folder)


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool], float], None]:
    """Wait for a condition with a deadline; fail the test when it has passed."""

    def wait(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"not so within {timeout_s} s")
            time.sleep(0.05)

    return wait


@pytest.fixture
def make_process(tmp_path: Path) -> Callable[..., Process]:
    """Describe a Python process that runs `code` as the caller; it is ready when `tmp_path/NAME` is there."""
    caller = Account("caller", os.geteuid(), os.getegid())

    def make(name: str, code: str, *, after: tuple[str, ...] = (), is_oneshot: bool = False) -> Process:
        mark = tmp_path / name
        return Process(
            name=name,
            argv=(sys.executable, "-c", code),
            account=caller,
            directory=tmp_path,
            environment={"MARK": str(mark), "PATH": os.environ["PATH"]},
            is_ready=never if is_oneshot else lambda _: mark.exists(),
            after=after,
            is_oneshot=is_oneshot,
            grace_s=5.0,
            start_timeout_s=20.0,
        )

    return make

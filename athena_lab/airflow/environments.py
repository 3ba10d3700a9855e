"""The environment of a run with a lock: made once with uv for each lock, where the notebook cannot write.

Only wheels are installed, with their hashes: nothing of a package runs while it is installed. Athena's own package is
linked into the environment, whose lock has what it needs (docs/decisions/0006).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from uv import find_uv_bin

import athena_lab
from athena_lab.airflow.notebook_run import StoppedError
from athena_lab.errors import ConfigurationError, Fault, InvalidError, PlatformError, UnreachableError
from athena_lab.gateway_api.bundles import EnvironmentLock
from athena_lab.jobs.environment_lock import is_unreachable, without_secrets

_READY = "athena-ready"
_UNUSED_DAYS = 14
_STEP_S = 0.2
_TIMEOUT_S = 900
_PASSED_ON = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
              "http_proxy", "https_proxy", "no_proxy")  # fmt: skip


class Environments:
    """Environments by the hash of their lock, in a folder that runs may read and only the worker may write."""

    def __init__(self, environ: Mapping[str, str], is_stopping: Callable[[], bool] = lambda: False) -> None:
        self._environ, self._is_stopping = environ, is_stopping
        named = environ.get("ATHENA_ENVIRONMENTS_DIR")
        self._folder = Path(named or Path(tempfile.gettempdir(), f"athena-environments-{os.getuid()}"))

    def python_of(self, lock: EnvironmentLock) -> Path:
        """Give the interpreter of a lock's environment, which is made first where it is not there yet.

        Raises InvalidError where the lock cannot be installed, UnreachableError where no index answers, StoppedError.
        """
        self._prepare()
        name = _name_of(lock)
        folder = self._folder / name
        with self._alone(name):
            if not (folder / _READY).exists():
                shutil.rmtree(folder, ignore_errors=True)
                self._make(folder, lock)
            (folder / _READY).touch()
        self._drop_unused(folder)
        return folder / "bin" / "python"

    def _prepare(self) -> None:
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        found = self._folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise ConfigurationError(
                f"Cannot keep environments in '{self._folder}': it belongs to somebody else. "
                "Remove it, or set ATHENA_ENVIRONMENTS_DIR."
            )
        self._folder.chmod(0o755)

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Hold the lock's name: two runs of one job make its environment once."""
        with (self._folder / f"{name}.lock").open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._require_time(time.monotonic() + _TIMEOUT_S)
                    time.sleep(_STEP_S)
            yield

    def _make(self, folder: Path, lock: EnvironmentLock) -> None:
        own = "{}.{}".format(*sys.version_info)
        interpreter = sys.executable if lock.python == own else lock.python
        self._uv("venv", "--no-project", "--python", interpreter, "--no-python-downloads", str(folder))
        requirements = folder / "environment.lock"
        requirements.write_text(lock.requirements)
        python = folder / "bin" / "python"
        # Compiled, because no run can do it there: each would spend 4 s on it, and this takes 6 s once (measured).
        rules = ("--require-hashes", "--no-build", "--strict", "--compile-bytecode")
        self._uv("pip", "sync", *rules, "--python", str(python), str(requirements))
        packages = folder / "lib" / f"python{lock.python}" / "site-packages"
        (packages / "athena_lab").symlink_to(Path(athena_lab.__file__).parent)
        _open_to_runs(folder)

    def _uv(self, *words: str) -> None:
        environ = {name: value for name, value in self._environ.items() if name in _PASSED_ON or _is_of_uv(name)}
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                [find_uv_bin(), "--quiet", "--no-progress", *words],
                cwd=self._folder,
                env=environ | {"NO_COLOR": "1"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
            try:
                self._wait(process)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            if process.returncode != 0:
                said.seek(0)
                raise _failure(said.read())

    def _wait(self, process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while process.poll() is None:
            self._require_time(deadline)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_STEP_S)

    def _require_time(self, deadline: float) -> None:
        if self._is_stopping():
            raise StoppedError("Cannot make the run's environment: the run was asked to stop. Start it anew.")
        if time.monotonic() > deadline:
            raise PlatformError(
                f"Cannot make the run's environment: it took longer than {_TIMEOUT_S} s. Check the package index."
            )

    def _drop_unused(self, present: Path) -> None:
        """Remove what no run has used for a while."""
        limit = time.time() - _UNUSED_DAYS * 86_400
        for ready in self._folder.glob(f"*/{_READY}"):
            if ready.parent != present and ready.stat().st_mtime < limit:
                ready.unlink(missing_ok=True)
                shutil.rmtree(ready.parent, ignore_errors=True)


def _is_of_uv(name: str) -> bool:
    """Say whether a variable is one of uv's own; how it links is ours: runs cannot follow a link into its cache."""
    return name.startswith("UV_") and name != "UV_LINK_MODE"


def _name_of(lock: EnvironmentLock) -> str:
    """Name an environment: the lock, and where Athena's own package lies, which is linked into it."""
    told = "\0".join((lock.python, lock.requirements, str(Path(athena_lab.__file__).parent)))
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _open_to_runs(folder: Path) -> None:
    """Let the runs' user read what the worker made, whatever the worker's umask was."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(stat.S_IMODE(mode) & ~0o022 | (0o555 if path.is_dir() or mode & 0o100 else 0o444))


def _failure(text: str) -> InvalidError | UnreachableError:
    lines = " ".join(line.strip() for line in text.splitlines() if line.strip())[-400:].rstrip(".")
    told = f"Cannot make the run's environment: {without_secrets(lines) or 'uv said nothing'}."
    if is_unreachable(text):
        return UnreachableError(f"{told} Check UV_DEFAULT_INDEX on the worker.")
    return InvalidError([Fault("lock", f"{told} Lock it again and deploy the job.")])

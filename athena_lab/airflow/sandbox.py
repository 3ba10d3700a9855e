"""Where a run's kernel lives: whose user, which folder, which environment, which command starts it."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from athena_lab.errors import ConfigurationError

CAP_SETGID, CAP_SETUID = 6, 7
_SWEEP_AFTER_S = 600
_UNSHARE = ("unshare", "--user", "--map-current-user", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL")
_KEEP = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "ATHENA_MAX_BYTES")
_GUARD = Path(__file__).with_name("guard.py")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How kernels are started here. `user` None: as the worker's own user, so not isolated."""

    user: str | None
    uid: int
    gid: int
    has_namespaces: bool

    @property
    def is_isolated(self) -> bool:
        return self.user is not None

    def prefix(self) -> tuple[str, ...]:
        """Give the programs that lower a command's rights before it runs."""
        return self._as_user() + (self._namespaces() if self.has_namespaces else ())

    def _as_user(self) -> tuple[str, ...]:
        if self.user is None:
            return ()
        identity = ("setpriv", "--reuid", str(self.uid), "--regid", str(self.gid), "--clear-groups")
        return (*identity, "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs")

    @staticmethod
    def _namespaces() -> tuple[str, ...]:
        # The guard needs the namespace's own rights for one mount, then gives them up.
        return (*_UNSHARE, "--keep-caps")


def choose_sandbox(environ: Mapping[str, str]) -> Sandbox:
    """Find the strongest sandbox that this process can make.

    Raises ConfigurationError when ATHENA_RUN_USER names a user whom this process cannot become: running a notebook
    as the worker instead would silently give it the worker's key.
    """
    name = environ.get("ATHENA_RUN_USER")
    if not name:
        plain = Sandbox(user=None, uid=os.getuid(), gid=os.getgid(), has_namespaces=False)
        return _with_namespaces(plain)
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise ConfigurationError(
            f"Cannot run notebooks as '{name}': there is no such user. "
            "Start Athena with `athena up` as root, or unset ATHENA_RUN_USER."
        ) from error
    if not _can_change_user() or shutil.which("setpriv") is None:
        raise ConfigurationError(
            f"Cannot run notebooks as '{name}': this worker lacks CAP_SETUID and CAP_SETGID, or `setpriv`. "
            "Start it through `athena up` as root, or unset ATHENA_RUN_USER."
        )
    return _with_namespaces(Sandbox(user=name, uid=entry.pw_uid, gid=entry.pw_gid, has_namespaces=False))


def _can_change_user() -> bool:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return os.geteuid() == 0
    effective = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff"))
    return bool(effective >> CAP_SETUID & 1 and effective >> CAP_SETGID & 1)


def _with_namespaces(sandbox: Sandbox) -> Sandbox:
    """Probe whether the machine allows a PID namespace and a private /proc; containers often refuse."""
    if shutil.which("unshare") is None:
        return sandbox
    candidate = Sandbox(sandbox.user, sandbox.uid, sandbox.gid, has_namespaces=True)
    probe = subprocess.run([*candidate.prefix(), "true"], capture_output=True, check=False, timeout=10)
    return candidate if probe.returncode == 0 else sandbox


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's own folder, short enough for Unix sockets (107 bytes), reachable by worker and kernel alone."""

    path: Path

    @property
    def work(self) -> Path:
        """The kernel's working directory: the bundle's side files."""
        return self.path / "work"

    @property
    def home(self) -> Path:
        return self.path / "home"

    @property
    def connection_file(self) -> Path:
        return self.path / "k.json"


def make_run_folder(sandbox: Sandbox, environ: Mapping[str, str]) -> RunFolder:
    """Make a folder that the worker owns and the kernel's user may use through its group.

    A name nobody can guess, in a folder nobody can list: runs share a user, not their folders.
    """
    runs = Path(environ.get("ATHENA_RUNS_DIR") or Path(tempfile.gettempdir(), f"athena-runs-{os.getuid()}"))
    runs.mkdir(mode=0o711, parents=True, exist_ok=True)
    found = runs.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigurationError(
            f"Cannot keep runs in '{runs}': it belongs to somebody else. Remove it, or set ATHENA_RUNS_DIR."
        )
    runs.chmod(0o711)
    _sweep(runs)
    if sandbox.user is not None and sandbox.gid not in os.getgroups():
        # The kernel's group opens what the kernel makes (its sockets, its files) to this task's process.
        os.setgroups([*os.getgroups(), sandbox.gid])
    folder = RunFolder(runs / secrets.token_hex(12))
    for path in (folder.path, folder.work, folder.home):
        path.mkdir()
        share(path, sandbox)
    return folder


def _sweep(runs: Path) -> None:
    """Remove the folders of runs whose worker was killed: their guards emptied them."""
    for path in runs.iterdir():
        with contextlib.suppress(OSError):  # not empty: the run is alive; or another worker was faster
            if time.time() - path.stat().st_mtime > _SWEEP_AFTER_S:
                path.rmdir()


def share(path: Path, sandbox: Sandbox) -> None:
    """Give the kernel's group the use of a file or folder that the worker made."""
    os.chown(path, -1, sandbox.gid)
    path.chmod(0o2770 if path.is_dir() else 0o660)


def remove_run_folder(folder: RunFolder) -> None:
    """Remove what the guard left: it emptied the folder as the kernel's user."""
    shutil.rmtree(folder.path, ignore_errors=True)


def kernel_environment(
    folder: RunFolder, environ: Mapping[str, str], run: str, token_fd: int, python: Path | None = None
) -> dict[str, str]:
    """Give the kernel's whole environment: an allowlist, because the worker's own holds secrets.

    `python` is the interpreter of an environment of the run's own, whose programs come first then.
    """
    home = str(folder.home)
    own = {
        "HOME": home,
        "TMPDIR": home,
        "IPYTHONDIR": f"{home}/.ipython",
        "JUPYTER_CONFIG_DIR": f"{home}/.jupyter",
        "JUPYTER_DATA_DIR": f"{home}/.local/share/jupyter",
        "JUPYTER_RUNTIME_DIR": f"{home}/.runtime",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ATHENA_RUN": run,
        "ATHENA_TOKEN_FD": str(token_fd),
    }
    if environ.get("ATHENA_GATEWAY_URL"):
        own["ATHENA_GATEWAY_URL"] = environ["ATHENA_GATEWAY_URL"]
    if python is not None:
        own |= {"PATH": f"{python.parent}{os.pathsep}{environ.get('PATH', os.defpath)}"}
    return {name: environ[name] for name in _KEEP if name in environ} | {"LANG": environ.get("LANG", "C.UTF-8")} | own


def guard_command(sandbox: Sandbox, order: str) -> list[str]:
    """Give the command that starts the guard with `order` (see guard.py) inside the sandbox."""
    return [*sandbox.prefix(), sys.executable, "-I", "-S", str(_GUARD), order]

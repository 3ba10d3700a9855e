"""Start a run's kernel behind its guard, and speak to it over Unix sockets."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

from athena_lab.airflow.guard import INTERRUPT
from athena_lab.airflow.sandbox import RunFolder, Sandbox, guard_command, share

KERNEL_MODULE = "athena_lab.kernel"
_ADD_FOLDER = (
    "--IPKernelApp.exec_lines=(lambda path: path.insert("
    "next((i for i, p in enumerate(path) if p.endswith('-packages')), 0), ''))(__import__('sys').path)"
)


class Leash:
    """The worker's end of the pipe to the guard; used from any thread. Closing it ends the kernel and its children."""

    def __init__(self) -> None:
        self.guard_fd, self._fd = os.pipe()
        self._lock = threading.RLock()  # a signal handler may come in between
        self._is_closed = False

    def release_guard_end(self) -> None:
        """Close this process's copy of the guard's end, once the guard has inherited it (or never will)."""
        if self.guard_fd >= 0:
            os.close(self.guard_fd)
            self.guard_fd = -1

    def interrupt(self) -> None:
        """Interrupt the kernel as Ctrl-C would; nothing happens where it has ended."""
        with self._lock:
            if not self._is_closed:
                with contextlib.suppress(BrokenPipeError):  # the guard has ended, and the kernel with it
                    os.write(self._fd, INTERRUPT)

    def kill(self) -> None:
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                os.close(self._fd)


class GuardedProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Launch the kernel's command under the guard, in the sandbox, and signal it through the leash."""

    sandbox: Sandbox
    folder: RunFolder
    leash: Leash
    token_fd: int
    stderr: Any
    guard: subprocess.Popen[bytes] | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        connection = self.folder.connection_file
        os.chown(connection, -1, self.sandbox.gid)
        connection.chmod(0o640)
        share(self.folder.path, self.sandbox)  # jupyter_client made it sticky, so the guard could not empty it
        order = {
            "command": cmd,
            "cwd": str(self.folder.work),
            "folder": str(self.folder.path),
            "leash": self.leash.guard_fd,
            "pass_fds": [self.token_fd],
            "hide": self.sandbox.has_namespaces,
        }
        self.process = subprocess.Popen(
            guard_command(self.sandbox, json.dumps(order)),
            cwd="/",
            env=kwargs["env"],
            stdin=subprocess.DEVNULL,
            stdout=self.stderr,
            stderr=self.stderr,
            pass_fds=(self.leash.guard_fd, self.token_fd),
            start_new_session=True,
        )
        self.guard = self.process
        self.leash.release_guard_end()
        self.pid, self.cwd = self.process.pid, str(self.folder.work)
        return self.connection_info

    async def send_signal(self, signum: int) -> None:
        if signum == signal.SIGINT:
            self.leash.interrupt()
        elif signum != 0:
            self.leash.kill()


class GuardedKernelManager(AsyncKernelManager):  # type: ignore[misc]
    """A kernel manager for one run's kernel: Unix sockets, our own command, no kernel spec of anybody's."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return self._athena_spec

    def describe(self, command: list[str]) -> None:
        """Say which command starts the kernel."""
        self._athena_spec = KernelSpec(
            argv=command, display_name="Athena", language="python", interrupt_mode="signal", env={}
        )


class RunKernel:
    """One run's kernel: `manager` is what nbclient drives, `leash` what ends it from any thread."""

    def __init__(self, sandbox: Sandbox, folder: RunFolder, token_fd: int, module: str = KERNEL_MODULE) -> None:
        self._module = module
        self.leash = Leash()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        self.manager = GuardedKernelManager(
            kernel_name="athena", transport="ipc", connection_file=str(folder.connection_file)
        )
        self.use(Path(sys.executable))
        provisioner = GuardedProvisioner(kernel_id="athena", kernel_spec=self.manager.kernel_spec, parent=self.manager)
        provisioner.sandbox, provisioner.folder, provisioner.leash = sandbox, folder, self.leash
        provisioner.token_fd, provisioner.stderr = token_fd, self._stderr
        self.manager.provisioner = provisioner

    def use(self, python: Path) -> None:
        """Say which interpreter the kernel runs in; before it starts.

        -P: a side file named like a module of the standard library must not stop the kernel from starting. The
        notebook's folder joins the path once the kernel stands, where IPython itself would put it without -P.
        """
        self.manager.describe([str(python), "-P", "-m", self._module, "-f", "{connection_file}", _ADD_FOLDER])

    def describe_end(self) -> str:
        """Say how the kernel's process ended."""
        guard = self.manager.provisioner.guard
        code = guard.wait(timeout=15) if guard is not None else None
        if code is None or code < 192:
            return f"its process exited with code {code}"
        name = signal.Signals(256 - code).name
        return f"{name} ended its process" + (", as when memory runs out" if name == "SIGKILL" else "")

    def last_words(self, limit: int = 2000) -> str:
        """Give the end of what the kernel wrote to its own standard error, not through Jupyter."""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - limit))
        return self._stderr.read().decode(errors="replace").strip()

    def close(self) -> None:
        """End the kernel and everything that it started; wait until the guard is gone."""
        self.leash.kill()
        self.leash.release_guard_end()
        guard = self.manager.provisioner.guard
        if guard is not None:
            guard.wait(timeout=15)
        self._stderr.close()

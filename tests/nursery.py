"""Start processes quickly: import what they need once, then fork one for each order.

Importing the gateway, the emulator or Airflow takes seconds of processor time, which tests that start dozens of them
cannot spend. Each child is a process like any other: it has its own environment and output, may be killed, and its
exit code is its own. A test of how long a start takes starts its process itself.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
END_S = 30.0


class Child:
    """A process that a nursery started; what `subprocess.Popen` tells of one."""

    def __init__(self, nursery: Nursery, pid: int, output: Path, errors: Path) -> None:
        self._nursery, self._code = nursery, None
        self.pid, self.output, self.errors = pid, output, errors
        self._end = os.pidfd_open(pid)  # readable once it has ended

    def poll(self) -> int | None:
        """Give the exit code, or None while it runs."""
        if self._code is None and select.select([self._end], [], [], 0)[0]:
            return self.wait()
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; give the exit code."""
        if self._code is None:
            if not select.select([self._end], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self._code = self._nursery.ask(wait=self.pid)["code"]
            os.close(self._end)
        return self._code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def first_line(self, start: str, timeout_s: float = 60.0) -> str:
        """Wait for the first line of its output that starts so; fail where it ends before."""
        deadline = time.monotonic() + timeout_s
        while True:
            has_ended = self.poll() is not None
            lines = self.output.read_text(errors="replace").splitlines(keepends=True)
            if found := next((line for line in lines if line.startswith(start) and line.endswith("\n")), None):
                return found
            assert not has_ended, f"ended with {self._code}: {self.errors.read_text(errors='replace')[-4000:]}"
            assert time.monotonic() < deadline, f"'{start}' is not in {self.output} within {timeout_s} s"
            select.select([self._end], [], [], 0.01)


class Nursery:
    """The process from which others are forked, with `modules` imported."""

    def __init__(self, modules: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        command, pipe = [sys.executable, __file__, *modules], subprocess.PIPE
        self._process = subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        self._lock = threading.Lock()
        assert self._pipe(self._process.stdout).readline(), "the nursery did not start"

    @staticmethod
    def _pipe(pipe: Any) -> Any:
        assert pipe is not None
        return pipe

    def ask(self, **order: Any) -> dict[str, Any]:
        """Send an order and give its answer."""
        with self._lock:
            stdin = self._pipe(self._process.stdin)
            stdin.write(json.dumps(order) + "\n")
            stdin.flush()
            return dict(json.loads(self._pipe(self._process.stdout).readline()))

    def start(
        self, call: str, arguments: Sequence[str], environ: Mapping[str, str], output: Path, errors: Path | None = None
    ) -> Child:
        """Call the function MODULE:NAME with the arguments, in a process of its own whose exit code is its answer.

        `output` gets what it prints, and its errors too where these have no file of their own. The nursery's own
        environment is replaced by `environ`.
        """
        errors = errors or output
        for path in (output, errors):
            path.touch()
        files = [str(output), str(errors)]
        order = {"call": call, "arguments": list(arguments), "environ": dict(environ), "files": files}
        return Child(self, self.ask(**order)["pid"], output, errors)

    def run(self, program: str, arguments: Sequence[str], environ: Mapping[str, str], folder: Path, stdin: str = "",
            ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run a program's text as `python -c` does, with its output in a new folder's files; give how it ended."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stdin").write_text(stdin)
        child = self.start(
            "tests.nursery:run_text", [program, str(folder / "stdin"), *arguments], environ,
            folder / "stdout", folder / "stderr",
        )  # fmt: skip
        try:
            code = child.wait()
        finally:
            child.kill()
        texts = [(folder / name).read_text() for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess([program], code, *texts)

    def close(self) -> None:
        """End the nursery; its children are ended by those who started them."""
        self._pipe(self._process.stdin).close()
        self._process.wait(timeout=END_S)
        self._pipe(self._process.stdout).close()


def run_text(arguments: list[str]) -> int:
    """Execute a program's text as a module `__main__`, with a file as its standard input."""
    program, stdin, *words = arguments
    sys.argv = ["-c", *words]
    sys.stdin = io.StringIO(Path(stdin).read_text())
    try:
        exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def serve(modules: Sequence[str]) -> None:
    """Import the modules, then obey one order a line."""
    for name in modules:
        importlib.import_module(name)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            become(order)
        print(json.dumps({"pid": pid}), flush=True)


def become(order: dict[str, Any]) -> None:
    """Be what the order says, with its own output and environment; never come back."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        for descriptor, path in enumerate(order["files"], start=1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
        os.environ.clear()
        os.environ.update(order["environ"])
        module, _, name = order["call"].partition(":")
        code = getattr(importlib.import_module(module), name)(order["arguments"])
    except BaseException:  # noqa: BLE001 (whatever it was, the child must end here)
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    serve(sys.argv[1:])

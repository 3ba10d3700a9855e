"""Execute a notebook with papermill against one kernel, telling about each cell and output."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nbclient.exceptions import CellExecutionError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NotebookExecutionManager
from papermill.exceptions import PapermillExecutionError
from papermill.execute import prepare_notebook_metadata, raise_for_execution_errors, remove_error_markers
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from papermill.translators import papermill_translators

from athena_lab.airflow.kernels import RunKernel
from athena_lab.airflow.parameters import TypedTranslator
from athena_lab.airflow.redaction import Redaction, redact_tokens
from athena_lab.errors import AthenaError, PlatformError
from athena_lab.gateway_api.worker import PREPARATION_TAG

KERNEL_NAME = "athena"
INJECTED = "injected-parameters"
_SAVE_EVERY_S = 1.0
_START_TIMEOUT_S = 120
_IOPUB_TIMEOUT_S = 30  # nbclient's 4 s fail runs on a busy worker
_INTERRUPT_GRACE_S = 5
_LONGEST_ERROR = 400
_log = logging.getLogger("athena_lab.airflow")
_papermill_log = logging.getLogger("athena_lab.airflow.papermill")
_papermill_log.setLevel(logging.INFO)  # at DEBUG nbclient logs every output, and with it whatever a cell prints

papermill_translators.register(KERNEL_NAME, TypedTranslator)


class NotebookError(AthenaError):
    """A cell raised, or the kernel died: the notebook's own failure; `str(error)` is short."""


class KernelStartError(PlatformError):
    """The kernel ended before it could be asked anything: the platform's trouble, not the notebook's."""


class StoppedError(AthenaError):
    """Somebody asked the run to stop, so no further cell was started."""


class Listener(Protocol):
    """Who wants to know how far the run is; called from the thread that executes."""

    def tell_cell(self, index: int, state: str, cells_total: int, error: str | None = None) -> None:
        """A code cell (counted from 0, without the injected one) is "running", "succeeded" or "failed"."""

    def tell_output(self, notebook: bytes) -> None:
        """The output notebook as it is now."""

    def is_stopping(self) -> bool:
        """Say whether the run was asked to stop."""


@dataclass(frozen=True, slots=True)
class NotebookInput:
    """What to execute: the bundle's notebook, typed parameters, and the path that its user knows it by."""

    file: Path
    parameters: Mapping[str, Any]
    source_path: str
    cell_timeout_s: int | None = None
    secrets: tuple[str, ...] = ()
    """Values that may stand in no output and no error."""
    is_rehearsal: bool = False
    """A first code cell may then be there that is none of the user's."""


def run_notebook(source: NotebookInput, kernel: RunKernel, environment: dict[str, str], listener: Listener) -> None:
    """Execute the notebook; the last output told is complete whatever happens.

    Raises NotebookError when a cell raised or the kernel died, StoppedError when the listener asked to stop.
    """
    notebook = _prepare(source)
    progress = _Progress(notebook, listener, Redaction(source.secrets))
    progress.has_preparation = source.is_rehearsal and progress.begins_with_preparation()
    client = _Client(
        progress,
        km=kernel.manager,
        timeout=source.cell_timeout_s,
        startup_timeout=_START_TIMEOUT_S,
        iopub_timeout=_IOPUB_TIMEOUT_S,
        kernel_name=KERNEL_NAME,
        log=_papermill_log,
    )
    client.kernel = kernel
    progress.notebook_start()
    try:
        client.execute(env=environment, cleanup_kc=True)
    except DeadKernelError as error:
        raise NotebookError(progress.fail_running_cell(kernel.describe_end())) from error
    except RuntimeError as error:
        # nbclient knows no narrower error for a kernel that ends before it answers, and no cell has run yet
        raise _start_error(kernel, listener) from error
    finally:
        progress.notebook_complete()
    if progress.failure is not None:
        _mark_failure(progress)
        raise NotebookError(progress.failure)


def _start_error(kernel: RunKernel, listener: Listener) -> AthenaError:
    if listener.is_stopping():
        return StoppedError("Cannot go on with the run: it was asked to stop. Start it again if that was a mistake.")
    _log.error("The kernel's last words:\n%s", _shorten(kernel.last_words()))
    words = _shorten((kernel.last_words().splitlines() or ["it said nothing"])[-1])
    return KernelStartError(f"Cannot start the run's kernel: '{words}'. Read the task's log in Airflow.")


def _prepare(source: NotebookInput) -> Any:
    # Papermill treats a path as a format string (its `parameterize_path`), so it is given none.
    notebook = load_notebook_node(str(source.file))
    language = notebook.metadata.get("kernelspec", {}).get("language") or "python"
    if language.lower() != "python":
        raise NotebookError(f"Cannot run a notebook in '{language}': jobs run Python. Schedule a Python notebook.")
    notebook.metadata.setdefault("language_info", {"name": "python"})
    parameters = dict(source.parameters)
    if parameters:
        notebook = parameterize_notebook(notebook, parameters, kernel_name=KERNEL_NAME, language="python")
    notebook = prepare_notebook_metadata(notebook, source.source_path, None, report_mode=False)
    notebook.metadata.papermill["parameters"] = {}
    return remove_error_markers(notebook)


def _mark_failure(progress: _Progress) -> None:
    """Add papermill's own marker cells to the output, as its users know them."""
    try:
        raise_for_execution_errors(progress.nb, None)
    except PapermillExecutionError:
        progress.publish()


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    """Papermill's client, which leaves a cell "running" when the kernel died in it and interrupts one that is slow."""

    kernel: RunKernel

    async def _async_handle_timeout(self, timeout: int, cell: Any = None) -> None:  # noqa: ARG002 (nbclient's)
        """Interrupt the cell; one that goes on all the same is ended with its kernel."""
        self.nb_man.overtime_s = timeout
        self.kernel.leash.interrupt()
        if not await self.kc.shell_channel.socket.poll(_INTERRUPT_GRACE_S * 1000):
            self.kernel.leash.kill()
            raise DeadKernelError("Kernel died")

    def execute(self, **kwargs: Any) -> Any:
        self.reset_execution_trackers()
        with self.setup_kernel(**kwargs):
            self.papermill_execute_cells()
            self.set_widgets_metadata()
        return self.nb

    def papermill_execute_cells(self) -> None:
        for index, cell in enumerate(self.nb.cells):
            self.nb_man.cell_start(cell, index)
            try:
                self.execute_cell(cell, index)
            except CellExecutionError as error:
                self.nb_man.cell_exception(cell, index, exception=error)
                self.nb_man.cell_complete(cell, index)
                return
            if self.nb_man.overtime_s is not None:  # it took the interrupt as a reason to end well
                self.nb_man.cell_exception(cell, index)
            self.nb_man.cell_complete(cell, index)
            if self.nb_man.failure is not None:
                return


class _Progress(NotebookExecutionManager):  # type: ignore[misc]
    """Papermill's bookkeeping of one execution; what it would save to a file goes to the listener instead."""

    def __init__(self, notebook: Any, listener: Listener, redaction: Redaction) -> None:
        super().__init__(notebook, output_path=None, progress_bar=False, autosave_cell_every=0)
        self.failure: str | None = None
        self.overtime_s: int | None = None
        self.has_preparation = False
        self._listener, self._redaction = listener, redaction
        self._saved_at = 0.0
        code = [index for index, cell in enumerate(notebook.cells) if _is_counted(cell)]
        self._numbers = {index: number for number, index in enumerate(code)}
        self._running: int | None = None
        self._failed: int | None = None

    def save(self, **_: Any) -> None:
        if time.monotonic() - self._saved_at >= _SAVE_EVERY_S:
            self.publish()

    def autosave_cell(self, **_: Any) -> None:
        self.save()

    def publish(self) -> None:
        self._saved_at = time.monotonic()
        self._listener.tell_output(self._redaction.of_json(json.dumps(self.nb)).encode())

    def cell_start(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        if self._listener.is_stopping():
            raise StoppedError("Cannot go on with the run: it was asked to stop. Start it again if that was a mistake.")
        super().cell_start(cell, cell_index, **kwargs)
        if cell_index in self._numbers:
            self._running = cell_index
            self._tell(cell_index, "running")

    def cell_exception(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        super().cell_exception(cell, cell_index, **kwargs)
        error = kwargs.get("exception")
        name, value = getattr(error, "ename", "CellExecutionError"), getattr(error, "evalue", "")
        if self.overtime_s is None and name == "SystemExit" and value in ("", "0", "None"):
            cell.metadata.papermill["status"] = self.COMPLETED
            return
        self._failed = cell_index
        self.failure = self._describe(cell_index, self._overtime() or (f"{name}: {value}" if value else name))

    def cell_complete(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        super().cell_complete(cell, cell_index, **kwargs)
        if cell_index == self._running:
            self._running = None
            has_failed = self._failed == cell_index
            self._tell(cell_index, "failed" if has_failed else "succeeded", self.failure if has_failed else None)

    def notebook_complete(self, **_: Any) -> None:
        # Papermill would call the cells that never ran "completed".
        self.end_time = self.now()
        self.nb.metadata.papermill["end_time"] = self.end_time.isoformat()
        self.nb.metadata.papermill["duration"] = (self.end_time - self.start_time).total_seconds()
        self.publish()

    def fail_running_cell(self, how: str) -> str:
        """Say that the kernel's end ended the cell that was running, if one was."""
        text = self._overtime() or f"The kernel died: {how}"
        text = "Stopped: the run was asked to stop" if self._listener.is_stopping() else text
        if self._running is None:
            self.nb.metadata.papermill["exception"] = True
            return self._shorten(text)
        index, self._running = self._running, None
        super().cell_exception(self.nb.cells[index], index)
        message = self._describe(index, text)
        self._tell(index, "failed", message)
        return message

    def _overtime(self) -> str:
        return f"The cell took longer than the {self.overtime_s} s that its job allows" if self.overtime_s else ""

    def _describe(self, index: int | None, text: str) -> str:
        return self._shorten(text) + f" ({self._name(index)})"

    def _name(self, index: int | None) -> str:
        """Name a cell as its user counts it: without those that we put before his."""
        number = self._numbers.get(index) if index is not None else None
        if number is None:
            return "parameters cell"
        if self.has_preparation and number == 0:
            return "the rehearsal's own cell, which makes the scratch tables"
        added = int(self.has_preparation)
        return f"code cell {number + 1 - added} of {len(self._numbers) - added}"

    def begins_with_preparation(self) -> bool:
        """Say whether the first code cell is a rehearsal's preparation."""
        first = next(iter(self._numbers), None)
        return first is not None and PREPARATION_TAG in self.nb.cells[first].metadata.get("tags", ())

    def _shorten(self, text: str) -> str:
        return _shorten(self._redaction.of_text(text))

    def _tell(self, index: int | None, state: str, error: str | None = None) -> None:
        if index is not None:
            self._listener.tell_cell(self._numbers[index], state, len(self._numbers), error)


def _is_counted(cell: Any) -> bool:
    return cell.cell_type == "code" and INJECTED not in cell.metadata.get("tags", ())


def _shorten(text: str) -> str:
    plain = redact_tokens(text.encode(errors="replace").decode())
    return plain if len(plain) <= _LONGEST_ERROR else plain[: _LONGEST_ERROR - 1] + "…"

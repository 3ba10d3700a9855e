"""`athena up`: prepare the home, start everything, say where it is, watch it until told to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import FrameType

from athena_lab.errors import ConflictError
from athena_lab.settings import Home
from athena_lab.stack import celery, jupyter, plan, ports
from athena_lab.stack.accounts import prepare_accounts
from athena_lab.stack.dropped import write_private
from athena_lab.stack.layout import open_home, prepare_layout, remove_sockets_folder, sockets_folder
from athena_lab.stack.orphans import stop_orphans
from athena_lab.stack.place import Options, Place
from athena_lab.stack.record import (
    StackLock,
    StackRecord,
    own_identity,
    read_record,
    record_path,
    write_record,
)
from athena_lab.stack.supervisor import Announce, Supervisor

_SERVICES = ("gateway", "api-server", "emulator", "emulator-grpc")
NOT_ISOLATED = "not isolated: everything runs as one user"


def up(home: Home, options: Options, environ: Mapping[str, str], announce: Announce) -> None:
    """Run the stack in this process until SIGINT, SIGTERM or SIGHUP; must be called in the main thread.

    Raises ConflictError where it already runs or the asked port is taken, ConfigurationError where the
    home or a program is unusable, UnreachableError where a service does not come up. Whatever happens
    nothing stays running.
    """
    began = time.monotonic()
    open_home(home)
    lock = StackLock(home)
    if not lock.acquire():
        raise ConflictError(already_running(home))
    with _noting_signals() as stop:
        try:
            place = _prepare_place(home, options, environ, announce)
            plans = plan.prepare(place, options)
            _run(place, plans, stop, announce, began=began, opens_browser=options.opens_browser)
        finally:
            record_path(home).unlink(missing_ok=True)
            remove_sockets_folder(home)
            lock.release()


def already_running(home: Home) -> str:
    """Say where the stack of this home runs."""
    record = read_record(home)
    url = record.urls.get("lab") or record.urls.get("gateway") if record else None
    where = f" at '{url}'" if url else ""
    return (
        f"Cannot start Athena in '{home.root}': it already runs{where}. "
        "Use it (`athena status` shows its address), stop it with `athena down`, or choose another --home."
    )


def _prepare_place(home: Home, options: Options, environ: Mapping[str, str], announce: Announce) -> Place:
    former = read_record(home)
    stopped = stop_orphans(former) if former else 0
    if stopped:
        announce(f"stopped {stopped} processes that a killed Athena had left")
    chosen = ports.choose_ports(_SERVICES)
    if options.has_lab:
        chosen["lab"] = ports.choose_lab_port(options.port)
    if options.is_celery:
        celery.find_redis(environ.get("PATH", os.defpath))
    accounts = prepare_accounts()
    if not accounts.is_isolated:
        announce(NOT_ISOLATED)
    workspace = (options.workspace or home.workspace).absolute()
    prepare_layout(home, accounts, workspace)
    return Place(home, accounts, sockets_folder(home, accounts), workspace, chosen, environ)


def _run(
    place: Place,
    plans: plan.Plan,
    stop: Callable[[], bool],
    announce: Announce,
    *,
    began: float,
    opens_browser: bool,
) -> None:
    recorder = _Recorder(place, plans)
    supervisor = Supervisor(
        plans.processes,
        place.home.logs,
        is_isolated=place.is_isolated,
        announce=announce,
        on_change=lambda: recorder.write(supervisor),
    )
    try:
        if not supervisor.start(stop):
            return
        recorder.note_ready(time.monotonic() - began)
        recorder.write(supervisor)
        announce(f"Athena is ready after {time.monotonic() - began:.1f} s")
        if plans.lab_token:
            _show_lab(place, plans, announce, opens_browser=opens_browser)
        supervisor.watch(stop)
    finally:
        announce("stopping")
        recorder.note_stopping()
        supervisor.stop()
        announce("stopped")


def _show_lab(place: Place, plans: plan.Plan, announce: Announce, *, opens_browser: bool) -> None:
    url = f"{jupyter.lab_url(place)}?token={plans.lab_token}"
    announce(f"JupyterLab: {url}")
    if not jupyter.has_extension():
        announce("JupyterLab's side of Athena is not built: run `make lab`, which builds it first")
    if opens_browser and _has_display(place.environ):
        webbrowser.open(url)


def _has_display(environ: Mapping[str, str]) -> bool:
    """Tell whether a browser could show itself: without a display a text browser would take the terminal."""
    return sys.platform == "darwin" or any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


class _Recorder:
    """Keeps stack.json in step with the supervisor."""

    def __init__(self, place: Place, plans: plan.Plan) -> None:
        boot, pid, start = own_identity()
        names = {"lab": jupyter.lab_url(place)} if plans.lab_token else {}
        urls = names | {"gateway": place.url("gateway"), "airflow": place.url("api-server")}
        urls |= {"emulator": place.url("emulator"), "emulator-grpc": f"127.0.0.1:{place.ports['emulator-grpc']}"}
        self._place, self._stamp = place, plans.stamp
        self._record = StackRecord(boot, pid, start, "starting", time.time(), place.is_isolated, urls)

    def note_ready(self, seconds: float) -> None:
        """The stack is up: from now on the database counts as migrated."""
        self._record = replace(self._record, state="ready", ready_s=round(seconds, 1))
        write_private(self._place.home.root / plan.STAMP, f"{self._stamp}\n", mode=0o644)

    def note_stopping(self) -> None:
        self._record = replace(self._record, state="stopping")

    def write(self, supervisor: Supervisor) -> None:
        children = tuple(child.record(self._place.ports.get(child.process.name)) for child in supervisor.children)
        self._record = replace(self._record, processes=children)
        write_record(self._place.home, self._record)


@contextlib.contextmanager
def _noting_signals() -> Iterator[Callable[[], bool]]:
    """Note the signals that end a program instead of ending, and tell whether one came."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the signature of a handler)
        received.append(number)

    former = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)

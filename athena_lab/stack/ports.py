"""Ports on loopback: free ones for the services, a wished one for JupyterLab."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

from athena_lab.errors import ConflictError, UnreachableError

LAB_PORT = 8888
_LAB_TRIES = 50
# Below the range from which the kernel takes ports of outgoing connections (32768 to 60999 on Linux):
# between choosing a port and its service's start nobody gets it by accident.
_FIRST, _LAST = 20000, 32000


def is_free(port: int) -> bool:
    """Tell whether nobody listens on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_ports(names: Iterable[str]) -> dict[str, int]:
    """Give each name a free port of its own; raise UnreachableError where none is left."""
    wanted = list(names)
    chosen: list[int] = []
    for port in random.sample(range(_FIRST, _LAST), _LAST - _FIRST):
        if len(chosen) == len(wanted):
            break
        if is_free(port):
            chosen.append(port)
    if len(chosen) < len(wanted):
        raise UnreachableError(
            f"Cannot start Athena: no port between '{_FIRST}' and '{_LAST}' is free. Stop programs that listen there."
        )
    return dict(zip(wanted, chosen, strict=True))


def choose_lab_port(asked: int | None) -> int:
    """Give the asked port or raise ConflictError; unasked, the first free one from 8888 on."""
    if asked is not None:
        if not is_free(asked):
            raise ConflictError(
                f"Cannot start JupyterLab on port '{asked}': another program listens there. "
                "Stop that program, or choose another port with --port."
            )
        return asked
    for port in range(LAB_PORT, LAB_PORT + _LAB_TRIES):
        if is_free(port):
            return port
    raise ConflictError(
        f"Cannot start JupyterLab: ports '{LAB_PORT}' to '{LAB_PORT + _LAB_TRIES - 1}' are taken. "
        "Choose one with --port."
    )

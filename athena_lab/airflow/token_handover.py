"""Hand a run's present token to its kernel over an inherited Unix socket: never an environment variable or a file."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable

_REQUEST = b"token"
_LONGEST_REQUEST = 64


class TokenHandover:
    """Answer each line `token` with one line `{"token": …}` until closed; `child_fd` goes to the kernel."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token
        self._own, self._child = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="athena-token", daemon=True)
        self._thread.start()

    @property
    def child_fd(self) -> int:
        return self._child.fileno()

    def close(self) -> None:
        self._child.close()
        with contextlib.suppress(OSError):  # the kernel may have closed its end first
            self._own.shutdown(socket.SHUT_RDWR)
        self._own.close()

    def _serve(self) -> None:
        pending = b""
        while True:
            try:
                part = self._own.recv(4096)
                if not part:
                    return
                *lines, pending = (pending + part).split(b"\n")
                if len(pending) > _LONGEST_REQUEST:
                    return
                for line in lines:
                    if line == _REQUEST:
                        self._own.sendall(json.dumps({"token": self._token()}).encode() + b"\n")
            except OSError:
                return

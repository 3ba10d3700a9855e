"""`athena gateway`: serve until told to stop; `--init` makes the secrets and ends."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import uvicorn

from athena_lab.errors import AthenaError, ConfigurationError
from athena_lab.gateway.app import make_app
from athena_lab.gateway.keys import prepare_secrets
from athena_lab.gateway.services import Services, make_services
from athena_lab.settings import GatewaySettings, Home, default_home

_PR_SET_DUMPABLE = 4
_GRACE_S = 5


def main(argv: Sequence[str]) -> int:
    """Run the gateway; 0 after SIGTERM or Ctrl-C, 1 if it cannot start."""
    options = _read_options(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # Folders and files are made with their own modes; the jobs repository must be readable by Airflow's user.
    os.umask(0o022)
    try:
        home = Home(options.home or default_home(os.environ, is_root=os.geteuid() == 0))
        settings = GatewaySettings.from_environment(os.environ, home)
        if options.port is not None:
            settings = replace(settings, port=options.port)
        if options.init:
            prepare_secrets(home.gateway, home.public)
            return 0
        return _serve(settings)
    except AthenaError as error:
        print(error, file=sys.stderr)
        return 1


def _read_options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="athena gateway", description="Serve the gateway on loopback.")
    parser.add_argument("--home", type=Path, help="state directory (default: ATHENA_HOME)")
    parser.add_argument("--port", type=int, help="port to listen on (default: ATHENA_GATEWAY_PORT, else 8100)")
    parser.add_argument("--init", action="store_true", help="make the gateway's secrets, then end")
    return parser.parse_args(argv)


def _serve(settings: GatewaySettings) -> int:
    with _listen(settings.host, settings.port) as listener:
        services = make_services(settings, os.environ)
        _hide_memory()
        try:
            services.start()
            return _answer_until_told(settings, listener, services)
        finally:
            services.close()


def _answer_until_told(settings: GatewaySettings, listener: socket.socket, services: Services) -> int:
    config = uvicorn.Config(
        make_app(services),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        lifespan="off",
    )
    server = _Server(config, f"http://{settings.host}:{listener.getsockname()[1]}")
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn ends in order and then raises the signal again, for the handler that was there before it.
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """Says on standard output when it answers; whoever started it waits for that line."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"gateway ready on {self._url}", flush=True)


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"Cannot start the gateway: port '{port}' is not free ({error.strerror}). "
            "Stop what listens there, or choose another with --port."
        ) from error
    return listener


def _hide_memory() -> None:
    """Keep other processes of the same user from reading the keys out of this one's memory (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

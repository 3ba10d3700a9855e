"""An emulator with the tables that the statements of lineage's corpus meet."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from bench.corpus_lineage import CORPUS


@contextlib.contextmanager
def corpus_client(folder: Path) -> Iterator[bigquery.Client]:
    """Give a client of an emulator of its own that trusts everybody; its data and log go into a folder."""
    command = [sys.executable, "-m", "athena_lab.emulator.main", "--port", "0", "--grpc-port", "0"]
    command += ["--data", str(folder / "data"), "--trust-anonymous"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    words = process.stdout.readline().split()
    assert words[:2] == ["emulator", "ready"], (folder / "log").read_text()
    client = bigquery.Client(
        project="athena", credentials=AnonymousCredentials(), client_options={"api_endpoint": words[3]}
    )
    try:
        for dataset in ("shop", "mart"):
            client.create_dataset(dataset)
        client.query_and_wait((CORPUS / "runnable.sql").read_text())
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(30)
        process.stdout.close()

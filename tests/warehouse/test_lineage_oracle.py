"""Lineage against what the emulator, which runs the statements, reports as referenced and destination tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from bench.corpus_lineage import CORPUS, follow, read_cases

CASES = [case for case in read_cases() if case["file"] == "runnable.yaml"]
pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def open_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bigquery.Client]:
    """A client of an emulator that trusts everybody, with the tables that the statements meet."""
    folder: Path = tmp_path_factory.mktemp("lineage")
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
    for dataset in ("shop", "mart"):
        client.create_dataset(dataset)
    for statement in (CORPUS / "runnable.sql").read_text().split(";"):
        if statement.strip():
            client.query_and_wait(statement)
    yield client
    client.close()
    process.terminate()
    process.wait(30)
    process.stdout.close()


def names_of(references: list[Any]) -> set[str]:
    return {f"{item.dataset_id}.{item.table_id}" for item in references}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_emulator_reports_the_tables_that_lineage_finds(open_client, case):
    found = follow(case)
    job = open_client.query(case["sql"])
    job.result()
    referenced, writes = names_of(job.referenced_tables), set(found.writes)
    # A statement that changes a table names it among those referenced, whether it reads it or not.
    assert referenced - writes == set(found.reads) - writes
    if job.statement_type == "SELECT":
        assert not writes
    elif job.destination is not None:
        assert names_of([job.destination]) == writes
    else:
        assert writes <= referenced

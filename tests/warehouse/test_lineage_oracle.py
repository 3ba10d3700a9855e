"""Lineage against what the emulator, which runs the statements, reports as referenced and destination tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import bigquery

from bench.corpus_lineage import follow, read_cases
from tests.warehouse.corpus_emulator import corpus_client

CASES = [case for case in read_cases() if case["file"] == "runnable.yaml"]
pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def open_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bigquery.Client]:
    """A client of an emulator that trusts everybody, with the tables that the statements meet."""
    with corpus_client(tmp_path_factory.mktemp("lineage")) as client:
        yield client


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

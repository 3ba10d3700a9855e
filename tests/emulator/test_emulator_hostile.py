"""Statements made to stop the warehouse: each is answered in short time, and nobody else waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from tests.emulator.scratch_roads import Hand

MOST_S = 20.0
"""Generous: each took for ever, or grew with its depth beyond any measure; the machine may be busy."""


def nested(start: str, middle: str, end: str, depth: int) -> str:
    return f"SELECT {start * depth}{middle}{end * depth}"


DEEP = {
    "brackets": nested("(", "1", ")", 10_000),
    "brackets that stay open": nested("(", "1", "", 50_000),
    "arrays": nested("[", "1", "]", 5_000),
    "structs": nested("STRUCT(", "1", ")", 3_000),
    "subqueries": "SELECT * FROM " + "(SELECT * FROM " * 2_000 + "t" + ")" * 2_000,
    "safe calls": nested("SAFE.ABS(", "1", ")", 40),
    "negations": nested("NOT ", "TRUE", "", 20_000),
    "signs": nested("- ", "1", "", 20_000),
    "cases": nested("CASE WHEN TRUE THEN ", "1", " END", 2_000),
    "sums": "SELECT " + "+".join(["1"] * 20_000),
    "conditions": "SELECT " + " AND ".join(["TRUE"] * 20_000),
    "unions": " UNION ALL ".join(["SELECT 1"] * 5_000),
    "blocks": "BEGIN " * 3_000 + "SELECT 1;" + "END;" * 3_000,
}
"""Refused as too complex, or for want of a closing bracket."""
REFUSED = "refused"
SLOW = {
    "nested structs": (nested("STRUCT(", "1", " AS a).a", 40), 1),
    "nested dates": (nested("STRING(DATE(", "DATE '2024-01-02'", "))", 20), "2024-01-02"),
    "a pattern of bytes": ("SELECT REGEXP_CONTAINS(b'" + "a" * 60 + "!', b'(a+)+$')", False),
    "a pattern that is computed": (
        "SELECT REGEXP_EXTRACT(REPEAT('a', 60) || '!', CONCAT('(a+)+', IF(RAND() < 2, '$', '')))", None,
    ),
    "LIKE of bytes": ("SELECT b'" + "a" * 200 + "' LIKE b'" + "%a" * 60 + "%b'", False),
    "LIKE": ("SELECT REPEAT('a', 5000) LIKE CONCAT(REPEAT('%a', 1000), '%b')", False),
}  # fmt: skip


@pytest.fixture
def others_wait(emulator: Any) -> Iterator[list[float]]:
    """How long somebody else waited for each of his answers meanwhile."""
    waited: list[float] = []
    is_over = threading.Event()
    client = emulator.client("otto")

    def ask() -> None:
        while not is_over.wait(0.05):
            begun = time.monotonic()
            list(client.list_datasets(timeout=120))
            waited.append(time.monotonic() - begun)

    thread = threading.Thread(target=ask)
    thread.start()
    yield waited
    is_over.set()
    thread.join()


def test_what_nests_too_deeply_is_refused_at_once(bq: bigquery.Client, others_wait: list[float]) -> None:
    for name, sql in DEEP.items():
        begun = time.monotonic()
        with pytest.raises(BadRequest) as refusal:
            bq.query_and_wait(sql, retry=None, job_retry=None)
        assert "failed on job" not in str(refusal.value), name
        assert time.monotonic() - begun < MOST_S, name
    assert max(others_wait) < MOST_S


def test_what_would_take_for_ever_is_answered(bq: bigquery.Client, others_wait: list[float]) -> None:
    for name, (sql, answer) in SLOW.items():
        begun = time.monotonic()
        if answer is REFUSED:
            with pytest.raises(BadRequest):
                bq.query_and_wait(sql, retry=None, job_retry=None)
        else:
            (row,) = bq.query_and_wait(sql, retry=None, job_retry=None)
            assert row[0] == answer, name
        assert time.monotonic() - begun < MOST_S, name
    assert max(others_wait) < MOST_S


def test_a_body_that_nests_too_deeply_is_refused(emulator: Any) -> None:
    hand = Hand(emulator, "ada", {})
    for body in (b"[" * 200_000 + b"]" * 200_000, b'{"query": ' * 100_000 + b"1" + b"}" * 100_000):
        with pytest.raises(AssertionError, match=r"^400 "):
            hand.send("POST", "/bigquery/v2/projects/athena/queries", body)

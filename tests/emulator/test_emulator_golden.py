"""Pairs of GoogleSQL and the rows that it gives (golden/*.sql), from the examples of BigQuery's documentation."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import Emulator

pytestmark = pytest.mark.stack
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.sql"))
ARROW = "  =>  "


def _cell(value: Any) -> str:
    if isinstance(value, dict) and "f" in value:
        return "{" + ", ".join(_cell(part["v"]) for part in value["f"]) + "}"
    return "[" + ", ".join(_cell(part["v"]) for part in value) + "]" if isinstance(value, list) else str(value)


def _answer(emulator: Emulator, sql: str) -> str:
    """Give the rows (cells parted by |, rows by //) or the error's message."""
    body = {"query": sql, "useLegacySql": False, "formatOptions": {"useInt64Timestamp": True}}
    request = urllib.request.Request(
        f"{emulator.url}/bigquery/v2/projects/athena/queries",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {emulator.keys.token()}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as found:
            rows = json.load(found).get("rows", [])
    except urllib.error.HTTPError as error:
        with error:
            return f"ERR {json.load(error)['error']['message']}"
    return " // ".join(" | ".join(_cell(cell["v"]) for cell in row["f"]) for row in rows)


def _matches(found: str, wanted: str) -> bool:
    return found.startswith("ERR ") and "Unsupported" not in found if wanted == "ERR" else found.strip() == wanted


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_pairs_hold(emulator: Emulator, path: Path) -> None:
    wrong = []
    for line in path.read_text().splitlines():
        sql, arrow, wanted = line.partition(ARROW.rstrip())
        if not line or line.startswith("--"):
            continue
        found = _answer(emulator, sql)
        if arrow and not _matches(found, wanted.strip()):
            wrong.append(f"{sql}\n  gives {found}\n  not   {wanted.strip()}")
        if not arrow and found.startswith("ERR "):
            wrong.append(f"{sql}\n  gives {found}")
    assert not wrong, "\n".join(wrong)

"""The corpora's cases in one shape."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("recorded", "queries", "functions")


@dataclass(frozen=True, slots=True)
class Case:
    """One query with what it needs before it, and what BigQuery answered."""

    corpus: str
    id: str
    klass: str
    query: str
    expected: dict[str, Any]
    setup: str = ""
    setup_rest: tuple[dict[str, Any], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    params: tuple[dict[str, Any], ...] = ()
    is_named: bool = True
    job_config: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The case's name in the lists of reasons."""
        return f"{self.corpus} {self.id}"


def read(folder: Path) -> list[Case]:
    """Read all cases of a folder of corpora."""
    makers = {"recorded": _recorded, "queries": _query, "functions": _function}
    cases = []
    for name in NAMES:
        path = folder / f"{name}.jsonl"
        if path.exists():
            cases += list(_unique(makers[name](json.loads(line)) for line in path.read_text().splitlines() if line))
    return cases


def _unique(cases: Iterator[Case]) -> Iterator[Case]:
    """Tell cases of the same name apart by their place among them."""
    seen: dict[str, int] = {}
    for case in cases:
        seen[case.id] = seen.get(case.id, 0) + 1
        if seen[case.id] > 1:
            yield Case(**{slot: getattr(case, slot) for slot in case.__slots__} | {"id": f"{case.id}#{seen[case.id]}"})
        else:
            yield case


def _recorded(raw: dict[str, Any]) -> Case:
    given = raw["params"] or {}
    return Case(
        "recorded", raw["id"], raw["id"].split("/")[0], raw["query"], raw["expected"], raw["setup"] or "",
        tuple(raw["setup_rest"] or ()), raw["headers"] or {}, tuple(given.get("parameters") or ()),
        given.get("mode") != "positional", raw["job_config"] or {},
    )  # fmt: skip


def _query(raw: dict[str, Any]) -> Case:
    expected = {"error": {"message": raw["error"]}} if raw["error"] else {"rows": raw["rows"]}
    params = tuple({"type": "INT64", **item} for item in raw["args"] or ())
    is_named = bool(params) and "name" in params[0]
    return Case("queries", raw["name"], _leading(raw["name"]), raw["query"], expected, params=params, is_named=is_named)


def _leading(name: str) -> str:
    """The corpus has no classes: the first word of a name says the function or clause."""
    return re.split(r"[ _(]", name.strip().lower())[0] or "other"


def _function(raw: dict[str, Any]) -> Case:
    return Case("functions", raw["name"], raw["name"].split("/")[0], raw["query"], raw["expected"])

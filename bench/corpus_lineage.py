"""How exact lineage is on the corpus in tests/lineage: what is exact, and what is wrong without saying so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from athena_lab.warehouse.lineage import Lineage, lineage_of_notebook, lineage_of_python, lineage_of_sql
from bench.figures import Figure

CORPUS = Path(__file__).parent.parent / "tests" / "lineage"
PROJECTS = ("athena",)


def read_cases() -> list[dict[str, Any]]:
    """Give every snippet with what is expected of it."""
    cases = []
    for file in sorted(CORPUS.glob("*.yaml")):
        cases += [{"file": file.name, **case} for case in yaml.safe_load(file.read_text(encoding="utf-8"))]
    return cases


def follow(case: Mapping[str, Any]) -> Lineage:
    schema = case.get("schema") or {}
    if "sql" in case:
        return lineage_of_sql(case["sql"], schema=schema, projects=PROJECTS)
    if "python" in case:
        return lineage_of_python(case["python"], schema=schema, projects=PROJECTS)
    cells = [_cell(item) for item in case["cells"]]
    return lineage_of_notebook({"cells": cells}, schema=schema, projects=PROJECTS)


def _cell(item: str | Mapping[str, Any]) -> dict[str, Any]:
    given = {"source": item} if isinstance(item, str) else dict(item)
    kind = given.get("cell_type", "code")
    return {"cell_type": kind, "source": given["source"], "metadata": {"tags": given.get("tags", [])}}


def differences(case: Mapping[str, Any], found: Lineage) -> list[str]:
    """Say where the lineage is not what is expected; nothing where it is exact."""
    columns = {name: sorted(sources) for name, sources in found.columns.items()}
    pairs = [
        ("reads", sorted(case.get("reads", [])), list(found.reads)),
        ("writes", sorted(case.get("writes", [])), list(found.writes)),
        ("columns", {name: sorted(sources) for name, sources in (case.get("columns") or {}).items()}, columns),
    ]
    faults = [f"{what}: expected {wanted}, found {got}" for what, wanted, got in pairs if wanted != got]
    texts = [item.text for item in found.unknown]
    wanted = case.get("unknown", [])
    missed = [piece for piece in wanted if not any(part in text for part in piece.split("|") for text in texts)]
    if missed or len(texts) != len(wanted):
        faults.append(f"unknown: expected {wanted}, found {texts}")
    return faults


def is_silently_wrong(case: Mapping[str, Any], found: Lineage) -> bool:
    """Say whether something is wrong while nothing is said to be unknown."""
    return bool(differences(case, found)) and not found.unknown


def measure() -> Iterator[Figure]:
    cases = read_cases()
    found = [(case, follow(case)) for case in cases]
    exact = sum(not differences(case, lineage) for case, lineage in found)
    silent = sum(is_silently_wrong(case, lineage) for case, lineage in found)
    yield Figure("lineage_exact", round(exact / len(cases), 4), "share of snippets", None, len(cases))
    yield Figure("lineage_silently_wrong", silent, "snippets", None, len(cases))


if __name__ == "__main__":
    for figure in measure():
        figure.print()

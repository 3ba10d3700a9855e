"""Why cases are out of scope, and why answers rightly differ from a case's: by id, a reason each."""

from __future__ import annotations

import json
from pathlib import Path

_FOLDER = Path(__file__).parent
KINDS = ("GEOGRAPHY", "OBJ.*", "DLP", "KMS")
"""The only reasons for which a case may be out of scope."""


def out_of_scope() -> dict[str, str]:
    """Give the kind of every case that is out of scope, by "corpus id"."""
    found: dict[str, list[str]] = json.loads((_FOLDER / "out_of_scope.json").read_text())
    unknown = set(found) - set(KINDS)
    if unknown:
        raise SystemExit(f"out_of_scope.json has kinds that are none: {', '.join(sorted(unknown))}")
    return {case: kind for kind, cases in found.items() for case in cases}


def differences() -> dict[str, str]:
    """Give why our answer rightly differs from a case's expectation, by "corpus id"."""
    found: dict[str, str] = json.loads((_FOLDER / "differences.json").read_text())
    return found

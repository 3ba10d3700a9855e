"""What `athena lineage FILE` prints."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from pathlib import Path

from athena_lab.errors import Fault, InvalidError, NotFoundError
from athena_lab.warehouse.lineage.model import Lineage
from athena_lab.warehouse.lineage.notebook import lineage_of_file

ENDINGS = (".ipynb", ".sql", ".py")


def lineage_of_path(path: Path, projects: Collection[str]) -> Lineage:
    """Read a file and follow it; raises NotFoundError or InvalidError where that cannot be done."""
    if path.suffix not in ENDINGS:
        raise _refusal(path, "it is no notebook, SQL or Python file", f"Name a file that ends in {', '.join(ENDINGS)}.")
    # What the parser does not know is in the answer; its own warnings would only stand beside it.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        return lineage_of_file(path.name, path.read_text(encoding="utf-8-sig"), projects=projects)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise NotFoundError(f"Cannot follow '{path}': {reason.lower()}. Check the path and your rights.") from error
    except ValueError as error:
        raise _refusal(path, "it is no valid notebook or text", "Open it in JupyterLab and save it again.") from error


def format_json(lineage: Lineage) -> str:
    """Give one JSON object: reads, writes, unknown, columns."""
    return json.dumps(lineage.to_json(), indent=1, ensure_ascii=False)


def format_text(lineage: Lineage) -> str:
    """Give the lineage for people."""
    columns = [
        f"{name} <- {', '.join(sources) or 'no table (constants, or counts of rows)'}"
        for name, sources in lineage.columns.items()
    ]
    unknown = [item.text if item.cell is None else f"cell {item.cell}: {item.text}" for item in lineage.unknown]
    parts = [("reads", lineage.reads), ("writes", lineage.writes), ("columns", columns), ("not decided", unknown)]
    lines = []
    for title, items in parts:
        lines += [f"{title}:", *(f"  {item}" for item in items or ["nothing"])]
    return "\n".join(lines)


def _refusal(path: Path, reason: str, remedy: str) -> InvalidError:
    return InvalidError([Fault("file", f"Cannot follow '{path}': {reason}. {remedy}")])

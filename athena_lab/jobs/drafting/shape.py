"""What a notebook's JSON must be before anybody looks into it; the gateway holds it against the whole format later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_KERNEL = ("kernelspec", "language_info", "athena")


def trouble_of(notebook: Mapping[str, Any]) -> str:
    """Say what is wrong with the shape of a notebook, "" if nothing is; cells are counted from 1."""
    metadata, cells = notebook.get("metadata", {}), notebook.get("cells")
    if not isinstance(metadata, dict):
        return "its metadata are no object"
    for name in _KERNEL:
        if not isinstance(metadata.get(name) or {}, dict):
            return f"'{name}' in its metadata is no object"
    if not isinstance(cells, list):
        return "it has no list of cells"
    return next((f"cell {number} {trouble}" for number, cell in enumerate(cells, 1) if (trouble := _of_cell(cell))), "")


def _of_cell(cell: object) -> str:
    if not isinstance(cell, dict):
        return "is no object"
    if not isinstance(cell.get("cell_type"), str):
        return "has no type"
    if not isinstance(cell.get("metadata", {}), dict):
        return "has metadata that are no object"
    source = cell.get("source", "")
    if not isinstance(source, str) and not (isinstance(source, list) and all(isinstance(line, str) for line in source)):
        return "has a text that is none"
    return "" if _is_unicode(cell) else "holds half a character (a lone surrogate), which is no valid Unicode"


def _is_unicode(cell: Mapping[str, Any]) -> bool:
    """Tell whether what is kept of a cell can be written as UTF-8; outputs are left behind."""
    kept = [value for name, value in cell.items() if name != "outputs"]
    try:
        json.dumps(kept, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True

"""A bundle's notebook: held against the rules, and cleaned of all that does not decide how it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import nbformat

from athena_lab.errors import Fault
from athena_lab.gateway_api.jobs import CellSummary
from athena_lab.warehouse.lineage.notebook import SQL_MAGICS

MAX_CELLS = 5_000
MAX_SOURCE_BYTES = 20 * 1024**2
_PYTHON = ("python", "python3", "ipython")
_BARE_MAGICS = tuple(f"%%{name}" for name in SQL_MAGICS)
Cell = dict[str, Any]


def notebook_faults(notebook: Mapping[str, Any], path: str) -> Sequence[Fault]:
    """List what makes a notebook unfit to be a bundle."""
    if notebook.get("nbformat") != nbformat.current_nbformat:
        found = notebook.get("nbformat")
        return [fault("notebook", path, f"it is not a notebook of format 4 (found {found!r})", "Save it in JupyterLab")]
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        return [fault("notebook", path, "it is not a valid notebook (it has no cells)", "Save it anew in JupyterLab")]
    if len(cells) > MAX_CELLS:
        why = f"it has {len(cells)} cells, more than the {MAX_CELLS} allowed"
        return [fault("notebook", path, why, "Split it into several notebooks")]
    try:
        nbformat.validate(_with_ids(notebook), relax_add_props=True)
    except (nbformat.ValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
        reason = str(getattr(error, "message", error)).splitlines()[0][:200]
        return [fault("notebook", path, f"it is not a valid notebook ({reason})", "Save it anew in JupyterLab")]
    return _content_faults(notebook, path)


def _content_faults(notebook: Mapping[str, Any], path: str) -> list[Fault]:
    faults = []
    if not _kernel_name(notebook):
        faults.append(fault("notebook", path, "it names no kernel", "Choose a kernel and save it"))
    elif (language := _language_of(notebook)).lower() not in _PYTHON:
        why = f"its kernel speaks {language!r}, and jobs run Python"
        faults.append(fault("notebook", path, why, "Choose a Python kernel and save it"))
    if not any(is_code(cell) for cell in notebook["cells"]):
        faults.append(fault("notebook", path, "it has no code cell with anything in it", "Write one and save it"))
    size = sum(len(text_of(cell["source"])) for cell in notebook["cells"])
    if size > MAX_SOURCE_BYTES:
        why = f"its cells hold {size} characters, more than the {MAX_SOURCE_BYTES} allowed"
        faults.append(fault("notebook", path, why, "Put data into files beside it"))
    return faults


def _language_of(notebook: Mapping[str, Any]) -> str:
    """Name the kernel's language. JupyterLab adds it once a kernel has run; before, it is taken for Python."""
    metadata = notebook["metadata"]
    info = metadata.get("language_info") or {}
    return str(metadata["kernelspec"].get("language") or info.get("name") or "python")


def _kernel_name(notebook: Mapping[str, Any]) -> str:
    spec = notebook["metadata"].get("kernelspec")
    return str(spec.get("name") or "") if isinstance(spec, dict) else ""


def is_code(cell: Mapping[str, Any]) -> bool:
    """Tell whether a cell is a code cell with anything in it."""
    return cell["cell_type"] == "code" and bool(text_of(cell["source"]).strip())


def text_of(source: str | Sequence[str]) -> str:
    """Give a cell's source as one text; nbformat allows a list of lines."""
    return source if isinstance(source, str) else "".join(source)


def _with_ids(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Give the notebook with a distinct id on every cell (format 4.5), the same for the same content."""
    seen: set[str] = set()
    cells = []
    for index, cell in enumerate(notebook["cells"]):
        wanted = cell.get("id") or f"cell-{index}"
        cell_id = wanted if wanted not in seen else f"{wanted[:50]}-{index}"
        seen.add(cell_id)
        cells.append({**cell, "id": cell_id})
    return {**notebook, "nbformat_minor": 5, "cells": cells}


def clean_notebook(notebook: Mapping[str, Any], cells: list[Cell]) -> dict[str, Any]:
    """Keep what decides how it runs: not outputs, execution counts, widgets' state or editors' marks."""
    spec, language = notebook["metadata"]["kernelspec"], _language_of(notebook)
    kernel = {"name": spec["name"], "display_name": spec.get("display_name") or spec["name"], "language": language}
    kept = {"kernelspec": kernel, "language_info": {"name": language}}
    return {"cells": cells, "metadata": kept, "nbformat": 4, "nbformat_minor": 5}


def clean_cells(cells: Any) -> list[Cell]:
    """Give the cells with distinct ids, without outputs and marks."""
    return [_clean_cell(cell) for cell in _with_ids({"cells": cells})["cells"]]


def _clean_cell(cell: Mapping[str, Any]) -> Cell:
    tags = cell["metadata"].get("tags")
    clean: Cell = {
        "cell_type": cell["cell_type"],
        "id": cell["id"],
        "metadata": {"tags": list(tags)} if tags else {},
        "source": text_of(cell["source"]),
    }
    if cell["cell_type"] == "code":
        clean |= {"outputs": [], "execution_count": None}
    if cell.get("attachments"):
        clean["attachments"] = cell["attachments"]
    return clean


def first_line(cell: Cell) -> str:
    """Give the first line of a clean cell that says anything: below a bare `%%athena` that of its SQL."""
    lines = [line.strip() for line in cell["source"].splitlines() if line.strip()]
    is_sql = bool(lines) and lines[0] in _BARE_MAGICS
    below = [line for line in lines[1:] if not line.startswith(("--", "#"))] if is_sql else []
    return next(iter([*below, *lines]), "")


def summarise_cells(cells: Sequence[Cell]) -> tuple[CellSummary, ...]:
    """Name the code cells in their order."""
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return tuple(
        CellSummary(
            index=index,
            cell_id=cell["id"],
            first_line=first_line(cell)[:200],
        )
        for index, cell in enumerate(code)
    )


def fault(field: str, what: str, why: str, todo: str, kind: str = "notebook") -> Fault:
    """Say in three parts why something cannot be promoted."""
    return Fault(field, f"Cannot promote the {kind} {what!r}: {why}. {todo}.")

"""`athena slice`: read a notebook's file and print the slice of one of its cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from athena_lab.errors import Fault, InvalidError, NotFoundError
from athena_lab.jobs import bundle_notebook
from athena_lab.jobs.slicing.slice import Slice, slice_cells


def slice_file(path: Path, index: int) -> tuple[Slice, list[dict[str, Any]]]:
    """Slice the cell at `index` (from 0, of all cells) of a notebook's file; give the slice and the cells."""
    cells = _read_cells(path)
    if not 0 <= index < len(cells):
        known = f"it has {len(cells)} cells" if cells else "it has no cells"
        raise _invalid("cell", f"cell {index} of '{path}'", known, f"Use 0 to {max(len(cells) - 1, 0)}")
    cell = cells[index]
    if cell.get("cell_type") != "code" or not first_line(cell):
        raise _invalid(
            "cell", f"cell {index} of '{path}'", "it is no code cell, or empty", "Name a cell with code in it"
        )
    return slice_cells(cells, index), cells


def format_json(found: Slice) -> str:
    """Give a slice as the JSON that the command prints."""
    why = {str(index): list(names) for index, names in found.why.items()}
    return json.dumps({"cells": list(found.cells), "why": why, "undecided": list(found.undecided)}, ensure_ascii=False)


def format_text(found: Slice, cells: list[dict[str, Any]]) -> str:
    """Give a slice as lines for people."""
    lines = []
    for index in found.cells:
        names = ", ".join(found.why.get(index, ())) or "in doubt"
        reason = "the cell itself" if index not in found.why else f"for {names}"
        lines.append(f"{index:>5}  {first_line(cells[index]):<60.60}  {reason}")
    if found.undecided:
        lines += ["", "Not decided:", *(f"  {note}" for note in found.undecided)]
    return "\n".join(lines)


def first_line(cell: dict[str, Any]) -> str:
    """Give the first line that says anything of a cell, as its file has it."""
    return bundle_notebook.first_line(cell | {"source": bundle_notebook.text_of(cell.get("source") or "")})


def _read_cells(path: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFoundError(f"Cannot slice '{path}': there is no such file. Check the path.") from error
    except OSError as error:
        raise _invalid("notebook", f"'{path}'", f"it cannot be read ({error.strerror})", "Name a notebook") from error
    except (ValueError, RecursionError) as error:
        raise _invalid("notebook", f"'{path}'", "it is not JSON", "Save it anew in JupyterLab") from error
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list) or not all(_is_cell(cell) for cell in cells):
        raise _invalid("notebook", f"'{path}'", "it is not a notebook of format 4", "Save it anew in JupyterLab")
    return cells


def _is_cell(cell: Any) -> bool:
    if not isinstance(cell, dict):
        return False
    source = cell.get("source", "")
    return isinstance(source, str) or (isinstance(source, list) and all(isinstance(line, str) for line in source))


def _invalid(field: str, what: str, why: str, todo: str) -> InvalidError:
    return InvalidError([Fault(field, f"Cannot slice {what}: {why}. {todo}.")])

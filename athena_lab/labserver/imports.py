"""Which local modules a notebook needs: its import statements, read without running anything."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# Cell magics whose body is Python in this kernel; the body of any other is not.
_PYTHON_MAGICS = re.compile(r"^\s*%%(time|timeit|capture|prun)\b.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Import:
    """One import: the dotted module and, for `from module import …`, the names. `level` counts leading dots."""

    module: str
    names: tuple[str, ...] = ()
    level: int = 0


def imports_of_notebook(notebook: dict[str, Any]) -> tuple[Import, ...]:
    """List the imports of a notebook's code cells (nbformat 4); cells that are not Python have none."""
    found: list[Import] = []
    for cell in notebook.get("cells", ()):
        if cell.get("cell_type") == "code":
            source = cell.get("source", "")
            found += imports_of(python_of(source if isinstance(source, str) else "".join(source)))
    return tuple(dict.fromkeys(found))


def python_of(source: str) -> str:
    """Turn a cell into plain Python: IPython's line magics and `!commands` become calls."""
    # Here and not above: IPython takes a second to import and Jupyter Server does not need it to start.
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415 (above)

    body = _PYTHON_MAGICS.sub("", source, count=1) if _PYTHON_MAGICS.match(source.lstrip("\n")) else source
    text: str = TransformerManager().transform_cell(body)
    return text


def imports_of(source: str) -> tuple[Import, ...]:
    """List the imports of Python source; source that does not parse has none (its run will say why)."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    found: list[Import] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [Import(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(Import(node.module or "", tuple(alias.name for alias in node.names), node.level))
    return tuple(found)


def candidates(imports: Iterable[Import], importer: str = "") -> tuple[str, ...]:
    """List the files, relative to the notebook's folder, that these imports of the file `importer` may load."""
    paths: list[str] = []
    for item in imports:
        stem = [*_package_of(importer, item.level), *(part for part in item.module.split(".") if part)]
        for depth in range(1, len(stem) + 1):
            paths += _files_of(stem[:depth])
        for name in item.names:
            paths += _files_of([*stem, name]) if name != "*" else ()
    return tuple(dict.fromkeys(paths))


def _package_of(importer: str, level: int) -> Sequence[str]:
    if level == 0:
        return ()
    folders = importer.split("/")[:-1]
    return folders[: len(folders) - (level - 1)]


def _files_of(stem: Sequence[str]) -> tuple[str, str]:
    name = "/".join(stem)
    return (f"{name}.py", f"{name}/__init__.py")

"""Which local modules a notebook needs: its import statements, read without running anything."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from athena_lab.jobs.slicing.source import read_source


@dataclass(frozen=True, slots=True)
class Import:
    """One import: the dotted module and, for `from module import …`, the names. `level` counts leading dots."""

    module: str
    names: tuple[str, ...] = ()
    level: int = 0


def imports_of_cells(sources: Iterable[str]) -> tuple[Import, ...]:
    """List the imports of code cells; cells that are not Python have none."""
    trees = (read_source(source).tree for source in sources)
    return tuple(dict.fromkeys(found for tree in trees if tree is not None for found in _imports_in(tree)))


def imports_of(source: str) -> tuple[Import, ...]:
    """List the imports of Python source; source that does not parse has none (its run will say why)."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    return tuple(_imports_in(tree))


def _imports_in(tree: ast.Module) -> list[Import]:
    found: list[Import] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [Import(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(Import(node.module or "", tuple(alias.name for alias in node.names), node.level))
    return found


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

"""A script made a notebook: what a `.sql` or `.py` file becomes before it is bundled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from athena_lab.errors import Fault


@dataclass(frozen=True, slots=True)
class Script:
    """The notebook that a script becomes, or the faults that keep it from becoming one."""

    notebook: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


def notebook_of(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a Python notebook of cells that lack their ids."""
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": spec, "language_info": {"name": "python"}},
        "cells": [{**cell, "id": f"cell-{index}"} for index, cell in enumerate(cells)],
    }


def code_cell(source: str, tags: Sequence[str] = ()) -> dict[str, Any]:
    """Make a code cell without an id."""
    metadata = {"tags": list(tags)} if tags else {}
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}


def text_cell(source: str) -> dict[str, Any]:
    """Make a Markdown cell without an id."""
    return {"cell_type": "markdown", "metadata": {}, "source": source}

"""Make a notebook of a `.py` script: a cell for each `# %%` (the percent format of Jupytext, Spyder and VS Code)."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from athena_lab.gateway_api.bundles import Destination
from athena_lab.jobs.bundle_notebook import fault
from athena_lab.jobs.script import Script, code_cell, notebook_of, text_cell
from athena_lab.jobs.slicing.source import read_source

_MARKER = re.compile(r"^#\s?%%(?P<title>(?:[\s\[].*)?)$|^# \+(?P<light>(?:[\s{].*)?)$|^# (?P<end>-)$")
_PERCENT = re.compile(r"^#\s?%%(?:[\s\[].*)?$", re.MULTILINE)
_TAGS = re.compile(r"tags\"?\s*[=:]\s*(?P<tags>\[[^\]]*\])")
_MAGIC = re.compile(r"^#\s?(?P<magic>%{1,2}[A-Za-z].*)$")
_HEADER = re.compile(r"\A# ---\n(?:#.*\n)*?# ---\n")
_ARGUMENTS = frozenset(["argparse", "optparse", "getopt", "click", "typer", "fire", "docopt", "absl"])


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines of the script that are one cell; `line` is the number of the first, from 1."""

    text: str
    line: int
    title: str = ""


def notebook_of_python(text: str, path: str, destination: Destination | None) -> Script:
    """Give the notebook, or every fault of the script."""
    if destination is not None:
        why, todo = "a Python script writes its tables itself", "Leave the table out"
        return Script(faults=(fault("destination", path, why, todo, "file"),))
    blocks = [block for block in _blocks_of(text.replace("\r\n", "\n")) if block.text.strip()]
    trees = [(block, _tree_of(block)) for block in blocks if not _is_text(block)]
    if not any(isinstance(tree, SyntaxError) or tree.body for _, tree in trees):
        return Script(faults=(fault("text", path, "it holds no code", "Write some and save it", "file"),))
    faults = []
    for block, tree in trees:
        if isinstance(tree, SyntaxError):
            line, column = block.line + (tree.lineno or 1) - 1, tree.offset or 1
            why = f"line {line}, column {column}: {tree.msg}"
            faults.append(fault("text", path, why, "Correct the Python", "file"))
    known = [(block, tree) for block, tree in trees if not isinstance(tree, SyntaxError)]
    faults += [
        fault("text", path, f"line {line} asks with input(), and a job has nobody to answer", _ASK_NOT, "file")
        for line in _questions(known)
    ]
    if faults:
        return Script(faults=tuple(faults))
    setup, warnings = _setting(PurePosixPath(path).name, [tree for _, tree in known])
    cells = [_cell_of(block) for block in blocks]
    return Script(notebook_of([*([code_cell(setup)] if setup else []), *cells]), warnings)


_ASK_NOT = "Take the value from a cell that is tagged as parameters"


def _blocks_of(text: str) -> Iterator[_Block]:
    """Cut at the markers; a script without any is one block. Jupytext's header of settings is left out."""
    header = _HEADER.match(text)
    skipped = header.group().count("\n") if header else 0
    lines, title, start = list[str](), "", skipped + 1
    is_cut = bool(_PERCENT.search(text)) or "\n# +" in f"\n{text}"
    for number, line in enumerate(text.splitlines()[skipped:], skipped + 1):
        marker = _MARKER.match(line) if is_cut else None
        if marker is None:
            lines.append(line)
            continue
        yield _Block("\n".join(lines), start, title)
        lines, title, start = [], marker["title"] or marker["light"] or "", number + 1
    yield _Block("\n".join(lines), start, title)


def _is_text(block: _Block) -> bool:
    return "[markdown]" in block.title or "[raw]" in block.title


def _cell_of(block: _Block) -> dict[str, Any]:
    if _is_text(block):
        lines = [re.sub(r"^#\s?", "", line) for line in block.text.strip().splitlines()]
        return text_cell("\n".join(line for line in lines if line.strip() not in ('"""', "'''")))
    return code_cell(_code_of(block).strip("\n"), _tags_of(block.title))


def _code_of(block: _Block) -> str:
    """Give a block's code: magics, which scripts keep as comments, are magics again."""
    return "\n".join(
        found["magic"] if (found := _MAGIC.match(line)) else line for line in block.text.splitlines()
    ).lstrip("\n" if block.title else "")


def _tags_of(title: str) -> Sequence[str]:
    found = _TAGS.search(title)
    try:
        tags = json.loads(found["tags"].replace("'", '"')) if found else []
    except ValueError:
        return ()
    return tuple(tag for tag in tags if isinstance(tag, str))


def _tree_of(block: _Block) -> ast.Module | SyntaxError:
    source = read_source(_code_of(block))
    if source.tree is not None:
        return source.tree
    if source.cell_magic is not None and source.text == source.cell_magic.body:
        return ast.Module(body=[ast.Pass()], type_ignores=[])  # another language's: its run says what is wrong
    try:
        return ast.parse(source.text + "\n")
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError) as error:
        return SyntaxError(str(error) or type(error).__name__)


def _questions(trees: Sequence[tuple[_Block, ast.Module]]) -> list[int]:
    """Find the lines that call Python's own input()."""
    nodes = [(block, node) for block, tree in trees for node in ast.walk(tree)]
    own = {node.name for _, node in nodes if isinstance(node, ast.FunctionDef)}
    own |= {node.id for _, node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {alias.asname or alias.name for _, node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    return [
        block.line + node.lineno - 1
        for block, node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "input" not in own
    ]


def _setting(name: str, trees: Sequence[ast.Module]) -> tuple[str, tuple[str, ...]]:
    """Give what a script finds that is run by itself and a notebook does not: its path and its arguments."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    modules = {alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {(node.module or "").partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    texts = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute | ast.ImportFrom)}
    lines, warnings = [], []
    if "__file__" in names:
        lines.append(f"__file__ = {name!r}")
    reads_arguments = bool(texts & {"sys.argv", "from sys import argv"}) or modules & _ARGUMENTS
    if reads_arguments:
        lines += ["import sys", "", f"sys.argv = [{name!r}]"]
        warnings.append("it reads its command line, which is empty in a job: use a cell that is tagged as parameters")
    if "asyncio.run" in texts:
        warnings.append("it calls asyncio.run(), which fails where a loop runs already, as in a job: use await instead")
    return "\n".join(lines), tuple(warnings)

"""Lineage of notebooks and Python scripts: cells in order, `%%athena` and `%%bigquery` cells among them."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from athena_lab.warehouse.lineage.constants import Thing, Value, known, unknown
from athena_lab.warehouse.lineage.effects import Effects
from athena_lab.warehouse.lineage.frames import frame
from athena_lab.warehouse.lineage.model import Findings, Lineage, Sightings
from athena_lab.warehouse.lineage.program import Program
from athena_lab.warehouse.lineage.sql import lineage_of_sql
from athena_lab.warehouse.lineage.tables import Result, Setting

PARAMETERS_TAG = "parameters"
SQL_MAGICS = ("athena", "bigquery", "bqsql")
PYTHON_MAGICS = ("time", "timeit", "capture", "prun")
_FLAGS = frozenset(
    ["--dry-run", "--dry_run", "--no-cache", "--no_query_cache", "--verbose", "--use_bqstorage_api", "--use_rest_api",
     "--use_legacy_sql"]
)  # fmt: skip
_PARAMS = re.compile(r"--params(?:\s+|=)(?P<value>\{|\$\w+)")
_PERCENT = re.compile(r"^# ?%%(?P<title>.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell: its index among all cells (None in a script), its text, whether it holds the parameters."""

    index: int | None
    source: str
    has_parameters: bool = False


def lineage_of_notebook(
    notebook: Mapping[str, Any],
    *,
    schema: Mapping[str, Collection[str]] | None = None,
    projects: Collection[str] = (),
) -> Lineage:
    """Follow a notebook's code cells in the document's order; `cell` of what is unknown is the cell's index."""
    return _follow(_code_of(notebook), schema or {}, projects)


def sightings_of_notebook(notebook: Mapping[str, Any], *, projects: Collection[str] = ()) -> tuple[Lineage, Sightings]:
    """Follow a notebook and tell every place where a table is read or written by its name, too."""
    sightings = Sightings()
    return _follow(_code_of(notebook), {}, projects, sightings), sightings


def _code_of(notebook: Mapping[str, Any]) -> list[Cell]:
    return [
        Cell(index, _text_of(cell), PARAMETERS_TAG in ((cell.get("metadata") or {}).get("tags") or ()))
        for index, cell in enumerate(notebook.get("cells", ()))
        if cell.get("cell_type") == "code"
    ]


def lineage_of_python(
    source: str, *, schema: Mapping[str, Collection[str]] | None = None, projects: Collection[str] = ()
) -> Lineage:
    """Follow a Python script; of its `# %%` cells the one tagged `parameters` holds no constants."""
    return _follow(list(_cells_of(source)), schema or {}, projects)


def parse_cell(source: str) -> ast.Module | None:
    """Parse a cell, IPython's own syntax in it made calls of `get_ipython()`; None where it is not Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # perhaps IPython's own syntax
    try:
        # Here and not above: IPython takes a while to import, and plain Python does not need it.
        from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415 (above)

        text: str = TransformerManager().transform_cell(source)
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _cells_of(source: str) -> Sequence[Cell]:
    marks = [match for match in _PERCENT.finditer(source) if PARAMETERS_TAG in match["title"]]
    if not marks:
        return [Cell(None, source)]
    cells, at = [], 0
    for mark in marks:
        following = _PERCENT.search(source, mark.end())
        end = following.start() if following else len(source)
        cells += [Cell(None, source[at : mark.start()]), Cell(None, source[mark.start() : end], has_parameters=True)]
        at = end
    return [*cells, Cell(None, source[at:])]


def _text_of(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _follow(
    cells: Sequence[Cell],
    schema: Mapping[str, Collection[str]],
    projects: Collection[str],
    sightings: Sightings | None = None,
) -> Lineage:
    findings = Findings(sightings)
    program = CellProgram(Effects(Setting(projects=projects, schema=schema), findings))
    for cell in cells:
        findings.cell = cell.index
        program.run_cell(cell)
    program.run_uncalled()
    return findings.lineage()


class _Results(Mapping[str, Result]):
    """The earlier results that SQL may name as tables: the names of the notebook that surely hold one."""

    def __init__(self, env: Mapping[str, Value]) -> None:
        self._env = env

    def __getitem__(self, name: str) -> Result:
        value = self._env.get(name)
        thing = value.only if value is not None else None
        result = thing.get("result") if isinstance(thing, Thing) and thing.kind == "result" else None
        if not isinstance(result, Result):
            raise KeyError(name)
        return result

    def __iter__(self) -> Iterator[str]:
        return iter(self._env)

    def __len__(self) -> int:
        return len(self._env)


class CellProgram(Program):
    """Follows cells, with the magics that run SQL."""

    def run_cell(self, cell: Cell) -> None:
        """Follow one cell; the names that a cell of parameters sets are not constants: a run may change them."""
        tree = self._parse(cell.source)
        if tree is None:
            return
        try:
            self.run(tree.body)
        except RecursionError:
            self.effects.doubt(f"{cell.source[:200]} (it nests too deeply)")
        if cell.has_parameters:
            for node in ast.walk(tree):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    self.env[node.id] = unknown(node.id)

    def _parse(self, source: str) -> ast.Module | None:
        tree = parse_cell(source)
        if tree is None:
            self.effects.doubt(f"{source} (it is not Python)")
        return tree

    def run_magic(self, name: str, arguments: Sequence[Value], why: str) -> Value:
        """Follow `%%athena` and `%%bigquery` cells, and Python under `%%time` and its like."""
        texts = [value.only for value in arguments]
        if name != "run_cell_magic" or len(texts) < 3 or not isinstance(texts[0], str):
            return super().run_magic(name, arguments, why)
        magic, line, body = texts[0], str(texts[1] or ""), arguments[2]
        if magic in SQL_MAGICS:
            self._run_sql(magic, line, body)
        elif magic in PYTHON_MAGICS and isinstance(body.only, str):
            tree = self._parse(body.only)
            self.run(tree.body if tree is not None else ())
        elif magic in ("bash", "sh", "script", "!") and isinstance(body.only, str) and "bq" in body.only.split():
            self.effects.doubt(f"%%{magic} {body.only}")
        return unknown(why)

    def _run_sql(self, magic: str, line: str, body: Value) -> None:
        why = f"%%{magic} {line}".strip()
        name, flags = _read_line(line)
        if flags is None:
            self.effects.doubt(why)
            return
        if "--dry-run" in flags or "--dry_run" in flags:
            return
        project = flags.get("--project")
        if project:
            self.effects.projects.add(project)
        into = flags.get("--into") or flags.get("--destination_table")
        target = None
        if into is not None:
            target = self._expanded(into) if magic == "bigquery" else known(into)
        if isinstance(body.only, str) and re.fullmatch(r"\s*\$\w+\s*", body.only) and magic != "athena":
            body = self.env.get(body.only.strip().lstrip("$"), unknown(body.only.strip()))
        results = _Results(self.env) if magic == "athena" else {}
        is_appended = flags.get("--mode") == "append"
        result = self.effects.query(body, why, into=target, is_appended=is_appended, results=results)
        if name is not None:
            is_named = magic == "athena" and result is not None  # later SQL may name it
            self.env[name] = known(Thing("result", (("result", result),)) if is_named else frame(result))

    def _expanded(self, text: str) -> Value:
        """Put variables into a magic's line, as IPython does: `{name}` and `$name`."""
        marked = re.sub(r"\$(\w+)", r"{\1}", text)
        try:
            tree = ast.parse(f"f{marked!r}", mode="eval")
        except SyntaxError:
            return known(text)
        return self.value(tree.body)


def _without_parameters(line: str) -> str:
    """Cut `--params {…}` out of a line: its braces hold spaces and quotes."""
    match = _PARAMS.search(line)
    if match is None:
        return line
    end, depth = match.end(), int(match["value"] == "{")
    while depth and end < len(line):
        depth += (line[end] == "{") - (line[end] == "}")
        end += 1
    return f"{line[: match.start()]} {line[end:]}"


def _read_line(line: str) -> tuple[str | None, dict[str, str] | None]:
    """Read a magic's line: the result's name and the flags; no flags where it cannot be read."""
    try:
        words = shlex.split(_without_parameters(line))
    except ValueError:
        return None, None
    name, flags, at = None, {}, 0
    while at < len(words):
        word = words[at]
        at += 1
        if not word.startswith("--"):
            name = word if name is None else name
            continue
        key, is_joined, value = word.partition("=")
        if not is_joined and key not in _FLAGS:
            value = words[at] if at < len(words) else ""
            at += 1
        flags[key] = value
    return name, flags


def lineage_of_file(
    name: str,
    text: str,
    *,
    schema: Mapping[str, Collection[str]] | None = None,
    projects: Collection[str] = (),
) -> Lineage:
    """Follow a file by the end of its name: `.ipynb`, `.py`, or else SQL; raises ValueError for a broken notebook."""
    if name.endswith(".ipynb"):
        notebook = json.loads(text)
        if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
            raise ValueError("it holds no cells")
        return lineage_of_notebook(notebook, schema=schema, projects=projects)
    if name.endswith(".py"):
        return lineage_of_python(text, schema=schema, projects=projects)
    return lineage_of_sql(text, schema=schema, projects=projects)

"""The corpus of notebooks in `tests/slices/`: each is run whole, as its slice, and without each kept cell.

A file holds notebooks: `=== title`, then cells between lines of `---`; the last cell is the target unless one begins
with `--- target`. `--- file NAME` begins a file that lies beside the notebook.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from athena_lab.jobs.slicing import slice_cells
from bench.figures import Figure

FOLDER = Path(__file__).parent.parent / "tests" / "slices"
DEADLINE_S = 60


@dataclass
class Notebook:
    """A notebook of the corpus."""

    title: str
    cells: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    target: int = -1

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [{"cell_type": "code", "id": f"c{i}", "source": text} for i, text in enumerate(self.cells)]


@dataclass
class Finding:
    """What running a notebook's slice showed; `difference` is empty where it gave what the whole notebook gives."""

    title: str
    kept: tuple[int, ...]
    needless: tuple[int, ...]
    difference: str
    undecided: tuple[str, ...]


def read_corpus(folder: Path = FOLDER) -> list[Notebook]:
    """Read all notebooks of the corpus."""
    found = [notebook for path in sorted(folder.glob("*.cells")) for notebook in read_file(path)]
    titles = [notebook.title for notebook in found]
    assert len(set(titles)) == len(titles), "two notebooks of the corpus have one title"
    return found


def read_file(path: Path) -> Iterator[Notebook]:
    for part in re.split(r"^=== ", path.read_text(), flags=re.MULTILINE)[1:]:
        title, _, rest = part.partition("\n")
        notebook = Notebook(title.strip())
        pieces = re.split(r"^---(.*)\n", rest, flags=re.MULTILINE)
        for mark, text in zip(["", *pieces[1::2]], pieces[::2], strict=True):
            words = mark.split()
            if words[:1] == ["file"]:
                notebook.files[words[1]] = text
            else:
                if words == ["target"]:
                    notebook.target = len(notebook.cells)
                notebook.cells.append(text.strip("\n"))
        if notebook.target < 0:
            notebook.target = len(notebook.cells) - 1
        yield notebook


def examine(notebook: Notebook) -> Finding:
    """Slice a notebook and hold the slice against the whole notebook, by running both."""
    found = slice_cells(notebook.documents, notebook.target)
    whole = run(notebook, range(notebook.target + 1))
    assert not whole["error"], f"{notebook.title}: {whole['error']}"
    part = run(notebook, found.cells)
    needless = ()
    if is_same(part, whole):
        needless = tuple(
            index
            for index in found.cells[:-1]
            if is_same(run(notebook, [item for item in found.cells if item != index]), whole)
        )
    difference = "" if is_same(part, whole) else f"whole: {json.dumps(whole)}\nslice: {json.dumps(part)}"
    return Finding(notebook.title, found.cells, needless, difference, found.undecided)


def main(paths: Sequence[str]) -> int:
    """Tell which notebooks of the files have a slice that gives something else than the whole notebook."""
    wrong = 0
    for notebook in [notebook for path in paths for notebook in read_file(Path(path))]:
        found = slice_cells(notebook.documents, notebook.target)
        whole, part = run(notebook, range(notebook.target + 1)), run(notebook, found.cells)
        if whole["error"] or not is_same(part, whole):
            wrong += 1
            print(f"{notebook.title}: {found.cells}\nwhole: {whole}\nslice: {part}")
    return min(wrong, 1)


def is_same(part: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Tell whether a run gave the same, and no cell failed that did not fail in the whole notebook."""
    failed, known = set(part.pop("failed", ())), set(whole.get("failed", ()))
    return failed <= known and part == {key: value for key, value in whole.items() if key != "failed"}


def measure(folder: Path = FOLDER) -> Iterator[Figure]:
    """Give the corpus's figures; what is wrong or needless is told on standard error."""
    findings = [examine(notebook) for notebook in read_corpus(folder)]
    for finding in findings:
        if finding.difference or finding.needless:
            print(
                f"{finding.title}: kept {finding.kept}, needless {finding.needless} {finding.difference}",
                file=sys.stderr,
            )
    kept = sum(len(finding.kept) - 1 for finding in findings)
    needless = sum(len(finding.needless) for finding in findings)
    yield Figure("slice_wrong_exclusions", sum(bool(f.difference) for f in findings), "notebooks", None, len(findings))
    yield Figure("slice_needless_share", round(needless / max(kept, 1), 4), "share", None, kept)


# -- running


def run(notebook: Notebook, indices: Sequence[int]) -> dict[str, Any]:
    """Run cells in a process of their own; give what the last one showed and wrote.

    A fork of this process, in which pandas and IPython are imported already, is as fresh as a kernel where it
    counts (names, modules' state, environment, random numbers) and starts in a hundredth of the time.
    """
    import duckdb  # noqa: F401 (before the fork, so that it is imported once)
    import numpy  # noqa: F401 (as above)
    import pandas  # noqa: F401 (as above)
    from IPython.core.interactiveshell import InteractiveShell  # noqa: F401 (as above)

    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryDirectory() as folder:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _run_and_tell(notebook, indices, folder, writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            text = answer.read()
        os.waitpid(child, 0)
    return dict(json.loads(text)) if text else {"error": "the process died"}


def _run_and_tell(notebook: Notebook, indices: Sequence[int], folder: str, writer: int) -> None:
    """Run in the forked child, which ends here whatever happens."""
    import signal

    signal.alarm(DEADLINE_S)
    try:
        place = Path(folder)
        for name in ("IPYTHONDIR", "HOME"):
            (place / name).mkdir()
            os.environ[name] = str(place / name)
        (place / "notebook").mkdir()
        answer = _run_here(notebook, indices, place / "notebook")
    except BaseException:  # noqa: BLE001 (the child has nobody else to tell)
        answer = {"error": traceback.format_exc()}
    os.write(writer, json.dumps(answer, default=str).encode())
    os._exit(0)


def _run_here(notebook: Notebook, indices: Sequence[int], folder: Path) -> dict[str, Any]:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from traitlets.config import Config

    for name, text in notebook.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    os.chdir(folder)
    sys.path.insert(0, "")
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell.instance(config=config)
    # The number of an output is not what it shows.
    shell.displayhook.write_output_prompt = lambda: None
    warehouse = _Warehouse(shell)
    failed: list[str] = []
    for index in indices[:-1]:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            if not shell.run_cell(notebook.cells[index], store_history=True).success:
                failed.append(notebook.cells[index])
    before = _files(folder), warehouse.tables()
    with capture_output() as captured:
        result = shell.run_cell(notebook.cells[indices[-1]], store_history=True)
    error = result.error_before_exec or result.error_in_exec
    after = _files(folder), warehouse.tables()
    shown = [output.data.get("text/plain", "") for output in captured.outputs]
    return {
        "error": f"{type(error).__name__}: {error}" if error else "",
        "failed": failed,
        "shown": [captured.stdout if not error else "", captured.stderr if not error else "", *shown],
        "files": {name: value for name, value in after[0].items() if before[0].get(name) != value},
        "tables": {name: value for name, value in after[1].items() if before[1].get(name) != value},
    }


def _files(folder: Path) -> dict[str, str]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


class _Warehouse:
    """Stands in for the warehouse, because a thousand runs cannot each start an emulator: DuckDB, in memory.

    It knows what slicing is about: `%%athena name --into dataset.table`, `@parameters`, tables, earlier results.
    """

    def __init__(self, shell: Any) -> None:
        import duckdb

        self._database = duckdb.connect()
        self._shell = shell
        shell.register_magic_function(self._cell, "cell", "athena")
        shell.register_magic_function(lambda line: print(f"athena {line}"), "line", "athena")

    def tables(self) -> dict[str, Any]:
        query = "SELECT table_schema || '.' || table_name FROM information_schema.tables ORDER BY 1"
        names = [row[0] for row in self._database.execute(query).fetchall()]
        return {name: sorted(map(repr, self._database.execute(f"SELECT * FROM {name}").fetchall())) for name in names}

    def _cell(self, line: str, body: str) -> Any:
        from athena_lab.kernel.arguments import read_line
        from athena_lab.warehouse.statement import read_statement

        names = self._shell.user_ns
        arguments = read_line(line, lambda text: eval(text, names), None)
        parameters = read_statement(body).parameters
        values = {name: arguments.params.get(name, names.get(name)) for name in parameters}
        missing = [name for name in parameters if name not in arguments.params and name not in names]
        if missing:
            raise NameError(f"no value for @{missing[0]}")
        for name in re.findall(r"(?:FROM|JOIN)\s+(\w+)\b(?!\.)", body, re.IGNORECASE):
            if name in names and hasattr(names[name], "frame"):
                self._database.register(name, names[name].frame)
        sql = re.sub(r"@(\w+)", r"$\1", body)
        for schema in set(re.findall(r"\b(\w+)\.\w+", f"{sql} {arguments.into or ''}")):
            with contextlib.suppress(Exception):
                self._database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        if arguments.into:
            verb = "CREATE OR REPLACE TABLE" if arguments.mode == "replace" else "CREATE TABLE"
            sql = (
                f"INSERT INTO {arguments.into} {sql}"
                if arguments.mode == "append"
                else f"{verb} {arguments.into} AS {sql}"
            )
        result = _Result(self._database.execute(sql, values or None).fetch_df())
        if arguments.name is None:
            return result
        names[arguments.name] = result
        return None


class _Result:
    """What a stand-in query gives."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame

    def df(self) -> Any:
        return self.frame.copy()

    def __repr__(self) -> str:
        return repr(self.frame)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

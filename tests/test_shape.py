"""The shape that style demands: budgets of files and functions, first lines, doors of vendors, names of modules."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "athena_lab"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TYPESCRIPT = sorted((ROOT / "labextension" / "src").rglob("*.ts*"))
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "Makefile", ROOT / "pyproject.toml"]
TREES = {path: ast.parse(path.read_text()) for path in [*SOURCES, *sorted((ROOT / "tests").rglob("*.py"))]}
"""Parsed while tests are collected: beside other threads ast.parse may fail before Python 3.11.5 (gh-106905)."""
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 50
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "core", "manager", "util", "helper"}
DOORS = {
    "google.cloud": {"warehouse", "emulator"},
    "airflow": {"airflow"},
    "jwt": {"gateway_api", "gateway"},
    "airflow_client": {"jobs"},
    "confluent_kafka": {"ingest"},
    "duckdb": {"emulator"},
    "papermill": {"airflow"},
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", SOURCES + TYPESCRIPT, ids=name_of)
def test_no_file_is_over_its_budget(path):
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_function_is_over_its_budget(path):
    nodes = ast.walk(TREES[path])
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {f.name: n for f in functions if (n := (f.end_lineno or 0) - f.lineno + 1) > MAX_FUNCTION_LINES}
    assert not long


@pytest.mark.parametrize("path", TREES, ids=name_of)
def test_every_file_says_what_it_is(path):
    assert (ast.get_docstring(TREES[path]) or "").strip(), "the first line must be a docstring"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_module_is_named_after_its_idea(path):
    assert path.stem not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_vendors_are_imported_only_at_their_door(path):
    front = path.relative_to(PACKAGE).parts[0]
    for imported in imports_of(TREES[path]):
        for vendor, doors in DOORS.items():
            if imported == vendor or imported.startswith(vendor + "."):
                assert front in doors, f"{imported} is imported outside {sorted(doors)}"


def test_no_modules_import_each_other_in_a_circle():
    graph = grimp.build_graph("athena_lab")
    modules = graph.modules - {"athena_lab"}  # its entry points import their fronts only when called
    imported = {module: graph.find_modules_directly_imported_by(module) & modules for module in modules}
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        pytest.fail("a circle of imports: " + " -> ".join(error.args[1]))


def test_no_machine_path_or_registry_host_is_in_the_repository():
    pattern = re.compile(r"/root/|/work/|file:///opt|/home/[a-z]+/")
    assert not [name_of(path) for path in [*DOCUMENTS, *SOURCES, *TYPESCRIPT] if pattern.search(path.read_text())]

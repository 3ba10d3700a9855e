"""Lineage on the corpus of tests/lineage, and what a corpus cannot say: it never fails, and it never runs anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from athena_lab.errors import InvalidError, NotFoundError
from athena_lab.warehouse.lineage import lineage_of_notebook, lineage_of_python, lineage_of_sql
from athena_lab.warehouse.lineage.command import format_text, lineage_of_path
from bench.corpus_lineage import differences, follow, is_silently_wrong, measure, read_cases

CASES = read_cases()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_snippet_has_the_lineage_that_was_written_by_hand(case):
    found = follow(case)
    assert not differences(case, found)
    assert not is_silently_wrong(case, found)


def test_corpus_is_large_and_its_figures_are_within_bounds():
    figures = {figure.name: figure for figure in measure()}
    assert figures["lineage_exact"].n >= 100
    assert figures["lineage_exact"].value >= 0.95
    assert figures["lineage_silently_wrong"].value == 0


@pytest.mark.parametrize(
    "text",
    [
        "(((((", "'", "`", '"' * 3, "SELECT", "FROM", "/*", ";;;", "BEGIN", "END", "END; END; IF", "CASE",
        "DECLARE", "SET", "FOR", "FOR x IN", "CALL", "EXECUTE IMMEDIATE", "MERGE", "ASSERT", "\x00", "SELECT * FROM",
        "INSERT INTO",
        "WITH a AS (SELECT 1", "IF x THEN", "WHILE DO", "EXCEPTION", "x: LOOP", "@", "(" * 3000 + ")" * 3000, "DROP",
        "SELECT " + "+".join(["1"] * 3000), "CREATE TABLE", "CREATE PROCEDURE", "ALTER TABLE",
        "LOAD DATA", "EXPORT DATA", "\U0001f600",
    ],
)  # fmt: skip
def test_no_text_makes_sql_lineage_fail(text):
    lineage = lineage_of_sql(text)
    assert not lineage.reads


@pytest.mark.parametrize("case", [case for case in CASES if "sql" in case], ids=lambda case: case["name"])
def test_no_beginning_of_a_statement_makes_sql_lineage_fail(case):
    text = case["sql"]
    for end in range(0, len(text), 7):
        lineage_of_sql(text[:end])


@pytest.mark.parametrize(
    "text",
    [
        "x = 'a' * 10**12\nclient.query(f'SELECT * FROM ds.{x}')",
        "x = [0] * 10**9\nfor i in x: client.query(f'SELECT * FROM ds.t{i}')",
        "client.query(f'{1:999999999}')",
        "client.query('%999999999d' % 1)",
        "client.query('{:999999999}'.format(1))",
        "for i in range(10**9): client.query(f'SELECT * FROM ds.t{i}')",
        "def f(x): return f(x + 'a')\nclient.query(f('a'))",
        "def f(): g()\ndef g(): f(); client.query(f())\nf()",
        "x = 'a'\nwhile True:\n    x = x + x\n    client.query(x)",
        "a = a0 = ['x'] * 60\nfor i in a:\n  for j in a:\n    for k in a:\n      client.query(i + j + k + q)",
    ],
)
def test_code_without_end_is_not_followed_without_end(text):
    found = lineage_of_python(text)
    assert found.unknown
    assert found.reads in ((), tuple(sorted(found.reads)))


def test_following_python_runs_nothing(tmp_path):
    mark = tmp_path / "mark"
    lineage_of_python(f"open({str(mark)!r}, 'w').write('x')\nimport os\nos.system('touch {mark}')\neval('1/0')")
    lineage_of_notebook({"cells": [{"cell_type": "code", "source": f"!touch {mark}\n%%bash\ntouch {mark}"}]})
    assert not mark.exists()


def test_unknown_says_in_which_cell():
    cells = [{"cell_type": "markdown", "source": "x"}, {"cell_type": "code", "source": ["client.query(\n", "sql)"]}]
    assert [(item.cell, item.text) for item in lineage_of_notebook({"cells": cells}).unknown] == [
        (1, "client.query(sql)")
    ]


def run_command(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "athena_lab.cli", "lineage", str(path), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_prints_exactly_the_four_keys(tmp_path):
    file = tmp_path / "job.sql"
    file.write_text("CREATE TABLE ds.out AS SELECT a FROM `athena.ds.t`; CALL ds.p()")
    answer = run_command(file, "--json")
    assert json.loads(answer.stdout) == {
        "reads": ["ds.t"],
        "writes": ["ds.out"],
        "unknown": [{"cell": None, "text": "CALL ds.p()"}],
        "columns": {"ds.out.a": ["ds.t.a"]},
    }
    assert run_command(file).stdout == format_text(lineage_of_path(file, ["athena"])) + "\n"


def test_command_reads_notebooks_and_scripts(tmp_path):
    notebook = {"cells": [{"cell_type": "code", "metadata": {}, "source": ["%%athena\n", "SELECT a FROM ds.t"]}]}
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "b.py").write_text("client.query('SELECT a FROM ds.u')")
    assert lineage_of_path(tmp_path / "a.ipynb", []).reads == ("ds.t",)
    assert lineage_of_path(tmp_path / "b.py", []).reads == ("ds.u",)


def test_command_refuses_what_it_cannot_read(tmp_path):
    (tmp_path / "broken.ipynb").write_text('{"cells": 3}')
    (tmp_path / "binary.sql").write_bytes(b"\xff\xfe\x00")
    for name, error in (("broken.ipynb", InvalidError), ("binary.sql", InvalidError), ("x.csv", InvalidError)):
        with pytest.raises(error, match="Cannot follow"):
            lineage_of_path(tmp_path / name, [])
    with pytest.raises(NotFoundError, match="no such file"):
        lineage_of_path(tmp_path / "absent.py", [])
    assert run_command(tmp_path / "absent.py").returncode == 1

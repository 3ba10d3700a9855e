"""A slice holds the earlier cells that a cell needs, says why, and says what it could not decide."""

from __future__ import annotations

import json

import pytest

from athena_lab import cli
from athena_lab.jobs.slicing import Execution, hash_source, slice_cells


def notebook(*sources: str) -> list[dict]:
    return [{"cell_type": "code", "id": f"c{index}", "source": source} for index, source in enumerate(sources)]


def kept(*sources: str) -> tuple[int, ...]:
    return slice_cells(notebook(*sources), len(sources) - 1).cells


def ran(cells: list[dict], *order: int) -> list[Execution]:
    return [Execution(f"c{index}", hash_source(cells[index]["source"]), n) for n, index in enumerate(order, 1)]


def test_a_slice_names_why_each_cell_is_in():
    found = slice_cells(notebook("a = [1]", "b = 2", "a.append(b)", "c = 3", "a"), 4)
    assert found.cells == (0, 1, 2, 4)
    assert dict(found.why) == {0: ("a",), 1: ("b",), 2: ("a",)}
    assert found.undecided == ()


def test_markdown_and_empty_cells_are_counted_but_never_kept():
    cells = [{"cell_type": "markdown", "source": "a = 1"}, *notebook("a = 1", " ", "a")]
    assert slice_cells(cells, 3).cells == (1, 3)


def test_a_call_that_is_not_known_is_kept_and_said():
    found = slice_cells(notebook("import lib", "x = [1]", "lib.clean(x)", "x"), 3)
    assert 2 in found.cells
    assert any("lib.clean() may change" in note for note in found.undecided)


def test_a_cell_magic_of_unknown_effect_is_kept_and_said():
    found = slice_cells(notebook("%%sorcery\nabc", "x = 1", "x"), 2)
    assert found.cells == (0, 1, 2)
    assert found.undecided == ("cell 0: what %%sorcery does is not known",)


def test_a_name_that_no_cell_creates_is_said_with_the_cell_below_that_does():
    found = slice_cells(notebook("x = y + z", "x", "z = 1"), 1)
    assert "no cell above creates 'y'" in found.undecided
    assert "no cell above creates 'z', cell 2 below does" in found.undecided


def test_a_cell_that_does_not_parse_is_said_where_it_may_matter():
    found = slice_cells(notebook("x = 1\ntype Y = (", "print(x)"), 1)
    assert found.cells == (0, 1)
    assert "does not parse" in found.undecided[0]


def test_the_order_in_which_cells_ran_decides_where_it_is_known():
    cells = notebook("x = 1", "print(x)", "x = 2")
    assert slice_cells(cells, 1).cells == (0, 1)
    found = slice_cells(cells, 1, ran(cells, 0, 2, 1))
    assert found.cells == (2, 1)
    assert "which is not the notebook's" in found.undecided[-1]


def test_what_ran_after_the_target_does_not_count():
    cells = notebook("x = 1", "x = 2", "print(x)")
    assert slice_cells(cells, 2, ran(cells, 0, 2, 1)).cells == (1, 0, 2)[1:]


def test_a_cell_that_ran_twice_or_was_changed_or_deleted_is_said():
    cells = notebook("x = 1", "x += 1", "x")
    executions = [*ran(cells, 0, 1, 1), Execution("gone", "", 4), Execution("c2", hash_source("x"), 5)]
    executions[0] = Execution("c0", hash_source("x = 0"), 1)
    notes = slice_cells(cells, 2, executions).undecided
    assert any("cell 1 ran 2 times" in note for note in notes)
    assert any("cell 0 was changed after it ran" in note for note in notes)
    assert any("no longer in the notebook" in note for note in notes)


def test_cells_to_be_kept_always_are_kept_with_what_they_need():
    cells = notebook("import datetime", "day = datetime.date.today()", "print(1)")
    assert slice_cells(cells, 2).cells == (2,)
    assert slice_cells(cells, 2, always=(1,)).cells == (0, 1, 2)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (("x = '''\n%%athena\n!ls'''", "%matplotlib inline", "x"), (0, 2)),
        (("a = 5", "b = (a\n % 3)", "print(b)"), (0, 1, 2)),
        (("!pip install lib", "x = 1", "x"), (1, 2)),
        (("!pip install lib", "import lib", "lib.f()"), (0, 1, 2)),
        (("x = 1", "?x", "x?", "%time y = x + 1", "y"), (0, 3, 4)),
        (
            ("import matplotlib.pyplot as plt", "%matplotlib inline", "plt.rcParams['a'] = 1", "plt.plot([1])"),
            (0, 1, 2, 3),
        ),
        (("import numpy as np", "np.random.rand(3)", "np.random.rand(3)"), (0, 2)),
        (("%load_ext sql", "%%sql r << select 1\n", "r"), (0, 1, 2)),
        (("%load_ext autoreload", "%autoreload 2", "x = 1", "x"), (2, 3)),
        (("x = 1", "%%timeit\nx = 5", "x"), (0, 2)),
        (("t: type = int", "def f[T](x: T) -> T: return x", "t"), (0, 2)),
        (("client = make()", "client.query('SELECT 1 FROM a.b').to_dataframe()", "client"), (0, 2)),
        (("client = make()", "client.query('DELETE FROM a.b WHERE true')", "%%athena\nSELECT * FROM a.b"), (0, 1, 2)),
    ],
)
def test_what_cannot_be_executed_here_is_sliced_all_the_same(sources, expected):
    assert kept(*sources) == expected


@pytest.mark.parametrize(
    "source", ["", "\x00", "(" * 500, "x = " + "-" * 5000 + "1", "%%", "%", "!", "\ud800", "a\tb\n  c"]
)
def test_no_text_makes_slicing_fail(source):
    slice_cells(notebook(source, "x"), 1)
    if source.strip():
        slice_cells(notebook("x = 1", source), 1)


def test_a_long_notebook_is_sliced_in_seconds():
    cells = notebook("x0 = [0]", *(f"x{n} = x{n - 1} + [{n}]\nx{n}.append(1)" for n in range(1, 600)), "x599")
    assert len(slice_cells(cells, 600).cells) == 601


def write(path, cells) -> str:
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(document))
    return str(path)


def test_the_command_prints_the_slice_as_json(tmp_path, capsys):
    path = write(tmp_path / "n.ipynb", notebook("a = 1", "b = 2", "print(a, c)"))
    assert cli.main(["slice", path, "--cell", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "cells": [0, 2],
        "why": {"0": ["a"]},
        "undecided": ["no cell above creates 'c'"],
    }


def test_the_command_shows_people_the_cells_and_why(tmp_path, capsys):
    path = write(tmp_path / "n.ipynb", notebook("a = 1", "b = 2", "print(a, c)"))
    assert cli.main(["slice", path, "--cell", "2"]) == 0
    shown = capsys.readouterr().out
    assert "a = 1" in shown
    assert "for a" in shown
    assert "b = 2" not in shown
    assert "no cell above creates 'c'" in shown


@pytest.mark.parametrize(
    ("content", "cell", "why"),
    [
        ("{", "0", "not JSON"),
        ("[]", "0", "not a notebook"),
        ('{"cells": [1]}', "0", "not a notebook"),
        ('{"cells": []}', "0", "it has no cells"),
        ('{"cells": [{"cell_type": "code", "source": "a"}]}', "1", "Use 0 to 0"),
        ('{"cells": [{"cell_type": "code", "source": "a"}]}', "-1", "Use 0 to 0"),
        ('{"cells": [{"cell_type": "markdown", "source": "a"}]}', "0", "no code cell"),
        ('{"cells": [{"cell_type": "code", "source": [" "]}]}', "0", "no code cell"),
    ],
)
def test_the_command_says_what_is_wrong_with_the_notebook_or_the_cell(tmp_path, capsys, content, cell, why):
    path = tmp_path / "n.ipynb"
    path.write_text(content)
    assert cli.main(["slice", str(path), "--cell", cell]) == 1
    message = capsys.readouterr().err
    assert message.startswith("Cannot slice ")
    assert why in message


def test_the_command_says_that_a_notebook_is_missing(tmp_path, capsys):
    assert cli.main(["slice", str(tmp_path / "no.ipynb"), "--cell", "0"]) == 1
    assert "there is no such file" in capsys.readouterr().err

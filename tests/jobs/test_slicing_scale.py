"""Whatever a notebook holds, slicing it takes work that is bounded; what is not followed is kept."""

import pytest

from athena_lab.jobs.slicing import reading, slice_cells


def cells_of(*sources):
    return [{"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": text} for n, text in enumerate(sources)]


def nested(depth, around, inside):
    return "".join("    " * n + around.format(n) for n in range(depth)) + "    " * depth + inside


GROWING = {
    "a chain": ["x0 = [1]", *(f"x{n} = x{n - 1} + [{n}]" for n in range(1, 400))],
    "functions": [
        "def f0(x):\n    return x",
        *(f"def f{n}(x):\n    return f{n - 1}(x)" for n in range(1, 400)),
        "f399(1)",
    ],
    "a deep loop": ["x = []\n" + nested(15, "for i{} in x:\n", "x += [1]")],
}


@pytest.mark.parametrize("name", GROWING)
def test_what_takes_too_much_is_kept_with_all_before_it(name, monkeypatch):
    monkeypatch.setattr(reading, "MOST_WORK_A_CELL", 3_000)
    monkeypatch.setattr(reading, "MOST_WORK", 30_000)
    cells = cells_of("first = 1", *GROWING[name], "print(first)")
    found = slice_cells(cells, len(cells) - 2)
    assert found.cells[-1] == len(cells) - 2
    assert set(found.cells) >= set(range(1, len(cells) - 1))
    assert any("too much to follow" in note for note in found.undecided)


def test_what_uses_something_unread_is_kept_too(monkeypatch):
    monkeypatch.setattr(reading, "MOST_WORK_A_CELL", 1_000)
    deep = "y = []\n" + nested(9, "for i{} in range(2):\n", "y.append(a)")
    cells = cells_of("a = [1]", deep, "z = 5", "y[0].append(2)", "print(a)")
    assert slice_cells(cells, 4).cells == (0, 1, 2, 3, 4)


def test_recursion_of_the_reader_itself_excludes_nothing():
    chain = ["def f0(x):\n    total.append(x)", *(f"def f{n}(x):\n    f{n - 1}(x)" for n in range(1, 300))]
    cells = cells_of("total = []", *chain, "f299(3)", "print(total)")
    assert slice_cells(cells, len(cells) - 1).cells == tuple(range(len(cells)))

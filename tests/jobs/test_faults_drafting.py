"""Files that are no notebooks, names that are tricks, and notebooks of any size: refused in words, in bounded time."""

from __future__ import annotations

import json
import os
import time
import tracemalloc

import pytest

from athena_lab.errors import InvalidError
from athena_lab.jobs.bundle import build_bundle
from athena_lab.jobs.bundle_content import read_archive
from athena_lab.jobs.drafting import DraftRequest, upload_of
from athena_lab.warehouse.lineage import lineage_of_notebook

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
CELLS = 5_000


def cell_of(source: object, number: int = 0, **more: object) -> dict:
    bare = {"cell_type": "code", "id": f"c{number}", "metadata": {}, "outputs": [], "execution_count": None}
    return bare | {"source": source} | more


def notebook_of(*sources: str, **more: object) -> dict:
    cells = [cell_of(source, number) for number, source in enumerate(sources)]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": KERNEL, "cells": cells} | more


def drafted(path, content=None, **more):
    if content is not None:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return upload_of(path, path.parent, DraftRequest(path="", **more))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it is no valid notebook"),
        ("{", "it is no valid notebook"),
        ('{"cells":' + "[" * 100_000, "it is no valid notebook"),
        ("[]", "it is no notebook of format 4"),
        ({"nbformat": 3, "worksheets": []}, "it is no notebook of format 4"),
        (notebook_of("1", metadata=[]), "its metadata are no object"),
        (notebook_of("1", metadata={"kernelspec": "x"}), "'kernelspec' in its metadata is no object"),
        (notebook_of("1", metadata=KERNEL | {"language_info": [1]}), "'language_info' in its metadata is no object"),
        (notebook_of("1", metadata=KERNEL | {"athena": 5}), "'athena' in its metadata is no object"),
        (notebook_of("1", cells=["x"]), "cell 1 is no object"),
        (notebook_of("1", cells=[cell_of("1"), cell_of(5)]), "cell 2 has a text that is none"),
        (notebook_of("1", cells=[cell_of([5])]), "cell 1 has a text that is none"),
        (notebook_of("1", cells=[cell_of("1", metadata=None)]), "cell 1 has metadata that are no object"),
        (notebook_of("1", cells=[cell_of("1", cell_type=None)]), "cell 1 has no type"),
        (notebook_of("x = '\ud800'"), "cell 1 holds half a character"),
        (notebook_of("1", metadata={"kernelspec": {"name": "ir", "language": "R"}}), "its kernel speaks 'R'"),
    ],
)
@pytest.mark.parametrize("cell_id", [None, "c0"])
def test_what_is_no_notebook_is_refused_by_what_is_wrong_with_it(tmp_path, content, why, cell_id):
    with pytest.raises(InvalidError) as refused:
        drafted(tmp_path / "n.ipynb", content, cell_id=cell_id)
    message = refused.value.faults[0].message
    assert message.startswith("Cannot schedule 'n.ipynb': ")
    assert why in message
    assert message.count(". ") == 1, "it says what to do"


def test_what_is_no_regular_file_is_never_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.ipynb")
    os.mkfifo(tmp_path / "pipe.sql")
    (tmp_path / "endless.ipynb").symlink_to("/dev/zero")
    (tmp_path / "folder.ipynb").mkdir()
    for name in ("pipe.ipynb", "endless.ipynb", "folder.ipynb"):
        with pytest.raises(InvalidError, match=r"it is no regular file\. Name a notebook that is saved on the disk"):
            drafted(tmp_path / name)
    with pytest.raises(InvalidError, match="there is no such file"):
        drafted(tmp_path / "pipe.sql")


@pytest.mark.parametrize(
    "name", ["a\0b.ipynb", "x" * 300 + ".ipynb", "x/" * 3000 + "n.ipynb", "loop.ipynb", "\udcff.sql"]
)
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    (tmp_path / "loop.ipynb").symlink_to("loop.ipynb")
    with pytest.raises(InvalidError) as refused:
        drafted(tmp_path / name)
    assert len(str(refused.value)) < 400
    str(refused.value).encode()


def test_a_notebook_of_200_mb_is_refused_without_reading_it(tmp_path):
    path = tmp_path / "n.ipynb"
    with path.open("wb") as file:
        file.truncate(200 * 1024**2)
    tracemalloc.start()
    with pytest.raises(InvalidError, match=r"it has 200 MB, more than the 100 MB allowed\. Clear its outputs"):
        drafted(path)
    assert tracemalloc.get_traced_memory()[1] < 5 * 1024**2
    tracemalloc.stop()


def test_no_trick_in_a_path_takes_a_file_from_outside(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "away").symlink_to(tmp_path)
    (folder / "zero.csv").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.csv")
    tricks = ["link.txt", "away/secret.txt", "zero.csv", "pipe.csv", "../secret.txt", "a/../../secret.txt", "x" * 230]
    tricks += [
        "//etc/passwd",
        "~/.profile",
        "C:\\secret.txt",
        "\\\\host\\x.txt",
        "a\0b",
        "/proc/self/environ",
        ".",
        "..",
    ]
    code = notebook_of("\n".join(f"open({trick!r})" for trick in tricks))
    assert drafted(folder / "n.ipynb", code).files == ()
    for trick in tricks:
        with pytest.raises(InvalidError, match="there is no such file in its folder"):
            drafted(folder / "n.ipynb", files=(trick,))
    with pytest.raises(InvalidError, match="no file in its folder matches"):
        drafted(folder / "n.ipynb", globs=("*.txt",))


def test_a_notebook_that_the_user_reaches_by_a_link_is_his_to_promote(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "n.ipynb").write_text(json.dumps(notebook_of("1")))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "n.ipynb").symlink_to(tmp_path / "kept" / "n.ipynb")
    assert drafted(tmp_path / "mine" / "n.ipynb").source.path == "n.ipynb"


def test_patterns_of_many_stars_end_at_once(tmp_path):
    deep = tmp_path / "/".join("abcdefgh")
    deep.mkdir(parents=True)
    (deep / "x.csv").write_text("1")
    began = time.process_time()
    bomb = "**/" * 60 + "y.csv"
    code = notebook_of(
        *[f"glob.glob({'**/' * 60 + f'y{number}.csv'!r})" for number in range(500)], "glob.glob('**/x.csv')"
    )
    drafted(tmp_path / "n.ipynb", code)
    with pytest.raises(InvalidError, match="matches"):
        drafted(tmp_path / "n.ipynb", globs=(bomb, "*a" * 500 + "b"))
    assert time.process_time() - began < 5


def test_names_and_texts_of_any_script_arrive_as_they_are(tmp_path):
    names = ["é.csv", "مرحبا.csv", "שלום.csv", "🚀.csv", "a b.csv"]
    for name in names:
        (tmp_path / name).write_text("x")
    os.close(os.open(os.fsencode(tmp_path) + b"/no text \xff.csv", os.O_CREAT))
    text = "s = 'e\u0301 é \u202e 👩\u200d💻 שלום \u2028'"
    upload = drafted(tmp_path / "n.ipynb", notebook_of(text), globs=("*.csv",))
    assert sorted(item.path for item in upload.files) == sorted(names)
    bundle = read_archive(build_bundle(upload).archive)
    assert (bundle.notebook["cells"][0]["source"], set(bundle.files)) == (text, set(names))


def test_two_ways_to_write_one_accent_are_one_path(tmp_path):
    for name in ("e\u0301.csv", "é.csv"):
        (tmp_path / name).write_text("x")
    with pytest.raises(InvalidError, match="the bundle holds that path already"):
        build_bundle(drafted(tmp_path / "n.ipynb", notebook_of("1"), globs=("*.csv",)))


LARGE = {
    "one name": ["p = 'a'", *["p = p + '/a'"] * (CELLS - 2), "open(p)"],
    "statements": [f"%%athena q{n} --into ds.t{n + 1}\nSELECT a, b FROM ds.t{n}" for n in range(CELLS)],
    "functions": [
        "def f0(x):\n    return x",
        *(f"def f{n}(x):\n    return f{n - 1}(x)" for n in range(1, CELLS // 2)),
        f"f{CELLS // 2 - 1}(1)",
    ],
}


@pytest.mark.parametrize("name", LARGE)
def test_thousands_of_cells_are_drafted_sliced_and_followed_in_seconds(tmp_path, name):
    began = time.process_time()
    upload = drafted(tmp_path / "n.ipynb", notebook_of(*LARGE[name]), cell_id=f"c{len(LARGE[name]) - 1}")
    bundle = build_bundle(upload)
    lineage_of_notebook(read_archive(bundle.archive).notebook, projects=("athena",))
    assert len(bundle.summary.cells) == len(LARGE[name])
    assert time.process_time() - began < 30

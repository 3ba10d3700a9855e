"""A draft takes what the code needs from the file's folder, and nothing else; what is too much is refused by name."""

import base64
import json

import pytest

from athena_lab.errors import InvalidError, TooLargeError
from athena_lab.gateway_api.bundles import Destination, EnvironmentKind
from athena_lab.jobs.bundle import build_bundle
from athena_lab.jobs.drafting import DraftRequest, draft, files, upload_of

SPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}


def write_notebook(path, *sources, spec=SPEC):
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        for n, text in enumerate(sources)
    ]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": cells}
    path.write_text(json.dumps(notebook))
    return path


def drafted(file, **more):
    return upload_of(file, file.parent, DraftRequest(path="", **more))


def taken(file, **more):
    return {item.path: item.why for item in drafted(file, **more).files}


@pytest.fixture
def folder(tmp_path):
    for name in ("data/a.csv", "data/b.csv", "data/deep/c.csv", "lookup.json", "notes.txt", "out.csv", "q.sql", ".env"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "tool.py").write_text("import inner\nRATES = open('rates.csv')")
    (tmp_path / "inner.py").write_text("")
    (tmp_path / "rates.csv").write_text("r")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("pd.read_csv('data/a.csv')", ["data/a.csv"]),
        ("open('./lookup.json').read()", ["lookup.json"]),
        ("from pathlib import Path\nD = Path('data')\npd.read_csv(D / 'a.csv')", ["data/a.csv"]),
        ("(Path('data') / 'deep' / 'c.csv').read_text()", ["data/deep/c.csv"]),
        ("name = 'b'\nnp.loadtxt(f'data/{name}.csv')", ["data/b.csv"]),
        ("os.path.exists(os.path.join('data', 'a.csv'))", ["data/a.csv"]),
        ("[pd.read_csv(p) for p in glob.glob('data/*.csv')]", ["data/a.csv", "data/b.csv"]),
        ("list(Path('data').rglob('*.csv'))", ["data/a.csv", "data/b.csv", "data/deep/c.csv"]),
        ("!cat notes.txt | head", ["notes.txt"]),
        ("%run tool.py", ["inner.py", "rates.csv", "tool.py"]),
        ("import tool", ["inner.py", "tool.py"]),
        ("df.to_csv('out.csv')\npd.read_csv('out.csv')", []),
        ("open('out.csv', 'w').write('x')\nopen('out.csv').read()", []),
        ("print('nothing')\nopen('absent.csv')\nrequests.get('https://x/a.csv')", []),
        ("open('../notes.txt')\nopen('/etc/hostname')", []),
    ],
)
def test_what_the_code_reads_by_a_written_path_is_taken(folder, source, names):
    assert sorted(taken(write_notebook(folder / "n.ipynb", source))) == names


def test_a_promoted_cell_takes_the_files_of_its_slice_alone(folder):
    file = write_notebook(
        folder / "n.ipynb", "a = open('notes.txt').read()", "b = open('lookup.json').read()", "print(b)"
    )
    assert set(taken(file, cell_id="c2")) == {"lookup.json"}


def test_named_files_and_globs_say_why_they_are_there(folder):
    file = write_notebook(folder / "n.ipynb", "1")
    assert taken(file, files=("notes.txt",), globs=("data/**/*.csv",)) == {
        "notes.txt": "asked for",
        "data/a.csv": "matches 'data/**/*.csv'",
        "data/b.csv": "matches 'data/**/*.csv'",
        "data/deep/c.csv": "matches 'data/**/*.csv'",
    }


@pytest.mark.parametrize("pattern", ["../*.csv", "/etc/*", "nothing/*.csv", ""])
def test_a_glob_that_matches_nothing_is_a_fault(folder, pattern):
    with pytest.raises(InvalidError, match="no file in its folder matches"):
        taken(write_notebook(folder / "n.ipynb", "1"), globs=(pattern,))


def test_a_file_outside_is_told_where_it_is_read_as_data(folder):
    upload = drafted(write_notebook(folder / "n.ipynb", "pd.read_csv('/data/all.csv')"))
    assert upload.warnings == (
        "it reads '/data/all.csv', which lies outside its folder: the job will not have that file",
    )


def test_a_file_over_the_limit_is_refused_by_name(folder, monkeypatch):
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 3)
    (folder / "data" / "a.csv").write_text("more than three")
    with pytest.raises(InvalidError, match=r"'data/a.csv' .*more than .* allowed. Load it into a table"):
        taken(write_notebook(folder / "n.ipynb", "open('data/a.csv')"))


def test_too_many_files_are_refused(folder, monkeypatch):
    monkeypatch.setattr(files, "MAX_FILES", 2)
    with pytest.raises(TooLargeError, match="at most 2 files"):
        taken(write_notebook(folder / "n.ipynb", "1"), globs=("data/**",))


def test_a_notebook_over_the_limit_is_refused_unread(folder, monkeypatch):
    monkeypatch.setattr(draft, "MAX_NOTEBOOK_BYTES", 100)
    (folder / "n.ipynb").write_text("{" * 200)
    with pytest.raises(InvalidError, match=r"more than the 0 MB allowed\. Clear its outputs"):
        drafted(folder / "n.ipynb")


def test_five_thousand_cells_are_the_most(tmp_path):
    many = write_notebook(tmp_path / "n.ipynb", *["x = 1"] * 5_001)
    with pytest.raises(InvalidError, match="5001 cells, more than the 5000 allowed"):
        build_bundle(drafted(many))


def test_scripts_come_as_text_with_their_modules_and_files(folder):
    (folder / "job.py").write_text("import tool\nopen('notes.txt')")
    upload = drafted(folder / "job.py")
    assert (upload.notebook, upload.text) == (None, "import tool\nopen('notes.txt')")
    assert [item.path for item in upload.files] == ["inner.py", "notes.txt", "tool.py"]
    (folder / "q.sql").write_text("SELECT 1")
    sql = drafted(folder / "q.sql", destination=Destination(table="a.b"))
    assert (sql.text, sql.destination.table, sql.files) == ("SELECT 1", "a.b", ())
    (folder / "q.sql").write_bytes(b"SELECT '\xff'")
    with pytest.raises(InvalidError, match="no text in UTF-8"):
        drafted(folder / "q.sql")


SCRIPT = "# /// script\n# dependencies = {}\n# requires-python = '{}'\n# ///\nprint(1)"


@pytest.mark.parametrize(
    ("dependencies", "python", "why"),
    [
        ("'x'", ">=3.9", "no list of texts"),
        ("[", ">=3.9", "no TOML"),
        ("['a @ https://x/y.whl']", ">=3.9", "an address and no index"),
        ("['-r other.txt']", ">=3.9", "no requirement"),
        ("['humanize']", ">=4", "asks for Python >=4"),
        ("['humanize']", "newest", "is no version"),
    ],
)
def test_metadata_that_cannot_be_honoured_is_refused(tmp_path, dependencies, python, why):
    (tmp_path / "job.py").write_text(SCRIPT.format(dependencies, python))
    with pytest.raises(InvalidError, match=why):
        drafted(tmp_path / "job.py")


def test_metadata_is_told_where_the_user_wants_the_platforms_environment(tmp_path):
    (tmp_path / "job.py").write_text(SCRIPT.format("['humanize']", ">=3.9"))
    upload = drafted(tmp_path / "job.py", environment=EnvironmentKind.PLATFORM)
    assert upload.lock is None
    assert "runs in the platform's environment" in upload.warnings[0]


def test_the_jobs_environment_is_kept_where_neither_the_user_nor_the_file_names_one(tmp_path):
    file = write_notebook(tmp_path / "n.ipynb", "1")
    assert drafted(file, job_id="daily").environment_of == "daily"
    assert drafted(file, job_id="daily", environment=EnvironmentKind.PLATFORM).environment_of is None
    assert drafted(file).environment_of is None


def test_a_lock_without_a_kernels_report_says_what_to_do(tmp_path):
    file = write_notebook(tmp_path / "n.ipynb", "1")
    with pytest.raises(InvalidError, match="the kernel has not told what it has imported"):
        drafted(file, environment=EnvironmentKind.LOCK)


def test_a_lock_with_an_address_never_becomes_a_bundle(tmp_path):
    upload = drafted(write_notebook(tmp_path / "n.ipynb", "1"))
    for line in ("--index-url http://x", "x @ file:///y", "x==1", "./x", f"x==1 --hash=md5:{'0' * 32}"):
        lock = {"python": "3.11", "requirements": line}
        with pytest.raises(InvalidError, match="no package with its version and hashes"):
            build_bundle(type(upload).model_validate(upload.model_dump() | {"lock": lock}))


def test_what_is_taken_is_what_lies_there(folder):
    upload = drafted(write_notebook(folder / "n.ipynb", "open('notes.txt')"))
    assert [base64.b64decode(item.content_base64) for item in upload.files] == [b"x"]

"""A bundle is named by its content, holds no outputs, and takes in nothing that leaves its folder."""

from __future__ import annotations

import io
import json
import stat
import zipfile

import pytest

from athena_lab.errors import ConfigurationError, InvalidError, NotFoundError, UpstreamError
from athena_lab.gateway_api.jobs import BundleUpload, Source
from athena_lab.jobs.bundle import build_bundle, describe_bundle, hash_of_archive
from athena_lab.jobs.bundle_files import Limits
from athena_lab.jobs.bundle_store import BundleStore


def upload(notebook: dict, *files, **source) -> BundleUpload:
    return BundleUpload(notebook=notebook, source=Source(path="reports/sales.ipynb", **source), files=files)


def members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def faults_of(upload: BundleUpload, limits: Limits | None = None) -> list[str]:
    with pytest.raises(InvalidError) as caught:
        build_bundle(upload, limits)
    return [fault.message for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("%%athena\n\n-- the days\nSELECT *\nFROM t", "SELECT *"),
        ("%%bigquery\n# note\n  INSERT INTO t SELECT 1", "INSERT INTO t SELECT 1"),
        ("%%athena daily --into ds.t\nSELECT 1", "%%athena daily --into ds.t"),
        ("%%athena\n-- nothing yet", "%%athena"),
        ("%%time\nx = 1", "%%time"),
    ],
)
def test_a_cell_of_sql_is_named_by_its_first_line_of_sql(make_notebook, source, shown):
    assert build_bundle(upload(make_notebook(source))).summary.cells[-1].first_line == shown


def test_a_bundle_holds_notebook_manifest_and_files(make_notebook, make_side_file):
    built = build_bundle(upload(make_notebook("print(1)"), make_side_file("lib/x.py", b"y = 1"), notebook_id="n1"))
    found = members(built.archive)
    assert sorted(found) == ["files/lib/x.py", "manifest.json", "notebook.ipynb"]
    assert found["files/lib/x.py"] == b"y = 1"
    assert json.loads(found["manifest.json"])["source"]["notebook_id"] == "n1"
    assert [cell.first_line for cell in built.summary.cells] == ["day = '2026-01-31'  # which day", "print(1)"]
    assert [parameter.name for parameter in built.summary.parameters] == ["day", "limit"]
    assert describe_bundle(built.archive) == built.summary
    assert hash_of_archive(built.archive) == built.hash


def test_what_a_run_leaves_behind_changes_nothing(make_notebook):
    fresh, used = make_notebook("print(1)"), make_notebook("print(1)")
    used["cells"][1] |= {"outputs": [{"output_type": "stream", "name": "stdout", "text": "1\n"}], "execution_count": 7}
    used["cells"][1]["metadata"] = {"execution": {"iopub.status.busy": "2026"}, "collapsed": True}
    used["cells"][1]["source"] = ["print", "(1)"]
    used["metadata"] |= {
        "widgets": {"application/x": {"state": {}}},
        "language_info": {"name": "python", "version": "3.11"},
    }
    first, second = build_bundle(upload(fresh)), build_bundle(upload(used))
    assert first.archive == second.archive
    assert first.hash == second.hash
    assert b"stdout" not in members(second.archive)["notebook.ipynb"]


@pytest.mark.parametrize("change", ["source", "file", "path", "kernel"])
def test_what_decides_the_run_changes_the_hash(make_notebook, make_side_file, change):
    plain = build_bundle(upload(make_notebook("print(1)"), make_side_file("a.txt")))
    notebook = make_notebook("print(2)" if change == "source" else "print(1)")
    if change == "kernel":
        notebook["metadata"]["kernelspec"]["name"] = "other"
    file = make_side_file("b.txt" if change == "path" else "a.txt", b"y" if change == "file" else b"x")
    assert build_bundle(upload(notebook, file)).hash != plain.hash


def test_a_notebook_without_cell_ids_makes_the_same_bundle_each_time(make_notebook):
    notebook = make_notebook("print(1)", "print(1)")
    notebook["nbformat_minor"] = 4
    for cell in notebook["cells"]:
        del cell["id"]
    one, two = build_bundle(upload(notebook)), build_bundle(upload(notebook))
    assert one.hash == two.hash
    assert len({cell.cell_id for cell in one.summary.cells}) == 3


def test_a_promoted_cell_keeps_what_it_needs_and_says_why(make_notebook):
    notebook = make_notebook("a = 1", "b = 2", "print(a + c)", "c = 3")
    notebook["cells"].insert(1, {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "# Title"})
    built = build_bundle(upload(notebook, cell_id="c2"))
    assert [cell.cell_id for cell in built.summary.cells] == ["params", "c0", "c2"]
    assert [(cell.cell_id, cell.is_needed, cell.why) for cell in built.summary.slice] == [
        ("params", True, ()),
        ("c0", True, ("a",)),
        ("c1", False, ()),
        ("c2", True, ()),
    ]
    assert built.summary.undecided == ("no cell above creates 'c', cell 4 below does",)
    assert len(json.loads(members(built.archive)["notebook.ipynb"])["cells"]) == 3


def test_a_parameters_cell_below_the_promoted_one_goes_first(make_notebook):
    notebook = make_notebook("a = 1", "b = 2")
    notebook["cells"] = [notebook["cells"][1], notebook["cells"][2], notebook["cells"][0]]
    built = build_bundle(upload(notebook, cell_id="c0"))
    assert [cell.cell_id for cell in built.summary.cells] == ["params", "c0"]


@pytest.mark.parametrize("cell_id", ["nowhere", "", "m"])
def test_a_promoted_cell_that_is_no_code_cell_of_the_notebook_is_a_fault(make_notebook, cell_id):
    notebook = make_notebook("a = 1")
    notebook["cells"].append({"cell_type": "markdown", "id": "m", "metadata": {}, "source": "text"})
    (message,) = faults_of(upload(notebook, cell_id=cell_id))
    assert "no such code cell" in message


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda nb: nb.update(nbformat=3), "format 4"),
        (lambda nb: nb.pop("nbformat"), "format 4"),
        (lambda nb: nb.pop("cells"), "not a valid notebook"),
        (lambda nb: nb.update(cells="x"), "not a valid notebook"),
        (lambda nb: nb.update(cells=None), "not a valid notebook"),
        (lambda nb: nb.update(cells=[1]), "not a valid notebook"),
        (lambda nb: nb.update(metadata=[]), "not a valid notebook"),
        (lambda nb: nb.pop("metadata"), "not a valid notebook"),
        (lambda nb: nb["cells"][0].pop("source"), "not a valid notebook"),
        (lambda nb: nb["cells"][0].update(cell_type="script"), "not a valid notebook"),
        (lambda nb: nb["cells"][0].update(id=5), "not a valid notebook"),
        (lambda nb: nb["cells"][0].update(id=["a"]), "not a valid notebook"),
        (lambda nb: nb["cells"][0].update(metadata={"tags": 5}), "not a valid notebook"),
        (lambda nb: nb["metadata"].pop("kernelspec"), "names no kernel"),
        (lambda nb: nb["metadata"].update(kernelspec={"name": "", "display_name": "x"}), "names no kernel"),
        (lambda nb: nb.update(cells=[]), "no code cell"),
        (lambda nb: [cell.update(source=" \n") for cell in nb["cells"]], "no code cell"),
    ],
)
def test_what_is_no_runnable_notebook_is_refused(make_notebook, change, why):
    notebook = make_notebook("a = 1")
    change(notebook)
    messages = faults_of(upload(notebook))
    assert any(why in message for message in messages), messages
    assert all("'reports/sales.ipynb'" in message for message in messages)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../x", "leaves the notebook's folder"),
        ("a/../../x", "leaves the notebook's folder"),
        ("/etc/passwd", "absolute"),
        ("~/x", "absolute"),
        ("C:/x", "absolute"),
        ("a\\b", r"holds '\'"),
        ("", "empty"),
        (" ", "empty"),
        ("a//b", "empty or '.' part"),
        ("./a", "empty or '.' part"),
        ("a/", "empty or '.' part"),
        ("a\x00b", "control character"),
        ("a\nb", "control character"),
        ("a" * 300, "longer than"),
        ("x.lnk", "a link"),
    ],
)
def test_a_side_file_whose_path_is_not_plain_is_refused(make_notebook, make_side_file, path, why):
    (message,) = faults_of(upload(make_notebook("a = 1"), make_side_file(path)))
    assert why in message


def test_every_fault_of_notebook_and_files_is_told_at_once(make_notebook, make_side_file):
    notebook = make_notebook("a = 1")
    del notebook["metadata"]["kernelspec"]
    broken = make_side_file("b.txt").model_copy(update={"content_base64": "%%%"})
    files = (
        make_side_file("../a"),
        broken,
        make_side_file("c.txt", b"123456"),
        make_side_file("d"),
        make_side_file("D"),
    )
    messages = faults_of(upload(notebook, *files), Limits(file_bytes=5, bundle_bytes=100))
    whys = (
        "names no kernel",
        "leaves the notebook's",
        "not base64",
        "6 bytes, more than the 5",
        "holds that path already",
    )
    assert len(messages) == len(whys)
    assert all(why in message for why, message in zip(whys, messages, strict=True))


def test_files_that_are_too_large_together_or_in_each_others_way_are_refused(make_notebook, make_side_file):
    files = [make_side_file(f"{number}.bin", b"12345") for number in range(3)]
    (message,) = faults_of(upload(make_notebook("a"), *files), Limits(file_bytes=5, bundle_bytes=14))
    assert "15 bytes, more than the 14 allowed" in message
    (message,) = faults_of(upload(make_notebook("a"), make_side_file("a"), make_side_file("a/b")))
    assert "as a folder" in message


def test_a_link_cannot_be_in_an_archive(make_notebook, make_side_file):
    built = build_bundle(upload(make_notebook("a = 1"), make_side_file("x")))
    with zipfile.ZipFile(io.BytesIO(built.archive)) as opened:
        assert all(stat.S_ISREG(info.external_attr >> 16) for info in opened.infolist())


# -- the store


@pytest.mark.parametrize("scheme", ["", "file://", "memory:/"])
def test_what_is_put_is_got_and_putting_it_again_is_nothing(tmp_path, make_notebook, scheme):
    store = BundleStore(f"{scheme}{tmp_path}/bundles")
    built = build_bundle(upload(make_notebook("a = 1")))
    assert not store.exists(built.hash)
    store.put(built)
    store.put(built)
    assert store.exists(built.hash)
    assert store.get(built.hash) == built.archive
    assert store.describe(built.hash) == built.summary
    if not scheme.startswith("memory"):
        assert [path.name for path in (tmp_path / "bundles").iterdir()] == [f"{built.hash}.zip"]


@pytest.mark.parametrize("content_hash", ["0" * 64, "../x", "", "A" * 64, "0" * 63])
def test_a_bundle_that_nobody_put_is_not_found(tmp_path, content_hash):
    store = BundleStore(str(tmp_path / "bundles"))
    with pytest.raises(NotFoundError, match="Upload the notebook first"):
        store.get(content_hash)
    assert not store.exists(content_hash)


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-20], lambda _data: b"", lambda data: data[:60] + b"zz" + data[62:]]
)
def test_a_damaged_bundle_is_refused_and_mended_by_the_next_upload(tmp_path, make_notebook, spoil):
    store = BundleStore(str(tmp_path))
    built = build_bundle(upload(make_notebook("a = 1")))
    store.put(built)
    store.describe(built.hash)
    path = tmp_path / f"{built.hash}.zip"
    path.write_bytes(spoil(path.read_bytes()))
    for read in (store.get, store.describe):
        with pytest.raises(UpstreamError):
            read(built.hash)
    store.put(built)
    assert store.get(built.hash) == built.archive


def test_another_bundle_under_the_name_is_refused(tmp_path, make_notebook):
    store = BundleStore(str(tmp_path))
    one, two = build_bundle(upload(make_notebook("a = 1"))), build_bundle(upload(make_notebook("a = 2")))
    store.put(one)
    (tmp_path / f"{one.hash}.zip").write_bytes(two.archive)
    with pytest.raises(UpstreamError, match="another hash"):
        store.get(one.hash)


def test_a_store_of_an_unknown_kind_is_refused():
    with pytest.raises(ConfigurationError, match="gs:// or s3://"):
        BundleStore("gopher://x/y")

"""A draft holds what the notebook is and needs, read as the user; what is unfit is refused with all its faults."""

import base64
import json
import time

import pytest

from athena_lab.gateway_api import wire
from athena_lab.gateway_api.jobs import Bundle, BundleUpload


def draft(jupyter, path, **more):
    return jupyter.request("POST", "/athena/draft", json={"path": path} | more)


def refusal(answer):
    assert answer.status_code == 422, answer.text
    return wire.ErrorBody.model_validate_json(answer.content)


def uploaded(gateway):
    return BundleUpload.model_validate(gateway.control()["last_upload"])


def files_of(upload):
    return {file.path: base64.b64decode(file.content_base64).decode() for file in upload.files}


def test_draft_of_a_notebook_is_a_bundle_with_its_parameters(jupyter):
    path = jupyter.write("reports/peak.ipynb", "limit = 10", athena={"notebook_id": "an-id"})
    bundle = Bundle.model_validate_json(draft(jupyter, path).content)
    assert bundle.source.path == "reports/peak.ipynb"
    assert bundle.source.notebook_id == "an-id"


def test_local_modules_are_taken_and_nothing_else(jupyter, gateway):
    folder = jupyter.root / "modules"
    (folder / "package" / "inner").mkdir(parents=True)
    for name, text in {
        "direct.py": "import second",
        "second.py": "X = 1",
        "unused.py": "",
        "package/__init__.py": "",
        "package/part.py": "from . import sibling\nfrom .inner import deep",
        "package/sibling.py": "",
        "package/inner/__init__.py": "",
        "package/inner/deep.py": "",
        "secret.txt": "",
    }.items():
        (folder / name).write_text(text)
    (jupyter.root / "outside.py").write_text("")
    cells = ("import direct, json", "%%time\nfrom package import part", "%%athena\nimport unused", "files = !ls\n")
    assert draft(jupyter, jupyter.write("modules/n.ipynb", *cells, "import outside")).is_success
    assert set(files_of(uploaded(gateway))) == {
        "direct.py",
        "second.py",
        "package/__init__.py",
        "package/part.py",
        "package/sibling.py",
        "package/inner/__init__.py",
        "package/inner/deep.py",
    }


def test_named_files_are_taken_as_they_are(jupyter, gateway):
    path = jupyter.write("data/n.ipynb", "1")
    (jupyter.root / "data" / "lookup.csv").write_text("a,b\n")
    assert draft(jupyter, path, files=["lookup.csv"]).is_success
    assert files_of(uploaded(gateway)) == {"lookup.csv": "a,b\n"}


@pytest.mark.parametrize("name", ["../outside.csv", "/etc/passwd", "a/../../x", "absent.csv", ".hidden", "a\\b"])
def test_file_outside_the_folder_or_absent_is_refused(jupyter, name):
    (jupyter.root / "outside.csv").write_text("secret")
    body = refusal(draft(jupyter, jupyter.write("inside/n.ipynb", "1"), files=[name]))
    assert [fault.field for fault in body.faults] == ["files"]


def test_outputs_and_marks_of_trust_stay_with_the_user(jupyter, gateway):
    path = jupyter.write("trust.ipynb", "1")
    file = jupyter.root / path
    notebook = json.loads(file.read_text())
    notebook["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "a secret"}]
    notebook["cells"][0]["execution_count"] = 7
    file.write_text(json.dumps(notebook))
    assert draft(jupyter, path).is_success
    cell = uploaded(gateway).notebook["cells"][0]
    assert (cell["outputs"], cell["execution_count"]) == ([], None)
    assert "trusted" not in cell["metadata"]


def test_missing_notebook_says_to_save_it(jupyter):
    body = refusal(draft(jupyter, "absent.ipynb"))
    assert body.faults[0].message == "Cannot schedule 'absent.ipynb': there is no such file. Save the notebook first."


def test_file_that_is_no_notebook_is_refused(jupyter):
    (jupyter.root / "text.txt").write_text("hello")
    (jupyter.root / "broken.ipynb").write_text("{")
    assert "it is not a notebook" in refusal(draft(jupyter, "text.txt")).message
    assert "it is no valid notebook" in refusal(draft(jupyter, "broken.ipynb")).message
    assert str(jupyter.root) not in refusal(draft(jupyter, "broken.ipynb")).message


def test_notebook_of_an_invalid_shape_is_refused(jupyter):
    (jupyter.root / "shape.ipynb").write_text(
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code", "id": "a",'
        ' "metadata": {}, "source": "1", "outputs": [], "execution_count": "first"}]}'
    )
    assert "not a valid notebook" in refusal(draft(jupyter, "shape.ipynb")).message


def test_all_faults_are_reported_at_once(jupyter):
    path = jupyter.write("faulty.ipynb", "")
    file = jupyter.root / path
    file.write_text(json.dumps(json.loads(file.read_text()) | {"metadata": {}}))
    body = refusal(draft(jupyter, path, cell_id="nobody", files=["absent.csv"]))
    assert [fault.field for fault in body.faults] == ["kernel", "path", "cell_id", "files"]
    assert "it names no kernel" in body.faults[0].message


def test_kernel_of_another_language_is_refused(jupyter):
    path = jupyter.write("r.ipynb", "1", kernelspec={"name": "ir", "display_name": "R", "language": "R"})
    assert "its kernel speaks 'R'" in refusal(draft(jupyter, path)).message


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"cell_id": "x"}', b'{"path": "a.ipynb", "more": 1}'])
def test_malformed_request_is_refused_as_a_form(jupyter, body):
    answer = jupyter.request("POST", "/athena/draft", content=body)
    assert refusal(answer).faults


def test_notebook_of_200_mb_is_refused_with_the_limit_and_never_read(jupyter):
    with (jupyter.root / "huge.ipynb").open("wb") as file:
        file.truncate(200 * 1024**2)
    began = time.monotonic()
    body = refusal(draft(jupyter, "huge.ipynb"))
    assert "it has 200 MB, more than the 100 MB allowed. Clear its outputs and save it." in body.message
    assert time.monotonic() - began < 5


def test_link_beside_the_notebook_takes_no_file_from_elsewhere(jupyter, gateway, tmp_path):
    (tmp_path / "key").write_text("secret")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "tool.py").write_text("x = 1")
    path = jupyter.write("links/n.ipynb", "open('key.txt')\nimport tool")
    (jupyter.root / "links" / "key.txt").symlink_to(tmp_path / "key")
    (jupyter.root / "links" / "pipe.csv").symlink_to("/dev/zero")
    assert draft(jupyter, path).is_success
    assert files_of(uploaded(gateway)) == {}
    for name in ("key.txt", "pipe.csv", "a\0b", "C:\\x", "x" * 5000):
        assert [fault.field for fault in refusal(draft(jupyter, path, files=[name])).faults] == ["files"]
    # A folder that the user reached by a link is his own choice, with what lies in it.
    (jupyter.root / "linked").symlink_to(tmp_path / "shared")
    (tmp_path / "shared" / "n.ipynb").write_text((jupyter.root / path).read_text())
    assert draft(jupyter, "linked/n.ipynb").is_success
    assert files_of(uploaded(gateway)) == {"tool.py": "x = 1"}


@pytest.mark.parametrize(
    "path", ["../n.ipynb", "/etc/passwd", "a\0.ipynb", "x" * 5000 + ".ipynb", "C:\\n.ipynb", "..\\n.ipynb"]
)
def test_path_that_leads_nowhere_is_refused_in_words(jupyter, path):
    body = refusal(draft(jupyter, path))
    assert body.faults[0].message.startswith("Cannot schedule ")
    assert "save" in body.message.lower() or "press the button" in body.message

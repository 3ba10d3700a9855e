"""Notebooks that nobody here wrote, papermill's and nbclient's own, promote and run, or are refused with the reason.

They come from the source distributions that uv.lock pins, from the same index as every package.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tomllib
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath

import pytest

from athena_lab.airflow.execution import RunFailedError, execute_run
from athena_lab.errors import InvalidError
from athena_lab.gateway_api.jobs import BundleUpload
from athena_lab.jobs.bundle import build_bundle
from athena_lab.jobs.drafting import DraftRequest, upload_of

LOCK = Path(__file__).parents[2] / "uv.lock"
SPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}
NO_KERNEL = "it names no kernel"
REFUSED = {
    "notimplemented_translator.ipynb": "its kernel speaks 'R'",
    "blank-vscode.ipynb": "it has no code cell",
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The folders of notebooks in the source distributions, by the notebook's name."""
    folder = tmp_path_factory.mktemp("published")
    pinned = {package["name"]: package for package in tomllib.loads(LOCK.read_text())["package"]}
    for name in ("papermill", "nbclient"):
        archive = _fetch(pinned[name]["sdist"])
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            for member in opened:
                parts = PurePosixPath(member.name).parts
                if member.isfile() and "tests" in parts and ".." not in parts:
                    target = folder.joinpath(*parts)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(opened.extractfile(member).read())
    found = {path.name: path for path in folder.rglob("*.ipynb")}
    assert len(found) >= 40
    return found


def _fetch(pinned):
    try:
        with urllib.request.urlopen(pinned["url"], timeout=30) as answer:
            content = answer.read()
    except (urllib.error.URLError, TimeoutError) as error:
        pytest.skip(f"the package index does not answer: {error}")
    assert hashlib.sha256(content).hexdigest() == pinned["hash"].removeprefix("sha256:")
    return content


def promote(path, *, with_kernel=False):
    if with_kernel:
        notebook = json.loads(path.read_text())
        notebook["metadata"].setdefault("kernelspec", SPEC)
        path.write_text(json.dumps(notebook))
    upload = upload_of(path, path.parent, DraftRequest(path=""))
    return build_bundle(BundleUpload.model_validate_json(upload.model_dump_json()))


def outcome_of(path):
    try:
        return promote(path).summary.cells
    except InvalidError as error:
        return str(error)


def test_each_is_promoted_or_refused_with_the_right_reason(published):
    metadata = {name: json.loads(path.read_text())["metadata"] for name, path in published.items()}
    outcomes = {name: outcome_of(path) for name, path in published.items()}
    refused = {name: told for name, told in outcomes.items() if isinstance(told, str)}
    without_kernel = {name for name, found in metadata.items() if not found.get("kernelspec", {}).get("name")}
    assert set(refused) == without_kernel | set(REFUSED)
    assert all((REFUSED.get(name) or NO_KERNEL) in told for name, told in refused.items())
    assert len(outcomes) - len(refused) >= 25
    parameters = promote(published["report_mode_test.ipynb"]).summary.parameters
    assert [(item.name, item.type.value) for item in parameters] == [("a", "int"), ("b", "int")]


FAILS = {
    "Error.ipynb": "ZeroDivisionError",
    "Autokill.ipynb": "The kernel died: SIGTERM",
    "line_magic_error.ipynb": "UsageError",
    "Disable Stdin.ipynb": "StdinNotImplementedError",
}
RUNS = {
    "HelloWorld.ipynb": "Hello World",
    "UnicodePy3.ipynb": "☃",
    "sysexit0.ipynb": "",
    "JupyterWidgets.ipynb": "",
}


@pytest.mark.parametrize("name", [*FAILS, *RUNS])
def test_run_gives_what_its_author_meant(published, gateway, worker, lab, name):
    built = promote(published[name], with_kernel=True)
    gateway.bundles[built.hash] = built.archive
    order = lab.order(lab.spec(built.hash))
    if name in FAILS:
        with pytest.raises(RunFailedError, match=FAILS[name]):
            execute_run(order, worker)
    else:
        execute_run(order, worker)
        shown = [out.get("text", out.get("data", {}).get("text/plain", "")) for out in _outputs(gateway.output)]
        assert RUNS[name] in "".join("".join(text) for text in shown)


def _outputs(notebook):
    return [output for cell in notebook["cells"] for output in cell.get("outputs", ())]

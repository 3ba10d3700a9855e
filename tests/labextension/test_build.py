"""The front end is built when its sources change, shipped in the wheel, and never needed by an editable install."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
import hatch_build  # noqa: E402 (it lies beside pyproject.toml, in no package)

SHARED = "share/jupyter/labextensions/athena-lab"


@pytest.fixture
def copy(tmp_path):
    """Give a copy of what git knows, with the front end that is built."""
    root = tmp_path / "copy"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if not name.startswith("tests/") and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, root / name)
    return root


def build_wheel(root, **environ):
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    subprocess.run([uv, "build", "--wheel", "-q", str(root)], env=os.environ | environ, check=True)
    wheel = next((root / "dist").glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        return {name.split(".data/data/")[-1]: archive.getinfo(name).file_size for name in archive.namelist()}


def test_wheel_holds_the_front_end_once_and_switches_the_server_extension_on(copy):
    shutil.copytree(ROOT / "athena_lab" / "labextension", copy / "athena_lab" / "labextension")
    (copy / "athena_lab" / "labextension" / "sources.sha256").write_text(hatch_build.digest_of(copy))
    names = build_wheel(copy)
    assert {f"{SHARED}/package.json", f"{SHARED}/install.json", f"{SHARED}/schemas/athena-lab/schedule.json"} <= set(
        names
    )
    assert "etc/jupyter/jupyter_server_config.d/athena_lab.json" in names
    assert [name for name in names if re.match(rf"{SHARED}/static/remoteEntry\.\w+\.js", name)]
    assert not [name for name in names if name.startswith("athena_lab/labextension") or name.endswith(".map")]
    # What the browser loads for Athena stays small: the host brings React, Lumino and CodeMirror.
    assert sum(size for name, size in names.items() if name.endswith(".js")) < 400_000


def test_wheel_without_the_front_end_needs_no_node(copy):
    names = build_wheel(copy, ATHENA_SKIP_LABEXTENSION="1")
    assert not [name for name in names if name.startswith(SHARED)]
    assert "athena_lab/labserver/app.py" in names


def test_changed_source_is_stale_and_restored_is_not(copy):
    output = copy / "athena_lab" / "labextension"
    assert hatch_build.is_stale(copy)
    output.mkdir()
    (output / "sources.sha256").write_text(hatch_build.digest_of(copy))
    assert not hatch_build.is_stale(copy)
    style = copy / "labextension" / "style" / "grid.css"
    text = style.read_text()
    style.write_text(text + "\n")
    assert hatch_build.is_stale(copy)
    style.write_text(text)
    assert not hatch_build.is_stale(copy)


def test_lock_and_yarn_settings_name_no_registry_and_send_no_telemetry():
    lock = (ROOT / "labextension" / "yarn.lock").read_text()
    settings = (ROOT / "labextension" / ".yarnrc.yml").read_text()
    assert "://" not in lock
    assert "npmRegistryServer" not in settings
    assert "enableTelemetry: false" in settings


def test_link_shows_the_front_end_and_the_server_extension_in_a_prefix(tmp_path):
    for _ in range(2):
        hatch_build.link(ROOT, tmp_path)
    shown = tmp_path / "share" / "jupyter" / "labextensions" / "athena-lab"
    assert shown.resolve() == ROOT / "athena_lab" / "labextension"
    assert (tmp_path / "etc" / "jupyter" / "jupyter_server_config.d" / "athena_lab.json").is_file()

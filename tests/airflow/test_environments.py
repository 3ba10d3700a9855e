"""A run with a lock has the packages of its lock, those only, in a place that it cannot write to."""

from __future__ import annotations

import dataclasses
import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from athena_lab.airflow.environments import Environments
from athena_lab.airflow.execution import RunFailedError, execute_run
from athena_lab.errors import ConfigurationError, UnreachableError
from athena_lab.gateway_api.bundles import EnvironmentLock, KernelReport
from athena_lab.gateway_api.jobs import BundleUpload, Source
from athena_lab.jobs.bundle import build_bundle
from athena_lab.jobs.drafting.environment import lock_environment
from athena_lab.jobs.drafting.metadata import Metadata

SPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}
CODE = """
import sys, importlib.util, humanize
print(humanize.intcomma(1234), sys.prefix, bool(importlib.util.find_spec("papermill")))
print(get_ipython().find_cell_magic("athena") is not None)
"""


@pytest.fixture(scope="module")
def lock() -> EnvironmentLock:
    try:
        found, warnings = lock_environment(KernelReport(), Metadata(("humanize==4.12.3",), ">=3.9", is_given=True))
    except UnreachableError as error:
        pytest.skip(str(error))
    assert warnings == ()
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("locked") / "environments"


@pytest.fixture
def at(worker, folder):
    """The worker, which keeps environments in a folder of the tests' own."""
    own = {"ATHENA_ENVIRONMENTS_DIR": str(folder), "HOME": os.environ["HOME"], "UV_LINK_MODE": "symlink"}
    settings = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_"))}
    return dataclasses.replace(worker, environ={**worker.environ, **settings, **own})


def bundle_of(gateway, lock, source=CODE):
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": SPEC}, "cells": [cell]}
    built = build_bundle(BundleUpload(notebook=notebook, source=Source(path="n.ipynb"), lock=lock))
    gateway.bundles[built.hash] = built.archive
    assert (built.summary.environment.kind, built.summary.environment.python) == ("lock", lock.python)
    return built.hash


def test_a_run_has_the_packages_of_its_lock_and_no_others(gateway, at, lab, lock, folder):
    bundle = bundle_of(gateway, lock)
    execute_run(lab.order(lab.spec(bundle)), at)
    told = "".join(output["text"] for output in gateway.output["cells"][0]["outputs"])
    (environment,) = (path for path in folder.iterdir() if path.is_dir())
    assert told == f"1,234 {environment} False\nTrue\n"
    writable = [path for path in environment.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]
    assert writable == []
    assert all(path.stat().st_mode & stat.S_IROTH for path in environment.rglob("*") if not path.is_symlink())
    assert len(list(environment.rglob("humanize/__pycache__/*.pyc"))) > 3, "a run cannot compile it there"
    links = [path for path in environment.rglob("*") if path.is_symlink() and path.parent.name != "bin"]
    assert {path.name for path in links} <= {"athena_lab", "lib64"}, "no link leads into the worker's own cache"
    made_at = (environment / "pyvenv.cfg").stat().st_mtime_ns
    assert Environments(at.environ).python_of(lock) == environment / "bin" / "python"
    assert (environment / "pyvenv.cfg").stat().st_mtime_ns == made_at


def test_what_is_no_longer_used_goes(at, lock, folder):
    old = folder / "old"
    old.mkdir(parents=True)
    (old / "athena-ready").touch()
    os.utime(old / "athena-ready", (time.time() - 90 * 86_400,) * 2)
    python = Environments(at.environ).python_of(lock)
    assert not old.exists()
    found = subprocess.run([python, "-c", "import athena_lab.kernel.extension"], cwd="/", check=False)
    assert found.returncode == 0


def test_a_lock_that_cannot_be_installed_fails_the_run(gateway, at, lab, lock):
    bad = EnvironmentLock(python=lock.python, requirements=_with_wrong_hash(lock.requirements))
    with pytest.raises(RunFailedError, match=r"Cannot make the run's environment: .*[Hh]ash"):
        execute_run(lab.order(lab.spec(bundle_of(gateway, bad))), at)
    assert "Lock it again" in gateway.finishes[-1].error


def _with_wrong_hash(text):
    lines = text.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("humanize=="))
    end = next(index for index in range(at + 1, len(lines)) if not lines[index].startswith(" "))
    return "\n".join([*lines[:at], "humanize==4.12.3 \\", f"    --hash=sha256:{'0' * 64}", *lines[end:]])


def test_no_index_is_the_platforms_trouble(at, lock, tmp_path):
    nowhere = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_NO_CACHE": "1", "UV_HTTP_RETRIES": "0"}
    nowhere |= {"ATHENA_ENVIRONMENTS_DIR": str(tmp_path / "environments")}
    environ = {**at.environ, **nowhere}
    with pytest.raises(UnreachableError, match="Check UV_DEFAULT_INDEX"):
        Environments(environ).python_of(lock)


def test_a_folder_of_somebody_else_is_refused(tmp_path, lock):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(ConfigurationError, match="belongs to somebody else"):
        Environments({"ATHENA_ENVIRONMENTS_DIR": str(tmp_path / "link")}).python_of(lock)
    assert not list(Path(tmp_path, "real").iterdir())

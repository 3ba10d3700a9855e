"""JupyterLab as the analyst: its kernel, its configuration and its process."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

import athena_lab
from athena_lab.stack.dropped import read_if_present, run_as, write_private
from athena_lab.stack.place import Place, base_environment, python
from athena_lab.stack.process import Process
from athena_lab.stack.readiness import answers_http

FIRST_NOTEBOOK = "notebooks/01_explore.ipynb"
KERNEL = "athena"
_NOTIFICATION = Path("@jupyterlab") / "apputils-extension" / "notification.jupyterlab-settings"


def prepare_lab(place: Place) -> str:
    """Write JupyterLab's configuration and the kernel, seed the workspace; give the server's new token."""
    token = secrets.token_urlsafe(24)
    configuration = configure(place, token)
    tours = find_tours()

    def prepare() -> str:
        folder = place.home.analyst
        for name in ("config", "data", "runtime", "settings", "workspaces", "labextensions"):
            (folder / "jupyter" / name).mkdir(parents=True, exist_ok=True)
        write_private(folder / "lab.token", f"{token}\n")
        write_private(folder / "jupyter" / "config" / "jupyter_server_config.json", json.dumps(configuration, indent=1))
        _write_default_settings(folder / "jupyter" / "settings" / _NOTIFICATION)
        _link_extension(folder / "jupyter" / "labextensions" / "athena-lab")
        seed(tours, place.workspace / "notebooks")
        return ""

    run_as(place.accounts.of("analyst"), prepare)
    return token


def prepare_kernel(place: Place) -> None:
    """Write the kernel's specification where `athena environment` and our own JupyterLab find it."""

    def prepare() -> str:
        _write_kernel(place.home.analyst / "jupyter" / "data" / "kernels" / KERNEL)
        return ""

    run_as(place.accounts.of("analyst"), prepare)


def configure(place: Place, token: str) -> dict[str, dict[str, Any]]:
    """Give jupyter_server_config.json; the token stands here, since a command line is everybody's to read."""
    return {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": place.ports["lab"],
            "port_retries": 0,
            "open_browser": False,
            "root_dir": str(place.workspace),
            "jpserver_extensions": {"athena_lab": True, "jupyterlab": True},
        },
        "IdentityProvider": {"token": token},
        "MultiKernelManager": {"default_kernel_name": KERNEL},
        "LabApp": {
            "extra_labextensions_path": [str(place.home.analyst / "jupyter" / "labextensions")],
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "news_url": None,
        },
    }


def lab(place: Place) -> Process:
    """Describe JupyterLab."""
    folder = place.home.analyst / "jupyter"
    own = base_environment(place, "analyst", place.home.analyst)
    own |= {
        "ATHENA_GATEWAY_URL": place.url("gateway"),
        "ATHENA_TOKEN_FILE": str(place.home.analyst / "token"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(place.home.analyst / "ipython"),
        "SHELL": "/bin/bash",
    }
    return Process(
        name="lab",
        argv=python("-m", "jupyterlab"),
        account=place.accounts.of("analyst"),
        directory=place.home.analyst,
        environment=own,
        is_ready=answers_http(place.ports["lab"], "/api"),
    )


def lab_url(place: Place) -> str:
    """Give the address of the first notebook, without the token."""
    has_tour = (place.workspace / FIRST_NOTEBOOK).exists()
    return f"{place.url('lab')}/lab/tree/{FIRST_NOTEBOOK}" if has_tour else f"{place.url('lab')}/lab"


def has_extension() -> bool:
    """Tell whether JupyterLab's side of Athena is built or installed."""
    return built_extension() is not None or (_shared_extension() / "package.json").exists()


def built_extension() -> Path | None:
    """Give the folder of the built extension beside this package (a clone), if there is one."""
    folder = Path(athena_lab.__file__).parent / "labextension"
    return folder if (folder / "package.json").exists() else None


def find_tours() -> Path | None:
    """Find the tours: beside the package in a clone, else where the wheel put them."""
    beside = Path(athena_lab.__file__).parent.parent / "notebooks"
    for folder in (beside, Path(sys.prefix) / "share" / "athena_lab" / "notebooks"):
        if folder.is_dir():
            return folder
    return None


def _shared_extension() -> Path:
    return Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "athena-lab"


def _write_kernel(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    specification = {
        "argv": [sys.executable, "-m", "athena_lab.kernel", "-f", "{connection_file}"],
        "display_name": "Athena (Python 3)",
        "language": "python",
        "metadata": {"debugger": True},
    }
    write_private(folder / "kernel.json", json.dumps(specification, indent=1))


def _write_default_settings(path: Path) -> None:
    """Ask nobody for news; the user's later choice stays."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps({"fetchNews": "false", "checkForUpdates": False}))


def _link_extension(link: Path) -> None:
    target = built_extension()
    if link.is_symlink():
        link.unlink()
    if target is not None:
        link.symlink_to(target)


def seed(tours: Path | None, folder: Path) -> None:
    """Copy the tours that the workspace lacks. One that the user never changed follows the project's.

    What was seeded is remembered by content, so that an edited tour is told from an old one.
    """
    if tours is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    memory = folder / ".seeded.json"
    seeded: dict[str, str] = json.loads(read_if_present(memory) or "{}")
    for source in sorted(tours.rglob("*")):
        if source.is_file() and not any(part.startswith(".") for part in source.relative_to(tours).parts):
            _seed_file(source, folder / source.relative_to(tours), seeded, str(source.relative_to(tours)))
    write_private(memory, json.dumps(seeded, sort_keys=True, indent=1))


def _seed_file(source: Path, target: Path, seeded: dict[str, str], name: str) -> None:
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    if target.exists():
        present = hashlib.sha256(target.read_bytes()).hexdigest()
        if present != seeded.get(name) or present == digest:
            return
    elif name in seeded:
        return  # the user deleted it
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    seeded[name] = digest

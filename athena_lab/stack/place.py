"""Where the stack of one start lives: its folders, users, ports and the environment of its processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

import athena_lab
from athena_lab.settings import Home
from athena_lab.stack.accounts import Accounts

_PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
_INDEX = "UV_"
"""What uv's settings begin with: which package index locks are made from and environments are installed from."""
_INDEX_CACHE = "UV_CACHE_DIR"
"""The caller's own cache, which no other user can write to: each user of an isolated stack has one at home."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller of `athena up` asked for."""

    is_celery: bool = False
    port: int | None = None
    has_lab: bool = True
    opens_browser: bool = False
    loads_sample: bool = False
    workspace: Path | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What every description of a process is built from."""

    home: Home
    accounts: Accounts
    sockets: Path
    workspace: Path
    ports: Mapping[str, int]
    environ: Mapping[str, str]

    @property
    def is_isolated(self) -> bool:
        return self.accounts.is_isolated

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"


def python(*words: str) -> tuple[str, ...]:
    """Give a Python command of this environment that does not import from its working directory."""
    return (sys.executable, "-P", *words)


def athena(*words: str) -> tuple[str, ...]:
    """Give an `athena` command of this environment."""
    return python("-m", "athena_lab.cli", *words)


def base_environment(place: Place, role: str, folder: Path) -> dict[str, str]:
    """Give the environment of a process of `role`: nothing of the caller's but language, zone,
    certificates and the package index."""
    environ = place.environ
    account = place.accounts.of(role)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
    own = {name: value for name, value in environ.items() if name in _PASSED_ON or name.startswith(_INDEX)}
    if place.is_isolated:
        own.pop(_INDEX_CACHE, None)
    own |= {
        "PATH": programs,
        "HOME": str(folder) if place.is_isolated else environ.get("HOME", str(folder)),
        "USER": account.name,
        "LOGNAME": account.name,
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "ATHENA_HOME": str(place.home.root),
        "ATHENA_STACK": str(place.home.root),
        "ATHENA_ISOLATED": "1" if place.is_isolated else "0",
    }
    own.setdefault("LANG", "C.UTF-8")
    if place.is_isolated and not Path(cache_from_source(_typical_module())).exists():
        # An environment that was installed without bytecode, which its other users cannot write there.
        own["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    return own


def _typical_module() -> str:
    """Name a module of the environment's site-packages whose bytecode tells whether they are compiled."""
    import pydantic  # noqa: PLC0415 (heavy: only `athena up` asks)

    return str(pydantic.__file__ or athena_lab.__file__)

"""A bundle's locked environment: what a lock may hold, and what is told of it.

A lock is pip's own format with hashes, one `name==version` and its `--hash` options a requirement. Nothing else is
allowed in it: no index, no address, no path and no option, because the worker installs it.
"""

from __future__ import annotations

import re

from athena_lab.errors import Fault
from athena_lab.gateway_api.bundles import EnvironmentKind, EnvironmentLock, EnvironmentSummary

MAX_LOCK_BYTES = 4 * 1024**2
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[A-Za-z0-9,._ -]+\])?=="
    r"(?P<version>[A-Za-z0-9][A-Za-z0-9._+!-]*)(?P<marker>\s*;[^\\@]*)?"
    r"(?P<hashes>(?:\s+--hash=sha256:[0-9a-f]{64})+)"
)
_UNREACHABLE = re.compile(
    r"error sending request|failed to fetch|dns error|connection refused|timed out|network connectivity"
    r"|could not connect|certificate",
    re.IGNORECASE,
)
_PYTHON = re.compile(r"3\.\d{1,2}")


def requirements_of(text: str) -> list[str]:
    """Give the requirements of a lock, one text each, without comments."""
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = (re.sub(r"(?:^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def pins_of(text: str) -> dict[str, str]:
    """Give the version of each package of a lock by its normal name (PEP 503)."""
    found = (_REQUIREMENT.fullmatch(item) for item in requirements_of(text))
    return {normal_name(match["name"]): match["version"] for match in found if match is not None}


def normal_name(name: str) -> str:
    """Give the name by which an index knows a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_unreachable(trouble: str) -> bool:
    """Tell whether uv failed because no index answered, by what it said."""
    return bool(_UNREACHABLE.search(trouble))


def without_secrets(trouble: str) -> str:
    """Take the credentials out of the addresses in what uv said."""
    return re.sub(r"//[^/@\s]+@", "//", trouble)


def lock_faults(lock: EnvironmentLock) -> tuple[Fault, ...]:
    """List what is wrong with a lock."""
    faults = []
    if not _PYTHON.fullmatch(lock.python):
        faults.append(_fault(lock.python, "it names no version of Python", "Lock it again"))
    if len(lock.requirements) > MAX_LOCK_BYTES:
        faults.append(_fault("environment.lock", f"it is longer than {MAX_LOCK_BYTES} bytes", "Lock fewer packages"))
        return tuple(faults)
    for item in requirements_of(lock.requirements):
        if _REQUIREMENT.fullmatch(item) is None:
            why = "it is no package with its version and hashes"
            faults.append(_fault(item[:80], why, "Lock it again; a local package belongs beside the notebook"))
    return tuple(faults[:20])


def summarise_lock(lock: EnvironmentLock) -> EnvironmentSummary:
    """Say what a lock holds."""
    return EnvironmentSummary(
        kind=EnvironmentKind.LOCK, python=lock.python, packages=len(requirements_of(lock.requirements))
    )


def _fault(what: str, why: str, todo: str) -> Fault:
    return Fault("lock", f"Cannot lock the environment with {what!r}: {why}. {todo}.")

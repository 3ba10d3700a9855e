"""Lock an environment with uv: what a live kernel has imported, or what the code's own metadata asks for."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib import metadata as installed
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from uv import find_uv_bin

from athena_lab.errors import Fault, InvalidError, UnreachableError
from athena_lab.gateway_api.bundles import Distribution, EnvironmentLock, KernelReport
from athena_lab.jobs.drafting.metadata import Metadata
from athena_lab.jobs.environment_lock import is_unreachable, normal_name, without_secrets

OWN = "athena-lab"
TIMEOUT_S = 240
_NOT_THE_KERNELS = frozenset(["jupyterlab", "jupyter-server", "uv"])
"""What Athena's own requirements hold for JupyterLab and not for the kernel of a run."""
_RULES = " \t\u00d7\u2570\u2500\u25b6\u2502"
"""What uv draws its messages with."""


def lock_environment(
    report: KernelReport, asked: Metadata, environ: Mapping[str, str] | None = None
) -> tuple[EnvironmentLock, tuple[str, ...]]:
    """Give the lock and what could not be locked, with what to do about it.

    Only wheels are locked: a worker never builds a package, because that would run its code as the worker. Raises
    InvalidError where the packages do not fit together, UnreachableError where no index answers.
    """
    python = _minor(report.python or "{}.{}".format(*sys.version_info))
    wanted, warnings = _wanted(report, asked, python)
    own = _own_requirements()
    fixed = {_name_of(item) for item in wanted}
    present = [item for item in _constraints() if _name_of(item) not in fixed]
    arguments = (python, os.environ if environ is None else environ)
    text, trouble = _compile([*wanted, *own], present, *arguments)
    if text is None:
        # What is installed here may not fit to what is asked for; the versions are free then.
        text, trouble = _compile([*wanted, *own], [], *arguments)
    if text is None:
        raise _refusal(trouble)
    return EnvironmentLock(python=python, requirements=text), tuple(warnings)


def _wanted(report: KernelReport, asked: Metadata, python: str) -> tuple[list[str], list[str]]:
    """Give the requirements: the code's own where it has some, else the versions that the kernel has imported."""
    if asked.is_given:
        _require_python(asked, python)
        return [_checked(item) for item in asked.dependencies], []
    if not report.distributions:
        why = "the kernel has not told what it has imported"
        todo = "Run the notebook in a kernel and try again, or take the platform's environment"
        raise InvalidError([Fault("environment", f"Cannot lock the environment: {why}. {todo}.")])
    pins, warnings = [], []
    for item in report.distributions:
        if normal_name(item.name) == OWN:
            continue
        if item.is_editable or item.direct_url:
            warnings.append(_of_no_index(item))
        else:
            pins.append(f"{item.name}=={item.version}")
    return pins, warnings


def _of_no_index(item: Distribution) -> str:
    if item.is_editable or (item.direct_url or "").startswith("file:"):
        what = "is installed from a folder of this machine" + (" (editable)" if item.is_editable else "")
        return f"'{item.name}' {what}, so it is not locked: publish it to the index, or put its code beside the file"
    return f"'{item.name}' comes from an address and no index, so it is not locked: publish it to the index"


def _require_python(asked: Metadata, python: str) -> None:
    try:
        is_fit = SpecifierSet(asked.requires_python).contains(f"{python}.99")
    except InvalidSpecifier as error:
        raise InvalidError([_fault("requires-python", f"'{asked.requires_python[:60]}' is no version")]) from error
    if not is_fit:
        why = f"it asks for Python {asked.requires_python}, and jobs run {python}"
        raise InvalidError([_fault("requires-python", why)])


def _checked(text: str) -> str:
    """Give a requirement that is a name with versions: nothing that is an address, a path or an option."""
    try:
        found = Requirement(text)
    except InvalidRequirement as error:
        raise InvalidError([_fault(text[:80], "it is no requirement")]) from error
    if found.url is not None:
        raise InvalidError([_fault(text[:80], "it comes from an address and no index")])
    return str(found)


def _fault(what: str, why: str) -> Fault:
    return Fault("environment", f"Cannot lock the environment for '{what}': {why}. Correct the block '# /// script'.")


def _own_requirements() -> list[str]:
    """Give what Athena's kernel itself needs in the environment of a run."""
    found = (Requirement(text) for text in installed.requires(OWN) or ())
    return [
        str(item)
        for item in found
        if normal_name(item.name) not in _NOT_THE_KERNELS
        and (item.marker is None or item.marker.evaluate({"extra": ""}))
    ]


def _constraints() -> Iterable[str]:
    """Give the versions that are installed here, which a lock keeps where it can."""
    versions = {normal_name(item.metadata["Name"]): item.version for item in installed.distributions()}
    return [f"{name}=={version}" for name, version in sorted(versions.items()) if name != OWN]


def _compile(
    wanted: Iterable[str], constraints: Iterable[str], python: str, environ: Mapping[str, str]
) -> tuple[str | None, str]:
    """Resolve with uv; give the lock's text, or None and why."""
    with tempfile.TemporaryDirectory() as folder:
        limits = Path(folder, "constraints.txt")
        limits.write_text("".join(f"{item}\n" for item in constraints))
        command = [
            find_uv_bin(), "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate",
            "--no-build", "--no-progress", "--python-version", python,
            "--constraints", str(limits), "-",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command,
                input="".join(f"{item}\n" for item in wanted),
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_S,
                cwd=folder,
                env={**environ, "NO_COLOR": "1"},
            )
        except subprocess.TimeoutExpired:
            return None, f"uv took longer than {TIMEOUT_S} s"
    return (done.stdout, "") if done.returncode == 0 else (None, done.stderr)


def _refusal(trouble: str) -> InvalidError | UnreachableError:
    lines = [line.strip(_RULES) for line in trouble.splitlines() if line.strip()]
    told = without_secrets(" ".join(lines))[:400] or "uv said nothing"
    if is_unreachable(trouble):
        return UnreachableError(
            f"Cannot lock the environment: the package index does not answer ({told}). "
            "Check UV_DEFAULT_INDEX, or take the platform's environment."
        )
    todo = "Change the versions, or take the platform's environment"
    return InvalidError([Fault("environment", f"Cannot lock the environment: {told.rstrip('.')}. {todo}.")])


def _name_of(requirement: str) -> str:
    return normal_name(Requirement(requirement).name)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])

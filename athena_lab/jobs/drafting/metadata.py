"""Script metadata in the code itself (PEP 723): which Python and which packages it asks for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass

from athena_lab.errors import Fault, InvalidError
from athena_lab.gateway_api.bundles import EnvironmentKind

# The pattern of https://peps.python.org/pep-0723/#reference-implementation
_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the code asks for; `requires_python` "" and no `dependencies` where it says nothing."""

    dependencies: tuple[str, ...] = ()
    requires_python: str = ""
    is_given: bool = False


def metadata_of(sources: Iterable[str]) -> Metadata:
    """Read the first block of a notebook's or script's code; raise InvalidError where it is broken."""
    for source in sources:
        blocks = [match for match in _BLOCK.finditer(source + "\n") if match["type"] == "script"]
        if len(blocks) > 1:
            raise _refusal("there are two of them", "Keep one")
        if blocks:
            return _read(blocks[0]["content"])
    return Metadata()


def without_reason(metadata: Metadata, kind: EnvironmentKind) -> tuple[str, ...]:
    """Warn where the code asks for packages and the user chose the platform's own."""
    if kind is EnvironmentKind.PLATFORM and metadata.is_given:
        return ("the code names its packages (# /// script), but the job runs in the platform's environment",)
    return ()


def _read(content: str) -> Metadata:
    text = "".join(line[2:] if line.startswith("# ") else line[1:] for line in content.splitlines(keepends=True))
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _refusal(f"it is no TOML ({error})", "Correct it") from error
    dependencies, python = found.get("dependencies", []), found.get("requires-python", "")
    if not isinstance(dependencies, list) or not all(isinstance(item, str) for item in dependencies):
        raise _refusal("its dependencies are no list of texts", "Write dependencies = ['pandas>=2']")
    if not isinstance(python, str):
        raise _refusal("its requires-python is no text", "Write requires-python = '>=3.11'")
    return Metadata(tuple(dependencies), python, is_given=True)


def _refusal(why: str, todo: str) -> InvalidError:
    return InvalidError([Fault("environment", f"Cannot read the block '# /// script': {why}. {todo}.")])

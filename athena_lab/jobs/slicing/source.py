"""Turn a cell's text into Python's syntax tree; IPython's own lines become calls that remember what they said."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

MAGIC_CALL = "__athena_magic__"
PYTHON_BODIES = frozenset({"time", "timeit", "capture", "prun", "debug", "px", "mprun", "memit", "scalene"})
"""Cell magics whose body is Python."""
_NAMES = r"(?P<targets>[A-Za-z_][\w.,\s\[\]'\"]*?=(?!=)\s*)?"
_MAGIC = re.compile(rf"(?P<indent>\s*){_NAMES}%(?P<name>[A-Za-z_]\w*)(?:\s+(?P<text>.*))?$", re.DOTALL)
_SHELL = re.compile(rf"(?P<indent>\s*){_NAMES}!(?P<text>.*)$", re.DOTALL)
_HELP = re.compile(r"(?P<indent>\s*)(?:\?{1,2}.*|[%\w.*]+\?{1,2})\s*$")


@dataclass(frozen=True, slots=True)
class Magic:
    """One use of a magic: its name ("!" for a shell command), its line, and the body of a cell magic."""

    name: str
    line: str
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A cell: its tree (None where it does not parse), its magics in order, and its cell magic if it begins with one.

    `text` is the text that was parsed, for whoever must guess where there is no tree.
    """

    text: str
    tree: ast.Module | None
    magics: tuple[Magic, ...] = ()
    cell_magic: Magic | None = None


def read_source(text: str) -> Source:
    """Read a cell's text; never raises and executes nothing."""
    stripped = text.lstrip("\n\r\t ")
    if not stripped.startswith("%%"):
        return _parse(text, None)
    first, _, body = stripped.partition("\n")
    name, _, line = first[2:].strip().partition(" ")
    magic = Magic("!" if first.startswith("%%!") else name, line.strip(), body)
    if name == "capture" or name in PYTHON_BODIES:
        # `%%time` and its like may stand above one another.
        inner = read_source(body)
        code = f"{line.strip()}\n" if name in ("time", "timeit") and _is_statement(line) else ""
        own = _parse(code + body, magic) if inner.cell_magic is None else inner
        return Source(own.text, own.tree, own.magics, magic if inner.cell_magic is None else inner.cell_magic)
    return Source(body, None, (), magic)


def _is_statement(line: str) -> bool:
    return bool(line.strip()) and not line.strip().startswith("-")


def _parse(text: str, cell_magic: Magic | None) -> Source:
    """Parse, replacing the lines that are IPython's where the parser stumbles over them.

    Starting from the parser's own complaint leaves strings and operators at a line's start alone.
    """
    lines, magics = text.splitlines(), list[Magic]()
    for _ in range(len(lines) + 1):
        try:
            return Source(text, _tree("\n".join(lines)), tuple(magics), cell_magic)
        except SyntaxError as error:
            at = _stumble(lines, (error.lineno or 1) - 1)
            if at is None:
                break
            magic = _replace(lines, at, len(magics))
            magics += [magic] if magic else []
        except (ValueError, RecursionError, MemoryError):
            break
    return Source("\n".join(lines), None, tuple(magics), cell_magic)


def _tree(text: str) -> ast.Module:
    return ast.parse(text + "\n")


def _is_special(line: str) -> bool:
    return bool(_MAGIC.match(line) or _SHELL.match(line) or _HELP.match(line))


def _stumble(lines: list[str], at: int) -> int | None:
    if at < len(lines) and _is_special(lines[at]):
        return at
    return next((index for index, line in enumerate(lines) if _is_special(line) and MAGIC_CALL not in line), None)


def _replace(lines: list[str], at: int, number: int) -> Magic | None:
    """Put a call in the place of the line at `at` (and of the lines that continue it)."""
    whole, end = lines[at], at
    while whole.endswith("\\") and end + 1 < len(lines):
        end += 1
        whole = whole[:-1] + lines[end]
        lines[end] = ""
    found = _SHELL.match(whole) or _MAGIC.match(whole)
    if found is None or _HELP.match(whole):
        lines[at] = f"{(_HELP.match(whole) or found)['indent'] if (_HELP.match(whole) or found) else ''}pass"  # type: ignore[index]
        return None
    name = "!" if found.re is _SHELL else found["name"]
    lines[at] = f"{found['indent']}{found['targets'] or ''}{MAGIC_CALL}({number})"
    return Magic(name, (found["text"] or "").strip())

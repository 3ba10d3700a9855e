"""Which files the code reads by a path that is written in it: `open("x.csv")`, `pd.read_csv(FOLDER / "x")`, `!cat x`.

Nothing is run. A path is any text that a call gets whole: a literal, a name that is given only literals, parts that
are joined. What the code writes itself is not taken along.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from athena_lab.jobs.slicing.source import Magic, read_source

_WRITERS = re.compile(
    r"to_|save|dump|write|mkdir|makedirs|remove|unlink|rmdir|rmtree|rename|imsave|export|getenv|import_module"
)
_PATHS = frozenset(["Path", "PurePath", "PosixPath", "PurePosixPath"])
_JOINS = frozenset(["join", "joinpath"])
_GLOBS = frozenset(["glob", "iglob", "rglob"])
_MOST_TEXTS = 20
_MOST_OF_A_NAME = 200
"""Texts of one name; no draft has more files."""
_MOST_NAMES = 10
"""Names that are followed one through another."""
_DEEPEST = 10
_LONGEST = 240
"""Characters of a path: what is longer is none, nor becomes one by joining."""
Constants = Mapping[str, Sequence[ast.expr]]
_SHELLS = ("!", "sh", "bash", "script", "sx", "system")


@dataclass(slots=True)
class Found:
    """Paths that are read, patterns of which files are listed, and paths that are written."""

    reads: dict[str, None] = field(default_factory=dict)
    patterns: dict[str, None] = field(default_factory=dict)
    writes: set[str] = field(default_factory=set)

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that are read and not written."""
        return tuple(path for path in self.reads if path not in self.writes)


def files_of_cells(sources: Iterable[str]) -> Found:
    """Find the paths in cells; lines of IPython's own (`!cat x`, `%run x.py`) count."""
    read = [read_source(source) for source in sources]
    names = _constants(tree for item in read if (tree := item.tree) is not None)
    found = Found()
    reader = _Reader(names, found)
    for item in read:
        for magic in (*item.magics, *([item.cell_magic] if item.cell_magic else [])):
            _read_magic(magic, found)
        if item.tree is not None:
            reader.visit(item.tree)
    return found


def _constants(trees: Iterable[ast.Module]) -> Constants:
    """Give what each name is assigned, wherever that stands."""
    given: dict[str, list[ast.expr]] = {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                given.setdefault(target.id, []).append(node.value)
    return given


class _Reader(ast.NodeVisitor):
    """Looks at each call: what it is called and which whole texts it gets.

    What a name may be is found once: a notebook that gives one name in each of its cells costs no more than its cells.
    """

    def __init__(self, names: Constants, found: Found) -> None:
        self._names, self._found = names, found
        self._known: dict[str, tuple[str, ...]] = {}
        self._following: set[str] = set()
        self._path_names: dict[str, bool] = {}

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        name = _last_name(node.func)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        given = [text for argument in arguments for text in self._texts(argument)]
        on_path = self._texts(owner) if owner is not None and self._is_path(owner) else ()
        if name in _GLOBS:
            folders = on_path or ("",)
            deep = "**/" if name == "rglob" else ""
            self._found.patterns |= dict.fromkeys(
                f"{folder}/{deep}{text}".lstrip("/") for folder in folders for text in given
            )
        elif name in _PATHS or name in _JOINS:
            return
        elif _WRITERS.match(name) or (name == "open" and _writes(node, is_method=bool(on_path))):
            self._found.writes |= {_normal(text) for text in (*on_path, *given)}
        else:
            self._found.reads |= dict.fromkeys(_normal(text) for text in (*on_path, *given) if _is_likely(text))

    def _texts(self, node: ast.expr | None, depth: int = 0) -> tuple[str, ...]:
        """Give the texts that an expression may be, none where that is not told by the code alone."""
        if node is None or depth > _DEEPEST:
            return ()
        if isinstance(node, ast.Constant):
            return (node.value,) if isinstance(node.value, str) else ()
        if isinstance(node, ast.Name):
            return self._of_name(node.id)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, "", depth)
        if isinstance(node, ast.FormattedValue):
            return self._texts(node.value, depth + 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Div):
            return self._joined([node.left, node.right], "/" if isinstance(node.op, ast.Div) else "", depth)
        if isinstance(node, ast.Call) and _last_name(node.func) in (*_PATHS, *_JOINS):
            own = [node.func.value] if _last_name(node.func) == "joinpath" else []  # type: ignore[attr-defined]
            return self._joined([*own, *node.args], "/", depth)
        if isinstance(node, ast.List | ast.Tuple):
            return tuple(text for item in node.elts for text in self._texts(item, depth + 1))
        return ()

    def _of_name(self, name: str) -> tuple[str, ...]:
        """Give the texts that a name may be; what it is made of itself (a path that grows in a loop) is not told."""
        if name in self._known:
            return self._known[name]
        if name in self._following or len(self._following) >= _MOST_NAMES:
            return ()
        self._following.add(name)
        given = (text for value in self._names.get(name, ()) for text in self._texts(value))
        found = tuple(islice(dict.fromkeys(given), _MOST_OF_A_NAME))
        self._following.discard(name)
        self._known[name] = found
        return found

    def _is_path(self, node: ast.expr) -> bool:
        """Tell whether an expression is a path object of pathlib."""
        if not isinstance(node, ast.Name):
            return _makes_path(node)
        if node.id not in self._path_names:
            self._path_names[node.id] = any(map(_makes_path, self._names.get(node.id, ())))
        return self._path_names[node.id]

    def _joined(self, parts: list[ast.expr], mark: str, depth: int) -> tuple[str, ...]:
        options = [self._texts(part, depth + 1) for part in parts]
        if sum(1 for _ in zip(range(_MOST_TEXTS + 1), product(*options), strict=False)) > _MOST_TEXTS:
            return ()
        joined = (mark.join(choice) for choice in product(*options))
        return tuple(text for text in joined if len(text) <= _LONGEST)


def _makes_path(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Div)
    return isinstance(node, ast.Call) and _last_name(node.func) in (*_PATHS, "joinpath")


def _last_name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _writes(node: ast.Call, *, is_method: bool) -> bool:
    """Tell whether `open` opens for writing; the mode comes second, or first of a path's own method."""
    named: Any = next((item.value for item in node.keywords if item.arg == "mode"), None)
    position = 0 if is_method else 1
    mode = named if named is not None else node.args[position] if len(node.args) > position else None
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and bool(set(mode.value) & set("wxa"))


def _is_likely(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and "\n" not in text and "://" not in text and not text.isspace()


def _normal(text: str) -> str:
    return text.removeprefix("./")


def _read_magic(magic: Magic, found: Found) -> None:
    """Take the words of a command that may be files; `%%writefile` makes its own."""
    if magic.name == "writefile":
        found.writes |= set(magic.line.split()[-1:])
        return
    if magic.name in ("run", "load", "loadpy"):
        found.reads |= dict.fromkeys(_normal(word) for word in _words(magic.line))
    elif magic.name in _SHELLS:
        for line in (magic.line, *(magic.body or "").splitlines()):
            found.writes |= {_normal(word) for word in re.findall(r">>?\s*([^\s;|&]+)", line)}
            found.reads |= dict.fromkeys(_normal(word) for word in _words(line) if _is_likely(word))


def _words(line: str) -> Iterator[str]:
    try:
        yield from (word for word in shlex.split(line) if not word.startswith("-"))
    except ValueError:
        return

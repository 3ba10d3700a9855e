"""Read a notebook's cells one after another: each cell's effects, with objects traced back to names."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from athena_lab.jobs.slicing.effects import Effects
from athena_lab.jobs.slicing.magics import Magics
from athena_lab.jobs.slicing.source import PYTHON_BODIES, Source, read_source
from athena_lab.jobs.slicing.values import Kind, TooMuchError, Value

MOST_WORK = 6_000_000
"""Steps for a whole notebook, a few seconds; whatever is left then is kept unread."""
MOST_WORK_A_CELL = 2_000_000
_WORD = re.compile(r"[^\W\d]\w*")
_BINDING = re.compile(
    r"^\s*(?:(?:async\s+)?def|class|type)\s+(\w+)|^\s*(\w+)\s*(?::[^=]*)?[-+*/|&]?=(?!=)", re.MULTILINE
)
_HISTORY = re.compile(r"(?<![\w.])(?:Out\[|In\[|_\d+\b|_i+\b|_oh\b|_ih\b)")


@dataclass(slots=True)
class ReadCell:
    """A cell's effects: `writes` and `doubts` hold names whose objects it changes too."""

    effects: Effects
    uses: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    doubts: dict[str, str] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    """What it imports of libraries that are not known: the bound name and the module."""
    is_unread: bool = False
    """It was too much to follow: it may need and change anything, so it is kept whatever is needed."""


class Reader:
    """Reads cells in the order in which they run."""

    def __init__(self) -> None:
        self._machine = Magics()
        self._work_left = MOST_WORK
        self._opaque: set[str] = set()
        self._is_all_opaque = False

    def read(self, text: str) -> ReadCell:
        """Read the next cell."""
        words = set(_WORD.findall(text))
        if self._work_left <= 0 or words & self._opaque:
            return self._leave_unread(text, words)
        heap = self._machine.heap
        self._is_all_opaque = False
        heap.work, heap.most_work = 0, min(self._work_left, MOST_WORK_A_CELL)
        try:
            return self._read(text)
        except (TooMuchError, RecursionError):
            return self._leave_unread(text, words)
        finally:
            self._work_left -= heap.work

    def _leave_unread(self, text: str, words: set[str]) -> ReadCell:
        """Keep a cell that is too much to follow; so are those that use what it makes."""
        # It may have let any object hold any other, so nothing that can be changed is told apart from then on.
        bound = _bound_in(text) & words
        self._opaque |= bound
        if not self._is_all_opaque:
            names = self._machine.globals.names.items()
            self._opaque |= {name for name, value in names if value.kind not in (Kind.PLAIN, Kind.MODULE)}
            self._is_all_opaque = True
        self._machine.scope = self._machine.globals
        self._machine.running.clear()
        effects = Effects()
        effects.use("*")
        effects.keeps.append("it is too much to follow")
        effects.note("it is too much to follow, so it is kept with all cells before it")
        return ReadCell(effects, uses={"*"}, writes={"*", *bound}, is_unread=True)

    def _read(self, text: str) -> ReadCell:
        machine, source = self._machine, read_source(text)
        machine.effects = Effects()
        machine.magics = source.magics
        machine.steps = 0
        machine.touched = set()
        machine.returned = []
        machine.unknown_imports = {}
        machine.scope = machine.globals
        self._run(source)
        if _HISTORY.search(text):
            machine.effects.use("*")
            machine.effects.use("history:")
            machine.effects.note("it uses numbered inputs or outputs, which a slice numbers anew")
        return self._finish()

    def _run(self, source: Source) -> None:
        machine, magic = self._machine, source.cell_magic
        if magic is not None and magic.name not in PYTHON_BODIES:
            machine.do_magic(magic)
            return
        if source.tree is None:
            _guess(machine, source.text)
            return
        body = source.tree.body
        if magic is not None:
            machine._use_inserted(magic.line)  # noqa: SLF001 (a part of the same reading)
        if magic is not None and magic.name == "timeit":
            machine.time_body(body)
        else:
            machine.run_body(body)
        if magic is not None and magic.name == "capture":
            for word in magic.line.split():
                if word.isidentifier():
                    machine.bind(word, Value())
        _note_output(machine, body)

    def _finish(self) -> ReadCell:
        machine, effects = self._machine, self._machine.effects
        certain, doubtful = self._names_of(effects)
        return ReadCell(
            effects=effects,
            uses=set(effects.uses),
            writes=effects.writes | certain | {"history:"},
            replaced=set(effects.replaced),
            doubts=doubtful | effects.doubtful_writes,
            imports=dict(machine.unknown_imports),
        )

    def _names_of(self, effects: Effects) -> tuple[set[str], dict[str, str]]:
        """Give the names through which a change is seen."""
        if not effects.changed and not effects.doubtful:
            return set(), {}
        heap, certain = self._machine.heap, set()
        seen_certain = heap.holders(effects.changed)
        seen_doubtful = {number: why for start, why in effects.doubtful.items() for number in heap.holders({start})}
        doubtful: dict[str, str] = {}
        heap.spend(len(self._machine.globals.names) // 10)
        for name, value in self._machine.globals.names.items():
            if not value.own.isdisjoint(seen_certain):
                certain.add(name)
            elif not seen_doubtful.keys().isdisjoint(value.own):
                why = next((seen_doubtful[number] for number in sorted(value.own) if number in seen_doubtful), None)
                if why is not None:
                    doubtful[name] = why
        return certain, doubtful


def _bound_in(text: str) -> set[str]:
    """Name whatever a cell binds anywhere, by its tree, or by its lines where it has none."""
    tree = read_source(text).tree
    if tree is None:
        return {name for pair in _BINDING.findall(text) for name in pair if name}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
    return found


def _note_output(machine: Magics, body: list[ast.stmt]) -> None:
    """IPython keeps what a cell's last expression gives as `_`."""
    if body and isinstance(body[-1], ast.Expr):
        plain = isinstance(
            body[-1].value, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp | ast.Compare | ast.Constant
        )
        machine.effects.write("output:", replaces=plain)


def _guess(machine: Magics, text: str) -> None:
    """Read a cell that does not parse by its words."""
    effects = machine.effects
    effects.note("it does not parse, so it was read by its words")
    for found in _WORD.findall(text):
        if found in machine.globals.names:
            value = machine.load(found)
            machine.change_value(value, "it does not parse")
    for one, other in _BINDING.findall(text):
        name = one or other
        machine.globals.names[name] = Value() if name not in machine.globals.names else machine.globals.names[name]
        effects.write(name)

"""Read a notebook's cells one after another: each cell's effects, with objects traced back to names."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from athena_lab.jobs.slicing.effects import Effects
from athena_lab.jobs.slicing.magics import Magics
from athena_lab.jobs.slicing.source import PYTHON_BODIES, Source, read_source
from athena_lab.jobs.slicing.values import Value

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


class Reader:
    """Reads cells in the order in which they run."""

    def __init__(self) -> None:
        self._machine = Magics()

    def read(self, text: str) -> ReadCell:
        """Read the next cell."""
        machine, source = self._machine, read_source(text)
        machine.effects = Effects()
        machine.magics = source.magics
        machine.steps = 0
        machine.touched = set()
        machine.returned = []
        machine.unknown_imports = {}
        machine.scope = machine.globals
        try:
            self._run(source)
        except RecursionError:
            machine.scope = machine.globals
            machine.running.clear()
            _guess(machine, source.text)
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
        for name, value in self._machine.globals.names.items():
            if value.own & seen_certain:
                certain.add(name)
            else:
                why = next((seen_doubtful[number] for number in sorted(value.own) if number in seen_doubtful), None)
                if why is not None:
                    doubtful[name] = why
        return certain, doubtful


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

"""The state of reading a notebook: names and objects so far, and the effects of the present cell."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from athena_lab.jobs.slicing.effects import Effects
from athena_lab.jobs.slicing.knowledge import BUILTINS, KNOWN_MODULES, QUIET_LIBRARIES
from athena_lab.jobs.slicing.source import Magic
from athena_lab.jobs.slicing.values import Heap, Kind, Value, join, without_constant


class Scope:
    """Names of the notebook, of one call of a function, of a class body or of a comprehension."""

    def __init__(self, parent: Scope | None = None, *, is_class: bool = False) -> None:
        self.parent = parent
        self.names: dict[str, Value] = {}
        self.is_class = is_class
        self.global_names: set[str] = set()
        self.nonlocal_names: set[str] = set()
        self.is_comprehension = False
        self.self_value: Value | None = None


@dataclass(slots=True)
class Arguments:
    """The evaluated arguments of a call."""

    positional: list[Value] = field(default_factory=list)
    named: dict[str, Value] = field(default_factory=dict)
    has_unknown: bool = False
    unknown: Value | None = None
    """What arguments that are not told apart may be (`*rest`, a callback's)."""

    @property
    def all(self) -> list[Value]:
        """Every argument."""
        return [*self.positional, *self.named.values()]

    def get(self, position: int, *names: str) -> Value | None:
        """Give an argument by place or by one of its names."""
        found = next((self.named[name] for name in names if name in self.named), None)
        return found if found is not None or position >= len(self.positional) else self.positional[position]


class State(ABC):
    """Names, objects and effects; its heirs read expressions, calls and statements."""

    def __init__(self) -> None:
        self.heap = Heap()
        self.globals = Scope()
        self.scope = self.globals
        self.effects = Effects()
        self.magics: Sequence[Magic] = ()
        self.closure_of: int | None = None
        self.running: list[int] = []
        self.touched: set[tuple[int, bool]] = set()
        self.returned: list[Value] = []
        self.steps = 0
        self.using_up: set[int] = set()
        self.unknown_imports: dict[str, str] = {}
        self.discarded: ast.expr | None = None
        self.known_modules = KNOWN_MODULES

    # -- what the heirs do

    @abstractmethod
    def evaluate(self, node: ast.expr | None) -> Value:
        """Read an expression: note what it needs and does, and give what it may be."""

    @abstractmethod
    def call_function(self, number: int, arguments: Arguments) -> Value:
        """Read a call of one of the notebook's functions."""

    @abstractmethod
    def assign(self, target: ast.expr, value: Value) -> None:
        """Bind a target."""

    @abstractmethod
    def do_magic(self, magic: Magic) -> Value:
        """Read a use of a magic."""

    @abstractmethod
    def touch(self, value: Value, *, is_shown: bool = False) -> None:
        """Use a value in a way that may call its special methods, or, where it is only shown, those that show it."""

    @abstractmethod
    def call_value(self, function: Value, arguments: Arguments, text: str) -> Value:
        """Read the call of a value."""

    # -- names

    def load(self, name: str) -> Value:
        """Give a name's value; note that the cell needs it where it comes from outside."""
        scope: Scope | None = self.scope
        while scope is not None and scope is not self.globals:
            is_visible = not scope.is_class or scope is self.scope
            if is_visible and name in scope.names and name not in scope.global_names:
                return scope.names[name]
            scope = scope.parent
        if name in self.globals.names:
            self.effects.use(name)
            value = self.globals.names[name]
            for number in value.own:
                if number in self.heap.modules:
                    self.effects.use(f"module:{self.heap.modules[number]}")
            if value.kind is not Kind.PLAIN and self._is_of_library(value):
                self.effects.use("module:warnings")
            return without_constant(value) if value.own & self.heap.altered else value
        if name in BUILTINS:
            self.effects.use(name)
            return Value(kind=Kind.CALLABLE, path=f"builtins.{name}")
        if name not in ("_", "__", "___"):
            self.effects.use(name)
        else:
            self.effects.use("output:")
        return Value()

    def _is_of_library(self, value: Value) -> bool:
        """Tell whether a library that may warn made the value."""
        near = value.own.union(*(self.heap.holds.get(number, ()) for number in value.own))
        return any(self.heap.modules[number] in QUIET_LIBRARIES for number in near if number in self.heap.modules)

    def bind(self, name: str, value: Value) -> None:
        """Bind a name in the present scope."""
        if self.scope is self.globals:
            self.globals.names[name] = value
            self.effects.write(name, replaces=True)
        elif name in self.scope.global_names:
            old = self.globals.names.get(name)
            self.globals.names[name] = value if old is None else join((old, value))
            self.effects.write(name)
        elif name in self.scope.nonlocal_names:
            self._bind_nonlocal(name, value)
        else:
            self.scope.names[name] = value

    def _bind_nonlocal(self, name: str, value: Value) -> None:
        scope = self.scope.parent
        while scope is not None and name not in scope.names:
            scope = scope.parent
        if scope is not None:
            scope.names[name] = join((scope.names[name], value))
        if self.closure_of is not None:
            self.change([self.closure_of])

    # -- objects

    def fresh(self, kind: Kind, holding: Iterable[int] = ()) -> Value:
        """Make a new object."""
        return Value(frozenset({self.heap.new(holding)}), kind)

    def change(self, own: Iterable[int], why: str = "") -> None:
        """Note that objects are changed, or, with a reason, may be."""
        own = set(own)
        self.heap.altered |= own
        for number in own:
            if why and number not in self.effects.changed:
                self.effects.doubtful.setdefault(number, why)
            elif not why:
                self.effects.changed.add(number)
                if number in self.heap.modules:
                    self.effects.write(f"module:{self.heap.modules[number]}")
            for held in self.heap.reach([number]) if self.heap.files else ():
                if held in self.heap.files:
                    self.effects.write(self.heap.files[held])

    def change_value(self, value: Value, why: str = "") -> None:
        """Note that what a value may be is changed; of arrays and the like their content too."""
        if value.kind is Kind.PLAIN:
            return
        own = set(value.own)
        if value.kind not in (Kind.BOX, Kind.CALLABLE):
            own |= {number for number in self.heap.contents(value.own) if number not in self.heap.modules}
        self.change(own, why)

    def modules_behind(self, value: Value) -> set[int]:
        """Give the modules whose state a value may depend on."""
        return {number for number in self.heap.reach(value.own) if number in self.heap.modules}

    def consume(self, value: Value) -> None:
        """Note that an iterator is used up."""
        if value.kind is Kind.ITERATOR:
            self.change(value.own)
            for number in sorted(self.heap.reach(value.own) & self.heap.lazy.keys()):
                self._use_up(number)

    def _use_up(self, number: int) -> None:
        """Do what a lazy iterator does, unless it is being done."""
        if number not in self.using_up:
            self.using_up.add(number)
            self.heap.lazy[number]()
            self.using_up.discard(number)

    def draw_random(self, source: str) -> None:
        """Take from a generator of random numbers that all share."""
        self.effects.use(f"random:{source}")
        self.effects.write(f"random:{source}")

    def own_namespace(self, path: str, arguments: Arguments) -> Value:
        """Read `globals().get("name")` and its like."""
        first = arguments.get(0)
        if path == "__main__.get" and first is not None and first.text is not None:
            return self.load(first.text)
        self.effects.use("*")
        if path.endswith((".update", ".pop", ".clear", ".setdefault", ".__setitem__")):
            self.effects.doubt("*", "what it binds by globals() is not known")
        return Value()

    # -- branches

    def alternatives(self, *runs: Callable[[], bool]) -> None:
        """Read what happens only one of several ways; each run tells whether it ends by raising or returning.

        Afterwards names may have the value of any way; only what all ways bind anew is bound anew.
        """
        names, replaced = self.scope.names, self.effects.replaced
        ends: list[tuple[dict[str, Value], set[str]]] = []
        for run in runs:
            self._enter(dict(names), set(replaced))
            if not run():
                ends.append((self.scope.names, self.effects.replaced))
        if not ends:
            ends = [(self.scope.names, self.effects.replaced)]
        merged = ends[0][0]
        for other, _ in ends[1:]:
            merged = _merge(merged, other)
        self._enter(merged, set.intersection(*(found for _, found in ends)))

    def maybe(self, run: Callable[[], object]) -> None:
        """Read what may not happen."""

        def running() -> bool:
            run()
            return False

        self.alternatives(running, lambda: False)

    def _enter(self, names: dict[str, Value], replaced: set[str]) -> None:
        self.scope.names = names
        self.effects.replaced = replaced


def _merge(one: dict[str, Value], other: dict[str, Value]) -> dict[str, Value]:
    merged = dict(one)
    for name, value in other.items():
        if name not in merged:
            merged[name] = value
        elif merged[name] is not value:
            merged[name] = join((merged[name], value))
    return merged

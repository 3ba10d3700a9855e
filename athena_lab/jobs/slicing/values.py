"""What is known of a value without running anything: which objects it may be, and what those hold."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

NO_CONSTANT: Any = object()
"""Stands where a value's text or number is not known."""


_NONE: set[int] = set()
UNKNOWN_PART = "\x00"
"""Stands within a known text for a part that is not known."""


class Kind(StrEnum):
    """What a value is, as far as it decides which calls can change it."""

    UNKNOWN = "unknown"
    PLAIN = "plain"
    """A number, text, date, …: nothing can change it."""
    BOX = "box"
    """A list, dict or set: only its well-known methods change it."""
    DATA = "data"
    """A frame, an array, …: only well-known methods change it; parts of it may be views."""
    ITERATOR = "iterator"
    """Whatever is used up by being used: a generator, an open file, a random generator."""
    CALLABLE = "callable"
    MODULE = "module"
    """A module or something of a library; `path` says which."""


@dataclass(frozen=True, slots=True)
class Value:
    """What an expression may give: the objects (by number), their kind, a constant, a library's dotted path."""

    own: frozenset[int] = frozenset()
    kind: Kind = Kind.UNKNOWN
    constant: Any = NO_CONSTANT
    path: str = ""

    @property
    def text(self) -> str | None:
        """The constant, if it is text."""
        return self.constant if isinstance(self.constant, str) else None


PLAIN = Value(kind=Kind.PLAIN)


@dataclass(slots=True, eq=False)
class Function:
    """A function, lambda or method of the notebook, with the scope that it was made in."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Any
    number: int
    defaults: dict[str, Value] = field(default_factory=dict)
    may_end_early: bool = False
    is_generator: bool = False


@dataclass(slots=True, eq=False)
class Class:
    """A class of the notebook; its methods lie in `names`, its bases' numbers in `bases`."""

    name: str
    number: int
    names: dict[str, Value]
    bases: frozenset[int] = frozenset()
    library_bases: tuple[str, ...] = ()
    metaclasses: frozenset[int] = frozenset()


@dataclass(slots=True, eq=False)
class Bound:
    """A callable with arguments that it has already: a method of an object, a partial."""

    function: Value
    positional: list[Value]
    named: dict[str, Value] = field(default_factory=dict)


class TooMuchError(Exception):
    """Following a cell takes more than it may; whoever reads the cell keeps it unread."""


class Heap:
    """All objects of the notebook: what each may hold, and what is known of the special ones.

    It only grows: an object that once may have held another may hold it ever after.
    """

    def __init__(self) -> None:
        self.holds: defaultdict[int, set[int]] = defaultdict(set)
        self._held_by: defaultdict[int, set[int]] = defaultdict(set)
        self.fields: dict[tuple[int, str], Value] = {}
        self.functions: dict[int, Function] = {}
        self.classes: dict[int, Class] = {}
        self.class_of: dict[int, int] = {}
        self.files: dict[int, str] = {}
        self.bound: dict[int, Bound] = {}
        self.methods: dict[int, tuple[Value, str]] = {}
        """Methods of other objects that were taken as values (`seen.append`)."""
        self.properties: set[int] = set()
        self.static: set[int] = set()
        self.of_class: set[int] = set()
        """Class methods."""
        self.altered: set[int] = set()
        """Objects that were changed, so that what a literal said of them no longer holds."""
        self.lazy: dict[int, Callable[[], object]] = {}
        """What is done only when an iterator is used up."""
        self.modules: dict[int, str] = {}
        self._modules: dict[str, int] = {}
        self._inner: dict[int, int] = {}
        self._next = 0
        self.work = 0
        """Steps since the present cell began; a walk through objects counts each of their links."""
        self.most_work = 0

    def spend(self, steps: int) -> None:
        """Count steps; raise TooMuchError beyond `most_work`, if that is set."""
        self.work += steps
        if 0 < self.most_work < self.work:
            raise TooMuchError

    def new(self, holding: Iterable[int] = ()) -> int:
        """Make an object that holds others."""
        self._next += 1
        self.hold(self._next, holding)
        return self._next

    def hold(self, number: int, held: Iterable[int]) -> None:
        """Let an object hold others."""
        held = held if isinstance(held, frozenset | set) else set(held)
        self.spend(len(held) + 1)
        new = held - self.holds[number] - {number}
        self.holds[number] |= new
        for item in new:
            self._held_by[item].add(number)

    def is_callable(self, number: int) -> bool:
        """Tell whether an object is a function, a class or a method."""
        return number in self.functions or number in self.bound or number in self.classes or number in self.methods

    def module(self, name: str) -> int:
        """Give the object that stands for a module's state."""
        if name not in self._modules:
            self._modules[name] = self.new()
            self.modules[self._modules[name]] = name
        return self._modules[name]

    def inner(self, number: int) -> frozenset[int]:
        """Give what an object holds, at least one object that stands for it all."""
        if number not in self._inner:
            self._inner[number] = self.new()
            self.hold(number, (self._inner[number],))
        return frozenset(self.holds[number])

    def contents(self, own: Iterable[int]) -> frozenset[int]:
        """Give all that the objects may hold, one level deep."""
        found = [self.inner(number) for number in own]
        self.spend(sum(map(len, found)))
        return frozenset().union(*found)

    def reach(self, own: Iterable[int]) -> frozenset[int]:
        """Give the objects and all that they hold, however deep."""
        return self._walk(own, self.holds)

    def holders(self, numbers: Iterable[int]) -> frozenset[int]:
        """Give the objects and all that hold them, however deep."""
        return self._walk(numbers, self._held_by)

    def _walk(self, start: Iterable[int], links: Mapping[int, set[int]]) -> frozenset[int]:
        found = set(start)
        pending = list(found)
        while pending:
            new = links.get(pending.pop(), _NONE)
            self.spend(len(new))
            new = new - found
            found |= new
            pending.extend(new)
        return frozenset(found)

    def put(self, own: Iterable[int], value: Value) -> None:
        """Let the objects hold a value."""
        for number in own:
            self.hold(number, value.own)

    def put_field(self, own: Iterable[int], name: str, value: Value) -> None:
        """Let the objects hold a value under an attribute's name."""
        self.put(own, value)
        for number in own:
            old = self.fields.get((number, name))
            self.fields[number, name] = value if old is None else join((old, value))


def join(values: Iterable[Value]) -> Value:
    """Give the value that is any of these."""
    found = list(dict.fromkeys(values)) if not isinstance(values, tuple) else list(values)
    if not found:
        return Value()
    first = found[0]
    for other in found[1:]:
        same_constant = first.constant is not NO_CONSTANT and _same(first.constant, other.constant)
        first = Value(
            own=first.own | other.own,
            kind=_join_kinds(first, other),
            constant=first.constant if same_constant else NO_CONSTANT,
            path=first.path if first.path == other.path else "",
        )
    return first


def _join_kinds(one: Value, other: Value) -> Kind:
    if one.kind is other.kind:
        return one.kind
    pair = {one.kind, other.kind}
    if Kind.ITERATOR in pair:
        return Kind.ITERATOR
    if Kind.PLAIN in pair:
        return (pair - {Kind.PLAIN}).pop()
    return Kind.DATA if pair == {Kind.BOX, Kind.DATA} else Kind.UNKNOWN


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def without_constant(value: Value) -> Value:
    """Give the value with its constant forgotten."""
    return replace(value, constant=NO_CONSTANT)

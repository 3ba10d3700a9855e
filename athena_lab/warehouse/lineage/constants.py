"""Values of Python that are known without running it: alternatives, each a constant or a thing of a kind.

What is not known still has a text: a *hole* stands for it inside strings, so that a query is followed around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from athena_lab.warehouse.lineage.model import HOLE

MAX_OPTIONS = 64
MAX_TEXT = 200_000
Constant = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Value:
    """What an expression may be: any of the options; with `why`, also something unknown (its source text)."""

    options: tuple[Any, ...] = ()
    why: str = ""

    @property
    def only(self) -> Any:
        """The one thing that it is, else None."""
        return self.options[0] if len(self.options) == 1 and not self.why else None


@dataclass(frozen=True, slots=True)
class Items:
    """A list, tuple or set."""

    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Pairs:
    """A dict with constant keys."""

    values: tuple[tuple[Any, Value], ...] = ()

    def get(self, key: Any) -> Value | None:
        return next((value for name, value in reversed(self.values) if name == key), None)


@dataclass(frozen=True, slots=True)
class Module:
    """An imported module, or what is reached from one, by its dotted path."""

    path: str


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of a kind that matters (`client`, `config`, `table`, `dataset`, `frame`, `instance`, …)."""

    kind: str
    attributes: tuple[tuple[str, Any], ...] = ()

    def get(self, name: str) -> Any:
        return next((value for key, value in reversed(self.attributes) if key == name), None)

    def having(self, name: str, value: Any) -> Thing:
        return Thing(self.kind, (*(pair for pair in self.attributes if pair[0] != name), (name, value)))


def known(*options: Any) -> Value:
    """Make a value that is one of these."""
    return Value(options)


def unknown(why: str) -> Value:
    """Make a value of which only the source text is known."""
    return Value((), why)


def either(values: Iterable[Value]) -> Value:
    """Give what may be any of these values."""
    items = list(values)
    options: list[Any] = []
    for item in items:
        options += [option for option in item.options if not any(_same(option, one) for one in options)]
    why = next((item.why for item in items if item.why), "")
    return Value((), why or "one of many") if len(options) > MAX_OPTIONS else Value(tuple(options), why)


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


@dataclass(slots=True)
class Holes:
    """Numbers the unknown pieces of texts and puts their source back."""

    sources: list[str] = field(default_factory=list)

    def make(self, why: str) -> str:
        if why not in self.sources:
            self.sources.append(why)
        return f"__athena_hole_{self.sources.index(why)}__"

    def restore(self, text: str) -> str:
        """Put `{source}` for each hole."""
        return HOLE.sub(lambda match: f"{{{self.sources[int(match.group().split('_')[4])]}}}", text)

    def filled(self, value: Value) -> Value:
        """Give a value as something to put into a text: its unknown part becomes a hole."""
        if not value.why and value.options:
            return value
        return Value((*value.options, self.make(value.why)))


def combine(values: Sequence[Value], make: Callable[..., Any], why: str) -> Value:
    """Apply a function to every choice of options; unknown where a value is, or where the function fails."""
    if any(not value.options for value in values):
        return unknown(why)
    made: list[Any] = []
    for choice in islice(product(*(value.options for value in values)), MAX_OPTIONS + 1):
        try:
            result = make(*choice)
        except Exception:  # noqa: BLE001 (whatever the user's own expression would raise when it runs)
            return unknown(why)
        if len(made) == MAX_OPTIONS or (isinstance(result, str) and len(result) > MAX_TEXT):
            return unknown(why)
        made.append(result)
    is_open = any(value.why for value in values)
    return either([Value((item,)) for item in made] + ([unknown(why)] if is_open else []))


def is_constant(thing: Any) -> bool:
    """Say whether a thing is a plain number, text, truth value or None."""
    return thing is None or isinstance(thing, str | int | float | bool | bytes)


def plain(thing: Any) -> Any:
    """Turn a thing into a plain Python value; raise ValueError where it is not known wholly."""
    if is_constant(thing):
        return thing
    if isinstance(thing, Items):
        return [plain(_certain(value)) for value in thing.values]
    if isinstance(thing, Pairs):
        return {key: plain(_certain(value)) for key, value in thing.values}
    text = text_of(thing)
    if text is None:
        raise ValueError("not a constant")
    return text


def _certain(value: Value) -> Any:
    if len(value.options) != 1 or value.why:
        raise ValueError("not a constant")
    return value.options[0]


def text_of(thing: Any) -> str | None:
    """Give what `str()` gives of a table reference or a dataset reference."""
    if isinstance(thing, Thing) and thing.kind in ("table", "dataset"):
        name = thing.get("name")
        return name.only if isinstance(name, Value) and isinstance(name.only, str) else None
    return None


def lift(value: Any) -> Value:
    """Turn a plain Python value into one of ours."""
    if isinstance(value, Mapping):
        return known(Pairs(tuple((key, lift(item)) for key, item in value.items())))
    if isinstance(value, list | tuple | set | frozenset | range):
        return known(Items(tuple(lift(item) for item in value)))
    return known(value)

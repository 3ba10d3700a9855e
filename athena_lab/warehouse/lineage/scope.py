"""The names of a function while it is followed: which of them it sets, and what its text says of them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from athena_lab.warehouse.lineage.constants import Value


class Scope(dict[str, Value]):
    """The names around a function and its own; remembers what was set, so that nobody compares all of them.

    A branch replaces it by a plain dict, of which every name may have been set.
    """

    def __init__(self, around: Mapping[str, Value]) -> None:
        super().__init__(around)
        self.is_set: set[str] = set()

    def __setitem__(self, name: str, value: Value) -> None:
        self.is_set.add(name)
        super().__setitem__(name, value)

    def __ior__(self, others: Mapping[str, Value]) -> Self:  # type: ignore[override, misc]  # dict takes pairs, too
        self.is_set.update(others)
        self.update(others)
        return self

    def copy(self) -> Scope:
        """Give the same names, with the same of them set."""
        made = Scope(self)
        made.is_set |= self.is_set
        return made


@dataclass(frozen=True, slots=True)
class Names:
    """What the text of a function says: which names it stores, its arguments, what it declares global."""

    stored: frozenset[str]
    own_arguments: frozenset[str]
    arguments: tuple[str, ...]
    declared: frozenset[str]
    is_generator: bool

    def outward(self, inner: Mapping[str, Value], outer: Mapping[str, Value]) -> dict[str, Value]:
        """Give what it may have changed outside: what it declares global, and lists that it appends to."""
        local = self.stored | self.own_arguments
        names = [name for name in inner.is_set if name in inner] if isinstance(inner, Scope) else inner
        return {
            name: inner[name]
            for name in names
            if name in self.declared or (name not in local and name in outer and inner[name] is not outer[name])
        }


def names_of(node: ast.AST) -> Names:
    """Read the text of a function or lambda."""
    inside = list(ast.walk(node))
    given = getattr(node, "args", None)
    own = [item.arg for item in ast.walk(given) if isinstance(item, ast.arg)] if given is not None else []
    stored = {item.id for item in inside if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)}
    declared = {name for item in inside if isinstance(item, ast.Global | ast.Nonlocal) for name in item.names}
    return Names(
        stored=frozenset(stored),
        own_arguments=frozenset(own),
        arguments=tuple(item.arg for item in inside if isinstance(item, ast.arg)),
        declared=frozenset(declared),
        is_generator=any(isinstance(item, ast.Yield | ast.YieldFrom) for item in inside),
    )

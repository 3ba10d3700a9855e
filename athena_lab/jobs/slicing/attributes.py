"""Read attributes, methods and parts of values: what they may be and whether they share the value's content."""

from __future__ import annotations

import ast
from dataclasses import replace

from athena_lab.jobs.slicing.state import Arguments, State
from athena_lab.jobs.slicing.values import (
    PLAIN,
    UNKNOWN_PART,
    Bound,
    Kind,
    Value,
    join,
    without_constant,
)

_COPYING_INDEXES = (ast.Compare, ast.List, ast.BoolOp, ast.ListComp)


_TAKEN_METHODS = frozenset(
    ["append", "appendleft", "extend", "insert", "add", "discard", "remove", "pop", "clear", "update", "setdefault",
     "write", "put", "send", "set", "__setitem__"]
)  # fmt: skip
"""Methods that change their object and are handed over as functions."""


class Attributes(State):
    """Gives parts of values."""

    def _attribute(self, node: ast.Attribute) -> Value:
        return self.attribute(self.evaluate(node.value), node.attr)

    def attribute(self, base: Value, name: str) -> Value:
        """Give an attribute of a value."""
        if base.kind is Kind.MODULE:
            return replace(base, path=f"{base.path}.{name}")
        found = self.method(base, name)
        if found is not None:
            return self._bind_method(base, found)
        fields = [self.heap.fields.get((number, name)) for number in base.own]
        if fields and all(field is not None for field in fields):
            return join([field for field in fields if field is not None])
        for hook in ("__getattribute__", "__getattr__"):
            found = self.method(base, hook)
            if found is not None:
                self.call_value(self._bind_method(base, found), Arguments([PLAIN]), hook)
        if base.path == "pathlib.Path":
            return self._path_attribute(base, name)
        if base.kind is Kind.PLAIN:
            return PLAIN
        if name in _TAKEN_METHODS and base.own:
            made = self.heap.new(base.own)
            self.heap.methods[made] = (base, name)
            return Value(base.own | self.heap.contents(base.own) | {made})
        if base.kind in (Kind.DATA, Kind.ITERATOR):
            return Value(base.own, base.kind)
        return Value(base.own | self.heap.contents(base.own), Kind.UNKNOWN)

    def _path_attribute(self, base: Value, name: str) -> Value:
        if name == "parent" and base.text is not None:
            head, slash, _ = base.text.rpartition("/")
            return replace(base, constant=head if slash else ".")
        return without_constant(base) if name in ("parent", "parents") else PLAIN

    def _bind_method(self, base: Value, found: Value) -> Value:
        """Give a method bound to its object, a property's value, or the class attribute itself."""
        results = []
        is_instance = bool(base.own & self.heap.class_of.keys())
        for number in sorted(found.own):
            if number in self.heap.properties:
                results.append(self.call_function(number, Arguments([base])))
            elif number in self.heap.of_class:
                classes = {self.heap.class_of.get(item, item) for item in base.own}
                made = self.heap.new({number, *classes})
                owner = Value(frozenset(classes & self.heap.classes.keys()), Kind.CALLABLE)
                self.heap.bound[made] = Bound(Value(frozenset({number}), Kind.CALLABLE), [owner])
                results.append(Value(frozenset({made}), Kind.CALLABLE))
            elif number in self.heap.functions and is_instance and number not in self.heap.static:
                made = self.heap.new({number, *base.own})
                self.heap.bound[made] = Bound(Value(frozenset({number}), Kind.CALLABLE), [base])
                results.append(Value(frozenset({made}), Kind.CALLABLE))
            else:
                results.append(Value(frozenset({number}), found.kind))
        return join(results) if results else found

    def method(self, base: Value, name: str) -> Value | None:
        """Give the notebook's own method or class attribute of that name, if the value may have one."""
        found = [
            self._of_class(self.heap.class_of[number], name) for number in base.own if number in self.heap.class_of
        ]
        for number in base.own & self.heap.classes.keys():
            found.append(self._of_class(number, name))
            found += [self._of_class(meta, name) for meta in sorted(self.heap.classes[number].metaclasses)]
        known = [value for value in found if value is not None]
        return join(known) if known else None

    def _of_class(self, number: int, name: str, depth: int = 0) -> Value | None:
        cls = self.heap.classes[number]
        if name in cls.names:
            return cls.names[name]
        if depth > 20:
            return None
        found = (self._of_class(base, name, depth + 1) for base in sorted(cls.bases) if base in self.heap.classes)
        return next((value for value in found if value is not None), None)

    def _subscript(self, node: ast.Subscript) -> Value:
        base = self.evaluate(node.value)
        index = self.evaluate(node.slice)
        if base.path == "__main__" and index.text is not None and UNKNOWN_PART not in index.text:
            return self.load(index.text)
        self.touch(base)
        if base.path == "os.environ":
            return self.read_environment(index.text)
        if base.path == "collections.defaultdict":
            self.change(base.own)  # a key that is not there is made
        if base.kind is Kind.PLAIN:
            return PLAIN
        if base.kind is Kind.DATA and _copies(node.slice):
            return self.fresh(Kind.DATA)
        if isinstance(node.slice, ast.Slice) and base.kind is Kind.BOX:
            return self.fresh(Kind.BOX, self.heap.contents(base.own))
        return self.element(base)

    def element(self, value: Value) -> Value:
        """Give what a value may hold: an element, a column, an attribute."""
        if value.kind is Kind.PLAIN:
            return PLAIN
        if value.own & self.heap.altered:
            value = without_constant(value)
        if isinstance(value.constant, tuple) and value.constant and all(isinstance(c, str) for c in value.constant):
            only = value.constant[0] if len(set(value.constant)) == 1 else _common_pattern(value.constant)
            return Value(kind=Kind.PLAIN, constant=only)
        if isinstance(value.constant, tuple) and value.constant:
            return PLAIN
        if value.kind is Kind.MODULE:
            return self.fresh(Kind.DATA, value.own)
        own = self.heap.contents(value.own)
        if value.kind is Kind.DATA:
            return Value(own | value.own, Kind.DATA)
        functions = own & (self.heap.functions.keys() | self.heap.classes.keys())
        return Value(own, Kind.CALLABLE if functions else Kind.UNKNOWN)

    def read_environment(self, name: str | None) -> Value:
        """Read a variable of the environment."""
        self.effects.use(f"env:{name or '*'}")
        return PLAIN

    def _slice(self, node: ast.Slice) -> Value:
        for part in (node.lower, node.upper, node.step):
            self.evaluate(part)
        return PLAIN


def _copies(index: ast.expr) -> bool:
    """Tell whether an index picks by mask or list, which copies in pandas and NumPy alike."""
    if isinstance(index, ast.UnaryOp):
        return isinstance(index.op, ast.Invert)
    if isinstance(index, ast.BinOp):
        return isinstance(index.op, ast.BitAnd | ast.BitOr)
    return isinstance(index, _COPYING_INDEXES)


def _common_pattern(texts: tuple[str, ...]) -> str:
    """Give what all texts begin and end with, and an unknown part between."""
    first, last = min(texts), max(texts)
    start = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    backwards = [text[start:][::-1] for text in texts]
    low, high = min(backwards), max(backwards)
    end = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return f"{first[:start]}{UNKNOWN_PART}{low[:end][::-1]}"

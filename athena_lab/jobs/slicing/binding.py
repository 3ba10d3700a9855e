"""Read assignments and deletions: what they bind, replace and change."""

from __future__ import annotations

import ast

from athena_lab.jobs.slicing.calls import Calls
from athena_lab.jobs.slicing.state import Arguments
from athena_lab.jobs.slicing.values import PLAIN, UNKNOWN_PART, Kind, Value, join, without_constant

_REGISTERING = ("register_cell_magic", "register_line_magic", "register_line_cell_magic", "needs_local_scope")
_ENDING = (ast.Return, ast.Raise)


class Binding(Calls):
    """Reads whatever binds a target."""

    # -- binding

    def _assign(self, node: ast.Assign) -> None:
        value = self.evaluate(node.value)
        for target in node.targets:
            self._assign_from(target, value, node.value)

    def _assign_from(self, target: ast.expr, value: Value, source: ast.expr) -> None:
        """Bind; where both sides are written out (`a, b = b, a`), part by part."""
        is_pair = isinstance(target, ast.Tuple | ast.List) and isinstance(source, ast.Tuple | ast.List)
        if is_pair and isinstance(value.constant, tuple):
            parts = target.elts  # type: ignore[attr-defined]
            if len(parts) == len(value.constant) and not any(isinstance(part, ast.Starred) for part in parts):
                for part, constant in zip(parts, value.constant, strict=True):
                    self.assign(part, Value(kind=Kind.PLAIN, constant=constant))
                return
        self.assign(target, value)

    def _annassign(self, node: ast.AnnAssign) -> None:
        if self.scope is self.globals or self.scope.is_class:
            self.evaluate(node.annotation)
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value))

    def _augassign(self, node: ast.AugAssign) -> None:
        loading = ast.copy_location(_as_load(node.target), node.target)
        old, added = self.evaluate(loading), self.evaluate(node.value)
        self.touch(old)
        if old.kind is Kind.PLAIN or (old.kind is Kind.UNKNOWN and not old.own):
            self.assign(node.target, self.operate(node.op, old, added))
            return
        self.change_value(old)
        self.heap.put(old.own, Value(self.heap.contents(added.own)))
        self.assign(node.target, join([without_constant(old), self.operate(node.op, old, added)]))

    def _typealias(self, node: ast.stmt) -> None:
        self.assign(node.name, PLAIN)  # type: ignore[attr-defined]
        self.evaluate(node.value)  # type: ignore[attr-defined]

    def assign(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self.bind(target.id, value)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, self.fresh(Kind.BOX, value.own))
        elif isinstance(target, ast.Tuple | ast.List):
            self.consume(value)
            for position, part in enumerate(target.elts):
                self.assign(part, self._part(value, position))
        elif isinstance(target, ast.Attribute):
            self._assign_attribute(target, value)
        elif isinstance(target, ast.Subscript):
            self._assign_part(target, value)

    def _part(self, value: Value, position: int) -> Value:
        if isinstance(value.constant, tuple) and position < len(value.constant):
            constant = value.constant[position]
            return Value(kind=Kind.PLAIN, constant=constant)
        if value.kind is Kind.ITERATOR:
            # `figure, axes = plt.subplots()`: both draw on the same thing.
            return value
        element = self.element(value)
        return join([element, value]) if value.kind is Kind.UNKNOWN else element

    def _assign_attribute(self, target: ast.Attribute, value: Value) -> None:
        base = self.evaluate(target.value)
        if base.kind is Kind.MODULE or (base.path and base.kind is Kind.CALLABLE):
            root = base.path.partition(".")[0]
            self.change_module(root)
            self.heap.put_field([self.heap.module(root)], f"{base.path}.{target.attr}", value)
            if base.path == "sys" and target.attr.startswith(("std", "display", "except", "ps")):
                self.effects.write("stream:")
            return
        self._change_library_state(target.value)
        if base.own & self.heap.class_of.keys() or base.own & self.heap.classes.keys():
            self._assign_field(base, target.attr, value)
        else:
            self.change_value(base)
            self.heap.put(base.own, value)

    def _assign_field(self, base: Value, name: str, value: Value) -> None:
        self.change(base.own)
        for number in base.own:
            if number in self.heap.classes:
                self.heap.classes[number].names[name] = value
                self.heap.put([number], value)
        self.heap.put_field([number for number in base.own if number not in self.heap.classes], name, value)
        setter = self.method(base, f"{name}.setter")
        if setter is not None:
            self.call_value(setter, Arguments([base, value]), name)

    def _change_library_state(self, node: ast.expr) -> None:
        """`getcontext().prec = 9` and the like: a library's own object, reached by a call, is set."""
        if isinstance(node, ast.Call):
            function = self.evaluate(node.func)
            if function.kind is Kind.MODULE and function.path:
                self.change_module(function.path.partition(".")[0])

    def _assign_part(self, target: ast.Subscript, value: Value) -> None:
        base = self.evaluate(target.value)
        index = self.evaluate(target.slice)
        if base.path == "os.environ":
            self.effects.write(f"env:{index.text or '*'}", replaces=index.text is not None)
        elif base.path == "__main__":
            self._assign_by_name(index.text, value)
        elif base.path.startswith(("sys.path", "sys.modules", "sys.meta_path")):
            self.effects.write("syspath:")
            self.effects.write(f"module:{(index.text or '*').partition('.')[0]}")
        elif base.kind is Kind.MODULE:
            self.change_module(base.path.partition(".")[0])
        else:
            setter = self.method(base, "__setitem__")
            if setter is not None:
                self.call_value(setter, Arguments([base, index, value]), "a subscript")
            self.change_value(base)
            self.heap.put(base.own, value)

    def _assign_by_name(self, name: str | None, value: Value) -> None:
        if name is None or UNKNOWN_PART in name:
            self.effects.doubt(name or "*", "it binds a name that is made up while it runs")
            return
        outer, self.scope = self.scope, self.globals
        self.bind(name, value)
        self.scope = outer

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._delete_one(target)

    def _delete_one(self, target: ast.expr) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self._delete_one(part)
        elif isinstance(target, ast.Name):
            self.load(target.id)
            self.scope.names.pop(target.id, None)
            if self.scope is self.globals:
                self.effects.write(target.id)
                self.effects.replaced.discard(target.id)
        elif isinstance(target, ast.Subscript):
            base, index = self.evaluate(target.value), self.evaluate(target.slice)
            if base.path == "os.environ":
                self.effects.write(f"env:{index.text or '*'}")
            self.change_value(base)
        elif isinstance(target, ast.Attribute):
            base = self.evaluate(target.value)
            self.change(base.own)
            if base.kind is Kind.MODULE:
                self.change_module(base.path.partition(".")[0])


def _as_load(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Attribute):
        return ast.Attribute(target.value, target.attr, ast.Load())
    assert isinstance(target, ast.Subscript)  # noqa: S101 (Python's grammar allows nothing else)
    return ast.Subscript(target.value, target.slice, ast.Load())

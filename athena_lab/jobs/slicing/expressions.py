"""Read expressions: what they need, what they change, and which objects they may give."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import replace

from athena_lab.jobs.slicing.attributes import Attributes
from athena_lab.jobs.slicing.state import Arguments, Scope
from athena_lab.jobs.slicing.values import (
    NO_CONSTANT,
    PLAIN,
    UNKNOWN_PART,
    Function,
    Kind,
    Value,
    join,
    without_constant,
)

_OPERATOR_METHODS = ("__add__", "__sub__", "__mul__", "__truediv__", "__floordiv__", "__mod__", "__pow__", "__matmul__",
                     "__radd__", "__rmul__", "__and__", "__or__", "__neg__", "__invert__")  # fmt: skip

_STEPS_A_NODE = 20
"""What reading a node costs, beside a step for each link that is followed."""


class Expressions(Attributes):
    """Reads expressions, one method a kind of node."""

    def evaluate(self, node: ast.expr | None) -> Value:
        if node is None:
            return PLAIN
        self.heap.spend(_STEPS_A_NODE)
        read: Callable[[ast.expr], Value] | None = getattr(self, f"_{type(node).__name__.lower()}", None)
        if read is not None:
            return read(node)
        return self._children(node)

    def _children(self, node: ast.AST) -> Value:
        """Read whatever has no rule of its own: it needs its parts and gives something new that may hold them."""
        values = [self.evaluate(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        return self.fresh(Kind.UNKNOWN, self._held(values))

    def _held(self, values: Iterable[Value]) -> frozenset[int]:
        return frozenset().union(*(value.own for value in values if value.kind is not Kind.PLAIN))

    def _constant(self, node: ast.Constant) -> Value:
        return Value(kind=Kind.PLAIN, constant=node.value)

    def _joinedstr(self, node: ast.JoinedStr) -> Value:
        """Give the text of an f-string; a part that is not known stays marked as such."""
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                value = self.evaluate(part.value)
                self.touch(value)
                if part.format_spec is not None:
                    self.evaluate(part.format_spec)
                known = value.constant if part.format_spec is None and part.conversion == -1 else NO_CONSTANT
                parts.append(UNKNOWN_PART if known is NO_CONSTANT else str(known))
            else:
                parts.append(str(self.evaluate(part).constant))
        return Value(kind=Kind.PLAIN, constant="".join(parts))

    def _name(self, node: ast.Name) -> Value:
        return self.load(node.id)

    def _starred(self, node: ast.Starred) -> Value:
        value = self.evaluate(node.value)
        self.consume(value)
        return self.element(value)

    def _tuple(self, node: ast.Tuple) -> Value:
        return self._container(node.elts)

    def _list(self, node: ast.List) -> Value:
        return self._container(node.elts)

    def _set(self, node: ast.Set) -> Value:
        return self._container(node.elts)

    def _container(self, elements: Iterable[ast.expr]) -> Value:
        values = [self.evaluate(element) for element in elements]
        constants = tuple(value.constant for value in values)
        made = self.fresh(Kind.BOX, self._held(values))
        is_known = all(value.kind is Kind.PLAIN and value.constant is not NO_CONSTANT for value in values)
        return made if not is_known else replace(made, constant=constants)

    def _dict(self, node: ast.Dict) -> Value:
        values = [self.evaluate(item) for item in (*node.keys, *node.values) if item is not None]
        made = self.fresh(Kind.BOX, self._held(values))
        for key, value in zip(node.keys, values[len(node.keys) - node.keys.count(None) :], strict=True):
            if key is None:
                self.heap.put(made.own, Value(self.heap.contents(value.own)))
        return made

    def _boolop(self, node: ast.BoolOp) -> Value:
        values = [self.evaluate(node.values[0])]
        for operand in node.values[1:]:
            self.maybe(lambda operand=operand: values.append(self.evaluate(operand)))  # type: ignore[misc]
        for value in values:
            self.touch(value)
        return without_constant(join(values))

    def _ifexp(self, node: ast.IfExp) -> Value:
        self.touch(self.evaluate(node.test))
        values: list[Value] = []
        for branch in (node.body, node.orelse):
            self.maybe(lambda branch=branch: values.append(self.evaluate(branch)))  # type: ignore[misc]
        return join(values)

    def _binop(self, node: ast.BinOp) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        self.touch(left)
        self.touch(right)
        return self.operate(node.op, left, right)

    def operate(self, operator: ast.operator, left: Value, right: Value) -> Value:
        """Give what a binary operator makes of two values."""
        if isinstance(operator, ast.Add) and left.text is not None and right.text is not None:
            return Value(kind=Kind.PLAIN, constant=left.text + right.text)
        if isinstance(operator, ast.Div) and left.path == "pathlib.Path":
            return replace(left, constant=_below(left.constant, right.constant))
        if left.kind is right.kind is Kind.PLAIN:
            return PLAIN
        results = self._call_dunders(left, right)
        if Kind.DATA in (left.kind, right.kind):
            held = left.own & right.own
            return self.fresh(Kind.DATA, held)
        parts = self.heap.contents(left.own) | self.heap.contents(right.own)
        kind = Kind.BOX if Kind.BOX in (left.kind, right.kind) else Kind.UNKNOWN
        return join([self.fresh(kind, parts), *results])

    def _call_dunders(self, *values: Value) -> list[Value]:
        results = []
        for value in values:
            for name in _OPERATOR_METHODS:
                found = self.method(value, name)
                if found is not None:
                    results.append(self.call_value(found, Arguments(list(values)), "an operator"))
        return results

    def _unaryop(self, node: ast.UnaryOp) -> Value:
        value = self.evaluate(node.operand)
        self.touch(value)
        if value.kind is Kind.PLAIN or isinstance(node.op, ast.Not):
            return PLAIN
        return self.fresh(Kind.DATA)

    def _compare(self, node: ast.Compare) -> Value:
        values = [self.evaluate(item) for item in (node.left, *node.comparators)]
        if values[0].text is not None and values[-1].path == "__main__":
            self.load(values[0].text)  # `"name" in globals()`
            return PLAIN
        for value in values:
            self.touch(value)
        plain = all(value.kind is Kind.PLAIN for value in values)
        return PLAIN if plain else self.fresh(Kind.DATA)

    def _namedexpr(self, node: ast.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        inside, self.scope = self.scope, self._scope_of_walrus()
        self.assign(node.target, value)
        self.scope = inside
        return value

    def _scope_of_walrus(self) -> Scope:
        scope = self.scope
        while scope.is_comprehension and scope.parent is not None:
            scope = scope.parent
        return scope

    def _await(self, node: ast.Await) -> Value:
        value = self.evaluate(node.value)
        self.touch(value)
        return value

    def _yield(self, node: ast.Yield) -> Value:
        self.returned.append(self.evaluate(node.value))
        return Value()

    def _yieldfrom(self, node: ast.YieldFrom) -> Value:
        value = self.evaluate(node.value)
        self.consume(value)
        self.returned.append(self.element(value))
        return Value()

    # -- functions and comprehensions

    def _lambda(self, node: ast.Lambda) -> Value:
        return self.make_function(node)

    def make_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Value:
        """Make a function: its defaults are read now, its body when it may be called."""
        spec = node.args
        positional = [*spec.posonlyargs, *spec.args]
        defaults = dict(zip([arg.arg for arg in positional[len(positional) - len(spec.defaults) :]],
                            [self.evaluate(default) for default in spec.defaults], strict=True))  # fmt: skip
        for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            if default is not None:
                defaults[arg.arg] = self.evaluate(default)
        number = self.heap.new(self._held(defaults.values()))
        self.heap.functions[number] = Function(
            node, self.scope, number, defaults, _may_end_early(node), _is_generator(node)
        )
        if self.scope is not self.globals:
            # A closure keeps what the function around it has: changing that changes what the closure gives.
            names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            held = [value for name, value in self._local_names().items() if name in names]
            self.heap.hold(number, self._held(held))
        return Value(frozenset({number}), Kind.CALLABLE)

    def _local_names(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        scope: Scope | None = self.scope
        while scope is not None and scope is not self.globals:
            found = scope.names | found
            scope = scope.parent
        return found

    def _listcomp(self, node: ast.ListComp) -> Value:
        return self._comprehension(node.generators, [node.elt], Kind.BOX)

    def _setcomp(self, node: ast.SetComp) -> Value:
        return self._comprehension(node.generators, [node.elt], Kind.BOX)

    def _dictcomp(self, node: ast.DictComp) -> Value:
        return self._comprehension(node.generators, [node.key, node.value], Kind.BOX)

    def _generatorexp(self, node: ast.GeneratorExp) -> Value:
        made = self._comprehension(node.generators, [node.elt], Kind.ITERATOR)
        scope = self.scope

        def use_up() -> None:
            outer, self.scope = self.scope, scope
            self._comprehension(node.generators, [node.elt], Kind.BOX)
            self.scope = outer

        self.heap.lazy[min(made.own)] = use_up
        return made

    def _comprehension(self, generators: list[ast.comprehension], results: list[ast.expr], kind: Kind) -> Value:
        outer, self.scope = self.scope, Scope(self.scope)
        self.scope.is_comprehension = True
        values: list[Value] = []
        held: list[Value] = []

        def read() -> None:
            values.extend(self.evaluate(result) for result in results)

        try:
            for generator in generators:
                source = self.evaluate(generator.iter)
                held.append(source)
                self.iterate(source)
                self.assign(generator.target, self.element(source))
                for condition in generator.ifs:
                    self.touch(self.evaluate(condition))
            self.maybe(read)
        finally:
            self.scope = outer
        lazy = self._held(held) if kind is Kind.ITERATOR else frozenset()
        return self.fresh(kind, self._held(values) | lazy)

    def iterate(self, value: Value) -> None:
        """Go through a value."""
        self.consume(value)
        self.touch(value)


def _below(base: object, part: object) -> object:
    if not isinstance(base, str) or not isinstance(part, str):
        return f"{base}/{UNKNOWN_PART}" if isinstance(base, str) else NO_CONSTANT
    return part if part.startswith("/") or base in ("", ".") else f"{base.rstrip('/')}/{part}"


def _may_end_early(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> bool:
    """Tell whether a function may return or raise before its last statement."""
    if isinstance(node, ast.Lambda):
        return False
    return any(isinstance(part, ast.Return | ast.Raise) and part is not node.body[-1] for part in ast.walk(node))


def _is_generator(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> bool:
    """Tell whether a function yields itself; functions inside it do not count."""
    pending: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
    while pending:
        part = pending.pop()
        if isinstance(part, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            pending.extend(ast.iter_child_nodes(part))
    return False

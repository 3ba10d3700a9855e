"""Read expressions: what they need, what they change, and which objects they may give."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import replace

from athena_lab.jobs.slicing.knowledge import KNOWN_MODULES
from athena_lab.jobs.slicing.state import Arguments, Scope, State
from athena_lab.jobs.slicing.values import NO_CONSTANT, PLAIN, Bound, Function, Kind, Value, join, without_constant

_COPYING_INDEXES = (ast.Compare, ast.List, ast.BoolOp, ast.ListComp)
_OPERATOR_METHODS = ("__add__", "__sub__", "__mul__", "__truediv__", "__floordiv__", "__mod__", "__pow__", "__matmul__",
                     "__radd__", "__rmul__", "__and__", "__or__", "__neg__", "__invert__")  # fmt: skip


class Expressions(State):
    """Reads expressions, one method a kind of node."""

    def evaluate(self, node: ast.expr | None) -> Value:
        if node is None:
            return PLAIN
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
        """Give the text of an f-string; a part that is not known becomes "*", as in a file pattern."""
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                value = self.evaluate(part.value)
                self.touch(value)
                if part.format_spec is not None:
                    self.evaluate(part.format_spec)
                known = value.constant if part.format_spec is None and part.conversion == -1 else NO_CONSTANT
                parts.append("*" if known is NO_CONSTANT else str(known))
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
        return made if NO_CONSTANT in constants else replace(made, constant=constants)

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

    # -- attributes and parts

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
        if base.path == "pathlib.Path":
            return self._path_attribute(base, name)
        if base.kind is Kind.PLAIN:
            return PLAIN
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
        found += [self._of_class(number, name) for number in base.own if number in self.heap.classes]
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
        self.touch(base)
        if base.path == "os.environ":
            return self.read_environment(index.text)
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
        self.heap.functions[number] = Function(node, self.scope, number, defaults)
        if self.scope is not self.globals:
            # A closure keeps what the function around it has: changing that changes what the closure gives.
            names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            held = [value for name, value in self._local_names().items() if name in names]
            self.heap.holds[number].update(self._held(held))
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
        return self._comprehension(node.generators, [node.elt], Kind.ITERATOR)

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

    # -- what the heirs add

    def touch(self, value: Value) -> None:
        """Use a value in a way that may call its methods."""
        raise NotImplementedError

    def call_value(self, function: Value, arguments: Arguments, text: str) -> Value:
        """Read the call of a value."""
        raise NotImplementedError


def _copies(index: ast.expr) -> bool:
    """Tell whether an index picks by mask or list, which copies in pandas and NumPy alike."""
    if isinstance(index, ast.UnaryOp):
        return isinstance(index.op, ast.Invert)
    if isinstance(index, ast.BinOp):
        return isinstance(index.op, ast.BitAnd | ast.BitOr)
    return isinstance(index, _COPYING_INDEXES)


def _below(base: object, part: object) -> object:
    if not isinstance(base, str) or not isinstance(part, str):
        return f"{base}/*" if isinstance(base, str) else NO_CONSTANT
    return part if part.startswith("/") or base in ("", ".") else f"{base.rstrip('/')}/{part}"


def _common_pattern(texts: tuple[str, ...]) -> str:
    """Give the pattern that all texts match: what they begin with, "*", what they end with."""
    first, last = min(texts), max(texts)
    start = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    backwards = [text[start:][::-1] for text in texts]
    low, high = min(backwards), max(backwards)
    end = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return f"{first[:start]}*{low[:end][::-1]}"


def is_known(module: str) -> bool:
    """Tell whether importing a module changes nothing but its own state."""
    return module.partition(".")[0] in KNOWN_MODULES

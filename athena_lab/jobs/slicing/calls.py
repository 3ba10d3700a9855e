"""Read calls: the notebook's own functions and classes are followed into, the rest goes by what is known of it."""

from __future__ import annotations

import ast
from dataclasses import replace

from athena_lab.jobs.slicing.library import Library
from athena_lab.jobs.slicing.source import MAGIC_CALL
from athena_lab.jobs.slicing.state import Arguments, Scope
from athena_lab.jobs.slicing.values import PLAIN, Bound, Class, Function, Kind, Value, join

MAX_STEPS = 400
"""Calls that are followed for one cell; beyond them a call is in doubt."""
STEPS_A_CALL = 200
"""What a call costs beside the nodes of the function."""
_MAX_DEPTH = 2
"""How often a function is followed inside itself."""
_INITIALISERS = ("__init__", "__new__", "__post_init__")
_SILENT = (*_INITIALISERS, "__init_subclass__", "__class_getitem__", "__del__", "__call__", "__exit__", "__enter__",
           "__set_name__")  # fmt: skip


class Calls(Library):
    """Reads calls."""

    def _call(self, node: ast.Call) -> Value:
        if isinstance(node.func, ast.Name) and node.func.id == MAGIC_CALL:
            number = self.evaluate(node.args[0]).constant
            return self.do_magic(self.magics[number])
        is_statement, self.discarded = node is self.discarded, None
        text = _text_of(node.func)
        if isinstance(node.func, ast.Attribute):
            base = self.evaluate(node.func.value)
            arguments = self._arguments(node)
            return self._call_attribute(base, node.func.attr, arguments, text, is_statement=is_statement)
        function = self.evaluate(node.func)
        arguments = self._arguments(node)
        self._doubt_statement(function, text, is_statement=is_statement)
        return self.call_value(function, arguments, text)

    def _call_attribute(self, base: Value, name: str, arguments: Arguments, text: str, *, is_statement: bool) -> Value:
        if base.kind is Kind.MODULE:
            function = self.attribute(base, name)
            self._doubt_statement(function, text, is_statement=is_statement)
            return self.call_value(function, arguments, text)
        if base.path == "builtins.super":
            return self._call_super(name, arguments)
        if self.method(base, name) is not None:
            return self.call_value(self.attribute(base, name), arguments, text)
        fields = [self.heap.fields[number, name] for number in base.own if (number, name) in self.heap.fields]
        if fields:
            return self.call_value(join(fields), arguments, text)
        if base.own & self.heap.class_of.keys():
            self._touch_all(base)
        return self.call_method(base, name, arguments, text)

    def _doubt_statement(self, function: Value, text: str, *, is_statement: bool) -> None:
        """A call for its own sake of a library that is not known may change that library's state."""
        from_library = function.kind is Kind.MODULE and function.path
        if is_statement and from_library and not self._is_known_path(function.path):
            self.change_module(function.path.partition(".")[0], f"{text}() may change its module's state")
            for place in ("env:*", "file:*", "table:*"):
                self.effects.doubt(place, f"{text}() may change something outside")

    def _is_known_path(self, path: str) -> bool:
        from_known = path.partition(".")[0]
        return from_known == "builtins" or from_known in self.known_modules

    def _arguments(self, node: ast.Call) -> Arguments:
        arguments = Arguments()
        for argument in node.args:
            value = self.evaluate(argument)
            if isinstance(argument, ast.Starred):
                arguments.has_unknown = True
                arguments.unknown = value if arguments.unknown is None else join((arguments.unknown, value))
            arguments.positional.append(value)
        for keyword in node.keywords:
            value = self.evaluate(keyword.value)
            if keyword.arg is None:
                self.touch(value)
                arguments.has_unknown = True
                element = self.element(value)
                arguments.unknown = element if arguments.unknown is None else join((arguments.unknown, element))
                arguments.positional.append(element)
            else:
                arguments.named[keyword.arg] = value
        return arguments

    def call_value(self, function: Value, arguments: Arguments, text: str) -> Value:
        results: list[Value] = []
        if function.path and function.kind in (Kind.MODULE, Kind.CALLABLE):
            results.append(self.call_library(function.path, arguments, text))
        for number in sorted(function.own):
            if number in self.heap.functions:
                results.append(self.call_function(number, arguments))
            elif number in self.heap.classes:
                results.append(self.construct(number, arguments))
            elif number in self.heap.methods:
                results.append(self.call_method(*self.heap.methods[number], arguments, text))
            elif number in self.heap.bound:
                results.append(self._call_bound(self.heap.bound[number], arguments, text))
        called = self.method(function, "__call__")
        if called is not None and function.own & self.heap.class_of.keys():
            results.append(self.call_value(self.attribute(function, "__call__"), arguments, text))
        if not results:
            self._call_back(arguments)
            return self._call_unknown(function, arguments, text, "")
        return join(results)

    def _call_bound(self, bound: Bound, arguments: Arguments, text: str) -> Value:
        whole = Arguments(
            [*bound.positional, *arguments.positional],
            bound.named | arguments.named,
            arguments.has_unknown,
            arguments.unknown,
        )
        return self.call_value(bound.function, whole, text)

    def construct(self, number: int, arguments: Arguments) -> Value:
        """Make an object of one of the notebook's classes."""
        owner = Value(frozenset({number}), Kind.CALLABLE)
        self.call_of_metaclass(number, "__call__", replace(arguments, positional=[owner, *arguments.positional]))
        made = self.heap.new({number})
        self.heap.class_of[made] = number
        own = Value(frozenset({made}), Kind.UNKNOWN)
        initialisers = [self.method(own, name) for name in _INITIALISERS]
        if initialisers[0] is None:
            for value in arguments.all:
                self.heap.put(own.own, value)
            for name, value in arguments.named.items():
                self.heap.put_field(own.own, name, value)
        for found in initialisers:
            for function in sorted(found.own) if found is not None else ():
                if function in self.heap.functions:
                    whole = Arguments(
                        [own, *arguments.positional], arguments.named, arguments.has_unknown, arguments.unknown
                    )
                    self.call_function(function, whole)
        return own

    def call_of_metaclass(self, number: int, name: str, arguments: Arguments) -> None:
        """Read the call of a special method of a class's metaclasses, if the notebook has made any."""
        for meta in sorted(self.heap.classes[number].metaclasses):
            found = self._of_class(meta, name)
            for function in sorted(found.own) if found is not None else ():
                if function in self.heap.functions:
                    self.call_function(function, arguments)

    def _call_super(self, name: str, arguments: Arguments) -> Value:
        """Read `super().name(…)`: the method of any base that has it, with the present object."""
        scope: Scope | None = self.scope
        while scope is not None and scope.self_value is None:
            scope = scope.parent
        own = scope.self_value if scope is not None and scope.self_value is not None else Value()
        results = []
        for number in sorted(self.heap.class_of[item] for item in own.own if item in self.heap.class_of):
            for base in sorted(self.heap.classes[number].bases):
                found = self._of_class(base, name)
                for function in sorted(found.own) if found is not None else ():
                    if function in self.heap.functions:
                        whole = Arguments(
                            [own, *arguments.positional], arguments.named, arguments.has_unknown, arguments.unknown
                        )
                        results.append(self.call_function(function, whole))
        if not results:
            for value in arguments.all:
                self.heap.put(own.own, value)
        return join(results) if results else Value()

    # -- into a function

    def call_function(self, number: int, arguments: Arguments) -> Value:
        function = self.heap.functions[number]
        self.steps += 1
        self.heap.spend(STEPS_A_CALL)
        if self.running.count(number) >= _MAX_DEPTH or self.steps > MAX_STEPS:
            if self.steps > MAX_STEPS:
                self.effects.use("*")
                self.effects.note("it calls more than can be followed")
            return self.fresh(Kind.UNKNOWN, self._held(arguments.all))
        outer = self.scope, self.returned, self.closure_of
        self.scope, self.returned, self.closure_of = Scope(function.scope), [], number
        self.running.append(number)
        try:
            self._bind_parameters(function, arguments)
            return self._run_function(function, arguments)
        finally:
            self.running.pop()
            self.scope, self.returned, self.closure_of = outer

    def _run_function(self, function: Function, arguments: Arguments) -> Value:
        if isinstance(function.node, ast.Lambda):
            return self.evaluate(function.node.body)
        before = set(self.effects.replaced)
        self.run_body(function.node.body)
        if function.may_end_early:
            self.effects.replaced = before  # it may have ended early
        result = join(self.returned) if self.returned else PLAIN
        if function.is_generator:
            return self._make_generator(function, arguments)
        return result

    def _make_generator(self, function: Function, arguments: Arguments) -> Value:
        """Give a generator; its body runs (again) when it is used up."""
        made = self.fresh(Kind.ITERATOR, self._held([*self.returned, *arguments.all]))
        self.heap.lazy[min(made.own)] = lambda: self.call_function(function.number, arguments)
        return made

    def _bind_parameters(self, function: Function, arguments: Arguments) -> None:
        spec = function.node.args
        names = [arg.arg for arg in (*spec.posonlyargs, *spec.args)]
        unknown = arguments.unknown if arguments.unknown is not None else Value()
        for position, name in enumerate(names):
            value = arguments.get(position, name)
            if value is None or arguments.has_unknown:
                fallback = function.defaults.get(name, unknown)
                value = fallback if value is None and not arguments.has_unknown else join(
                    [item for item in (value, unknown, function.defaults.get(name)) if item is not None]
                )  # fmt: skip
            self.scope.names[name] = value
        for arg in spec.kwonlyargs:
            self.scope.names[arg.arg] = arguments.named.get(arg.arg, function.defaults.get(arg.arg, unknown))
        if spec.vararg is not None:
            rest = [*arguments.positional[len(names) :], *([unknown] if arguments.has_unknown else [])]
            self.scope.names[spec.vararg.arg] = self.fresh(Kind.BOX, self._held(rest))
        if spec.kwarg is not None:
            self.scope.names[spec.kwarg.arg] = self.fresh(Kind.BOX, self._held([*arguments.named.values(), unknown]))
        if names and arguments.positional:
            self.scope.self_value = arguments.positional[0]

    # -- values that are used by something that may call their methods

    def touch(self, value: Value, *, is_shown: bool = False) -> None:
        if value.path == "__main__":
            self.effects.use("*")
        if value.kind is Kind.PLAIN or not self.heap.class_of:
            return
        for number in sorted(self.heap.reach(value.own)):
            if number in self.heap.class_of and not {(number, is_shown), (number, False)} & self.touched:
                self.touched.add((number, is_shown))
                self._touch_one(number, is_shown=is_shown)

    def _touch_one(self, number: int, *, is_shown: bool) -> None:
        own = Value(frozenset({number}))
        for name in sorted(self._class_names(self.heap.class_of[number])):
            is_showing = name in ("__repr__", "__str__", "_ipython_display_") or name.startswith("_repr_")
            if is_showing or (not is_shown and name.startswith("__") and name not in _SILENT):
                self._call_member(own, name)

    def _touch_all(self, base: Value) -> None:
        """An inherited method of a library may call any method of the object."""
        for number in sorted(base.own & self.heap.class_of.keys()):
            if (-number, False) in self.touched:
                continue
            self.touched.add((-number, False))
            for name in sorted(self._class_names(self.heap.class_of[number])):
                if name not in _INITIALISERS:
                    self._call_member(Value(frozenset({number})), name)

    def _call_member(self, own: Value, name: str) -> None:
        found = self.method(own, name)
        for function in sorted(found.own) if found is not None else ():
            if function in self.heap.functions:
                self.call_function(function, Arguments([own], {}, has_unknown=False, unknown=Value()))

    def _class_names(self, number: int, depth: int = 0) -> set[str]:
        cls: Class = self.heap.classes[number]
        names = set(cls.names)
        for base in cls.bases if depth < 20 else ():
            if base in self.heap.classes:
                names |= self._class_names(base, depth + 1)
        return names

    def run_body(self, body: list[ast.stmt]) -> bool:
        """Read statements; tell whether they end by raising or returning."""
        raise NotImplementedError


def _text_of(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 40 else f"…{text[-39:]}"

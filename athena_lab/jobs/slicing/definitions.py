"""Read imports, functions and classes."""

from __future__ import annotations

import ast
from dataclasses import replace

from athena_lab.jobs.slicing.binding import Binding
from athena_lab.jobs.slicing.knowledge import STAR_NAMES, is_known
from athena_lab.jobs.slicing.state import Arguments, Scope
from athena_lab.jobs.slicing.values import PLAIN, Class, Kind, Value, join

_REGISTERING = ("register_cell_magic", "register_line_magic", "register_line_cell_magic", "needs_local_scope")


class Definitions(Binding):
    """Reads what defines names."""

    # -- imports

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._use_module(alias.name)
            bound = alias.asname or alias.name.partition(".")[0]
            path = alias.name if alias.asname else bound
            self.bind(bound, self._module_value(path))
            self._note_unknown(alias.name, bound)

    def _importfrom(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        self._use_module(module)
        for alias in node.names:
            if alias.name == "*":
                self._import_star(module)
            else:
                self.bind(alias.asname or alias.name, self._module_value(f"{module}.{alias.name}"))
                self._note_unknown(module, alias.asname or alias.name)

    def _module_value(self, path: str) -> Value:
        module = self.heap.module(path.partition(".")[0])
        patched = self.heap.fields.get((module, path))
        own = frozenset({module}) | (patched.own if patched is not None else frozenset())
        return Value(own, Kind.MODULE, path=path)

    def _use_module(self, module: str) -> None:
        root = module.lstrip(".").partition(".")[0]
        self.effects.use(f"module:{root}")
        if not is_known(module):
            for path in (f"*{root}.py", f"*{root}/*.py"):  # in any folder of the path
                self.effects.use(f"file:{path}")
            self.effects.use("syspath:")
            self.effects.use("cwd:")

    def _note_unknown(self, module: str, bound: str) -> None:
        if not is_known(module):
            self.unknown_imports[bound] = module

    def _import_star(self, module: str) -> None:
        names = STAR_NAMES.get(module)
        if names is None:
            self.effects.doubt("*", f"what `from {module} import *` binds is not known")
            return
        for name in sorted(names):
            if not name.startswith("_"):
                self.bind(name, Value(frozenset({self.heap.module(module)}), Kind.MODULE, path=f"{module}.{name}"))

    # -- definitions

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        decorators = [self.evaluate(decorator) for decorator in node.decorator_list]
        for annotation in _annotations(node):
            self.evaluate(annotation)
        function = self.make_function(node)
        value = function
        for decorator, source in zip(reversed(decorators), reversed(node.decorator_list), strict=True):
            value = self._decorate(decorator, source, value, node.name)
        self.bind(node.name, value)

    _asyncfunctiondef = _functiondef

    def _decorate(self, decorator: Value, source: ast.expr, value: Value, name: str) -> Value:
        text = ast.unparse(source)
        last = text.partition("(")[0].rpartition(".")[2]
        if last in ("property", "cached_property"):
            self.heap.properties |= value.own
            return value
        if last == "setter":
            self.scope.names[f"{name}.setter"] = value
            return self.scope.names.get(name, value)
        if last in ("staticmethod", "classmethod"):
            (self.heap.static if last == "staticmethod" else self.heap.of_class).update(value.own)
            return value
        if last in _REGISTERING:
            self.effects.write(f"magic:{name}")
            self.heap.put([self.heap.module("__magics__")], value)
            return value
        if decorator.kind is Kind.MODULE:
            if any(part in text for part in ("register", "accessor", "extensions")):
                self.change_module(decorator.path.partition(".")[0] or text.partition(".")[0])
            if not is_known(decorator.path):
                self.change_module(decorator.path.partition(".")[0], f"@{text} may register it")
            return value
        made = self.call_value(decorator, Arguments([value]), f"@{text}")
        is_own = bool(decorator.own & (self.heap.functions.keys() | self.heap.classes.keys()))
        return made if is_own else join([replace(made, kind=Kind.CALLABLE), value])

    def _classdef(self, node: ast.ClassDef) -> None:
        decorators = [self.evaluate(decorator) for decorator in node.decorator_list]
        bases = [self.evaluate(base) for base in node.bases]
        keywords = [self.evaluate(keyword.value) for keyword in node.keywords]
        outer, self.scope = self.scope, Scope(self.scope, is_class=True)
        try:
            self.run_body(node.body)
            names = self.scope.names
        finally:
            self.scope = outer
        held = self._held([*names.values(), *bases, *keywords])
        number = self.heap.new(held)
        numbers = frozenset(item for base in bases for item in base.own if item in self.heap.classes)
        paths = tuple(base.path for base in bases if base.path)
        metas = self._metaclasses(node, keywords, numbers)
        self.heap.classes[number] = Class(node.name, number, names, numbers, paths, metas)
        value = Value(frozenset({number}), Kind.CALLABLE)
        self._tell_bases(value, numbers)
        for name in ("__prepare__", "__new__", "__init__"):
            self.call_of_metaclass(number, name, Arguments([value, PLAIN, *bases, value]))
        for decorator, source in zip(reversed(decorators), reversed(node.decorator_list), strict=True):
            value = self._decorate(decorator, source, value, node.name)
        self.bind(node.name, value)

    def _metaclasses(self, node: ast.ClassDef, keywords: list[Value], bases: frozenset[int]) -> frozenset[int]:
        """Name the notebook's metaclasses of a class: its own and those of its bases."""
        given = zip(node.keywords, keywords, strict=True)
        own = {n for keyword, value in given if keyword.arg == "metaclass" for n in value.own if n in self.heap.classes}
        return frozenset(own).union(*(self.heap.classes[base].metaclasses for base in bases))

    def _tell_bases(self, value: Value, bases: frozenset[int]) -> None:
        """A base's `__init_subclass__` hears of each new class."""
        for base in sorted(bases):
            found = self._of_class(base, "__init_subclass__")
            for function in sorted(found.own) if found is not None else ():
                self.call_function(function, Arguments([value]))

    def _global(self, node: ast.Global) -> None:
        self.scope.global_names.update(node.names)

    def _nonlocal(self, node: ast.Nonlocal) -> None:
        self.scope.nonlocal_names.update(node.names)

    def _return(self, node: ast.Return) -> None:
        self.returned.append(self.evaluate(node.value))

    def _raise(self, node: ast.Raise) -> None:
        for part in (node.exc, node.cause):
            self.evaluate(part)

    def _assert(self, node: ast.Assert) -> None:
        self.touch(self.evaluate(node.test))
        if node.msg is not None:
            self.touch(self.evaluate(node.msg))


def _annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    spec = node.args
    every = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg]
    found = [arg.annotation for arg in every if arg is not None and arg.annotation is not None]
    return found + ([node.returns] if node.returns is not None else [])

"""Follow Python statements in order, without running them: branches, loops, functions, classes, imports."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from athena_lab.warehouse.lineage import frames
from athena_lab.warehouse.lineage.calls import Caller
from athena_lab.warehouse.lineage.constants import Items, Pairs, Thing, Value, either, known, unknown
from athena_lab.warehouse.lineage.constants import Module as Imported
from athena_lab.warehouse.lineage.effects import Effects
from athena_lab.warehouse.lineage.expressions import Function
from athena_lab.warehouse.lineage.scope import Names, Scope, names_of

_MAX_CALLS = 12
_MAX_STEPS = 100_000
_FIXPOINT = 3
_Def = ast.FunctionDef | ast.AsyncFunctionDef


class Program(Caller):
    """Follows the statements of a file or of a notebook's cells."""

    def __init__(self, effects: Effects) -> None:
        super().__init__(effects)
        self.env["__name__"] = known("__main__")
        self.returned: list[list[Value]] = []
        self.yielded: list[list[Value]] = []
        self.stack: list[ast.AST] = []
        self.defined: dict[ast.AST, tuple[int | None, Value | None]] = {}
        self.called: set[ast.AST] = set()
        self.read: dict[ast.AST, Names] = {}
        self.steps = 0

    # -- blocks

    def run(self, body: Iterable[ast.stmt]) -> bool:
        """Follow statements; say whether what comes after them is reached."""
        for statement in body:
            self.steps += 1
            if self.steps > _MAX_STEPS:
                self.effects.doubt("the code is too long to follow")
                return False
            follow = getattr(self, f"_run_{type(statement).__name__.lower()}", None)
            if follow is None:
                self._run_other(statement)
            elif follow(statement) is False:
                return False
        return True

    def _run_other(self, statement: ast.stmt) -> None:
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.expr):
                self.value(child)

    def _run_assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self.bind(target, value)

    def _run_annassign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.bind(node.target, self.value(node.value))

    def _run_augassign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            operation = ast.BinOp(ast.Name(node.target.id), node.op, node.value)
            self.env[node.target.id] = self.value(operation)
        else:
            self.value(node.value)
            self.bind(node.target, unknown(ast.unparse(node.target)))

    def _run_delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.env.pop(target.id, None)

    def _run_return(self, node: ast.Return) -> bool:
        value = self.value(node.value)
        if self.returned:
            self.returned[-1].append(value)
        return False

    def _run_raise(self, node: ast.Raise) -> bool:
        self._run_other(node)
        return False

    def _run_break(self, _: ast.Break) -> bool:
        return False

    _run_continue = _run_break

    def _run_if(self, node: ast.If) -> bool:
        truth = self.truth(self.value(node.test))
        if truth is not None:
            return self.run(node.body if truth else node.orelse)
        return self._branches([node.body, node.orelse])

    def _branches(self, bodies: Sequence[Sequence[ast.stmt]]) -> bool:
        """Follow alternatives from the same start; afterwards each name may be what any of them made it."""
        start, ends = self.env, []
        for body in bodies:
            self.env = dict(start)
            if self.run(body):
                ends.append(self.env)
        self.env = _joined(ends) if ends else dict(start)
        return bool(ends)

    def _run_match(self, node: ast.Match) -> bool:
        self.value(node.subject)
        for case in node.cases:
            for item in ast.walk(case.pattern):
                if isinstance(item, ast.MatchAs | ast.MatchStar) and item.name:
                    self.env[item.name] = unknown(item.name)
        return self._branches([*(case.body for case in node.cases), []])

    def _run_for(self, node: ast.For | ast.AsyncFor) -> None:
        given = self.value(node.iter)
        items = self.elements(given)
        if items is None:
            name = ast.unparse(node.target)
            item = frames.made_of(unknown(name), [given], name)
            self.bind(node.target, item)
            self._repeat(node.body, (node.target, item))
        for item in items or ():
            before = dict(self.env)
            self.bind(node.target, item)
            is_ended = not self.run(node.body)
            if is_ended or _has_jump(node.body):
                self.env = _joined([before, self.env])
        self.run(node.orelse)

    _run_asyncfor = _run_for

    def _run_while(self, node: ast.While) -> None:
        if self.truth(self.value(node.test)) is False:
            return
        self._repeat(node.body, None)
        self.run(node.orelse)

    def _repeat(self, body: Sequence[ast.stmt], target: tuple[ast.expr, Value] | None) -> None:
        """Follow a loop of unknown length: what goes on changing is unknown."""
        for turn in range(_FIXPOINT):
            before = dict(self.env)
            self.run(body)
            joined = _joined([before, self.env])
            changed = [name for name, value in joined.items() if before.get(name) != value]
            self.env = joined
            if not changed:
                return
            if turn >= _FIXPOINT - 2:
                self.env |= {name: Value(before[name].options if name in before else (), name) for name in changed}
            if target is not None:
                self.bind(*target)

    def _run_try(self, node: ast.Try) -> bool:
        start = dict(self.env)
        is_through = self.run([*node.body, *node.orelse])
        after = self.env
        ends = [after] if is_through else []
        for handler in node.handlers:
            self.env = _joined([start, after])
            if handler.name:
                self.env[handler.name] = unknown(handler.name)
            if self.run(handler.body):
                ends.append(self.env)
        self.env = _joined(ends) if ends else _joined([start, after])
        return self.run(node.finalbody) and bool(ends)

    _run_trystar = _run_try

    def _run_with(self, node: ast.With | ast.AsyncWith) -> bool:
        for item in node.items:
            value = self.value(item.context_expr)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value)
        return self.run(node.body)

    _run_asyncwith = _run_with

    # -- names from elsewhere

    def _run_import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.split(".")[0]
            self.env[name] = known(Imported(alias.name if alias.asname else name))

    def _run_importfrom(self, node: ast.ImportFrom) -> None:
        path = "." * node.level + (node.module or "")
        for alias in node.names:
            self.env[alias.asname or alias.name] = known(Imported(f"{path}.{alias.name}"))

    # -- functions and classes

    def _run_functiondef(self, node: _Def) -> None:
        for item in node.decorator_list:
            self.value(item)
        self.defined.setdefault(node, (self.effects.findings.cell, None))
        self.env[node.name] = known(Function(node))

    _run_asyncfunctiondef = _run_functiondef

    def _run_classdef(self, node: ast.ClassDef) -> None:
        outer = self.env
        self.env = dict(outer)
        bases = [self.value(item).only for item in node.bases]
        self.run(node.body)
        inherited = [pair for base in bases if isinstance(base, Thing) for pair in base.attributes]
        own = [(name, value) for name, value in self.env.items() if outer.get(name) != value]
        self.env = outer
        fields = [
            item.target.id
            for item in node.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        ]
        kind = Thing("class", (*inherited, *own, ("__fields__", tuple(fields))))
        self.env[node.name] = known(kind)
        for _, value in own:
            if isinstance(value.only, Function) and value.only.node in self.defined:
                self.defined[value.only.node] = (self.effects.findings.cell, known(kind))

    def make_instance(self, kind: Thing, arguments: Sequence[Value], named: dict[str, Value], why: str) -> Value:
        """Make an instance: run its `__init__`, or fill the fields of a data class."""
        made = known(Thing("instance", (("class", kind),)))
        start = kind.get("__init__")
        if isinstance(start, Value) and isinstance(start.only, Function):
            self.run_function(Function(start.only.node, made), arguments, named, why)
            return self.last_self or made
        fields = dict(zip(kind.get("__fields__") or (), arguments, strict=False)) | named
        return known(Thing("instance", (("class", kind), *fields.items())))

    def run_function(self, function: Function, arguments: Sequence[Value], named: dict[str, Value], why: str) -> Value:
        """Run a function's body with its arguments; names of the file that it changes are changed."""
        node = function.node
        self.called.add(node)
        if len(self.stack) >= _MAX_CALLS or self.stack.count(node) > 1:
            return unknown(why)
        outer, names = self.env, self.read.get(node) or names_of(node)
        self.read[node] = names
        self.env = Scope(outer)
        self._bind_arguments(node.args, function.bound, arguments, named)
        given = {name: self.env[name] for name in names.arguments if name in self.env}
        self.stack.append(node)
        self.returned.append([])
        self.yielded.append([])
        if isinstance(node, ast.Lambda):
            self.returned[-1].append(self.value(node.body))
        elif self.run(node.body):
            self.returned[-1].append(known(None))
        found, inner, items = self.returned.pop(), self.env, self.yielded.pop()
        self.stack.pop()
        first = node.args.args[0].arg if node.args.args and function.bound is not None else None
        self.last_self = inner.get(first) if first is not None else None
        changed = names.outward(inner, outer)
        self.env = outer
        if changed:
            self.env = outer.copy()
            self.env |= changed
        self._change_arguments(names, given, inner)
        if isinstance(node, ast.Lambda) or not names.is_generator:
            return either(found)
        return known(Items(tuple(items)))

    def _yield(self, node: ast.Yield) -> Value:
        if self.yielded:
            self.yielded[-1].append(self.value(node.value))
        return unknown(ast.unparse(node))

    def _yieldfrom(self, node: ast.YieldFrom) -> Value:
        items = self.elements(self.value(node.value))
        if self.yielded:
            self.yielded[-1] += items if items is not None else [unknown(ast.unparse(node.value))]
        return unknown(ast.unparse(node))

    def _bind_arguments(
        self, given: ast.arguments, bound: Value | None, arguments: Sequence[Value], named: dict[str, Value]
    ) -> None:
        names = [item.arg for item in (*given.posonlyargs, *given.args)]
        defaults = dict(zip(reversed(names), (self.value(item) for item in reversed(given.defaults)), strict=False))
        for item, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            names.append(item.arg)
            if default is not None:
                defaults[item.arg] = self.value(default)
        values = [*([bound] if bound is not None else []), *arguments]
        filled = dict(zip(names, values, strict=False)) | {key: item for key, item in named.items() if key in names}
        for name in names:
            self.env[name] = filled.get(name) or defaults.get(name) or unknown(name)
        for star in (given.vararg, given.kwarg):
            if star is not None:
                self.env[star.arg] = unknown(star.arg)

    def _change_arguments(self, names: Names, given: dict[str, Value], inner: dict[str, Value]) -> None:
        """Note the lists and dicts of the caller's that a function changed through its arguments."""
        for name in names.arguments:
            before, after = given.get(name), inner.get(name)
            if before is None or before == after or not isinstance(before.only, Items | Pairs):
                continue
            changed = after if after is not None and name not in names.stored else Value(before.options, name)
            for other in [key for key, value in self.env.items() if value is before]:
                self.env[other] = changed

    def run_uncalled(self) -> None:
        """Follow the functions that nothing here calls: others may, with arguments that are not known."""
        for node, (cell, kind) in list(self.defined.items()):
            if node in self.called or not isinstance(node, _Def):
                continue
            self.effects.findings.cell = cell
            bound = None
            if kind is not None and isinstance(kind.only, Thing):
                bound = self.make_instance(kind.only, (), {}, node.name)
            names = {item.arg for item in (*node.args.args, *node.args.kwonlyargs)}
            defaults = {name: value for name, value in self._defaults(node).items() if name in names}
            self.run_function(Function(node, bound), (), defaults, node.name)

    def _defaults(self, node: _Def) -> dict[str, Value]:
        """Say of each argument with a default that it may be that or anything else."""
        pairs = list(zip(reversed(node.args.args), reversed(node.args.defaults), strict=False))
        pairs += [
            (arg, one) for arg, one in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if one is not None
        ]
        return {arg.arg: Value(self.value(one).options, arg.arg) for arg, one in pairs}

    # -- IPython

    def run_magic(self, name: str, arguments: Sequence[Value], why: str) -> Value:
        """Follow what IPython's magics do; the notebook's own are followed by its reader."""
        texts = [value.only for value in arguments]
        line = next((text for text in texts if isinstance(text, str)), "")
        if name in ("system", "getoutput", "getoutput_exec") and "bq" in line.replace("/", " ").split():
            self.effects.doubt(f"!{line}")
        if name == "run_line_magic" and line in ("run", "load"):
            self.effects.doubt(f"%{line} {texts[1] if len(texts) > 1 else ''}")
        return unknown(why)


def _joined(envs: Sequence[dict[str, Value]]) -> dict[str, Value]:
    """Give what each name may be after one of several ways; a name that one way lacks may be unset."""
    if len(envs) == 1:
        return dict(envs[0])
    joined: dict[str, Value] = dict(envs[0])
    for env in envs[1:]:
        for name, value in env.items():
            before = joined.get(name)
            if before is None:
                joined[name] = value
            elif before is not value and before != value:
                joined[name] = either([before, value])
    return joined


def _has_jump(body: Sequence[ast.stmt]) -> bool:
    return any(isinstance(node, ast.Break | ast.Continue) for item in body for node in ast.walk(item))

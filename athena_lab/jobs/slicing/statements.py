"""Read statements: what they bind, replace, change and need."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from athena_lab.jobs.slicing.definitions import Definitions
from athena_lab.jobs.slicing.state import Arguments
from athena_lab.jobs.slicing.values import Kind, Value, join

_ENDING = (ast.Return, ast.Raise)


class Statements(Definitions):
    """Reads statements, one method a kind."""

    def run_body(self, body: Sequence[ast.stmt]) -> bool:
        for statement in body:
            read: Callable[[ast.stmt], object] | None = getattr(self, f"_{type(statement).__name__.lower()}", None)
            if read is not None:
                ends = read(statement)
                if ends is True or isinstance(statement, _ENDING):
                    return True
        return False

    def _expr(self, node: ast.Expr) -> None:
        called = node.value.value if isinstance(node.value, ast.Await) else node.value
        self.discarded = called if isinstance(called, ast.Call) else None
        self.touch(self.evaluate(node.value), is_shown=True)

    # -- control

    def _if(self, node: ast.If) -> bool:
        self.touch(self.evaluate(node.test))
        ends = [False, False]

        def way(index: int, body: list[ast.stmt]) -> bool:
            ends[index] = self.run_body(body)
            return ends[index]

        self.alternatives(lambda: way(0, node.body), lambda: way(1, node.orelse))
        return all(ends)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        source = self.evaluate(node.iter)
        self.iterate(source)

        def turn() -> bool:
            self.assign(node.target, self.element(source))
            self.run_body(node.body)
            return False

        # Twice: the second turn meets what the first one left behind.
        self.maybe(turn)
        self.maybe(turn)
        self.run_body(node.orelse)

    _asyncfor = _for

    def _while(self, node: ast.While) -> None:
        for _ in range(2):
            self.touch(self.evaluate(node.test))
            self.maybe(lambda: self.run_body(node.body))
        self.run_body(node.orelse)

    def _with(self, node: ast.With | ast.AsyncWith) -> bool:
        entered = []
        for item in node.items:
            value = self.evaluate(item.context_expr)
            result = self._call_context(value)
            entered.append(value)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, join([result, value]) if result is not None else value)
        before = set(self.effects.replaced)
        ends = self.run_body(node.body)
        if "suppress" in " ".join(ast.unparse(item.context_expr) for item in node.items):
            self.effects.replaced = before
        return ends

    _asyncwith = _with

    def _call_context(self, value: Value) -> Value | None:
        results = []
        for name in ("__enter__", "__exit__", "__aenter__", "__aexit__"):
            if self.method(value, name) is not None:
                results.append(self.call_value(self.attribute(value, name), Arguments(), name))
        self.consume(value)
        return join(results) if results else None

    def _try(self, node: ast.Try) -> bool:
        before = set(self.effects.replaced)
        ends = False

        def body() -> bool:
            nonlocal ends
            ends = self.run_body(node.body)
            return self.run_body(node.orelse) or ends

        def handle(handler: ast.ExceptHandler) -> bool:
            # The body may have failed anywhere: what it bound may be there, but is not certain.
            self.maybe(lambda: self.run_body(node.body))
            self.evaluate(handler.type)
            if handler.name:
                self.bind(handler.name, self.fresh(Kind.DATA))
            ended = self.run_body(handler.body)
            if handler.name:
                self.scope.names.pop(handler.name, None)
                self.effects.replaced.discard(handler.name)
            return ended

        self.alternatives(body, *[(lambda handler=handler: handle(handler)) for handler in node.handlers])
        if not node.handlers:
            self.effects.replaced |= before
        return self.run_body(node.finalbody)

    _trystar = _try

    def _match(self, node: ast.Match) -> None:
        subject = self.evaluate(node.subject)
        self.touch(subject)

        def case(found: ast.match_case) -> bool:
            self._bind_pattern(found.pattern, subject)
            self.evaluate(found.guard)
            return self.run_body(found.body)

        ways: list[Callable[[], bool]] = [(lambda found=found: case(found)) for found in node.cases]  # type: ignore[misc]
        last = node.cases[-1]
        is_whole = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
        self.alternatives(*ways, *([] if is_whole else [lambda: False]))

    def _bind_pattern(self, pattern: ast.AST, subject: Value) -> None:
        for part in ast.walk(pattern):
            if isinstance(part, ast.MatchValue):
                self.evaluate(part.value)
            elif isinstance(part, ast.MatchClass):
                self.evaluate(part.cls)
            name = getattr(part, "name", None) or getattr(part, "rest", None)
            if name is not None and isinstance(part, ast.MatchAs | ast.MatchStar | ast.MatchMapping):
                self.bind(name, join([subject, self.element(subject)]))

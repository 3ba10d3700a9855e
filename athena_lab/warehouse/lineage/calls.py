"""Evaluate Python calls: the user's functions and classes, the BigQuery client, texts, and what runs other code."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Sequence
from dataclasses import replace

from athena_lab.warehouse.lineage import bigquery_calls, frames, text_building
from athena_lab.warehouse.lineage.bigquery_calls import Call
from athena_lab.warehouse.lineage.constants import Items, Module, Pairs, Thing, Value, either, known, unknown
from athena_lab.warehouse.lineage.effects import is_query
from athena_lab.warehouse.lineage.expressions import Evaluator, Function

_GROWING = {"append": 0, "add": 0, "insert": 1}
_CHANGING = frozenset(
    ["extend", "update", "setdefault", "pop", "popitem", "remove", "discard", "clear", "sort", "reverse"]
)
_SHELLS = ("os.system", "os.popen", "subprocess.run", "subprocess.call", "subprocess.check_call",
           "subprocess.check_output", "subprocess.Popen", "subprocess.getoutput")  # fmt: skip
_RUNNERS = ("runpy.run_path", "runpy.run_module", "papermill.execute_notebook")
_EVALUATORS = ("exec", "eval")
_MAPPERS = ("map", "imap", "imap_unordered", "starmap", "submit", "apply", "apply_async", "run_in_executor")


class Caller(Evaluator):
    """Evaluates calls; a subclass runs the bodies of functions, classes and magics."""

    def make_instance(self, kind: Thing, arguments: Sequence[Value], named: dict[str, Value], why: str) -> Value:
        """Make an instance of a class of the user's; given by the subclass."""
        raise NotImplementedError

    def run_magic(self, name: str, arguments: Sequence[Value], why: str) -> Value:
        """Run a magic or a shell command of IPython's; given by the subclass."""
        raise NotImplementedError

    def _call(self, node: ast.Call) -> Value:
        arguments, named = self._arguments(node)
        why = ast.unparse(node)
        if isinstance(node.func, ast.Attribute):
            return self._method(node.func, Call(node.func.attr, arguments, named, why))
        function = self.value(node.func)
        name = node.func.id if isinstance(node.func, ast.Name) and not function.options else ""
        found = [self.call(option, Call(name, arguments, named, why)) for option in function.options]
        if not found or function.why:
            found.append(self._call_by_name(Call(name, arguments, named, why)))
        if any(isinstance(option, Function) for option in function.options):
            return either(found)  # what comes out of it was followed
        return frames.made_of(either(found), [*arguments, *named.values()], why)

    def call(self, thing: object, call: Call) -> Value:
        """Call one thing: a function or class of the user's, or something imported."""
        if isinstance(thing, Function):
            return self.run_function(thing, call.arguments, dict(call.named), call.why)
        if isinstance(thing, Thing) and thing.kind == "class":
            return self.make_instance(thing, call.arguments, dict(call.named), call.why)
        if isinstance(thing, Thing) and thing.kind == "method":
            asked = Call(str(thing.get("name")), call.arguments, call.named, call.why, thing.get("client"))
            return bigquery_calls.call_client(self.effects, asked) or unknown(call.why)
        if isinstance(thing, Module):
            return self._call_path(thing.path, call)
        return unknown(call.why)

    def _call_path(self, path: str, call: Call) -> Value:
        found = bigquery_calls.call_path(self.effects, call, path)
        if found is None:
            found = text_building.function(path, call.arguments, call.named, call.why)
        if found is not None:
            return found
        if path == "string.Template":
            return known(Thing("template", (("text", call.argument(0) or unknown(call.why)),)))
        if path in _SHELLS:
            self._shell(call)
        elif path in _RUNNERS:
            self.effects.doubt(call.why)
        elif not bigquery_calls.is_foreign(path):
            self._hand_over(call, is_known=path.split(".")[0] in sys.stdlib_module_names)
        self._call_back(call)
        return Value((Thing("made", (("path", path),)),), call.why)

    def _call_by_name(self, call: Call) -> Value:
        """Call a name that nothing in the file defines: a built-in function, or something unseen."""
        found = text_building.function(call.name, call.arguments, call.named, call.why) if call.name else None
        if found is not None:
            return found
        if call.name in _EVALUATORS:
            self.effects.doubt(call.why)
        elif call.name in _MAPPERS:
            return self._map(call)
        elif not hasattr(builtins, call.name) and call.name != "display":
            self._hand_over(call)
        self._call_back(call)
        return unknown(call.why)

    def _shell(self, call: Call) -> None:
        if call.why.lstrip("(").count("bq") and "bq" in _words(call.why):
            self.effects.doubt(call.why)

    def _hand_over(self, call: Call, *, is_known: bool = False) -> None:
        """A client that is handed to code that is not seen may do anything."""
        given = [option for value in (*call.arguments, *call.named.values()) for option in value.options]
        has_client = any(isinstance(option, Thing) and option.kind in ("client", "method") for option in given)
        has_client |= any(_is_client(value) for value in (*call.arguments, *call.named.values()))
        if has_client or (not is_known and any(map(is_query, given))):
            self.effects.doubt(call.why)

    def _call_back(self, call: Call) -> None:
        """Functions that are handed over may be called, with arguments that are not known."""
        for value in (*call.arguments, *call.named.values()):
            for option in value.options:
                if isinstance(option, Function):
                    self.run_function(option, (), {}, call.why)

    def _map(self, call: Call) -> Value:
        function = call.arguments[0] if call.arguments else unknown(call.why)
        functions = [option for option in function.options if _is_function(option)]
        if call.name in ("submit", "apply_async", "apply"):
            given = Call("", call.arguments[1:], call.named, call.why)
            return either([self.call(one, given) for one in functions])
        rows = [self.elements(value) for value in call.arguments[1:]]
        columns = [row for row in rows if row is not None]
        if not columns or len(columns) < len(rows):
            self._call_back(call)
            return unknown(call.why)
        found = []
        for row in zip(*columns, strict=False):
            values = row[0].only.values if call.name == "starmap" and isinstance(row[0].only, Items) else row
            found += [self.call(one, Call("", values, {}, call.why)) for one in functions]
        return known(Items(tuple(found)))

    # -- methods

    def _method(self, node: ast.Attribute, call: Call) -> Value:
        owner = self.value(node.value)
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "get_ipython":
            return self.run_magic(node.attr, call.arguments, call.why)
        changed = self._change(node, owner, call)
        if changed is not None:
            return changed
        found = [self._method_of(option, node, call) for option in owner.options]
        given = [owner, *call.arguments, *call.named.values()]
        if owner.why and not any(isinstance(option, Thing) and option.kind == "made" for option in owner.options):
            found.append(self._unknown_method(node, owner, call))
        return frames.made_of(either(found or [unknown(call.why)]), given, call.why)

    def _change(self, node: ast.Attribute, owner: Value, call: Call) -> Value | None:
        """Follow `list.append` and its like; another change of a list or dict makes it unknown."""
        if call.name not in _GROWING and call.name not in _CHANGING:
            return None
        if not any(isinstance(option, Items | Pairs) for option in owner.options):
            return None
        changed = Value(owner.options, ast.unparse(node.value))
        lists = [option for option in owner.options if isinstance(option, Items)]
        more = self._added(call)
        if more is not None and len(lists) == len(owner.options):
            changed = Value(tuple(Items(option.values + more) for option in lists), owner.why)
        self.change(node.value, owner, changed)
        return unknown(call.why)

    def _added(self, call: Call) -> tuple[Value, ...] | None:
        if call.name in _GROWING and len(call.arguments) > _GROWING[call.name]:
            return (call.arguments[-1],)
        return self.elements(call.arguments[0]) if call.name == "extend" and call.arguments else None

    def _method_of(self, option: object, node: ast.Attribute, call: Call) -> Value:
        if isinstance(option, Module):
            if bigquery_calls.is_method(node.attr) and not bigquery_calls.is_known_library(option.path):
                return self._unknown_method(node, unknown(call.why), call)
            return self._call_path(f"{option.path}.{node.attr}", call)
        if isinstance(option, str):
            owner = known(option)
            return text_building.method(owner, call.name, call.arguments, call.named, self.effects.holes, call.why) or (
                unknown(call.why)
            )
        if isinstance(option, Pairs):
            return _method_of_dict(option, call)
        if isinstance(option, Thing):
            return self._method_of_thing(option, node, call)
        return self._unknown_method(node, unknown(call.why), call)

    def _method_of_thing(self, thing: Thing, node: ast.Attribute, call: Call) -> Value:
        if thing.kind == "client":
            asked = Call(call.name, call.arguments, call.named, call.why, thing)
            return bigquery_calls.call_client(self.effects, asked) or self._unseen(call)
        if thing.kind == "dataset" and call.name == "table":
            return bigquery_calls.table_of_dataset(self.effects, thing, call)
        if thing.kind in ("instance", "class"):
            return self._method_of_instance(thing, node, call)
        found = bigquery_calls.call_frame(self.effects, replace(call, owner=thing))
        if found is None and thing.kind == "template" and call.name in ("substitute", "safe_substitute"):
            found = text_building.substituted(thing.get("text"), call.named, self.effects.holes, call.why)
        if found is not None:
            return found
        if thing.kind == "made" and not bigquery_calls.is_foreign(str(thing.get("path"))):
            return self._unknown_method(node, unknown(call.why), call)
        if thing.kind == "made":  # another engine's: so is what its methods give
            self._call_back(call)
            return Value((thing,), call.why)
        if call.name in frames.SAME_COLUMNS:
            return known(thing)
        self._call_back(call)
        return frames.method(thing, call.name, call.arguments, call.named, call.why)

    def _unseen(self, call: Call) -> Value:
        self._call_back(call)
        return unknown(call.why)

    def _method_of_instance(self, thing: Thing, node: ast.Attribute, call: Call) -> Value:
        method = self.attribute(known(thing), node).only
        if not isinstance(method, Function):
            return self._unknown_method(node, unknown(call.why), call)
        is_static = any(ast.unparse(item) == "staticmethod" for item in getattr(method.node, "decorator_list", ()))
        bound = method if is_static else Function(method.node, known(thing))
        result = self.run_function(bound, call.arguments, dict(call.named), call.why)
        if isinstance(node.value, ast.Name | ast.Attribute) and self.last_self is not None and not is_static:
            self.bind(node.value, self.last_self)
        return result

    last_self: Value | None = None
    """What `self` was at the end of the last method: attributes may have been set."""

    def _unknown_method(self, node: ast.Attribute, owner: Value, call: Call) -> Value:
        found = bigquery_calls.call_frame(self.effects, call)
        if found is not None:
            return found
        if call.name in _MAPPERS and call.arguments and any(map(_is_function, call.arguments[0].options)):
            return self._map(call)
        receiver = node.value.attr if isinstance(node.value, ast.Attribute) else ast.unparse(node.value)
        found = bigquery_calls.call_unknown(self.effects, call, receiver)
        if found is None and not owner.options:
            self._hand_over(call)
            self._call_back(call)
        return found or unknown(call.why)


def _is_client(value: Value) -> bool:
    """Say whether something unknown is called as clients are: `client`, `bq_client`."""
    return not value.options and value.why.isidentifier() and bigquery_calls.is_client_name(value.why)


def _is_function(option: object) -> bool:
    return isinstance(option, Function) or (isinstance(option, Thing) and option.kind == "method")


def _method_of_dict(pairs: Pairs, call: Call) -> Value:
    if call.name == "items":
        return known(Items(tuple(known(Items((known(key), value))) for key, value in pairs.values)))
    if call.name == "values":
        return known(Items(tuple(value for _, value in pairs.values)))
    if call.name == "keys":
        return known(Items(tuple(known(key) for key, _ in pairs.values)))
    if call.name == "get" and call.arguments:
        if not call.arguments[0].options:
            return either(
                [
                    *(value for _, value in pairs.values),
                    *call.arguments[1:],
                    *([known(None)] * (len(call.arguments) < 2)),
                ]
            )
        found = [pairs.get(key) for key in call.arguments[0].options]
        return either([value or (call.arguments[1] if len(call.arguments) > 1 else known(None)) for value in found])
    return unknown(call.why)


def _words(text: str) -> list[str]:
    return "".join(char if char.isalnum() or char in "_-" else " " for char in text).split()

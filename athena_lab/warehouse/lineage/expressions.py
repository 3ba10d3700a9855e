"""Evaluate Python expressions without running anything: what is constant is known, the rest has a source text."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from athena_lab.warehouse.lineage import bigquery_calls, frames, text_building
from athena_lab.warehouse.lineage.constants import (
    Items,
    Module,
    Pairs,
    Thing,
    Value,
    combine,
    either,
    is_constant,
    known,
    plain,
    unknown,
)
from athena_lab.warehouse.lineage.effects import Effects
from athena_lab.warehouse.lineage.operators import ARITHMETIC, COMPARISONS

_USUAL = {
    "bigquery": "google.cloud.bigquery",
    "pd": "pandas",
    "pandas_gbq": "pandas_gbq",
    "bpd": "bigframes.pandas",
    "os": "os",
    "subprocess": "subprocess",
}
"""What names mean that nothing defines: an import may lie elsewhere."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the user's, with the instance or class that it is bound to."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    bound: Value | None = None


class Evaluator:
    """Evaluates expressions in an environment; a subclass runs the bodies of functions."""

    def __init__(self, effects: Effects) -> None:
        self.effects = effects
        self.env: dict[str, Value] = {}

    def run_function(self, function: Function, arguments: Sequence[Value], named: dict[str, Value], why: str) -> Value:
        """Run a function of the user's; given by the subclass."""
        raise NotImplementedError

    def value(self, node: ast.expr | None) -> Value:
        """Give what an expression may be, noting what its calls do."""
        if node is None:
            return known(None)
        evaluate = getattr(self, f"_{type(node).__name__.lower()}", None)
        if evaluate is not None:
            return cast(Value, evaluate(node))
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
        return unknown(ast.unparse(node))

    # -- plain expressions

    def _constant(self, node: ast.Constant) -> Value:
        return known(node.value) if is_constant(node.value) else unknown(ast.unparse(node))

    def _name(self, node: ast.Name) -> Value:
        found = self.env.get(node.id)
        if found is None:
            found = known(Module(_USUAL[node.id])) if node.id in _USUAL else unknown(node.id)
        return found

    def _joinedstr(self, node: ast.JoinedStr) -> Value:
        pieces = [self._piece(item) for item in node.values]
        return text_building.concatenated(pieces, ast.unparse(node))

    def _piece(self, node: ast.expr) -> Value:
        if not isinstance(node, ast.FormattedValue):
            return self.value(node)
        spec = self.value(node.format_spec).only if node.format_spec is not None else ""
        value = self.value(node.value)
        return text_building.formatted(value, node.conversion, spec or "", self.effects.holes)

    def _binop(self, node: ast.BinOp) -> Value:
        left, right, why = self.value(node.left), self.value(node.right), ast.unparse(node)
        if isinstance(node.op, ast.Add):
            return text_building.added(left, right, self.effects.holes, why)
        if isinstance(node.op, ast.Mod) and any(isinstance(item, str) for item in left.options):
            return text_building.percent(left, right, self.effects.holes, why)
        operate = ARITHMETIC.get(type(node.op))
        found = combine([left, right], operate, why) if operate is not None else unknown(why)
        return frames.made_of(found, [left, right], why)

    def _ifexp(self, node: ast.IfExp) -> Value:
        test = self.truth(self.value(node.test))
        if test is not None:
            return self.value(node.body if test else node.orelse)
        return either([self.value(node.body), self.value(node.orelse)])

    def _boolop(self, node: ast.BoolOp) -> Value:
        values = [self.value(item) for item in node.values]
        wanted = isinstance(node.op, ast.Or)
        for index, item in enumerate(values[:-1]):
            truth = self.truth(item)
            if truth is None:
                return either(values[index:])
            if truth == wanted:
                return item
        return values[-1]

    def _unaryop(self, node: ast.UnaryOp) -> Value:
        value, why = self.value(node.operand), ast.unparse(node)
        if isinstance(node.op, ast.Not):
            truth = self.truth(value)
            return known(not truth) if truth is not None else unknown(why)
        return combine([value], lambda item: -item, why) if isinstance(node.op, ast.USub) else unknown(why)

    def _compare(self, node: ast.Compare) -> Value:
        values, why = [self.value(node.left), *(self.value(item) for item in node.comparators)], ast.unparse(node)
        if len(node.ops) > 1:
            return unknown(why)
        compare = COMPARISONS[type(node.ops[0])]
        return combine(values, lambda left, right: compare(plain(left), plain(right)), why)

    def truth(self, value: Value) -> bool | None:
        """Say whether a value is surely true or surely false."""
        if value.why or not value.options:
            return None
        truths = {_is_true(option) for option in value.options}
        return truths.pop() if len(truths) == 1 else None

    # -- collections

    def _list(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        found: list[Value] = []
        for item in node.elts:
            value = self.value(item.value if isinstance(item, ast.Starred) else item)
            if not isinstance(item, ast.Starred):
                found.append(value)
            elif isinstance(value.only, Items):
                found += value.only.values
            else:
                return unknown(ast.unparse(node))
        return known(Items(tuple(found)))

    _tuple = _set = _list

    def _dict(self, node: ast.Dict) -> Value:
        pairs: list[tuple[object, Value]] = []
        is_whole = True
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.value(item)
            if key is None:
                is_whole &= isinstance(value.only, Pairs)
                pairs += value.only.values if isinstance(value.only, Pairs) else ()
                continue
            name = self.value(key)
            is_whole &= len(name.options) == 1 and is_constant(name.options[0])
            pairs.append((name.only, value))
        return known(Pairs(tuple(pairs))) if is_whole else unknown(ast.unparse(node))

    def _subscript(self, node: ast.Subscript) -> Value:
        value, why = self.value(node.value), ast.unparse(node)
        if isinstance(node.slice, ast.Slice):
            bounds = [self.value(item) for item in (node.slice.lower, node.slice.upper, node.slice.step)]
            return combine([value, *bounds], lambda item, *cut: _sliced(item, slice(*cut)), why)
        key = self.value(node.slice)
        rows = [option for option in value.options if frames.result_of(option) is not None]
        if rows:
            return either([frames.picked(option, key, why) for option in rows])
        return self._picked([(option, index) for option in value.options for index in key.options], value, key, why)

    def _picked(self, choices: Sequence[tuple[object, object]], value: Value, key: Value, why: str) -> Value:
        if not key.options or not value.options:
            return either(self._all_values(value, why)) if value.options and not value.why else unknown(why)
        found = [_item(option, index, why) for option, index in choices]
        return either([*found, *([unknown(why)] if value.why or key.why else [])])

    def _all_values(self, value: Value, why: str) -> list[Value]:
        """Give what an unknown key may pick: all values, and something unknown for what is no collection."""
        found: list[Value] = []
        for option in value.options:
            if isinstance(option, Pairs):
                found += [item for _, item in option.values]
            elif isinstance(option, Items):
                found += option.values
            else:
                found.append(unknown(why))
        return found or [unknown(why)]

    def elements(self, value: Value) -> tuple[Value, ...] | None:
        """Give what a loop over the value goes through, None where that is not known."""
        if value.why or not value.options:
            return None
        found: list[Value] = []
        for option in value.options:
            if isinstance(option, Items):
                found += option.values
            elif isinstance(option, Pairs):
                found += [known(key) for key, _ in option.values]
            elif isinstance(option, str):
                found += [known(letter) for letter in option]
            else:
                return None
        return tuple(found)

    def _listcomp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
        found: list[Value] = []
        is_whole = self._generate_alone(node.generators, lambda: found.append(self.value(node.elt)))
        why = ast.unparse(node)
        return known(Items(tuple(found))) if is_whole else frames.made_of(unknown(why), found, why)

    _setcomp = _generatorexp = _listcomp

    def _dictcomp(self, node: ast.DictComp) -> Value:
        found: list[tuple[object, Value]] = []
        is_whole = self._generate_alone(
            node.generators, lambda: found.append((self.value(node.key).only, self.value(node.value)))
        )
        return (
            known(Pairs(tuple(found)))
            if is_whole and all(key is not None for key, _ in found)
            else unknown(ast.unparse(node))
        )

    def _generate_alone(self, generators: list[ast.comprehension], emit: Callable[[], None]) -> bool:
        """Run a comprehension; its own names are gone afterwards."""
        names = [item.id for one in generators for item in ast.walk(one.target) if isinstance(item, ast.Name)]
        outer = {name: self.env[name] for name in names if name in self.env}
        is_whole = self._generate(generators, emit)
        for name in names:
            self.env.pop(name, None)
        self.env |= outer
        return is_whole

    def _generate(self, generators: list[ast.comprehension], emit: Callable[[], None]) -> bool:
        if not generators:
            emit()
            return True
        first, rest = generators[0], generators[1:]
        given = self.value(first.iter)
        items = self.elements(given)
        is_whole = items is not None
        for item in items if items is not None else (unknown(ast.unparse(first.target)),):
            self.bind(first.target, item if items is not None else frames.made_of(item, [given], item.why))
            tests = [self.truth(self.value(test)) for test in first.ifs]
            if False in tests:
                continue
            is_whole = self._generate(rest, emit) and is_whole and None not in tests
        return is_whole

    def bind(self, target: ast.expr, value: Value) -> None:
        """Give a name, or several by unpacking, a value; what is changed in place is known no more."""
        if isinstance(target, ast.Name):
            self.env[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            items = value.only.values if isinstance(value.only, Items) else ()
            is_fit = len(items) == len(target.elts) and not any(isinstance(item, ast.Starred) for item in target.elts)
            for index, item in enumerate(target.elts):
                inner = item.value if isinstance(item, ast.Starred) else item
                self.bind(inner, items[index] if is_fit else unknown(ast.unparse(inner)))
        elif isinstance(target, ast.Attribute):
            self._bind_attribute(target, value)
        elif isinstance(target, ast.Subscript):
            self._bind_item(target, value)

    def _bind_attribute(self, target: ast.Attribute, value: Value) -> None:
        if not isinstance(target.value, ast.Name | ast.Attribute):
            return
        owner = self.value(target.value)
        things = [item for item in owner.options if isinstance(item, Thing)]
        if things:
            self.bind(target.value, Value(tuple(item.having(target.attr, value) for item in things), owner.why))

    def _bind_item(self, target: ast.Subscript, value: Value) -> None:
        owner, key = self.value(target.value), self.value(target.slice)
        thing = owner.only
        changed = unknown(ast.unparse(target.value))
        if isinstance(thing, Pairs) and is_constant(key.only) and not key.why:
            kept = tuple(pair for pair in thing.values if pair[0] != key.only)
            changed = known(Pairs((*kept, (key.only, value))))
        elif isinstance(thing, Items) and isinstance(key.only, int) and 0 <= key.only < len(thing.values):
            changed = known(Items((*thing.values[: key.only], value, *thing.values[key.only + 1 :])))
        if any(isinstance(option, Items | Pairs) for option in owner.options):
            self.change(target.value, owner, changed)
        elif next(frames.results_in(Value((*owner.options, *value.options))), None) is not None:
            self.change(target.value, owner, frames.made_of(changed, [owner, value], changed.why))

    def change(self, place: ast.expr, before: Value, after: Value) -> None:
        """Note that a list or dict was changed in place: under its other names too."""
        for name in [name for name, value in self.env.items() if value is before]:
            self.env[name] = after
        self.bind(place, after)

    def _namedexpr(self, node: ast.NamedExpr) -> Value:
        value = self.value(node.value)
        self.bind(node.target, value)
        return value

    def _lambda(self, node: ast.Lambda) -> Value:
        return known(Function(node))

    def _await(self, node: ast.Await) -> Value:
        return self.value(node.value)

    # -- attributes and calls

    def _attribute(self, node: ast.Attribute) -> Value:
        return self.attribute(self.value(node.value), node)

    def attribute(self, owner: Value, node: ast.Attribute) -> Value:
        """Give an attribute of each thing that the owner may be."""
        why = ast.unparse(node)
        if (
            not owner.options
            and bigquery_calls.is_method(node.attr)
            and bigquery_calls.is_client_name(_last_name(node))
        ):
            return known(bigquery_calls.method_of(None, node.attr))
        found = [self._attribute_of(option, node.attr, why) for option in owner.options]
        rows = [Value((option,)) for option in owner.options if frames.result_of(option) is not None]
        return frames.made_of(either([*found, *([unknown(why)] if owner.why or not found else [])]), rows, why)

    def _attribute_of(self, option: object, name: str, why: str) -> Value:
        if isinstance(option, Module):
            return known(Module(f"{option.path}.{name}"))
        if isinstance(option, str) and name == "value":  # a member of an Enum
            return known(option)
        if not isinstance(option, Thing):
            return unknown(why)
        found = bigquery_calls.attribute_of(option, name)
        if found is None and option.kind == "client" and bigquery_calls.is_method(name):
            return known(bigquery_calls.method_of(option, name))
        if found is None and option.kind == "instance" and isinstance(kind := option.get("class"), Thing):
            found = bigquery_calls.attribute_of(kind, name)
        if found is None and option.kind == "made" and bigquery_calls.is_foreign(str(option.get("path"))):
            return Value((option,), why)
        if found is not None and option.kind == "instance" and _is_property(found.only):
            return self.run_function(Function(found.only.node, known(option)), (), {}, why)
        return found or unknown(why)

    def _arguments(self, node: ast.Call) -> tuple[list[Value], dict[str, Value]]:
        arguments: list[Value] = []
        for item in node.args:
            value = self.value(item.value if isinstance(item, ast.Starred) else item)
            if isinstance(item, ast.Starred):
                arguments += value.only.values if isinstance(value.only, Items) else [unknown(ast.unparse(item.value))]
            else:
                arguments.append(value)
        named: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value)
            if keyword.arg is not None:
                named[keyword.arg] = value
            elif isinstance(value.only, Pairs):
                named |= {str(key): item for key, item in value.only.values}
        return arguments, named


def _is_property(thing: object) -> bool:
    decorators = getattr(thing.node, "decorator_list", ()) if isinstance(thing, Function) else ()
    return any(ast.unparse(item).endswith("property") for item in decorators)


def _last_name(node: ast.Attribute) -> str:
    return node.value.attr if isinstance(node.value, ast.Attribute) else ast.unparse(node.value)


def _is_true(option: object) -> bool:
    if isinstance(option, Items | Pairs):
        return bool(option.values)
    return bool(option) if is_constant(option) else True


def _sliced(item: object, cut: slice) -> object:
    if isinstance(item, Items):
        return Items(item.values[cut])
    if isinstance(item, str):
        return item[cut]
    raise TypeError("not cut")


def _item(option: object, key: object, why: str) -> Value:
    if isinstance(option, Pairs):
        return option.get(key) or unknown(why)
    if isinstance(option, Items) and isinstance(key, int) and -len(option.values) <= key < len(option.values):
        return option.values[key]
    if isinstance(option, str) and isinstance(key, int) and -len(option) <= key < len(option):
        return known(option[key])
    return unknown(why)

"""How Python puts texts together: f-strings, `%`, `format`, `join` and the methods of strings, with holes."""

from __future__ import annotations

import itertools
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from string import Template
from typing import Any

from athena_lab.warehouse.lineage.constants import (
    MAX_OPTIONS,
    MAX_TEXT,
    Holes,
    Items,
    Module,
    Pairs,
    Value,
    combine,
    is_constant,
    known,
    plain,
    text_of,
    unknown,
)

_METHODS = frozenset(
    ["strip", "lstrip", "rstrip", "upper", "lower", "title", "capitalize", "replace", "split", "rsplit", "splitlines",
     "removeprefix", "removesuffix", "zfill", "ljust", "rjust", "center", "casefold", "swapcase", "startswith",
     "endswith", "partition", "rpartition", "count", "find", "index", "isdigit", "encode"]
)  # fmt: skip
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "str": str, "int": int, "float": float, "bool": bool, "len": len, "repr": repr, "sorted": sorted, "list": list,
    "tuple": list, "set": list, "frozenset": list, "reversed": lambda items: list(reversed(items)), "min": min,
    "max": max, "sum": sum, "abs": abs, "round": round, "format": format, "dict": dict,
    "enumerate": lambda items, start=0: list(enumerate(items, start)),
    "zip": lambda *items: list(zip(*items, strict=False)),
    "range": lambda *bounds: _short(range(*bounds)),
    "itertools.product": lambda *items: _product(*items),
    "itertools.chain": lambda *items: [one for item in items for one in item],
    "textwrap.dedent": textwrap.dedent, "inspect.cleandoc": textwrap.dedent, "dedent": textwrap.dedent,
}  # fmt: skip


_CONVERSIONS: Mapping[int, Callable[[Any], str]] = {ord("r"): repr, ord("s"): str, ord("a"): ascii}
_WIDE = re.compile(r"\d{5,}")
"""A width that nobody means: it would make texts without end."""


def _short(items: range) -> list[int]:
    if len(items) > MAX_OPTIONS * 4:
        raise ValueError("too long to follow")
    return list(items)


def _product(*items: list[Any]) -> list[tuple[Any, ...]]:
    if math.prod(map(len, items)) > MAX_OPTIONS * 4:
        raise ValueError("too long to follow")
    return list(itertools.product(*items))


def text_piece(value: Value, holes: Holes) -> Value:
    """Give what a value is inside a text; what is not known, or is no constant, becomes a hole."""
    filled = holes.filled(value)
    options = [option if is_constant(option) else text_of(option) for option in filled.options]
    if any(option is None and not is_constant(given) for option, given in zip(options, filled.options, strict=True)):
        named = [option.path for option in value.options if isinstance(option, Module)]
        return known(holes.make(value.why or next(iter(named), "an object")))
    return Value(tuple(options))


def concatenated(pieces: Sequence[Value], why: str) -> Value:
    """Join the pieces of an f-string."""
    return combine(pieces, lambda *texts: "".join(map(str, texts)), why)


def formatted(value: Value, conversion: int, spec: str, holes: Holes) -> Value:
    """Give a piece of an f-string as it is written out."""
    piece = text_piece(value, holes)
    convert: Callable[[Any], Any] = _CONVERSIONS.get(conversion, lambda item: item)
    made = combine([piece], lambda item: _format(convert(item), spec), value.why)
    return made if made.options else known(holes.make(value.why or "a formatted value"))


def _format(item: Any, spec: str) -> str:
    if _WIDE.search(spec):
        raise ValueError("too wide")
    return str(item) if isinstance(item, str) and "__athena_hole_" in item else format(item, spec)


def added(left: Value, right: Value, holes: Holes, why: str) -> Value:
    """Give `left + right`: texts around holes, numbers, lists."""
    if any(isinstance(option, str) for value in (left, right) for option in value.options):
        left, right = text_piece(left, holes), text_piece(right, holes)
    return combine([left, right], _add, why)


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, Items) and isinstance(right, Items):
        return Items(left.values + right.values)
    if isinstance(left, Items | Pairs) or isinstance(right, Items | Pairs):
        raise TypeError("not of one kind")
    return left + right


def percent(template: Value, given: Value, holes: Holes, why: str) -> Value:
    """Give `template % given`."""
    if isinstance(given.only, Items):
        pieces = [text_piece(value, holes) for value in given.only.values]
        return combine([template, *pieces], lambda text, *items: _percent(text, tuple(items)), why)
    if isinstance(given.only, Pairs):
        names = [key for key, _ in given.only.values]
        pieces = [text_piece(value, holes) for _, value in given.only.values]
        return combine(
            [template, *pieces], lambda text, *items: _percent(text, dict(zip(names, items, strict=True))), why
        )
    return combine([template, text_piece(given, holes)], lambda text, item: _percent(text, (item,)), why)


def _percent(text: str, items: Any) -> str:
    values = items.values() if isinstance(items, dict) else items
    if any(isinstance(item, str) and "__athena_hole_" in item for item in values):
        # A hole is a text even where a number is asked for.
        text = text.replace("%d", "%s").replace("%i", "%s").replace("%f", "%s").replace(")d", ")s").replace(")f", ")s")
    if re.search(r"%[-+ #0]*\d{5,}", text):
        raise ValueError("too wide")
    return str(text % items)


def method(
    receiver: Value, name: str, arguments: Sequence[Value], named: Mapping[str, Value], holes: Holes, why: str
) -> Value | None:
    """Call a method of texts; None where it is none that is known."""
    if name == "format":
        return _format_call(receiver, arguments, named, holes, why)
    if name == "join" and arguments:
        return _join(receiver, arguments[0], holes, why)
    if name in _METHODS and not named:
        given = [text_piece(value, holes) if name == "replace" else value for value in arguments]
        return combine([receiver, *given], lambda text, *rest: _lifted(_applied(text, name, rest)), why)
    return None


def _applied(text: Any, name: str, arguments: Sequence[Any]) -> Any:
    given = [plain(item) for item in arguments]
    if any(isinstance(item, int) and item > MAX_TEXT for item in given):
        raise ValueError("too wide")
    return getattr(text, name)(*given)


def _lifted(result: Any) -> Any:
    return Items(tuple(known(item) for item in result)) if isinstance(result, list | tuple) else result


def _format_call(
    receiver: Value, arguments: Sequence[Value], named: Mapping[str, Value], holes: Holes, why: str
) -> Value:
    pieces = [text_piece(value, holes) for value in (*arguments, *named.values())]
    count = len(arguments)

    def make(text: str, *items: Any) -> str:
        if re.search(r"\{[^{}]*:[^{}]*\d{5,}", text):
            raise ValueError("too wide")
        return text.format(*items[:count], **dict(zip(named, items[count:], strict=True)))

    return combine([receiver, *pieces], make, why)


def _join(receiver: Value, items: Value, holes: Holes, why: str) -> Value:
    if not isinstance(items.only, Items):
        return known(holes.make(why))
    pieces = [text_piece(value, holes) for value in items.only.values]
    return combine([receiver, *pieces], lambda glue, *texts: glue.join(texts), why)


def function(name: str, arguments: Sequence[Value], named: Mapping[str, Value], why: str) -> Value | None:
    """Call a built-in function with constants; None where it is none that is known."""
    call = _FUNCTIONS.get(name)
    if call is None:
        return None
    if name == "dict" and not arguments:
        return known(Pairs(tuple(named.items())))
    if name in ("list", "tuple", "set") and len(arguments) == 1 and isinstance(arguments[0].only, Items):
        return arguments[0]
    if named:
        return unknown(why)
    return combine(arguments, lambda *items: _relifted(call(*map(plain, items))), why)


def _relifted(result: Any) -> Any:
    if isinstance(result, list | tuple):
        return Items(tuple(known(_relifted(item)) for item in result))
    if isinstance(result, dict):
        return Pairs(tuple((key, known(_relifted(item))) for key, item in result.items()))
    return result


def substituted(text: Value, named: Mapping[str, Value], holes: Holes, why: str) -> Value:
    """Give `string.Template(text).substitute(…)`."""
    pieces = [text_piece(value, holes) for value in named.values()]
    return combine(
        [text, *pieces], lambda item, *given: Template(item).safe_substitute(dict(zip(named, given, strict=True))), why
    )

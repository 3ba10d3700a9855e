"""JSON that SQL cannot walk: keys at a depth, nulls stripped, values set and removed, lax conversions."""

from __future__ import annotations

import decimal
import json
import re
from collections.abc import Callable
from typing import Any

_STEP = re.compile(r"\.(\w[\w-]*)|\.\"([^\"]*)\"|\[(\d+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        made.setdefault(key, value)
    return made


def _loads(text: str) -> Any:
    """Read a JSON; of members of one name the first counts."""
    return json.loads(text, object_pairs_hook=_first_of_each)


def rounded(text: str, mode: str) -> str:
    """PARSE_JSON with wide_number_mode: 'round' writes numbers as FLOAT64 has them, 'exact' refuses others."""
    if mode.lower() == "exact":
        return canonical(text)
    if mode.lower() != "round":
        raise ValueError(f"Invalid `wide_number_mode` specified: {mode}")
    try:
        made = json.loads(text, object_pairs_hook=_first_of_each, parse_int=_narrow)
    except ValueError as error:
        raise ValueError(f"syntax error while parsing value - invalid literal; last read: '{text[:20]}'") from error
    return json.dumps(made, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def _narrow(text: str) -> int | float:
    value = int(text)
    return value if -(2**63) <= value < 2**64 else float(value)


def json_object(names: list[str | None], values: str) -> str:
    """JSON_OBJECT of an array of keys and one of values (as JSON)."""
    found = json.loads(values)
    if len(found or ()) != len(names):
        raise ValueError("JSON_OBJECT: the number of keys and values must match")
    if any(name is None for name in names):
        raise ValueError("JSON_OBJECT: a key is NULL")
    made = _first_of_each([(str(name), value) for name, value in zip(names, found, strict=True)])
    return json.dumps(made, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def flatten(text: str) -> list[str]:
    """JSON_FLATTEN: the elements of nested arrays as JSON, what is no array by itself."""
    return [_dumps(part) for part in _flat(json.loads(text))]


def _flat(value: Any) -> list[Any]:
    return [inner for part in value for inner in _flat(part)] if isinstance(value, list) else [value]


def keys(text: str, depth: int, mode: str) -> list[str]:
    """JSON_KEYS down to a depth: paths of objects' members; arrays are entered in a lax mode only."""
    if depth < 1:
        raise ValueError("max_depth must be positive")
    if mode.lower() not in ("strict", "lax", "lax recursive"):
        raise ValueError(f"Invalid JSON mode specified: {mode}")
    found: set[str] = set()
    _add_keys(_opened(json.loads(text), mode.lower()), "", depth, found)
    return sorted(found)


def _opened(value: Any, mode: str) -> Any:
    """Put the objects of arrays together as one, as far as the mode enters arrays."""
    if isinstance(value, dict):
        return {key: _opened(part, mode) for key, part in value.items()}
    if not isinstance(value, list) or mode == "strict":
        return value
    made: dict[str, Any] = {}
    for part in value:
        inner = _opened(part, mode) if isinstance(part, dict) or mode == "lax recursive" else part
        _merge(made, inner)
    return made


def _merge(made: dict[str, Any], more: Any) -> None:
    for key, part in more.items() if isinstance(more, dict) else ():
        if isinstance(part, dict) and isinstance(made.get(key), dict):
            _merge(made[key], part)
        elif not isinstance(made.get(key), dict):
            made[key] = part


def _add_keys(value: Any, before: str, depth: int, found: set[str]) -> None:
    if not isinstance(value, dict) or depth == 0:
        return
    for key, part in value.items():
        name = key if re.fullmatch(r"\w+", key) else f'"{key}"'
        found.add(before + name)
        _add_keys(part, f"{before}{name}.", depth - 1, found)


def strip_nulls(text: str, path: str, include_arrays: bool, remove_empty: bool) -> str:  # noqa: FBT001 (DuckDB's)
    """JSON_STRIP_NULLS of what a path leads to."""
    document, steps = _loads(text), _steps(path)
    found = _find(document, steps)
    if found is None:
        return _dumps(document)
    made = _stripped(found, include_arrays=include_arrays, remove_empty=remove_empty)
    if remove_empty and made in ({}, []) and (include_arrays or made == {}):
        made = None
    return _dumps(_set(document, steps, made, create=False))


def _stripped(value: Any, *, include_arrays: bool, remove_empty: bool) -> Any:
    def inner(part: Any) -> Any:
        return _stripped(part, include_arrays=include_arrays, remove_empty=remove_empty)

    def is_kept(part: Any) -> bool:
        is_empty = part == {} or (include_arrays and part == [])
        return part is not None and not (remove_empty and is_empty)

    if isinstance(value, dict):
        made = {key: inner(part) for key, part in value.items()}
        return {key: part for key, part in made.items() if is_kept(part)}
    if isinstance(value, list):
        parts = [inner(part) for part in value]
        return [part for part in parts if is_kept(part)] if include_arrays else parts
    return value


def _steps(path: str) -> list[str | int]:
    if not path.startswith("$"):
        raise ValueError(f"Invalid JSON path: {path}")
    made: list[str | int] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise ValueError(f"Invalid JSON path: {path}")
        made.append(
            int(found[3]) if found[3] is not None else next(part for part in found.groups() if part is not None)
        )
        at = found.end()
    return made


def set_value(text: str, path: str, value: str, create: bool) -> str:  # noqa: FBT001 (called by DuckDB)
    """JSON_SET of one path."""
    steps = _steps(path)
    if not steps:
        return value
    document = json.loads(text)
    return _dumps(_set(document, steps, json.loads(value), create=create))


def _set(node: Any, steps: list[str | int], value: Any, *, create: bool) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if node is None and create:
        node = {} if isinstance(step, str) else []
    if isinstance(step, str) and isinstance(node, dict) and (step in node or create):
        node[step] = _set(node.get(step), rest, value, create=create)
    elif isinstance(step, int) and isinstance(node, list):
        if step >= len(node) and create:
            node.extend([None] * (step + 1 - len(node)))
        if step < len(node):
            node[step] = _set(node[step], rest, value, create=create)
    return node


def remove(text: str, path: str) -> str:
    """JSON_REMOVE of one path."""
    steps = _steps(path)
    if not steps:
        raise ValueError("JSON_REMOVE: the path must not be '$'")
    document = json.loads(text)
    parent = _find(document, steps[:-1])
    last = steps[-1]
    if isinstance(parent, dict) and isinstance(last, str):
        parent.pop(last, None)
    elif isinstance(parent, list) and isinstance(last, int) and last < len(parent):
        parent.pop(last)
    return _dumps(document)


def _find(node: Any, steps: list[str | int]) -> Any:
    for step in steps:
        is_member = isinstance(node, dict) and isinstance(step, str) and step in node
        is_element = isinstance(node, list) and isinstance(step, int) and step < len(node)
        if not (is_member or is_element):
            return None
        node = node[step]
    return node


def _leads(node: Any, steps: list[str | int]) -> bool:
    """Tell whether a path leads to a value that is there, be it null."""
    if not steps:
        return True
    parent, last = _find(node, steps[:-1]) if len(steps) > 1 else node, steps[-1]
    if isinstance(parent, dict):
        return last in parent
    return isinstance(parent, list) and isinstance(last, int) and last < len(parent)


def append(text: str, path: str, value: str, at_end: bool, each: bool) -> str:  # noqa: FBT001 (called by DuckDB)
    """JSON_ARRAY_APPEND (`at_end`) and JSON_ARRAY_INSERT of one path; `each` element of an array alone."""
    document, steps, given = json.loads(text), _steps(path), json.loads(value)
    parts = given if each and isinstance(given, list) else [given]
    if at_end:
        target = _find(document, steps)
        if isinstance(target, list):
            target.extend(parts)
        elif target is None and steps:
            document = _set(document, steps, parts, create=False)
        return _dumps(document)
    target, index = _find(document, steps[:-1]), steps[-1] if steps else None
    if target is None and isinstance(index, int) and _leads(document, steps[:-1]):
        target = []
        document = _set(document, steps[:-1], target, create=False)
    if isinstance(target, list) and isinstance(index, int):
        target.extend([None] * max(0, index - len(target)))
        target[index:index] = parts
    return _dumps(document)


def canonical(text: str) -> str:
    """Write a JSON as BigQuery does: members in order of their names, no blanks."""
    try:
        return json.dumps(_loads(text), separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    except ValueError as error:
        raise ValueError(f"syntax error while parsing value - invalid literal; last read: '{text[:20]}'") from error


def _lax(convert: Callable[[Any], Any]) -> Callable[[str], Any]:
    def call(text: str) -> Any:
        try:
            return convert(json.loads(text))
        except (ValueError, TypeError, OverflowError, decimal.InvalidOperation):
            return None

    return call


def _lax_bool(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value != 0
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def _lax_integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str | float):
        exact = decimal.Decimal(value)
        value = int(exact.to_integral_value(decimal.ROUND_HALF_UP)) if exact.is_finite() else None
    return value if isinstance(value, int) and -(2**63) <= value < 2**63 else None


def _lax_float(value: Any) -> float | None:
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return None
    return float(value)


def _lax_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _dumps(value)
    return value if isinstance(value, str) else None


def contains(text: str, wanted: str) -> bool:
    """JSON_CONTAINS: whether a JSON holds another, in any order; an array its scalars, at the top."""
    value, part = _loads(text), _loads(wanted)
    if isinstance(value, list) and not isinstance(part, list | dict):
        return any(_is_same(one, part) for one in value)
    return _holds(value, part)


def _holds(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            key in value and _holds(value[key], part) for key, part in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(_holds(one, part) for one in value) for part in wanted)
    return _is_same(value, wanted)


def _is_same(value: Any, wanted: Any) -> bool:
    """Compare scalars: numbers by their values."""
    are_numbers = all(isinstance(item, int | float) and not isinstance(item, bool) for item in (value, wanted))
    return (are_numbers or type(value) is type(wanted)) and bool(value == wanted)


def lax(text: str, path: str) -> str:
    """JSON_QUERY by a path in a lax mode: arrays are opened, and what is none is taken for one, as the path needs."""
    mode, _, steps = path.strip().partition("$")
    words = mode.lower().split()
    if sorted(words) not in (["lax"], ["lax", "recursive"]):
        raise ValueError(f"Invalid JSONPath: {path}")
    found = [json.loads(text)]
    for step in _steps(f"${steps}"):
        found = [part for value in found for part in _walked(value, step, is_deep="recursive" in words)]
    return _dumps(found)


def _walked(value: Any, step: str | int, *, is_deep: bool) -> list[Any]:
    if isinstance(step, int):
        parts = value if isinstance(value, list) else [value]
        return [parts[step]] if step < len(parts) else []
    if isinstance(value, dict):
        return [value[step]] if step in value else []
    if not isinstance(value, list):
        return []
    inside = [part for part in value if is_deep or isinstance(part, dict)]
    return [found for part in inside for found in _walked(part, step, is_deep=is_deep)]


def pretty(text: str) -> str:
    """TO_JSON_STRING with pretty_print."""
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False)


FUNCTIONS = {
    "athena_json_contains": (contains, ["VARCHAR", "VARCHAR"], "BOOLEAN"),
    "athena_json_lax": (lax, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_json_pretty": (pretty, ["VARCHAR"], "VARCHAR"),
    "athena_json_keys": (keys, ["VARCHAR", "BIGINT", "VARCHAR"], "VARCHAR[]"),
    "athena_json_strip_nulls": (strip_nulls, ["VARCHAR", "VARCHAR", "BOOLEAN", "BOOLEAN"], "VARCHAR"),
    "athena_json_rounded": (rounded, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_json_object": (json_object, ["VARCHAR[]", "VARCHAR"], "VARCHAR"),
    "athena_json_flatten": (flatten, ["VARCHAR"], "VARCHAR[]"),
    "athena_json_set": (set_value, ["VARCHAR", "VARCHAR", "VARCHAR", "BOOLEAN"], "VARCHAR"),
    "athena_json_remove": (remove, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "athena_json_append": (append, ["VARCHAR", "VARCHAR", "VARCHAR", "BOOLEAN", "BOOLEAN"], "VARCHAR"),
    "athena_json_canonical": (canonical, ["VARCHAR"], "VARCHAR"),
    "athena_lax_bool": (_lax(_lax_bool), ["VARCHAR"], "BOOLEAN"),
    "athena_lax_int64": (_lax(_lax_integer), ["VARCHAR"], "BIGINT"),
    "athena_lax_float64": (_lax(_lax_float), ["VARCHAR"], "DOUBLE"),
    "athena_lax_string": (_lax(_lax_text), ["VARCHAR"], "VARCHAR"),
}

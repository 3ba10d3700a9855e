"""Functions in JavaScript: QuickJS without files or network, with limits on time and memory.

A context belongs to the thread that made it: each thread of DuckDB's keeps its own few.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from typing import Any

import quickjs

from athena_lab.emulator.sql.udfs import SALT

_MEMORY_BYTES = 128 * 1024**2
_STACK_BYTES = 1024**2
_LIMIT_S = 60
_KEPT = 8
_MOST_KEPT_BYTES = 4 * 1024**2
"""Of a context that is kept: one that has grown beyond it is let go after its call."""
_local = threading.local()

_FRAME = """
var athenaBody = function(%(names)s) {
%(body)s
};
var athenaCall = function(text) {
  var given = JSON.parse(text), kinds = %(kinds)s;
  var values = given.map(function(value, index) {
    if (value === null) return null;
    if (kinds[index] === "TIMESTAMP" || kinds[index] === "DATE" || kinds[index] === "DATETIME")
      return new Date(value.indexOf("T") < 0 && value.length > 10 ? value.replace(" ", "T") : value);
    return value;
  });
  var made = athenaBody.apply(null, values);
  return made === undefined ? "null" : JSON.stringify(made, function(key, value) {
    if (typeof value === "bigint") return value.toString();
    if (typeof value === "number" && !isFinite(value)) return isNaN(value) ? "NaN" : (value > 0 ? "inf" : "-inf");
    return value;
  });
};
"""


class _Function:
    """One compiled function of one thread."""

    def __init__(self, body: str, names: str, kinds: str) -> None:
        self._context = quickjs.Context()
        self._context.set_memory_limit(_MEMORY_BYTES)
        self._context.set_max_stack_size(_STACK_BYTES)
        self._context.set_time_limit(_LIMIT_S)
        self._context.eval(_FRAME % {"names": names, "body": body, "kinds": json.dumps(kinds.split(","))})
        self._call = self._context.get("athenaCall")

    def __call__(self, arguments: str) -> Any:
        return self._call(arguments)

    @property
    def held_bytes(self) -> int:
        """Give how much memory the context takes."""
        return int(self._context.memory()["malloc_size"])


def run_javascript(signature: str, body: str, names: str, arguments: str) -> str | None:
    """Call a function with its arguments as a JSON array; give its result as JSON, None for null.

    What follows the parameters' names is the statement's (udfs.py): a context serves that statement alone.
    """
    kept: OrderedDict[tuple[str, str, str], _Function] = getattr(_local, "kept", None) or OrderedDict()
    _local.kept = kept
    key = (signature, body, names)
    try:
        function = kept.get(key)
        if function is None:
            kinds = signature[signature.index("(") + 1 : -1]
            function = kept[key] = _Function(body, names.partition(SALT)[0], kinds)
            if len(kept) > _KEPT:
                kept.popitem(last=False)
        made = function(arguments)
        if function.held_bytes > _MOST_KEPT_BYTES:
            del kept[key]
    except quickjs.JSException as error:
        kept.pop(key, None)
        first = str(error).strip().splitlines()[0]
        raise ValueError(f"{first} at {signature} line 1, column 1") from error
    return None if made is None or made == "null" else str(made)


FUNCTIONS = {"athena_javascript": (run_javascript, ["VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR"], "VARCHAR")}

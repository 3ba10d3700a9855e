"""A run's parameters: JSON values by name into typed Python values, and those into the injected cell's text."""

from __future__ import annotations

import datetime
import keyword
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from papermill.translators import PythonTranslator

from athena_lab.errors import Fault, InvalidError


def _to_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _exactly(kind: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError
        return value

    return check


_READERS: dict[str, Callable[[Any], Any]] = {
    "int": _exactly(int),
    "float": _to_float,
    "bool": _exactly(bool),
    "str": _exactly(str),
    "date": lambda value: datetime.date.fromisoformat(value),
    "datetime": lambda value: datetime.datetime.fromisoformat(value),
    "json": lambda value: value,
}


def type_parameters(values: Mapping[str, Any], declared: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Turn wire values (dates as ISO 8601 text) into Python values of the types that the spec declares.

    None keeps the notebook's own default, except for a parameter of type json. Raises InvalidError with every fault:
    a name that is no identifier would be code in the injected cell (papermill does not check), a value of another
    type would surface as a puzzling failure in the middle of the notebook.
    """
    types = {str(parameter["name"]): str(parameter["type"]) for parameter in declared}
    typed: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in values.items():
        kind = types.get(name)
        if not name.isidentifier() or keyword.iskeyword(name):
            faults.append(Fault(name, f"Cannot pass the parameter {name!r}: it is no Python name. Rename it."))
        elif kind not in _READERS:
            faults.append(
                Fault(name, f"Cannot pass the parameter '{name}': the job does not declare it. Deploy the job again.")
            )
        elif value is not None or kind == "json":
            try:
                typed[name] = _READERS[kind](value)
            except (TypeError, ValueError):
                faults.append(
                    Fault(
                        name, f"Cannot pass the parameter '{name}': its value is not of type {kind}. Give such a value."
                    )
                )
    if faults:
        raise InvalidError(faults)
    return typed


class TypedTranslator(PythonTranslator):  # type: ignore[misc]
    """Papermill's translator to Python, which also knows dates and writes text as Python itself would."""

    @classmethod
    def translate_str(cls, val: str) -> str:
        return repr(val)

    @classmethod
    def translate(cls, val: Any) -> str:
        # Not `import datetime` in the cell: that would hide a notebook's own `from datetime import datetime`.
        if isinstance(val, datetime.datetime):
            return f"__import__('datetime').datetime.fromisoformat({val.isoformat()!r})"
        if isinstance(val, datetime.date):
            return f"__import__('datetime').date.fromisoformat({val.isoformat()!r})"
        return str(super().translate(val))

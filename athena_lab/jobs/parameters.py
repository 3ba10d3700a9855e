"""Read, check and resolve a job's parameters: typed literals of the cell tagged `parameters`."""

from __future__ import annotations

import ast
import io
import json
import keyword
import math
import tokenize
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from pydantic import JsonValue

from athena_lab.errors import Fault
from athena_lab.gateway_api.terms import Parameter, ParameterType, RelativeDate
from athena_lab.jobs.alert_rules import SECRET_NAME
from athena_lab.jobs.dates import resolve_relative

PARAMETERS_TAG = "parameters"
MAX_VALUE_BYTES = 64 * 1024
_DATES = (ParameterType.DATE, ParameterType.DATETIME)
_ANNOTATIONS = {
    "int": ParameterType.INTEGER,
    "float": ParameterType.FLOAT,
    "bool": ParameterType.BOOLEAN,
    "str": ParameterType.STRING,
    "date": ParameterType.DATE,
    "datetime": ParameterType.DATETIME,
    "list": ParameterType.JSON,
    "dict": ParameterType.JSON,
    "tuple": ParameterType.JSON,
}
_WORDS = ", ".join(f"'{word}'" for word in RelativeDate)


# -- reading the notebook


def read_parameters(notebook: Mapping[str, Any]) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
    """Read the cell tagged `parameters`, statically; give its parameters and what was left out and why."""
    found: dict[str, Parameter] = {}
    tree, comments, warnings = _parse(_source_of(notebook))
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_docstring(node):
            continue
        try:
            parameter = _parameter_of(node, comments.get(node.end_lineno or node.lineno, ""))
        except ValueError as error:
            warnings.append(f"Line {node.lineno} of the parameters cell is left out: {error}.")
        else:
            found[parameter.name] = parameter
    return tuple(found.values()), tuple(warnings)


def date_objects(notebook: Mapping[str, Any]) -> dict[str, ParameterType]:
    """Name the parameters whose value in the notebook is a date or datetime object, not text.

    Whoever hands values to the notebook makes such objects again from the ISO 8601 text.
    """
    tree, _, _ = _parse(_source_of(notebook))
    result = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            try:
                parameter = _parameter_of(node, "")
            except ValueError:
                continue
            result[parameter.name] = parameter.type
    return result


def _source_of(notebook: Mapping[str, Any]) -> str:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and PARAMETERS_TAG in (cell["metadata"].get("tags") or ()):
            source = cell["source"]
            return source if isinstance(source, str) else "".join(source)
    return ""


def _parse(source: str) -> tuple[ast.Module, dict[int, str], list[str]]:
    """Parse a cell; lines of IPython's own (`%magic`, `!shell`) are left out with a warning."""
    lines, warnings = [], []
    for number, line in enumerate(source.splitlines(), 1):
        is_magic = line.lstrip().startswith(("%", "!", "?"))
        lines.append("" if is_magic else line)
        if is_magic:
            warnings.append(f"Line {number} of the parameters cell is left out: it is a command, not a value.")
    text = "\n".join(lines) + "\n"
    try:
        return ast.parse(text), _comments(text), warnings
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        number = getattr(error, "lineno", None) or 1
        warnings.append(f"The parameters cell is left out: line {number} is not Python.")
        return ast.Module(body=[], type_ignores=[]), {}, warnings


def _comments(text: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.start[0]: token.string.lstrip("#").strip() for token in tokens if token.type == tokenize.COMMENT}


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _parameter_of(node: ast.stmt, description: str) -> Parameter:
    name, value_node, annotation = _assigned(node)
    value, type_ = _value_of(value_node)
    wanted = _annotated(annotation) if annotation is not None else None
    if wanted is not None and wanted is not type_:
        if value is not None and _value_trouble(wanted, value):
            raise ValueError(f"the value of '{name}' is not of its annotated type '{wanted.value}'")
        type_ = wanted
    return Parameter(name=name, type=type_, default=value, description=description[:1000])


def _assigned(node: ast.stmt) -> tuple[str, ast.expr, ast.expr | None]:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.value, None
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return node.target.id, node.value, node.annotation
    raise ValueError("it does not give one name one value")


def _annotated(annotation: ast.expr) -> ParameterType | None:
    """Give the type that an annotation names: `int`, `datetime.date`, `list[int]`, `int | None`, `"int"`."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return _annotated(ast.parse(annotation.value, mode="eval").body)
        except (SyntaxError, ValueError):
            return None
    if isinstance(annotation, ast.BinOp):
        return _annotated(annotation.left) or _annotated(annotation.right)
    if isinstance(annotation, ast.Subscript):
        outer = _last_name(annotation.value)
        return _annotated(annotation.slice) if outer == "Optional" else _ANNOTATIONS.get(outer.lower())
    return _ANNOTATIONS.get(_last_name(annotation))


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _value_of(node: ast.expr) -> tuple[JsonValue, ParameterType]:
    """Give a literal as a JSON value with its type; raise ValueError saying what it is instead."""
    if isinstance(node, ast.Call):
        return _date_call(node)
    try:
        value = ast.literal_eval(node)
        text = json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise ValueError("its value is not a plain literal") from None
    if len(text) > MAX_VALUE_BYTES:
        raise ValueError(f"its value is longer than {MAX_VALUE_BYTES} bytes")
    return json.loads(text), _type_of(value)


def _type_of(value: object) -> ParameterType:
    for kind, type_ in ((bool, "bool"), (int, "int"), (float, "float")):
        if isinstance(value, kind):
            return ParameterType(type_)
    if not isinstance(value, str):
        return ParameterType.JSON
    # Text written as a whole date is offered as a date, so that it may be "yesterday".
    if len(value) == len("2026-01-31") and not _date_trouble(value):
        return ParameterType.DATE
    is_moment = len(value) >= len("2026-01-31T00:00") and value[10:11] in ("T", " ") and not _datetime_trouble(value)
    return ParameterType.DATETIME if is_moment else ParameterType.STRING


def _date_call(node: ast.Call) -> tuple[JsonValue, ParameterType]:
    """Read `date(2026, 1, 31)`, `datetime.date(...)`, `datetime(...)` and `datetime.datetime(...)`."""
    kinds = {"date": (date, ParameterType.DATE), "datetime": (datetime, ParameterType.DATETIME)}
    name = _last_name(node.func)
    if name not in kinds:
        raise ValueError("its value is computed, not a plain literal")
    kind, type_ = kinds[name]
    try:
        positional = [ast.literal_eval(argument) for argument in node.args]
        named = {str(item.arg): ast.literal_eval(item.value) for item in node.keywords}
        return kind(*positional, **named).isoformat(), type_
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"its {name} is not made of plain numbers that exist") from None


# -- checking what a form gives


def parameter_faults(parameters: Sequence[Parameter], declared: Sequence[Parameter]) -> tuple[Fault, ...]:
    """Check a form's parameters against the notebook's own.

    A name is checked strictly because papermill writes names into the notebook's code.
    """
    known = {parameter.name: parameter for parameter in declared}
    faults: list[Fault] = []
    seen: set[str] = set()
    for parameter in parameters:
        trouble, todo = _name_trouble(parameter.name, known)
        if not trouble and parameter.name in seen:
            trouble, todo = "it is given twice", "Give it once"
        if not trouble:
            trouble, todo = _form_trouble(parameter, known[parameter.name])
        seen.add(parameter.name)
        if trouble:
            faults.append(_fault(parameter.name, trouble, todo))
    return tuple(faults)


def secret_faults(parameters: Sequence[Parameter], known: Collection[str] | None) -> tuple[Fault, ...]:
    """Check that the secrets that parameters refer to are there; None: nobody can tell."""
    named = ((parameter.name, secret_of(parameter, parameter.value)) for parameter in parameters)
    return tuple(
        _fault(name, f"you have no secret '{secret[:40]}'", f"Set it with `athena secrets set {secret[:40]}`")
        for name, secret in named
        if secret is not None and known is not None and secret not in known
    )


def override_faults(overrides: Mapping[str, JsonValue], declared: Sequence[Parameter]) -> tuple[Fault, ...]:
    """Check the values that a run is started with; a date may be one of the relative words."""
    known = {parameter.name: parameter for parameter in declared}
    faults: list[Fault] = []
    for name, value in overrides.items():
        trouble, todo = _name_trouble(name, known)
        if not trouble and not _is_word(known[name], value):
            trouble, todo = _typed_trouble(known[name].type, value)
        if trouble:
            faults.append(_fault(name, trouble, todo))
    return tuple(faults)


def merge_parameters(declared: Sequence[Parameter], given: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Lay a form's values, relative dates and descriptions over the notebook's parameters."""
    by_name = {parameter.name: parameter for parameter in given}
    return tuple(
        parameter
        if (form := by_name.get(parameter.name)) is None
        else parameter.model_copy(
            update={
                "value": form.value,
                "relative": form.relative,
                "description": form.description or parameter.description,
            }
        )
        for parameter in declared
    )


def resolve_parameters(
    parameters: Sequence[Parameter], overrides: Mapping[str, JsonValue], anchor: datetime, timezone: str
) -> dict[str, JsonValue]:
    """Give the values to pass by name: an override, else the job's relative date or value.

    Dates come as ISO 8601 text. A parameter left at its notebook default is not passed at all.
    """
    result: dict[str, JsonValue] = {}
    for parameter in parameters:
        is_overridden = parameter.name in overrides
        value = overrides[parameter.name] if is_overridden else parameter.value
        word = value if _is_word(parameter, value) else None if is_overridden else parameter.relative
        if word is not None:
            value = resolve_relative(str(word), anchor, timezone, parameter.type)
        if value is not None or is_overridden:
            result[parameter.name] = value
    return result


def secret_of(parameter: Parameter, value: JsonValue) -> str | None:
    """Give the name of the secret that a value refers to (`{"secret": "NAME"}` for text), None for a plain value."""
    if parameter.type is not ParameterType.STRING or not isinstance(value, dict) or set(value) != {"secret"}:
        return None
    return str(value["secret"])


def _is_word(parameter: Parameter, value: JsonValue) -> bool:
    return parameter.type in _DATES and isinstance(value, str) and value in set(RelativeDate)


def _name_trouble(name: str, known: Mapping[str, Parameter]) -> tuple[str, str]:
    if not name.isidentifier() or keyword.iskeyword(name):
        return "it is not a name in Python", "Use letters, digits and _"
    if name not in known:
        names = ", ".join(f"'{each}'" for each in known) or "none"
        return f"the notebook's parameters cell has no such name (it has {names})", "Add it there, or leave it out"
    return "", ""


def _form_trouble(given: Parameter, declared: Parameter) -> tuple[str, str]:
    if given.type is not declared.type:
        return f"its type is '{declared.type.value}' in the notebook, not '{given.type.value}'", "Reload the form"
    if given.relative is None:
        return _typed_trouble(given.type, given.value) if given.value is not None else ("", "")
    if given.type not in _DATES:
        return f"only a date may be relative, and it is of type '{given.type.value}'", "Give it a value"
    if given.relative not in set(RelativeDate):
        return f"'{given.relative[:40]}' is no relative date", f"Use one of {_WORDS}"
    if given.value is not None:
        return "it has both a value and a relative date", "Give one of them"
    return "", ""


def _typed_trouble(type_: ParameterType, value: JsonValue) -> tuple[str, str]:
    name = secret_of(Parameter(name="_", type=type_), value)
    if name is not None:
        return ("", "") if SECRET_NAME.fullmatch(name) else (f"'{name[:40]}' is no name of a secret", "Use A-Z, 0-9, _")
    trouble = _value_trouble(type_, value)
    return (trouble, f"Give {_EXAMPLES[type_]}") if trouble else ("", "")


def _value_trouble(type_: ParameterType, value: JsonValue) -> str:
    if len(json.dumps(value)) > MAX_VALUE_BYTES:
        return f"its value is longer than {MAX_VALUE_BYTES} bytes"
    if _CHECKS[type_](value):
        return ""
    return f"{_shown(value)} is not of type '{type_.value}'"


def _shown(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"


def _date_trouble(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() != value
    except ValueError:
        return True


def _datetime_trouble(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return True
    return False


def _is_number(value: JsonValue) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


_CHECKS: Mapping[ParameterType, Callable[[JsonValue], bool]] = {
    ParameterType.INTEGER: lambda value: isinstance(value, int) and not isinstance(value, bool),
    ParameterType.FLOAT: _is_number,
    ParameterType.BOOLEAN: lambda value: isinstance(value, bool),
    ParameterType.STRING: lambda value: isinstance(value, str),
    ParameterType.DATE: lambda value: isinstance(value, str) and not _date_trouble(value),
    ParameterType.DATETIME: lambda value: isinstance(value, str) and not _datetime_trouble(value),
    ParameterType.JSON: lambda _value: True,
}
_EXAMPLES: Mapping[ParameterType, str] = {
    ParameterType.INTEGER: "a whole number such as 3",
    ParameterType.FLOAT: "a number such as 0.5",
    ParameterType.BOOLEAN: "true or false",
    ParameterType.STRING: "text",
    ParameterType.DATE: "a date such as '2026-01-31'",
    ParameterType.DATETIME: "a moment such as '2026-01-31T06:30:00+00:00'",
    ParameterType.JSON: "a JSON value",
}


def _fault(name: str, why: str, todo: str) -> Fault:
    return Fault(f"parameters.{name[:60]}", f"Cannot pass the parameter {name[:60]!r}: {why}. {todo}.")

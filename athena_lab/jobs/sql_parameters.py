"""The `@parameters` of a `.sql` file as a cell of typed Python values.

A type is known where a comment says it, `-- @param day DATE = '2026-01-31' The day to report`, or where the text
around the parameter leaves no choice (`LIMIT @n`, `DATE_SUB(@day, …)`, `@name = 'x'`, `UNNEST(@ids)`).
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from athena_lab.warehouse.lineage.script import Word, words_of

_COMMENT = re.compile(
    r"^\s*(?:--|#)\s*@param\s+(?P<name>\w+)\s+(?P<type>[A-Za-z][\w]*(?:\s*<[^>]*>)?)"
    r"(?:\s*=\s*(?P<value>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\[[^\]]*\]|[^\s]+))?[ \t]*(?P<about>.*)$",
    re.MULTILINE,
)
_TYPES = {
    "INT64": "int",
    "INT": "int",
    "INTEGER": "int",
    "FLOAT64": "float",
    "FLOAT": "float",
    "NUMERIC": "float",
    "BIGNUMERIC": "float",
    "BOOL": "bool",
    "BOOLEAN": "bool",
    "STRING": "str",
    "DATE": "date",
    "DATETIME": "datetime",
    "TIMESTAMP": "datetime",
    "ARRAY": "list",
    "JSON": "dict",
    "STRUCT": "dict",
}
_COMPARING = frozenset(["=", "<", ">", "!"])
_FIRST_ARGUMENT = {
    **dict.fromkeys(["DATE_SUB", "DATE_ADD", "DATE_TRUNC", "DATE_DIFF", "LAST_DAY"], "date"),
    **dict.fromkeys(["DATETIME_SUB", "DATETIME_ADD", "DATETIME_TRUNC", "DATETIME_DIFF"], "datetime"),
    **dict.fromkeys(["TIMESTAMP_SUB", "TIMESTAMP_ADD", "TIMESTAMP_TRUNC", "TIMESTAMP_DIFF"], "datetime"),
    **dict.fromkeys(["UPPER", "LOWER", "TRIM", "STARTS_WITH", "ENDS_WITH", "REGEXP_CONTAINS"], "str"),
    "UNNEST": "list",
}
_BEFORE = {"LIMIT": "int", "OFFSET": "int", "INTERVAL": "int", "LIKE": "str"}
_MAKERS = {"DATE": "date", "CURRENT_DATE": "date", "DATE_SUB": "date", "DATE_ADD": "date", "DATETIME": "datetime",
           "TIMESTAMP": "datetime", "CURRENT_TIMESTAMP": "datetime", "CURRENT_DATETIME": "datetime"}  # fmt: skip


def parameters_cell(text: str) -> tuple[str, tuple[str, ...]]:
    """Give the source of the parameters cell ("" where there are none), and what could not be told."""
    words = words_of(text)
    said = {match["name"]: match for match in _COMMENT.finditer(text)}
    names = list(dict.fromkeys(word.text[1:] for word in words if _is_parameter(word)))
    lines, warnings, kinds = [], [], set()
    for name in names:
        if keyword.iskeyword(name):
            warnings.append(f"the parameter '@{name}' has a name that Python keeps for itself: rename it")
            continue
        kind, value, about = _said(said.get(name))
        kind = kind or _guess(name, words)
        kinds |= {kind} & {"date", "datetime"}
        if value is None:
            what = "no value" if kind else "no type and no value"
            warnings.append(
                f"the parameter '@{name}' has {what}: give the job one, "
                f"or say it in the file, as in -- @param {name} {'DATE' if not kind else _sql_type(kind)} = …"
            )
        annotation = f": {kind}" if kind else ""
        lines.append(f"{name}{annotation} = {value or 'None'}" + (f"  # {about}" if about else ""))
    heading = [f"from datetime import {', '.join(sorted(kinds))}", ""] if kinds else []
    return "\n".join([*heading, *lines]), tuple(warnings)


def _is_parameter(word: Word) -> bool:
    return word.is_word and word.text.startswith("@") and not word.text.startswith("@@")


def _said(match: re.Match[str] | None) -> tuple[str, str | None, str]:
    """Read a comment: the Python type, the value as Python source, the description."""
    if match is None:
        return "", None, ""
    kind = _TYPES.get(re.split(r"[\s<]", match["type"])[0].upper(), "")
    value = _value(kind, match["value"]) if match["value"] else None
    return kind, value, match["about"].strip().lstrip("-").strip()


def _value(kind: str, text: str) -> str | None:
    """Write a SQL literal in Python; None where it is none of its type."""
    lowered = text.lower()
    plain = {"true": "True", "false": "False", "null": "None"}.get(lowered, text)
    try:
        value = ast.literal_eval(plain)
    except (ValueError, SyntaxError):
        value = plain if kind in ("str", "date", "datetime") else None
    if kind == "date":
        return _moment(date, value)
    if kind == "datetime":
        return _moment(datetime, value)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    expected: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "str": str, "list": list, "dict": dict}
    is_right = kind in expected and isinstance(value, expected[kind]) and (kind != "int" or value is not True)
    return repr(value) if is_right else None


def _moment(kind: type[date], value: object) -> str | None:
    try:
        found = kind.fromisoformat(str(value))
    except ValueError:
        return None
    parts = [found.year, found.month, found.day]
    if isinstance(found, datetime):
        parts += [found.hour, found.minute, *([found.second] if found.second else [])]
    return f"{kind.__name__}({', '.join(map(str, parts))})"


def _guess(name: str, words: Sequence[Word]) -> str:
    """Tell a parameter's type by the words around it, "" where they allow several or do not agree."""
    places = [index for index, word in enumerate(words) if word.text == f"@{name}"]
    found = {kind for index in places if (kind := _around(words, index))}
    return found.pop() if len(found) == 1 else ""


def _around(words: Sequence[Word], index: int) -> str:
    def key(offset: int) -> str:
        return words[index + offset].key if 0 <= index + offset < len(words) else ""

    if key(-1) in _BEFORE:
        return _BEFORE[key(-1)]
    if key(-1) == "(" and key(-2) in _FIRST_ARGUMENT:
        return _FIRST_ARGUMENT[key(-2)]
    if key(1) in _COMPARING:
        ahead = 2 if key(2) not in _COMPARING else 3
        if kind := _literal(key(ahead)):
            return kind
    if key(-1) == "BETWEEN":
        return _literal(key(2))
    if key(-1) == "AND" and key(-3) == "BETWEEN":
        return _literal(key(-2), is_before=True)
    if key(-1) in _COMPARING:
        back = -2 if key(-2) not in _COMPARING else -3
        return _literal(key(back), is_before=True)
    return ""


def _literal(key: str, *, is_before: bool = False) -> str:
    """Tell the type of a literal by its word; before a parameter only what is whole in one word counts."""
    if key[:1] in ("'", '"'):
        return "str" if not is_before else ""
    if key[:1].isdigit():
        return "float" if "." in key else "int"
    return "" if is_before else _MAKERS.get(key, "")


def _sql_type(kind: str) -> str:
    return next(sql for sql, python in _TYPES.items() if python == kind)

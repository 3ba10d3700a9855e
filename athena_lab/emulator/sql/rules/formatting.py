"""FORMAT: printf's specifiers, %t as text and %T as a literal of GoogleSQL, by the argument's type."""

from __future__ import annotations

import re
from collections.abc import Collection

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.rules.calls import DECIMALS, FLOATS, INTEGERS, is_a
from athena_lab.emulator.sql.rules.raw import raw, text_of

_SPECIFIER = re.compile(r"%([-+ 0#']*)(\*|\d*)(?:\.(\*|\d*))?([a-zA-Z%])")
_BINARIES = {exp.DType.BINARY, exp.DType.VARBINARY, exp.DType.BLOB}
_WIDEST = 5
"""How many digits a width or precision that is written out may have."""
_UNTYPED = {exp.DType.UNKNOWN, exp.DType.NULL}
_PREFIXES = {
    exp.DType.DATE: "DATE", exp.DType.TIME: "TIME", exp.DType.TIMESTAMP: "DATETIME", exp.DType.DATETIME: "DATETIME",
    exp.DType.TIMESTAMPTZ: "TIMESTAMP", exp.DType.DECIMAL: "NUMERIC", exp.DType.BIGDECIMAL: "BIGNUMERIC",
}  # fmt: skip


def format_(node: exp.Expression) -> exp.Expression:
    """FORMAT with a constant pattern."""
    pattern, arguments = node.this, list(node.expressions)
    if not isinstance(pattern, exp.Literal) or not pattern.is_string:
        raise unsupported("FORMAT with a pattern that is not a constant")
    pieces: list[str] = []
    at = 0
    for found in _SPECIFIER.finditer(pattern.name):
        pieces.append(_literal(pattern.name[at : found.start()]))
        at = found.end()
        pieces.append(_quoted("%") if found[4] == "%" else _piece(found, arguments))
    pieces.append(_literal(pattern.name[at:]))
    if arguments:
        raise invalid_query("Too many arguments to FORMAT for pattern")
    return raw(
        "({})".format(" || ".join(piece for piece in pieces if piece != "''") or "''")
        .replace("{", "{{")
        .replace("}", "}}")
    )


def _literal(text: str) -> str:
    if "%" in text:
        raise invalid_query("Invalid format specifier in FORMAT string: a % that nothing follows")
    return _quoted(text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _piece(found: re.Match[str], arguments: list[exp.Expression]) -> str:
    flags, letter = found[1], found[4]
    width = _size(found[2], arguments)
    precision = _size(found[3], arguments) if found[3] is not None else None
    if not arguments:
        raise invalid_query("Too few arguments to FORMAT for pattern")
    value = arguments.pop(0)
    if letter in "tT":
        text = _shown_value(value, is_literal=letter == "T")
        return _padded(text, flags, width, precision)
    if letter in "pP":
        if not _may_be(value, {exp.DType.JSON}):
            raise invalid_query(
                f"Invalid type for an argument to FORMAT; Expected JSON; Got {value.type.sql('bigquery')}"
            )
        plain = f"CAST({text_of(value)} AS VARCHAR)"
        return _padded(plain if letter == "p" else f"athena_json_pretty({plain})", flags, width, precision)
    if letter == "s":
        if not _may_be(value, exp.DataType.TEXT_TYPES):
            raise invalid_query(
                f"Invalid type for an argument to FORMAT; Expected STRING; Got {value.type.sql('bigquery')}"
            )
        return _padded(f"CAST({text_of(value)} AS VARCHAR)", flags, width, precision)
    return _number(flags, width, precision, letter, value)


def _may_be(value: exp.Expression, kinds: Collection[exp.DType]) -> bool:
    """Tell whether a value is of one of some types, or of none that is known."""
    is_untyped = value.type is None or value.type.this in _UNTYPED or isinstance(value, exp.Null)
    return is_untyped or is_a(value, set(kinds))


def _shown_value(value: exp.Expression, *, is_literal: bool) -> str:
    """A struct written out without names is shown by its parts."""
    inner = value.unnest() if isinstance(value, exp.Paren) else value
    if isinstance(inner, exp.Tuple) or (isinstance(inner, exp.Anonymous) and inner.name == "row"):
        parts = " || ', ' || ".join(_shown_value(part, is_literal=is_literal) for part in inner.expressions)
        return f"('(' || {parts} || ')')"
    return shown(text_of(value), value.type, is_literal=is_literal)


def _size(given: str, arguments: list[exp.Expression]) -> str:
    if given != "*":
        if len(given) > _WIDEST:
            raise invalid_query("Output string too long while evaluating FORMAT")
        return given
    if not arguments:
        raise invalid_query("Too few arguments to FORMAT for pattern")
    if is_a(arguments[0], FLOATS | DECIMALS | exp.DataType.TEXT_TYPES):
        raise invalid_query("Invalid type for an argument to FORMAT: a width or precision must be an INT64")
    return f"CAST({text_of(arguments.pop(0))} AS BIGINT)"


def _padded(text: str, flags: str, width: str, precision: str | None) -> str:
    if precision is not None:
        text = f"left({text}, CAST({precision or 0} AS BIGINT))"
    if not width:
        return text
    side = "rpad" if "-" in flags else "lpad"
    if width.startswith("CAST"):
        return f"athena_padded({text}, {width}, '{flags.replace(chr(39), '')}')"
    return f"{side}({text}, greatest(CAST({width} AS INTEGER), CAST(length({text}) AS INTEGER)), ' ')"


def _number(flags: str, width: str, precision: str | None, letter: str, value: exp.Expression) -> str:
    if letter not in "dioxXfFeEgG":
        raise invalid_query(f"Invalid format specifier character '{letter}' in FORMAT string")
    is_whole = letter in "dioxX"
    if not _may_be(value, INTEGERS if is_whole else FLOATS | DECIMALS):
        expected = "integer" if is_whole else "floating point"
        raise invalid_query(
            f"Invalid type for an argument to FORMAT; Expected {expected}; Got {value.type.sql('bigquery')}"
        )
    plain = text_of(value)
    is_simple = not flags and not f"{width}{precision or ''}".startswith("CAST") and len(precision or "") < 3
    if (
        is_simple
        and not is_a(value, DECIMALS)
        and letter in "dfeg"
        and not (is_whole and precision is not None)
        and precision not in ("", "0")
    ):
        shape = f"%{width}" + (f".{precision}" if precision is not None else "") + letter
        return f"printf('{shape}', CAST({plain} AS BIGINT))" if is_whole else f"printf('{shape}', {plain} + 0.0e0)"
    text = f"CAST({plain} AS VARCHAR)" if is_whole or is_a(value, DECIMALS) else f"athena_exact_text({plain} + 0.0e0)"
    text = f"athena_big_text({plain})" if is_a(value, {exp.DType.BIGDECIMAL}) else text
    flags += "n" if is_a(value, DECIMALS) else ""
    size = "-1" if precision is None else precision or "0"
    return f"athena_format_number({text}, {_quoted(flags)}, {width or 0}, {size}, '{letter}')"


def shown(text: str, kind: exp.DataType | None, *, is_literal: bool) -> str:
    """Give the DuckDB expression of a value's text (%t) or literal (%T); NULL is the word NULL."""
    return f"coalesce({_shown(text, kind, is_literal=is_literal)}, 'NULL')"


def _shown(text: str, kind: exp.DataType | None, *, is_literal: bool) -> str:
    if kind is None or kind.this in (exp.DType.UNKNOWN, exp.DType.NULL):
        return f"CAST({text} AS VARCHAR)"
    if kind.this == exp.DType.ARRAY:
        inner = shown("e", kind.expressions[0] if kind.expressions else None, is_literal=is_literal)
        return f"'[' || array_to_string(list_transform({text}, lambda e: {inner}), ', ') || ']'"
    if kind.this == exp.DType.STRUCT:
        parts = [
            shown(f'({text})."{part.name}"', part.args.get("kind"), is_literal=is_literal)
            for part in kind.expressions
            if isinstance(part, exp.ColumnDef)
        ]
        if len(parts) != len(kind.expressions) or not parts:
            raise unsupported("FORMAT of a struct without names")
        joined = " || ', ' || ".join(parts)
        return f"CASE WHEN {text} IS NULL THEN NULL ELSE '(' || {joined} || ')' END"
    return _scalar(text, kind, is_literal=is_literal)


def _scalar(text: str, kind: exp.DataType, *, is_literal: bool) -> str:
    if kind.this in exp.DataType.TEXT_TYPES:
        return f"athena_escaped({text})" if is_literal else text
    if kind.this in _BINARIES:
        made = f"athena_escaped_bytes({text})"
        return f"'b' || {made}" if is_literal else f"trim({made}, '\"')"
    if kind.this in (exp.DType.DOUBLE, exp.DType.FLOAT):
        plain = f"CAST({text} AS VARCHAR)"
        if is_literal:
            return f"CASE WHEN isfinite({text}) THEN {plain} ELSE 'CAST(\"' || {plain} || '\" AS FLOAT64)' END"
        return plain
    if kind.this == exp.DType.INTERVAL:
        made = f"athena_interval_text({text})"
        return f"'INTERVAL \"' || {made} || '\" YEAR TO SECOND'" if is_literal else made
    if kind.this in (exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMP, exp.DType.DATETIME, exp.DType.TIME):
        name = "athena_moment_text" if kind.this == exp.DType.TIMESTAMPTZ else "athena_clock_text"
        made = f"{name}({text})"
        return f"'{_PREFIXES[kind.this]} \"' || {made} || '\"'" if is_literal else made
    made = f"CAST({text} AS VARCHAR)"
    if kind.this in (exp.DType.DECIMAL, exp.DType.BIGDECIMAL):
        made = f"athena_{'big' if kind.this == exp.DType.BIGDECIMAL else 'numeric'}_text({text})"
    if kind.this == exp.DType.JSON:
        return f"'JSON ' || athena_escaped({made})" if is_literal else made
    prefix = _PREFIXES.get(kind.this) if is_literal else None
    return f"'{prefix} \"' || {made} || '\"'" if prefix else made


RULES = {exp.Format: format_}

"""Parts of strings and bytes: LEFT, SUBSTR, TRIM, REPEAT and their kind, with BigQuery's limits, for BYTES too."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.sql.rules.calls import DECIMALS, FLOATS, call
from athena_lab.emulator.sql.rules.casts import to_text
from athena_lab.emulator.sql.rules.raw import raw
from athena_lab.emulator.sql.rules.texts import as_bytes, is_bytes

_WRITTEN = FLOATS | DECIMALS | {
    exp.DType.INTERVAL, exp.DType.TIMESTAMP, exp.DType.DATETIME, exp.DType.TIMESTAMPTZ, exp.DType.TIME,
}  # fmt: skip
"""Types that DuckDB writes otherwise than BigQuery."""
_BLANKS = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""What TRIM removes where it is not told."""


def part(node: exp.Expression) -> exp.Expression | None:
    """SUBSTR: position 0 is the first, a negative one counts from the end."""
    start, length = node.args.get("start"), node.args.get("length")
    if is_bytes(node.this):
        most = length if length is not None else exp.Literal.number(2**31)
        return call("athena_substr_bytes", node.this, start, most)
    if _is_plain(start, least=1) and (length is None or _is_plain(length, least=0)):
        return None
    return call("athena_substr", node.this, start, *([length] if length is not None else []))


def _is_plain(node: exp.Expression | None, *, least: int) -> bool:
    return isinstance(node, exp.Literal) and node.name.isdigit() and int(node.name) >= least


def end(node: exp.Expression) -> exp.Expression | None:
    """LEFT and RIGHT; a negative length is an error."""
    side = "left" if isinstance(node, exp.Left) else "right"
    if is_bytes(node.this):
        return call(f"athena_{side}_bytes", node.this, node.expression)
    return None if _is_plain(node.expression, least=0) else call(f"athena_{side}", node.this, node.expression)


def repeat(node: exp.Expression) -> exp.Expression:
    """REPEAT; a negative number is an error."""
    return call("athena_repeat_bytes" if is_bytes(node.this) else "athena_repeat", node.this, node.args["times"])


def trim(node: exp.Expression) -> exp.Expression:
    """TRIM, LTRIM, RTRIM: of all blanks, or of the characters said."""
    side = str(node.args.get("position") or "").upper()
    chosen = node.expression
    if is_bytes(node.this) and chosen is None:
        raise invalid_query("No matching signature for function TRIM for argument types: BYTES")
    if is_bytes(node.this) or is_bytes(chosen):
        return call("athena_trim_bytes", as_bytes(node.this), as_bytes(chosen), side)
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(side, "trim")
    return call(name, node.this, chosen if chosen is not None else exp.Literal.string(_BLANKS))


def translate(node: exp.Expression) -> exp.Expression:
    """TRANSLATE; a character to replace may come once only."""
    arguments = (node.this, node.args["from_"], node.args["to"])
    if is_bytes(node.this):
        return call("athena_translate_bytes", *(as_bytes(item) for item in arguments))
    return call("athena_translate", *arguments)


def joined(node: exp.Expression) -> exp.Expression | None:
    """CONCAT: of BYTES, or of texts and what is cast to text."""
    parts = node.expressions
    if any(is_bytes(item) for item in parts):
        made = as_bytes(parts[0])
        for item in parts[1:]:
            made = exp.DPipe(this=made, expression=as_bytes(item))
        return exp.Paren(this=made)
    others = [item for item in parts if item.type is not None and item.type.this in _WRITTEN]
    if not others and len(parts) > 1:
        return None
    if len(parts) == 1:
        return to_text(parts[0])
    made_parts = [to_text(item) if item in others else item.copy() for item in parts]
    return exp.Concat(**{**node.args, "expressions": made_parts})


def _of_bytes(name: str) -> Callable[[exp.Expression], exp.Expression | None]:
    """A function that DuckDB has of strings only."""

    def rule(node: exp.Expression) -> exp.Expression | None:
        given = [item for key in ("this", "expression", "replacement") if (item := node.args.get(key)) is not None]
        return call(name, *(as_bytes(item) for item in given)) if any(is_bytes(item) for item in given) else None

    return rule


def ascii_(node: exp.Expression) -> exp.Expression:
    """ASCII fails on a first character that is none of ASCII's."""
    return call("athena_ascii_bytes", node.this) if is_bytes(node.this) else call("athena_ascii", node.this)


def extract(node: exp.Expression) -> exp.Expression | None:
    """REGEXP_EXTRACT of BYTES, and of a pattern that is not a constant: what is given then depends on its groups."""
    of_bytes = is_bytes(node.this) or is_bytes(node.expression)
    if not of_bytes and _is_constant(node.expression):
        return None
    one = exp.Literal.number(1)
    rest = (node.args.get("position") or one, node.args.get("occurrence") or one)
    if not of_bytes:
        return call("athena_regexp_extract", node.this, node.expression, *rest)
    return call("athena_regexp_extract_bytes", as_bytes(node.this), as_bytes(node.expression), *rest)


def extract_all(node: exp.Expression) -> exp.Expression | None:
    """REGEXP_EXTRACT_ALL, likewise."""
    if is_bytes(node.this) or is_bytes(node.expression):
        return call("athena_regexp_extract_all_bytes", as_bytes(node.this), as_bytes(node.expression))
    pattern = node.expression
    if not _is_constant(pattern) or _EDGES.search(str(pattern.this)):
        return call("athena_regexp_extract_all", node.this, pattern)
    if node.meta.get("is_final") or not _may_match_nothing(pattern):
        return None
    plain = node.copy()
    plain.meta["is_final"] = True
    text = (
        "CASE WHEN {0} <> '' AND regexp_extract_all({0}, {1}, 0)[-1] = '' THEN list_slice({2}, 1, -2) "
        "ELSE list_transform({2}, lambda m: coalesce(m, '')) END"
    )
    return raw(text, node.this, pattern, plain, kind="ARRAY<STRING>")


_EDGES = re.compile(r"\^(?!\])|\\[bBA]")
"""What may match nothing in the middle of a text, or at its beginning."""


def _may_match_nothing(pattern: exp.Expression) -> bool:
    """Tell whether a pattern may match nothing at the end of a text: DuckDB gives that match as well."""
    try:
        compiled = re.compile(str(pattern.this))
    except re.error:
        return True
    return compiled.groups > 0 or compiled.match("") is not None or "$" in compiled.pattern


def _is_constant(pattern: exp.Expression) -> bool:
    """Tell whether a pattern is a constant (with at most one group, which else is refused)."""
    if isinstance(pattern, exp.Null):
        return True
    if not isinstance(pattern, exp.Literal | exp.RawString):
        return False
    with contextlib.suppress(re.error):  # said by the engine, in its words
        if re.compile(str(pattern.this)).groups > 1:
            raise invalid_query(
                "Regular expressions passed into extraction functions must not have more than 1 capturing group"
            )
    return True


RULES = {
    exp.Concat: joined,
    exp.RegexpExtract: extract,
    exp.RegexpExtractAll: extract_all,
    exp.Ascii: ascii_,
    exp.Substring: part,
    exp.Left: end,
    exp.Right: end,
    exp.Repeat: repeat,
    exp.Trim: trim,
    exp.Translate: translate,
    exp.Reverse: _of_bytes("athena_reverse_bytes"),
    exp.Replace: _of_bytes("athena_replace_bytes"),
    exp.StartsWith: _of_bytes("athena_starts_with_bytes"),
    exp.EndsWith: _of_bytes("athena_ends_with_bytes"),
    exp.Lower: _of_bytes("athena_lower_bytes"),
    exp.RegexpLike: _of_bytes("athena_regexp_contains_bytes"),
    exp.RegexpReplace: _of_bytes("athena_regexp_replace_bytes"),
}

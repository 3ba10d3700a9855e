"""Words that sqlglot reads otherwise than GoogleSQL: tokens are set right before parsing, nodes after it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.tokens import TokenType

from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.sql.collations import put_in_collations
from athena_lab.emulator.sql.pipes import rewrite_pipes
from athena_lab.emulator.sql.quantified import with_bracketed_arrays
from athena_lab.emulator.sql.token_lists import is_call, made, refuse_depth
from athena_lab.emulator.sql.with_expressions import put_in_withs

_DIALECT = BigQuery()
_NO_OPERATORS = frozenset({TokenType.RLIKE, TokenType.GLOB, TokenType.ILIKE, TokenType.SIMILAR_TO})
"""Other databases' operators: in GoogleSQL these words are plain names."""
_CALLED = frozenset({
    TokenType.STRUCT, TokenType.DATE, TokenType.TIMESTAMPTZ, TokenType.TEXT, TokenType.DECIMAL, TokenType.TIME,
    TokenType.TIMESTAMP, TokenType.JSON, TokenType.BIGINT, TokenType.BINARY, TokenType.BIGDECIMAL, TokenType.DOUBLE,
    TokenType.BOOLEAN,
})  # fmt: skip
"""Types that are functions as well."""
_MOST_LEVELS, _MOST_LINKS = 500, 3000
"""How deep a tree may be, not counting what is joined by the same AND or OR; and how many of those may be joined."""
_MARK = "#"


def parse(text: str) -> list[exp.Expression | None]:
    """Parse statements as sqlglot's BigQuery does, but for the words that it knows no better."""
    given = _DIALECT.tokenize(text)
    refuse_depth(given)
    tokens = with_bracketed_arrays(_with_bracketed_json(rewrite_pipes(put_in_withs(given))))
    _set_right(tokens)
    trees = _DIALECT.parser().parse(tokens, text)
    for tree in trees:
        _refuse_chains(tree)
    return [_straight(tree) for tree in trees]


def _refuse_chains(tree: exp.Expression | None) -> None:
    """Refuse a tree so deep that later rules would take for ever, or all of the stack: 1 + 1 + 1 + …"""
    depths: dict[int, tuple[int, int]] = {}
    for node in () if tree is None else tree.bfs():
        level, links = depths.get(id(node.parent), (0, 0))
        is_link = isinstance(node, exp.And | exp.Or) and isinstance(node.parent, type(node))
        depths[id(node)] = (level, links + 1) if is_link else (level + 1, links)
        if level > _MOST_LEVELS or links > _MOST_LINKS:
            raise invalid_query("Query is too complex: it nests too deeply.")


def _set_right(tokens: Sequence[Any]) -> None:
    for index, token in enumerate(tokens):
        if token.token_type in _NO_OPERATORS:
            token.token_type = TokenType.VAR
        elif token.token_type in _CALLED and is_call(tokens, index):
            token.token_type = TokenType.VAR  # tried as a type first, nested calls take exponentially long
        elif token.text.upper() in ("KEY", "VALUE") and _is_argument(tokens, index):
            token.token_type = TokenType.IDENTIFIER
        elif token.token_type == TokenType.FORMAT and _is_string(tokens, index + 1):
            tokens[index + 1].text = hide(tokens[index - 1].text, tokens[index + 1].text)


def _with_bracketed_json(tokens: list[Any]) -> list[Any]:
    """JSON '…'.a is a member of the literal: sqlglot would take it for one of the string."""
    found: list[Any] = []
    for index, token in enumerate(tokens):
        is_next = index + 1 < len(tokens) and tokens[index + 1].token_type in (TokenType.DOT, TokenType.L_BRACKET)
        is_literal = index > 0 and tokens[index - 1].token_type == TokenType.JSON and _is_string(tokens, index)
        if is_literal and is_next:
            found[-1:] = [*made(found[-1], "("), found[-1], token, *made(token, ")")]
        else:
            found.append(token)
    return found


def _is_argument(tokens: Sequence[Any], index: int) -> bool:
    """Tell whether a word is a whole argument: there it is a name, and no word of another database's JSON_OBJECT."""
    near = [tokens[at].text for at in (index - 1, index + 1) if 0 <= at < len(tokens)]
    return len(near) == 2 and near[0] in ("(", ",") and near[1] in (",", ")")


def _is_string(tokens: Sequence[Any], index: int) -> bool:
    return index < len(tokens) and tokens[index].token_type in (TokenType.STRING, TokenType.RAW_STRING)


def hide(kind: str, pattern: str) -> str:
    """Write a pattern of CAST … FORMAT, and the type before it, so that sqlglot does not translate it."""
    return "".join(f"{_MARK}{ord(letter)}" for letter in f"{kind.upper()} {pattern}")


def shown(text: str) -> tuple[str, str] | None:
    """Give (type, pattern) of what `hide` wrote, None for any other text."""
    if not text.startswith(_MARK) or not text.replace(_MARK, "").isdigit():
        return None
    kind, _, pattern = "".join(chr(int(code)) for code in text[1:].split(_MARK)).partition(" ")
    return kind, pattern


_STEP = re.compile(
    r"\.([^.\[\]\"']+)|\.\"((?:\\.|[^\"])*)\"|\[(\d+)\]|\[\s*(?:'([^']*)'|\"([^\"]*)\"|([^'\"\[\]]+))\s*\]"
)


def _path(text: str) -> exp.Expression:
    """Read a JSONPath as BigQuery writes it: $.a."b.c"[0]['d'][e]; one in a lax mode stays a text."""
    if text.strip().lower().startswith("lax"):
        return exp.Literal.string(text)
    if not text.startswith("$"):
        raise invalid_query(f"Invalid JSONPath: {text}: must start with '$'")
    steps: list[exp.Expression] = [exp.JSONPathRoot()]
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise invalid_query(f"Invalid token in JSONPath at: {text[at:]}")
        at = found.end()
        if found[3] is not None:
            steps.append(exp.JSONPathSubscript(this=int(found[3])))
        else:
            steps.append(exp.JSONPathKey(this=next(part for part in found.groups() if part is not None)))
    return exp.JSONPath(expressions=steps)


def _part(node: exp.SetOperation) -> None:
    """Set operations of different kinds take no turns without brackets."""
    for side in (node.this, node.expression):
        if isinstance(side, exp.SetOperation):
            ours, theirs = (type(side), side.args.get("distinct")), (type(node), node.args.get("distinct"))
            if ours != theirs:
                raise invalid_query(
                    "Syntax error: Different set operations cannot be used in the same query without using "
                    "parentheses for grouping"
                )


def _name_fields(select: exp.Select) -> None:
    """SELECT AS STRUCT: fields without a name, and those of a set operation's right side, are named by place."""
    above = select.parent
    first = above.this if isinstance(above, exp.SetOperation) and above.expression is select else None
    names = [item.alias_or_name for item in first.selects] if isinstance(first, exp.Select) else []
    fields = []
    for index, item in enumerate(select.expressions):
        is_named = isinstance(item, exp.Alias | exp.Column | exp.Dot) or item.is_star
        if len(names) == len(select.expressions) and not item.is_star:
            fields.append(exp.alias_(item.unalias().copy(), names[index], quoted=True))
        else:
            fields.append(item if is_named else exp.alias_(item.copy(), f"_field_{index + 1}", quoted=True))
    select.set("expressions", fields)


def _name_struct(struct: exp.Struct) -> None:
    """A column is a field of its own name; beside named fields those without a name are called by their places."""
    if not any(isinstance(item, exp.PropertyEQ | exp.Column | exp.Dot) for item in struct.expressions):
        return
    fields = []
    for index, item in enumerate(struct.expressions, start=1):
        is_named = isinstance(item, exp.PropertyEQ) or item.is_star
        if is_named:
            fields.append(item)
            continue
        last = item.expression if isinstance(item, exp.Dot) else item.this if isinstance(item, exp.Column) else None
        name = last.name if isinstance(last, exp.Identifier) else f"_field_{index}"
        fields.append(exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=item.copy()))
    struct.set("expressions", fields)


def _straight(tree: exp.Expression | None) -> exp.Expression | None:
    """Names that are words of a function's own (NFC, …) are no columns."""
    if tree is None:
        return None
    for node in tree.find_all(exp.JSONExtract, exp.JSONExtractScalar, exp.JSONExtractArray, exp.JSONValueArray):
        path = node.expression
        if isinstance(path, exp.Literal) and path.is_string:
            node.set("expression", _path(str(path.this)))
    put_in_collations(tree)
    for node in list(tree.find_all(exp.SetOperation)):
        _part(node)
    for select in tree.find_all(exp.Select):
        if select.args.get("kind") == "STRUCT":
            _name_fields(select)
    for struct in tree.find_all(exp.Struct):
        _name_struct(struct)
    for node in tree.find_all(exp.Normalize):
        form = node.args.get("form")
        if isinstance(form, exp.Column):
            node.set("form", exp.Var(this=form.name))
    return tree

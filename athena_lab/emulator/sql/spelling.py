"""Words that sqlglot reads otherwise than GoogleSQL: tokens are set right before parsing, nodes after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.tokens import TokenType

_DIALECT = BigQuery()
_NO_OPERATORS = frozenset({TokenType.RLIKE, TokenType.GLOB, TokenType.ILIKE, TokenType.SIMILAR_TO})
"""Other databases' operators: in GoogleSQL these words are plain names."""
_MARK = "#"


def parse(text: str) -> list[exp.Expression | None]:
    """Parse statements as sqlglot's BigQuery does, but for the words that it knows no better."""
    tokens = _DIALECT.tokenize(text)
    _set_right(tokens)
    return [_straight(tree) for tree in _DIALECT.parser().parse(tokens, text)]


def _set_right(tokens: Sequence[Any]) -> None:
    for index, token in enumerate(tokens):
        if token.token_type in _NO_OPERATORS:
            token.token_type = TokenType.VAR
        elif token.token_type == TokenType.FORMAT and _is_string(tokens, index + 1):
            tokens[index + 1].text = hide(tokens[index - 1].text, tokens[index + 1].text)


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


def _straight(tree: exp.Expression | None) -> exp.Expression | None:
    """Names that are words of a function's own (NFC, …) are no columns."""
    if tree is None:
        return None
    for node in tree.find_all(exp.Normalize):
        form = node.args.get("form")
        if isinstance(form, exp.Column):
            node.set("form", exp.Var(this=form.name))
    return tree

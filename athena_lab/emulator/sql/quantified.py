"""LIKE ANY, SOME and ALL UNNEST(…): sqlglot reads a list of patterns in brackets only."""

from __future__ import annotations

from typing import Any

from sqlglot.tokens import TokenType

from athena_lab.emulator.sql.token_lists import after_group, is_word, made


def with_bracketed_arrays(tokens: list[Any]) -> list[Any]:
    """Put UNNEST(…) behind LIKE ANY, SOME or ALL into brackets."""
    found: list[Any] = []
    ends: list[int] = []
    for index, token in enumerate(tokens):
        if _is_array(tokens, index):
            found += made(token, "(")
            ends.append(after_group(tokens, index + 1))
        found.append(token)
        while ends and ends[-1] == index + 1:
            found += made(token, ")")
            ends.pop()
    return found


def _is_array(tokens: list[Any], index: int) -> bool:
    return (
        index > 1
        and is_word(tokens[index], "UNNEST")
        and is_word(tokens[index - 1], "ANY", "SOME", "ALL")
        and tokens[index - 2].token_type == TokenType.LIKE
    )

"""WITH(name AS value, …, result): the values are put in where the result names them.

https://cloud.google.com/bigquery/docs/reference/standard-sql/operators#with_expression
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot.tokens import TokenType

from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.sql.token_lists import after_group, is_word, made, split


def put_in_withs(tokens: Sequence[Any]) -> list[Any]:
    """Write out every WITH expression, the innermost first; a WITH clause has a name before its bracket."""
    found: list[Any] = []
    at = 0
    while at < len(tokens):
        is_call = tokens[at].token_type == TokenType.WITH and at + 1 < len(tokens)
        if not (is_call and tokens[at + 1].token_type == TokenType.L_PAREN):
            found.append(tokens[at])
            at += 1
            continue
        end = after_group(list(tokens), at + 1)
        found += _written(tokens[at], put_in_withs(tokens[at + 2 : end - 1]))
        at = end
    return found


def _written(at: Any, inner: list[Any]) -> list[Any]:
    *named, result = split(inner, TokenType.COMMA)
    values: dict[str, list[Any]] = {}
    for item in named:
        if len(item) < 3 or item[1].token_type != TokenType.ALIAS:
            raise invalid_query(f"Syntax error: A WITH expression needs name AS value at [{at.line}:{at.col - 3}]")
        if any(is_word(token, "RAND", "GENERATE_UUID") for token in item):
            raise unsupported("A WITH expression of random values")
        values[item[0].text.casefold()] = [*made(at, "("), *_replaced(item[2:], values), *made(at, ")")]
    return [*made(at, "("), *_replaced(result, values), *made(at, ")")]


def _replaced(tokens: list[Any], values: dict[str, list[Any]]) -> list[Any]:
    found: list[Any] = []
    for index, token in enumerate(tokens):
        after_dot = index > 0 and tokens[index - 1].token_type == TokenType.DOT
        is_call = index + 1 < len(tokens) and tokens[index + 1].token_type == TokenType.L_PAREN
        is_name = token.token_type in (TokenType.VAR, TokenType.IDENTIFIER) and not (after_dot or is_call)
        value = values.get(token.text.casefold()) if is_name else None
        found += [token] if value is None else value
    return found

"""Lists of tokens: parted, measured and written, for what is rewritten before it is parsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot.dialects.bigquery import BigQuery
from sqlglot.tokens import Token, TokenType

from athena_lab.emulator.faults import invalid_query

_DIALECT = BigQuery()
_OPEN = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSE = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})
_MOST_NESTED = 200
_MOST_REPEATED = 8
"""SAFE.f(...) is parsed twice, what is nested in it twice as often for each level."""
_JOINS = frozenset({TokenType.JOIN, TokenType.COMMA})
_NO_ALIAS = frozenset({"FOR", "TABLESAMPLE", "PIVOT", "UNPIVOT", "WITH", "MATCH_RECOGNIZE", "ON", "USING"})


def made(at: Any, text: str) -> list[Any]:
    """Give the tokens of a text, as if they stood in the place of a token."""
    return [Token(token.token_type, token.text, at.line, at.col, at.start, at.end) for token in _DIALECT.tokenize(text)]


def is_call(tokens: Sequence[Any], at: int) -> bool:
    """Tell whether the name of a type is a function's there: what follows in parentheses is no size (STRING(10))."""
    following = [token.token_type for token in tokens[at + 1 : at + 4]]
    is_sized = following[1:2] == [TokenType.NUMBER] and following[2:3] in ([TokenType.COMMA], [TokenType.R_PAREN])
    return following[:1] == [TokenType.L_PAREN] and not is_sized


def refuse_depth(tokens: Sequence[Any]) -> None:
    """Refuse what nests so deeply that to parse it would take for ever, or all of the stack."""
    open_: list[bool] = []
    for index, token in enumerate(tokens):
        if token.token_type in _OPEN:
            open_.append(index > 2 and tokens[index - 2].token_type == TokenType.DOT
                         and is_word(tokens[index - 3], "SAFE", "NET"))  # fmt: skip
        elif token.token_type in _CLOSE and open_:
            open_.pop()
        if len(open_) > _MOST_NESTED or sum(open_) > _MOST_REPEATED:
            raise invalid_query("Query is too complex: it nests too deeply.")


def is_word(token: Any, *words: str) -> bool:
    """Tell whether a token is one of some words, not quoted."""
    is_quoted = token.token_type in (TokenType.IDENTIFIER, TokenType.STRING)
    return not is_quoted and token.text.upper() in words


def after_group(tokens: list[Any], at: int) -> int:
    """Give the place behind the parenthesis that closes the one at a place."""
    depth = 0
    for index in range(at, len(tokens)):
        if tokens[index].token_type in _OPEN:
            depth += 1
        elif tokens[index].token_type in _CLOSE:
            depth -= 1
            if depth == 0:
                return index + 1
    return len(tokens)


def split(tokens: list[Any], kind: TokenType) -> list[list[Any]]:
    """Part tokens at those of a kind that stand in no bracket; a list of one for none."""
    pieces: list[list[Any]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.token_type in _OPEN) - (token.token_type in _CLOSE)
        if token.token_type == kind and depth == 0:
            pieces.append([])
        else:
            pieces[-1].append(token)
    return pieces


_QUERIES = frozenset({TokenType.SELECT, TokenType.FROM, TokenType.WITH, TokenType.L_PAREN})


def starts_at(tokens: list[Any]) -> int:
    """Give the place where a statement's query begins: at once, behind AS, or behind INSERT's columns."""
    if not tokens or tokens[0].token_type in _QUERIES:
        return 0
    is_insert = is_word(tokens[0], "INSERT")
    at = 1
    while at < len(tokens):
        kind = tokens[at].token_type
        if kind in _QUERIES and kind != TokenType.L_PAREN and (is_insert or _is_as(tokens[at - 1])):
            return at
        if kind == TokenType.L_PAREN and _is_as(tokens[at - 1]):
            return at
        at = after_group(tokens, at) if kind in _OPEN else at + 1
    return len(tokens)


def _is_as(token: Any) -> bool:
    return bool(token.token_type == TokenType.ALIAS)


def alias_of(source: list[Any]) -> tuple[str, bool]:
    """Give the name under which FROM's one table is seen, and whether there are several."""
    at = depth = 0
    for token in source:
        depth += (token.token_type in _OPEN) - (token.token_type in _CLOSE)
        if depth == 0 and token.token_type in _JOINS:
            return "", True
    last = ""
    while at < len(source) and not _ends_table(source, at):
        if source[at].token_type in _OPEN:
            at, last = after_group(source, at), ""
            continue
        last = source[at].text.rpartition(".")[2] or last
        at += 1
    if at < len(source) and _is_as(source[at]):
        at += 1
    if at < len(source) and not is_word(source[at], *_NO_ALIAS):
        return str(source[at].text), False
    return last, False


def _ends_table(source: list[Any], at: int) -> bool:
    """Tell whether the name, the call or the query before a place is over: a word follows a word or a bracket."""
    if at == 0:
        return False
    token, before = source[at], source[at - 1]
    if _is_as(token):
        return True
    is_part = token.token_type in (TokenType.DOT, TokenType.DASH) or token.token_type in _OPEN
    return not is_part and before.token_type not in (TokenType.DOT, TokenType.DASH)


def without_order(items: list[list[Any]], *, is_all: bool) -> tuple[list[list[Any]], list[tuple[int, str]]]:
    """Take ASC and DESC (NULLS FIRST, …) from the ends of items: their places and orders, or those of all."""
    plain, orders = [], []
    for index, item in enumerate(items):
        at = next((place for place, token in enumerate(item) if _is_direction(item, place, token)), len(item))
        how = " ".join(token.text for token in item[at:])
        plain.append(item[:at])
        if how or is_all:
            orders.append((index, how))
    return plain, orders


def _is_direction(item: list[Any], place: int, token: Any) -> bool:
    is_last = all(is_word(one, "ASC", "DESC", "NULLS", "FIRST", "LAST") for one in item[place:])
    return place > 0 and is_last and token.token_type in (TokenType.ASC, TokenType.DESC)

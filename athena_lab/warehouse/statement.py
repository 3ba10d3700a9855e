"""What a statement mentions, found by tokens: `@parameters`, and tables that are earlier results.

Strings, comments and quoted names are tokens of their own, so nothing inside them is ever taken for a
marker. Replacements are remembered, so that a position in the sent text leads back to the written one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import TokenError
from sqlglot.tokens import Token, TokenType

_NAMES = (TokenType.VAR, TokenType.IDENTIFIER)
_ENDS_FROM = (
    TokenType.WHERE,
    TokenType.GROUP_BY,
    TokenType.ORDER_BY,
    TokenType.HAVING,
    TokenType.QUALIFY,
    TokenType.LIMIT,
    TokenType.WINDOW,
    TokenType.UNION,
    TokenType.INTERSECT,
    TokenType.EXCEPT,
    TokenType.SET,
    TokenType.WHEN,
    TokenType.SEMICOLON,
)
_STARTS_QUERY = (TokenType.SELECT, TokenType.UPDATE)
_BEFORE_FROM = (TokenType.SEMICOLON, TokenType.L_PAREN, TokenType.ALIAS, TokenType.R_PAREN)


@dataclass(frozen=True, slots=True)
class Edit:
    """A piece of the written text, `start` to `end`, that was sent as `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Statement:
    """The text to send, the names of its parameters in order, and how it came from the written text."""

    written: str
    text: str
    parameters: tuple[str, ...]
    edits: tuple[Edit, ...] = ()
    is_ordered: bool = False
    first_line: int = 1

    def written_position(self, line: int, column: int) -> tuple[int, int]:
        """Lead a position (from 1) in the sent text back to the written text, whose first line is `first_line`."""
        line, column = self._position_in_written(line, column)
        return line + self.first_line - 1, column

    def _position_in_written(self, line: int, column: int) -> tuple[int, int]:
        offset = _offset_of(self.text, line, column)
        shift = 0
        for edit in self.edits:
            begin = edit.start + shift
            if offset < begin:
                break
            if offset < begin + len(edit.text):
                return _position_of(self.written, edit.start)
            shift += len(edit.text) - (edit.end - edit.start)
        return _position_of(self.written, offset - shift)


def read_statement(sql: str, resolve: Callable[[str], str | None] | None = None, *, first_line: int = 1) -> Statement:
    """Find the parameters and put the tables of earlier results in.

    `resolve` gives the full table name of a result, or None where the name is no result. `first_line` is
    the number of the text's first line where the user sees it (2 below a magic's line). A text that
    cannot be cut into tokens is left as it is: the warehouse says what is wrong with it.
    """
    try:
        tokens = BigQuery().tokenize(sql)
    except TokenError:
        return Statement(sql, sql, (), first_line=first_line)
    edits = tuple(_find_results(tokens, resolve)) if resolve else ()
    return Statement(
        written=sql,
        text=_apply(sql, edits),
        parameters=tuple(dict.fromkeys(_find_parameters(tokens))),
        edits=edits,
        is_ordered=any(token.token_type == TokenType.ORDER_BY for token in tokens),
        first_line=first_line,
    )


def _find_parameters(tokens: Sequence[Token]) -> Iterator[str]:
    for index, token in enumerate(tokens[:-1]):
        following = tokens[index + 1]
        is_marker = token.token_type == TokenType.PARAMETER and following.start == token.end + 1
        is_system_variable = index > 0 and tokens[index - 1].token_type == TokenType.PARAMETER
        if is_marker and not is_system_variable and following.token_type != TokenType.PARAMETER:
            yield following.text


def _find_results(tokens: Sequence[Token], resolve: Callable[[str], str | None]) -> Iterator[Edit]:
    own_names = set(_find_common_tables(tokens))
    for index in _find_tables(tokens):
        token = tokens[index]
        following = tokens[index + 1].token_type if index + 1 < len(tokens) else None
        if following in (TokenType.DOT, TokenType.L_PAREN) or token.text in own_names:
            continue
        table = resolve(token.text)
        if table is None:
            continue
        alias = "" if following in (*_NAMES, TokenType.ALIAS) else f" AS `{token.text}`"
        yield Edit(token.start, token.end + 1, f"`{table}`{alias}")


def _find_common_tables(tokens: Sequence[Token]) -> Iterator[str]:
    """Name what the statement's own WITH clauses define: `name AS (`."""
    for index in range(len(tokens) - 2):
        is_definition = tokens[index + 1].token_type == TokenType.ALIAS and (
            tokens[index + 2].token_type == TokenType.L_PAREN
        )
        if is_definition and tokens[index].token_type in _NAMES:
            yield tokens[index].text


def _find_tables(tokens: Sequence[Token]) -> Iterator[int]:
    """Give the indexes of names that stand where a table may stand.

    Each level of parentheses has its own state: whether a query began there (so that the FROM of
    `EXTRACT(DAY FROM x)` is none), and whether a table is expected next.
    """
    levels = [_Level()]
    previous: Token | None = None
    for index, token in enumerate(tokens):
        kind = token.token_type
        level = levels[-1]
        if level.is_expecting and kind in _NAMES:
            yield index
        if kind == TokenType.L_PAREN:
            level.is_expecting = False
            levels.append(_Level())
        elif kind == TokenType.R_PAREN and len(levels) > 1:
            levels.pop()
        else:
            level.see(kind, previous.token_type if previous else None)
        previous = token


@dataclass(slots=True)
class _Level:
    has_query: bool = False
    is_in_from: bool = False
    is_expecting: bool = False

    def see(self, kind: TokenType, previous: TokenType | None) -> None:
        self.is_expecting = False
        if kind in _STARTS_QUERY or kind == TokenType.MERGE:
            self.has_query, self.is_in_from = True, False
        elif kind == TokenType.FROM:
            is_clause = (self.has_query and previous != TokenType.DISTINCT) or previous in (None, *_BEFORE_FROM)
            self.is_in_from = self.is_expecting = is_clause
        elif kind == TokenType.USING and self.has_query and not self.is_in_from:
            self.is_in_from = self.is_expecting = True
        elif self.is_in_from and kind in (TokenType.JOIN, TokenType.COMMA):
            self.is_expecting = True
        elif kind in _ENDS_FROM:
            self.is_in_from = False


def _apply(sql: str, edits: Sequence[Edit]) -> str:
    parts, end = [], 0
    for edit in edits:
        parts += [sql[end : edit.start], edit.text]
        end = edit.end
    return "".join([*parts, sql[end:]])


def _offset_of(text: str, line: int, column: int) -> int:
    lines = text.split("\n")
    line = min(max(line, 1), len(lines))
    return sum(len(item) + 1 for item in lines[: line - 1]) + min(max(column, 1) - 1, len(lines[line - 1]))


def _position_of(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

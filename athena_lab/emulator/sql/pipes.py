"""Pipe syntax: `FROM t |> WHERE … |> …` becomes nested standard SQL, token by token, so that places in errors stay.

https://cloud.google.com/bigquery/docs/reference/standard-sql/pipe-syntax
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot.tokens import Token, TokenType

from athena_lab.emulator.faults import BigQueryError, invalid_query, unsupported
from athena_lab.emulator.sql.token_lists import (
    after_group,
    alias_of,
    is_word,
    made,
    split,
    starts_at,
    without_order,
)

Tokens = list[Any]
_JOINS = frozenset({"JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS"})
_SETS = frozenset({"UNION", "INTERSECT", "EXCEPT"})


@dataclass(slots=True)
class _Query:
    """A query so far: a whole one, or what stands in FROM and WHERE while names of tables are still seen."""

    source: Tokens = field(default_factory=list)
    whole: Tokens = field(default_factory=list)
    wheres: list[Tokens] = field(default_factory=list)
    alias: str = ""
    is_joined: bool = False
    is_ordered: bool = False
    replaced: set[str] = field(default_factory=set)
    """Names that SET gave anew: with the table's name before them they are still the old columns."""

    def select(self, at: Any, items: Tokens, tail: Tokens | None = None, distinct: str = "") -> None:
        """Make it a whole query: SELECT items FROM … WHERE … tail."""
        self.flatten(at)
        where: Tokens = []
        for index, condition in enumerate(self.wheres):
            where += [*made(at, "WHERE (" if index == 0 else "AND ("), *condition, *made(at, ")")]
        head = made(at, f"SELECT {distinct}")
        self.whole = [*head, *items, *made(at, "FROM"), *self.source, *where, *(tail or [])]
        self.source, self.wheres, self.is_joined, self.is_ordered = [], [], False, False

    def flatten(self, at: Any) -> None:
        """Put a whole query into FROM, under the name that it has."""
        if self.whole:
            name = made(at, f"AS `{self.alias}`") if self.alias else []
            self.source, self.whole = [*made(at, "("), *self.whole, *made(at, ")"), *name], []

    def nest(self, at: Any) -> None:
        """Make it one table in FROM without conditions; names of joined tables are then gone."""
        if self.wheres or self.is_joined:
            self.select(at, made(at, "*"))
        self.flatten(at)


def rewrite_pipes(tokens: Sequence[Any]) -> Tokens:
    """Write every query in pipe syntax as standard SQL; tokens without any stay as they are."""
    if not any(token.token_type == TokenType.PIPE_GT for token in tokens):
        return list(tokens)
    statements = split(_inside(list(tokens)), TokenType.SEMICOLON)
    found: Tokens = []
    for index, statement in enumerate(statements):
        found += [*([Token(TokenType.SEMICOLON, ";")] if index else []), *_level(statement)]
    return found


def _inside(tokens: Tokens) -> Tokens:
    """Rewrite what stands in parentheses."""
    found: Tokens = []
    at = 0
    while at < len(tokens):
        if tokens[at].token_type != TokenType.L_PAREN:
            found.append(tokens[at])
            at += 1
            continue
        end = after_group(tokens, at)
        found += [tokens[at], *_level(_inside(tokens[at + 1 : end - 1])), *tokens[end - 1 : end]]
        at = end
    return found


def _level(tokens: Tokens) -> Tokens:
    head, *operators = split(tokens, TokenType.PIPE_GT)
    if not operators:
        return tokens
    begin = starts_at(head)
    if begin >= len(head) or not all(operators):
        raise _unexpected(tokens[-1], "|>")
    prefix, common, query = _begun(head, begin)
    for operator in operators:
        _refuse_replaced(query, operator)
        word = operator[0].text.upper().split(maxsplit=1)[0]
        if word == "WITH":
            common += [*(made(operator[0], ",") if common else operator[:1]), *operator[1:]]
        elif word in _JOINS and any(is_word(item, *_SETS) for item in operator[1:3]):
            _combine(query, operator)
        elif word in _OPERATORS:
            _OPERATORS[word](query, operator)
        else:
            raise _unexpected(operator[0], operator[0].text)
    if not query.whole:
        query.select(operators[-1][0], made(operators[-1][0], "*"))
    return [*prefix, *common, *query.whole]


def _begun(head: Tokens, begin: int) -> tuple[Tokens, Tokens, _Query]:
    """Give what stands before the query, its WITH clause, and the query that the operators follow."""
    prefix, rest = head[:begin], head[begin:]
    common: Tokens = []
    if rest[0].token_type == TokenType.WITH:
        end = _after_common(rest)
        common, rest = rest[:end], rest[end:]
    if rest and rest[0].token_type == TokenType.FROM:
        alias, is_joined = alias_of(rest[1:])
        return prefix, common, _Query(source=rest[1:], alias=alias, is_joined=is_joined)
    return prefix, common, _Query(whole=rest)


def _after_common(tokens: Tokens) -> int:
    at = 1
    while at < len(tokens):
        while at < len(tokens) and tokens[at].token_type != TokenType.L_PAREN:
            at += 1
        at = after_group(tokens, at)
        if at >= len(tokens) or tokens[at].token_type != TokenType.COMMA:
            break
    return at


def _refuse_replaced(query: _Query, operator: Tokens) -> None:
    for one, two, three in zip(operator, operator[1:], operator[2:], strict=False):
        is_path = two.token_type == TokenType.DOT and one.text.casefold() == query.alias.casefold()
        if is_path and three.text.casefold() in query.replaced:
            raise unsupported(f"{one.text}.{three.text} after SET gave {three.text} anew")


def _unexpected(token: Any, word: str) -> BigQueryError:
    return invalid_query(f'Syntax error: Unexpected "{word}" at [{token.line}:{max(1, token.col - len(word) + 1)}]')


# -- the operators


def _where(query: _Query, operator: Tokens) -> None:
    query.flatten(operator[0])
    query.wheres.append(operator[1:])


def _select(query: _Query, operator: Tokens) -> None:
    items, tail = _with_windows(operator[1:])
    query.select(operator[0], items, tail)
    query.alias, query.replaced = "", set()


def _extend(query: _Query, operator: Tokens) -> None:
    items, tail = _with_windows(operator[1:])
    at = operator[0]
    if query.is_joined and not any(item.token_type == TokenType.OVER for item in operator):
        for item in split(items, TokenType.COMMA):
            _add_column(query, at, item)
        return
    query.select(at, [*made(at, "*,"), *items], tail)


def _add_column(query: _Query, at: Any, item: Tokens) -> None:
    """Joined tables keep their names where a column comes as one more table, of one row for each of theirs."""
    is_named = len(item) > 2 and item[-2].token_type == TokenType.ALIAS
    is_path = len(item) > 1 and item[-2].token_type == TokenType.DOT
    if not (is_named or is_path):
        raise unsupported("A pipe's EXTEND of joined tables without a name (AS)")
    value = item[:-2] if is_named else item
    query.source += [*made(at, "CROSS JOIN UNNEST(["), *value, *made(at, "]) AS"), item[-1]]


def _with_windows(tokens: Tokens) -> tuple[Tokens, Tokens]:
    """Part a list and the WINDOW clause behind it."""
    pieces = split(tokens, TokenType.WINDOW)
    if len(pieces) == 1:
        return pieces[0], []
    return pieces[0], tokens[len(pieces[0]) :]


def _set(query: _Query, operator: Tokens) -> None:
    at = operator[0]
    parts: Tokens = []
    for item in split(operator[1:], TokenType.COMMA):
        if len(item) < 3 or item[1].token_type != TokenType.EQ:
            raise _unexpected(item[0] if item else at, item[0].text if item else "SET")
        parts += [*(made(at, ",") if parts else []), *item[2:], *made(at, "AS"), item[0]]
        query.replaced.add(item[0].text.casefold())
    query.select(at, [*made(at, "* REPLACE ("), *parts, *made(at, ")")])


def _drop(query: _Query, operator: Tokens) -> None:
    at = operator[0]
    query.select(at, [*made(at, "* EXCEPT ("), *operator[1:], *made(at, ")")])


def _rename(query: _Query, operator: Tokens) -> None:
    at = operator[0]
    parts: Tokens = []
    for item in split(operator[1:], TokenType.COMMA):
        if len(item) < 2:
            raise _unexpected(at, "RENAME")
        parts += [*(made(at, ",") if parts else []), item[0], *made(at, "AS"), item[-1]]
    query.select(at, [*made(at, "* RENAME ("), *parts, *made(at, ")")])


def _as(query: _Query, operator: Tokens) -> None:
    if len(operator) != 2:
        raise _unexpected(operator[0], "AS")
    if not query.whole:
        query.select(operator[0], made(operator[0], "*"))
    query.alias, query.replaced = operator[1].text, set()


def _aggregate(query: _Query, operator: Tokens) -> None:
    at = operator[0]
    pieces = split(operator[1:], TokenType.GROUP_BY)
    is_ordered = False
    if len(pieces) == 1:
        pieces, is_ordered = _ordered_groups(pieces[0])
    groups = split(pieces[1], TokenType.COMMA) if len(pieces) > 1 and pieces[1] else []
    groups, sorting = without_order(groups, is_all=is_ordered)
    sums, sum_sorting = without_order(split(pieces[0], TokenType.COMMA) if pieces[0] else [], is_all=False)
    if sorting and sum_sorting:
        raise unsupported("AGGREGATE with an order of both its groups and its aggregates")
    sorting += [(index + len(groups), order) for index, order in sum_sorting]
    columns, grouping = _grouping(at, groups)
    items: Tokens = []
    for column in [*columns, *sums]:
        items += [*(made(at, ",") if items else []), *column]
    order = ", ".join(f"{index + 1} {how}" for index, how in sorting)
    query.select(at, items, [*grouping, *(made(at, f"ORDER BY {order}") if order else [])])
    query.alias, query.is_ordered, query.replaced = "", bool(order), set()


def _ordered_groups(tokens: Tokens) -> tuple[list[Tokens], bool]:
    """Part a list at GROUP AND ORDER BY."""
    for index, token in enumerate(tokens[:-2]):
        if is_word(token, "GROUP") and tokens[index + 2].token_type == TokenType.ORDER_BY:
            return [tokens[:index], tokens[index + 3 :]], True
    return [tokens], False


_SETS_OF_GROUPS = ("ROLLUP", "CUBE", "GROUPING")


def _grouping(at: Any, groups: list[Tokens]) -> tuple[list[Tokens], Tokens]:
    """Give the columns of the groups, and the clause GROUP BY."""
    if not groups:
        return [], []
    if not is_word(groups[0][0], *_SETS_OF_GROUPS):
        numbers = ", ".join(str(index + 1) for index in range(len(groups)))
        return groups, made(at, f"GROUP BY {numbers}")
    first = next(index for index, token in enumerate(groups[0]) if token.token_type == TokenType.L_PAREN)
    inner = groups[0][first + 1 : after_group(groups[0], first) - 1]
    if len(groups) > 1 or is_word(groups[0][0], "GROUPING"):
        raise unsupported("AGGREGATE with GROUPING SETS")
    return split(inner, TokenType.COMMA), [*made(at, "GROUP BY"), *groups[0]]


def _order(query: _Query, operator: Tokens) -> None:
    query.select(operator[0], made(operator[0], "*"), operator)
    query.is_ordered = True


def _limit(query: _Query, operator: Tokens) -> None:
    if query.whole and query.is_ordered:
        query.whole += operator
        query.is_ordered = False
        return
    query.select(operator[0], made(operator[0], "*"), operator)


def _distinct(query: _Query, operator: Tokens) -> None:
    query.select(operator[0], made(operator[0], "*"), distinct="DISTINCT")
    query.alias = ""


def _join(query: _Query, operator: Tokens) -> None:
    at = operator[0]
    if query.wheres and not query.is_joined:
        query.select(at, made(at, "*"))
    if query.wheres:
        raise unsupported("A pipe's JOIN after the WHERE of another JOIN")
    query.flatten(at)
    query.source += operator
    query.is_joined = True


def _combine(query: _Query, operator: Tokens) -> None:
    at = operator[0]
    first = next((index for index, token in enumerate(operator) if token.token_type == TokenType.L_PAREN), 0)
    if not first:
        raise _unexpected(at, at.text)
    if not query.whole:
        query.select(at, made(at, "*"))
    words, found = operator[:first], [*made(at, "("), *query.whole, *made(at, ")")]
    for item in split(operator[first:], TokenType.COMMA):
        found = [*made(at, "("), *found, *words, *item, *made(at, ")")]
    query.whole = found[1:-1]
    query.alias, query.is_ordered, query.replaced = "", False, set()


def _pivot(query: _Query, operator: Tokens) -> None:
    at = operator[0]
    query.alias = ""
    query.nest(at)
    query.source += operator
    query.select(at, made(at, "*"))


def _sample(query: _Query, operator: Tokens) -> None:
    query.nest(operator[0])
    query.source += operator


def _assert(query: _Query, operator: Tokens) -> None:
    at = operator[0]
    condition, *payload = split(operator[1:], TokenType.COMMA)
    shown: Tokens = []
    for part in payload:
        shown += [*made(at, ", ' ', CAST("), *part, *made(at, "AS STRING)")]
    text = [*made(at, "ERROR(CONCAT('Assert failed:'"), *shown, *made(at, "))")]
    _where(query, [at, *made(at, "IF("), *condition, *made(at, ", TRUE,"), *text, *made(at, ")")])


def _absent(query: _Query, operator: Tokens) -> None:
    del query
    raise unsupported(f"The pipe operator {operator[0].text.upper()}")


_OPERATORS: dict[str, Callable[[_Query, Tokens], None]] = {
    "WHERE": _where, "SELECT": _select, "EXTEND": _extend, "WINDOW": _extend, "SET": _set, "DROP": _drop,
    "RENAME": _rename, "AS": _as, "AGGREGATE": _aggregate, "ORDER": _order, "LIMIT": _limit, "DISTINCT": _distinct,
    "PIVOT": _pivot, "UNPIVOT": _pivot, "TABLESAMPLE": _sample, "ASSERT": _assert,
    **dict.fromkeys(_JOINS, _join), **dict.fromkeys(_SETS, _combine),
    **dict.fromkeys(("CALL", "MATCH_RECOGNIZE", "INSERT", "EXPORT", "FORK", "TEE"), _absent),
}  # fmt: skip

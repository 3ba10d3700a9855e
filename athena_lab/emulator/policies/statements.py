"""GoogleSQL's statements about policies, which no dialect of sqlglot has.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from athena_lab.emulator.faults import BigQueryError, invalid_query, position_of

_LOOKS = re.compile(r"\b(DATA_POLICY|DATA_POLICIES|ROW\s+ACCESS\s+POLIC)", re.IGNORECASE)
_WORDS_END = ("SET", "OPTIONS", "TO", "FROM", "ON", "GRANT", "FILTER", "ALTER", "ADD", "DROP", "RENAME")


@dataclass(frozen=True, slots=True)
class PolicyStatement:
    """One statement: which kind, about what, with what."""

    kind: str
    name: str = ""
    table: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    condition: str = ""
    is_replace: bool = False
    is_lenient: bool = False
    """IF EXISTS, or IF NOT EXISTS."""
    adds: bool = False
    """`data_policies += ...`."""


def read_policy_statement(text: str) -> PolicyStatement | None:
    """Read a statement about policies; None for any other statement."""
    if not _LOOKS.search(text):
        return None
    try:
        tokens = sqlglot.tokenize(text, read="bigquery")
    except SqlglotError:
        return None  # said by the parser, with its place
    reader = Reader(text, tokens)
    for words, read in _STARTS.items():
        if reader.take(*words.split()):
            found = read(reader)
            if found is not None:
                reader.end()
            return found
    return None


class Reader:
    """Reads a statement word by word."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._text, self._tokens, self._at = text, tokens, 0

    def _word(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].text.upper() if at < len(self._tokens) else ""

    def take(self, *words: str) -> bool:
        if all(self._word(index) == word for index, word in enumerate(words)):
            self._at += len(words)
            return True
        return False

    def need(self, *words: str) -> None:
        if not self.take(*words):
            raise self.fault(f"Expected {' '.join(words)}")

    def fault(self, what: str) -> BigQueryError:
        at = self._tokens[self._at].start if self._at < len(self._tokens) else max(0, len(self._text) - 1)
        return invalid_query(f"Syntax error: {what} at {position_of(self._text, at)}")

    def end(self) -> None:
        self.take(";")
        if self._at < len(self._tokens):
            raise self.fault("Expected end of input")

    def name(self) -> str:
        start = self._at
        while self._at < len(self._tokens) and self._word() not in (*_WORDS_END, "(", ";", ","):
            self._at += 1
        if start == self._at:
            raise self.fault("Expected a name")
        return self._text[self._tokens[start].start : self._tokens[self._at - 1].end + 1]

    def string(self) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at].token_type not in (
            TokenType.STRING,
            TokenType.RAW_STRING,
        ):
            raise self.fault("Expected a string literal")
        self._at += 1
        return str(self._tokens[self._at - 1].text)

    def strings(self) -> tuple[str, ...]:
        found = [self.string()]
        while self.take(","):
            found.append(self.string())
        return tuple(found)

    def bracketed(self) -> str:
        """Give the text between parentheses."""
        self.need("(")
        start, depth = self._at, 1
        while self._at < len(self._tokens):
            depth += {"(": 1, ")": -1}.get(self._tokens[self._at].text, 0) if self._is_mark() else 0
            self._at += 1
            if depth == 0:
                return self._text[self._tokens[start].start : self._tokens[self._at - 1].start].strip()
        raise self.fault("Expected )")

    def _is_mark(self) -> bool:
        return self._tokens[self._at].token_type in (TokenType.L_PAREN, TokenType.R_PAREN)

    def options(self) -> tuple[dict[str, Any], bool]:
        """Give OPTIONS(...) and whether any was added to with +=."""
        self.need("OPTIONS")
        self.need("(")
        found: dict[str, Any] = {}
        adds = False
        while not self.take(")"):
            key = self._word().lower()
            self._at += 1
            is_added = self.take("+=") or self.take("+", "=")
            adds = adds or is_added
            if not is_added:
                self.need("=")
            found[key] = self._value()
            if not self.take(","):
                self.need(")")
                break
        return found, adds

    def _value(self) -> Any:
        if not self.take("["):
            if self._word() == "NULL":
                self._at += 1
                return None
            return self.string()
        found: list[str] = []
        while not self.take("]"):
            found.append(self.string())
            if not self.take(","):
                self.need("]")
                break
        return found


def _create_policy(reader: Reader, *, is_replace: bool) -> PolicyStatement:
    lenient = reader.take("IF", "NOT", "EXISTS")
    name = reader.name()
    options, _ = reader.options()
    return PolicyStatement("CREATE_DATA_POLICY", name, options=options, is_replace=is_replace, is_lenient=lenient)


def _alter_policy(reader: Reader) -> PolicyStatement:
    lenient = reader.take("IF", "EXISTS")
    name = reader.name()
    reader.need("SET")
    options, _ = reader.options()
    return PolicyStatement("ALTER_DATA_POLICY", name, options=options, is_lenient=lenient)


def _drop_policy(reader: Reader) -> PolicyStatement:
    lenient = reader.take("IF", "EXISTS")
    return PolicyStatement("DROP_DATA_POLICY", reader.name(), is_lenient=lenient)


def _grant(reader: Reader) -> PolicyStatement:
    name = reader.name()
    reader.need("TO")
    return PolicyStatement("GRANT", name, members=reader.strings())


def _revoke(reader: Reader) -> PolicyStatement:
    name = reader.name()
    reader.need("FROM")
    return PolicyStatement("REVOKE", name, members=reader.strings())


def _alter_table(reader: Reader) -> PolicyStatement | None:
    lenient = reader.take("IF", "EXISTS")
    table = reader.name()
    if not reader.take("ALTER", "COLUMN"):
        return None
    reader.take("IF", "EXISTS")
    column = reader.name().strip("`")
    if not reader.take("SET"):
        return None
    options, adds = reader.options()
    if "data_policies" not in options:
        return None
    if set(options) != {"data_policies"}:
        raise reader.fault("data_policies stands alone in OPTIONS")
    return PolicyStatement("ALTER_TABLE", column, table, options, is_lenient=lenient, adds=adds)


def _create_rows(reader: Reader, *, is_replace: bool) -> PolicyStatement:
    lenient = reader.take("IF", "NOT", "EXISTS")
    name = reader.name().strip("`")
    reader.need("ON")
    table = reader.name()
    members: tuple[str, ...] = ()
    if reader.take("GRANT"):
        reader.need("TO")
        reader.need("(")
        members = reader.strings()
        reader.need(")")
    reader.need("FILTER")
    reader.need("USING")
    condition = reader.bracketed()
    return PolicyStatement(
        "CREATE_ROW_ACCESS_POLICY", name, table, members=members, condition=condition, is_replace=is_replace,
        is_lenient=lenient,
    )  # fmt: skip


def _drop_rows(reader: Reader) -> PolicyStatement:
    lenient = reader.take("IF", "EXISTS")
    name = reader.name().strip("`")
    reader.need("ON")
    return PolicyStatement("DROP_ROW_ACCESS_POLICY", name, reader.name(), is_lenient=lenient)


def _drop_all_rows(reader: Reader) -> PolicyStatement:
    return PolicyStatement("DROP_ALL_ROW_ACCESS_POLICIES", table=reader.name())


_STARTS: dict[str, Callable[[Reader], PolicyStatement | None]] = {
    "CREATE DATA_POLICY": lambda reader: _create_policy(reader, is_replace=False),
    "CREATE OR REPLACE DATA_POLICY": lambda reader: _create_policy(reader, is_replace=True),
    "ALTER DATA_POLICY": _alter_policy,
    "DROP DATA_POLICY": _drop_policy,
    "GRANT FINE_GRAINED_READ ON DATA_POLICY": _grant,
    "REVOKE FINE_GRAINED_READ ON DATA_POLICY": _revoke,
    "ALTER TABLE": _alter_table,
    "CREATE ROW ACCESS POLICY": lambda reader: _create_rows(reader, is_replace=False),
    "CREATE OR REPLACE ROW ACCESS POLICY": lambda reader: _create_rows(reader, is_replace=True),
    "DROP ROW ACCESS POLICY": _drop_rows,
    "DROP ALL ROW ACCESS POLICIES ON": _drop_all_rows,
}


def assigned_name(text: str) -> str:
    """Give the policy's name in `{'name': '...'}`, as data_policies lists it, or in the name alone."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        found = ast.literal_eval(text)
        return str(found["name"])
    except (ValueError, SyntaxError, KeyError, TypeError) as error:
        raise invalid_query(
            "Invalid data_policies: each is a string like \"{'name':'project.region.policy'}\"."
        ) from error


def table_node(text: str) -> exp.Table:
    """Give the table that a statement names."""
    try:
        return exp.to_table(text, dialect="bigquery")
    except SqlglotError as error:
        raise invalid_query(f"Syntax error: Invalid table name {text}") from error

"""Cut a GoogleSQL script into steps: statements, conditions, and what DECLARE, SET and FOR say.

A lexer of its own: sqlglot's swallows the rest of a statement that it does not know.
Syntax: https://cloud.google.com/bigquery/docs/reference/standard-sql/procedural-language
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

_LEXEME = re.compile(
    r"""(?P<space>\s+|--[^\n]*|\#[^\n]*|/\*.*?\*/)
    |(?P<string>[rRbB]{0,2}(?:\"\"\"(?:\\.|.)*?\"\"\"|'''(?:\\.|.)*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
    |(?P<quoted>`[^`]*`)
    |(?P<word>@{0,2}[^\W\d]\w*)
    |(?P<other>\d[\w.]*|.)""",
    re.DOTALL | re.VERBOSE,
)
_NOTHING = frozenset(["COMMIT", "ROLLBACK", "RETURN", "BREAK", "LEAVE", "CONTINUE", "ITERATE", "RAISE"])
_LOOSE = frozenset(["ELSE", "LOOP", "REPEAT", "DO", "THEN"])


class Kind(Enum):
    """What a step is."""

    STATEMENT = "statement"
    CONDITION = "condition"
    DECLARE = "declare"
    SET = "set"
    FOR = "for"
    EXECUTE = "execute"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `names` are the variables that it sets; `is_sure` says that it always runs, exactly once.

    `procedure` names the procedure whose body holds the step: it runs where that is called.
    """

    kind: Kind
    text: str
    names: tuple[str, ...] = ()
    is_sure: bool = True
    procedure: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """A lexeme that counts; strings and quoted names keep their quotes."""

    text: str
    start: int
    end: int
    is_word: bool

    @property
    def key(self) -> str:
        return self.text.upper() if self.is_word else self.text


def words_of(sql: str) -> list[Word]:
    """Cut a text into words, without spaces and comments."""
    return [
        Word(match.group(), match.start(), match.end(), match.lastgroup == "word")
        for match in _LEXEME.finditer(sql)
        if match.lastgroup != "space"
    ]


def steps_of(sql: str) -> Iterator[Step]:
    """Give the steps of a script in order; blocks, loops and branches are flattened."""
    yield from _Cutter(sql).steps()


class _Cutter:
    """Walks over the words; `blocks` are the openers of what is not yet ended, a procedure's name among them."""

    def __init__(self, sql: str) -> None:
        self.sql, self.words, self.at = sql, words_of(sql), 0
        self.blocks: list[str] = []

    def steps(self) -> Iterator[Step]:
        while self.at < len(self.words):
            before = self.at
            yield from self._step()
            self.at += self.at == before  # whatever comes, go on

    def _key(self, ahead: int = 0) -> str:
        return self.words[self.at + ahead].key if self.at + ahead < len(self.words) else ""

    def _step(self) -> Iterator[Step]:
        key = self._key()
        if key == ";":
            self.at += 1
        elif key == "BEGIN":
            self._begin()
        elif key == "END":
            self._end()
        elif key in _LOOSE:
            self.blocks += [key] if key in ("LOOP", "REPEAT") else []
            self.at += 1
        elif key == "EXCEPTION" or self._key(1) == ":":
            self._skip_to("THEN") if key == "EXCEPTION" else self._skip(2)
        elif key in ("IF", "ELSEIF", "WHILE", "UNTIL", "CASE", "WHEN"):
            yield self._condition(key)
        elif key == "FOR":
            yield self._for()
        elif key in _NOTHING:
            self._until(";")
        else:
            yield from self._statement(key)

    def _statement(self, key: str) -> Iterator[Step]:
        if key == "CREATE" and "PROCEDURE" in (self._key(1), self._key(2) == "REPLACE" and self._key(3)):
            self._procedure()
        elif key == "DECLARE":
            yield self._declare()
        elif key == "SET":
            yield self._set()
        elif key == "EXECUTE" and self._key(1) == "IMMEDIATE":
            self.at += 2
            yield self._made(Kind.EXECUTE, self._until(";"))
        elif key == "CALL":
            self.at += 1
            yield self._made(Kind.CALL, self._until(";"))
        else:
            yield self._made(Kind.STATEMENT, self._until(";"))

    def _made(self, kind: Kind, text: str, names: Sequence[str] = ()) -> Step:
        procedures = [item for item in self.blocks if item.startswith("=")]
        is_sure = all(item == "BEGIN" or item.startswith("=") for item in self.blocks)
        return Step(kind, text, tuple(names), is_sure, procedures[-1][1:] if procedures else "")

    def _begin(self) -> None:
        self.at += 1
        if self._key() in ("TRANSACTION", ";"):
            self._until(";")
        else:
            self.blocks.append("BEGIN")

    def _end(self) -> None:
        self.at += 1 + (self._key(1) in ("IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR"))
        if self.blocks:
            self.blocks.pop()
            if self.blocks and self.blocks[-1].startswith("="):
                self.blocks.pop()

    def _condition(self, key: str) -> Step:
        self.at += 1
        if key in ("IF", "CASE"):
            self.blocks.append(key)
        if key == "WHILE":
            self.blocks.append(key)
        ends = {"WHILE": ("DO",), "UNTIL": ("END",), "CASE": ("WHEN",)}.get(key, ("THEN",))
        text = self._until(*ends)
        return self._made(Kind.CONDITION, text)

    def _for(self) -> Step:
        name = self.words[self.at + 1].text if self.at + 1 < len(self.words) else ""
        self.at += 3
        text = self._until("DO")
        self.blocks.append("FOR")
        return self._made(Kind.FOR, text, [name])

    def _procedure(self) -> None:
        """Open the body of a procedure: its statements run where it is called."""
        while self._key() not in ("PROCEDURE", ""):
            self.at += 1
        self.at += 1 + 3 * (self._key(1) == "IF")
        start = self.at
        self._until("BEGIN", ";", "(")
        name = "".join(word.text for word in self.words[start : self.at]).replace("`", "")
        self._until("BEGIN", ";")
        if self._key() == "BEGIN":
            self.blocks.append(f"={name}")

    def _declare(self) -> Step:
        self.at += 1
        names = [self._take()]
        while self._key() == ",":
            self.at += 1
            names.append(self._take())
        self._until("DEFAULT", ";")
        has_default = self._key() == "DEFAULT"
        self.at += has_default
        return self._made(Kind.DECLARE, self._until(";") if has_default else "", names)

    def _set(self) -> Step:
        self.at += 1
        start = self.at
        self._until("=", ";")
        names = [word.text for word in self.words[start : self.at] if word.is_word or word.text.startswith("`")]
        self.at += 1
        return self._made(Kind.SET, self._until(";"), names)

    def _take(self) -> str:
        self.at += 1
        return self.words[self.at - 1].text.strip("`") if self.at <= len(self.words) else ""

    def _skip(self, count: int) -> None:
        self.at += count

    def _skip_to(self, key: str) -> None:
        self._until(key, ";")
        self.at += 1

    def _until(self, *ends: str) -> str:
        """Go on to one of the words outside parentheses and CASE expressions; give the text before it."""
        start, depth, cases = self.at, 0, 0
        while self.at < len(self.words):
            key = self._key()
            if depth <= 0 and cases == 0 and key in ends:
                break
            depth += (key in ("(", "[")) - (key in (")", "]"))
            cases += (key == "CASE") - (key == "END" and cases > 0)
            self.at += 1
        if start >= min(self.at, len(self.words)):
            return ""
        return self.sql[self.words[start].start : self.words[self.at - 1].end]

"""Scripts: a text to statements and blocks, by GoogleSQL's procedural language.

https://cloud.google.com/bigquery/docs/reference/standard-sql/procedural-language
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from athena_lab.emulator.faults import BigQueryError, invalid_query, line_and_column, position_of

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|\#[^\n]*|/\*.*?\*/)
    |(?P<string>[rRbB]{0,2}(?:\"{3}(?:\\.|(?!\"{3}).)*\"{3}|'{3}(?:\\.|(?!'{3}).)*'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
    |(?P<quoted>`[^`]*`)
    |(?P<word>@{0,2}[A-Za-z_][\w]*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_ENDS = frozenset({"END", "ELSE", "ELSEIF", "EXCEPTION", "UNTIL", "WHEN"})
_LOOPS = {"LOOP", "WHILE", "REPEAT", "FOR"}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement that is no block; `word` is its first word."""

    text: str
    start: int
    word: str


@dataclass(frozen=True, slots=True)
class Block:
    """BEGIN ... [EXCEPTION WHEN ERROR THEN ...] END."""

    body: tuple[Node, ...]
    handler: tuple[Node, ...] | None


@dataclass(frozen=True, slots=True)
class If:
    """IF and CASE: conditions with what is done for the first that holds."""

    branches: tuple[tuple[Statement, tuple[Node, ...]], ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """LOOP, WHILE (`condition` before), REPEAT (`until` after)."""

    body: tuple[Node, ...]
    condition: Statement | None = None
    until: Statement | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class For:
    """FOR variable IN (query) DO ... END FOR."""

    variable: str
    query: Statement
    body: tuple[Node, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Procedure:
    """CREATE PROCEDURE: its head (up to BEGIN) and its body's text."""

    head: str
    body: str
    start: int


Node = Statement | Block | If | Loop | For | Procedure


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "word" else self.text


def _tokens(text: str) -> list[_Token]:
    return [
        _Token(str(found.lastgroup), found[0], found.start(), found.end())
        for found in _TOKEN.finditer(text)
        if found.lastgroup != "space"
    ]


def parse_script(text: str) -> tuple[Node, ...]:
    """Parse a script; raise invalidQuery where a block does not end."""
    parser = _Parser(text)
    nodes = parser.nodes()
    if parser.token is not None:
        raise parser.fault()
    return nodes


def looks_like_script(text: str) -> bool:
    """Tell whether a text may be more than one plain statement, without parsing it."""
    tokens = _tokens(text)
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    if not tokens:
        return False
    words = [token.word for token in tokens[:8]]
    starts = {"BEGIN", "DECLARE", "SET", "IF", "LOOP", "WHILE", "REPEAT", "FOR", "CALL", "EXECUTE", "RAISE", "CASE"}
    is_procedure = words[0] == "CREATE" and "PROCEDURE" in words[:4]
    is_other = words[0] in ("COMMIT", "ROLLBACK", "ASSERT", "RETURN")
    return words[0] in starts or is_procedure or is_other or any(token.text == ";" for token in tokens)


class _Parser:
    """Walks over the tokens of a script."""

    def __init__(self, text: str) -> None:
        self.text, self._all, self._at = text, _tokens(text), 0

    @property
    def token(self) -> _Token | None:
        return self._all[self._at] if self._at < len(self._all) else None

    def _word(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._all[at].word if at < len(self._all) else ""

    def fault(self) -> BigQueryError:
        token = self.token
        if token is None:
            end = position_of(self.text, max(0, len(self.text.rstrip()) - 1))
            return invalid_query(f"Syntax error: Unexpected end of script at {end}")
        what = f"keyword {token.word}" if token.word in _ENDS else f'"{token.text}"'
        return invalid_query(f"Syntax error: Unexpected {what} at {position_of(self.text, token.start)}")

    def _expect(self, *words: str) -> None:
        for word in words:
            if self._word() != word:
                raise self.fault()
            self._at += 1

    def nodes(self) -> tuple[Node, ...]:
        """Parse statements up to a word that ends a list."""
        found: list[Node] = []
        while self.token is not None:
            if self.token.text == ";":
                self._at += 1
                continue
            if self._word() in _ENDS:
                break
            found.append(self._node())
            if self.token is not None and self.token.text != ";":
                raise self.fault()
        return tuple(found)

    def _node(self) -> Node:
        label = ""
        if self._word(1) == ":" and self._word(2) in (*_LOOPS, "BEGIN"):
            label = self._word()
            self._at += 2
        word = self._word()
        if word == "BEGIN" and self._word(1) not in ("TRANSACTION", ";", ""):
            return self._labelled(self._block(), label)
        makers: dict[str, Callable[[], Node]] = {
            "IF": self._if,
            "CASE": self._case,
            "LOOP": self._loop,
            "WHILE": self._while,
            "REPEAT": self._repeat,
        }
        if word in makers:
            return self._labelled(makers[word](), label)
        if word == "FOR":
            return self._labelled(self._for(), label)
        if word == "CREATE" and "PROCEDURE" in (self._word(1), self._word(3)):
            return self._procedure()
        return self._statement()

    def _labelled(self, node: Node, label: str) -> Node:
        if not label:
            return node
        if self._word() == label:
            self._at += 1
        if isinstance(node, Loop):
            return Loop(node.body, node.condition, node.until, label)
        return For(node.variable, node.query, node.body, label) if isinstance(node, For) else node

    def _statement(self, *ends: str) -> Statement:
        """Take the tokens up to `;`, or up to one of the words outside of parentheses and CASE."""
        if self.token is None:
            raise self.fault()
        begun, depth, cases = self._at, 0, 0
        while self.token is not None:
            word = self._word()
            if depth == 0 and (word == ";" or (cases == 0 and word in ends)):
                break
            depth += {"(": 1, ")": -1}.get(word, 0)
            cases += (word == "CASE") - (word == "END" and cases > 0)
            self._at += 1
        if self._at == begun or (ends and self._word() not in ends):
            raise self.fault()
        start, end = self._all[begun].start, self._all[self._at - 1].end
        return Statement(self.text[start:end], start, self._all[begun].word)

    def _block(self) -> Block:
        self._expect("BEGIN")
        body, handler = self.nodes(), None
        if self._word() == "EXCEPTION":
            self._expect("EXCEPTION", "WHEN", "ERROR", "THEN")
            handler = self.nodes()
        self._expect("END")
        return Block(body, handler)

    def _if(self) -> If:
        branches: list[tuple[Statement, tuple[Node, ...]]] = []
        otherwise: tuple[Node, ...] = ()
        self._expect("IF")
        while True:
            condition = self._statement("THEN")
            self._expect("THEN")
            branches.append((condition, self.nodes()))
            if self._word() != "ELSEIF":
                break
            self._at += 1
        if self._word() == "ELSE":
            self._at += 1
            otherwise = self.nodes()
        self._expect("END", "IF")
        return If(tuple(branches), otherwise)

    def _case(self) -> If:
        self._expect("CASE")
        value = None if self._word() == "WHEN" else self._statement("WHEN")
        branches: list[tuple[Statement, tuple[Node, ...]]] = []
        otherwise: tuple[Node, ...] = ()
        while self._word() == "WHEN":
            self._at += 1
            condition = self._statement("THEN")
            self._expect("THEN")
            if value is not None:
                text = f"({value.text}) = ({condition.text})"
                condition = Statement(text, condition.start, condition.word)
            branches.append((condition, self.nodes()))
        if self._word() == "ELSE":
            self._at += 1
            otherwise = self.nodes()
        self._expect("END", "CASE")
        return If(tuple(branches), otherwise)

    def _loop(self) -> Loop:
        self._expect("LOOP")
        body = self.nodes()
        self._expect("END", "LOOP")
        return Loop(body)

    def _while(self) -> Loop:
        self._expect("WHILE")
        condition = self._statement("DO")
        self._expect("DO")
        body = self.nodes()
        self._expect("END", "WHILE")
        return Loop(body, condition=condition)

    def _repeat(self) -> Loop:
        self._expect("REPEAT")
        body = self.nodes()
        self._expect("UNTIL")
        until = self._statement("END")
        self._expect("END", "REPEAT")
        return Loop(body, until=until)

    def _for(self) -> For:
        self._expect("FOR")
        variable = self._word().lower()
        self._at += 1
        self._expect("IN")
        query = self._statement("DO")
        self._expect("DO")
        body = self.nodes()
        self._expect("END", "FOR")
        return For(variable, query, body)

    def _procedure(self) -> Procedure:
        begun = self._at
        while self._word() != "BEGIN":
            if self.token is None or self._word() == ";":
                raise self.fault()
            self._at += 1
        head = self.text[self._all[begun].start : self._all[self._at].start]
        first = self._at
        self._block()
        body = self.text[self._all[first].start : self._all[self._at - 1].end]
        return Procedure(head, body, self._all[begun].start)


def padded(text: str, start: int, whole: str) -> str:
    """Give a statement with blanks before it, so that what is said of its place is true of the whole script."""
    return re.sub(r"[^\n]", " ", whole[:start]) + text


def place_in_script(text: str, start: int, whole: str) -> dict[str, Any]:
    """Give the `scriptStatistics` of a statement's job: where the statement stands in the script."""
    (line, column), (end_line, end_column) = (line_and_column(whole, at) for at in (start, start + len(text)))
    place = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column, "text": text}
    return {"evaluationKind": "STATEMENT", "stackFrames": [place]}


def is_plain(nodes: Sequence[Node]) -> bool:
    """Tell whether a text is one statement, perhaps after functions of its own."""
    if not nodes or not isinstance(nodes[-1], Statement) or nodes[-1].word in _PROCEDURAL:
        return False
    return all(isinstance(node, Statement) and is_temporary_function(node) for node in nodes[:-1])


_PROCEDURAL = frozenset(
    ["DECLARE", "SET", "CALL", "EXECUTE", "RAISE", "BEGIN", "COMMIT", "ROLLBACK", "RETURN", "ASSERT", "BREAK", "LEAVE",
     "CONTINUE", "ITERATE"]
)  # fmt: skip
_FUNCTION = re.compile(r"(?is)^CREATE\s+(OR\s+REPLACE\s+)?TEMP(ORARY)?\s+(AGGREGATE\s+)?FUNCTION\b")


def is_temporary_function(node: Statement) -> bool:
    """Tell whether a statement makes a temporary function."""
    return bool(_FUNCTION.match(node.text))


def split_top(text: str, words: Sequence[str]) -> list[tuple[str, str]]:
    """Split a text at words (or commas) outside of parentheses; give each piece with the word before it."""
    pieces: list[tuple[str, str]] = []
    depth, begin, word = 0, 0, ""
    for token in _tokens(text):
        depth += {"(": 1, "[": 1, "<": 0, ")": -1, "]": -1}.get(token.text, 0)
        if depth == 0 and token.word in words:
            pieces.append((word, text[begin : token.start]))
            word, begin = token.word, token.end
    return [*pieces, (word, text[begin:])]

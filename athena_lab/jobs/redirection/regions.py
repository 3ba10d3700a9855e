"""The regions of a cell's source that may name tables: SQL, a magic's line, the literals of Python.

Names of constants in f-strings (`{DATASET}`) and in a magic's line (`$TABLE`) are read as what they stand for.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from athena_lab.warehouse.lineage.notebook import PYTHON_MAGICS, SQL_MAGICS

UNKNOWN = "\0"
_MAGIC = re.compile(r"\s*%%(?P<name>\w+)(?P<line>[^\n]*)(?:\n|$)")
_LITERAL = re.compile(
    r"""\#[^\n]*
    |(?<!\w)(?P<prefix>[rRbBuUfF]{0,2})(?P<quote>'{3}|"{3})(?P<long>(?:\\.|(?!(?P=quote)).)*)(?P=quote)
    |(?<!\w)(?P<prefix_>[rRbBuUfF]{0,2})(?P<quote_>['"])(?P<short>(?:\\.|(?!(?P=quote_))[^\n\\])*)(?P=quote_)""",
    re.DOTALL | re.VERBOSE,
)
_IN_TEXT = re.compile(r"\{\{|\}\}|\{(?P<name>[^\W\d]\w*)\}|\{[^{}]*\}")
_IN_LINE = re.compile(r"\{(?P<name>[^\W\d]\w*)\}|\$(?P<name_>[^\W\d]\w*)")


@dataclass(frozen=True, slots=True)
class Region:
    """A text as it will be read, and where its pieces stand in the source: (begin here, begin there, length there).

    A piece that is as long here as there is verbatim unless it is in `filled`.
    """

    text: str
    begins: tuple[int, ...]
    sources: tuple[tuple[int, int], ...]
    filled: frozenset[int]
    is_literal: bool = False

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Give the span of the source that makes this span; None where a constant's edge would be cut."""
        first, last = self._place(start, is_end=False), self._place(end, is_end=True)
        return (first, last) if first is not None and last is not None else None

    def _place(self, at: int, *, is_end: bool) -> int | None:
        index = bisect_right(self.begins, at - is_end) - 1
        if index < 0:
            index = 0
        begin, (start, end) = self.begins[index], self.sources[index]
        if index not in self.filled:
            return start + at - begin
        following = self.begins[index + 1] if index + 1 < len(self.begins) else len(self.text)
        if is_end:
            return end if at == following else None
        return start if at == begin else None


def regions_of(source: str, constants: Mapping[str, str], at: int = 0) -> Iterator[Region]:
    """Give the regions of a cell's source from a position on."""
    magic = _MAGIC.match(source, at)
    if magic is None:
        yield from _literals(source, constants, at)
    elif magic["name"] in SQL_MAGICS:
        yield _region(source, *magic.span("line"), _IN_LINE, constants)
        yield _region(source, magic.end(), len(source), None, constants)
    elif magic["name"] in PYTHON_MAGICS:
        yield from regions_of(source, constants, magic.end())


def is_python(source: str) -> bool:
    """Say whether a cell holds Python, perhaps with line magics, and no cell magic."""
    return _MAGIC.match(source) is None


def _literals(source: str, constants: Mapping[str, str], at: int) -> Iterator[Region]:
    for match in _LITERAL.finditer(source, at):
        group = "long" if match["quote"] else "short"
        if match["quote"] is None and match["quote_"] is None:
            continue
        prefix = (match["prefix"] or match["prefix_"] or "").lower()
        pattern = _IN_TEXT if "f" in prefix else None
        yield _region(source, *match.span(group), pattern, constants, is_literal=True)


def _region(
    source: str,
    start: int,
    end: int,
    pattern: re.Pattern[str] | None,
    constants: Mapping[str, str],
    *,
    is_literal: bool = False,
) -> Region:
    texts: list[str] = []
    begins: list[int] = []
    sources: list[tuple[int, int]] = []
    filled: set[int] = set()
    length, at = 0, start

    def add(text: str, begin: int, stop: int, *, is_filled: bool) -> None:
        nonlocal length
        if text:
            filled.update([len(begins)] if is_filled else [])
            begins.append(length)
            sources.append((begin, stop))
            texts.append(text)
            length += len(text)

    for match in pattern.finditer(source, start, end) if pattern is not None else ():
        names = [value for value in match.groupdict().values() if value is not None]
        if not names and match.group() in ("{{", "}}"):
            continue
        add(source[at : match.start()], at, match.start(), is_filled=False)
        add(constants.get(names[0], UNKNOWN) if names else UNKNOWN, *match.span(), is_filled=True)
        at = match.end()
    add(source[at:end], at, end, is_filled=False)
    return Region("".join(texts), tuple(begins), tuple(sources), frozenset(filled), is_literal)

"""The places in a cell's text where a table may be named: spans, and what would stand there instead.

A place is only a candidate. Whether the text there names the table is lineage's to say (`redirect.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from athena_lab.jobs.redirection.regions import Region, regions_of

_PART = r"(?:`[^`\n]*`|[\w-]+(?:\$\w+)?)"
_PATH = rf"{_PART}(?:\s*\.\s*{_PART}|:{_PART})*"
_CANDIDATE = re.compile(rf"\\.|(?P<path>{_PATH})", re.DOTALL)
"""A backslash and the letter after it are no part of a name."""
_COLUMN = re.compile(r"\s*\.")
_INNER = re.compile(r"[^.:\s`]+")
_RENAME = re.compile(
    rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?P<path>{_PATH})\s+RENAME\s+TO\s+(?P<new>`[^`\n]+`|[\w-]+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Edit:
    """Text to put in place of a span of a cell's source."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Made:
    """An expression of the source, and the text that it makes."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """A place that may name `table`; `mark` is the span of the name without its dataset.

    `alias_at` is where an alias may be put after it, None where none can be: the literal holds nothing but the name.
    `is_qualifier`: a column follows, so that it can only qualify one. With `made`, spans are those of its text, which
    as a literal is to take the place of the expression. `beside` is the span of the dataset where that is a literal of
    its own, whose other uses count too. With `prefix_at`, `table` and `mark` are the dataset alone, and
    there begins the table's name, which is put in at run time.
    """

    cell: int
    table: str
    mark: tuple[int, int]
    edits: tuple[Edit, ...]
    alias_at: int | None = None
    is_qualifier: bool = False
    made: Made | None = None
    beside: tuple[int, int] | None = None
    prefix_at: int | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a path; `start` and `end` without quotes and partition, `token_end` with them."""

    text: str
    start: int
    end: int
    token_end: int
    is_quoted: bool


def places_of(
    cell: int, source: str, tables: Mapping[str, str], project: str, constants: Mapping[str, str]
) -> Iterator[Place]:
    """Give every place within one text of a cell's source that may name one of the tables."""
    for region in regions_of(source, constants):
        yield from places_in(cell, region, tables, project)


def places_in(cell: int, region: Region, tables: Mapping[str, str], project: str) -> Iterator[Place]:
    """Give every place of a region that may name one of the tables."""
    if any(name.split(".")[-1] in region.text for name in tables):
        yield from _Finder(cell, region, tables, project).places()


class _Finder:
    """Looks for names in one region."""

    def __init__(self, cell: int, region: Region, tables: Mapping[str, str], project: str) -> None:
        self.cell, self.region, self.tables, self.project = cell, region, tables, project
        self.renamed = {match.start("path"): match for match in _RENAME.finditer(region.text)}

    def places(self) -> Iterator[Place]:
        for match in _CANDIDATE.finditer(self.region.text):
            if match["path"] is None:
                continue
            place = self._place(match)
            if place is not None:
                yield place

    def _place(self, match: re.Match[str]) -> Place | None:
        parts = list(_parts_of(match["path"], match.start("path")))
        first = next((at for at in (0, 1) if self._names_table(parts, at)), None)
        if first is None:
            return None
        dataset, name, rest = parts[first], parts[first + 1], parts[first + 2 :]
        table = f"{dataset.text}.{name.text}"
        mark = self.region.span(name.start, name.end)
        if mark is None or self.region.text.startswith("*", match.end()):
            return None
        if rest or _COLUMN.match(self.region.text, match.end()):
            return self._qualifier(parts[0], name, table, mark)
        new_dataset, new_name = self.tables[table].split(".")
        edits = [self._edit(dataset, new_dataset), Edit(*mark, new_name), *self._renaming(match.start("path"), table)]
        if None in edits:
            return None
        is_whole = self.region.text.strip() == match["path"] and self.region.is_literal
        after = (
            None if is_whole or self._is_argument(match.start("path")) else self.region.span(match.end(), match.end())
        )
        return Place(self.cell, table, mark, tuple(e for e in edits if e is not None), after[0] if after else None)

    def _names_table(self, parts: list[_Part], at: int) -> bool:
        if len(parts) < at + 2 or (at == 1 and parts[0].text not in (self.project, "\0")):
            return False
        return f"{parts[at].text}.{parts[at + 1].text}" in self.tables

    def _edit(self, part: _Part, text: str) -> Edit | None:
        span = self.region.span(part.start, part.end)
        return Edit(*span, text) if span is not None else None

    def _qualifier(self, first: _Part, name: _Part, table: str, mark: tuple[int, int]) -> Place | None:
        """Give the place before a column, which would be called by the table's last name alone."""
        start = first.start - self.region.text[: first.start].endswith("`")
        span = self.region.span(start, name.token_end)
        if span is None or self.region.text[name.end : name.token_end] not in ("", "`"):
            return None
        text = f"`{name.text}`" if name.is_quoted else name.text
        return Place(self.cell, table, mark, (Edit(*span, text),), is_qualifier=True)

    def _renaming(self, start: int, table: str) -> list[Edit | None]:
        """Give the edit of `ALTER TABLE … RENAME TO new`; None where the new name would not be in the same dataset."""
        match = self.renamed.get(start)
        if match is None:
            return []
        dataset = table.split(".")[0]
        new = self.tables.get(f"{dataset}.{match['new'].strip('`')}")
        if new is None or new.split(".")[0] != self.tables[table].split(".")[0]:
            return [None]
        quotes = match["new"].startswith("`")
        span = self.region.span(match.start("new") + quotes, match.end("new") - quotes)
        return [Edit(*span, new.split(".")[1]) if span is not None else None]

    def _is_argument(self, start: int) -> bool:
        """Say whether it is `TABLE ds.t`, an argument of a table function, which can have no alias."""
        return (
            re.search(r"(?:[(,]|=>)\s*TABLE\s+$", self.region.text[max(0, start - 80) : start], re.IGNORECASE)
            is not None
        )


def _parts_of(path: str, at: int) -> Iterator[_Part]:
    for token in re.finditer(_PART, path):
        is_quoted = token.group().startswith("`")
        for inner in _INNER.finditer(token.group()):
            text = inner.group().split("$")[0]
            start = at + token.start() + inner.start()
            is_last = inner.end() + is_quoted == len(token.group())
            end = start + len(text)
            yield _Part(text, start, end, at + token.end() if is_last else end, is_quoted)

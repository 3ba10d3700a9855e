"""Places that are no piece of one literal: names put together of constants, and a dataset and a table named apart."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import accumulate

from athena_lab.jobs.redirection.constants import text_of_expression
from athena_lab.jobs.redirection.places import Edit, Made, Place, places_in
from athena_lab.jobs.redirection.regions import Region, is_python

_COMMAND = re.compile(r"^([ \t]*)[%!][^\n]{3,}$", re.MULTILINE)
_APART = re.compile(
    r"""(?=(?P<quote>['"])(?P<dataset>[\w-]+)(?P=quote)\s*
    (?:\)\s*\.\s*table\(\s*|\)?\s*,\s*(?:table_id\s*=\s*|(?P<key>['"])tableId(?P=key)\s*:\s*)?)
    (?P<quote_>['"])(?P<name>[\w-]+)(?P=quote_))""",
    re.VERBOSE,
)
"""`dataset("ds").table("t")`, `DatasetReference(…, "ds"), "t"`, `{"datasetId": "ds", "tableId": "t"}`."""


def expression_places(
    cell: int, source: str, tables: Mapping[str, str], project: str, constants: Mapping[str, str]
) -> Iterator[Place]:
    """Give the places in expressions that make a text of constants; the text would take the expression's place."""
    for start, end, text in _texts(source, constants):
        region = Region(text, (0,), ((0, len(text)),), frozenset(), is_literal=True)
        for place in places_in(cell, region, tables, project):
            yield replace(place, made=Made(start, end, text))


def apart_places(cell: int, source: str, tables: Mapping[str, str]) -> Iterator[Place]:
    """Give the places where the dataset is one literal and the table the next."""
    for match in _APART.finditer(source) if is_python(source) else ():
        table = f"{match['dataset']}.{match['name']}"
        if table in tables:
            dataset, name = tables[table].split(".")
            edits = (Edit(*match.span("dataset"), dataset), Edit(*match.span("name"), name))
            yield Place(cell, table, match.span("name"), edits, beside=match.span("dataset"))


def _texts(source: str, constants: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    """Give the span and the text of each largest expression, of more than one literal, that makes a text."""
    if not is_python(source):
        return
    try:
        tree = ast.parse(_COMMAND.sub(_as_statement, source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    offsets = list(accumulate((len(line) for line in source.splitlines(keepends=True)), initial=0))
    lines = source.splitlines()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.JoinedStr):
            continue  # what is within it has no place of its own before Python 3.12
        text = text_of_expression(node, constants) if isinstance(node, ast.BinOp | ast.Call) else None
        if text is None:
            waiting += ast.iter_child_nodes(node)
        elif isinstance(node, ast.expr) and node.end_lineno is not None and node.end_col_offset is not None:
            start = offsets[node.lineno - 1] + _characters(lines[node.lineno - 1], node.col_offset)
            end = offsets[node.end_lineno - 1] + _characters(lines[node.end_lineno - 1], node.end_col_offset)
            yield start, end, text


def _as_statement(match: re.Match[str]) -> str:
    """Give a statement that does nothing, as long as a line magic or a shell command."""
    return f"{match[1]}pass".ljust(len(match.group()))


def _characters(line: str, length: int) -> int:
    """Give how many characters make so many bytes of a line."""
    return len(line.encode()[:length].decode())

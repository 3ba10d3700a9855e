"""Arguments of GoogleSQL's own table functions: the table that they take, and names of its columns."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from athena_lab.emulator.faults import invalid_query, unsupported

SOURCE = "athena_source"
"""What stands for the table in a function's query."""
_TAKING = frozenset({"RANGE_SESSIONIZE", "APPENDS", "CHANGES"})


def blank_table_words(text: str) -> str:
    """Take the word TABLE out of the calls in which sqlglot does not know it, leaving all else where it was."""
    if not any(name in text.upper() for name in _TAKING):
        return text
    try:
        tokens = sqlglot.tokenize(text, read="bigquery")
    except SqlglotError:
        return text  # said by the parser, with its place
    for name, bracket, word in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if name.text.upper() in _TAKING and bracket.text == "(" and word.text.upper() == "TABLE":
            text = text[: word.start] + " " * len(word.text) + text[word.end + 1 :]
    return text


def put_source(query: exp.Expression, given: exp.Expression) -> exp.Query:
    """Put the table argument, a name or a query, where a function's query reads it."""
    if not isinstance(query, exp.Query):
        raise invalid_query("A table function is no query.")
    for node in list(query.find_all(exp.Table)):
        if node.name == SOURCE:
            node.replace(_source(given))
    return query


def _source(given: exp.Expression) -> exp.Expression:
    alias = exp.TableAlias(this=exp.to_identifier(SOURCE))
    if isinstance(given, exp.Query | exp.Subquery):
        inner = given.this if isinstance(given, exp.Subquery) else given
        return exp.Subquery(this=inner.copy(), alias=alias)
    if isinstance(given, exp.Table):
        return exp.Table(**{key: given.args.get(key) for key in ("this", "db", "catalog")}, alias=alias).copy()
    if isinstance(given, exp.Column | exp.Dot):
        parts = [part.copy() for part in given.parts]
        names = dict(zip(("this", "db", "catalog"), reversed(parts), strict=False))
        return exp.Table(**names, alias=alias)
    raise unsupported("A table argument that is neither a name nor a query")


def text_of(given: exp.Expression) -> str:
    """Give a string argument; refuse anything but a literal."""
    if isinstance(given, exp.Literal) and given.is_string:
        return str(given.this)
    raise invalid_query("A table function's column argument must be a string literal")


def names_of(given: exp.Expression) -> list[str]:
    """Give the column names of an array argument."""
    if not isinstance(given, exp.Array):
        raise invalid_query("A table function's partitioning columns must be an array of string literals")
    return [text_of(item) for item in given.expressions]

"""The tables that a SQL text reads and writes, by its syntax tree, else by its words."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

_WRITING = (exp.Create, exp.Insert, exp.Merge, exp.Update, exp.Delete, exp.Drop, exp.Alter, exp.TruncateTable)
_WORDS = re.compile(
    r"\b(?P<word>from|join|into|update|table(?:\s+if\s+(?:not\s+)?exists)?|view|merge)\s+"
    r"(?P<name>`[^`]+`|[A-Za-z_][\w$-]*(?:\.[\w$*-]+)*)",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"--[^\n]*|#[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.)*'", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Tables:
    """What a SQL text touches: names as written, without quotes. `replaced` are written anew and whole."""

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    has_other: bool = False
    """It does something beyond tables: functions, variables, transactions."""


def read_tables(sql: str) -> Tables:
    """Read a text of one or several statements of GoogleSQL."""
    logger = logging.getLogger("sqlglot")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it complains of statements that it keeps as commands
    try:
        trees = [tree for tree in sqlglot.parse(sql.replace("*`", "`"), dialect="bigquery") if tree is not None]
    except (SqlglotError, RecursionError):
        return _by_words(sql)
    finally:
        logger.setLevel(level)
    if any(isinstance(tree, exp.Command) for tree in trees):
        return _by_words(sql)
    reads: set[str] = set()
    writes: set[str] = set()
    replaced: set[str] = set()
    for tree in trees:
        target = _target(tree)
        if target:
            (replaced if _replaces(tree) and target not in reads | writes else writes).add(target)
            writes.add(target)
        # What an earlier statement of the same text made anew is not read from outside.
        reads |= {name for name in _sources(tree, target) if name not in replaced}
    other = any(not isinstance(tree, (exp.Query, *_WRITING)) for tree in trees)
    return Tables(frozenset(reads), frozenset(writes), frozenset(replaced), has_other=other)


def _target(tree: exp.Expression) -> str:
    if not isinstance(tree, _WRITING) or str(tree.args.get("kind") or "").upper() in (
        "FUNCTION",
        "SCHEMA",
        "PROCEDURE",
    ):
        return ""
    if isinstance(tree, exp.TruncateTable):
        return next((_name(table) for table in tree.expressions if isinstance(table, exp.Table)), "")
    this = tree.this
    if isinstance(this, exp.Schema):
        this = this.this
    return _name(this) if isinstance(this, exp.Table) else ""


def _replaces(tree: exp.Expression) -> bool:
    if isinstance(tree, exp.Create):
        # A plain CREATE succeeds only where there was nothing before.
        return not tree.args.get("exists")
    return isinstance(tree, exp.TruncateTable)


def _sources(tree: exp.Expression, target: str) -> Iterator[str]:
    own = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    skipped = target
    for table in tree.find_all(exp.Table):
        name = _name(table)
        if name == skipped:
            skipped = ""  # the target itself stands there once; a second time it is read
            continue
        if name and not ("." not in name and name.lower() in own) and not isinstance(table.this, exp.Anonymous):
            yield name


def _name(table: exp.Table) -> str:
    return ".".join(part.name for part in table.parts if part.name)


def _by_words(sql: str) -> Tables:
    text = _COMMENT.sub(" ", sql)
    reads, writes = set[str](), set[str]()
    for found in _WORDS.finditer(text):
        name = found["name"].replace("`", "")
        is_read = found["word"].lower() in ("from", "join")
        (reads if is_read else writes).add(name)
    return Tables(frozenset(reads | writes), frozenset(writes), frozenset(), has_other=True)

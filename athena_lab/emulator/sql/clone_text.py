"""CREATE TABLE … CLONE or COPY: the clauses behind the source's name, which sqlglot does not read there."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp

_NAME = r"(?:`[^`]+`|[\w$-]+)(?:\s*\.\s*(?:`[^`]+`|[\w$-]+))*"
_CLONE = re.compile(
    rf"(?is)(\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:SNAPSHOT\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}"
    rf"\s+(?:CLONE|COPY)\s+{_NAME})"
    r"(?:\s+FOR\s+SYSTEM_TIME\s+AS\s+OF\s+(?P<moment>.*?))?(?:\s+OPTIONS\s*(?P<options>\(.*\)))?\s*;?\s*$"
)


def without_clauses(text: str) -> str:
    """Give a statement without what follows the source of a clone, any other as it is."""
    found = _CLONE.match(text)
    return text if found is None else found[1]


def put_in_clauses(statement: exp.Expression, text: str) -> None:
    """Add to a parsed CREATE what `without_clauses` took off: OPTIONS, and the moment as of which the source is."""
    found = _CLONE.match(text)
    if found is None:
        return
    if found["options"]:
        made = sqlglot.parse_one(f"CREATE TABLE x (a INT64) OPTIONS{found['options']}", read="bigquery")
        statement.set("properties", made.args.get("properties"))
    if found["moment"]:
        statement.meta["moment"] = sqlglot.parse_one(found["moment"], read="bigquery")

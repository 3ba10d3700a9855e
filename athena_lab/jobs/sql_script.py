"""Make a notebook of a `.sql` file: one `%%athena` cell a statement, and a cell of its `@parameters`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot.errors import ParseError, TokenError

from athena_lab.errors import Fault
from athena_lab.gateway_api.bundles import Destination, DestinationMode
from athena_lab.jobs.bundle_notebook import fault
from athena_lab.jobs.parameters import PARAMETERS_TAG
from athena_lab.jobs.script import Script, code_cell, notebook_of
from athena_lab.jobs.sql_parameters import parameters_cell
from athena_lab.warehouse.lineage.script import Word, words_of

_PROCEDURAL = frozenset(
    ["DECLARE", "SET", "BEGIN", "IF", "LOOP", "WHILE", "REPEAT", "FOR", "CASE", "CALL", "EXECUTE", "RAISE"]
)
_QUERIES = frozenset(["SELECT", "WITH", "(", "FROM"])
_PARSED = frozenset(["SELECT", "WITH", "(", "INSERT", "UPDATE", "DELETE", "MERGE"])
"""What the parser knows whole. Of other statements it does not know all, so that its complaint proves nothing."""
_TABLE = re.compile(r"[A-Za-z_]\w{0,1023}\.[\w-]{1,1024}|[a-z][a-z0-9-]{4,28}[a-z0-9]\.[A-Za-z_]\w*\.[\w-]+")
_TABLE_ARGUMENT = re.compile(r"((?:[(,]|=>)\s*)TABLE\s+((?:`[^`]*`|[\w.$-])+)", re.IGNORECASE)
_INTO = {
    DestinationMode.CREATE: "CREATE TABLE `{}` AS\n",
    DestinationMode.REPLACE: "CREATE OR REPLACE TABLE `{}` AS\n",
    DestinationMode.APPEND: "INSERT INTO `{}`\n",
}


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement with the comments above it; `offset` is where its first word stands in `text`."""

    text: str
    start: int
    offset: int
    keys: tuple[str, ...]

    @property
    def is_query(self) -> bool:
        return self.keys[0] in _QUERIES

    @property
    def is_procedural(self) -> bool:
        """Whether it says something only to the other statements of the same script."""
        key, following = self.keys[0], self.keys[1:4]
        return key in _PROCEDURAL or following[:1] == (":",) or (key == "CREATE" and "TEMP" in _short(following))


def notebook_of_sql(text: str, path: str, destination: Destination | None) -> Script:
    """Give the notebook, or every fault of the file and its destination."""
    statements = _statements_of(text)
    if not statements:
        return Script(faults=(fault("text", path, "it holds no statement", "Write a query and save it", "file"),))
    faults = [*_syntax_faults(text, statements, path), *_destination_faults(statements, destination)]
    if faults:
        return Script(faults=tuple(faults))
    parameters, warnings = parameters_cell(text)
    cells = [code_cell(parameters, [PARAMETERS_TAG])] if parameters else []
    if any(statement.is_procedural for statement in statements):
        cells.append(code_cell(f"%%athena\n{_script_text(text, statements[-1], destination)}"))
    else:
        *before, last = statements
        cells += [code_cell(f"%%athena\n{statement.text}") for statement in before]
        flags = f" --into {destination.table} --mode {destination.mode.value}" if destination else ""
        cells.append(code_cell(f"%%athena{flags}\n{last.text}"))
    return Script(notebook_of(cells), (*warnings, *_without_use(statements, destination)))


def _statements_of(text: str) -> list[_Statement]:
    """Cut a script at its semicolons; blocks stay in pieces, which is enough to know that there are some."""
    found: list[_Statement] = []
    words: list[Word] = []
    begin, depth = 0, 0
    for word in [*words_of(text), Word(";", len(text), len(text), is_word=False)]:
        depth += (word.key == "(") - (word.key == ")")
        if word.key != ";" or (depth > 0 and word.start < len(text)):
            words.append(word)
            continue
        if words:
            body = text[begin : word.start]
            start = begin + len(body) - len(body.lstrip())
            keys = tuple(item.key for item in words)
            found.append(_Statement(body.strip(), start, words[0].start - start, keys))
        words, begin, depth = [], word.end, 0
    return found


def _short(keys: Sequence[str]) -> set[str]:
    return {"TEMP" if key == "TEMPORARY" else key for key in keys}


def _script_text(text: str, last: _Statement, destination: Destination | None) -> str:
    """Give a whole script; a query of its own at the end is made to fill the destination."""
    if destination is None:
        return text.strip()
    at = last.start + last.offset
    return (text[:at] + _INTO[destination.mode].format(destination.table) + text[at:]).strip()


def _syntax_faults(text: str, statements: Sequence[_Statement], path: str) -> list[Fault]:
    try:
        sqlglot.tokenize(text, read="bigquery")
    except TokenError as error:
        why = f"its SQL cannot be read ({str(error).splitlines()[0][:200]})"
        return [fault("text", path, why, "Close every quote and comment", "file")]
    if any(statement.is_procedural for statement in statements):
        return []  # the parser knows no blocks; the warehouse says what is wrong with them
    found = []
    for statement in statements:
        trouble = _trouble(statement) if statement.keys[0] in _PARSED else None
        if trouble is not None:
            line, column, why = trouble
            line += text.count("\n", 0, statement.start)
            found.append(fault("text", path, f"line {line}, column {column}: {why}", "Correct the SQL", "file"))
    return found


def _trouble(statement: _Statement) -> tuple[int, int, str] | None:
    plain = _TABLE_ARGUMENT.sub(r"\1(SELECT * FROM \2)", statement.text)
    for text in dict.fromkeys((statement.text, plain)):
        try:
            sqlglot.parse(text, read="bigquery")
        except ParseError as error:
            first = error.errors[0] if error.errors else {}
            why = str(first.get("description") or error).splitlines()[0].rstrip(".")
            near = str(first.get("highlight") or "")
            told = f"{why} near {near!r}" if near else why
            last = int(first.get("line") or 1), int(first.get("col") or 1), told[:200]
        except RecursionError:
            return None
        else:
            return None
    return last


def _destination_faults(statements: Sequence[_Statement], destination: Destination | None) -> list[Fault]:
    if destination is None:
        return []
    table, found = destination.table, []
    if not _TABLE.fullmatch(table):
        found.append(_refused(table, "it is no name of a table", "Write it as dataset.table"))
    if not statements[-1].is_query:
        key = statements[-1].keys[0]
        why = f"the file's last statement ({key} …) is no query, so it has no rows to put there"
        found.append(_refused(table, why, "Leave the table out, or end the file with a query"))
    return found


def _refused(table: str, why: str, todo: str) -> Fault:
    return Fault("destination", f"Cannot write to the table {table[:100]!r}: {why}. {todo}.")


def _without_use(statements: Sequence[_Statement], destination: Destination | None) -> tuple[str, ...]:
    """Warn of queries whose rows go nowhere."""
    kept = statements[:-1] if destination is not None else statements
    queries = [statement for statement in kept if statement.is_query]
    if not queries or any(statement.is_procedural for statement in statements):
        return ()
    many = "the rows of its query are" if len(queries) == 1 else f"the rows of {len(queries)} of its queries are"
    return (f"{many} only shown in the run's output; choose a destination table to keep them",)

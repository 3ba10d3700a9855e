"""GoogleSQL text to statements; a syntax error names its line and column as BigQuery does."""

from __future__ import annotations

import re

from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from athena_lab.emulator.faults import BigQueryError, invalid_query, position_of, unsupported
from athena_lab.emulator.sql import spelling
from athena_lab.emulator.sql.built_in_tables import blank_table_words
from athena_lab.emulator.sql.clone_text import put_in_clauses, without_clauses
from athena_lab.emulator.sql.functions import refuse_unknown_functions
from athena_lab.emulator.sql.literals import plain_literals
from athena_lab.emulator.sql.merges import straighten_merges
from athena_lab.emulator.sql.udfs import inline_functions, is_function

_KNOWN = (
    exp.Query,
    exp.Insert,
    exp.Update,
    exp.Delete,
    exp.Merge,
    exp.Create,
    exp.Drop,
    exp.TruncateTable,
    exp.Alter,
    exp.Export,
)
_KEYWORDS = frozenset(
    [
        "SELECT",
        "FROM",
        "WHERE",
        "GROUP",
        "ORDER",
        "BY",
        "HAVING",
        "LIMIT",
        "WITH",
        "JOIN",
        "ON",
        "AS",
        "AND",
        "OR",
        "NOT",
        "IN",
        "UNION",
        "ALL",
    ]
)


def parse_statement(text: str) -> exp.Expression:
    """Parse the one statement of a query; refuse scripts, and what is no statement at all."""
    statements = [item for item in _parse(text) if item is not None and not isinstance(item, exp.Semicolon)]
    if not statements:
        raise invalid_query(f"Syntax error: Unexpected end of statement at {position_of(text, max(0, len(text) - 1))}")
    statement = statements[-1]
    if len(statements) > 1:
        if not all(is_function(item) for item in statements[:-1]):
            raise unsupported("A script of several statements")
        for item in statements[:-1]:
            refuse_unknown_functions(item, text, _made_by(statements))
        statement = inline_functions(statements[:-1], statement)
    if isinstance(statement, exp.Delete) and not statement.this and len(statement.args.get("tables") or ()) == 1:
        statement.set("this", statement.args["tables"][0])  # DELETE without FROM
        statement.set("tables", None)
    if not isinstance(statement, _KNOWN):
        if isinstance(statement, exp.Command | exp.Declare | exp.Transaction | exp.Set | exp.Execute):
            raise unsupported(f"The statement {statement.key.upper()}")
        word = text.split(maxsplit=1)[0]
        raise invalid_query(f'Syntax error: Unexpected identifier "{word}" at {position_of(text, text.find(word))}')
    if isinstance(statement, exp.Select) and not statement.expressions:
        raise invalid_query(f"Syntax error: SELECT list must not be empty at {position_of(text, text.find('SELECT'))}")
    refuse_unknown_functions(statement, text)
    return statement


def _made_by(statements: list[exp.Expression]) -> frozenset[str]:
    return frozenset(item.this.this.name.upper() for item in statements[:-1])


_SNAPSHOT = re.compile(r"(?is)^(\s*(?:CREATE\s+(?:OR\s+REPLACE\s+)?|DROP\s+))(SNAPSHOT)(\s+TABLE\b)")
_SCHEMA = re.compile(r"(?is)^(\s*ALTER\s+)SCHEMA(\b)")
_AGGREGATE = re.compile(r"(?is)(\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP\s+|TEMPORARY\s+)?)AGGREGATE(\s+FUNCTION\b)")
_NOT_AGGREGATE = re.compile(r"(?is)\bNOT\s+AGGREGATE(?=\s*[,)])")
_TABLE_FUNCTION = re.compile(r"(?is)^(\s*DROP\s+)TABLE(\s+FUNCTION\b)")


def _plain(text: str) -> str:
    """Take out the words that sqlglot does not know, leaving every other where it was."""
    text = _SNAPSHOT.sub(r"\g<1>        \g<3>", without_clauses(text))
    text = _SCHEMA.sub(r"\g<1>TABLE \g<2>", text)
    if _AGGREGATE.search(text):
        text = _plain_aggregate(text)
    return plain_literals(blank_table_words(_TABLE_FUNCTION.sub(r"\g<1>     \g<2>", text)))


def _plain_aggregate(text: str) -> str:
    """A function of aggregates is put in like any other: its body has the aggregates."""
    if re.search(r"(?i)\bLANGUAGE\s+js\b", text):
        raise unsupported("An aggregate function in JavaScript")
    text = _AGGREGATE.sub(r"\g<1>         \g<2>", text)
    return _NOT_AGGREGATE.sub(lambda found: " " * len(found[0]), text)


def _parse(text: str) -> list[exp.Expression | None]:
    try:
        found = spelling.parse(_plain(text))
        straighten_merges(found)
        if found and isinstance(found[0], exp.Alter) and _SCHEMA.match(text):
            found[0].set("kind", "SCHEMA")
        if found and isinstance(found[0], exp.Create):
            put_in_clauses(found[0], text)
            found[0].meta["is_snapshot"] = _SNAPSHOT.match(text) is not None
        return found
    except ParseError as error:
        raise _syntax_fault(text, error) from error
    except TokenError as error:
        raise _token_fault(text) from error
    except RecursionError as error:
        raise invalid_query("Query is too complex: it nests too deeply.") from error


def _syntax_fault(text: str, error: ParseError) -> BigQueryError:
    found = error.errors[0] if error.errors else {}
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    if first and not any(first.upper().startswith(word) for word in _STARTS):
        return invalid_query(f'Syntax error: Unexpected identifier "{first}" at {position_of(text, text.find(first))}')
    word = str(found.get("highlight") or "")
    line = int(found.get("line") or 1)
    column = max(1, int(found.get("col") or 1) - len(word) + 1)
    what = "Unexpected end of statement" if not word else f"Unexpected {_kind(word)}"
    return invalid_query(f"Syntax error: {what} at [{line}:{column}]")


_STARTS = (
    "SELECT", "WITH", "(", "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "TRUNCATE", "BEGIN",
    "DECLARE", "SET", "IF", "EXPORT", "CALL", "ASSERT", "EXECUTE", "FROM", "--", "#", "/*", "LOOP",
    "WHILE", "GRANT", "REVOKE",
)  # fmt: skip


def _kind(word: str) -> str:
    if word.upper() in _KEYWORDS:
        return f"keyword {word.upper()}"
    if word[0] in "'\"":
        return f"string literal {word}"
    if word[0].isdigit():
        return f'integer literal "{word}"'
    return f'identifier "{word}"' if word[0].isalpha() or word[0] in "_`" else f'"{word}"'


def _token_fault(text: str) -> BigQueryError:
    """Say which quote does not end: the tokenizer itself only says where it gave up."""
    index = 0
    while index < len(text):
        if text[index] in "'\"`":
            end = text.find(text[index], index + 1)
            if end < 0:
                what = "identifier" if text[index] == "`" else "string literal"
                return invalid_query(f"Syntax error: Unclosed {what} at {position_of(text, index)}")
            index = end
        index += 1
    return invalid_query(f"Syntax error: Illegal input at {position_of(text, 0)}")

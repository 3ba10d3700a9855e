"""DuckDB text around nodes whose own rules are done already."""

from __future__ import annotations

from sqlglot import exp

from athena_lab.emulator.faults import invalid_query

_MOST_LETTERS = 512 * 1024


def text_of(node: exp.Expression) -> str:
    """Write a finished node as DuckDB's SQL, in parentheses where it is not a name or literal."""
    text = str(node.sql("duckdb"))
    return text if isinstance(node, exp.Column | exp.Literal | exp.Anonymous | exp.Paren | exp.Var) else f"({text})"


def raw(template: str, *nodes: exp.Expression, kind: str | None = None) -> exp.Expression:
    """Put nodes into a text ({0}, {1}, ...); `kind` is the result's GoogleSQL type."""
    text = template.format(*(text_of(node) for node in nodes))
    if len(text) > _MOST_LETTERS:  # a template that names a node twice doubles what is nested in it
        raise invalid_query("Query is too complex: it nests too deeply.")
    made = exp.Var(this=text)
    if kind is not None:
        made.type = exp.DataType.build(kind, dialect="bigquery")
    return made


def flag(node: exp.Expression | None, *, default: bool) -> exp.Expression:
    """Give the value of a named argument (name => value), or the default."""
    if node is None:
        return exp.Var(this="true" if default else "false")
    return node.expression if isinstance(node, exp.Kwarg) else node

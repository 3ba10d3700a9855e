"""A GoogleSQL query to a DuckDB query: the pipeline, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError, UnsupportedError

from athena_lab.emulator.faults import BigQueryError, invalid_query, unsupported
from athena_lab.emulator.sql.pivots import straighten_pivots
from athena_lab.emulator.sql.references import Namespace, References, Sources, check_access
from athena_lab.emulator.sql.resolve import columns_read, labels_of, name_columns, resolve
from athena_lab.emulator.sql.rules import apply_rules, put_in_rows
from athena_lab.emulator.sql.unnest import name_struct_unnests, straighten_unnests
from athena_lab.emulator.sql.value_tables import open_value_tables
from athena_lab.emulator.sql.variables import PREFIX, bind_system_variables, bind_variables, visible
from athena_lab.emulator.types import Field, googlesql_type

_TEMPORAL = {exp.DType.TIMESTAMPTZ: "TIMESTAMP"}


@dataclass(frozen=True, slots=True)
class Translation:
    """A query for DuckDB: its text, what it reads, its columns' names and, where sure, their types."""

    sql: str
    sources: Sources
    labels: tuple[str, ...]
    hints: tuple[str | None, ...]
    read: frozenset[tuple[str, str]]
    parameters: frozenset[str]
    """Names of the parameters that the text uses."""


def translate_query(query: exp.Query, space: Namespace, parameters: Mapping[str, Field]) -> Translation:
    """Translate a query; it is consumed. Refuse what is wrong or cannot be computed alike."""
    references = References(space)
    bind_parameters(query, parameters)
    references.replace(query)
    bind_names(query, references.sources, parameters)
    return finish(query, references.sources)


def bind_names(tree: exp.Expression, sources: Sources, parameters: Mapping[str, Field]) -> None:
    """Replace the names that are a script's variables and nothing nearer."""
    taken = visible(tree, sources.columns)
    free = {key: item for key, item in parameters.items() if key.removeprefix(PREFIX) not in taken}
    bind_variables(tree, free, {key: _type_of(item) for key, item in free.items()})


def finish(query: exp.Query, sources: Sources) -> Translation:
    """Resolve and rewrite a query whose references are replaced already."""
    query = open_value_tables(query, sources)
    name_struct_unnests(query)
    name_columns(query)
    resolved = resolve(query, sources)
    read = columns_read(resolved, sources)
    check_access(resolved, sources, read)
    straighten_pivots(straighten_unnests(resolved))
    labels = labels_of(resolved, sources)
    hints = tuple(_hint(item) for item in resolved.selects)
    used = parameters_in(resolved)
    return Translation(generate(apply_rules(resolved)), sources, tuple(labels), hints, read, used)


def rewrite(resolved: exp.Expression) -> exp.Expression:
    """Apply all rules to a resolved tree."""
    return apply_rules(straighten_unnests(resolved))


def generate(tree: exp.Expression) -> str:
    """Write a tree as DuckDB's SQL; refuse what has no equal there."""
    put_in_rows(tree)
    try:
        return str(tree.sql("duckdb", unsupported_level=ErrorLevel.RAISE))
    except UnsupportedError as error:
        raise unsupported(str(error).rstrip(". ")) from error
    except BigQueryError:
        raise
    except SqlglotError as error:
        raise invalid_query(str(error)) from error


def bind_parameters(tree: exp.Expression, parameters: Mapping[str, Field]) -> None:
    """Give every @name and ? its declared type; refuse one without a value."""
    bind_system_variables(tree, parameters, {key: _type_of(item) for key, item in parameters.items()})
    position = 0
    for node in list(tree.find_all(exp.Parameter, exp.Placeholder, bfs=False)):
        if node.parent is not None and node.parent.meta.get("is_parameter"):
            continue
        if isinstance(node, exp.Placeholder):
            name = f"p{position}"
            position += 1
            missing = "Number of positional parameters is less than the number of ? in the query"
        else:
            name = node.name.lower()
            missing = f"Query parameter '{node.name}' not found"
        if name not in parameters:
            raise invalid_query(missing)
        bound = exp.Placeholder(this=name)
        made = exp.Cast(this=bound, to=_type_of(parameters[name]))
        made.meta["is_parameter"] = True
        node.replace(made)


def _type_of(item: Field) -> exp.DataType:
    made: exp.DataType = exp.DataType.build(googlesql_type(item), dialect="bigquery")
    return made


def parameters_in(tree: exp.Expression) -> frozenset[str]:
    """Give the names of the parameters that a tree uses."""
    return frozenset(str(item.this) for item in tree.find_all(exp.Placeholder))


def _hint(item: exp.Expression) -> str | None:
    return _TEMPORAL.get(item.type.this) if item.type is not None else None

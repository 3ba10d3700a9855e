"""Names and types: what every column of a query is, and how its result's columns are called."""

from __future__ import annotations

import re

from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify

from athena_lab.emulator.catalog import Table
from athena_lab.emulator.faults import BigQueryError, invalid_query, unsupported
from athena_lab.emulator.sql.by_name import match_names
from athena_lab.emulator.sql.doubles import name_shown, refuse_doubles, refuse_structs_of_doubles, tell_apart
from athena_lab.emulator.sql.function_types import METADATA
from athena_lab.emulator.sql.grouping import mark_written_keys, straighten_groups
from athena_lab.emulator.sql.references import Sources, refuse_strays
from athena_lab.emulator.sql.scans import Scan, no_filter, requires_filter, scans_of
from athena_lab.emulator.sql.supertypes import unify_set_operations
from athena_lab.emulator.sql.unnest import wrap_queries
from athena_lab.emulator.types import googlesql_type, quote


def name_columns(query: exp.Query) -> None:
    """Give every result column the name that BigQuery gives it: as written, or f0_, f1_, ..."""
    for select in list(query.find_all(exp.Select)):
        unnamed = 0
        named = []
        for item in select.expressions:
            made = item
            if isinstance(item, exp.Paren) and isinstance(item.unnest(), exp.Column | exp.Dot):
                item = item.unnest()  # a column in parentheses keeps its name
            if isinstance(item, exp.Alias):
                made.meta["label"] = item.alias
            elif (
                isinstance(item, exp.Column | exp.Dot)
                and not isinstance(item.this, exp.Star)
                and not item.find(exp.Star)
            ):
                made = exp.alias_(
                    item.copy(), item.name if isinstance(item, exp.Column) else item.expression.name, quoted=True
                )
                made.meta["label"] = made.alias
            elif not item.is_star:
                made = exp.alias_(item.copy(), f"f{unnamed}_", quoted=True)
                made.meta["label"] = f"f{unnamed}_"
                unnamed += 1
            named.append(made)
        select.set("expressions", named)


def resolve(query: exp.Query, sources: Sources) -> exp.Query:
    """Qualify every column and annotate every expression with its type; refuse names that nothing has."""
    schema = {
        name: {item.name: googlesql_type(item) for item in fields} or {"athena_no_columns": "INT64"}
        for name, fields in sources.columns.items()
    }
    match_names(query, schema)
    mark_written_keys(query)
    wrap_queries(query)
    try:
        made = qualify(query, schema=schema, dialect="bigquery")
        refuse_strays(made)
        refuse_doubles(made)
        if tell_apart(made):
            made = qualify(made, schema=schema, dialect="bigquery")
            refuse_structs_of_doubles(made)
        straighten_groups(made)
        made = annotate_types(made, schema=schema, expression_metadata=METADATA, dialect="bigquery")
        if unify_set_operations(made):
            made = annotate_types(made, schema=schema, expression_metadata=METADATA, dialect="bigquery")
        return made
    except OptimizeError as error:
        raise _name_fault(query, error) from error
    except AssertionError as error:  # of the vendor's, who numbers columns before a star is told apart
        message = "ORDER BY or GROUP BY a number over a star with two columns of one name"
        raise unsupported(message) from error
    except SqlglotError as error:
        raise invalid_query(f"The statement cannot be resolved: {error}") from error


def _name_fault(query: exp.Query, error: OptimizeError) -> BigQueryError:
    text = str(error)
    found = re.match(r"Column '(?P<name>.*?)' could not be resolved(?:.*Line: (?P<line>\d+), Col: (?P<col>\d+))?", text)
    unknown = re.match(r"Unknown column: (?P<name>.*)", text)
    name = (found or unknown or {"name": ""})["name"]
    name = str(name).replace('"', "").replace("`", "").rpartition(".")[2]
    place = ""
    for column in query.find_all(exp.Column):
        if column.name.lower() == name.lower() and column.this.meta.get("line"):
            meta = column.this.meta
            place = f" at [{meta['line']}:{meta['col'] - len(column.name) + 1}]"
            name = column.name
            break
    ambiguous = re.search(r"(?i)ambiguous", text)
    if ambiguous:
        return invalid_query(f"Column name {name} is ambiguous{place}")
    return invalid_query(f"Unrecognized name: {name}{place}" if name else text)


def labels_of(query: exp.Query, sources: Sources) -> list[str]:
    """Give the names of the result's columns with the case in which they were written or defined."""
    spelled: dict[str, str] = {}
    for fields in sources.columns.values():
        for item in fields:
            spelled.setdefault(item.name.lower(), item.name)
    for alias in query.find_all(exp.Alias):
        if alias.meta.get("label"):
            spelled.setdefault(alias.meta["label"].lower(), alias.meta["label"])
    labels = []
    for item in query.selects:
        name = name_shown(item.alias_or_name)
        labels.append(str(item.meta.get("label") or spelled.get(name.lower(), name)))
    return labels


def columns_read(query: exp.Query, sources: Sources) -> frozenset[tuple[str, str]]:
    """Give (DuckDB table, column or column.field path) of all that the query's answer depends on.

    Keeps in `sources` what is scanned of each table; refuses a scan without the filter that a table requires.
    """
    if query.find(exp.TableColumn):
        _show_only_columns(query, sources)
    pruned = query.copy()
    try:
        pruned = pushdown_projections(pruned)
    except SqlglotError:
        pruned = query.copy()
    scans = scans_of(pruned, sources.tables, sources.reader)
    for scan in scans:
        _require_filter(scan, sources.tables[scan.source])
    sources.scans += scans
    return frozenset((scan.source, path) for scan in scans for path in scan.paths)


def _show_only_columns(query: exp.Expression, sources: Sources) -> None:
    """Where whole rows are read, keep DuckDB's own columns out of them."""
    for node in query.find_all(exp.Table):
        if node.name in sources.tables and not node.meta.get("rows"):
            columns = ", ".join(quote(item.name) for item in sources.columns[node.name])
            node.meta["rows"] = f"SELECT {columns} FROM {node.name}"  # noqa: S608 (our own names)


def _require_filter(scan: Scan, table: Table) -> None:
    """Refuse to read all partitions of a table that requires a filter on them."""
    if scan.is_filtered or scan.is_copied or not requires_filter(table):
        return
    raise no_filter(table)

"""Row filters in DuckDB's SQL: translated like any other condition, with the reader's own rights inside subqueries."""

from __future__ import annotations

from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from athena_lab.emulator.catalog import Table
from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.policies.protection import ALIAS
from athena_lab.emulator.sql.functions import refuse_unknown_functions
from athena_lab.emulator.sql.namespaces import is_namespaced
from athena_lab.emulator.sql.references import Namespace, References
from athena_lab.emulator.sql.resolve import resolve
from athena_lab.emulator.sql.rules import apply_rules
from athena_lab.emulator.sql.translate import generate
from athena_lab.emulator.sql.udfs import call_name
from athena_lab.emulator.sql.unnest import straighten_unnests

_MOST_NESTED = 4


def filter_sql(space: Namespace, table: Table, text: str) -> str:
    """Translate a row filter of a table; its columns are found under the name ALIAS."""
    if space.nested > _MOST_NESTED:
        raise invalid_query("A row access policy refers to its own table, or nests too deeply.")
    condition = parse_condition(text)
    node = exp.Table(
        this=exp.to_identifier(table.name, quoted=True),
        db=exp.to_identifier(table.dataset, quoted=True),
        alias=exp.TableAlias(this=exp.to_identifier(ALIAS)),
    )
    node.meta["is_target"] = True
    select = exp.Select(expressions=[exp.alias_(exp.Literal.number(1), "one")]).from_(node, copy=False)
    select.set("where", exp.Where(this=condition))
    references = References(replace(space, nested=space.nested + 1))
    references.replace(select)
    if references.sources.results:
        raise invalid_query("A row access policy cannot read INFORMATION_SCHEMA or a query's result.")
    made = apply_rules(straighten_unnests(resolve(select, references.sources)))
    return generate(made.args["where"].this)


def parse_condition(text: str) -> exp.Expression:
    """Parse a condition; refuse what is none."""
    try:
        parsed = sqlglot.parse_one(text, read="bigquery")
    except SqlglotError as error:
        raise invalid_query("Syntax error: the filter of the row access policy is no expression") from error
    if isinstance(parsed, exp.Query | exp.DDL | exp.DML | exp.Command):
        raise invalid_query("Syntax error: the filter of the row access policy is no expression")
    refuse_unknown_functions(parsed, text)
    if calls_stored_functions(parsed):
        raise unsupported("A stored function in a row access policy or masking routine")  # its writers would rule it
    return parsed


def calls_stored_functions(tree: exp.Expression) -> bool:
    """Tell whether an expression calls a function of some dataset."""
    names = (call_name(node)[1] for node in tree.find_all(exp.Anonymous))
    return any(len(parts) > 1 and not is_namespaced(parts) for parts in names)

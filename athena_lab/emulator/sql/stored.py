"""Stored routines in a statement: calls are replaced by bodies, table functions by queries."""

from __future__ import annotations

from typing import Protocol

from sqlglot import exp
from sqlglot.errors import SqlglotError

from athena_lab.emulator.catalog import State
from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.policies.authorization import Authorization, Part
from athena_lab.emulator.sql import spelling
from athena_lab.emulator.sql.arguments import ColumnsOf, substitute
from athena_lab.emulator.sql.change_tables import CALLS, changed_rows
from athena_lab.emulator.sql.functions import refuse_unknown_functions
from athena_lab.emulator.sql.gap_fill import gap_fill
from athena_lab.emulator.sql.namespaces import is_namespaced
from athena_lab.emulator.sql.routine_text import function_text
from athena_lab.emulator.sql.sessionize import sessionize
from athena_lab.emulator.sql.typenames import standard_text
from athena_lab.emulator.sql.udfs import Function, call_name, read_function, replace_each_call

_MAX_DEPTH = 16


class Space(Protocol):
    """Where routines are looked up (references.Namespace)."""

    @property
    def state(self) -> State: ...

    @property
    def project(self) -> str: ...

    @property
    def default_dataset(self) -> str | None: ...

    @property
    def authorization(self) -> Authorization: ...


def put_in_functions(tree: exp.Expression, space: Space, reader: Part | None = None, depth: int = 0) -> None:
    """Replace the calls of stored functions by their bodies; refuse a name that is none."""
    if depth > _MAX_DEPTH:
        raise invalid_query("A function calls itself, or is nested too deeply.")

    def find(names: list[str]) -> Function | None:
        if len(names) == 1 or is_namespaced(names):
            return None
        space.authorization.require_routine(space.state, names[-2], reader)
        resource = space.state.routines.get((names[-2], names[-1]))
        is_foreign = len(names) > 2 and ".".join(names[:-2]) != space.project
        if resource is None or is_foreign or resource.get("routineType") != "SCALAR_FUNCTION":
            raise invalid_query(f"Function not found: `{'.'.join(names[:-1])}`.{names[-1]}")
        text = function_text(names[-1], resource)
        made = read_function(_parsed(text))
        refuse_unknown_functions(made.body, text)
        own: Part = ("routine", names[-2], names[-1])
        put_in_functions(made.body, space, own, depth + 1)
        _mark(made.body, own)
        return made

    replace_each_call(tree, find, _columns_in(space))


def _columns_in(space: Space) -> ColumnsOf:
    """Look stored tables' columns up: in a body they come before parameters of the same name."""

    def find(table: exp.Table) -> set[str] | None:
        names = ".".join(part.name for part in table.parts).split(".")
        dataset = names[-2] if len(names) > 1 else space.default_dataset
        found = space.state.tables.get((dataset or "", names[-1]))
        return {item.name.lower() for item in found.fields} if found is not None and found.view is None else None

    return find


def _mark(body: exp.Expression, reader: Part) -> None:
    """Keep with each table of a routine's body in which routine it stands."""
    for node in body.find_all(exp.Table):
        node.meta.setdefault("reader", reader)


def table_function(node: exp.Table, space: Space, reader: Part | None = None) -> exp.Query:
    """Give the query that a call of a table function stands for."""
    call = node.this
    if isinstance(call, exp.GapFill):
        return gap_fill(call)
    if not isinstance(call, exp.Anonymous):
        raise unsupported(f"The table function {call.sql('bigquery')[:60]}")
    _, names = call_name(call)
    if [name.upper() for name in names] == ["RANGE_SESSIONIZE"]:
        return sessionize(call.expressions)
    if len(names) == 1 and names[0].upper() in CALLS:
        return changed_rows(names[0].upper(), call.expressions)
    names = [part.name for part in (node.args.get("catalog"), node.args.get("db")) if part is not None] + names
    names = ".".join(names).split(".")
    dataset = names[-2] if len(names) > 1 else space.default_dataset
    space.authorization.require_routine(space.state, dataset or "", reader)
    resource = space.state.routines.get((dataset or "", names[-1]))
    if resource is None or resource.get("routineType") != "TABLE_VALUED_FUNCTION":
        raise invalid_query(f"Table-valued function not found: {'.'.join(names)}")
    given, wanted = call.expressions, list(resource.get("arguments", ()))
    if len(given) != len(wanted):
        raise invalid_query(f"Number of arguments does not match for table function {names[-1]}")
    arguments = {}
    for item, value in zip(wanted, given, strict=True):
        made: exp.Expression = exp.Paren(this=value.copy())
        if item.get("dataType"):
            made = exp.Cast(
                this=value.copy(), to=exp.DataType.build(standard_text(item["dataType"]), dialect="bigquery")
            )
        arguments[str(item["name"]).lower()] = made
    query = _parsed(str(resource["definitionBody"]))
    if not isinstance(query, exp.Query):
        raise invalid_query(f"Table function {names[-1]} is not a query.")
    refuse_unknown_functions(query, str(resource["definitionBody"]))
    _mark(query, ("routine", dataset or "", names[-1]))
    substitute(query, arguments, _columns_in(space))
    return query


def _parsed(text: str) -> exp.Expression:
    try:
        found = spelling.parse(text)
    except SqlglotError as error:
        raise invalid_query(f"A routine cannot be read: {error}") from error
    if len(found) != 1 or found[0] is None:
        raise invalid_query("A routine's body is not one statement.")
    return found[0]

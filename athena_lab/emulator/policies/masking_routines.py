"""Masking routines: functions with data_governance_type = "DATA_MASKING" that say how a column is masked.

https://cloud.google.com/bigquery/docs/user-defined-functions#custom-mask. Whoever could change one could
show himself every column that it masks: only administrators make, replace or drop them, or see their text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import State
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.policies.model import require_administrator
from athena_lab.emulator.sql.arguments import substitute
from athena_lab.emulator.sql.routine_text import function_text
from athena_lab.emulator.sql.udfs import read_function
from athena_lab.emulator.types import Field, googlesql_type

GOVERNANCE, MASKING_ROUTINE = "dataGovernanceType", "DATA_MASKING"
_NAME = re.compile(r"(?:projects/)?(?P<project>[^/.]+)(?:/datasets/|\.)(?P<dataset>\w+)(?:/routines/|\.)(?P<name>\w+)")
Resource = Mapping[str, Any]


def is_governed(resource: Resource | None) -> bool:
    """Tell whether a routine is a masking routine."""
    return resource is not None and str(resource.get(GOVERNANCE) or "").upper() == MASKING_ROUTINE


def refuse_governed(principal: Principal, *resources: Resource | None) -> None:
    """Refuse to anybody but administrators to make, change or drop a masking routine."""
    if any(is_governed(resource) for resource in resources):
        require_administrator(principal, "change masking routines")


def hide_body(principal: Principal, resource: Resource) -> Resource:
    """Give a routine as a principal may see it: what a masking routine does is the administrators' to know."""
    if principal.is_administrator or not is_governed(resource):
        return resource
    return {key: value for key, value in resource.items() if key != "definitionBody"}


def routine_key(name: str, project: str) -> tuple[str, str]:
    """Give (dataset, name) of `projects/P/datasets/D/routines/R` or `P.D.R`; refuse anything else."""
    found = _NAME.fullmatch(name.strip("`"))
    if found is None:
        raise BigQueryError("invalid", f"Invalid masking expression: {name}.")
    if found["project"] != project:
        raise BigQueryError(
            "accessDenied", f"Access Denied: Project {found['project']}: this warehouse has only {project}."
        )
    return found["dataset"], found["name"]


def require_routine(state: State, key: tuple[str, str]) -> Resource:
    """Give a masking routine; refuse a routine that is none: of one argument, of the same type as its result."""
    resource = state.routines.get(key)
    name = ".".join(key)
    if resource is None:
        raise BigQueryError("notFound", f"Not found: Routine {name}")
    arguments = resource.get("arguments") or ()
    kinds = {str(item.get("dataType")) for item in (*arguments, {"dataType": resource.get("returnType")})}
    is_simple = resource.get("routineType") == "SCALAR_FUNCTION" and str(resource.get("language")).upper() == "SQL"
    if not is_governed(resource) or not is_simple or len(arguments) != 1 or len(kinds) != 1 or kinds == {"None"}:
        raise BigQueryError(
            "invalid",
            f"Routine {name} cannot mask: a masking routine is an SQL function with data_governance_type = "
            '"DATA_MASKING", one argument, and that argument\'s type as its own.',
        )
    body = _body(key[1], resource)
    if body.find(exp.Query, exp.Subquery, exp.Table):
        raise BigQueryError("invalid", f"Routine {name} cannot mask: a masking routine reads no table.")
    return resource


def fits_routine(resource: Resource, column: Field) -> bool:
    """Tell whether a masking routine takes a column's type."""
    kind = ((resource.get("arguments") or [{}])[0].get("dataType") or {}).get("typeKind")
    return kind == googlesql_type(column)


def routine_mask(state: State, key: tuple[str, str], path: str, column: Field, row: str) -> str | None:
    """Give the GoogleSQL of a column's mask, the column being found in `row`; None where the routine does not serve."""
    try:
        resource = require_routine(state, key)
    except BigQueryError:
        return None
    if not fits_routine(resource, column):
        return None
    made = read_function(sqlglot.parse_one(function_text(key[1], resource), read="bigquery"))
    first, *others = path.split(".")
    value: exp.Expression = exp.column(exp.to_identifier(first, quoted=True), table=row)
    for part in others:
        value = exp.Dot(this=value, expression=exp.to_identifier(part, quoted=True))
    body = substitute(made.body.copy(), {made.parameters[0][0]: value})
    return str(body.sql("bigquery"))


def _body(name: str, resource: Resource) -> exp.Expression:
    try:
        return read_function(sqlglot.parse_one(function_text(name, resource), read="bigquery")).body
    except SqlglotError as error:
        raise BigQueryError("invalid", f"Routine {name} cannot be read.") from error

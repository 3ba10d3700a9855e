"""Routines as DDL makes them: functions, table functions and procedures of a dataset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import now_ms
from athena_lab.emulator.faults import BigQueryError, invalid_query
from athena_lab.emulator.policies.masking_routines import refuse_governed
from athena_lab.emulator.policies.roles import CREATE_ROUTINE, GET_ROUTINE, UPDATE_ROUTINE
from athena_lab.emulator.sql.routine_text import function_resource
from athena_lab.emulator.sql.script import Procedure, split_top
from athena_lab.emulator.sql.typenames import field_of_type, standard_text, standard_type
from athena_lab.emulator.types import Field
from athena_lab.emulator.warehouse import Warehouse

_HEAD = re.compile(
    r"(?is)CREATE\s+(?P<replace>OR\s+REPLACE\s+)?PROCEDURE\s+(?P<absent>IF\s+NOT\s+EXISTS\s+)?"
    r"(?P<name>[^(]+)\((?P<arguments>.*)\)\s*(?:OPTIONS\s*\(.*\)\s*)?$"
)


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a procedure."""

    name: str
    mode: str
    item: Field


@dataclass(frozen=True, slots=True)
class StoredProcedure:
    """A procedure ready to be called."""

    name: str
    arguments: tuple[Argument, ...]
    body: str


def routine_name(warehouse: Warehouse, query: Mapping[str, Any], text: str) -> tuple[str, str]:
    """Give (dataset, name) of a routine's written name; refuse another project."""
    parts = [part for part in text.replace("`", "").strip().split(".") if part]
    if len(parts) == 1:
        default = (query.get("defaultDataset") or {}).get("datasetId")
        if default is None:
            raise invalid_query(f"Routine name {text} missing dataset while no default dataset is set in the request.")
        return str(default), parts[0]
    if len(parts) > 2:
        warehouse.require_project(".".join(parts[:-2]))
    return parts[-2], parts[-1]


def store_procedure(warehouse: Warehouse, query: Mapping[str, Any], node: Procedure, owner: Principal) -> None:
    """Run a CREATE PROCEDURE."""
    found = _HEAD.match(node.head)
    if found is None:
        raise invalid_query(f"Syntax error: {' '.join(node.head.split())[:80]}")
    arguments = [_argument_json(text) for _, text in split_top(found["arguments"], (",",)) if text.strip()]
    resource = {
        "routineType": "PROCEDURE", "language": "SQL", "definitionBody": node.body, "arguments": arguments,
    }  # fmt: skip
    key = routine_name(warehouse, query, found["name"])
    keep_routine(warehouse, owner, key, resource, is_replace=bool(found["replace"]), if_absent=bool(found["absent"]))


def _argument_json(text: str) -> dict[str, Any]:
    found = re.match(r"(?is)\s*(?:(INOUT|OUT|IN)\s+)?`?(\w+)`?\s+(.+?)\s*$", text)
    if found is None:
        raise invalid_query(f"Syntax error in the argument {text.strip()}")
    kind = exp.DataType.build(found[3], dialect="bigquery")
    return {"name": found[2], "mode": (found[1] or "IN").upper(), "dataType": standard_type(kind)}


def store_function(warehouse: Warehouse, query: Mapping[str, Any], statement: exp.Create, owner: Principal) -> str:
    """Run a CREATE FUNCTION or CREATE TABLE FUNCTION; give what was done (CREATE, REPLACE, SKIP)."""
    key = routine_name(warehouse, query, ".".join(part.name for part in statement.this.this.parts))
    return keep_routine(
        warehouse,
        owner,
        key,
        function_resource(statement),
        is_replace=bool(statement.args.get("replace")),
        if_absent=bool(statement.args.get("exists")),
    )


def keep_routine(
    warehouse: Warehouse, owner: Principal, key: tuple[str, str], resource: dict[str, Any], *, is_replace: bool,
    if_absent: bool,
) -> str:  # fmt: skip
    """Keep a routine; give what was done. Refuse a name that is taken unless it is replaced."""
    exists = key in warehouse.catalog.state.routines
    refuse_governed(owner, resource, warehouse.catalog.state.routines.get(key))
    warehouse.require(owner, UPDATE_ROUTINE if exists else CREATE_ROUTINE, key[0])
    if exists and if_absent:
        return "SKIP"
    if exists and not is_replace:
        raise BigQueryError("duplicate", f"Already Exists: Routine {warehouse.project}:{key[0]}.{key[1]}")
    moments = {"creationTime": str(now_ms()), "lastModifiedTime": str(now_ms())}
    warehouse.catalog.put_routine(*key, {**resource, **moments})
    return "REPLACE" if exists else "CREATE"


def drop_routine(warehouse: Warehouse, key: tuple[str, str], *, if_exists: bool) -> None:
    """Run a DROP FUNCTION, DROP TABLE FUNCTION or DROP PROCEDURE."""
    if key not in warehouse.catalog.state.routines:
        if if_exists:
            return
        raise routine_not_found(warehouse, key)
    warehouse.catalog.put_routine(*key, None)


def routine_not_found(warehouse: Warehouse, key: tuple[str, str]) -> BigQueryError:
    """Say in BigQuery's words that a routine does not exist."""
    return BigQueryError("notFound", f"Not found: Routine {warehouse.project}:{key[0]}.{key[1]}")


def find_procedure(warehouse: Warehouse, query: Mapping[str, Any], text: str, owner: Principal) -> StoredProcedure:
    """Give a procedure by its written name."""
    key = routine_name(warehouse, query, text)
    warehouse.require(owner, GET_ROUTINE, key[0])
    resource = warehouse.catalog.state.routines.get(key)
    if resource is None or resource.get("routineType") != "PROCEDURE":
        raise invalid_query(f"Procedure not found: {text.strip()}")
    arguments = tuple(
        Argument(str(item["name"]), str(item.get("mode") or "IN"), _field(str(item["name"]), item["dataType"]))
        for item in resource.get("arguments", ())
    )
    return StoredProcedure(key[1], arguments, str(resource["definitionBody"]))


def _field(name: str, kind: Mapping[str, Any]) -> Field:
    return field_of_type(name, exp.DataType.build(standard_text(kind), dialect="bigquery"))

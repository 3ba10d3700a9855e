"""Tables, datasets and routines as the statements that would make them (the column `ddl` of INFORMATION_SCHEMA)."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from typing import Any

from athena_lab.emulator.catalog import Table
from athena_lab.emulator.sql.routine_text import function_text
from athena_lab.emulator.types import Field, googlesql_type

Option = tuple[str, str, str]
"""An option's name, type, and value as a literal."""
_LABELS = "ARRAY<STRUCT<STRING, STRING>>"
_DAY_MS = 86_400_000


def type_shown(item: Field) -> str:
    """Give a column's type with its length or precision, as COLUMNS says it."""
    kind = googlesql_type(item.element()).replace("`", "")
    extras = item.extras
    sizes = [str(extras[key]) for key in ("maxLength", "precision", "scale") if extras.get(key)]
    kind = f"{kind}({', '.join(sizes)})" if sizes else kind
    return f"ARRAY<{kind}>" if item.is_repeated else kind


def option_text(value: Any) -> str:
    """Write an option's value as a literal of GoogleSQL."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return "[" + ", ".join(f"STRUCT({_quoted(key)}, {_quoted(part)})" for key, part in value.items()) + "]"
    return _quoted(value)


def _quoted(value: Any) -> str:
    return json.dumps(str(value), ensure_ascii=False)


def table_options(resource: Mapping[str, Any]) -> list[Option]:
    """Give what OPTIONS of a table's statement would say."""
    partitioning = resource.get("timePartitioning") or {}
    found: list[tuple[str, str, Any]] = []
    if partitioning.get("expirationMs"):
        found.append(("partition_expiration_days", "FLOAT64", int(partitioning["expirationMs"]) / _DAY_MS))
    found += [
        (name, kind, resource[key])
        for key, name, kind in (
            ("description", "description", "STRING"), ("friendlyName", "friendly_name", "STRING"),
            ("requirePartitionFilter", "require_partition_filter", "BOOL"), ("labels", "labels", _LABELS),
        )
        if resource.get(key)
    ]  # fmt: skip
    made = [(name, kind, option_text(value)) for name, kind, value in found]
    if resource.get("expirationTime"):
        moment = datetime.datetime.fromtimestamp(int(resource["expirationTime"]) / 1000, datetime.UTC)
        text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        made.append(("expiration_timestamp", "TIMESTAMP", f'TIMESTAMP "{text}"'))
    return made


def dataset_options(resource: Mapping[str, Any]) -> list[Option]:
    """Give what OPTIONS of a dataset's statement would say."""
    found: list[tuple[str, str, Any]] = [
        (name, kind, resource[key])
        for key, name, kind in (
            ("description", "description", "STRING"), ("friendlyName", "friendly_name", "STRING"),
            ("labels", "labels", _LABELS), ("location", "location", "STRING"),
        )
        if resource.get(key)
    ]  # fmt: skip
    for key, name in (
        ("defaultTableExpirationMs", "default_table_expiration_days"),
        ("defaultPartitionExpirationMs", "default_partition_expiration_days"),
    ):
        if resource.get(key):
            found.append((name, "FLOAT64", int(resource[key]) / _DAY_MS))
    return [(name, kind, option_text(value)) for name, kind, value in found]


def dataset_ddl(project: str, name: str, resource: Mapping[str, Any]) -> str:
    """Give the CREATE SCHEMA of a dataset."""
    return f"CREATE SCHEMA `{project}.{name}`{_options(dataset_options(resource))};"


def table_ddl(project: str, table: Table) -> str:
    """Give the CREATE of a table or view."""
    resource, name = table.resource, f"`{project}.{table.dataset}.{table.name}`"
    options = _options(table_options(resource))
    if table.view is not None:
        kind = "MATERIALIZED VIEW" if resource.get("materializedView") else "VIEW"
        return f"CREATE {kind} {name}{options}\nAS {table.view};"
    base = (resource.get("snapshotDefinition") or {}).get("baseTableReference")
    if base:
        source = f"`{base.get('projectId')}.{base.get('datasetId')}.{base.get('tableId')}`"
        return f"CREATE SNAPSHOT TABLE {name}\nCLONE {source}{options};"
    columns = ",\n".join(f"  {_column(item)}" for item in table.fields)
    return f"CREATE TABLE {name}\n(\n{columns}\n){_partitioned(table)}{_clustered(resource)}{options};"


def _column(item: Field) -> str:
    made = f"{item.name} {_type(item)}"
    default = item.extras.get("defaultValueExpression")
    made += f" DEFAULT {default}" if default else ""
    made += " NOT NULL" if item.mode == "REQUIRED" else ""
    description = item.extras.get("description")
    return made + (f" OPTIONS(description={option_text(description)})" if description else "")


def _type(item: Field) -> str:
    if item.type != "RECORD":
        return type_shown(item)
    kind = f"STRUCT<{', '.join(_column(part) for part in item.fields)}>"
    return f"ARRAY<{kind}>" if item.is_repeated else kind


def _partitioned(table: Table) -> str:
    found = table.resource.get("rangePartitioning")
    if found:
        span = found["range"]
        array = f"GENERATE_ARRAY({span['start']}, {span['end']}, {span['interval']})"
        return f"\nPARTITION BY RANGE_BUCKET({found['field']}, {array})"
    found = table.resource.get("timePartitioning")
    if not found:
        return ""
    unit, name = str(found.get("type") or "DAY").upper(), found.get("field")
    if name is None:
        text = "_PARTITIONDATE" if unit == "DAY" else f"TIMESTAMP_TRUNC(_PARTITIONTIME, {unit})"
        return f"\nPARTITION BY {text}"
    kind = next((item.type for item in table.fields if item.name.lower() == str(name).lower()), "DATE")
    if unit == "DAY":
        return f"\nPARTITION BY {name if kind == 'DATE' else f'DATE({name})'}"
    return f"\nPARTITION BY {kind}_TRUNC({name}, {unit})"


def _clustered(resource: Mapping[str, Any]) -> str:
    fields = (resource.get("clustering") or {}).get("fields")
    return f"\nCLUSTER BY {', '.join(fields)}" if fields else ""


def _options(options: Iterable[Option]) -> str:
    found = ",\n".join(f"  {name}={value}" for name, _, value in options)
    return f"\nOPTIONS(\n{found}\n)" if found else ""


def routine_ddl(project: str, dataset: str, name: str, resource: Mapping[str, Any]) -> str | None:
    """Give the CREATE FUNCTION of a function whose body may be seen; None of anything else."""
    if not resource.get("definitionBody") or resource.get("routineType") == "PROCEDURE":
        return None
    text = function_text(f"{project}.{dataset}.{name}", resource)
    kind = "TABLE FUNCTION" if resource.get("routineType") == "TABLE_VALUED_FUNCTION" else "FUNCTION"
    return text.replace("CREATE TEMP FUNCTION", f"CREATE {kind}", 1) + ";"

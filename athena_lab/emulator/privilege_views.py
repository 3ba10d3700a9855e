"""INFORMATION_SCHEMA.OBJECT_PRIVILEGES: which role whoever was given on datasets, tables and views.

https://cloud.google.com/bigquery/docs/information-schema-object-privileges
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from athena_lab.emulator.catalog import State
from athena_lab.emulator.policies.authorization import Authorization, access_of
from athena_lab.emulator.policies.model import IAM_POLICY
from athena_lab.emulator.policies.roles import GET_POLICY
from athena_lab.emulator.types import Field

FIELDS = tuple(
    Field(name, "STRING")
    for name in ("object_catalog", "object_schema", "object_name", "object_type", "privilege_type", "grantee")
)
_ROLES = {"READER": "dataViewer", "WRITER": "dataEditor", "OWNER": "dataOwner"}
_PREFIXES = {"userByEmail": "user:", "groupByEmail": "group:", "domain": "domain:", "iamMember": "", "specialGroup": ""}


def privilege_rows(state: State, allowed: Authorization) -> Iterator[tuple[Any, ...]]:
    """Give the grants on what the asker may read the policy of."""
    project = allowed.project
    for name, resource in state.datasets.items():
        if resource.get("isHidden") or not allowed.may(state, GET_POLICY, name):
            continue
        for entry in access_of(resource):
            grantee = _grantee(entry)
            if grantee is not None:
                yield (project, None, name, "SCHEMA", _role(str(entry.get("role") or "READER")), grantee)
    for table in state.tables.values():
        if not allowed.may(state, GET_POLICY, *table.key):
            continue
        kind = "TABLE" if table.view is None else "VIEW"
        for binding in (table.resource.get(IAM_POLICY) or {}).get("bindings") or ():
            for member in binding.get("members") or ():
                yield (project, table.dataset, table.name, kind, binding["role"], member)


def _grantee(entry: Mapping[str, Any]) -> str | None:
    return next((f"{start}{entry[key]}" for key, start in _PREFIXES.items() if entry.get(key)), None)


def _role(name: str) -> str:
    return f"roles/bigquery.{_ROLES[name]}" if name in _ROLES else name

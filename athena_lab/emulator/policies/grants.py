"""GRANT and REVOKE of roles on datasets, tables and views.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-control-language
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlglot
from sqlglot.errors import SqlglotError

from athena_lab.emulator.catalog import Catalog, Change, State, Table
from athena_lab.emulator.faults import invalid_query, unsupported
from athena_lab.emulator.policies.authorization import ACCESS, access_of, check_access_list
from athena_lab.emulator.policies.model import IAM_POLICY, check_members
from athena_lab.emulator.policies.roles import BASIC, SET_POLICY, UPDATE_DATASET
from athena_lab.emulator.policies.statements import Reader, table_node
from athena_lab.emulator.sql.references import Namespace, References

_LOOKS = re.compile(r"(?is)\b(GRANT|REVOKE)\s+`?roles/")
_KEYS = {"user": "userByEmail", "serviceAccount": "userByEmail", "group": "groupByEmail", "domain": "domain"}


@dataclass(frozen=True, slots=True)
class Grant:
    """Roles for people on one thing, to be given or taken away."""

    roles: tuple[str, ...]
    kind: str
    name: str
    members: tuple[str, ...]
    is_revoke: bool

    @property
    def statement_type(self) -> str:
        return "REVOKE" if self.is_revoke else "GRANT"


def read_grant(text: str) -> Grant | None:
    """Read a GRANT or REVOKE of roles; None for any other statement."""
    if not _LOOKS.search(text):
        return None
    try:
        reader = Reader(text, sqlglot.tokenize(text, read="bigquery"))
    except SqlglotError:
        return None  # said by the parser, with its place
    is_revoke = reader.take("REVOKE")
    if not is_revoke and not reader.take("GRANT"):
        return None
    roles = [reader.name().strip("` \n")]
    while reader.take(","):
        roles.append(reader.name().strip("` \n"))
    reader.need("ON")
    kind = next((word for word in ("SCHEMA", "TABLE", "VIEW") if reader.take(word)), None)
    if kind is None:
        raise unsupported("GRANT or REVOKE on anything but a SCHEMA, TABLE or VIEW")
    name = reader.name()
    reader.need("FROM" if is_revoke else "TO")
    made = Grant(tuple(roles), kind, name, check_members(reader.strings()), is_revoke)
    reader.end()
    return made


def plan_grant(catalog: Catalog, space: Namespace, grant: Grant) -> Callable[[], None]:
    """Refuse what is wrong or not the principal's to do; give what does it."""
    if any(not role.startswith("roles/") for role in grant.roles):
        raise invalid_query(f"Invalid role: {', '.join(grant.roles)}.")
    if grant.kind == "SCHEMA":
        name = _dataset_name(space, grant.name)
        space.require(UPDATE_DATASET, name)
        catalog.dataset(name)
        return lambda: _change_dataset(catalog, name, grant)
    references = References(space)
    key = references.name_of(table_node(grant.name))
    space.require(SET_POLICY, *key)
    table = references.lookup(table_node(grant.name))
    return lambda: _change_table(catalog, table, grant)


def _dataset_name(space: Namespace, text: str) -> str:
    parts = [part for part in text.replace("`", "").strip().split(".") if part]
    if len(parts) > 1 and ".".join(parts[:-1]) != space.project:
        raise invalid_query(f"Access Denied: this warehouse has only the project {space.project}.")
    return parts[-1]


def _change_dataset(catalog: Catalog, name: str, grant: Grant) -> None:
    resource = catalog.dataset(name)
    entries = access_of(resource)
    wanted = [{"role": BASIC.get(role, role), **_named(member)} for role in grant.roles for member in grant.members]
    kept = [entry for entry in entries if entry not in wanted]
    made = kept if grant.is_revoke else kept + wanted
    catalog.put_dataset(name, {**resource, ACCESS: check_access_list(made)}, must_be_new=False)


def _named(member: str) -> dict[str, Any]:
    kind, _, who = member.partition(":")
    if member in ("allUsers", "allAuthenticatedUsers"):
        return {"specialGroup": "allAuthenticatedUsers"}
    return {_KEYS[kind]: who} if kind in _KEYS and who else {"iamMember": member}


def _change_table(catalog: Catalog, table: Table, grant: Grant) -> None:
    policy: Mapping[str, Any] = table.resource.get(IAM_POLICY) or {}
    bindings = [dict(item) for item in policy.get("bindings") or ()]
    for role in grant.roles:
        bindings = _bound(bindings, role, grant.members, is_revoke=grant.is_revoke)
    resource = {**table.resource, IAM_POLICY: {**policy, "bindings": bindings}}

    def work(cursor: Any, state: State, change: Change) -> None:
        del cursor, state
        change.based_on[table.key] = table
        change.tables.append(replace(table, resource=resource))

    catalog.transact(work)


def _bound(
    bindings: list[dict[str, Any]], role: str, members: Iterable[str], *, is_revoke: bool
) -> list[dict[str, Any]]:
    plain = [item for item in bindings if item["role"] == role and not item.get("condition")]
    others = [item for item in bindings if item not in plain]
    present = [member for item in plain for member in item.get("members") or ()]
    kept = [member for member in dict.fromkeys(present) if member not in set(members)]
    made = kept if is_revoke else [*kept, *members]
    return others + ([{"role": role, "members": made}] if made else [])

"""Data policies and row access policies as they are kept, and to whom they apply.

An administrator is whoever comes with a token of the purpose "platform" or of the group "admins"
(and anybody under `--trust-anonymous`): administrators define policies and see every column raw;
row access policies bind them like everybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from athena_lab.emulator.access import LOCAL_DOMAIN, Principal
from athena_lab.emulator.catalog import State, Table
from athena_lab.emulator.faults import BigQueryError, invalid_query
from athena_lab.emulator.types import Field, googlesql_type

RAW, MASKING = "RAW_DATA_ACCESS_POLICY", "DATA_MASKING_POLICY"
PRECEDENCE = (
    "RANDOM_HASH", "SHA256", "EMAIL_MASK", "LAST_FOUR_CHARACTERS", "FIRST_FOUR_CHARACTERS", "DATE_YEAR_MASK",
    "DEFAULT_MASKING_VALUE", "ALWAYS_NULL",
)  # fmt: skip
"""Of several masks that apply the first one wins, as in BigQuery."""
ROW_POLICIES = "athenaRowAccessPolicies"
IAM_POLICY = "athenaIamPolicy"
HIDDEN = (ROW_POLICIES, IAM_POLICY)
"""Keys of a table's (or dataset's) own resource that the API neither shows nor takes with it."""
MOST_ON_A_COLUMN = 8
_ID = re.compile(r"[A-Za-z0-9_]{1,255}")
_MEMBER = re.compile(r"(user|group|serviceAccount|domain):\S+|principal(Set)?://\S+|allAuthenticatedUsers|allUsers")


@dataclass(frozen=True, slots=True)
class DataPolicy:
    """What its grantees see of a column: the raw value, or a mask of it."""

    name: str
    kind: str = RAW
    mask: str | None = None
    grantees: tuple[str, ...] = ()
    routine: tuple[str, str] | None = None
    """The masking routine (dataset, name) that masks instead of an expression of BigQuery's own."""

    def to_json(self) -> dict[str, Any]:
        """Give what is kept."""
        made = {"name": self.name, "kind": self.kind, "mask": self.mask, "grantees": list(self.grantees)}
        return made | ({"routine": list(self.routine)} if self.routine is not None else {})


@dataclass(frozen=True, slots=True)
class RowPolicy:
    """Which rows its grantees see."""

    name: str
    grantees: tuple[str, ...]
    condition: str

    def to_json(self) -> dict[str, Any]:
        """Give what is kept."""
        return {"name": self.name, "grantees": list(self.grantees), "condition": self.condition}


def data_policy(resource: Mapping[str, Any]) -> DataPolicy:
    """Read what was kept."""
    routine = resource.get("routine")
    return DataPolicy(
        resource["name"], resource["kind"], resource["mask"], tuple(resource["grantees"]),
        None if routine is None else (routine[0], routine[1]),
    )  # fmt: skip


def row_policies(table: Table) -> tuple[RowPolicy, ...]:
    """Give a table's row access policies."""
    kept = table.resource.get(ROW_POLICIES) or ()
    return tuple(RowPolicy(item["name"], tuple(item["grantees"]), item["condition"]) for item in kept)


def find_policy(state: State, name: str) -> DataPolicy | None:
    """Give a data policy by its id."""
    found = state.policies.get(name)
    return None if found is None else data_policy(found)


def policy_id(name: str, project: str) -> str:
    """Give the id within `projects/P/locations/L/dataPolicies/I` or `P.region-L.I`; refuse other projects."""
    parts = [part for part in re.split(r"[/.]", name.strip("`")) if part]
    if "/" in name:
        parts = parts[1::2]
    if not parts or not _ID.fullmatch(parts[-1]) or len(parts) > 3:
        raise invalid_query(f'Invalid data policy name "{name}".')
    if len(parts) == 3 and parts[0] != project:
        raise BigQueryError("accessDenied", f"Access Denied: Project {parts[0]}: this warehouse has only {project}.")
    return parts[-1]


def policy_ids(column: Field, project: str) -> tuple[str, ...]:
    """Give the ids of the data policies of a column."""
    return tuple(policy_id(str(item.get("name", "")), project) for item in column.extras.get("dataPolicies") or ())


def check_members(members: Iterable[str]) -> tuple[str, ...]:
    """Refuse what names nobody."""
    found = tuple(members)
    for member in found:
        if not _MEMBER.fullmatch(member):
            raise invalid_query(f"Invalid grantee: {member}.")
    return found


def is_member(principal: Principal, members: Iterable[str]) -> bool:
    """Tell whether any of `members` means the principal."""
    users = {principal.user, principal.email}
    groups = {*principal.groups, *(f"{group}@{LOCAL_DOMAIN}" for group in principal.groups)}
    known = {"allAuthenticatedUsers", "allUsers", f"domain:{principal.email.rpartition('@')[2]}"}
    known |= {f"{kind}:{user}" for kind in ("user", "serviceAccount") for user in users}
    known |= {f"principal://goog/subject/{user}" for user in users}
    known |= {f"principal://iam.googleapis.com/projects/-/serviceAccounts/{user}" for user in users}
    known |= {f"group:{group}" for group in groups} | {f"principalSet://goog/group/{group}" for group in groups}
    known |= {"principalSet://goog/public:all"}
    return any(member in known for member in members)


def require_administrator(principal: Principal, what: str) -> None:
    """Refuse anybody but an administrator."""
    if not principal.is_administrator:
        raise BigQueryError("accessDenied", f"Access Denied: User does not have permission to {what}.")


def check_assignment(state: State, project: str, fields: Iterable[Field], resource: Mapping[str, Any]) -> None:
    """Refuse columns with data policies that are not there, do not fit the type, or cannot be masked."""
    partitionings = (resource.get(key) or {} for key in ("timePartitioning", "rangePartitioning"))
    structural = {str(item.get("field") or "").lower() for item in partitionings}
    structural |= {name.lower() for name in (resource.get("clustering") or {}).get("fields") or ()}
    for path, item in leaves_of(fields):
        ids = policy_ids(item, project)
        if ids and path in structural:
            raise BigQueryError("invalid", f"Data policies on the partitioning or clustering column {item.name}.")
        if ids and item.extras.get("policyTags", {}).get("names"):
            raise BigQueryError("invalid", f"Column {path} cannot have both policy tags and data policies.")
        if len(ids) > MOST_ON_A_COLUMN:
            raise BigQueryError("invalid", f"Column {path} has more than {MOST_ON_A_COLUMN} data policies.")
        for name in ids:
            _check_one(state, item, name)


def leaves_of(fields: Iterable[Field], prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Give every column and every field within, each with its lower-case path."""
    for item in fields:
        path = f"{prefix}{item.name.lower()}"
        yield path, item
        yield from leaves_of(item.fields, f"{path}.")


_NEEDS = {
    "SHA256": ("STRING", "BYTES"), "RANDOM_HASH": ("STRING", "BYTES"), "EMAIL_MASK": ("STRING",),
    "LAST_FOUR_CHARACTERS": ("STRING",), "FIRST_FOUR_CHARACTERS": ("STRING",),
    "DATE_YEAR_MASK": ("DATE", "DATETIME", "TIMESTAMP"),
}  # fmt: skip


def fits(mask: str, column: Field) -> bool:
    """Tell whether a mask can be applied to a column's type."""
    return mask not in _NEEDS or (not column.is_repeated and column.type in _NEEDS[mask])


def _check_one(state: State, column: Field, name: str) -> None:
    found = find_policy(state, name)
    if found is None:
        raise BigQueryError("notFound", f"Not found: Data policy {name}")
    if found.routine is not None:
        takes = state.routines.get(found.routine, {}).get("arguments") or [{}]
        if (takes[0].get("dataType") or {}).get("typeKind") != googlesql_type(column):
            raise BigQueryError("invalid", f"The masking routine of {name} does not take column {column.name}'s type.")
    if found.mask is not None and not fits(found.mask, column):
        where = f"column {column.name} of type {column.type}"
        raise BigQueryError("invalid", f"Masking expression {found.mask} cannot be applied to {where}.")

"""Who may do what with a dataset or a table: the lists of the dataset, the IAM policy of the table.

Administrators may do everything. Everybody else with a token is a member of the one project: the special
groups projectReaders and projectWriters of a dataset mean all of them, projectOwners the administrators.
A grant with a condition grants nothing: conditions are not evaluated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import State, Table
from athena_lab.emulator.confinement import may_write, outside, place_text
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.policies.model import IAM_POLICY, is_member
from athena_lab.emulator.policies.roles import (
    ALL,
    BASIC,
    CREATE_TABLE,
    GET_DATA,
    GET_DATASET,
    GET_ROUTINE,
    READS,
    permitted_by,
)

ACCESS = "access"
Part = tuple[str, str, str]
"""What reads on behalf of its readers: "view" or "routine", dataset, name."""
_EVERYBODY = frozenset({"projectReaders", "projectWriters", "allAuthenticatedUsers"})
_ADMINISTRATORS = {"role": "OWNER", "specialGroup": "projectOwners"}
_BY_PROJECT: tuple[dict[str, Any], ...] = (
    {"role": "WRITER", "specialGroup": "projectWriters"},
    _ADMINISTRATORS,
    {"role": "READER", "specialGroup": "projectReaders"},
)


def default_access(creator: Principal) -> list[dict[str, Any]]:
    """Give the list of a dataset that is made without one.

    A rehearsal's is its owner's alone: it holds copies of tables that others may not read.
    """
    entries = _BY_PROJECT if creator.scratch is None else (_ADMINISTRATORS,)
    return [*map(dict, entries), {"role": "OWNER", "userByEmail": creator.email}]


def check_access_list(entries: Any) -> list[dict[str, Any]]:
    """Refuse a list that says nothing sensible; give it with the names that BigQuery gives to basic roles."""
    found = []
    for entry in entries if isinstance(entries, list) else [None]:
        if not isinstance(entry, dict) or sum(key in entry for key in _GRANTEES) != 1:
            raise BigQueryError("invalid", "Each access entry names exactly one of " + ", ".join(_GRANTEES) + ".")
        if not entry.get("role") and not any(key in entry for key in _READERS):
            raise BigQueryError("invalid", "An access entry for people names a role.")
        found.append({**entry, "role": BASIC.get(entry["role"], entry["role"])} if entry.get("role") else dict(entry))
    return found


def access_of(resource: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give a dataset's list; of one that was made before lists were kept, everybody is an owner."""
    kept = resource.get(ACCESS)
    return list(kept) if kept is not None else [*map(dict, _BY_PROJECT), {"role": "OWNER", "specialGroup": _ALL_USERS}]


_READERS = ("view", "routine", "dataset")
_GRANTEES = ("userByEmail", "groupByEmail", "domain", "specialGroup", "iamMember", *_READERS)
_ALL_USERS = "allAuthenticatedUsers"


@dataclass(frozen=True, slots=True)
class Authorization:
    """What one principal may do; every refusal is in BigQuery's words."""

    project: str
    principal: Principal
    committed: State | None = None
    """What everybody sees: in a transaction a table's own list binds as it is now, too."""

    def may(self, state: State, permission: str, dataset: str, table: str | None = None) -> bool:
        """Tell whether something is permitted; with a dataset that does not exist everything is, but to a rehearsal."""
        resource = state.datasets.get(dataset)
        if self._is_outside(permission, dataset, resource):
            return False
        if self.principal.is_administrator or resource is None or resource.get("isHidden"):
            return True
        if any(permission in permitted_by(role) for role in self._roles_of(resource)):
            return True
        if table is None:
            return False
        known = (item.tables.get((dataset, table)) for item in (state, self.committed) if item is not None)
        found = [item for item in known if item is not None]
        return bool(found) and all(
            any(permission in permitted_by(role) for role in self._roles_on(item)) for item in found
        )

    def require(self, state: State, permission: str, dataset: str, table: str | None = None) -> None:
        """Refuse what is not permitted."""
        if self._is_outside(permission, dataset, state.datasets.get(dataset)):
            raise outside(self.principal, place_text(self.project, dataset, table))
        if not self.may(state, permission, dataset, table):
            kind = "Dataset" if table is None or permission == CREATE_TABLE else "Table"
            name = f"{self.project}:{dataset}" + (f".{table}" if kind == "Table" else "")
            raise BigQueryError(
                "accessDenied",
                f"Access Denied: {kind} {name}: Permission {permission} denied on {kind.lower()} {name} "
                "(or it may not exist).",
            )

    def require_query(self, state: State, dataset: str, table: str, reader: Part | None = None) -> None:
        """Refuse to query a table that neither the principal nor the view or routine he goes through may read."""
        if self.may(state, GET_DATA, dataset, table) or (reader is not None and is_authorized(state, dataset, reader)):
            return
        name = f"{self.project}:{dataset}.{table}"
        raise BigQueryError(
            "accessDenied",
            f"Access Denied: Table {name}: User does not have permission to query table {name}, "
            "or perhaps it does not exist.",
        )

    def require_routine(self, state: State, dataset: str, reader: Part | None = None) -> None:
        """Refuse to call the routines of a dataset, but within a view or routine that the dataset authorizes."""
        if reader is None or not is_authorized(state, dataset, reader):
            self.require(state, GET_ROUTINE, dataset)

    def permissions(self, state: State, dataset: str, table: str) -> frozenset[str]:
        """Give everything that is permitted with a table."""
        return frozenset(name for name in ALL if self.may(state, name, dataset, table))

    def visible(self, state: State) -> State:
        """Give the part of a state whose datasets the principal may know of."""
        names = {name for name in state.datasets if self.may(state, GET_DATASET, name)}
        return replace(
            state,
            datasets={name: item for name, item in state.datasets.items() if name in names},
            tables={key: item for key, item in state.tables.items() if key[0] in names},
            routines={key: item for key, item in state.routines.items() if key[0] in names},
        )

    def _is_outside(self, permission: str, dataset: str, resource: Mapping[str, Any] | None) -> bool:
        return permission not in READS and not may_write(self.principal, dataset, resource)

    def _roles_of(self, resource: Mapping[str, Any]) -> Iterator[str]:
        for entry in access_of(resource):
            if entry.get("role") and not entry.get("condition") and self._is_meant(entry):
                yield str(entry["role"])

    def _roles_on(self, table: Table) -> Iterator[str]:
        for binding in (table.resource.get(IAM_POLICY) or {}).get("bindings") or ():
            if not binding.get("condition") and is_member(self.principal, binding.get("members") or ()):
                yield str(binding["role"])

    def _is_meant(self, entry: Mapping[str, Any]) -> bool:
        members = []
        if entry.get("specialGroup") in _EVERYBODY:
            return True
        if entry.get("userByEmail"):
            members.append(f"user:{entry['userByEmail']}")
        if entry.get("groupByEmail"):
            members.append(f"group:{entry['groupByEmail']}")
        if entry.get("domain"):
            members.append(f"domain:{entry['domain']}")
        if entry.get("iamMember"):
            members.append(str(entry["iamMember"]))
        return is_member(self.principal, members)


def is_authorized(state: State, dataset: str, reader: Part) -> bool:
    """Tell whether a dataset lets a view or routine read its tables, by itself or with all of its dataset's views."""
    kind, owner, name = reader
    resource = state.datasets.get(dataset) or {}
    for entry in access_of(resource):
        named = entry.get(kind) or {}
        if (named.get("datasetId"), named.get("tableId" if kind == "view" else "routineId")) == (owner, name):
            return True
        whole = entry.get("dataset") or {}
        if (whole.get("dataset") or {}).get("datasetId") == owner and _covers(whole, kind):
            return True
    return False


def _covers(entry: Mapping[str, Any], kind: str) -> bool:
    wanted = {"view": "VIEWS", "routine": "ROUTINES"}[kind]
    return wanted in (entry.get("targetTypes") or ("VIEWS",))

"""Changes of policies, from wherever they are asked for: DDL or the REST API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import Catalog, Change, State, Table
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.policies.masking_routines import require_routine
from athena_lab.emulator.policies.model import (
    MASKING,
    PRECEDENCE,
    RAW,
    ROW_POLICIES,
    DataPolicy,
    RowPolicy,
    check_assignment,
    check_members,
    find_policy,
    leaves_of,
    policy_ids,
    require_administrator,
    row_policies,
)
from athena_lab.emulator.types import Field, schema_json


def check_policy(state: State, policy: DataPolicy) -> DataPolicy:
    """Refuse a data policy that says nothing sensible."""
    if policy.kind not in (RAW, MASKING):
        raise BigQueryError("invalid", f"Invalid data policy type: {policy.kind}.")
    if policy.routine is not None:
        require_routine(state, policy.routine)
    if policy.kind == MASKING and (policy.mask is None) == (policy.routine is None):
        raise BigQueryError("invalid", "A data masking policy needs a masking expression.")
    if policy.kind == RAW and (policy.mask is not None or policy.routine is not None):
        raise BigQueryError("invalid", "A raw data access policy has no masking expression.")
    if policy.mask is not None and policy.mask not in PRECEDENCE:
        raise BigQueryError("invalid", f"Invalid masking expression: {policy.mask}.")
    check_members(policy.grantees)
    return policy


def put_policy(catalog: Catalog, principal: Principal, policy: DataPolicy, *, is_replace: bool = False) -> None:
    """Make or replace a data policy; its type stays, and so do its grantees when it is replaced without any."""
    require_administrator(principal, "create data policies")
    existing = find_policy(catalog.state, policy.name)
    if existing is not None:
        if not is_replace:
            raise BigQueryError("duplicate", f"Already Exists: Data policy {policy.name}")
        if existing.kind != policy.kind:
            raise BigQueryError("invalid", f"The type of the data policy {policy.name} cannot be changed.")
        policy = replace(policy, grantees=policy.grantees or existing.grantees)
    catalog.put_policy(policy.name, check_policy(catalog.state, policy).to_json())


def require_policy(catalog: Catalog, name: str) -> DataPolicy:
    """Give a data policy, or refuse with notFound."""
    found = find_policy(catalog.state, name)
    if found is None:
        raise BigQueryError("notFound", f"Not found: Data policy {name}")
    return found


def drop_policy(catalog: Catalog, principal: Principal, name: str, *, if_exists: bool = False) -> None:
    """Drop a data policy; a column that has it still is then closed to all but administrators."""
    require_administrator(principal, "delete data policies")
    if find_policy(catalog.state, name) is None and if_exists:
        return
    require_policy(catalog, name)
    catalog.put_policy(name, None)


def grant(catalog: Catalog, principal: Principal, name: str, members: Sequence[str], *, is_revoke: bool) -> DataPolicy:
    """Add grantees to a data policy, or take some away."""
    require_administrator(principal, "grant or revoke access to data policies")
    found = require_policy(catalog, name)
    check_members(members)
    kept = [member for member in found.grantees if member not in members]
    made = replace(found, grantees=tuple(kept) if is_revoke else (*kept, *members))
    catalog.put_policy(name, made.to_json())
    return made


def refuse_unassigning(principal: Principal, project: str, before: Sequence[Field], after: Sequence[Field]) -> None:
    """Refuse to anybody but administrators to change the data policies of columns that exist."""
    assigned = {path: set(policy_ids(item, project)) for path, item in leaves_of(after)}
    for path, item in leaves_of(before):
        ids = set(policy_ids(item, project))
        if ids != assigned.get(path, ids):
            require_administrator(principal, f"change the data policies of column {path}")


def assign(
    catalog: Catalog, principal: Principal, table: Table, column: str, names: Sequence[str], *, adds: bool
) -> None:
    """Set a column's data policies, or add to them."""
    require_administrator(principal, "attach or detach data policies")
    state = catalog.state
    found = next((item for path, item in leaves_of(table.fields) if path == column.lower()), None)
    if found is None:
        raise BigQueryError("invalidQuery", f"Column not found: {column}", "query")
    present = policy_ids(found, catalog.project) if adds else ()
    wanted = dict.fromkeys([*present, *names])
    extras = {key: value for key, value in found.extras.items() if key != "dataPolicies"}
    if wanted:
        extras["dataPolicies"] = [{"name": full_name(catalog, name)} for name in wanted]
    fields = _exchange(table.fields, found, replace(found, extras=extras))
    check_assignment(state, catalog.project, fields, table.resource)
    _redefine(catalog, table, replace(table, fields=fields, resource={**table.resource, "schema": schema_json(fields)}))


def _exchange(fields: tuple[Field, ...], before: Field, after: Field) -> tuple[Field, ...]:
    return tuple(
        after if item is before else replace(item, fields=_exchange(item.fields, before, after)) for item in fields
    )


def full_name(catalog: Catalog, name: str) -> str:
    """Give a data policy's resource name."""
    return f"projects/{catalog.project}/locations/{catalog.location.lower()}/dataPolicies/{name}"


def put_row_policy(
    catalog: Catalog, principal: Principal, table: Table, policy: RowPolicy, *, is_replace: bool = False
) -> None:
    """Make or replace a row access policy."""
    require_administrator(principal, "create row access policies")
    if table.view is not None:
        raise BigQueryError("invalid", "Row access policies are for tables, not for views.")
    check_members(policy.grantees)
    present = row_policies(table)
    if any(item.name == policy.name for item in present) and not is_replace:
        raise BigQueryError("duplicate", f"Already Exists: Row access policy {policy.name}")
    _put_rows(catalog, table, [*(item for item in present if item.name != policy.name), policy])


def drop_row_policies(catalog: Catalog, principal: Principal, table: Table, name: str | None) -> None:
    """Drop one row access policy of a table, or all."""
    require_administrator(principal, "delete row access policies")
    present = row_policies(table)
    if name is not None and all(item.name != name for item in present):
        raise BigQueryError("notFound", f"Not found: Row access policy {name}")
    _put_rows(catalog, table, [item for item in present if name is not None and item.name != name])


def _put_rows(catalog: Catalog, table: Table, policies: Sequence[RowPolicy]) -> None:
    resource: dict[str, Any] = {key: value for key, value in table.resource.items() if key != ROW_POLICIES}
    if policies:
        resource[ROW_POLICIES] = [item.to_json() for item in policies]
    _redefine(catalog, table, replace(table, resource=resource))


def _redefine(catalog: Catalog, table: Table, made: Table) -> None:
    def work(cursor: Any, state: State, change: Change) -> None:
        del cursor, state
        change.based_on[table.key] = table
        change.tables.append(made)

    catalog.transact(work)

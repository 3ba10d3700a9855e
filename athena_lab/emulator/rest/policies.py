"""Policies: IAM policies of tables, row access policies, and the data policies of their own service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from athena_lab.emulator.catalog import Change, State, Table
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.policies import changes
from athena_lab.emulator.policies.filters import filter_sql
from athena_lab.emulator.policies.masking_routines import routine_key
from athena_lab.emulator.policies.model import (
    IAM_POLICY,
    MASKING,
    RAW,
    DataPolicy,
    RowPolicy,
    check_members,
    data_policy,
    find_policy,
    require_administrator,
    row_policies,
)
from athena_lab.emulator.policies.roles import GET_POLICY, GET_TABLE, SET_POLICY
from athena_lab.emulator.rest.call import Answer, AsyncHandler, Call, Handler, answer_call, guarded, route
from athena_lab.emulator.rest.pages import list_page
from athena_lab.emulator.rest.resources import etag_of
from athena_lab.emulator.select import space_for

# -- IAM policies of tables


def get_iam(call: Call) -> Answer:
    """Give a table's IAM policy."""
    return _iam(_table(call))


def set_iam(call: Call) -> Answer:
    """Replace a table's IAM policy; an etag must be that of the present one."""
    table = _table(call)
    policy = dict(call.body.get("policy") or {})
    given = policy.pop("etag", None)
    if given and given != _iam(table)["etag"]:
        raise BigQueryError("conditionNotMet", "Precondition check failed: the policy was changed meanwhile.")
    for binding in policy.get("bindings") or ():
        if not binding.get("role"):
            raise BigQueryError("invalid", "A binding of the policy names no role.")
        check_members(binding.get("members") or ())

    def work(cursor: Any, state: State, change: Change) -> None:
        del cursor, state
        change.based_on[table.key] = table
        change.tables.append(replace(table, resource={**table.resource, IAM_POLICY: policy}))

    call.warehouse.catalog.transact(work)
    return _iam(_table(call))


def test_iam(call: Call) -> Answer:
    """Tell which of the permissions the caller has; of a table that he may not know of, none."""
    allowed, state = call.warehouse.authorization(call.principal), call.warehouse.catalog.state
    dataset, table = call.path["dataset"], call.path["table"]
    if allowed.may(state, GET_TABLE, dataset, table):
        _table(call)
    asked = call.body.get("permissions") or []
    is_free = call.principal.is_administrator and call.principal.scratch is None
    return {"permissions": [name for name in asked if is_free or allowed.may(state, name, dataset, table)]}


def _table(call: Call) -> Table:
    return call.warehouse.catalog.table(call.path["dataset"], call.path["table"])


def _iam(table: Table) -> dict[str, Any]:
    policy = {"version": 1, "bindings": [], **table.resource.get(IAM_POLICY, {})}
    return {**policy, "etag": etag_of(policy)}


# -- row access policies


def list_rows(call: Call) -> Answer:
    """List a table's row access policies, for administrators."""
    require_administrator(call.principal, "list row access policies")
    items = [_row_json(call, item) for item in row_policies(_table(call))]
    return list_page(items, "rowAccessPolicies", call.query.get("pageToken"), call.integer("pageSize"))


def get_row(call: Call) -> Answer:
    """Give one row access policy, to administrators."""
    require_administrator(call.principal, "read row access policies")
    for item in row_policies(_table(call)):
        if item.name == call.path["policy"]:
            return _row_json(call, item)
    raise BigQueryError("notFound", f"Not found: Row access policy {call.path['policy']}")


def insert_row(call: Call) -> Answer:
    """Make a row access policy."""
    name = str((call.body.get("rowAccessPolicyReference") or {}).get("policyId", ""))
    return _put_row(call, name, is_replace=False)


def update_row(call: Call) -> Answer:
    """Replace a row access policy."""
    get_row(call)
    return _put_row(call, call.path["policy"], is_replace=True)


def delete_row(call: Call) -> Answer:
    """Drop a row access policy."""
    changes.drop_row_policies(call.warehouse.catalog, call.principal, _table(call), call.path["policy"])
    return None


def _put_row(call: Call, name: str, *, is_replace: bool) -> Answer:
    if not name:
        raise BigQueryError("invalid", "The row access policy has no policyId.")
    require_administrator(call.principal, "create row access policies")
    table = _table(call)
    condition = str(call.body.get("filterPredicate") or "")
    filter_sql(space_for(call.warehouse, call.principal, {}), table, condition)
    made = RowPolicy(name, tuple(call.body.get("grantees") or ()), condition)
    changes.put_row_policy(call.warehouse.catalog, call.principal, table, made, is_replace=is_replace)
    return _row_json(call, made)


def _row_json(call: Call, policy: RowPolicy) -> dict[str, Any]:
    made = {
        "rowAccessPolicyReference": {
            "projectId": call.warehouse.project, "datasetId": call.path["dataset"], "tableId": call.path["table"],
            "policyId": policy.name,
        },
        "filterPredicate": policy.condition,
        "grantees": list(policy.grantees),
    }  # fmt: skip
    return {**made, "etag": etag_of(made)}


# -- data policies (https://cloud.google.com/bigquery/docs/reference/bigquerydatapolicy/rest)


def create_data(call: Call) -> Answer:
    """Make a data policy."""
    name = str(call.body.get("dataPolicyId") or "")
    made = _read(call, name, call.body.get("dataPolicy") or {})
    changes.put_policy(call.warehouse.catalog, call.principal, made)
    return _data_json(call, made)


def list_data(call: Call) -> Answer:
    """List the data policies, for administrators."""
    require_administrator(call.principal, "list data policies")
    items = [_data_json(call, data_policy(item)) for _, item in sorted(call.warehouse.catalog.state.policies.items())]
    return list_page(items, "dataPolicies", call.query.get("pageToken"), call.integer("pageSize"))


def get_data(call: Call) -> Answer:
    """Give a data policy, to administrators."""
    require_administrator(call.principal, "read data policies")
    return _data_json(call, changes.require_policy(call.warehouse.catalog, call.path["policy"]))


def patch_data(call: Call) -> Answer:
    """Change a data policy's mask or grantees; make it with allowMissing."""
    catalog, name = call.warehouse.catalog, call.path["policy"]
    require_administrator(call.principal, "change data policies")
    present = find_policy(catalog.state, name)
    if present is None and not call.flag("allowMissing"):
        raise BigQueryError("notFound", f"Not found: Data policy {name}")
    merged = {**(_data_json(call, present) if present is not None else {}), **call.body}
    made = _read(call, name, merged)
    changes.put_policy(catalog, call.principal, made, is_replace=True)
    return _data_json(call, made)


def delete_data(call: Call) -> Answer:
    """Drop a data policy."""
    changes.drop_policy(call.warehouse.catalog, call.principal, call.path["policy"])
    return {}


def add_grantees(call: Call) -> Answer:
    """Grant fine-grained read."""
    return _grant(call, is_revoke=False)


def remove_grantees(call: Call) -> Answer:
    """Revoke fine-grained read."""
    return _grant(call, is_revoke=True)


def _grant(call: Call, *, is_revoke: bool) -> Answer:
    members = [str(item) for item in call.body.get("grantees") or ()]
    catalog, name = call.warehouse.catalog, call.path["policy"]
    return _data_json(call, changes.grant(catalog, call.principal, name, members, is_revoke=is_revoke))


def _read(call: Call, name: str, body: dict[str, Any]) -> DataPolicy:
    kind = str(body.get("dataPolicyType") or (MASKING if body.get("dataMaskingPolicy") else RAW))
    masking = body.get("dataMaskingPolicy") or {}
    named = masking.get("routine")
    routine = None if not named else routine_key(str(named), call.warehouse.project)
    made = DataPolicy(name, kind, masking.get("predefinedExpression"), tuple(body.get("grantees") or ()), routine)
    return changes.check_policy(call.warehouse.catalog.state, made)


def _data_json(call: Call, policy: DataPolicy) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": changes.full_name(call.warehouse.catalog, policy.name),
        "dataPolicyId": policy.name,
        "dataPolicyType": policy.kind,
        "version": "V2",
        "grantees": list(policy.grantees),
    }
    if policy.mask is not None:
        made["dataMaskingPolicy"] = {"predefinedExpression": policy.mask}
    if policy.routine is not None:
        dataset, name = policy.routine
        made["dataMaskingPolicy"] = {"routine": f"projects/{call.warehouse.project}/datasets/{dataset}/routines/{name}"}
    return {**made, "etag": etag_of(made)}


def _data_route(path: str, method: str, handler: Handler | AsyncHandler) -> Route:
    async def endpoint(request: Request) -> Response:
        return await guarded(request, lambda: answer_call(request, handler))

    base = "/v2/projects/{project}/locations/{location}/dataPolicies"
    return Route(f"{base}{path}", endpoint, methods=[method])


_TABLE = "/datasets/{dataset}/tables/{table}"
ROUTES = (
    route(f"{_TABLE}:getIamPolicy", "POST", get_iam, GET_POLICY),
    route(f"{_TABLE}:setIamPolicy", "POST", set_iam, SET_POLICY),
    route(f"{_TABLE}:testIamPermissions", "POST", test_iam),
    route(f"{_TABLE}/rowAccessPolicies", "GET", list_rows),
    route(f"{_TABLE}/rowAccessPolicies", "POST", insert_row),
    route(f"{_TABLE}/rowAccessPolicies/{{policy}}", "GET", get_row),
    route(f"{_TABLE}/rowAccessPolicies/{{policy}}", "PUT", update_row),
    route(f"{_TABLE}/rowAccessPolicies/{{policy}}", "DELETE", delete_row),
    _data_route("", "POST", create_data),
    _data_route("", "GET", list_data),
    _data_route("/{policy}:addGrantees", "POST", add_grantees),
    _data_route("/{policy}:removeGrantees", "POST", remove_grantees),
    _data_route("/{policy}", "GET", get_data),
    _data_route("/{policy}", "PATCH", patch_data),
    _data_route("/{policy}", "DELETE", delete_data),
)

"""Routines: insert, get, list, update, delete."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from athena_lab.emulator.catalog import now_ms
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.policies.masking_routines import hide_body, refuse_governed
from athena_lab.emulator.policies.roles import (
    CREATE_ROUTINE,
    DELETE_ROUTINE,
    GET_ROUTINE,
    LIST_ROUTINES,
    UPDATE_ROUTINE,
)
from athena_lab.emulator.rest.call import Answer, Call, route
from athena_lab.emulator.rest.pages import list_page
from athena_lab.emulator.rest.resources import check_etag, etag_of
from athena_lab.emulator.routines import routine_not_found

_DERIVED = ("kind", "etag", "routineReference", "creationTime", "lastModifiedTime")
_KINDS = ("SCALAR_FUNCTION", "PROCEDURE", "TABLE_VALUED_FUNCTION")
_NAME = re.compile(r"[A-Za-z0-9_]{1,256}")


def insert(call: Call) -> Answer:
    """Make a routine."""
    dataset = call.path["dataset"]
    name = str((call.body.get("routineReference") or {}).get("routineId", ""))
    if not _NAME.fullmatch(name):
        raise BigQueryError("invalid", f'Invalid routine ID "{name}".')
    call.warehouse.catalog.dataset(dataset)
    if (dataset, name) in call.warehouse.catalog.state.routines:
        raise BigQueryError("duplicate", f"Already Exists: Routine {call.warehouse.project}:{dataset}.{name}")
    return _put(call, name, call.body, now_ms())


def get(call: Call) -> Answer:
    """Give a routine."""
    made = _json(call, call.path["routine"], _find(call))
    mask = call.several("readMask")
    return {key: value for key, value in made.items() if not mask or key in mask or key in ("etag", "routineReference")}


def list_(call: Call) -> Answer:
    """List a dataset's routines: of one type with `filter`, with the fields that `readMask` names."""
    dataset = call.path["dataset"]
    call.warehouse.catalog.dataset(dataset)
    mask = call.several("readMask") or ("routineType", "language", "creationTime", "lastModifiedTime")
    kept = ("etag", "routineReference", *mask)
    wanted = _wanted_type(call.query.get("filter", ""))
    found = sorted(item for item in call.warehouse.catalog.state.routines.items() if item[0][0] == dataset)
    items = []
    for (_, name), resource in found:
        if wanted and resource.get("routineType") != wanted:
            continue
        made = _json(call, name, resource)
        items.append({key: made[key] for key in kept if key in made})
    page = list_page(items, "routines", call.query.get("pageToken"), call.integer("maxResults"))
    return {"kind": "bigquery#listRoutinesResponse", **page}


def _wanted_type(text: str) -> str | None:
    """Read the filter `routineType:TYPE`, the only one that there is."""
    if not text.strip():
        return None
    key, _, value = (part.strip() for part in text.replace("=", ":").partition(":"))
    if key != "routineType" or value not in _KINDS:
        raise BigQueryError("invalid", "The filter of routines must be routineType:TYPE.", "filter")
    return value


def update(call: Call) -> Answer:
    """Change what the body names; NULL takes away (the client sends only what changes)."""
    present = _find(call)
    check_etag(call.headers, _json(call, call.path["routine"], present))
    return _put(call, call.path["routine"], {**present, **call.body}, int(present.get("creationTime", 0)))


def delete(call: Call) -> Answer:
    """Drop a routine."""
    refuse_governed(call.principal, _find(call))
    call.warehouse.catalog.put_routine(call.path["dataset"], call.path["routine"], None)
    return None


def _put(call: Call, name: str, body: Mapping[str, Any], created: int) -> Answer:
    resource = {key: value for key, value in body.items() if key not in _DERIVED and value is not None}
    present = call.warehouse.catalog.state.routines.get((call.path["dataset"], name))
    refuse_governed(call.principal, resource, present)
    if resource.get("routineType") not in _KINDS:
        raise BigQueryError("invalid", f"Invalid routine type: {resource.get('routineType')}")
    if not resource.get("definitionBody"):
        raise BigQueryError("invalid", "A routine needs a definitionBody.")
    resource |= {"language": str(resource.get("language") or "SQL").upper()}
    resource |= {"creationTime": str(created), "lastModifiedTime": str(now_ms())}
    call.warehouse.catalog.put_routine(call.path["dataset"], name, resource)
    return _json(call, name, resource)


def _find(call: Call) -> Any:
    key = (call.path["dataset"], call.path["routine"])
    found = call.warehouse.catalog.state.routines.get(key)
    if found is None:
        raise routine_not_found(call.warehouse, key)
    return found


def _json(call: Call, name: str, resource: Any) -> dict[str, Any]:
    reference = {"projectId": call.warehouse.project, "datasetId": call.path["dataset"], "routineId": name}
    made = {"routineReference": reference, **hide_body(call.principal, resource)}
    return {**made, "etag": etag_of(made)}


ROUTES = (
    route("/datasets/{dataset}/routines", "POST", insert, CREATE_ROUTINE),
    route("/datasets/{dataset}/routines", "GET", list_, LIST_ROUTINES),
    route("/datasets/{dataset}/routines/{routine}", "GET", get, GET_ROUTINE),
    route("/datasets/{dataset}/routines/{routine}", "PUT", update, UPDATE_ROUTINE),
    route("/datasets/{dataset}/routines/{routine}", "DELETE", delete, DELETE_ROUTINE),
)

"""Datasets: insert, get, list, patch, update, delete."""

from __future__ import annotations

from typing import Any

from athena_lab.emulator.catalog import now_ms
from athena_lab.emulator.ddl import check_dataset_id
from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.policies.authorization import ACCESS, access_of, check_access_list, default_access
from athena_lab.emulator.policies.model import HIDDEN
from athena_lab.emulator.policies.roles import DELETE_DATASET, GET_DATASET, UPDATE_DATASET
from athena_lab.emulator.rest.call import Answer, Call, route
from athena_lab.emulator.rest.pages import list_page
from athena_lab.emulator.rest.resources import check_etag, dataset_json, patched
from athena_lab.emulator.sql.collations import refuse_collations

_DERIVED = (
    "kind", "id", "etag", "selfLink", "datasetReference", "type", "creationTime", "lastModifiedTime", "isHidden",
)  # fmt: skip


_OF_ACCESS = ("kind", "id", "etag", "selfLink", "datasetReference", "location", ACCESS)


def insert(call: Call) -> Answer:
    """Make a dataset."""
    name = check_dataset_id(str((call.body.get("datasetReference") or {}).get("datasetId", "")))
    moment = str(now_ms())
    access = check_access_list(call.body.get(ACCESS) or default_access(call.principal))
    resource = _kept(call.body) | {"creationTime": moment, "lastModifiedTime": moment, ACCESS: access}
    resource["location"] = call.warehouse.location
    call.warehouse.catalog.put_dataset(name, resource, must_be_new=True)
    return dataset_json(call.warehouse, name, resource)


def get(call: Call) -> Answer:
    """Give a dataset: all of it, or as `datasetView` says without its access list, or with little else."""
    name = call.path["dataset"]
    made = dataset_json(call.warehouse, name, call.warehouse.catalog.dataset(name))
    view = call.query.get("datasetView") or "FULL"
    if view not in ("DATASET_VIEW_UNSPECIFIED", "FULL", "METADATA", "ACL"):
        raise BigQueryError("invalid", f"Invalid value '{view}' for datasetView", "datasetView")
    if view == "METADATA":
        made.pop(ACCESS)
    return {key: made[key] for key in _OF_ACCESS if key in made} if view == "ACL" else made


def list_(call: Call) -> Answer:
    """List the datasets; `filter` is "labels.key[:value]", `all` lists those too whose names begin with "_"."""
    terms = [term for term in call.query.get("filter", "").split() if term.upper() != "AND"]
    if any(not term.startswith("labels.") for term in terms):
        raise BigQueryError("invalid", "The filter of datasets must be labels.KEY or labels.KEY:VALUE.", "filter")
    wanted = [term.removeprefix("labels.").partition(":") for term in terms]
    items: list[dict[str, Any]] = []
    state = call.warehouse.catalog.state
    for name, resource in sorted(call.warehouse.authorization(call.principal).visible(state).datasets.items()):
        if resource.get("isHidden") or (name.startswith("_") and not call.flag("all")):
            continue
        labels = resource.get("labels") or {}
        if all(key in labels and (not colon or labels[key] == value) for key, colon, value in wanted):
            made = dataset_json(call.warehouse, name, resource)
            items.append(
                {
                    key: made[key]
                    for key in ("kind", "id", "datasetReference", "location", "labels", "friendlyName")
                    if key in made
                }
            )
    page = list_page(items, "datasets", call.query.get("pageToken"), call.integer("maxResults"))
    return {"kind": "bigquery#datasetList", **page}


def patch(call: Call) -> Answer:
    """Change what the body names."""
    name = call.path["dataset"]
    present = call.warehouse.catalog.dataset(name)
    check_etag(call.headers, dataset_json(call.warehouse, name, present))
    return _replace(call, name, patched(present, _kept(call.body)))


def update(call: Call) -> Answer:
    """Replace everything with the body."""
    name = call.path["dataset"]
    present = call.warehouse.catalog.dataset(name)
    check_etag(call.headers, dataset_json(call.warehouse, name, present))
    hidden = {key: present[key] for key in HIDDEN if key in present}
    kept = {"creationTime": present.get("creationTime", "0"), ACCESS: access_of(present)}
    return _replace(call, name, kept | _kept(call.body) | hidden)


def delete(call: Call) -> Answer:
    """Drop a dataset, with its tables if asked."""
    call.warehouse.catalog.drop_dataset(call.path["dataset"], with_contents=call.flag("deleteContents"))
    return None


def _replace(call: Call, name: str, resource: dict[str, Any]) -> Answer:
    kept = patched({}, resource)
    kept[ACCESS] = check_access_list(kept.get(ACCESS) or access_of({}))
    kept |= {"lastModifiedTime": str(now_ms()), "location": call.warehouse.location}
    call.warehouse.catalog.put_dataset(name, kept, must_be_new=False)
    return dataset_json(call.warehouse, name, kept)


def _kept(body: Any) -> dict[str, Any]:
    refuse_collations(body)
    return {key: value for key, value in body.items() if key not in (*_DERIVED, *HIDDEN)}


ROUTES = (
    route("/datasets", "POST", insert),
    route("/datasets", "GET", list_),
    route("/datasets/{dataset}", "GET", get, GET_DATASET),
    route("/datasets/{dataset}", "PATCH", patch, UPDATE_DATASET),
    route("/datasets/{dataset}", "PUT", update, UPDATE_DATASET),
    route("/datasets/{dataset}", "DELETE", delete, DELETE_DATASET),
)

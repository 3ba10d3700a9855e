"""One case: its dataset, its setup, its query, and what came of it."""

from __future__ import annotations

import contextlib
import json
import re
import time
from dataclasses import dataclass, replace
from typing import Any

import httpx

from bench.conformance.comparing import differences
from bench.conformance.corpora import Case
from bench.conformance.reasons import out_of_scope
from bench.conformance.server import PROJECT, Rest, RestError

_PRINCIPAL, _OTHER, _GROUP = "user:ada@example.com", "user:bob@example.com", "group:readers@example.com"
_CALLER, _GROUPS = "X-Bqemu-Caller", "X-Bqemu-Groups"
_NAMED = {
    "GEOGRAPHY": re.compile(r"\b(ST|S2)_\w+|\bGEOGRAPHY\b"),
    "OBJ.*": re.compile(r"\bOBJ\.\w+"),
    "DLP": re.compile(r"\bDLP_\w+"),
    "KMS": re.compile(r"\bKEYS\.(NEW_WRAPPED_KEYSET|ROTATE_WRAPPED_KEYSET|REWRAP_KEYSET|KEYSET_CHAIN)\b"),
}
_KEYS = {
    "write_disposition": "writeDisposition",
    "create_disposition": "createDisposition",
    "use_query_cache": "useQueryCache",
    "priority": "priority",
    "schema_update_options": "schemaUpdateOptions",
    "create_session": "createSession",
}

_TOLD = ("schema", "total_bytes_processed", "job_metadata")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case: passed, mismatch, error or unsupported, and why."""

    case: Case
    verdict: str
    why: str = ""
    kind: str | None = None
    """Of a case that is out of scope and answers so: which of the four kinds it is."""
    is_schema_equal: bool | None = None
    is_size_equal: bool | None = None
    is_metadata_equal: bool | None = None
    seconds: float = 0.0


def run_case(rest: Rest, case: Case, number: int) -> Outcome:
    """Run a case in a dataset of its own, and remove the dataset."""
    dataset = f"c{number}"
    names = {
        "${DATASET}": f"{PROJECT}.{dataset}", "${DATASET_ID}": dataset, "${PROJECT}": PROJECT,
        "${GCS_BUCKET}": "conformance-bucket", "${PRINCIPAL}": _PRINCIPAL, "${OTHER_PRINCIPAL}": _OTHER,
        "${GROUP}": _GROUP,
    }  # fmt: skip
    begun = time.monotonic()
    rest.call("POST", "datasets", {"datasetReference": {"datasetId": dataset, "projectId": PROJECT}, "location": "US"})
    try:
        made = _run(rest, case, dataset, names)
    except httpx.HTTPError as error:
        made = Outcome(case, "error", f"no answer: {error!r}")
    finally:
        with contextlib.suppress(RestError, httpx.HTTPError):  # a case may have dropped it
            rest.call("DELETE", f"datasets/{dataset}?deleteContents=true")
    return replace(within_scope(made), seconds=time.monotonic() - begun)


def within_scope(made: Outcome) -> Outcome:
    """A case that is out of scope must say so, naming what is unsupported; else it is a mismatch."""
    kind = out_of_scope().get(made.case.key)
    if kind is None:
        return made
    if made.verdict == "unsupported" and _NAMED[kind].search(made.why):
        return replace(made, kind=kind)
    why = f"out of scope ({kind}), but it does not answer UnsupportedFeature naming it: {made.verdict} {made.why}"
    return Outcome(made.case, "mismatch", why, is_schema_equal=False, is_size_equal=False, is_metadata_equal=False)


def _run(rest: Rest, case: Case, dataset: str, names: dict[str, str]) -> Outcome:
    try:
        if case.setup.strip():
            rest.run(_query(_filled(case.setup, names), dataset), {}, {})
        for request in case.setup_rest:
            path, body = _filled(request["path"], names), json.loads(_filled(json.dumps(request.get("body")), names))
            rest.call(request["method"], path, body)
    except RestError as error:
        return Outcome(case, _refused(error), f"setup: {error}", None, *_missed(case))
    try:
        found = rest.run(*_configuration(case, dataset, names), _headers(rest, case, names))
    except RestError as error:
        return _of_refusal(case, error)
    return _of_answer(case, found)


def _of_refusal(case: Case, error: RestError) -> Outcome:
    wanted = case.expected.get("error")
    if wanted is None or "Unsupported feature" in error.message or error.reason == "notImplemented":
        return Outcome(case, _refused(error), str(error), None, *_missed(case))
    if wanted.get("reason") and wanted["reason"] != error.reason:
        return Outcome(case, "mismatch", f"refused with {error}, expected {wanted['reason']}")
    return Outcome(case, "passed")


def _missed(case: Case) -> list[bool | None]:
    """Of a case without an answer: schema, bytes and metadata differ where the case tells them, else do not count."""
    return [False if case.expected.get(key) is not None else None for key in _TOLD]


def _of_answer(case: Case, found: dict[str, Any]) -> Outcome:
    expected = case.expected
    if expected.get("error"):
        return Outcome(case, "mismatch", f"answered {str(found.get('rows'))[:80]}, expected {expected['error']}")
    fields = found.get("schema", {}).get("fields", [])
    why = differences(expected.get("rows") or [], found.get("rows") or [], fields, case.query)
    statistics = found["job"]["statistics"]
    size = int(statistics.get("totalBytesProcessed", statistics.get("query", {}).get("totalBytesProcessed", 0)))
    schema_equal = _shape(fields) == _shape(expected["schema"]) if "schema" in expected else None
    size_equal = size == expected["total_bytes_processed"] if "total_bytes_processed" in expected else None
    if why is None:
        notes = (
            [] if schema_equal in (None, True) else [f"schema {_shape(fields)}, expected {_shape(expected['schema'])}"]
        )
        notes += [] if size_equal in (None, True) else [f"{size} bytes, expected {expected['total_bytes_processed']}"]
        return Outcome(case, "passed", "; ".join(notes), None, schema_equal, size_equal, _metadata(case, statistics))
    return Outcome(case, "mismatch", why, None, schema_equal, size_equal, _metadata(case, statistics))


def _metadata(case: Case, statistics: dict[str, Any]) -> bool | None:
    wanted = case.expected.get("job_metadata")
    if not wanted:
        return None
    query = statistics.get("query", {})
    found = {
        "statement_type": query.get("statementType"),
        "cache_hit": bool(query.get("cacheHit")),
        "num_dml_affected_rows": int(query["numDmlAffectedRows"]) if "numDmlAffectedRows" in query else None,
        "ddl_operation_performed": query.get("ddlOperationPerformed"),
    }
    return all(found[key] == value for key, value in wanted.items())


def _shape(fields: list[dict[str, Any]]) -> list[Any]:
    return [
        (item["name"], item["type"], item.get("mode", "NULLABLE"), _shape(item.get("fields") or [])) for item in fields
    ]


def _refused(error: RestError) -> str:
    is_missing = "Unsupported feature" in error.message or "not supported by the embedded" in error.message
    return "unsupported" if is_missing else "error"


def _query(text: str, dataset: str) -> dict[str, Any]:
    return {"query": text, "defaultDataset": {"projectId": PROJECT, "datasetId": dataset}}


def _filled(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def _headers(rest: Rest, case: Case, names: dict[str, str]) -> dict[str, str]:
    """Give the case's headers; whom it names as its caller comes with a token, as everywhere."""
    given = {key: _filled(value, names) for key, value in case.headers.items()}
    caller, groups = given.pop(_CALLER, None), given.pop(_GROUPS, "")
    return given | rest.as_caller(caller, groups) if caller else given


def _configuration(case: Case, dataset: str, names: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    query = _query(_filled(case.query, names), dataset)
    extra: dict[str, Any] = {}
    if case.params:
        query["parameterMode"] = "NAMED" if case.is_named else "POSITIONAL"
        query["queryParameters"] = [_parameter(item) for item in case.params]
    config = json.loads(_filled(json.dumps(case.job_config), names))
    for key, value in config.items():
        if key in _KEYS:
            query[_KEYS[key]] = value
    if config.get("destination"):
        project, name, table = config["destination"].split(".")
        query["destinationTable"] = {"projectId": project, "datasetId": name, "tableId": table}
    if config.get("time_partitioning"):
        given = config["time_partitioning"]
        query["timePartitioning"] = {"type": given.get("type_") or given.get("type") or "DAY"}
        query["timePartitioning"] |= {"field": given["field"]} if given.get("field") else {}
    if config.get("clustering_fields"):
        query["clustering"] = {"fields": config["clustering_fields"]}
    if config.get("labels"):
        extra["labels"] = config["labels"]
    if config.get("dry_run"):
        extra["dryRun"] = True
    if config.get("job_timeout_ms"):
        extra["jobTimeoutMs"] = str(config["job_timeout_ms"])
    return query, extra


def _parameter(item: dict[str, Any]) -> dict[str, Any]:
    kind = _type(item["type"])
    made = {"parameterType": kind, "parameterValue": _value(kind, item.get("value"))}
    return made | ({"name": item["name"]} if item.get("name") else {})


def _type(given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        return {"type": given}
    if given["type"] == "ARRAY":
        return {"type": "ARRAY", "arrayType": _type(given["arrayType"])}
    if given["type"] == "STRUCT":
        parts = [{"name": part["name"], "type": _type(part["type"])} for part in given["structTypes"]]
        return {"type": "STRUCT", "structTypes": parts}
    return {"type": given["type"]}


def _value(kind: dict[str, Any], value: Any) -> dict[str, Any]:
    if value is None:
        return {"value": None}
    if kind["type"] == "ARRAY":
        return {"arrayValues": [_value(kind["arrayType"], part) for part in value]}
    if kind["type"] == "STRUCT":
        parts = {part["name"]: part["type"] for part in kind["structTypes"]}
        return {"structValues": {name: _value(parts[name], part) for name, part in value.items()}}
    return {"value": str(value).lower() if isinstance(value, bool) else str(value)}

"""Which parameters of a job's configuration are honoured; one that is not is refused by name, never passed over.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfiguration
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from athena_lab.emulator.faults import BigQueryError, unsupported

_ALL = frozenset({"jobType", "dryRun", "jobTimeoutMs", "labels", "query", "load", "copy", "extract"})
_WITHOUT_EFFECT = frozenset({
    "priority", "allowLargeResults", "flattenResults", "maximumBillingTier", "preserveNulls", "useQueryCache",
    "systemVariables", "useLegacySql", "writeIncrementalResults",
})  # fmt: skip
"""Of queries: what changes nothing here (there is no cache, no queue, and no legacy SQL, which is refused)."""
_KNOWN: Mapping[str, frozenset[str]] = {
    "query": _WITHOUT_EFFECT | {
        "query", "destinationTable", "createDisposition", "writeDisposition", "defaultDataset", "maximumBytesBilled",
        "parameterMode", "queryParameters", "schemaUpdateOptions", "timePartitioning", "rangePartitioning",
        "clustering", "connectionProperties", "createSession",
    },
    "load": frozenset({
        "sourceUris", "schema", "destinationTable", "destinationTableProperties", "createDisposition",
        "writeDisposition", "nullMarker", "nullMarkers", "fieldDelimiter", "skipLeadingRows", "encoding", "quote",
        "maxBadRecords", "allowQuotedNewlines", "sourceFormat", "allowJaggedRows", "ignoreUnknownValues", "autodetect",
        "schemaUpdateOptions", "timePartitioning", "rangePartitioning", "clustering", "useAvroLogicalTypes",
        "decimalTargetTypes", "parquetOptions",
    }),
    "copy": frozenset({
        "sourceTable", "sourceTables", "destinationTable", "createDisposition", "writeDisposition", "operationType",
        "destinationExpirationTime",
    }),
    "extract": frozenset({
        "sourceTable", "sourceModel", "destinationUri", "destinationUris", "printHeader", "fieldDelimiter",
        "destinationFormat", "compression", "useAvroLogicalTypes",
    }),
}  # fmt: skip
_ONE_OF: Mapping[str, tuple[str, ...]] = {
    "createDisposition": ("CREATE_IF_NEEDED", "CREATE_NEVER"),
    "writeDisposition": ("WRITE_APPEND", "WRITE_TRUNCATE", "WRITE_EMPTY"),
    "operationType": ("COPY", "SNAPSHOT", "RESTORE", "CLONE", "OPERATION_TYPE_UNSPECIFIED"),
    "parameterMode": ("NAMED", "POSITIONAL"),
    "priority": ("INTERACTIVE", "BATCH"),
}
_OF_PARQUET = frozenset({"enableListInference", "enumAsString"})
_UPDATES = ("ALLOW_FIELD_ADDITION", "ALLOW_FIELD_RELAXATION")
_NO_CHANGE: Mapping[str, tuple[Any, ...]] = {
    "columnNameCharacterMap": ("COLUMN_NAME_CHARACTER_MAP_UNSPECIFIED", "STRICT"),
    "copyFilesOnly": (False,),
    "continuous": (False,),
    "preserveAsciiControlCharacters": (False,),
    "fileSetSpecType": ("FILE_SET_SPEC_TYPE_FILE_SYSTEM_MATCH",),
    "timeZone": ("UTC",),
    "jsonExtension": ("JSON_EXTENSION_UNSPECIFIED",),
}
"""What asks for what is done anyway."""


def check_configuration(configuration: Mapping[str, Any]) -> None:
    """Refuse a job whose configuration asks for what is not done here, or for what is none."""
    kinds = [kind for kind in _KNOWN if isinstance(configuration.get(kind), Mapping)]
    if len(kinds) > 1:
        raise BigQueryError("invalid", f"A job has one kind of configuration; this one has {', '.join(kinds)}.")
    for kind in kinds:
        if configuration.get("dryRun") and kind != "query":
            raise BigQueryError("invalid", f"dryRun is for query jobs; this is a {kind} job.", "dryRun")
        _check_known(configuration, _ALL, kind)
        _check_known(configuration[kind], _KNOWN[kind], kind)
        _check_known(configuration[kind].get("parquetOptions") or {}, _OF_PARQUET, kind)
        _check_values(configuration[kind])
        _check_properties(configuration[kind])
    limit = configuration.get("jobTimeoutMs")
    if limit is not None and not str(limit).lstrip("-").isdigit():
        raise BigQueryError("invalid", f"Invalid value '{limit}' for jobTimeoutMs", "jobTimeoutMs")


def _check_known(given: Mapping[str, Any], known: frozenset[str], kind: str) -> None:
    for name, value in given.items():
        if name not in known and value not in (None, "", [], {}) and value not in _NO_CHANGE.get(name, ()):
            raise unsupported(f"The parameter {name} of a {kind} job")


def _check_values(given: Mapping[str, Any]) -> None:
    for name, allowed in _ONE_OF.items():
        if given.get(name) and str(given[name]).upper() not in allowed:
            raise BigQueryError("invalid", f"Invalid value for {name}: {given[name]} is not a valid value", name)
    for option in given.get("schemaUpdateOptions") or ():
        if option not in _UPDATES:
            raise BigQueryError("invalid", f"Invalid value for schemaUpdateOptions: {option}", "schemaUpdateOptions")
    for name in ("maximumBytesBilled", "maxBadRecords", "skipLeadingRows"):
        value = given.get(name)
        if value is not None and not str(value).isdigit():
            raise BigQueryError("invalid", f"Invalid value '{value}' for {name}", name)


def _check_properties(given: Mapping[str, Any]) -> None:
    """Of connection properties only the session has an effect, and what is so anyway none."""
    for item in given.get("connectionProperties") or ():
        key, value = str(item.get("key")), str(item.get("value"))
        if key not in ("session_id", "query_label") and (key, value.upper()) != ("time_zone", "UTC"):
            raise unsupported(f"The connection property {key}")

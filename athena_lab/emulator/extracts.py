"""Extract jobs: what the owner may see of a table, into files of a bucket, which is a folder beside the warehouse."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from athena_lab.emulator.avro_files import write_avro
from athena_lab.emulator.confinement import refuse_confined
from athena_lab.emulator.faults import BigQueryError, unsupported
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.policies.roles import EXPORT
from athena_lab.emulator.results import Result
from athena_lab.emulator.rows import Timestamps, encode_rows
from athena_lab.emulator.types import Field
from athena_lab.emulator.warehouse import Warehouse

_URI = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,61}[a-z0-9])/([A-Za-z0-9._*=+@ /-]{1,900})")
_FIRST = "0" * 12
"""What BigQuery puts for the * of the first file."""


def run_extract(warehouse: Warehouse, job: Job) -> None:
    """Do an extract job; masked columns come out masked, as the Storage Read API gives them."""
    extract = job.configuration["extract"]
    source = extract.get("sourceTable")
    if not source:
        raise unsupported("The extraction of a model")
    warehouse.require_project(str(source.get("projectId", warehouse.project)))
    uris = extract.get("destinationUris") or [extract.get("destinationUri")]
    if len(uris) != 1:
        raise unsupported("An extract job with several destination URIs")
    path = bucket_path(warehouse, str(uris[0]), job)
    kind = str(extract.get("destinationFormat") or "CSV").upper()
    if kind not in _WRITERS:
        raise unsupported(f"An extract of the format {kind}")
    warehouse.require(job.owner, EXPORT, source["datasetId"], source["tableId"])
    result = warehouse.read(source["datasetId"], source["tableId"], job.owner)
    try:
        data = _WRITERS[kind](result, extract)
    finally:
        if warehouse.find_result(source["datasetId"], source["tableId"], job.owner) is None:
            result.discard()
    put_file(path, data, job)
    job.statistics["extract"] = {"destinationUriFileCounts": ["1"], "inputBytes": str(result.size_bytes)}


def export(warehouse: Warehouse, result: Result, options: Mapping[str, Any], job: Job) -> None:
    """Write a query's rows as EXPORT DATA's options say; refuse to touch a file that is there without `overwrite`."""
    path = bucket_path(warehouse, str(options["uri"]), job)
    if path.exists() and not options.get("overwrite"):
        raise BigQueryError("invalid", f"Invalid value: Destination URI {options['uri']} is not empty.")
    given = {
        "fieldDelimiter": options.get("field_delimiter"), "printHeader": options.get("header", False),
        "compression": options.get("compression"), "useAvroLogicalTypes": options.get("use_avro_logical_types"),
    }  # fmt: skip
    put_file(path, _WRITERS[EXPORTED[str(options["format"]).upper()]](result, given), job)


def put_file(path: Path, data: bytes, job: Job) -> None:
    """Put a whole file in its place at once."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{job.id}")
    fresh.write_bytes(data)
    fresh.replace(path)


def bucket_path(warehouse: Warehouse, uri: str, job: Job) -> Path:
    """Give the file that a job is to write for a gs:// URI; refuse one that leaves its bucket, and rehearsals."""
    refuse_confined(job.owner, f"File {uri}")
    bucket, name = bucket_of(warehouse, uri)
    path = bucket / name.replace("*", _FIRST)
    if not path.resolve().is_relative_to(bucket.resolve()):
        raise BigQueryError("invalid", f"Invalid extract destination URI '{uri}'. It leaves its bucket.")
    return path


def bucket_of(warehouse: Warehouse, uri: str) -> tuple[Path, str]:
    """Give the folder of a gs:// URI's bucket and the name within, which may hold one `*`; refuse anything else."""
    found = _URI.fullmatch(uri)
    if found is None or any(part in ("", ".", "..") for part in found[2].split("/")) or found[2].count("*") > 1:
        raise BigQueryError("invalid", f"Invalid URI '{uri}'. Must be a valid gs:// path.")
    return warehouse.store.results.parent / "buckets" / found[1], found[2]


def _rows(result: Result) -> Iterator[list[Any]]:
    for batch in result.read(0, result.rows):
        for row in encode_rows(batch, result.fields, Timestamps.INT64):
            yield [cell["v"] for cell in row["f"]]


def _csv(result: Result, extract: Mapping[str, Any]) -> bytes:
    for item in result.fields:
        if item.is_repeated or item.type == "RECORD":
            raise BigQueryError("invalid", f"Operation cannot be performed on a nested schema. Field: {item.name}")
    text = io.StringIO()
    delimiter = {"tab": "\t", "\\t": "\t"}.get(
        extract.get("fieldDelimiter") or ",", extract.get("fieldDelimiter") or ","
    )
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    if extract.get("printHeader") in (None, True):
        writer.writerow([item.name for item in result.fields])
    for row in _rows(result):
        writer.writerow([_plain(item, value) for item, value in zip(result.fields, row, strict=True)])
    return _compressed(text.getvalue().encode(), extract)


def _json(result: Result, extract: Mapping[str, Any]) -> bytes:
    lines = []
    for row in _rows(result):
        content = {item.name: _tree(item, value) for item, value in zip(result.fields, row, strict=True)}
        shown = {key: value for key, value in content.items() if value is not None}
        lines.append(json.dumps(shown, ensure_ascii=False, separators=(",", ":")) + "\n")
    return _compressed("".join(lines).encode(), extract)


def _tree(item: Field, value: Any) -> Any:
    if item.is_repeated:
        return [_tree(item.element(), part["v"]) for part in value]
    if value is None:
        return None
    if item.type == "RECORD":
        inner = {part.name: _tree(part, cell["v"]) for part, cell in zip(item.fields, value["f"], strict=True)}
        return {key: found for key, found in inner.items() if found is not None}
    if item.type == "JSON":
        return json.loads(value)
    if item.type == "FLOAT":
        return float(value) if value not in ("NaN", "Infinity", "-Infinity") else value
    return value == "true" if item.type == "BOOLEAN" else _plain(item, value)


def _plain(item: Field, value: Any) -> Any:
    """Give a value as text; the time of a timestamp in UTC."""
    if value is None or item.type != "TIMESTAMP":
        return value
    moment = pa.scalar(int(value), pa.timestamp("us")).as_py()
    return f"{moment.isoformat(sep=' ')} UTC"


def _parquet(result: Result, extract: Mapping[str, Any]) -> bytes:
    sink = io.BytesIO()
    compression = str(extract.get("compression") or "NONE").upper()
    if compression not in ("NONE", "SNAPPY", "GZIP", "ZSTD"):
        raise BigQueryError("invalid", f"Compression {compression} cannot be used with Parquet.")
    pa.parquet.write_table(result.table(), sink, compression=compression.lower())
    return sink.getvalue()


def _compressed(data: bytes, extract: Mapping[str, Any]) -> bytes:
    compression = str(extract.get("compression") or "NONE").upper()
    if compression not in ("NONE", "GZIP"):
        raise BigQueryError("invalid", f"Compression {compression} cannot be used with this format.")
    return gzip.compress(data, mtime=0) if compression == "GZIP" else data


_WRITERS: dict[str, Callable[[Result, Mapping[str, Any]], bytes]] = {
    "AVRO": write_avro,
    "CSV": _csv,
    "NEWLINE_DELIMITED_JSON": _json,
    "PARQUET": _parquet,
}
EXPORTED = {"AVRO": "AVRO", "CSV": "CSV", "JSON": "NEWLINE_DELIMITED_JSON", "PARQUET": "PARQUET"}
"""EXPORT DATA's names of the formats."""

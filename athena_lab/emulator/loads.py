"""Load jobs: files that the client sends (CSV, newline JSON, Parquet, Avro), never read by DuckDB."""

from __future__ import annotations

import datetime
import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from athena_lab.emulator import json_lines, json_rows
from athena_lab.emulator.avro_files import read_avro
from athena_lab.emulator.defaults import default_texts, has_default
from athena_lab.emulator.faults import BigQueryError, unsupported
from athena_lab.emulator.incoming import UNREADABLE, Incoming, for_duckdb, unreadable
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.partitions import decorated
from athena_lab.emulator.row_loads import Dialect, Tolerance, csv_objects, in_utf8, json_objects, null_markers, tolerant
from athena_lab.emulator.sql.collations import refuse_collations
from athena_lab.emulator.types import Field, duckdb_type, field_from_arrow, fields_from_json, incoming_schema, quote
from athena_lab.emulator.warehouse import Warehouse
from athena_lab.emulator.writing import Source, Target, write

_PIECE_ROWS = 16_384
_DETECTED_ROWS = 500
"""The first rows tell the schema (https://cloud.google.com/bigquery/docs/schema-detect)."""


def run_load(warehouse: Warehouse, job: Job, file: BinaryIO) -> None:
    """Do a load job with the file that came along."""
    load = job.configuration["load"]
    destination = load["destinationTable"]
    warehouse.require_project(str(destination.get("projectId", warehouse.project)))
    warehouse.require_write(job.owner, destination["datasetId"], destination["tableId"])
    warehouse.catalog.dataset(destination["datasetId"])
    existing = warehouse.catalog.state.tables.get((destination["datasetId"], decorated(destination["tableId"])[0]))
    disposition = load.get("writeDisposition") or "WRITE_APPEND"
    refuse_collations(load)
    declared = fields_from_json(load.get("schema"))
    known = declared or (existing.fields if existing is not None and disposition != "WRITE_TRUNCATE" else ())
    size = _size_of(file)
    rows, fields = _read(load, file, known)
    columns = ", ".join(f"CAST({quote(item.name)} AS {duckdb_type(item)})" for item in fields)
    source = Source(f"SELECT {columns} FROM incoming", fields, arrow={"incoming": rows.reader})  # noqa: S608 (our own names)
    target = Target(
        destination["datasetId"],
        destination["tableId"],
        disposition,
        load.get("createDisposition") or "CREATE_IF_NEEDED",
        may_add_fields="ALLOW_FIELD_ADDITION" in (load.get("schemaUpdateOptions") or ()),
        may_relax_fields="ALLOW_FIELD_RELAXATION" in (load.get("schemaUpdateOptions") or ()),
        resource=_resource(load),
        session_user=job.owner.email,
    )
    try:
        count = write(warehouse, source, target, job)
    except duckdb.DataError as error:
        said = str(error).partition(": ")[2].splitlines() or [str(error)]
        raise rows.fault or BigQueryError("invalid", f"Error while reading data, error message: {said[0]}") from error
    except duckdb.Error as error:
        raise rows.fault or error from error
    job.destination = dict(destination)
    job.statistics["load"] = {
        "inputFiles": "1", "inputFileBytes": str(size), "outputRows": str(count), "outputBytes": str(rows.size_bytes),
        "badRecords": str(rows.bad_records),
    }  # fmt: skip


_PROPERTIES = ("description", "friendlyName", "labels", "expirationTime")


def _resource(load: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: load[key] for key in ("timePartitioning", "rangePartitioning", "clustering") if load.get(key)}
    given = load.get("destinationTableProperties") or {}
    return found | {key: given[key] for key in _PROPERTIES if key in given}


def _size_of(file: BinaryIO) -> int:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def _read(load: Mapping[str, Any], file: BinaryIO, known: tuple[Field, ...]) -> tuple[Incoming, tuple[Field, ...]]:
    kind = (load.get("sourceFormat") or "CSV").upper()
    try:
        if kind == "PARQUET":
            return _parquet(load, file, known)
        if kind == "NEWLINE_DELIMITED_JSON":
            return _json(load, in_utf8(file, load.get("encoding")), known)
        if kind == "CSV":
            return _csv(load, in_utf8(file, load.get("encoding")), known)
        if kind == "AVRO":
            return read_avro(load, file, known)
    except UNREADABLE as error:
        raise unreadable(kind, error) from error
    raise unsupported(f"A load of the format {kind}")


# -- Parquet


def _parquet(load: Mapping[str, Any], file: BinaryIO, known: tuple[Field, ...]) -> tuple[Incoming, tuple[Field, ...]]:
    schema = pa.parquet.ParquetFile(file).schema_arrow
    columns = [column for column in schema if not column.name.startswith("__index_level_")]
    by_name = {item.name.lower(): item for item in known}
    if known and load.get("ignoreUnknownValues"):
        columns = [column for column in columns if column.name.lower() in by_name]
    found = [by_name.get(column.name.lower()) or _targeted(field_from_arrow(column), load) for column in columns]
    fields = tuple(
        item if item.name == column.name else _renamed(item, column.name)
        for item, column in zip(found, columns, strict=True)
    )
    plain = pa.schema([_plain(column) for column in columns])
    empty = [for_duckdb(pa.array([], column.type), item) for column, item in zip(plain, fields, strict=True)]
    handed = pa.schema([(item.name, column.type) for column, item in zip(empty, fields, strict=True)])

    def batches() -> Iterator[pa.RecordBatch]:
        names = [column.name for column in columns]
        for batch in pa.parquet.ParquetFile(file).iter_batches(_PIECE_ROWS, columns=names):
            cast = batch if batch.schema.equals(plain) else batch.cast(plain)
            values = [for_duckdb(column, item) for column, item in zip(cast.columns, fields, strict=True)]
            yield pa.RecordBatch.from_arrays(values, schema=handed)

    return Incoming("PARQUET", handed, batches), fields


def _targeted(item: Field, load: Mapping[str, Any]) -> Field:
    """Give a decimal column the type that decimalTargetTypes choose, if they are given."""
    targets = load.get("decimalTargetTypes")
    if not targets or item.type not in ("NUMERIC", "BIGNUMERIC") or item.type in targets:
        return item
    if item.type == "NUMERIC" and "BIGNUMERIC" in targets:
        return replace(item, type="BIGNUMERIC")
    raise unsupported(f"decimalTargetTypes without {item.type}, which column '{item.name}' needs,")


def _renamed(item: Field, name: str) -> Field:
    return Field(name, item.type, item.mode, item.fields, item.extras)


def _plain(column: pa.Field) -> pa.Field:
    """Open a dictionary: DuckDB would take it for an enum."""
    return column.with_type(column.type.value_type) if pa.types.is_dictionary(column.type) else column


# -- JSON


def _json(load: Mapping[str, Any], file: BinaryIO, known: tuple[Field, ...]) -> tuple[Incoming, tuple[Field, ...]]:
    tolerance = Tolerance.of(load)
    if tolerance is not None:
        good = (row for row in json_objects(file) if isinstance(row, dict))
        fields = known or json_rows.detect(list(itertools.islice(good, _DETECTED_ROWS)))
        return tolerant("NEWLINE_DELIMITED_JSON", lambda: json_objects(file), fields, tolerance), fields
    fields = known or json_rows.detect(list(itertools.islice(_objects(file), _DETECTED_ROWS)))
    is_plain = json_lines.is_plain(fields)

    def batches() -> Iterator[pa.RecordBatch]:
        file.seek(0)
        given, first = (line for line in file if line.strip()), 0
        while lines := list(itertools.islice(given, _PIECE_ROWS)):
            table = json_lines.read_lines(lines, fields) if is_plain else None
            if table is None:
                table = json_rows.to_arrow([json.loads(line) for line in lines], fields, first)
            yield from table.to_batches()
            first += len(lines)

    return Incoming("NEWLINE_DELIMITED_JSON", incoming_schema(fields), batches), fields


def _objects(file: BinaryIO) -> Iterator[Any]:
    file.seek(0)
    return (json.loads(line) for line in file if line.strip())


# -- CSV


def _csv(load: Mapping[str, Any], file: BinaryIO, known: tuple[Field, ...]) -> tuple[Incoming, tuple[Field, ...]]:
    skipped = int(load.get("skipLeadingRows") or 0)
    delimiter = {"tab": "\t", "\\t": "\t"}.get(load.get("fieldDelimiter") or ",", load.get("fieldDelimiter") or ",")
    quote_char = load.get("quote", '"') or False
    parse = pa.csv.ParseOptions(
        delimiter=delimiter, quote_char=quote_char, newlines_in_values=bool(load.get("allowQuotedNewlines"))
    )
    tolerance = Tolerance.of(load)
    if known and tolerance is not None:
        return _csv_tolerant(load, file, known, parse, tolerance), known
    if known:
        return _csv_known(load, file, known, parse, skipped), known
    if tolerance is not None:
        parse.invalid_row_handler = lambda _: "skip"
    head = file.readline()
    file.seek(0)
    names, has_header = _csv_header(head, parse, skipped, load.get("autodetect"))
    options = pa.csv.ReadOptions(column_names=names, skip_rows=max(skipped, 1 if has_header else 0))
    convert = pa.csv.ConvertOptions(
        null_values=null_markers(load), strings_can_be_null=True, quoted_strings_can_be_null=False,
        timestamp_parsers=[pa.csv.ISO8601], true_values=["true", "True", "TRUE"],
        false_values=["false", "False", "FALSE"],
    )  # fmt: skip
    table = pa.csv.read_csv(file, read_options=options, parse_options=parse, convert_options=convert)
    fields = tuple(_detected(table.column(name), name) for name in names)
    if tolerance is not None:
        again = {**load, "skipLeadingRows": max(skipped, 1 if has_header else 0)}
        return _csv_tolerant(again, file, fields, parse, tolerance), fields
    return Incoming("CSV", table.schema, lambda: iter(table.to_batches())), fields


def _csv_tolerant(
    load: Mapping[str, Any], file: BinaryIO, fields: tuple[Field, ...], parse: pa.csv.ParseOptions, tolerance: Tolerance
) -> Incoming:
    _refuse_nested(fields)
    dialect = Dialect(
        parse.delimiter, parse.quote_char or "", tuple(null_markers(load)), int(load.get("skipLeadingRows") or 0),
        parse.newlines_in_values,
    )  # fmt: skip
    return tolerant("CSV", lambda: csv_objects(file, fields, dialect, tolerance), fields, tolerance)


def _refuse_nested(fields: Sequence[Field]) -> None:
    for item in fields:
        if item.is_repeated or item.type == "RECORD":
            raise BigQueryError("invalid", f"Field {item.name} is nested or repeated: CSV cannot hold it")


def _csv_known(
    load: Mapping[str, Any], file: BinaryIO, known: tuple[Field, ...], parse: pa.csv.ParseOptions, skipped: int
) -> Incoming:
    _refuse_nested(known)
    kinds = {item.name: pa.string() for item in known}
    convert = pa.csv.ConvertOptions(
        column_types=kinds, null_values=null_markers(load), strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )  # fmt: skip
    options = pa.csv.ReadOptions(column_names=[item.name for item in known], skip_rows=skipped)

    def batches() -> Iterator[pa.RecordBatch]:
        file.seek(0)
        for batch in pa.csv.open_csv(file, read_options=options, parse_options=parse, convert_options=convert):
            values = [for_duckdb(column, item) for column, item in zip(batch.columns, known, strict=True)]
            yield pa.RecordBatch.from_arrays(values, schema=batch.schema)

    return Incoming("CSV", pa.schema(list(kinds.items())), batches)


def _csv_header(head: bytes, parse: pa.csv.ParseOptions, skipped: int, autodetect: Any) -> tuple[list[str], bool]:
    """Tell the columns' names, and whether the first line holds them (BigQuery: if it looks unlike data)."""
    if not autodetect:
        raise BigQueryError("invalid", "No schema specified on job or table.")
    if not head.strip():
        raise BigQueryError("invalid", "Error while reading data, error message: the file is empty")
    options = pa.csv.ReadOptions(autogenerate_column_names=True)
    first = pa.csv.read_csv(io.BytesIO(head), read_options=options, parse_options=parse)
    values = [first.column(index)[0].as_py() for index in range(first.num_columns)]
    is_header = skipped >= 1 or all(isinstance(value, str) and value for value in values)
    if not is_header:
        return [f"{_PREFIXES.get(type(value), 'string')}_field_{index}" for index, value in enumerate(values)], False
    return [_clean(str(value), index) for index, value in enumerate(values)], True


_PREFIXES: Mapping[type, str] = {
    int: "int64", float: "double", bool: "bool", datetime.date: "date", datetime.datetime: "timestamp"
}  # fmt: skip


def _clean(name: str, index: int) -> str:
    """Make a column's name of a header, as BigQuery does: letters, digits and underscores."""
    made = "".join(letter if letter.isalnum() or letter == "_" else "_" for letter in name.strip())
    made = made or f"string_field_{index}"
    return f"_{made}" if made[0].isdigit() else made


_MOMENT = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?( ?(UTC|Z|[+-]\d{2}(:?\d{2})?))?$"


def _detected(column: pa.ChunkedArray, name: str) -> Field:
    """A moment without a zone is a TIMESTAMP in UTC when BigQuery detects the type."""
    found = field_from_arrow(pa.field(name, column.type))
    if found.type == "STRING" and column.null_count < len(column):
        looks = pa.compute.match_substring_regex(column, _MOMENT)
        return Field(name, "TIMESTAMP") if pa.compute.all(looks).as_py() else found
    return Field(name, "TIMESTAMP") if found.type == "DATETIME" else found


def rows_to_source(rows: Sequence[Mapping[str, Any]], fields: tuple[Field, ...], session_user: str) -> Source:
    """Give rows of JSON as a source for writing; a member that a row has not is its column's default."""
    table = json_rows.to_arrow(rows, fields)
    given = [{key.lower() for key in row} for row in rows]
    values = []
    for index, item in enumerate(fields):
        value = f"CAST({quote(item.name)} AS {duckdb_type(item)})"
        if has_default(item) and not all(item.name.lower() in keys for keys in given):
            table = table.append_column(f"athena_has_{index}", [[item.name.lower() in keys for keys in given]])
            (default,) = default_texts([item], session_user)
            value = f"CASE WHEN athena_has_{index} THEN {value} ELSE {default} END"
        values.append(value)
    columns = ", ".join(values)
    return Source(f"SELECT {columns} FROM incoming", fields, arrow={"incoming": table})  # noqa: S608 (our own names)


def empty_table(fields: tuple[Field, ...]) -> pa.Table:
    """Give a table without rows."""
    return incoming_schema(fields).empty_table()

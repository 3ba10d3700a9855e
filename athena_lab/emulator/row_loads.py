"""Lines of files read one by one: where bad ones may be passed over, short ones filled, unknown values left out.

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad
"""

from __future__ import annotations

import io
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import pyarrow as pa

from athena_lab.emulator.faults import BigQueryError
from athena_lab.emulator.incoming import Incoming
from athena_lab.emulator.json_rows import RowError, convert_row, known_only
from athena_lab.emulator.types import Field, incoming_schema

_PIECE_ROWS = 16_384
_ENCODINGS = {
    "UTF-8": "utf-8", "ISO-8859-1": "latin-1", "UTF-16BE": "utf-16-be", "UTF-16LE": "utf-16-le",
    "UTF-32BE": "utf-32-be", "UTF-32LE": "utf-32-le",
}  # fmt: skip
_IN_MEMORY = 16 * 1024**2
_PIECE_LETTERS = 1024**2


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a load job puts up with."""

    most_bad: int
    ignores_unknown: bool
    is_jagged: bool

    @classmethod
    def of(cls, load: Mapping[str, Any]) -> Tolerance | None:
        """Read a load job's tolerance; None where it has none."""
        found = cls(
            int(load.get("maxBadRecords") or 0),
            bool(load.get("ignoreUnknownValues")),
            bool(load.get("allowJaggedRows")),
        )
        return found if found.most_bad or found.ignores_unknown or found.is_jagged else None


def null_markers(load: Mapping[str, Any]) -> list[str]:
    """Give the texts that stand for NULL in a file of CSV."""
    several = load.get("nullMarkers")
    if several and load.get("nullMarker"):
        raise BigQueryError("invalid", "nullMarker and nullMarkers cannot both be specified.")
    return [str(text) for text in several] if several else [str(load.get("nullMarker") or "")]


def in_utf8(file: BinaryIO, encoding: Any) -> BinaryIO:
    """Give a text file in UTF-8: itself, or a copy."""
    name = str(encoding or "UTF-8").upper()
    if name not in _ENCODINGS:
        raise BigQueryError("invalid", f"Invalid value for encoding: {name}")
    if name == "UTF-8":
        return file
    file.seek(0)
    made = cast(BinaryIO, tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 (the job's to read; gone with it)
    text = io.TextIOWrapper(file, _ENCODINGS[name], newline="")
    while piece := text.read(_PIECE_LETTERS):
        made.write(piece.encode())
    text.detach()
    made.seek(0)
    return made


def tolerant(kind: str, rows: Callable[[], Iterator[Any]], fields: tuple[Field, ...], tolerance: Tolerance) -> Incoming:
    """Give rows (objects, or RowErrors in their place) for writing; too many bad ones end the job."""

    def batches() -> Iterator[pa.RecordBatch]:
        made.bad_records = 0
        given = rows()
        while piece := list(itertools.islice(given, _PIECE_ROWS)):
            kept = [row for row in (_converted(item, fields, tolerance) for item in piece) if _is_kept(made, row)]
            if made.bad_records > tolerance.most_bad:
                raise _too_many(made.bad_records, next(row for row in _failed(piece, fields, tolerance)))
            yield from pa.Table.from_pylist(kept, schema=incoming_schema(fields)).to_batches()

    made = Incoming(kind, incoming_schema(fields), batches)
    return made


def _is_kept(made: Incoming, row: Any) -> bool:
    made.bad_records += isinstance(row, RowError)
    return not isinstance(row, RowError)


def _failed(piece: Sequence[Any], fields: tuple[Field, ...], tolerance: Tolerance) -> Iterator[RowError]:
    return (row for row in (_converted(item, fields, tolerance) for item in piece) if isinstance(row, RowError))


def _too_many(count: int, first: RowError) -> BigQueryError:
    return BigQueryError(
        "invalid",
        f"Error while reading data, error message: too many bad records: {count}; the first of them: {first}",
    )


def _converted(row: Any, fields: tuple[Field, ...], tolerance: Tolerance) -> Any:
    if isinstance(row, RowError):
        return row
    try:
        return convert_row(known_only(row, fields) if tolerance.ignores_unknown else row, fields)
    except RowError as error:
        return error


def json_objects(file: BinaryIO) -> Iterator[Any]:
    """Give the objects of newline JSON, a RowError for a line that holds none."""
    file.seek(0)
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            row = RowError("", f"line {number} is no JSON: {error}")
        yield row if isinstance(row, dict | RowError) else RowError("", f"line {number} is no JSON object")


# -- CSV


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file of CSV is written."""

    delimiter: str
    quote: str
    nulls: tuple[str, ...]
    skipped: int
    has_newlines: bool


def csv_objects(file: BinaryIO, fields: tuple[Field, ...], dialect: Dialect, tolerance: Tolerance) -> Iterator[Any]:
    """Give the rows of a file of CSV as objects of texts, a RowError for one that does not fit."""
    file.seek(0)
    text = io.TextIOWrapper(file, "utf-8", "replace", newline="\n")
    try:
        for number, record in enumerate(_records(text, dialect), 1):
            if number <= dialect.skipped or not record.strip("\r\n"):
                continue
            yield _object(_values(record.rstrip("\r\n"), dialect), fields, tolerance, number)
    finally:
        text.detach()


def _records(text: io.TextIOWrapper, dialect: Dialect) -> Iterator[str]:
    """Give the lines; several as one where a quoted value goes on."""
    held = ""
    for line in text:
        held += line
        if dialect.has_newlines and dialect.quote and held.count(dialect.quote) % 2:
            continue
        yield held
        held = ""
    if held:
        yield held


def _values(record: str, dialect: Dialect) -> list[str | None] | None:
    """Split a record; an unquoted null marker is None. None for one whose quotes do not close."""
    values: list[str | None] = []
    at, quote = 0, dialect.quote
    while True:
        if quote and record.startswith(quote, at):
            found = _quoted(record, at + 1, quote)
            if found is None:
                return None
            value, at = found
            values.append(value)
            if at < len(record) and not record.startswith(dialect.delimiter, at):
                return None
        else:
            end = record.find(dialect.delimiter, at)
            plain = record[at:] if end < 0 else record[at:end]
            values.append(None if plain in dialect.nulls else plain)
            at = len(record) if end < 0 else end
        if at >= len(record):
            return values
        at += len(dialect.delimiter)


def _quoted(record: str, at: int, quote: str) -> tuple[str, int] | None:
    made = ""
    while (end := record.find(quote, at)) >= 0:
        made += record[at:end]
        if not record.startswith(quote, end + 1):
            return made, end + 1
        made, at = made + quote, end + 2
    return None


def _object(values: list[str | None] | None, fields: Sequence[Field], tolerance: Tolerance, number: int) -> Any:
    if values is None:
        return RowError("", f"row {number}: a quote does not close")
    if len(values) > len(fields) and not tolerance.ignores_unknown:
        return RowError("", f"row {number} has too many values: {len(values)}, expected {len(fields)}")
    if len(values) < len(fields) and not tolerance.is_jagged:
        return RowError("", f"row {number} has too few values: {len(values)}, expected {len(fields)}")
    return {item.name: value for item, value in zip(fields, values, strict=False)}

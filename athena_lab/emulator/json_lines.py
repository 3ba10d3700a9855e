"""Lines of JSON as Arrow, by Arrow's own reader: fast, and only where it reads them as BigQuery does.

What it does not read so (other spellings of names and values, missing values of REQUIRED columns, errors) is left to
`json_rows`, which reads them one by one.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute
import pyarrow.json

from athena_lab.emulator.types import Field, incoming_schema, incoming_type

_SAME = frozenset({"INTEGER", "FLOAT", "BOOLEAN", "STRING"})
_TEXTS = frozenset({"DATE", "DATETIME", "TIME", "TIMESTAMP"})
"""Read as texts, then cast."""


def is_plain(fields: Sequence[Field]) -> bool:
    """Tell whether Arrow can read rows of these fields at all."""
    return all(
        item.type in _SAME
        or (item.type in _TEXTS and not item.is_repeated)
        or (item.type == "RECORD" and not item.is_repeated and _is_plain_record(item))
        for item in fields
    )


def _is_plain_record(item: Field) -> bool:
    return all(
        (part.type in _SAME and not part.is_repeated) or (part.type == "RECORD" and not part.is_repeated)
        for part in item.fields
    ) and all(_is_plain_record(part) for part in item.fields if part.type == "RECORD")


def read_lines(lines: Sequence[bytes], fields: tuple[Field, ...]) -> pa.Table | None:
    """Give the rows of some lines, None where they must be read one by one."""
    kinds = [pa.string() if item.type in _TEXTS else incoming_type(item) for item in fields]
    schema = pa.schema([pa.field(item.name, kind) for item, kind in zip(fields, kinds, strict=True)])
    block = b"".join(lines)
    parse = pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    options = pa.json.ReadOptions(use_threads=False, block_size=max(len(block) + 1, 64))
    try:
        table = pa.json.read_json(io.BytesIO(block), options, parse)
        columns = [_converted(table.column(item.name).combine_chunks(), item) for item in fields]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError):
        return None
    if table.num_rows != len(lines) or any(column is None for column in columns):
        return None
    return pa.Table.from_arrays(columns, schema=incoming_schema(fields))


def _converted(column: pa.Array, item: Field) -> pa.Array | None:
    if item.mode == "REQUIRED" and column.null_count:
        return None
    if item.is_repeated:
        if column.values.null_count:
            return None
        return pa.ListArray.from_arrays(column.offsets, column.values, type=incoming_type(item))
    if item.type == "RECORD":
        return None if _misses_required(column, item) else column
    return _CASTS[item.type](column) if item.type in _TEXTS else column


def _misses_required(column: pa.Array, item: Field) -> bool:
    for part in item.fields:
        values = column.field(part.name)
        if part.mode == "REQUIRED" and values.null_count:
            return True
        if part.type == "RECORD" and _misses_required(values, part):
            return True
    return False


def _timestamps(column: pa.Array) -> pa.Array:
    texts = pa.compute.replace_substring_regex(column, r" ?(UTC|Z)$", "Z")
    has_zone = pa.compute.match_substring_regex(texts, r"(Z|[+-]\d\d(:?\d\d)?)$")
    is_dated = pa.compute.match_substring_regex(texts, r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
    if not pa.compute.all(is_dated).as_py() and column.null_count < len(column):
        raise pa.ArrowInvalid("a moment that is no date with a time")
    zoned = pa.compute.if_else(has_zone, texts, pa.compute.binary_join_element_wise(texts, "Z", ""))
    return zoned.cast(pa.timestamp("us", tz="UTC"))


_CASTS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "DATE": lambda column: column.cast(pa.date32()),
    "TIME": lambda column: column.cast(pa.time64("us")),
    "DATETIME": lambda column: column.cast(pa.timestamp("us")),
    "TIMESTAMP": _timestamps,
}

"""Rows of a result: Arrow batches in memory while small, in a file of its own (mapped, not read) when large."""

from __future__ import annotations

import bisect
import mmap
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from athena_lab.emulator import bignumerics
from athena_lab.emulator.faults import invalid_query
from athena_lab.emulator.types import Field, arrow_schema

BATCH_ROWS = 61_440
"""Half of DuckDB's row groups, at which batches end anyway."""
_MEMORY_BYTES = 8 * 1024**2


@dataclass(slots=True)
class Result:
    """Rows in order, with BigQuery's schema; read any range, of any columns, any number of times."""

    fields: tuple[Field, ...]
    schema: pa.Schema
    batches: list[pa.RecordBatch]
    path: Path | None = None
    mapped: mmap.mmap | None = None
    starts: list[int] = field(default_factory=list)
    rows: int = 0
    size_bytes: int = 0

    def __post_init__(self) -> None:
        for batch in self.batches:
            self.starts.append(self.rows)
            self.rows += batch.num_rows
            self.size_bytes += batch.nbytes

    def read(self, start: int, count: int) -> Iterator[pa.RecordBatch]:
        """Give the rows from `start` (from 0) on, `count` at most, as slices without copies."""
        at = max(0, bisect.bisect_right(self.starts, start) - 1)
        end = min(self.rows, start + count)
        while at < len(self.batches) and self.starts[at] < end:
            offset = max(0, start - self.starts[at])
            piece = self.batches[at].slice(offset, min(end - self.starts[at], self.batches[at].num_rows) - offset)
            if piece.num_rows:
                yield piece
            at += 1
        self._let_go()

    def _let_go(self) -> None:
        """Give back the memory of what was read of the file; whoever reads on gets it from the system's cache."""
        if self.mapped is not None:
            self.mapped.madvise(mmap.MADV_DONTNEED)

    def table(self) -> pa.Table:
        """Give all rows as one Arrow table (of slices, no copies)."""
        return pa.Table.from_batches(self.batches, schema=self.schema)

    def select(self, names: Sequence[str]) -> Result:
        """Give the same rows with some of the columns, in the schema's order."""
        wanted = {name.lower() for name in names}
        kept = [index for index, item in enumerate(self.fields) if item.name.lower() in wanted]
        fields = tuple(self.fields[index] for index in kept)
        batches = [
            pa.RecordBatch.from_arrays([batch.column(index) for index in kept], schema=arrow_schema(fields))
            for batch in self.batches
        ]
        return Result(fields, arrow_schema(fields), batches)

    def discard(self) -> None:
        """Remove the file; whoever still reads it keeps it until done (POSIX)."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def collect(reader: Iterator[pa.RecordBatch], fields: tuple[Field, ...], folder: Path) -> Result:
    """Read everything that `reader` gives; beyond 8 MiB into a file in `folder`."""
    schema = arrow_schema(fields)
    kept: list[pa.RecordBatch] = []
    size = 0
    for batch in reader:
        kept.append(conform(batch, schema))
        size += batch.nbytes
        if size > _MEMORY_BYTES:
            return _spill(kept, reader, fields, folder / f"{uuid.uuid4().hex}.arrow")
    return Result(fields, schema, [batch for batch in kept if batch.num_rows])


def _spill(
    kept: list[pa.RecordBatch], reader: Iterator[pa.RecordBatch], fields: tuple[Field, ...], path: Path
) -> Result:
    schema = arrow_schema(fields)
    try:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for batch in kept:
                writer.write_batch(batch)
            for batch in reader:
                writer.write_batch(conform(batch, schema))
        return spilled(fields, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def spilled(fields: tuple[Field, ...], path: Path) -> Result:
    """Give a result that was written into a file."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    read = pa.ipc.open_file(pa.py_buffer(mapped))
    batches = [read.get_batch(index) for index in range(read.num_record_batches)]
    return Result(fields, arrow_schema(fields), batches, path, mapped)


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give a batch of DuckDB's the field names and types of BigQuery's (children of lists are 'item')."""
    arrays = [
        column if column.type == item.type else _cast(column, item.type)
        for column, item in zip(batch.columns, schema, strict=True)
    ]
    for array in arrays:
        _refuse_out_of_range(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


_BOUNDS = {
    pa.date32(): (pa.int32(), -719_162, 2_932_896),
    pa.timestamp("us"): (pa.int64(), -62_135_596_800_000_000, 253_402_300_799_999_999),
    pa.timestamp("us", tz="UTC"): (pa.int64(), -62_135_596_800_000_000, 253_402_300_799_999_999),
}
"""The first and the last day, or microsecond, of the years 1 to 9999."""


def _refuse_out_of_range(array: pa.Array) -> None:
    """Refuse days and moments that BigQuery has not: DuckDB has more of them."""
    kind = array.type
    if pa.types.is_list(kind):
        _refuse_out_of_range(array.flatten())
    elif pa.types.is_struct(kind):
        for part in array.flatten():
            _refuse_out_of_range(part)
    elif kind in _BOUNDS:
        plain, least, most = _BOUNDS[kind]
        found = pc.min_max(array.view(plain)).as_py()
        if found["min"] is not None and not least <= found["min"] <= found["max"] <= most:
            name = {pa.date32(): "DATE", pa.timestamp("us"): "DATETIME"}.get(kind, "TIMESTAMP")
            raise invalid_query(f"{name} value is out of the allowed range: from 0001-01-01 to 9999-12-31")


def _is_alike(own: pa.DataType, kind: pa.DataType) -> bool:
    """Tell whether structs differ in what Arrow itself can cast only."""
    has_big = any(bignumerics.KIND in (item.type, getattr(item.type, "value_type", None)) for item in kind)
    return [item.name for item in own] == [item.name for item in kind] and not has_big


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if kind == bignumerics.KIND and pa.types.is_binary(column.type):
        return bignumerics.to_decimals(column)
    if pa.types.is_struct(kind) and not _is_alike(column.type, kind):
        parts = [_cast(part, item.type) for part, item in zip(column.flatten(), kind, strict=True)]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=column.is_null())
    if pa.types.is_list(kind) and (pa.types.is_struct(kind.value_type) or kind.value_type == bignumerics.KIND):
        values = _cast(column.values, kind.value_type)
        return pa.ListArray.from_arrays(column.offsets, values, type=kind, mask=column.is_null())
    return column.cast(kind)

"""Load jobs from `gs://` URIs: the files of a bucket, which is a folder beside the warehouse, read as one."""

from __future__ import annotations

import fnmatch
import gzip
import itertools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet

from athena_lab.emulator.avro_files import join_avro
from athena_lab.emulator.extracts import bucket_of
from athena_lab.emulator.faults import BigQueryError, unsupported
from athena_lab.emulator.jobs import Job
from athena_lab.emulator.loads import run_load
from athena_lab.emulator.warehouse import Warehouse

_IN_MEMORY = 16 * 1024**2
_GZIP = b"\x1f\x8b"


def run_uri_load(warehouse: Warehouse, job: Job) -> None:
    """Load all files that the job's URIs name; all of them or none."""
    load = job.configuration["load"]
    uris = [str(uri) for uri in load.get("sourceUris") or ()]
    if not uris:
        raise BigQueryError("required", "Required parameter is missing: sourceUris")
    files = list(dict.fromkeys(itertools.chain.from_iterable(files_of(warehouse, uri) for uri in uris)))
    kind = str(load.get("sourceFormat") or "CSV").upper()
    if len(files) > 1 and str(load.get("encoding") or "").upper().startswith(("UTF-16", "UTF-32")):
        raise unsupported(f"A load of several files in {load['encoding']}")
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(warehouse.store.results)) as spool:
        whole = cast(BinaryIO, spool)
        if kind == "PARQUET":
            _join_parquet(files, whole)
        elif kind == "AVRO":
            join_avro(files, whole)
        else:
            _join_lines(files, whole, _header_lines(load) if kind == "CSV" else 0)
        whole.seek(0)
        run_load(warehouse, job, whole)
    job.statistics["load"] |= {
        "inputFiles": str(len(files)), "inputFileBytes": str(sum(file.stat().st_size for file in files))
    }  # fmt: skip


def files_of(warehouse: Warehouse, uri: str) -> Iterator[Path]:
    """Give the files that a URI names, a `*` standing for any characters; refuse one that names none."""
    bucket, name = bucket_of(warehouse, uri)
    found = [
        path
        for path in sorted(bucket.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and not path.name.startswith(".")  # still being written
        and fnmatch.fnmatchcase(str(path.relative_to(bucket)), _pattern(name))
    ]
    if not found:
        raise BigQueryError("notFound", f"Not found: URI {uri}")
    yield from found


def _pattern(name: str) -> str:
    """Give the shell pattern in which only `*` is special."""
    return "".join(f"[{letter}]" if letter in "?[" else letter for letter in name)


def _header_lines(load: dict[str, Any]) -> int:
    return int(load.get("skipLeadingRows") or (1 if load.get("autodetect") else 0))


def _join_lines(files: Sequence[Path], whole: BinaryIO, header_lines: int) -> None:
    """Put text files one after the other, the later ones without the header of the first."""
    header: list[bytes] = []
    for number, path in enumerate(files):
        with _opened(path) as file:
            head = [file.readline() for _ in range(header_lines)]
            if number == 0:
                header = head
            if number == 0 or head != header:
                whole.writelines(head)
            shutil.copyfileobj(file, whole)
        if whole.tell():
            whole.seek(-1, 1)
            whole.write(b"" if whole.read(1) == b"\n" else b"\n")


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_compressed = file.read(2) == _GZIP
    return cast(BinaryIO, gzip.open(path)) if is_compressed else path.open("rb")


def _join_parquet(files: Sequence[Path], whole: BinaryIO) -> None:
    if len(files) == 1:
        with files[0].open("rb") as file:
            shutil.copyfileobj(file, whole)
        return
    try:
        schema = pa.unify_schemas([pa.parquet.read_schema(path) for path in files])
        with pa.parquet.ParquetWriter(whole, schema) as writer:
            for path in files:
                for batch in pa.parquet.ParquetFile(path).iter_batches():
                    writer.write_table(pa.concat_tables([schema.empty_table(), pa.Table.from_batches([batch])],
                                                        promote_options="default"))  # fmt: skip
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        message = f"Error while reading data, error message: PARQUET cannot be read: {str(error).splitlines()[0]}"
        raise BigQueryError("invalid", message) from error

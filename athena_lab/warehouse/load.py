"""Load a file of CSV, Parquet or newline-delimited JSON into a table by a load job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from google.cloud import bigquery

from athena_lab.errors import Fault, InvalidError
from athena_lab.warehouse.connect import Warehouse
from athena_lab.warehouse.datasets import make_dataset
from athena_lab.warehouse.failures import translating

FORMATS = {
    ".csv": bigquery.SourceFormat.CSV,
    ".parquet": bigquery.SourceFormat.PARQUET,
    ".pq": bigquery.SourceFormat.PARQUET,
    ".json": bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
    ".jsonl": bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
    ".ndjson": bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
}
DISPOSITIONS = {"create": "WRITE_EMPTY", "append": "WRITE_APPEND", "replace": "WRITE_TRUNCATE"}
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did: the table (`dataset.table`) and the rows written."""

    table: str
    rows: int


def load_file(
    client: Warehouse, path: Path, table: str, disposition: str = "create", progress: Progress | None = None
) -> Loaded:
    """Load a file into `dataset.table`, making the dataset where it is absent.

    `disposition` is "create" (the table must not hold rows), "append" or "replace". The types of CSV (whose
    first line names the columns) and JSON are detected by the warehouse. Raises InvalidError with all
    faults of the request at once.
    """
    faults = list(_faults(path, table, disposition))
    if faults:
        raise InvalidError(faults)
    say = progress or (lambda _: None)
    source_format = FORMATS[path.suffix.lower()]
    config = bigquery.LoadJobConfig(
        source_format=source_format,
        write_disposition=DISPOSITIONS[disposition],
        labels=client.labels,
        autodetect=source_format != bigquery.SourceFormat.PARQUET,
    )
    if source_format == bigquery.SourceFormat.CSV:
        config.skip_leading_rows = 1  # the names of the columns; guessing them fails where all columns are text
    say(f"Loading {path.name} ({path.stat().st_size / 1e6:.1f} MB) into {table}")
    with path.open("rb") as content:
        rows = load_content(client, content, table, config)
    say(f"Loaded {rows} rows into {table}")
    return Loaded(table, rows)


def load_content(client: Warehouse, content: BinaryIO, table: str, config: bigquery.LoadJobConfig) -> int:
    """Load an open file by a load job with this configuration; give the number of rows written."""
    dataset, name = table.split(".")
    reference = bigquery.DatasetReference(client.project, dataset)
    with translating(client, f"load '{table}'"):
        make_dataset(client, dataset)
        job = client.load_table_from_file(content, reference.table(name), job_config=config)
        job.result()
    return int(job.output_rows or 0)


def _faults(path: Path, table: str, disposition: str) -> list[Fault]:
    found = []
    if not path.is_file():
        found.append(Fault("file", f"Cannot load '{path}': there is no such file. Check its path."))
    elif path.suffix.lower() not in FORMATS:
        found.append(
            Fault("file", f"Cannot load '{path.name}': its format is unknown. Name it {', '.join(sorted(FORMATS))}.")
        )
    elif path.stat().st_size == 0:
        found.append(Fault("file", f"Cannot load '{path.name}': it is empty. Check where it comes from."))
    if table.count(".") != 1 or not all(part.replace("_", "").isalnum() for part in table.split(".")):
        found.append(Fault("table", f"Cannot load into '{table}': it is no table name. Write it as dataset.table."))
    if disposition not in DISPOSITIONS:
        found.append(Fault("disposition", f"Cannot load with '{disposition}': say one of {', '.join(DISPOSITIONS)}."))
    return found

"""Load the sample into a warehouse: what is already there is left alone."""

from __future__ import annotations

import io
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core import exceptions
from google.cloud import bigquery

from athena_lab.warehouse.connect import Warehouse
from athena_lab.warehouse.datasets import make_dataset
from athena_lab.warehouse.failures import translating
from athena_lab.warehouse.load import Loaded, load_content
from athena_lab.warehouse.sample import people, tables
from athena_lab.warehouse.sample.plan import Plan
from athena_lab.warehouse.sample.readings import make_readings
from athena_lab.warehouse.sample.tables import TableSpec

Progress = Callable[[str], None]
_PLAN = Plan()


def load_sample(
    client: Warehouse, progress: Progress | None = None, *, plan: Plan = _PLAN, is_replacing: bool = False
) -> tuple[Loaded, ...]:
    """Make the energy supplier's tables where they are absent (all anew with `is_replacing`); give those written.

    The plan's customers times days times 48 is the number of readings: 576,000 by default.
    """
    say = progress or (lambda _: None)
    meters = people.make_meters(plan)
    makers: dict[TableSpec, Callable[[], pa.Table]] = {
        tables.TARIFFS: people.make_tariffs,
        tables.CUSTOMERS: lambda: people.make_customers(plan),
        tables.AGREEMENTS: lambda: people.make_agreements(plan),
        tables.METERS: lambda: meters,
        tables.READINGS: lambda: make_readings(plan, meters),
    }
    loaded = []
    for spec, make in makers.items():
        if not is_replacing and _is_loaded(client, spec.name):
            say(f"{spec.name} is there already")
            continue
        rows = _load(client, spec, make())
        say(f"{spec.name}: {rows:,} rows")
        loaded.append(Loaded(spec.name, rows))
    return tuple(loaded)


def _is_loaded(client: Warehouse, name: str) -> bool:
    with translating(client, f"look for '{name}'"):
        try:
            return bool(client.get_table(f"{client.project}.{name}").num_rows)
        except exceptions.NotFound:
            return False


def _load(client: Warehouse, spec: TableSpec, rows: pa.Table) -> int:
    dataset = spec.name.split(".")[0]
    with translating(client, f"make the dataset '{dataset}'"):
        make_dataset(client, dataset, tables.DATASETS[dataset])
    buffer = io.BytesIO()
    pq.write_table(rows.select([column[0] for column in spec.columns]), buffer, compression="zstd")
    buffer.seek(0)
    return load_content(client, buffer, spec.name, _configuration(client, spec))


def _configuration(client: Warehouse, spec: TableSpec) -> bigquery.LoadJobConfig:
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
        schema=[bigquery.SchemaField(name, kind, description=text) for name, kind, text in spec.columns],
        destination_table_description=spec.description,
        labels=client.labels,
    )
    if spec.partition:
        config.time_partitioning = bigquery.TimePartitioning(field=spec.partition)
    if spec.cluster:
        config.clustering_fields = [spec.cluster]
    return config

"""Datasets: made where something is to be written and they are absent."""

from __future__ import annotations

from google.api_core import exceptions
from google.cloud import bigquery

from athena_lab.warehouse.connect import Warehouse


def make_dataset(client: Warehouse, name: str, description: str | None = None) -> None:
    """Make a dataset where it is absent."""
    reference = bigquery.DatasetReference(client.project, name)
    try:
        client.get_dataset(reference)
    except exceptions.NotFound:
        dataset = bigquery.Dataset(reference)
        dataset.location, dataset.description = client.location, description
        client.create_dataset(dataset, exists_ok=True)

"""Datasets: made where something is to be written and they are absent, dropped with what is in them."""

from __future__ import annotations

from collections.abc import Collection

from google.api_core import exceptions
from google.cloud import bigquery

from athena_lab.warehouse.connect import PATIENCE, Warehouse
from athena_lab.warehouse.failures import translating


def make_dataset(client: Warehouse, name: str, description: str | None = None) -> None:
    """Make a dataset where it is absent."""
    reference = bigquery.DatasetReference(client.project, name)
    try:
        client.get_dataset(reference)
    except exceptions.NotFound:
        dataset = bigquery.Dataset(reference)
        dataset.location, dataset.description = client.location, description
        client.create_dataset(dataset, exists_ok=True)


def absent_datasets(client: Warehouse, names: Collection[str]) -> frozenset[str]:
    """Give those of the datasets that there are not; one that the caller may not see counts as there."""
    found = set()
    with translating(client, "look for datasets"):
        for name in names:
            try:
                client.get_dataset(bigquery.DatasetReference(client.project, name), **PATIENCE)
            except exceptions.NotFound:
                found.add(name)
            except exceptions.Forbidden:
                continue
    return frozenset(found)


def drop_dataset(client: Warehouse, name: str) -> None:
    """Drop a dataset with everything in it; one that there is not is fine."""
    with translating(client, f"drop the dataset '{name}'"):
        reference = bigquery.DatasetReference(client.project, name)
        client.delete_dataset(reference, delete_contents=True, not_found_ok=True, **PATIENCE)

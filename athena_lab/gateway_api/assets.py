"""How a table is named as an Airflow asset: `bigquery://PROJECT/DATASET/TABLE`; nothing heavy, the loader needs it."""

from __future__ import annotations

from urllib.parse import quote, unquote

SCHEME = "bigquery://"


def asset_uri(table: str, project: str) -> str:
    """Name a table (`dataset.table`, another project's with its project before) as Airflow and its providers do.

    Raises ValueError where it has no project. Source of the form: the asset URIs of Airflow's Google provider.
    """
    parts = table.rsplit(".", 2)  # the project of a domain (`example.com:project`) has dots of its own
    owner, dataset, name = parts if len(parts) == 3 else (project, *parts) if len(parts) == 2 else ("", "", "")
    if not owner or not dataset or not name:
        raise ValueError(f"the table '{table}' has no project, dataset or name")
    return SCHEME + "/".join(quote(part, safe=":") for part in (owner, dataset, name))


def table_of(uri: str, project: str) -> str | None:
    """Give the table that an asset's URI names, without the own project; None where it names none."""
    parts = uri.removeprefix(SCHEME).split("/")
    if not uri.startswith(SCHEME) or len(parts) != 3 or not all(parts):
        return None
    owner, dataset, name = map(unquote, parts)
    return f"{dataset}.{name}" if owner == project else f"{owner}.{dataset}.{name}"

"""Lineage: which tables a query, script or notebook reads and writes, and where each written column comes from.

Functions from values to values; nothing is executed. What could not be decided is in `unknown`.
"""

from athena_lab.warehouse.lineage.model import Lineage, Sighting, Sightings, Unknown
from athena_lab.warehouse.lineage.notebook import (
    lineage_of_file,
    lineage_of_notebook,
    lineage_of_python,
    sightings_of_notebook,
)
from athena_lab.warehouse.lineage.sql import lineage_of_sql

__all__ = [
    "Lineage",
    "Sighting",
    "Sightings",
    "Unknown",
    "lineage_of_file",
    "lineage_of_notebook",
    "lineage_of_python",
    "lineage_of_sql",
    "sightings_of_notebook",
]

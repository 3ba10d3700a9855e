"""Roles and what they permit, for as much of IAM as the embedded warehouse knows.

https://cloud.google.com/bigquery/docs/access-control and, for the three basic roles of datasets,
https://cloud.google.com/bigquery/docs/access-control-basic-roles. A role that is not listed is kept and grants nothing.
"""

from __future__ import annotations

GET_DATASET, UPDATE_DATASET, DELETE_DATASET = (
    "bigquery.datasets.get", "bigquery.datasets.update", "bigquery.datasets.delete",
)  # fmt: skip
LIST_TABLES, GET_TABLE, GET_DATA, EXPORT = (
    "bigquery.tables.list", "bigquery.tables.get", "bigquery.tables.getData", "bigquery.tables.export",
)  # fmt: skip
CREATE_TABLE, UPDATE_TABLE, UPDATE_DATA, DELETE_TABLE = (
    "bigquery.tables.create", "bigquery.tables.update", "bigquery.tables.updateData", "bigquery.tables.delete",
)  # fmt: skip
GET_POLICY, SET_POLICY = "bigquery.tables.getIamPolicy", "bigquery.tables.setIamPolicy"
LIST_ROUTINES, GET_ROUTINE = "bigquery.routines.list", "bigquery.routines.get"
CREATE_ROUTINE, UPDATE_ROUTINE, DELETE_ROUTINE = (
    "bigquery.routines.create", "bigquery.routines.update", "bigquery.routines.delete",
)  # fmt: skip

_METADATA = frozenset({GET_DATASET, LIST_TABLES, GET_TABLE, LIST_ROUTINES, GET_ROUTINE, GET_POLICY})
_VIEWER = _METADATA - {GET_POLICY} | {GET_DATA, EXPORT, "bigquery.tables.createSnapshot"}
_EDITOR = _VIEWER | {
    CREATE_TABLE, UPDATE_TABLE, UPDATE_DATA, DELETE_TABLE, CREATE_ROUTINE, UPDATE_ROUTINE, DELETE_ROUTINE,
}  # fmt: skip
_OWNER = _EDITOR | {
    UPDATE_DATASET, DELETE_DATASET, GET_POLICY, SET_POLICY, "bigquery.datasets.getIamPolicy",
    "bigquery.datasets.setIamPolicy",
}  # fmt: skip
READS = _VIEWER | {GET_POLICY, "bigquery.datasets.getIamPolicy", "bigquery.jobs.create"}
"""What changes nothing that lasts; a permission that is not listed here is one to write."""
ALL = _OWNER | {"bigquery.datasets.create", "bigquery.jobs.create"}
OF_MEMBERS = frozenset({"bigquery.datasets.create", "bigquery.jobs.create"})
"""What everybody with a token may in the project."""

BASIC = {
    "roles/bigquery.dataViewer": "READER", "roles/bigquery.dataEditor": "WRITER", "roles/bigquery.dataOwner": "OWNER",
    "roles/viewer": "READER", "roles/editor": "WRITER", "roles/owner": "OWNER",
}  # fmt: skip
"""Names under which a dataset's list shows the roles that it has words of its own for."""
_PERMITTED = {
    "READER": _VIEWER, "WRITER": _EDITOR, "OWNER": _OWNER, "roles/bigquery.admin": ALL,
    "roles/bigquery.metadataViewer": _METADATA, "roles/bigquery.user": frozenset({GET_DATASET, LIST_TABLES,
    LIST_ROUTINES}),
}  # fmt: skip


def permitted_by(role: str) -> frozenset[str]:
    """Give what a role permits; nothing for one that is unknown."""
    return _PERMITTED.get(BASIC.get(role, role), frozenset())

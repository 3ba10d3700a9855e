"""What the tests of policies share: people with masked addresses, policies, and how rows are read."""

from __future__ import annotations

import base64
import hashlib
import uuid
from typing import Any

from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import types

PEOPLE = [
    (1, "ada@example.com", "Ada Lovelace", "UK", 10.5),
    (2, "bob.b@mail.example.org", "Bob", "DE", 20.0),
    (3, "no address", None, "UK", 30.0),
]


def policy(admin: bigquery.Client, mask: str | None, *members: str) -> str:
    """Make a data policy; give its name in a statement."""
    name = f"athena.us.p_{uuid.uuid4().hex[:8]}"
    kind = "RAW_DATA_ACCESS_POLICY" if mask is None else "DATA_MASKING_POLICY"
    options = f"data_policy_type='{kind}'" + ("" if mask is None else f", masking_expression='{mask}'")
    admin.query_and_wait(f"CREATE DATA_POLICY `{name}` OPTIONS({options})")
    if members:
        listed = ", ".join(f"'{member}'" for member in members)
        admin.query_and_wait(f"GRANT FINE_GRAINED_READ ON DATA_POLICY `{name}` TO {listed}")
    return name


def attach(admin: bigquery.Client, table: str, column: str, *names: str) -> None:
    listed = ", ".join(f"\"{{'name':'{name}'}}\"" for name in names)
    admin.query_and_wait(f"ALTER TABLE {table} ALTER COLUMN {column} SET OPTIONS (data_policies = [{listed}])")


def sha(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


MASKED = ["XXXXX@example.com", "XXXXX@mail.example.org", sha("no address")]


def values(client: bigquery.Client, sql: str) -> list[Any]:
    found = [tuple(row.values()) for row in client.query_and_wait(sql)]
    return [row[0] for row in found] if found and len(found[0]) == 1 else found


def stored(storage: Any, table: str, columns: list[str], restriction: str = "") -> list[Any]:
    dataset, name = table.split(".")
    asked = types.ReadSession(
        table=f"projects/athena/datasets/{dataset}/tables/{name}", data_format=types.DataFormat.ARROW
    )
    asked.read_options.selected_fields = columns
    asked.read_options.row_restriction = restriction
    session = storage.create_read_session(parent="projects/athena", read_session=asked, max_stream_count=1)
    found: list[Any] = []
    for stream in session.streams:
        for page in storage.read_rows(stream.name).rows(session).pages:
            found += [str(item[columns[0]]) for item in page]
    return sorted(found)

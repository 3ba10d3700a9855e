"""Data policies on fields within structs and arrays."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import Forbidden
from google.cloud import bigquery

from tests.emulator.policy_parts import attach, policy, stored, values

NESTED = "STRUCT<mail STRING, city STRING, notes ARRAY<STRUCT<text STRING, stars INT64>>>"


@pytest.fixture
def nested(admin: bigquery.Client) -> Iterator[str]:
    """A table whose policies are on fields within structs and arrays."""
    dataset = f"d_{uuid.uuid4().hex[:12]}"
    admin.create_dataset(dataset)
    table = f"{dataset}.n"
    admin.query_and_wait(f"CREATE TABLE {table} (id INT64, who {NESTED})")
    notes = [{"text": "RAW one", "stars": 5}, {"text": "RAW two", "stars": 3}]
    rows = [
        {"id": 1, "who": {"mail": "ada@example.com", "city": "Paris", "notes": notes}}, {"id": 2},
        {"id": 3, "who": {"city": "Rome"}},
    ]  # fmt: skip
    admin.load_table_from_json(
        rows, table, job_config=bigquery.LoadJobConfig(write_disposition="WRITE_APPEND")
    ).result()
    attach(admin, table, "who.mail", policy(admin, "EMAIL_MASK", "group:analysts"), policy(admin, None, "group:fine"))
    attach(admin, table, "who.notes.text", policy(admin, "ALWAYS_NULL", "group:analysts"))
    yield table
    admin.delete_dataset(dataset, delete_contents=True)


def test_fields_within_structs_and_arrays_are_masked(
    nested: str, reader: bigquery.Client, admin: bigquery.Client, emulator: Any
) -> None:
    masked = {
        "mail": "XXXXX@example.com", "city": "Paris", "notes": [{"text": None, "stars": 5}, {"text": None, "stars": 3}],
    }  # fmt: skip
    assert values(reader, f"SELECT who FROM {nested} WHERE id = 1") == [masked]
    assert values(reader, f"SELECT who.mail FROM {nested} ORDER BY id") == ["XXXXX@example.com", None, None]
    assert values(reader, f"SELECT who IS NULL FROM {nested} ORDER BY id") == [False, True, False]
    assert values(reader, f"SELECT n.text FROM {nested} t, UNNEST(t.who.notes) AS n") == [None, None]
    assert values(reader, f"SELECT n.stars FROM {nested} t, UNNEST(t.who.notes) AS n ORDER BY 1") == [3, 5]
    for text in (
        "SELECT TO_JSON_STRING(t) FROM {n} t", "SELECT FORMAT('%t', who) FROM {n}", "SELECT who.* FROM {n}",
        "SELECT ARRAY(SELECT AS STRUCT * FROM UNNEST(who.notes)) FROM {n}", "SELECT * FROM {n}",
    ):  # fmt: skip
        found = str(values(reader, text.format(n=nested)))
        assert "ada" not in found
        assert "RAW" not in found
    assert "RAW one" in str(values(admin, f"SELECT * FROM {nested}"))
    assert "RAW" not in str(stored(emulator.storage("mona", groups=["analysts"]), nested, ["who"]))
    with pytest.raises(Forbidden):
        list(reader.list_rows(nested))
    with pytest.raises(Forbidden):
        reader.query_and_wait(f"UPDATE {nested} SET id = 0 WHERE who.mail LIKE 'ada%'")


def test_a_closed_field_closes_what_holds_it_and_nothing_beside_it(
    nested: str, insider: bigquery.Client, outsider: bigquery.Client, admin: bigquery.Client
) -> None:
    assert values(outsider, f"SELECT who.city FROM {nested} ORDER BY id") == ["Paris", None, "Rome"]
    assert values(insider, f"SELECT who.mail FROM {nested} WHERE id = 1") == ["ada@example.com"]
    for text in (
        "SELECT who FROM {n}", "SELECT who.mail FROM {n}", "SELECT TO_JSON_STRING(t) FROM {n} t", "SELECT * FROM {n}",
        "SELECT n.text FROM {n} t, UNNEST(t.who.notes) AS n",
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            outsider.query_and_wait(text.format(n=nested))
    schema = admin.get_table(nested).schema[1].fields
    assert schema[0].to_api_repr()["dataPolicies"]
    assert schema[2].fields[0].to_api_repr()["dataPolicies"]


def test_only_administrators_take_policies_off_fields_within(nested: str, reader: bigquery.Client) -> None:
    table = reader.get_table(nested)
    plain = [item.to_api_repr() for item in table.schema]
    plain[1]["fields"][0].pop("dataPolicies")
    table.schema = [bigquery.SchemaField.from_api_repr(item) for item in plain]
    with pytest.raises(Forbidden):
        reader.update_table(table, ["schema"])

"""Ways around policies that lead nowhere: sizes, errors, renames, clones, loads."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden
from google.cloud import bigquery

from tests.emulator.policy_parts import MASKED, values


def test_sizes_tell_neither_lengths_of_masked_values_nor_hidden_rows(
    people: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    dry = bigquery.QueryJobConfig(dry_run=True)

    def sizes() -> tuple[Any, ...]:
        told = [
            reader.query(text.format(t=people), job_config=dry).total_bytes_processed
            for text in (
                "SELECT email FROM {t}", "SELECT * FROM {t}", "DELETE FROM {t} WHERE id = 0",
                "INSERT INTO {t} (id, email) SELECT id, email FROM {t}",
            )
        ]  # fmt: skip
        return (*told, reader.get_table(people).num_bytes)

    before, raw = sizes(), admin.get_table(people).num_bytes
    admin.query_and_wait(f"UPDATE {people} SET email = CONCAT(email, email) WHERE id = 1")
    assert sizes() == before
    assert admin.get_table(people).num_bytes > raw
    admin.query_and_wait(f"UPDATE {people} SET email = NULL WHERE id = 1")
    assert sizes() == before
    admin.query_and_wait(f"CREATE ROW ACCESS POLICY uk ON {people} GRANT TO ('group:analysts') FILTER USING (id = 1)")
    table = reader.get_table(people)
    assert (table.num_rows, table.num_bytes) == (None, None)
    listed = f"SELECT table_name FROM {people.split('.')[0]}.INFORMATION_SCHEMA.PARTITIONS"
    assert list(reader.query_and_wait(listed)) == []
    copied = f"INSERT INTO {people} (id) SELECT id FROM {people}"
    assert reader.query(copied, job_config=dry).total_bytes_processed == 0


def test_a_row_filters_own_error_quotes_no_hidden_value(
    people: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    admin.query_and_wait(
        f"CREATE ROW ACCESS POLICY odd ON {people} GRANT TO ('group:analysts') FILTER USING (CAST(email AS INT64) = 1)"
    )
    with pytest.raises(BadRequest, match="filter of a row access policy failed") as refusal:
        reader.query_and_wait(f"SELECT id FROM {people}")
    assert "ada" not in str(refusal.value)


def test_columns_that_policies_are_about_are_not_changed_by_those_whom_they_bind(
    people: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    statements = ["RENAME COLUMN email TO e2", "DROP COLUMN email", "ALTER COLUMN email SET DATA TYPE STRING(5)"]
    for text in statements:
        with pytest.raises(Forbidden):
            reader.query_and_wait(f"ALTER TABLE {people} {text}")
    reader.query_and_wait(f"ALTER TABLE {people} RENAME COLUMN spend TO spent")
    admin.query_and_wait(
        f"CREATE ROW ACCESS POLICY uk ON {people} GRANT TO ('group:analysts') FILTER USING (region = 'UK')"
    )
    for text in (*statements, "RENAME COLUMN region TO r2", "RENAME COLUMN name TO region", "ADD COLUMN more STRING"):
        with pytest.raises(Forbidden):
            reader.query_and_wait(f"ALTER TABLE {people} {text}")


def test_a_filter_calls_no_function_that_others_could_replace(people: str, admin: bigquery.Client) -> None:
    dataset, _ = people.split(".")
    admin.query_and_wait(f"CREATE FUNCTION {dataset}.shown(x STRING) AS (x = 'UK')")
    with pytest.raises(BadRequest, match="stored function"):
        admin.query_and_wait(
            f"CREATE ROW ACCESS POLICY uk ON {people} GRANT TO ('group:fine') FILTER USING ({dataset}.shown(region))"
        )


def test_a_clone_a_copy_and_a_snapshot_need_raw_access(
    people: str, admin: bigquery.Client, reader: bigquery.Client, insider: bigquery.Client
) -> None:
    for head in ("CREATE TABLE {t}_1 CLONE", "CREATE TABLE {t}_2 COPY", "CREATE SNAPSHOT TABLE {t}_3 CLONE"):
        with pytest.raises(Forbidden):
            reader.query_and_wait(f"{head.format(t=people)} {people}")
        insider.query_and_wait(f"{head.format(t=people)} {people}")
    assert values(reader, f"SELECT email FROM {people}_1 ORDER BY id") == MASKED


def test_a_load_cannot_carry_policies_into_a_table(
    people: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    admin.query_and_wait(f"CREATE ROW ACCESS POLICY none ON {people} GRANT TO ('user:root') FILTER USING (TRUE)")
    config = bigquery.LoadJobConfig(write_disposition="WRITE_TRUNCATE")
    config._properties["load"]["destinationTableProperties"] = {
        "athenaRowAccessPolicies": [], "view": {"query": "SELECT 1"}, "description": "mine",
    }  # fmt: skip
    reader.load_table_from_json([{"id": 7}], people, job_config=config).result()
    assert values(reader, f"SELECT id FROM {people}") == []
    assert values(admin, f"SELECT id FROM {people}") == [7]


def test_an_error_between_batches_is_told_to_the_asker_and_not_logged(
    people: str, insider: bigquery.Client, emulator: Any
) -> None:
    sql = f"SELECT CAST(id AS FLOAT64) AS x FROM {people} UNION ALL SELECT CAST(email AS FLOAT64) FROM {people}"
    with pytest.raises(BadRequest, match=r"ada@example\.com"):
        insider.query_and_wait(sql)
    assert "ada@example.com" not in (emulator.data.parent / "emulator.log").read_text()


@pytest.mark.parametrize("default", ["(SELECT MAX(email) FROM {t})", "{d}.peek()", "getenv('HOME')", "query('x')"])
def test_a_columns_default_reads_nothing_for_whoever_made_the_table(
    people: str, reader: bigquery.Client, insider: bigquery.Client, default: str
) -> None:
    dataset, _ = people.split(".")
    reader.query_and_wait(f"CREATE OR REPLACE FUNCTION {dataset}.peek() AS ((SELECT MAX(email) FROM {people}))")
    field = bigquery.SchemaField("v", "STRING", default_value_expression=default.format(t=people, d=dataset))
    try:
        trap = reader.create_table(
            bigquery.Table(f"athena.{dataset}.trap", [bigquery.SchemaField("i", "INT64"), field])
        )
    except BadRequest:
        return
    with pytest.raises(BadRequest):
        insider.query_and_wait(f"INSERT INTO {dataset}.trap (i, v) VALUES (1, DEFAULT)")
    assert list(reader.list_rows(trap)) == []

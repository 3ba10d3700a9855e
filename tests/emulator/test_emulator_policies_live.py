"""Policies bind as they are now: in transactions, prepared statements, contexts of functions, sizes and errors."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden
from google.cloud import bigquery

from athena_lab.emulator.sql.pseudo import may_match
from athena_lab.emulator.sql.spelling import parse
from tests.emulator.policy_parts import attach, policy, values

RAW = "RAWPII"


@pytest.fixture
def vault(admin: bigquery.Client) -> Iterator[str]:
    """A table that is open to everybody, yet."""
    dataset = f"d_{uuid.uuid4().hex[:12]}"
    admin.create_dataset(dataset)
    admin.query_and_wait(f"CREATE TABLE {dataset}.v AS SELECT 1 AS id, '{RAW}' AS s, 42 AS code")
    yield f"{dataset}.v"
    admin.delete_dataset(dataset, delete_contents=True)


def session(client: bigquery.Client) -> Callable[..., list[Any]]:
    """Begin a session; give what runs statements in it."""
    job = client.query("SELECT 1", job_config=bigquery.QueryJobConfig(create_session=True))
    job.result()
    key = bigquery.ConnectionProperty("session_id", job.session_info.session_id)
    config = bigquery.QueryJobConfig(connection_properties=[key])

    def run(sql: str) -> list[Any]:
        return [tuple(row.values()) for row in client.query_and_wait(sql, job_config=config)]

    return run


def mask(admin: bigquery.Client, table: str) -> None:
    attach(admin, table, "s", policy(admin, "ALWAYS_NULL", "group:analysts"), policy(admin, None, "group:fine"))


def hide_rows(admin: bigquery.Client, table: str) -> None:
    admin.query_and_wait(f"CREATE ROW ACCESS POLICY r ON {table} GRANT TO ('group:fine') FILTER USING (TRUE)")


def rename_and_mask(admin: bigquery.Client, table: str) -> None:
    dataset, name = table.split(".")
    admin.query_and_wait(f"ALTER TABLE {table} RENAME TO {name}_new")
    mask(admin, f"{dataset}.{name}_new")


@pytest.mark.parametrize("change", [mask, hide_rows, rename_and_mask])
def test_a_transaction_that_began_before_a_policy_is_bound_by_it(
    vault: str, admin: bigquery.Client, reader: bigquery.Client, change: Callable[[bigquery.Client, str], None]
) -> None:
    run = session(reader)
    run("BEGIN TRANSACTION")
    assert run(f"SELECT s FROM {vault}") == [(RAW,)]
    change(admin, vault)
    assert RAW not in str(run(f"SELECT s FROM {vault}"))
    run("ROLLBACK TRANSACTION")


def test_a_transaction_that_began_before_a_revocation_is_bound_by_it(
    vault: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    run = session(reader)
    run("BEGIN TRANSACTION")
    assert run(f"SELECT s FROM {vault}") == [(RAW,)]
    dataset = admin.get_dataset(vault.split(".")[0])
    dataset.access_entries = [bigquery.AccessEntry("OWNER", "specialGroup", "projectOwners")]
    admin.update_dataset(dataset, ["access_entries"])
    with pytest.raises(Forbidden):
        run(f"SELECT s FROM {vault}")


def test_what_one_transaction_prepared_serves_no_other(
    vault: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    dataset, _ = vault.split(".")
    run = session(reader)

    def seen(changes: int) -> list[Any]:
        run("BEGIN TRANSACTION")
        for index in range(changes):
            run(f"CREATE TABLE {dataset}.x{index} (a INT64)")
        found = run(f"SELECT s FROM {vault}")
        run("ROLLBACK TRANSACTION")
        return found

    assert seen(2) == [(RAW,)]
    hide_rows(admin, vault)  # one change of definitions, as one of those two
    assert seen(1) == []


def test_a_column_that_was_renamed_before_it_was_masked_is_closed_in_the_past(
    vault: str, admin: bigquery.Client, reader: bigquery.Client, insider: bigquery.Client
) -> None:
    moment = values(admin, "SELECT CURRENT_TIMESTAMP()")[0].isoformat()
    admin.query_and_wait(f"ALTER TABLE {vault} RENAME COLUMN s TO secret")
    attach(admin, vault, "secret", policy(admin, "ALWAYS_NULL", "group:analysts"), policy(admin, None, "group:fine"))
    then = f"{vault} FOR SYSTEM_TIME AS OF TIMESTAMP '{moment}'"
    assert values(insider, f"SELECT s FROM {then}") == [RAW]
    assert values(reader, f"SELECT code FROM {then}") == [42]
    with pytest.raises(Forbidden):
        reader.query_and_wait(f"SELECT s FROM {then}")


def test_functions_in_javascript_keep_nothing_for_another_statement(
    vault: str, admin: bigquery.Client, reader: bigquery.Client, insider: bigquery.Client
) -> None:
    mask(admin, vault)
    dataset, _ = vault.split(".")
    reader.query_and_wait(
        f"CREATE FUNCTION {dataset}.tidy(x STRING) RETURNS STRING LANGUAGE js AS "
        "'var all = globalThis.kept || []; globalThis.kept = all.concat([x]); return all.join()'"
    )
    for index in range(8):
        insider.query_and_wait(f"SELECT {dataset}.tidy(s), {index} FROM {vault}")
        assert RAW not in str(values(reader, f"SELECT {dataset}.tidy('mine'), {index}"))


def test_a_masked_column_is_none_that_partitions_by_ranges(vault: str, admin: bigquery.Client) -> None:
    dataset, _ = vault.split(".")
    admin.query_and_wait(
        f"CREATE TABLE {dataset}.r (id INT64, code INT64) PARTITION BY RANGE_BUCKET(code, GENERATE_ARRAY(0, 100, 10))"
    )
    with pytest.raises(BadRequest, match="partitioning"):
        attach(admin, f"{dataset}.r", "code", policy(admin, "ALWAYS_NULL", "group:analysts"))


def test_partitions_of_the_past_tell_nothing_of_a_column_that_is_masked_since(
    vault: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    dataset, _ = vault.split(".")
    head = f"CREATE OR REPLACE TABLE {dataset}.r (id INT64, code INT64)"
    admin.query_and_wait(f"{head} PARTITION BY RANGE_BUCKET(code, GENERATE_ARRAY(0, 100, 10))")
    admin.query_and_wait(f"INSERT INTO {dataset}.r VALUES (1, 42)")
    moment = values(admin, "SELECT CURRENT_TIMESTAMP()")[0].isoformat()
    admin.query_and_wait(head)
    attach(admin, f"{dataset}.r", "code", policy(admin, "DEFAULT_MASKING_VALUE", "group:analysts"))
    dry = bigquery.QueryJobConfig(dry_run=True)
    sql = f"SELECT id FROM {dataset}.r FOR SYSTEM_TIME AS OF TIMESTAMP '{moment}' WHERE code = "
    assert len({reader.query(f"{sql}{code}", job_config=dry).total_bytes_processed for code in (42, 77)}) == 1


def test_the_error_of_a_filter_with_a_subquery_quotes_no_hidden_value(
    vault: str, admin: bigquery.Client, reader: bigquery.Client, emulator: Any
) -> None:
    dataset, _ = vault.split(".")
    admin.query_and_wait(f"CREATE TABLE {dataset}.allowed AS SELECT 1 AS k")
    admin.query_and_wait(
        f"CREATE ROW ACCESS POLICY odd ON {vault} GRANT TO ('group:analysts')"
        f" FILTER USING (CAST(s AS INT64) IN (SELECT k FROM {dataset}.allowed))"
    )
    for sql in (f"SELECT id FROM {vault}", f"CREATE TABLE {dataset}.w AS SELECT * FROM {vault}"):
        with pytest.raises(BadRequest, match="is not told") as refusal:
            reader.query_and_wait(sql)
        assert RAW not in str(refusal.value)
    admin.query_and_wait(f"CREATE ROW ACCESS POLICY own ON {vault} GRANT TO ('user:root') FILTER USING (TRUE)")
    admin.query_and_wait(f"UPDATE {vault} SET s = '1' WHERE TRUE")
    assert values(reader, f"SELECT id FROM {vault}") == [1]


def test_a_table_with_policies_becomes_no_view(vault: str, admin: bigquery.Client, reader: bigquery.Client) -> None:
    mask(admin, vault)
    table = reader.get_table(vault)
    for key in ("view", "materializedView"):
        table._properties[key] = {"query": "SELECT 1 AS id"}
        with pytest.raises(BadRequest, match="stays what it is"):
            reader.update_table(table, [key])
        del table._properties[key]
    assert values(reader, f"SELECT s FROM {vault}") == [None]


def test_an_etag_tells_nothing_of_row_access_policies(
    vault: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    before = reader.get_table(vault).etag
    hide_rows(admin, vault)
    assert reader.get_table(vault).etag == before


@pytest.mark.parametrize(
    ("pattern", "suffix", "matches"),
    [
        ("%a" * 40 + "%b", "a" * 900, False), ("%", "", True), ("a%c", "abbc", True), ("a_c", "abc", True),
        ("a_c", "ac", False), (r"a\%", "a%", True), (r"a\%", "ab", False), ("%ab%", "xxab", True), ("", "", True),
    ],
)  # fmt: skip
def test_no_pattern_of_suffixes_takes_long(pattern: str, suffix: str, matches: bool) -> None:
    escaped = pattern.replace("\\", "\\\\")
    (select,) = parse(f"SELECT 1 FROM t WHERE _TABLE_SUFFIX LIKE '{escaped}'")
    assert may_match(select, suffix) is matches

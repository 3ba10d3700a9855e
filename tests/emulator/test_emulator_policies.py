"""Data policies and row access policies: defined by administrators, enforced for everybody else."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, NotFound, PermissionDenied
from google.cloud import bigquery

from tests.emulator.policy_parts import MASKED, PEOPLE, attach, policy, sha, stored, values


def test_a_masked_reader_sees_masks_a_grantee_raw_values_and_others_nothing(
    people: str, admin: bigquery.Client, reader: bigquery.Client, insider: bigquery.Client, outsider: bigquery.Client
) -> None:
    sql = f"SELECT email FROM {people} ORDER BY id"
    raw = [row[1] for row in PEOPLE]
    assert values(admin, sql) == raw == values(insider, sql)
    assert values(reader, sql) == MASKED
    with pytest.raises(Forbidden, match=r"data policies on column athena\..*\.people\.email"):
        outsider.query_and_wait(sql)
    with pytest.raises(Forbidden):
        outsider.query_and_wait(f"SELECT * FROM {people}")
    with pytest.raises(Forbidden):
        outsider.query(sql, job_config=bigquery.QueryJobConfig(dry_run=True))
    assert values(outsider, f"SELECT id FROM {people} ORDER BY id") == [1, 2, 3]
    assert values(outsider, f"SELECT COUNT(*) FROM {people}") == [3]


@pytest.mark.parametrize(
    ("kind", "mask", "literal", "expected"),
    [
        ("STRING", "SHA256", "'x'", sha("x")),
        ("BYTES", "SHA256", "b'x'", hashlib.sha256(b"x").digest()),
        ("STRING", "ALWAYS_NULL", "'x'", None),
        ("STRING", "DEFAULT_MASKING_VALUE", "'x'", ""),
        ("INT64", "DEFAULT_MASKING_VALUE", "7", 0),
        ("BOOL", "DEFAULT_MASKING_VALUE", "TRUE", False),
        ("ARRAY<INT64>", "DEFAULT_MASKING_VALUE", "[1]", []),
        ("STRING", "LAST_FOUR_CHARACTERS", "'12345678'", "XXXXX5678"),
        ("STRING", "LAST_FOUR_CHARACTERS", "'1234'", sha("1234")),
        ("STRING", "FIRST_FOUR_CHARACTERS", "'12345678'", "1234XXXXX"),
        ("STRING", "EMAIL_MASK", "'o\\'brien@x.org'", "XXXXX@x.org"),
        ("STRING", "EMAIL_MASK", "'a@b'", sha("a@b")),
        ("STRING", "EMAIL_MASK", "NULL", None),
    ],
)
def test_a_mask_gives_bigquerys_value(
    admin: bigquery.Client, reader: bigquery.Client, kind: str, mask: str, literal: str, expected: Any
) -> None:
    dataset = f"d_{uuid.uuid4().hex[:12]}"
    admin.create_dataset(dataset)
    admin.query_and_wait(f"CREATE TABLE {dataset}.t (v {kind})")
    admin.query_and_wait(f"INSERT INTO {dataset}.t VALUES ({literal})")
    attach(admin, f"{dataset}.t", "v", policy(admin, mask, "group:analysts"))
    assert values(reader, f"SELECT v FROM {dataset}.t") == [expected]
    admin.delete_dataset(dataset, delete_contents=True)


def test_a_date_is_masked_to_its_year(admin: bigquery.Client, reader: bigquery.Client) -> None:
    dataset = f"d_{uuid.uuid4().hex[:12]}"
    admin.create_dataset(dataset)
    admin.query_and_wait(
        f"CREATE TABLE {dataset}.t AS SELECT DATE '2076-05-06' AS d, TIMESTAMP '2076-05-06 07:08:09+00' AS t"
    )
    name = policy(admin, "DATE_YEAR_MASK", "user:mona")
    attach(admin, f"{dataset}.t", "d", name)
    attach(admin, f"{dataset}.t", "t", name)
    sql = f"SELECT CAST(d AS STRING), CAST(t = TIMESTAMP '2076-01-01 00:00:00+00' AS STRING) FROM {dataset}.t"
    assert values(reader, sql) == [("2076-01-01", "true")]
    admin.delete_dataset(dataset, delete_contents=True)


def test_the_random_hash_joins_within_a_query_and_differs_between_queries(
    people: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    attach(admin, people, "email", policy(admin, "RANDOM_HASH", "group:analysts"))
    assert values(reader, f"SELECT COUNT(*) FROM {people} a JOIN {people} b USING (email)") == [3]
    sql = f"SELECT email FROM {people} WHERE id = 1"
    first, second = values(reader, sql), values(reader, sql)
    assert first != second
    assert len(first[0]) == len(sha("x"))


def test_of_several_masks_the_one_that_bigquery_prefers_wins(
    people: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    masks = ("ALWAYS_NULL", "LAST_FOUR_CHARACTERS", "SHA256")
    attach(admin, people, "email", *(policy(admin, mask, "group:analysts") for mask in masks))
    assert values(reader, f"SELECT email FROM {people} WHERE id = 1") == [sha("ada@example.com")]


def test_grants_and_revocations_hold_at_once(people: str, admin: bigquery.Client, outsider: bigquery.Client) -> None:
    name = policy(admin, "ALWAYS_NULL")
    admin.query_and_wait(
        f"ALTER TABLE {people} ALTER COLUMN email SET OPTIONS (data_policies += [\"{{'name':'{name}'}}\"])"
    )
    sql = f"SELECT email FROM {people} WHERE id = 1"
    with pytest.raises(Forbidden):
        outsider.query_and_wait(sql)
    admin.query_and_wait(f"GRANT FINE_GRAINED_READ ON DATA_POLICY `{name}` TO 'principal://goog/subject/otto'")
    assert values(outsider, sql) == [None]
    admin.query_and_wait(f"REVOKE FINE_GRAINED_READ ON DATA_POLICY `{name}` FROM 'principal://goog/subject/otto'")
    with pytest.raises(Forbidden):
        outsider.query_and_wait(sql)
    admin.query_and_wait(f"DROP DATA_POLICY `{name}`")
    with pytest.raises(Forbidden):
        outsider.query_and_wait(sql)


def test_only_administrators_define_policies_and_take_them_off(people: str, reader: bigquery.Client) -> None:
    for sql in (
        "CREATE DATA_POLICY `athena.us.mine` OPTIONS(data_policy_type='RAW_DATA_ACCESS_POLICY')",
        f"ALTER TABLE {people} ALTER COLUMN email SET OPTIONS (data_policies = [])",
        f"CREATE ROW ACCESS POLICY p ON {people} GRANT TO ('user:mona') FILTER USING (TRUE)",
        f"DROP ALL ROW ACCESS POLICIES ON {people}",
    ):
        with pytest.raises(Forbidden):
            reader.query_and_wait(sql)
    table = reader.get_table(people)
    assert table.schema[1].to_api_repr()["dataPolicies"]
    table.schema = [bigquery.SchemaField(item.name, item.field_type, item.mode) for item in table.schema]
    with pytest.raises(Forbidden):
        reader.update_table(table, ["schema"])


def test_a_view_shows_what_its_reader_may_see(people: str, admin: bigquery.Client, reader: bigquery.Client) -> None:
    admin.query_and_wait(f"CREATE VIEW {people}_v AS SELECT id, UPPER(email) AS e FROM {people}")
    assert values(reader, f"SELECT e FROM {people}_v WHERE id = 2") == ["XXXXX@MAIL.EXAMPLE.ORG"]


def test_rows_are_filtered_by_whoever_asks(
    people: str, admin: bigquery.Client, reader: bigquery.Client, insider: bigquery.Client, outsider: bigquery.Client
) -> None:
    admin.query_and_wait(
        f"CREATE ROW ACCESS POLICY uk ON {people} GRANT TO ('group:analysts') FILTER USING (region = 'UK')"
    )
    admin.query_and_wait(f"CREATE ROW ACCESS POLICY everything ON {people} GRANT TO ('group:fine') FILTER USING (TRUE)")
    sql = f"SELECT id FROM {people} ORDER BY id"
    assert values(reader, sql) == [1, 3]
    assert reader.query_and_wait(sql).total_bytes_processed == 0  # the size would tell how many rows are hidden
    assert values(insider, sql) == [1, 2, 3]
    assert values(outsider, sql) == [] == values(admin, sql)
    with pytest.raises(Forbidden):
        reader.query_and_wait(f"DELETE FROM {people} WHERE id = 2")
    with pytest.raises(Forbidden):
        list(reader.list_rows(people))
    admin.query_and_wait(
        f"CREATE OR REPLACE ROW ACCESS POLICY uk ON {people} GRANT TO ('group:analysts')"
        " FILTER USING (SESSION_USER() = 'mona@athena.local' AND id = 2)"
    )
    assert values(reader, sql) == [2]
    admin.query_and_wait(f"DROP ALL ROW ACCESS POLICIES ON {people}")
    assert values(outsider, sql) == [1, 2, 3]


def test_no_predicate_of_the_readers_sees_a_hidden_row(
    people: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    admin.query_and_wait(
        f"CREATE ROW ACCESS POLICY uk ON {people} GRANT TO ('group:analysts') FILTER USING (region = 'UK')"
    )
    sql = f"SELECT COUNT(*) FROM {people} WHERE IF(id = 2, ERROR(region), 'ok') = 'ok' AND 1 / (id - 2) < 5"
    assert values(reader, sql) == [2]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM {t} WHERE email LIKE 'ada%'",
        "UPDATE {t} SET spend = 0 WHERE email = 'ada@example.com'",
        "UPDATE {t} SET name = email WHERE id = 1",
        "UPDATE {t} SET spend = 1 FROM UNNEST(['ada@example.com']) e WHERE email = e",
        "MERGE {t} t USING (SELECT 'ada@example.com' AS e) s ON t.email = s.e WHEN MATCHED THEN DELETE",
        "MERGE {t} t USING (SELECT 1 AS i) s ON t.id = s.i WHEN MATCHED THEN UPDATE SET name = t.email",
        "MERGE {t} t USING (SELECT 1 AS i) s ON t.id = s.i WHEN MATCHED AND email > 'a' THEN DELETE",
        "DELETE FROM {t} WHERE TO_JSON_STRING(people) LIKE '%ada%'",
    ],
)
def test_dml_that_reads_a_masked_column_of_its_target_is_refused(
    people: str, admin: bigquery.Client, reader: bigquery.Client, sql: str
) -> None:
    with pytest.raises((Forbidden, BadRequest)) as refusal:
        reader.query_and_wait(sql.format(t=people))
    assert isinstance(refusal.value, Forbidden) or "JSON" in sql
    assert values(admin, f"SELECT COUNT(*) FROM {people} WHERE spend > 5 AND name IS NOT NULL") == [2]


def test_dml_that_reads_other_columns_and_writes_masked_ones_works(
    people: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    reader.query_and_wait(f"UPDATE {people} SET email = 'new@example.com' WHERE id = 1")
    reader.query_and_wait(f"INSERT INTO {people} (id, email) SELECT 9, email FROM {people} WHERE id = 2")
    assert values(admin, f"SELECT email FROM {people} WHERE id IN (1, 9) ORDER BY id") == [
        "new@example.com", "XXXXX@mail.example.org",
    ]  # fmt: skip


def test_copies_and_lists_need_raw_access_and_storage_read_is_masked(
    people: str, emulator: Any, reader: bigquery.Client, insider: bigquery.Client
) -> None:
    with pytest.raises(Forbidden):
        reader.copy_table(people, f"{people}_copy").result()
    insider.copy_table(people, f"{people}_copy").result()
    assert reader.get_table(f"{people}_copy").schema[1].to_api_repr()["dataPolicies"]
    with pytest.raises(Forbidden):
        list(reader.list_rows(people))
    fields = [item for item in reader.get_table(people).schema if item.name == "id"]
    assert len(list(reader.list_rows(people, selected_fields=fields))) == 3
    storage = emulator.storage("mona", groups=["analysts"])
    assert stored(storage, people, ["email"]) == sorted(MASKED)
    assert stored(storage, people, ["email"], "email LIKE 'ada%'") == []
    assert stored(storage, people, ["email"], "email LIKE 'XXXXX@e%'") == ["XXXXX@example.com"]
    with pytest.raises(PermissionDenied):
        stored(emulator.storage("otto"), people, ["email"])


def test_policies_survive_a_restart(own_emulator: Any) -> None:
    admin = own_emulator.client("root", purpose="platform")
    admin.create_dataset("d")
    admin.query_and_wait("CREATE TABLE d.t AS SELECT 1 AS id, 'raw' AS v")
    attach(admin, "d.t", "v", policy(admin, "ALWAYS_NULL", "allAuthenticatedUsers"))
    admin.query_and_wait("CREATE ROW ACCESS POLICY p ON d.t GRANT TO ('domain:athena.local') FILTER USING (id = 1)")
    own_emulator.stop()
    own_emulator.start()
    assert values(own_emulator.client("mona"), "SELECT * FROM d.t") == [(1, None)]


def test_data_policies_come_and_go_through_the_api(people: str, admin: bigquery.Client) -> None:
    name = policy(admin, "SHA256")
    table = admin.get_table(people)
    schema = [item.to_api_repr() for item in table.schema]
    schema[2]["dataPolicies"] = [{"name": f"projects/athena/locations/us/dataPolicies/{name.rpartition('.')[2]}"}]
    table.schema = [bigquery.SchemaField.from_api_repr(item) for item in schema]
    updated = admin.update_table(table, ["schema"])
    assert updated.schema[2].to_api_repr()["dataPolicies"] == schema[2]["dataPolicies"]
    schema[2]["dataPolicies"] = [{"name": "projects/athena/locations/us/dataPolicies/missing"}]
    table = admin.get_table(people)
    table.schema = [bigquery.SchemaField.from_api_repr(item) for item in schema]
    with pytest.raises(NotFound):
        admin.update_table(table, ["schema"])
    with pytest.raises(BadRequest):
        attach(admin, people, "spend", name)

"""Two warehouses that differ only in what is hidden give the masked reader the same answers to whatever he asks.

This is non-interference (Goguen and Meseguer, 1982): rows, schemas, error texts and bytes are compared, so
that nothing in them can hang on a masked value or on a hidden row.
"""

from __future__ import annotations

import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from tests.emulator.policy_parts import attach, policy
from tests.emulator.sql_fuzz import Statements

MARK = "RAWPII"
WORLDS: tuple[dict[str, Any], ...] = (
    {
        "mails": ["RAWPII-1", "RAWPII-2"], "names": ["'RAWPII-1 One'", "'RAWPII-2 Two'"], "code": 7000,
        "notes": ["RAWPII-", "RAWPII"], "hidden": "(2, 'zoe', 'RAWPII-V2'), (3, 'zoe', 'RAWPII-V3')",
        "tag": "'RAWPII tag'", "doc": "RAWPII",
    },
    {
        "mails": ["somebody.much.longer", "a"], "names": ["NULL", "'Zacharias RAWPII'"], "code": -12,
        "notes": ["Q", "another RAWPII "], "hidden": "(0, 'mona', '1')", "tag": "NULL", "doc": "no",
    },
)  # fmt: skip


def build(admin: bigquery.Client, world: dict[str, Any], masks: dict[str, tuple[str, ...]]) -> str:
    name = f"f_{uuid.uuid4().hex[:12]}"
    admin.create_dataset(name)
    one, two = world["mails"]
    statements = (
        f"""CREATE TABLE {name}.customer AS SELECT 1 AS id, '{one}@x.com' AS email, {world["names"][0]} AS name, 10.0
              AS spend UNION ALL SELECT 2, '{two}@y.org', {world["names"][1]}, 20.0""",
        f"""CREATE TABLE {name}.orders AS SELECT 1 AS id, 1 AS customer_id, '{world["notes"][0]}note' AS note, 5.0
              AS amount UNION ALL SELECT 2, 2, '{world["notes"][1]}text', 6.0""",
        f"CREATE TABLE {name}.vault (id INT64, owner STRING, text STRING)",
        f"INSERT INTO {name}.vault VALUES (1, 'mona', 'open'), {world['hidden']}",
        f"CREATE ROW ACCESS POLICY own ON {name}.vault GRANT TO ('group:analysts') FILTER USING (id = 1)",
        f"CREATE ROW ACCESS POLICY every ON {name}.vault GRANT TO ('group:fine') FILTER USING (TRUE)",
        f"""CREATE TABLE {name}.person AS SELECT 1 AS id, STRUCT('{one}' AS mail, [STRUCT({world["tag"]} AS t, 1 AS n),
              STRUCT(CAST({world["tag"]} AS STRING), 2)] AS tags) AS who""",
        f"""CREATE TABLE {name}.ledger AS SELECT 1 AS id, {world["code"]} AS code, b'{world["doc"]}' AS blob,
              JSON '{{"k": "{world["doc"]}"}}' AS doc""",
        f"CREATE TABLE {name}.log_1 AS SELECT 1 AS id, 'open' AS v",
        f"CREATE TABLE {name}.log_2 AS SELECT 2 AS id, CAST({world['names'][0]} AS STRING) AS v",
    )
    for sql in statements:
        admin.query_and_wait(sql)
    for path, names in masks.items():
        table, _, column = path.partition(".")
        attach(admin, f"{name}.{table}", column, *names)
    return name


@pytest.fixture(scope="module")
def worlds(admin: bigquery.Client) -> tuple[str, ...]:
    kinds = ("EMAIL_MASK", "ALWAYS_NULL", "LAST_FOUR_CHARACTERS", "DEFAULT_MASKING_VALUE")
    made = {mask: policy(admin, mask, "group:analysts") for mask in kinds}
    raw = policy(admin, None, "group:fine")
    masks = {
        "customer.email": "EMAIL_MASK", "customer.name": "ALWAYS_NULL", "orders.note": "LAST_FOUR_CHARACTERS",
        "person.who.mail": "DEFAULT_MASKING_VALUE", "person.who.tags.t": "ALWAYS_NULL", "ledger.code":
        "DEFAULT_MASKING_VALUE", "ledger.blob": "ALWAYS_NULL", "ledger.doc": "ALWAYS_NULL", "log_2.v": "ALWAYS_NULL",
    }  # fmt: skip
    return tuple(build(admin, world, {path: (made[mask], raw) for path, mask in masks.items()}) for world in WORLDS)


def answer(client: bigquery.Client, sql: str, dataset: str) -> tuple[Any, ...]:
    """Give everything that a client learns from a statement: schema, rows, bytes, or the error."""
    try:
        found = client.query_and_wait(sql.replace("{d}", dataset), retry=None, job_retry=None)
        rows = sorted(str(tuple(row.values())) for row in found)
        return "rows", tuple((item.name, item.field_type) for item in found.schema), rows, found.total_bytes_processed
    except GoogleAPICallError as error:
        text = str(error.message).replace(sql.replace("{d}", dataset), "").replace(dataset, "d")
        return "refused", re.sub(r"job_[0-9a-f]{32}", "job", text)


def differences(client: bigquery.Client, worlds: tuple[str, ...], statements: list[str]) -> list[tuple[Any, ...]]:
    def compare(sql: str) -> tuple[Any, ...] | None:
        one, two = (answer(client, sql, world) for world in worlds)
        return None if one == two and MARK not in str(one).replace(sql, "") else (sql, one, two)

    with ThreadPoolExecutor(4) as pool:
        return [found for found in pool.map(compare, statements) if found is not None]


def literal_free(found: tuple[Any, ...]) -> bool:
    """Tell an answer that only repeats what the statement itself says."""
    return found[1] == found[2] and MARK in found[0]


def check(emulator: Any, worlds: tuple[str, ...], seed: int, count: int) -> None:
    maker = Statements(seed)
    statements = [maker.next() for _ in range(count)]
    masked = emulator.client("mona", groups=["analysts"])
    leaks = [item for item in differences(masked, worlds, statements) if not literal_free(item)]
    for sql, one, two in leaks[:10]:
        print(sql, one, two, sep="\n", end="\n\n")
    assert leaks == []
    sample = statements[: max(60, count // 10)]
    told = differences(emulator.client("ines", groups=["fine"]), worlds, sample)
    assert len(told) > len(sample) / 3  # the statements do ask for what is hidden


def test_nothing_that_a_masked_reader_asks_hangs_on_what_is_hidden(emulator: Any, worlds: tuple[str, ...]) -> None:
    check(emulator, worlds, 20261124, 150)


@pytest.mark.soak
def test_nothing_hangs_on_what_is_hidden_in_two_thousand_statements(emulator: Any, worlds: tuple[str, ...]) -> None:
    check(emulator, worlds, 1982, 2000)

"""The attack corpus: a masked reader gets no raw value and no answer that depends on one."""

from __future__ import annotations

import contextlib
import decimal
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import Forbidden, GoogleAPICallError
from google.cloud import bigquery

CORPUS = Path(__file__).parents[1] / "attacks" / "sql.txt"
SHARED = Path(__file__).parents[3] / "shared" / "attacks" / "sql.txt"
MARK = "RAWPII"
LEAST_STATEMENTS = 610


def corpus() -> list[tuple[str, str]]:
    lines = [line for line in CORPUS.read_text().splitlines() if line and not line.startswith("#")]
    return [(line.partition("|")[0], line.partition("|")[2]) for line in lines]


def policies(*masks: str) -> str:
    """Give OPTIONS that mask a column for analysts and show it to the group fine."""
    return "data_policies = [" + ", ".join(f"\"{{'name':'athena.us.att_{mask}'}}\"" for mask in (*masks, "raw")) + "]"


def build(admin: bigquery.Client) -> str:
    """Make the fixture of the corpus in a dataset of its own; give its name."""
    name = f"a_{uuid.uuid4().hex[:12]}"
    admin.create_dataset(name)
    statements = (
        """CREATE TABLE {d}.customer (id INT64,
             email STRING OPTIONS(data_policies=["{{'name':'athena.us.att_email'}}", "{{'name':'athena.us.att_raw'}}"]),
             name STRING OPTIONS(data_policies=["{{'name':'athena.us.att_null'}}", "{{'name':'athena.us.att_raw'}}"]),
             spend FLOAT64)""",
        """CREATE TABLE {d}.orders (id INT64, customer_id INT64,
             note STRING OPTIONS(data_policies=["{{'name':'athena.us.att_four'}}", "{{'name':'athena.us.att_raw'}}"]),
             amount FLOAT64)""",
        "CREATE TABLE {d}.vault (id INT64, owner STRING, text STRING)",
        """INSERT INTO {d}.customer VALUES (1, 'RAWPII-1@x.com', 'RAWPII-1 One', 10), (2, 'RAWPII-2@x.com',
             'RAWPII-2 Two', 20), (3, 'RAWPII-3@x.com', 'RAWPII-3 Three', 30),
             (4, 'RAWPII-4@x.com', 'RAWPII-4 Four', 40)""",
        """INSERT INTO {d}.orders VALUES (1, 1, 'RAWPII-note 1', 5), (2, 2, 'RAWPII-note 2', 6),
             (3, 2, 'RAWPII-note 3', 7)""",
        "INSERT INTO {d}.vault VALUES (1, 'mona', 'open'), (2, 'zoe', 'RAWPII-V2'), (3, 'zoe', 'RAWPII-V3')",
        "CREATE VIEW {d}.customer_v AS SELECT id, email AS e, name AS n FROM {d}.customer",
        "CREATE ROW ACCESS POLICY own ON {d}.vault GRANT TO ('group:analysts') FILTER USING (id = 1)",
        "CREATE ROW ACCESS POLICY whole ON {d}.vault GRANT TO ('group:fine') FILTER USING (TRUE)",
        """CREATE TABLE {d}.person AS SELECT 1 AS id, STRUCT('RAWPII-1@x.com' AS mail,
             [STRUCT('RAWPII tag' AS t, 1 AS n), STRUCT('RAWPII two', 2)] AS tags) AS who UNION ALL
             SELECT 2, STRUCT('RAWPII-2@x.com', [STRUCT('RAWPII tag', 3)])""",
        """CREATE TABLE {d}.ledger AS SELECT id, 7000 + id AS code,
             DATE_ADD(DATE '1990-06-10', INTERVAL id YEAR) AS born, CAST('RAWPII blob' AS BYTES) AS blob,
             JSON '{{"k": "RAWPII doc"}}' AS doc FROM UNNEST([1, 2, 3]) AS id""",
        "CREATE TABLE {d}.log_1 AS SELECT 1 AS id, 'open' AS v",
        "CREATE TABLE {d}.log_2 AS SELECT 2 AS id, 'RAWPII log' AS v",
        "CREATE TABLE {d}.log_3 AS SELECT 3 AS id, 'RAWPII log' AS v",
        "CREATE ROW ACCESS POLICY whole ON {d}.log_3 GRANT TO ('group:fine') FILTER USING (TRUE)",
    )
    masked = {
        "person": {"who.mail": "four", "who.tags.t": "null"}, "log_2": {"v": "null"},
        "ledger": {"code": "zero", "born": "year", "blob": "null", "doc": "null"},
    }  # fmt: skip
    for sql in statements:
        admin.query_and_wait(sql.format(d=name))
    for table, columns in masked.items():
        for column, mask in columns.items():
            admin.query_and_wait(f"ALTER TABLE {name}.{table} ALTER COLUMN {column} SET OPTIONS ({policies(mask)})")
    return name


@pytest.fixture(scope="module")
def admin(emulator: Any) -> bigquery.Client:
    made = emulator.client("root", groups=["admins"])
    for name, mask in (
        ("email", "EMAIL_MASK"), ("null", "ALWAYS_NULL"), ("four", "LAST_FOUR_CHARACTERS"), ("raw", None),
        ("zero", "DEFAULT_MASKING_VALUE"), ("year", "DATE_YEAR_MASK"),
    ):  # fmt: skip
        kind = "DATA_MASKING_POLICY', masking_expression='" + mask if mask else "RAW_DATA_ACCESS_POLICY"
        made.query_and_wait(f"CREATE OR REPLACE DATA_POLICY `athena.us.att_{name}` OPTIONS(data_policy_type='{kind}')")
        group = "analysts" if mask else "fine"
        made.query_and_wait(f"GRANT FINE_GRAINED_READ ON DATA_POLICY `athena.us.att_{name}` TO 'group:{group}'")
    return made


@pytest.fixture(scope="module")
def fixture(admin: bigquery.Client) -> str:
    return build(admin)


@pytest.fixture(scope="module")
def masked(emulator: Any) -> bigquery.Client:
    return emulator.client("mona", groups=["analysts"])


@pytest.fixture(scope="module")
def unmasked(emulator: Any) -> bigquery.Client:
    return emulator.client("ines", groups=["fine"])


def answer(client: bigquery.Client, sql: str) -> tuple[str, list[Any]]:
    """Run a statement; give "rows" with them, or "refused" or "unsupported" with the error."""
    try:
        return "rows", [tuple(row.values()) for row in client.query_and_wait(sql, retry=None, job_retry=None)]
    except GoogleAPICallError as error:
        kind = "unsupported" if "not supported by the embedded warehouse" in str(error) else "refused"
        return kind, [str(error).replace(sql, "")]


def is_found(rows: list[Any]) -> bool:
    return any(bool(row[0]) and not (isinstance(row[0], decimal.Decimal) and row[0] == 0) for row in rows[:1])


def reveals(kind: str, how: str, found: list[Any]) -> bool:
    """Tell whether an answer holds a raw value, or (oracle) depends on one."""
    if MARK in str(found):
        return True
    if kind == "fails":
        return how != "rows"
    return kind == "oracle" and how == "rows" and is_found(found)


def test_the_corpus_is_large_enough() -> None:
    statements = corpus()
    assert len(statements) == len(set(statements)) >= LEAST_STATEMENTS


def test_no_attack_reveals_a_raw_value_and_each_finds_it_without_masks(
    fixture: str, masked: bigquery.Client, unmasked: bigquery.Client, admin: bigquery.Client,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    leaks, blunt, unsupported = [], [], []
    changing = threading.Lock()

    def attack(kind: str, sql: str) -> None:
        text = sql.format(d=fixture)
        how, found = answer(masked, text)
        if reveals(kind, how, found) or (kind in ("dml", "refuse") and how == "rows"):
            leaks.append((kind, sql, found))
        if kind == "dml":
            is_undone = sql.startswith(("DELETE", "UPDATE", "MERGE", "TRUNCATE"))
            undone = f"BEGIN TRANSACTION; {text}; ROLLBACK TRANSACTION"
            text = undone if is_undone else sql.format(d=build(admin))
        with changing if kind == "dml" else contextlib.nullcontext():
            how, found = answer(unmasked, text)
        if how == "unsupported":
            unsupported.append((kind, sql))
        elif kind == "refuse" and how == "rows":
            leaks.append((kind, sql, found))
        elif (kind in ("value", "oracle", "fails") and not reveals(kind, how, found)) or (
            kind == "dml" and how != "rows"
        ):
            blunt.append((kind, sql, how, found))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: attack(*item), corpus()))
    record_property("unsupported", unsupported)
    print("LEAKS", *leaks, "BLUNT", *blunt, sep="\n")
    assert leaks == []
    assert blunt == []
    assert [sql for kind, sql in unsupported if kind != "refuse"] == []


CUSTOMERS = [(n, "XXXXX@x.com", None, n * 10.0) for n in (1, 2, 3, 4)]
ORDERS = [(1, 1, "XXXXXte 1", 5.0), (2, 2, "XXXXXte 2", 6.0), (3, 2, "XXXXXte 3", 7.0)]


def benign() -> list[tuple[str, list[tuple[Any, ...]]]]:
    """Give statements and their answers, computed in Python from the rows that the reader should see."""
    found: list[tuple[str, list[tuple[Any, ...]]]] = []
    columns = ("id", "email", "name", "spend")
    for index, column in enumerate(columns):
        values = [row[index] for row in CUSTOMERS]
        head = "FROM {d}.customer"
        present = [value for value in values if value is not None]
        found += [
            (f"SELECT {column} {head} ORDER BY id", [(value,) for value in values]),
            (f"SELECT id, {column} AS c {head} ORDER BY id DESC", [(row[0], row[index]) for row in CUSTOMERS[::-1]]),
            (f"SELECT {column} {head} ORDER BY id LIMIT 2", [(value,) for value in values[:2]]),
            (f"SELECT {column} {head} WHERE id = 3", [(values[2],)]),
            (f"SELECT COUNT({column}) {head}", [(len(present),)]),
            (f"SELECT COUNT(DISTINCT {column}) {head}", [(len(set(present)),)]),
            (f"SELECT MAX({column}) {head}", [(max(present, default=None),)]),
            (f"SELECT MIN({column}) {head}", [(min(present, default=None),)]),
            (f"SELECT COUNTIF({column} IS NULL) {head}", [(len(values) - len(present),)]),
            (f"WITH w AS (SELECT * {head}) SELECT {column} FROM w ORDER BY id", [(value,) for value in values]),
            (f"SELECT s.{column} FROM (SELECT * {head}) s ORDER BY s.id", [(value,) for value in values]),
            (f"SELECT {column} {head} c JOIN {{d}}.orders o ON o.customer_id = c.id ORDER BY o.id".replace(
                f"SELECT {column}", f"SELECT c.{column}"), [(values[row[1] - 1],) for row in ORDERS]),
            (f"SELECT LAG({column}) OVER (ORDER BY id) {head} ORDER BY id", [(None,), *((v,) for v in values[:-1])]),
            (f"SELECT COALESCE(CAST({column} AS STRING), '-') IS NULL {head}", [(False,)] * 4),
            (f"SELECT ARRAY_LENGTH(ARRAY_AGG({column})) {head}", [(4,)]),
            (f"SELECT IF(id < 3, {column}, NULL) {head} ORDER BY id", [(v,) for v in [*values[:2], None, None]]),
        ]  # fmt: skip
    for index, column in enumerate(("id", "customer_id", "note", "amount")):
        values = [row[index] for row in ORDERS]
        head = "FROM {d}.orders"
        found += [
            (f"SELECT {column} {head} ORDER BY id", [(value,) for value in values]),
            (f"SELECT {column} {head} WHERE amount > 5.5 ORDER BY id", [(value,) for value in values[1:]]),
            (f"SELECT DISTINCT {column} {head} ORDER BY 1", [(value,) for value in sorted(set(values))]),
            (f"SELECT MAX({column}), MIN({column}) {head}", [(max(values), min(values))]),
            (f"SELECT id {head} ORDER BY {column} DESC, id", [
                (row[0],) for row in sorted(sorted(ORDERS), key=lambda row: row[index], reverse=True)]),
            (f"SELECT {column}, COUNT(*) {head} GROUP BY 1 ORDER BY 1", [
                (value, values.count(value)) for value in sorted(set(values))]),
            (f"SELECT FIRST_VALUE({column}) OVER (ORDER BY id DESC) {head}", [(values[-1],)] * 3),
            (f"SELECT {column} {head} QUALIFY ROW_NUMBER() OVER (ORDER BY id) = 2", [(values[1],)]),
        ]  # fmt: skip
    found += [
        ("SELECT * FROM {d}.customer ORDER BY id", CUSTOMERS),
        ("SELECT * FROM {d}.orders ORDER BY id", ORDERS),
        ("SELECT * FROM {d}.vault", [(1, "mona", "open")]),
        ("SELECT COUNT(*) FROM {d}.vault", [(1,)]),
        ("SELECT id FROM {d}.vault WHERE id > 1", []),
        ("SELECT e FROM {d}.customer_v ORDER BY id", [(row[1],) for row in CUSTOMERS]),
        ("SELECT SUM(spend) FROM {d}.customer", [(100.0,)]),
        ("SELECT AVG(spend) FROM {d}.customer WHERE email LIKE 'XXXXX%'", [(25.0,)]),
        ("SELECT COUNT(*) FROM {d}.customer WHERE email LIKE 'RAW%'", [(0,)]),
        ("SELECT COUNT(*) FROM {d}.customer WHERE email = 'XXXXX@x.com'", [(4,)]),
        ("SELECT COUNT(*) FROM {d}.customer a JOIN {d}.customer b ON a.email = b.email", [(16,)]),
        ("SELECT COUNT(*) FROM {d}.customer a JOIN {d}.customer b ON a.name = b.name", [(0,)]),
        ("SELECT id FROM {d}.orders WHERE note = 'XXXXXte 2'", [(2,)]),
        ("SELECT id FROM {d}.orders WHERE note LIKE '%note%'", []),
        ("SELECT SUBSTR(note, 6) FROM {d}.orders ORDER BY id", [("te 1",), ("te 2",), ("te 3",)]),
    ]
    return found


def test_benign_statements_give_exactly_the_masked_rows(fixture: str, masked: bigquery.Client) -> None:
    statements = benign()
    assert len(statements) >= 100
    wrong = []
    for sql, expected in statements:
        _, rows = answer(masked, sql.format(d=fixture))
        if rows != expected:
            wrong.append((sql, expected, rows))
    assert wrong == []


def test_the_reader_changed_nothing(fixture: str, admin: bigquery.Client) -> None:
    sql = f"SELECT COUNT(*), SUM(spend), COUNTIF(name LIKE 'RAWPII%') FROM {fixture}.customer"
    assert [tuple(row.values()) for row in admin.query_and_wait(sql)] == [(4, 100.0, 4)]


def test_dry_runs_and_jobs_of_others_say_nothing(fixture: str, masked: bigquery.Client, emulator: Any) -> None:
    sizes = set()
    for pattern in ("RAWPII-1%", "nothing"):
        job = masked.query(
            f"SELECT id FROM {fixture}.customer WHERE email LIKE '{pattern}'",
            job_config=bigquery.QueryJobConfig(dry_run=True),
        )
        sizes.add(job.total_bytes_processed)
    assert len(sizes) == 1
    other = emulator.client("ines", groups=["fine"])
    job = other.query(f"SELECT email FROM {fixture}.customer")
    job.result()
    assert all(job.job_id != mine.job_id for mine in masked.list_jobs(all_users=True))
    anonymous = job.destination
    with pytest.raises(GoogleAPICallError):
        masked.query_and_wait(f"SELECT * FROM `{anonymous.dataset_id}.{anonymous.table_id}`")
    same = masked.query_and_wait(f"SELECT email FROM {fixture}.customer")
    assert MARK not in str([tuple(row.values()) for row in same])


def test_a_masked_reader_cannot_carry_rows_away_raw(fixture: str, masked: bigquery.Client) -> None:
    masked.query_and_wait(f"CREATE TABLE {fixture}.mine AS SELECT * FROM {fixture}.customer")
    config = bigquery.QueryJobConfig(destination=f"athena.{fixture}.mine2", write_disposition="WRITE_TRUNCATE")
    masked.query(f"SELECT * FROM {fixture}.orders", job_config=config).result()
    masked.query_and_wait(f"INSERT INTO {fixture}.mine (id, name) SELECT id, note FROM {fixture}.orders")
    for table in ("mine", "mine2"):
        assert MARK not in str([tuple(row.values()) for row in masked.list_rows(f"{fixture}.{table}")])
    with pytest.raises(Forbidden):
        masked.copy_table(f"{fixture}.customer", f"{fixture}.mine3").result()
    with pytest.raises(Forbidden):
        masked.copy_table(f"{fixture}.vault", f"{fixture}.mine3").result()


def test_the_shared_corpus_leaks_nothing_either(emulator: Any, admin: bigquery.Client, masked: bigquery.Client) -> None:
    if not SHARED.exists():
        pytest.skip("../shared/attacks is not there")
    name = build(admin)
    lines = [line for line in SHARED.read_text().splitlines() if line and not line.startswith("#")]
    config = bigquery.QueryJobConfig(default_dataset=f"athena.{name}")
    for sql in lines:
        try:
            rows = [tuple(row.values()) for row in masked.query(sql, job_config=config, job_retry=None).result()]
        except GoogleAPICallError as error:
            rows = [(False, str(error).replace(sql, ""))]
        assert MARK not in str(rows), sql
        if any(word in sql.lower() for word in (" like ", "starts_with", "c.email=v.e")):
            assert not is_found(rows), sql

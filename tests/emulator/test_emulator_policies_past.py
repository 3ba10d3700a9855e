"""Time travel shows nothing that a policy of then, of now or of the time between hides."""

from __future__ import annotations

import datetime
import time
from typing import Any

import pytest
from google.api_core.exceptions import Forbidden, GoogleAPICallError
from google.cloud import bigquery

from tests.emulator.policy_parts import MASKED, PEOPLE, attach, policy, values

RAW = [row[1] for row in PEOPLE]


def moment() -> str:
    """Give the present as GoogleSQL, a little later than whatever was written before."""
    time.sleep(0.02)  # moments are told in milliseconds
    return f"TIMESTAMP '{datetime.datetime.now(datetime.UTC).isoformat(sep=' ')}'"


def past(client: bigquery.Client, table: str, when: str, column: str = "email") -> Any:
    return values(client, f"SELECT {column} FROM {table} FOR SYSTEM_TIME AS OF {when} ORDER BY id")


def test_a_policy_that_came_later_hides_the_past_too(
    people: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    then = moment()
    attach(admin, people, "name", policy(admin, "ALWAYS_NULL", "group:analysts"))
    admin.query_and_wait(
        f"CREATE ROW ACCESS POLICY uk ON {people} GRANT TO ('group:analysts') FILTER USING (region = 'UK')"
    )
    assert past(reader, people, then, "name") == [None, None]
    assert past(reader, people, then) == [MASKED[0], MASKED[2]]


def seen(client: bigquery.Client, table: str, when: str) -> Any:
    """Give what is read of the past, or the refusal."""
    try:
        return past(client, table, when)
    except GoogleAPICallError as refusal:
        return str(refusal)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE OR REPLACE TABLE {t} (id INT64, email STRING, name STRING, region STRING)",
        "CREATE OR REPLACE TABLE {t} AS SELECT 1 AS id, 'x' AS email, 'y' AS name, 'UK' AS region",
        "DROP TABLE {t}; CREATE TABLE {t} (id INT64, email STRING, region STRING)",
        "DROP TABLE {t}; CREATE TABLE {t} AS SELECT 1 AS id",
        "CREATE OR REPLACE TABLE {t} LIKE {t}_open",
    ],
)
def test_a_table_made_anew_without_policies_does_not_open_the_past(
    people: str, admin: bigquery.Client, reader: bigquery.Client, insider: bigquery.Client, change: str
) -> None:
    admin.query_and_wait(f"CREATE TABLE {people}_open (id INT64, email STRING, region STRING)")
    attach(admin, f"{people}_open", "email", policy(admin, None, "group:analysts"))
    admin.query_and_wait(f"CREATE ROW ACCESS POLICY uk ON {people} GRANT TO ('group:analysts') FILTER USING (id < 3)")
    admin.query_and_wait(f"CREATE ROW ACCESS POLICY every ON {people} GRANT TO ('group:fine') FILTER USING (TRUE)")
    then = moment()
    reader.query_and_wait(change.format(t=people))
    shown = seen(reader, people, then)  # a filter that no longer fits shows nothing at all
    assert shown == MASKED[:2] or ("ada" not in str(shown) and isinstance(shown, str))
    at = int(datetime.datetime.fromisoformat(then.split("'")[1]).timestamp() * 1000)
    with pytest.raises(Forbidden):
        reader.copy_table(f"{people}@{at}", f"{people}_copy").result(retry=None)
    with pytest.raises(Forbidden):
        reader.query_and_wait(f"CREATE TABLE {people}_clone CLONE {people} FOR SYSTEM_TIME AS OF {then}")
    if "LIKE" not in change and change[-17:] != "AS SELECT 1 AS id":
        assert past(insider, people, then) == RAW


def test_what_an_administrator_takes_off_stays_on_the_past(
    people: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    then = moment()
    attach(admin, people, "email")
    assert values(reader, f"SELECT email FROM {people} ORDER BY id") == RAW
    assert past(reader, people, then) == MASKED
    assert past(admin, people, then) == RAW

"""Masking routines: functions that mask, made, changed and read by administrators alone."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, NotFound
from google.cloud import bigquery

from tests.emulator.policy_parts import attach, policy, stored, values


def masking_routine(admin: bigquery.Client, kind: str, body: str) -> tuple[str, str]:
    """Make a masking routine in a dataset that everybody writes into; give its name and a policy of it for analysts."""
    dataset = f"d_{uuid.uuid4().hex[:12]}"
    admin.create_dataset(dataset)
    admin.query_and_wait(
        f"CREATE FUNCTION {dataset}.hide(p {kind}) RETURNS {kind}"
        f" OPTIONS (data_governance_type='DATA_MASKING') AS ({body})"
    )
    return f"{dataset}.hide", policy(admin, f"athena.{dataset}.hide", "group:analysts")


def test_a_masking_routine_masks_and_goes_before_every_other_mask(
    people: str, admin: bigquery.Client, reader: bigquery.Client, emulator: Any
) -> None:
    name, own = masking_routine(admin, "STRING", "SAFE.REGEXP_REPLACE(p, '[a-z]', 'x')")
    attach(admin, people, "email", own, policy(admin, "RANDOM_HASH", "group:analysts"))
    assert values(reader, f"SELECT email FROM {people} ORDER BY id") == [
        "xxx@xxxxxxx.xxx", "xxx.x@xxxx.xxxxxxx.xxx", "xx xxxxxxx",
    ]  # fmt: skip
    assert values(reader, f"SELECT COUNT(*) FROM {people} WHERE email LIKE '%ada%'") == [0]
    assert stored(emulator.storage("mona", groups=["analysts"]), people, ["email"])[0] == "xx xxxxxxx"
    dataset, _ = name.split(".")
    shown = reader.query_and_wait(f"SELECT routine_definition FROM {dataset}.INFORMATION_SCHEMA.ROUTINES")
    assert [row[0] for row in shown] == [""]
    assert reader.get_routine(f"athena.{name}").body is None
    assert "REGEXP_REPLACE" in str(admin.get_routine(f"athena.{name}").body)


def test_nobody_but_administrators_changes_a_masking_routine(
    people: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    name, own = masking_routine(admin, "STRING", "'hidden'")
    attach(admin, people, "email", own)
    governed = "OPTIONS (data_governance_type='DATA_MASKING')"
    for text in (
        f"CREATE OR REPLACE FUNCTION {name}(p STRING) RETURNS STRING AS (p)",
        f"CREATE OR REPLACE FUNCTION {name}(p STRING) RETURNS STRING {governed} AS (p)",
        f"DROP FUNCTION {name}",
    ):
        with pytest.raises(Forbidden):
            reader.query_and_wait(text)
    with pytest.raises(Forbidden):
        reader.delete_routine(f"athena.{name}")
    routine = reader.get_routine(f"athena.{name}")
    routine.body = "p"
    with pytest.raises(Forbidden):
        reader.update_routine(routine, ["body"])
    assert values(reader, f"SELECT DISTINCT email FROM {people}") == ["hidden"]
    admin.query_and_wait(f"DROP FUNCTION {name}")
    with pytest.raises(Forbidden):
        reader.query_and_wait(f"SELECT email FROM {people}")


def test_the_error_of_a_masking_routine_shows_nothing(
    people: str, admin: bigquery.Client, reader: bigquery.Client
) -> None:
    _, own = masking_routine(admin, "STRING", "CAST(CAST(p AS INT64) AS STRING)")
    attach(admin, people, "email", own)
    assert values(reader, f"SELECT DISTINCT email FROM {people}") == [None]


@pytest.mark.parametrize(
    "definition",
    [
        "(p STRING) RETURNS STRING AS (p)",
        "(p STRING) RETURNS INT64 OPTIONS (data_governance_type='DATA_MASKING') AS (1)",
        "(p STRING, q STRING) RETURNS STRING OPTIONS (data_governance_type='DATA_MASKING') AS (p)",
        "(p STRING) RETURNS STRING OPTIONS (data_governance_type='DATA_MASKING') AS ((SELECT MAX(email) FROM {t}))",
    ],
)
def test_a_routine_that_cannot_mask_is_refused(people: str, admin: bigquery.Client, definition: str) -> None:
    dataset, _ = people.split(".")
    admin.query_and_wait(f"CREATE FUNCTION {dataset}.f{definition.format(t=people)}")
    with pytest.raises(BadRequest, match="masking routine"):
        policy(admin, f"athena.{dataset}.f", "group:analysts")
    with pytest.raises(NotFound):
        policy(admin, f"athena.{dataset}.absent", "group:analysts")
    _, own = masking_routine(admin, "INT64", "0")
    with pytest.raises(BadRequest):
        attach(admin, people, "email", own)

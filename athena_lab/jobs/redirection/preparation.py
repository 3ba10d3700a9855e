"""The cell that goes before a redirected notebook: it makes the dataset, copies the tables that there are, notes how.

A table with columns that are masked for its owner, or rows that are filtered, cannot be copied: he may not read them
raw. An empty one of its schema, with its policies, takes its place, and the notes say so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from athena_lab.gateway_api.rehearsals import REFUSED_COPIES
from athena_lab.gateway_api.worker import PREPARATION_TAG
from athena_lab.jobs.script import code_cell

NOTES = "__preparation"
"""The table of notes in the scratch dataset; scratch tables have names of another shape."""
_COPY = """\
BEGIN
  CREATE TABLE IF NOT EXISTS `{scratch}` CLONE `{table}`;
EXCEPTION WHEN ERROR THEN
{cases}
  ELSE RAISE;
  END IF;
  CREATE TABLE IF NOT EXISTS `{scratch}` LIKE `{table}`;
END;"""
_CASE = """\
  {word} CONTAINS_SUBSTR(@@error.message, '{refusal}') THEN
    SET withheld = ARRAY_CONCAT(withheld, [('{name}', '{why}')]);"""
_NOTE = """\
CREATE TABLE IF NOT EXISTS `{dataset}.{notes}` AS
SELECT table_id AS name, row_count AS row_count, (SELECT why FROM UNNEST(withheld) WHERE name = table_id) AS why
FROM `{dataset}.__TABLES__`;"""


def preparation(tables: Mapping[str, str], existing: Collection[str], dataset: str) -> dict[str, Any]:
    """Give the code cell that makes the dataset, for tables that last a day, and copies into it those that exist."""
    schema = f"CREATE SCHEMA IF NOT EXISTS `{dataset}` OPTIONS (default_table_expiration_days = 1);"
    copies = [_copy(table, scratch) for table, scratch in sorted(tables.items()) if table in existing]
    lines = [schema]
    if copies:
        declared = "DECLARE withheld ARRAY<STRUCT<name STRING, why STRING>> DEFAULT [];"
        lines = [declared, schema, *copies, _NOTE.format(dataset=dataset, notes=NOTES)]
    return {**code_cell("\n".join(["%%athena", *lines]), [PREPARATION_TAG]), "id": PREPARATION_TAG}


def _copy(table: str, scratch: str) -> str:
    name = scratch.split(".", 1)[1]
    cases = [
        _CASE.format(word="ELSEIF" if at else "IF", refusal=refusal, name=name, why=why.value)
        for at, (why, refusal) in enumerate(REFUSED_COPIES.items())
    ]
    return _COPY.format(table=table, scratch=scratch, cases="\n".join(cases))

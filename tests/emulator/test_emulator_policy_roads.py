"""Every road by which rows leave, beside queries, shows a masked reader masks and his own rows alone."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPICallError, NotFound
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import types

from athena_lab.emulator.access import Principal
from athena_lab.emulator.sessions import hidden_dataset
from tests.emulator.policy_parts import attach, policy

MARK = "RAWPII"
CELLS = {"id": 1, "mail": f"{MARK}-1@x.com", "note": f"{MARK} note", "born": "1990-06-10"}


@pytest.fixture(scope="module")
def table(admin: bigquery.Client) -> Iterator[str]:
    """Three rows, of which the reader sees the first, with all columns but the id masked."""
    dataset = f"r_{uuid.uuid4().hex[:12]}"
    admin.create_dataset(dataset)
    name = f"{dataset}.t"
    admin.query_and_wait(f"CREATE TABLE {name} (id INT64, mail STRING, note STRING, born DATE)")
    admin.load_table_from_json([{**CELLS, "id": number} for number in (1, 2, 3)], name).result()
    for column, mask in (("mail", "EMAIL_MASK"), ("note", "ALWAYS_NULL"), ("born", "DATE_YEAR_MASK")):
        attach(admin, name, column, policy(admin, mask, "group:analysts"), policy(admin, None, "group:fine"))
    admin.query_and_wait(f"CREATE ROW ACCESS POLICY one ON {name} GRANT TO ('group:analysts') FILTER USING (id = 1)")
    admin.query_and_wait(f"CREATE ROW ACCESS POLICY every ON {name} GRANT TO ('group:fine') FILTER USING (TRUE)")
    yield name
    admin.delete_dataset(dataset, delete_contents=True)


def files_of(emulator: Any, bucket: str) -> str:
    return "".join(path.read_text() for path in (Path(emulator.data) / "buckets" / bucket).rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["CSV", "NEWLINE_DELIMITED_JSON"])
def test_an_extract_holds_masks_and_the_readers_rows(
    table: str, emulator: Any, reader: bigquery.Client, insider: bigquery.Client, kind: str
) -> None:
    config = bigquery.ExtractJobConfig(destination_format=kind)
    for client, bucket, rows in ((reader, "masked-" + kind[:3].lower(), 1), (insider, "raw-" + kind[:3].lower(), 3)):
        client.extract_table(f"athena.{table}", f"gs://{bucket}/{table}/x", job_config=config).result(retry=None)
        found = files_of(emulator, bucket)
        assert found.count("x.com") == rows
        assert (MARK in found) is (client is insider)


def test_exported_data_hold_masks_and_the_readers_rows(
    table: str, emulator: Any, reader: bigquery.Client, insider: bigquery.Client
) -> None:
    sql = "EXPORT DATA OPTIONS(uri='gs://{b}/{t}/*.json', format='JSON') AS SELECT * FROM {t}"
    reader.query_and_wait(sql.format(b="exported-masked", t=table))
    insider.query_and_wait(sql.format(b="exported-raw", t=table))
    (row,) = [json.loads(line) for line in files_of(emulator, "exported-masked").splitlines()]
    assert row == {"id": "1", "mail": "XXXXX@x.com", "born": "1990-01-01"} | {"id": row["id"]}
    assert files_of(emulator, "exported-raw").count(f"{MARK} note") == 3


def rows_of(storage: Any, session: Any) -> list[dict[str, Any]]:
    pages = [page for stream in session.streams for page in storage.read_rows(stream.name).rows(session).pages]
    return [{key: str(value) for key, value in row.items()} for page in pages for row in page]


@pytest.mark.parametrize("restriction", ["", "id > 0", "mail LIKE 'RAW%' OR id = 1", "EXISTS (SELECT 1) OR note > ''"])
def test_storage_read_shows_masks_and_the_readers_rows(table: str, emulator: Any, restriction: str) -> None:
    def read(user: str, group: str) -> tuple[str, int, int]:
        storage = emulator.storage(user, groups=[group])
        dataset, name = table.split(".")
        asked = types.ReadSession(
            table=f"projects/athena/datasets/{dataset}/tables/{name}", data_format=types.DataFormat.ARROW
        )
        asked.read_options.row_restriction = restriction
        session = storage.create_read_session(parent="projects/athena", read_session=asked, max_stream_count=1)
        return str(rows_of(storage, session)), session.estimated_row_count, session.estimated_total_bytes_scanned

    seen, count, _ = read("mona", "analysts")
    assert MARK not in seen
    assert count == 1
    assert "XXXXX@x.com" in seen
    raw, count, _ = read("ines", "fine")
    assert raw.count(f"{MARK} note") == count == 3


def test_a_restriction_is_no_way_to_another_table_or_an_error_with_values(table: str, emulator: Any) -> None:
    storage = emulator.storage("mona", groups=["analysts"])
    dataset, name = table.split(".")
    for restriction in (
        "ERROR(note) = ''", "CAST(mail AS INT64) = 1", "TRUE UNION ALL SELECT * FROM t1", "1 = 1) OR (id > 1",
        "id > 1; SELECT 1", "id > 1 -- ", "TRUE) FROM t1 --",
        f"id IN (SELECT id FROM {table} WHERE note LIKE 'RAW%')", f"1 / (SELECT COUNT(*) - 1 FROM {table}) > 0",
    ):  # fmt: skip
        asked = types.ReadSession(
            table=f"projects/athena/datasets/{dataset}/tables/{name}", data_format=types.DataFormat.ARROW
        )
        asked.read_options.row_restriction = restriction
        try:
            session = storage.create_read_session(parent="projects/athena", read_session=asked, max_stream_count=1)
            found: Any = rows_of(storage, session)
        except GoogleAPICallError as refusal:
            found = str(refusal)
        assert MARK not in str(found), restriction
        assert isinstance(found, str) or len(found) <= 1


def test_tabledata_and_copies_are_refused(table: str, reader: bigquery.Client, insider: bigquery.Client) -> None:
    for fields in (None, [bigquery.SchemaField("mail", "STRING")], [bigquery.SchemaField("id", "INTEGER")]):
        with pytest.raises(Forbidden):
            list(reader.list_rows(reader.get_table(table), selected_fields=fields, retry=None))
    for write in ("WRITE_EMPTY", "WRITE_APPEND", "WRITE_TRUNCATE"):
        config = bigquery.CopyJobConfig(write_disposition=write)
        with pytest.raises(Forbidden):
            reader.copy_table(f"athena.{table}", f"athena.{table}_c", job_config=config).result(retry=None)
    assert len(list(insider.list_rows(table))) == 3


def test_what_others_computed_is_not_found(
    table: str, emulator: Any, reader: bigquery.Client, insider: bigquery.Client
) -> None:
    config = bigquery.QueryJobConfig(create_session=True)
    job = insider.query(f"CREATE TEMP TABLE kept AS SELECT * FROM {table}; SELECT * FROM kept", job_config=config)
    rows = list(job.result())
    assert MARK in str(rows[0])
    children = list(insider.list_jobs(parent_job=job.job_id))
    for wanted in (job, *children):
        for look in (reader.get_job, reader.cancel_job):
            with pytest.raises(NotFound):
                look(wanted.job_id, retry=None)
        with pytest.raises((NotFound, BadRequest)):
            reader._get_query_results(wanted.job_id, retry=None)
    assert list(reader.list_jobs(parent_job=job.job_id)) == []
    session = bigquery.ConnectionProperty("session_id", job.session_info.session_id)
    with pytest.raises(BadRequest):
        reader.query_and_wait("SELECT * FROM kept", job_config=bigquery.QueryJobConfig(connection_properties=[session]))
    shown = reader.query_and_wait("SELECT query, error_result.message FROM `region-eu`.INFORMATION_SCHEMA.JOBS")
    assert all("CREATE TEMP TABLE kept" not in str(row) for row in shown)
    for name in {str(item.destination) for item in (job, *children) if item.destination is not None}:
        with pytest.raises(GoogleAPICallError):
            reader.query_and_wait(f"SELECT * FROM `{name}`")
        with pytest.raises(GoogleAPICallError):
            reader.get_table(name, retry=None)


def test_nobody_reaches_anothers_temporary_tables_by_their_hidden_names(
    table: str, reader: bigquery.Client, insider: bigquery.Client
) -> None:
    config = bigquery.QueryJobConfig(create_session=True)
    job = insider.query(f"CREATE TEMP TABLE kept AS SELECT * FROM {table}", job_config=config)
    job.result()
    hidden = hidden_dataset(Principal("ines", ("fine",)), job.session_info.session_id)
    dataset, _ = table.split(".")
    for attempt in (
        lambda: reader.copy_table(f"athena.{hidden}.kept", f"athena.{dataset}.stolen").result(retry=None),
        lambda: reader.extract_table(f"athena.{hidden}.kept", "gs://stolen/x.csv").result(retry=None),
        lambda: reader.load_table_from_json([{"id": 1}], f"athena.{hidden}.kept").result(retry=None),
        lambda: reader.query_and_wait(f"SELECT * FROM {hidden}.kept"),
        lambda: reader.query_and_wait(f"CREATE TABLE {dataset}.stolen CLONE {hidden}.kept"),
        lambda: reader.query_and_wait(f"DROP TABLE {hidden}.kept"),
        lambda: reader.query_and_wait(f"INSERT INTO {hidden}.kept (id) VALUES (1)"),
        lambda: reader.query_and_wait(f"SELECT * FROM {hidden}.INFORMATION_SCHEMA.TABLES"),
        lambda: reader.get_table(f"{hidden}.kept", retry=None),
    ):
        with pytest.raises(NotFound):
            attempt()
    session = bigquery.ConnectionProperty("session_id", job.session_info.session_id)
    mine = bigquery.QueryJobConfig(connection_properties=[session])
    assert len(list(insider.query_and_wait("SELECT * FROM kept", job_config=mine))) == 3


def test_refused_rows_quote_what_came_and_nothing_that_is_there(table: str, reader: bigquery.Client) -> None:
    errors = reader.insert_rows_json(table, [{"id": "x", "mail": "mine"}], retry=None)
    assert errors
    assert MARK not in str(errors)
    with pytest.raises(BadRequest) as refusal:
        reader.load_table_from_json(
            [{"id": 1, "mail": 5, "born": "no date"}], table,
            job_config=bigquery.LoadJobConfig(schema_update_options=["ALLOW_FIELD_ADDITION"]),
        ).result(retry=None)  # fmt: skip
    assert MARK not in str(refusal.value)


def test_statistics_of_a_readers_jobs_tell_nothing_of_hidden_rows(table: str, reader: bigquery.Client) -> None:
    job = reader.query(f"SELECT * FROM {table}")
    job.result()
    told = reader.get_job(job.job_id)
    assert told.total_bytes_processed == 0
    assert [stage.records_written for stage in told.query_plan] == [1]
    job = reader.query(f"CREATE OR REPLACE TABLE {table}_made AS SELECT * FROM {table} WHERE id > 1")
    job.result()
    assert reader.get_table(f"{table}_made").num_rows == 0

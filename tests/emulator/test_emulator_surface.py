"""What administrates tables beside queries: IAM policies, routines, row access and data policies, extracts, jobs."""

from __future__ import annotations

import csv
import gzip
import json
import uuid
from typing import Any

import pyarrow.parquet
import pytest
from google.api_core.exceptions import BadRequest, Conflict, Forbidden, NotFound, PreconditionFailed
from google.api_core.iam import Policy
from google.cloud import bigquery


@pytest.fixture(scope="module")
def admin(emulator: Any) -> bigquery.Client:
    return emulator.client("root", groups=["admins"])


@pytest.fixture
def people(bq: bigquery.Client, dataset: str) -> str:
    bq.query_and_wait(
        f"CREATE TABLE {dataset}.people AS SELECT 1 AS id, 'Ada' AS name, TIMESTAMP '2026-01-02 03:04:05+00' AS at"
        " UNION ALL SELECT 2, NULL, NULL"
    )
    return f"athena.{dataset}.people"


def test_an_iam_policy_comes_back_as_it_was_set(bq: bigquery.Client, people: str) -> None:
    policy = bq.get_iam_policy(people)
    assert list(policy.bindings) == []
    policy.bindings = [{"role": "roles/bigquery.dataViewer", "members": {"user:ada@example.com"}}]
    bq.set_iam_policy(people, policy)
    read = bq.get_iam_policy(people)
    assert [(item["role"], set(item["members"])) for item in read.bindings] == [
        ("roles/bigquery.dataViewer", {"user:ada@example.com"})
    ]
    stale = Policy(etag=policy.etag)
    with pytest.raises(PreconditionFailed):
        bq.set_iam_policy(people, stale)
    assert "athenaIamPolicy" not in str(bq.get_table(people).to_api_repr())
    asked = ["bigquery.tables.getData", "bigquery.rowAccessPolicies.create"]
    assert bq.test_iam_permissions(people, asked)["permissions"] == asked[:1]


def test_policy_tags_come_back_as_they_were_set(bq: bigquery.Client, dataset: str) -> None:
    tags = bigquery.PolicyTagList(["projects/athena/locations/eu/taxonomies/1/policyTags/2"])
    field = bigquery.SchemaField("email", "STRING", policy_tags=tags)
    bq.create_table(bigquery.Table(f"athena.{dataset}.tagged", schema=[field]))
    assert bq.get_table(f"{dataset}.tagged").schema[0].policy_tags == tags


def test_a_routine_lives_through_the_api(bq: bigquery.Client, dataset: str) -> None:
    int64 = bigquery.StandardSqlDataType(type_kind=bigquery.StandardSqlTypeNames.INT64)
    routine = bigquery.Routine(
        f"athena.{dataset}.twice", type_="SCALAR_FUNCTION", language="SQL", body="x * 2", return_type=int64,
        arguments=[bigquery.RoutineArgument(name="x", data_type=int64)],
    )  # fmt: skip
    made = bq.create_routine(routine)
    with pytest.raises(Conflict):
        bq.create_routine(routine)
    assert [tuple(row.values()) for row in bq.query_and_wait(f"SELECT {dataset}.twice(21)")] == [(42,)]
    made.body = "x * 3"
    assert bq.update_routine(made, ["body"]).body == "x * 3"
    assert [item.routine_id for item in bq.list_routines(dataset)] == ["twice"]
    bq.delete_routine(made)
    with pytest.raises(NotFound):
        bq.get_routine(made)


def call(client: bigquery.Client, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Make a request for which the client has no method."""
    return client._connection.api_request(method=method, path=path, data=body)


def test_row_access_policies_come_and_go_through_the_api(
    admin: bigquery.Client, bq: bigquery.Client, people: str
) -> None:
    dataset = people.split(".")[1]
    base = f"/projects/athena/datasets/{dataset}/tables/people/rowAccessPolicies"
    body = {"rowAccessPolicyReference": {"policyId": "one"}, "filterPredicate": "id = 1", "grantees": ["user:ada"]}
    with pytest.raises(Forbidden):
        call(bq, "POST", base, body)
    call(admin, "POST", base, body)
    assert [row["id"] for row in bq.query_and_wait(f"SELECT id FROM {people}")] == [1]
    call(admin, "PUT", f"{base}/one", body | {"filterPredicate": "id = 2"})
    assert [row["id"] for row in bq.query_and_wait(f"SELECT id FROM {people}")] == [2]
    assert [item["filterPredicate"] for item in call(admin, "GET", base)["rowAccessPolicies"]] == ["id = 2"]
    with pytest.raises(BadRequest):
        call(admin, "PUT", f"{base}/one", body | {"filterPredicate": "nothing = 2"})
    call(admin, "DELETE", f"{base}/one")
    assert len(list(bq.query_and_wait(f"SELECT id FROM {people}"))) == 2


def test_data_policies_come_and_go_through_their_own_service(emulator: Any, admin: bigquery.Client) -> None:
    url = f"{emulator.url}/v2/projects/athena/locations/eu/dataPolicies"
    session, name = admin._http, f"p_{uuid.uuid4().hex[:8]}"
    body = {"dataPolicyType": "DATA_MASKING_POLICY", "dataMaskingPolicy": {"predefinedExpression": "SHA256"}}
    made = session.post(url, json={"dataPolicyId": name, "dataPolicy": body}).json()
    assert made["name"] == f"projects/athena/locations/eu/dataPolicies/{name}"
    granted = session.post(f"{url}/{name}:addGrantees", json={"grantees": ["group:analysts"]}).json()
    assert granted["grantees"] == ["group:analysts"]
    changed = session.patch(f"{url}/{name}", json={"dataMaskingPolicy": {"predefinedExpression": "ALWAYS_NULL"}})
    assert changed.json()["dataMaskingPolicy"] == {"predefinedExpression": "ALWAYS_NULL"}
    assert emulator.client("mona")._http.get(f"{url}/{name}").status_code == 403
    assert session.delete(f"{url}/{name}").status_code == 200
    assert session.get(f"{url}/{name}").status_code == 404


def test_extracts_write_files_into_the_buckets_folder(bq: bigquery.Client, emulator: Any, people: str) -> None:
    bucket = emulator.data / "buckets" / "exports"
    job = bq.extract_table(people, "gs://exports/run/people-*.csv")
    job.result()
    assert job.destination_uri_file_counts == [1]
    with (bucket / "run" / "people-000000000000.csv").open() as file:
        rows = sorted(csv.reader(file))
    assert rows == [["1", "Ada", "2026-01-02 03:04:05 UTC"], ["2", "", ""], ["id", "name", "at"]]
    config = bigquery.ExtractJobConfig(destination_format="NEWLINE_DELIMITED_JSON", compression="GZIP")
    bq.extract_table(people, "gs://exports/people.json.gz", job_config=config).result()
    lines = gzip.decompress((bucket / "people.json.gz").read_bytes()).decode().splitlines()
    assert {"id": "2"} in [json.loads(line) for line in lines]
    config = bigquery.ExtractJobConfig(destination_format="PARQUET")
    bq.extract_table(people, "gs://exports/people.parquet", job_config=config).result()
    assert pyarrow.parquet.read_table(bucket / "people.parquet").num_rows == 2
    for uri in ("gs://exports/../x.csv", "gs://../x.csv", "/tmp/x.csv", "gs://exports/a//b.csv"):
        with pytest.raises(BadRequest):
            bq.extract_table(people, uri).result()


def test_an_extract_is_masked_for_a_masked_reader(admin: bigquery.Client, emulator: Any, people: str) -> None:
    name = f"p_{uuid.uuid4().hex[:8]}"
    admin.query_and_wait(
        f"CREATE DATA_POLICY `athena.eu.{name}`"
        " OPTIONS(data_policy_type='DATA_MASKING_POLICY', masking_expression='SHA256')"
    )
    admin.query_and_wait(f"GRANT FINE_GRAINED_READ ON DATA_POLICY `athena.eu.{name}` TO 'user:mona'")
    listed = f"[\"{{'name':'athena.eu.{name}'}}\"]"
    admin.query_and_wait(f"ALTER TABLE {people} ALTER COLUMN name SET OPTIONS (data_policies = {listed})")
    emulator.client("mona").extract_table(people, "gs://exports/masked.csv").result()
    assert "Ada" not in (emulator.data / "buckets" / "exports" / "masked.csv").read_text()
    with pytest.raises(Forbidden):
        emulator.client("otto").extract_table(people, "gs://exports/denied.csv").result()
    assert not (emulator.data / "buckets" / "exports" / "denied.csv").exists()


def test_a_query_job_tells_its_effort_and_can_be_forgotten(bq: bigquery.Client) -> None:
    job = bq.query("SELECT 1")
    job.result()
    job = bq.get_job(job.job_id)
    assert job.slot_millis is not None
    assert job.timeline[0].completed_units == 1
    assert job.query_plan[0].records_written == 1
    bq.delete_job_metadata(job)
    with pytest.raises(NotFound):
        bq.get_job(job.job_id)


def in_session(client: bigquery.Client, session: str, sql: str) -> list[tuple[Any, ...]]:
    properties = [bigquery.ConnectionProperty("session_id", session)]
    config = bigquery.QueryJobConfig(connection_properties=properties)
    return [tuple(row.values()) for row in client.query(sql, job_config=config).result()]


def test_a_sessions_temporary_tables_are_its_owners_until_it_ends(bq: bigquery.Client, emulator: Any) -> None:
    job = bq.query("SELECT 1", job_config=bigquery.QueryJobConfig(create_session=True))
    job.result()
    session = bq.get_job(job.job_id).session_info.session_id
    in_session(bq, session, "CREATE TEMP TABLE mine AS SELECT 42 AS n")
    assert in_session(bq, session, "SELECT n FROM mine") == [(42,)]
    assert in_session(bq, session, "DECLARE x INT64 DEFAULT 1; SELECT n + x FROM mine") == [(43,)]
    assert in_session(bq, session, "SELECT n FROM mine") == [(42,)]
    assert not any(item.dataset_id.startswith("_") for item in bq.list_datasets())
    with pytest.raises(BadRequest):
        in_session(emulator.client("mona"), session, "SELECT n FROM mine")
    with pytest.raises(BadRequest):
        bq.query_and_wait("SELECT n FROM mine")
    in_session(bq, session, "CALL BQ.ABORT_SESSION()")
    with pytest.raises(BadRequest):
        in_session(bq, session, "SELECT n FROM mine")


def test_export_data_writes_what_the_asker_sees(admin: bigquery.Client, emulator: Any, people: str) -> None:
    name = f"export_{people.replace('.', '_')}"
    admin.query_and_wait(
        f"CREATE ROW ACCESS POLICY one ON {people} GRANT TO ('user:mona', 'user:root') FILTER USING (id = 1)"
    )
    sql = (
        f"EXPORT DATA OPTIONS (uri = 'gs://exports/{name}-*.csv', format = 'CSV', header = true, field_delimiter = '|')"
        f" AS SELECT id, 'x' AS mark FROM {people} ORDER BY id"
    )
    mona = emulator.client("mona")
    job = mona.query(sql)
    job.result()
    assert job.statement_type == "EXPORT_DATA"
    written = emulator.data / "buckets" / "exports" / f"{name}-000000000000.csv"
    assert written.read_text() == "id|mark\n1|x\n"
    with pytest.raises(BadRequest, match="not empty"):
        mona.query_and_wait(sql)
    mona.query_and_wait(sql.replace("header = true", "overwrite = true"))
    assert written.read_text() == "1|x\n"
    admin.query_and_wait(f"DROP ALL ROW ACCESS POLICIES ON {people}")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("format = 'CSV'", "Option 'uri' is missing"),
        ("uri = 'gs://b1/x.csv', format = 'CSV'", "wildcard"),
        ("uri = 'gs://b1/../*.csv', format = 'CSV'", "Must be a valid gs:// path"),
        ("uri = 'gs://b1/*.orc', format = 'ORC'", "'ORC' is not a valid value"),
    ],
)
def test_export_data_refuses_what_it_cannot_do(bq: bigquery.Client, options: str, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        bq.query_and_wait(f"EXPORT DATA OPTIONS ({options}) AS SELECT 1 AS id")

"""Datasets' access lists and tables' IAM policies bind everybody but administrators, on every road to the rows."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPICallError, NotFound, PermissionDenied
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import types
from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport

from athena_lab.emulator.access import Principal
from athena_lab.emulator.catalog import State, Table
from athena_lab.emulator.policies.authorization import Authorization
from athena_lab.emulator.rest.routes import ROUTES

Doing = Callable[[bigquery.Client, str], Any]
EMPTY: dict[str, Any] = {"job_retry": None, "retry": None}


@pytest.fixture(scope="module")
def admin(emulator: Any) -> bigquery.Client:
    return emulator.client("root", groups=["admins"])


@pytest.fixture(scope="module")
def people(emulator: Any) -> dict[str, bigquery.Client]:
    """Rita may read (her group), Walt may write, Olga owns, Stan is a stranger."""
    return {
        "rita": emulator.client("rita", groups=["readers"]), "walt": emulator.client("walt"),
        "olga": emulator.client("olga"), "stan": emulator.client("stan", groups=["others"]),
    }  # fmt: skip


@pytest.fixture
def shelf(admin: bigquery.Client) -> Iterator[str]:
    """A dataset with a list of its own, with a table, a view of it, a function and a table function."""
    name = f"p_{uuid.uuid4().hex[:12]}"
    made = bigquery.Dataset(f"athena.{name}")
    made.access_entries = [
        bigquery.AccessEntry("READER", "groupByEmail", "readers@athena.local"),
        bigquery.AccessEntry("WRITER", "userByEmail", "walt@athena.local"),
        bigquery.AccessEntry("roles/bigquery.dataOwner", "userByEmail", "olga@athena.local"),
    ]
    admin.create_dataset(made)
    for sql in (
        "CREATE TABLE {d}.t AS SELECT 1 AS id, 'one' AS v", "CREATE VIEW {d}.w AS SELECT id FROM {d}.t",
        "CREATE FUNCTION {d}.f(x INT64) AS (x + 1)", "CREATE TABLE FUNCTION {d}.g() AS (SELECT id FROM {d}.t)",
    ):  # fmt: skip
        admin.query_and_wait(sql.format(d=name))
    yield name
    admin.delete_dataset(name, delete_contents=True, not_found_ok=True)


def sql(text: str) -> Doing:
    return lambda client, d: list(client.query_and_wait(text.format(d=d), **EMPTY))


READS: dict[str, Doing] = {
    "query": sql("SELECT * FROM {d}.t"),
    "view": sql("SELECT * FROM {d}.w"),
    "function": sql("SELECT {d}.f(1)"),
    "table function": sql("SELECT * FROM {d}.g()"),
    "wildcard": sql("SELECT * FROM `{d}.*`"),
    "TABLES": sql("SELECT table_name FROM {d}.INFORMATION_SCHEMA.TABLES"),
    "COLUMNS": sql("SELECT column_name FROM {d}.INFORMATION_SCHEMA.COLUMNS"),
    "ROUTINES": sql("SELECT routine_name FROM {d}.INFORMATION_SCHEMA.ROUTINES"),
    "insert from": sql("CREATE TEMP TABLE x AS SELECT * FROM {d}.t; SELECT * FROM x"),
    "dry run": lambda client, d: client.query(
        f"SELECT * FROM {d}.t", job_config=bigquery.QueryJobConfig(dry_run=True), **EMPTY
    ),
    "tables.get": lambda client, d: client.get_table(f"{d}.t", retry=None),
    "tables.list": lambda client, d: list(client.list_tables(d, retry=None)),
    "tabledata.list": lambda client, d: list(client.list_rows(f"{d}.t", selected_fields=FIELDS, retry=None)),
    "routines.get": lambda client, d: client.get_routine(f"athena.{d}.f", retry=None),
    "routines.list": lambda client, d: list(client.list_routines(d, retry=None)),
    "datasets.get": lambda client, d: client.get_dataset(d, retry=None),
    "extract": lambda client, d: client.extract_table(f"athena.{d}.t", f"gs://bucket/{d}.csv").result(retry=None),
    "absent": lambda client, d: _absent(client, d),
}
FIELDS = [bigquery.SchemaField("id", "INTEGER"), bigquery.SchemaField("v", "STRING")]


def _absent(client: bigquery.Client, dataset: str) -> None:
    """Whoever may read learns that a table is not there; a stranger does not."""
    with pytest.raises((NotFound, Forbidden)) as refusal:
        client.query_and_wait(f"SELECT * FROM {dataset}.absent", **EMPTY)
    if isinstance(refusal.value, Forbidden):
        raise refusal.value


WRITES: dict[str, Doing] = {
    "insert": sql("INSERT INTO {d}.t VALUES (2, 'two')"),
    "update": sql("UPDATE {d}.t SET v = 'x' WHERE id = 1"),
    "merge": sql("MERGE {d}.t t USING (SELECT 1 AS i) s ON t.id = s.i WHEN MATCHED THEN UPDATE SET v = 'y'"),
    "delete": sql("DELETE FROM {d}.t WHERE id = 9"),
    "truncate": sql("TRUNCATE TABLE {d}.t"),
    "create": sql("CREATE TABLE {d}.n (a INT64)"),
    "replace": sql("CREATE OR REPLACE TABLE {d}.t AS SELECT 1 AS id, 'new' AS v"),
    "alter": sql("ALTER TABLE {d}.t ADD COLUMN added INT64"),
    "create view": sql("CREATE VIEW {d}.w2 AS SELECT 1 AS a"),
    "drop view": sql("DROP VIEW {d}.w"),
    "create function": sql("CREATE FUNCTION {d}.f2(x INT64) AS (x)"),
    "replace function": sql("CREATE OR REPLACE FUNCTION {d}.f(x INT64) AS (x)"),
    "drop function": sql("DROP FUNCTION {d}.f"),
    "procedure": sql("CREATE PROCEDURE {d}.p() BEGIN SELECT 1; END"),
    "insertAll": lambda client, d: client.insert_rows_json(f"{d}.t", [{"id": 3}], retry=None),
    "load": lambda client, d: client.load_table_from_json([{"id": 4}], f"athena.{d}.t").result(retry=None),
    "destination": lambda client, d: client.query(
        "SELECT 5 AS id", job_config=bigquery.QueryJobConfig(destination=f"athena.{d}.made"), **EMPTY
    ).result(**EMPTY),
    "copy": lambda client, d: client.copy_table(f"athena.{d}.t", f"athena.{d}.copied").result(retry=None),
    "tables.insert": lambda client, d: client.create_table(bigquery.Table(f"athena.{d}.i", FIELDS), retry=None),
    "tables.patch": lambda client, d: _describe(client, d),
    "tables.delete": lambda client, d: client.delete_table(f"athena.{d}.t", retry=None),
}


def _describe(client: bigquery.Client, dataset: str) -> None:
    table = bigquery.Table(f"athena.{dataset}.t", FIELDS)
    table.description = "said"
    client.update_table(table, ["description"], retry=None)


OWNS: dict[str, Doing] = {
    "grant on schema": sql("GRANT `roles/bigquery.dataViewer` ON SCHEMA {d} TO 'user:stan@athena.local'"),
    "grant on table": sql("GRANT `roles/bigquery.dataViewer` ON TABLE {d}.t TO 'user:stan@athena.local'"),
    "datasets.patch": lambda client, d: _open(client, d),
    "drop schema": sql("DROP SCHEMA {d} CASCADE"),
}


def _open(client: bigquery.Client, dataset: str) -> None:
    made = bigquery.Dataset(f"athena.{dataset}")
    made.access_entries = [bigquery.AccessEntry("OWNER", "specialGroup", "allAuthenticatedUsers")]
    client.update_dataset(made, ["access_entries"], retry=None)


def refusals(client: bigquery.Client, dataset: str, doings: dict[str, Doing]) -> list[str]:
    """Give what is refused; nothing else may go wrong."""
    refused = []
    for name, do in doings.items():
        try:
            do(client, dataset)
        except Forbidden:
            refused.append(name)
    return refused


def test_strangers_do_nothing_and_know_nothing(shelf: str, people: dict[str, bigquery.Client]) -> None:
    everything = READS | WRITES | OWNS
    assert refusals(people["stan"], shelf, everything) == list(everything)
    assert shelf not in [item.dataset_id for item in people["stan"].list_datasets()]
    names = people["stan"].query_and_wait("SELECT schema_name FROM `region-eu`.INFORMATION_SCHEMA.SCHEMATA")
    assert shelf not in [row[0] for row in names]


def test_readers_read_and_change_nothing(
    shelf: str, people: dict[str, bigquery.Client], admin: bigquery.Client
) -> None:
    assert refusals(people["rita"], shelf, READS) == []
    assert shelf in [item.dataset_id for item in people["rita"].list_datasets()]
    everything = WRITES | OWNS
    assert refusals(people["rita"], shelf, everything) == list(everything)
    assert [tuple(row) for row in admin.query_and_wait(f"SELECT * FROM {shelf}.t")] == [(1, "one")]


@pytest.mark.parametrize("name", WRITES)
def test_writers_write_and_do_not_administrate(name: str, shelf: str, people: dict[str, bigquery.Client]) -> None:
    WRITES[name](people["walt"], shelf)
    assert refusals(people["walt"], shelf, OWNS) == list(OWNS)


def test_owners_do_everything(shelf: str, people: dict[str, bigquery.Client]) -> None:
    assert refusals(people["olga"], shelf, READS | OWNS) == []
    with pytest.raises(NotFound):
        people["olga"].get_dataset(shelf, retry=None)


def test_a_list_made_without_one_lets_all_write_and_its_maker_own(
    people: dict[str, bigquery.Client], admin: bigquery.Client
) -> None:
    name = f"p_{uuid.uuid4().hex[:12]}"
    made = people["walt"].create_dataset(name)
    assert {(item.role, item.entity_type, item.entity_id) for item in made.access_entries} == {
        ("WRITER", "specialGroup", "projectWriters"), ("OWNER", "specialGroup", "projectOwners"),
        ("READER", "specialGroup", "projectReaders"), ("OWNER", "userByEmail", "walt@athena.local"),
    }  # fmt: skip
    people["stan"].query_and_wait(f"CREATE TABLE {name}.t AS SELECT 1 AS id")
    for do in (OWNS["drop schema"], OWNS["datasets.patch"]):
        with pytest.raises(Forbidden):
            do(people["stan"], name)
    people["walt"].query_and_wait(f"DROP SCHEMA {name} CASCADE")
    assert name not in [item.dataset_id for item in admin.list_datasets()]


def test_whoever_had_a_dataset_before_lists_were_kept_has_it_still() -> None:
    state = State(1, {"old": {}}, {})
    assert Authorization("athena", Principal("ada")).may(state, "bigquery.datasets.delete", "old")


def test_a_grant_with_a_condition_or_an_unknown_role_grants_nothing() -> None:
    resource = {"access": [
        {"role": "READER", "userByEmail": "ada@athena.local", "condition": {"expression": "true"}},
        {"role": "roles/made.up", "userByEmail": "ada@athena.local"}, {"role": "WRITER", "userByEmail": "adam@x.org"},
    ]}  # fmt: skip
    bound = {"athenaIamPolicy": {"bindings": [
        {"role": "roles/bigquery.dataViewer", "members": ["user:ada"], "condition": {"expression": "true"}}
    ]}}  # fmt: skip
    table = Table("d", "t", "t1", (), bound, 0, 0)
    allowed = Authorization("athena", Principal("ada"))
    assert not allowed.permissions(State(1, {"d": resource}, {("d", "t"): table}), "d", "t")


def test_a_table_is_shared_by_its_own_policy(
    shelf: str, people: dict[str, bigquery.Client], admin: bigquery.Client, emulator: Any
) -> None:
    stan = people["stan"]
    admin.query_and_wait(f"GRANT `roles/bigquery.dataViewer` ON TABLE {shelf}.t TO 'group:others'")
    assert [row[0] for row in stan.query_and_wait(f"SELECT v FROM {shelf}.t")] == ["one"]
    assert stan.get_table(f"{shelf}.t").num_rows == 1
    assert stored(emulator.storage("stan", groups=["others"]), shelf) == 1
    for do in (READS["tables.list"], READS["view"], WRITES["insert"]):
        with pytest.raises(Forbidden):
            do(stan, shelf)
    permissions = ["bigquery.tables.getData", "bigquery.tables.updateData"]
    assert stan.test_iam_permissions(f"{shelf}.t", permissions)["permissions"] == permissions[:1]
    policy = admin.get_iam_policy(f"{shelf}.t")
    assert policy.bindings == [{"role": "roles/bigquery.dataViewer", "members": {"group:others"}}]
    policy.bindings.append({"role": "roles/bigquery.dataEditor", "members": {"user:stan@athena.local"}})
    admin.set_iam_policy(f"{shelf}.t", policy)
    WRITES["insert"](stan, shelf)
    admin.query_and_wait(
        f"REVOKE `roles/bigquery.dataViewer`, `roles/bigquery.dataEditor` ON TABLE {shelf}.t"
        " FROM 'group:others', 'user:stan@athena.local'"
    )
    with pytest.raises(Forbidden):
        READS["query"](stan, shelf)
    copied = f"{shelf}.copied"
    admin.query_and_wait(f"GRANT `roles/bigquery.dataViewer` ON TABLE {shelf}.t TO 'group:others'")
    admin.copy_table(f"athena.{shelf}.t", f"athena.{copied}").result()
    with pytest.raises(Forbidden):
        stan.query_and_wait(f"SELECT * FROM {copied}")


def test_roles_on_a_dataset_come_and_go_by_statement(
    shelf: str, people: dict[str, bigquery.Client], admin: bigquery.Client
) -> None:
    stan = people["stan"]
    admin.query_and_wait(f"GRANT `roles/bigquery.dataEditor` ON SCHEMA {shelf} TO 'user:stan@athena.local'")
    WRITES["insert"](stan, shelf)
    assert ("WRITER", "stan@athena.local") in [
        (item.role, item.entity_id) for item in admin.get_dataset(shelf).access_entries
    ]
    admin.query_and_wait(f"REVOKE `roles/bigquery.dataEditor` ON SCHEMA {shelf} FROM 'user:stan@athena.local'")
    with pytest.raises(Forbidden):
        READS["query"](stan, shelf)
    for wrong in (
        "GRANT `roles/bigquery.dataViewer` ON MODEL {d}.m TO 'user:x'", "GRANT `roles/x` ON TABLE {d}.t TO 'stan'",
        "GRANT `roles/x` ON SCHEMA {d} TO", "GRANT `roles/x`, `select` ON SCHEMA {d} TO 'user:x'",
    ):  # fmt: skip
        with pytest.raises(BadRequest):
            admin.query_and_wait(wrong.format(d=shelf))


@pytest.fixture
def window(admin: bigquery.Client, shelf: str) -> Iterator[str]:
    """A dataset that everybody reads, with a view and a table function over the shelf's table."""
    name = f"p_{uuid.uuid4().hex[:12]}"
    admin.create_dataset(name)
    for text in (
        "CREATE VIEW {w}.seen AS SELECT id, v FROM {d}.t",
        "CREATE VIEW {w}.twice AS SELECT * FROM {w}.seen",
        "CREATE TABLE FUNCTION {w}.given(n INT64) AS (SELECT v FROM {d}.t WHERE id = n)",
        "CREATE FUNCTION {w}.first() RETURNS STRING AS ((SELECT MAX(v) FROM {d}.t))",
    ):
        admin.query_and_wait(text.format(d=shelf, w=name))
    yield name
    admin.delete_dataset(name, delete_contents=True, not_found_ok=True)


THROUGH = ("SELECT v FROM {w}.seen", "SELECT v FROM {w}.twice", "SELECT v FROM {w}.given(1)", "SELECT {w}.first()")


def seen(client: bigquery.Client, window: str) -> list[Any]:
    found: list[Any] = []
    for text in THROUGH:
        try:
            found.append([row[0] for row in client.query_and_wait(text.format(w=window), **EMPTY)])
        except Forbidden:
            found.append(None)
    return found


def authorize(admin: bigquery.Client, shelf: str, *entries: bigquery.AccessEntry) -> None:
    dataset = admin.get_dataset(shelf)
    dataset.access_entries = [*dataset.access_entries, *entries]
    admin.update_dataset(dataset, ["access_entries"])


def test_an_authorized_view_or_routine_reads_for_those_who_may_not(
    shelf: str, window: str, people: dict[str, bigquery.Client], admin: bigquery.Client
) -> None:
    stan = people["stan"]
    assert seen(stan, window) == [None] * 4
    reference = {"projectId": "athena", "datasetId": window}
    authorize(admin, shelf, bigquery.AccessEntry(None, "view", {**reference, "tableId": "seen"}))
    assert seen(stan, window) == [["one"], ["one"], None, None]
    for name in ("given", "first"):
        authorize(admin, shelf, bigquery.AccessEntry(None, "routine", {**reference, "routineId": name}))
    assert seen(stan, window) == [["one"]] * 4
    for do in (READS["query"], READS["tabledata.list"], READS["table function"]):
        with pytest.raises(Forbidden):
            do(stan, shelf)
    with pytest.raises(Forbidden):
        stan.query_and_wait(f"SELECT s.v FROM {window}.seen s JOIN {shelf}.t USING (id)", **EMPTY)


def test_an_authorized_dataset_authorizes_its_views(
    shelf: str, window: str, people: dict[str, bigquery.Client], admin: bigquery.Client
) -> None:
    whole = {"dataset": {"projectId": "athena", "datasetId": window}, "targetTypes": ["VIEWS"]}
    authorize(admin, shelf, bigquery.AccessEntry(None, "dataset", whole))
    assert seen(people["stan"], window) == [["one"], ["one"], None, None]


def test_policies_bind_whoever_reads_through_an_authorized_view(
    shelf: str, window: str, people: dict[str, bigquery.Client], admin: bigquery.Client
) -> None:
    reference = {"projectId": "athena", "datasetId": window}
    authorize(admin, shelf, bigquery.AccessEntry(None, "view", {**reference, "tableId": "seen"}))
    mask = f"athena.eu.p_{uuid.uuid4().hex[:8]}"
    admin.query_and_wait(
        f"CREATE DATA_POLICY `{mask}` OPTIONS(data_policy_type='DATA_MASKING_POLICY', masking_expression='ALWAYS_NULL')"
    )
    admin.query_and_wait(f"GRANT FINE_GRAINED_READ ON DATA_POLICY `{mask}` TO 'group:others'")
    admin.query_and_wait(
        f"ALTER TABLE {shelf}.t ALTER COLUMN v SET OPTIONS (data_policies = [\"{{'name':'{mask}'}}\"])"
    )
    assert seen(people["stan"], window)[:2] == [[None], [None]]
    admin.query_and_wait(f"CREATE ROW ACCESS POLICY few ON {shelf}.t GRANT TO ('group:others') FILTER USING (id > 1)")
    assert seen(people["stan"], window)[:2] == [[], []]


def stored(storage: Any, dataset: str) -> int:
    asked = types.ReadSession(table=f"projects/athena/datasets/{dataset}/tables/t", data_format=types.DataFormat.ARROW)
    session = storage.create_read_session(parent="projects/athena", read_session=asked, max_stream_count=1)
    return sum(page.num_items for stream in session.streams for page in storage.read_rows(stream.name).rows().pages)


def test_the_storage_services_refuse_as_the_queries_do(shelf: str, emulator: Any, admin: bigquery.Client) -> None:
    assert stored(emulator.storage("rita", groups=["readers"]), shelf) == 1
    with pytest.raises(PermissionDenied):
        stored(emulator.storage("stan"), shelf)
    session = emulator.storage("rita", groups=["readers"])
    channel = session.transport.grpc_channel
    write = BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))
    with pytest.raises(PermissionDenied):
        write.create_write_stream(
            parent=f"projects/athena/datasets/{shelf}/tables/t", write_stream=types.WriteStream(type_="COMMITTED")
        )
    writer = emulator.storage("walt").transport.grpc_channel
    made = BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=writer)).create_write_stream(
        parent=f"projects/athena/datasets/{shelf}/tables/t", write_stream=types.WriteStream(type_="COMMITTED")
    )
    assert made.name


def test_hidden_datasets_cannot_be_named_by_anybody(
    shelf: str, people: dict[str, bigquery.Client], admin: bigquery.Client
) -> None:
    for name in ("_session1", "_script1", "_anon1"):
        with pytest.raises(GoogleAPICallError):
            admin.create_dataset(name, retry=None)
        for do in (WRITES["load"], WRITES["destination"], WRITES["copy"]):
            with pytest.raises(GoogleAPICallError):
                do(people["walt"], name)


def test_bad_lists_are_refused(shelf: str, admin: bigquery.Client) -> None:
    for entry in ({"role": "READER"}, {"userByEmail": "x@y.z"}, {"role": "READER", "domain": "a", "userByEmail": "b"}):
        with pytest.raises(BadRequest):
            admin._call_api(None, method="PATCH", path=f"/projects/athena/datasets/{shelf}", data={"access": [entry]})


DECIDE_THEMSELVES = {
    "/datasets", "/jobs", "/jobs/{job}", "/jobs/{job}/cancel", "/jobs/{job}/delete", "/queries", "/queries/{job}",
    "/serviceAccount", ":testIamPermissions", "/rowAccessPolicies", "/rowAccessPolicies/{policy}",
}  # fmt: skip


def test_every_route_to_a_dataset_names_the_permission_that_it_needs() -> None:
    bare = [
        route.path for route in ROUTES
        if "{dataset}" in route.path and not getattr(route.endpoint, "needs", "")
        and not any(route.path.endswith(end) for end in DECIDE_THEMSELVES)
    ]  # fmt: skip
    assert bare == []

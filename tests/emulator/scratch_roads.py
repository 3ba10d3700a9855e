"""Every road by which something lasting is written, walked by a rehearsal: by statements, over REST, over gRPC.

A road is a function of the rehearsal and of the dataset that it is to write to; what `EVERYWHERE_REFUSED` writes is in
no dataset. Each finds a dataset as `FURNITURE` leaves it.
"""

from __future__ import annotations

import itertools
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.api_core.exceptions import PermissionDenied
from google.cloud.bigquery_storage_v1 import types

from athena_lab.gateway_api.rehearsals import REFUSAL
from tests.emulator.test_emulator_storage_write import KIND, append, arrow_request, create, write_client

RUN = "a" * 32
MASKS = "data_policy_type = 'DATA_MASKING_POLICY', masking_expression = 'SHA256'"
SCHEMA = {"fields": [{"name": "id", "type": "INTEGER"}, {"name": "word", "type": "STRING"}]}
FURNITURE = """
DROP SCHEMA IF EXISTS {d} CASCADE; CREATE SCHEMA {d}; DROP SCHEMA IF EXISTS {d}_new CASCADE;
CREATE TABLE {d}.t AS SELECT 1 AS id, 'one' AS word;
CREATE TABLE {d}.g AS SELECT 1 AS id, 'one' AS word;
CREATE ROW ACCESS POLICY r ON {d}.g GRANT TO ('domain:athena.local') FILTER USING (TRUE);
CREATE VIEW {d}.w AS SELECT id FROM {d}.t;
CREATE MATERIALIZED VIEW {d}.m AS SELECT id FROM {d}.t;
CREATE FUNCTION {d}.f(x INT64) AS (x + 1);
CREATE TABLE FUNCTION {d}.tf() AS (SELECT id FROM {d}.t);
CREATE PROCEDURE {d}.p() BEGIN INSERT INTO {d}.t VALUES (9, 'nine'); END;
"""


class RefusedError(Exception):
    """An answer of 403, or its like in gRPC."""


@dataclass
class Hand:
    """Whoever writes: a token, and the requests made with it."""

    emulator: Any
    user: str
    claims: dict[str, Any]
    job_ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.token = self.emulator.keys.token(self.user, **self.claims)
        self.writer = write_client(self.emulator, self.user, **self.claims)

    def send(self, method: str, path: str, data: bytes | None, **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers}
        url = path if path.startswith("http") else self.emulator.url + path
        try:
            request = urllib.request.Request(url, data, headers, method=method)
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.headers["Location"] or json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                message = json.loads(error.read())["error"]["message"]
            if error.code == 403:
                raise RefusedError(message) from None
            raise AssertionError(f"{error.code} {message}") from None

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        base = (
            "/v2/projects/athena/locations/us" if path.startswith("/dataPolicies") else "/bigquery/v2/projects/athena"
        )
        return self.send(method, base + path, None if body is None else json.dumps(body).encode())

    def sql(self, text: str, **options: Any) -> Any:
        """Run a statement or script to its end; give its answer."""
        answer = self.rest("POST", "/queries", {"query": text, "useLegacySql": False, **options})
        assert answer["jobComplete"]
        self.job_ids.append(answer["jobReference"]["jobId"])
        return answer

    def rows(self, text: str, **options: Any) -> list[tuple[Any, ...]]:
        return [tuple(cell["v"] for cell in row["f"]) for row in self.sql(text, **options).get("rows", ())]

    def job(self, **configuration: Any) -> Any:
        """Run a job to its end."""
        return self.finish(self.rest("POST", "/jobs", {"configuration": configuration}))

    def finish(self, job: Any) -> Any:
        deadline = time.monotonic() + 30
        while job["status"]["state"] != "DONE":
            assert time.monotonic() < deadline
            job = self.rest("GET", f"/jobs/{job['jobReference']['jobId']}")
        error = job["status"].get("errorResult")
        if error is not None:
            assert error["reason"] == "accessDenied", error
            raise RefusedError(error["message"])
        return job


Road = Callable[[Hand, str], Any]
_NUMBERS = itertools.count()


def fresh() -> str:
    """Give a name that nothing has yet."""
    return f"n{next(_NUMBERS)}"


def by_sql(text: str) -> Road:
    return lambda hand, dataset: hand.sql(text.format(d=dataset, n=fresh()))


STATEMENTS: dict[str, str] = {
    "insert": "INSERT INTO {d}.t VALUES (2, 'two')",
    "insert from": "INSERT INTO {d}.t SELECT * FROM {d}.g",
    "update": "UPDATE {d}.t SET word = 'x' WHERE id = 1",
    "delete": "DELETE FROM {d}.t WHERE id = 1",
    "merge": "MERGE {d}.t t USING (SELECT 1 AS i) s ON t.id = s.i WHEN MATCHED THEN UPDATE SET word = 'y'",
    "truncate": "TRUNCATE TABLE {d}.t",
    "create table": "CREATE TABLE {d}.{n} (id INT64)",
    "create like": "CREATE TABLE {d}.{n} LIKE {d}.t",
    "create as": "CREATE TABLE {d}.{n} AS SELECT 1 AS id",
    "replace": "CREATE OR REPLACE TABLE {d}.t AS SELECT 2 AS id, 'new' AS word",
    "clone": "CREATE TABLE {d}.{n} CLONE {d}.t",
    "clone of the past": "CREATE TABLE {d}.{n} CLONE {d}.t FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()",
    "copy": "CREATE TABLE {d}.{n} COPY {d}.t",
    "snapshot": "CREATE SNAPSHOT TABLE {d}.{n} CLONE {d}.t",
    "create view": "CREATE VIEW {d}.{n} AS SELECT 1 AS id",
    "replace view": "CREATE OR REPLACE VIEW {d}.w AS SELECT 2 AS id",
    "create materialized view": "CREATE MATERIALIZED VIEW {d}.{n} AS SELECT id FROM {d}.t",
    "create function": "CREATE FUNCTION {d}.{n}(x INT64) AS (x)",
    "replace function": "CREATE OR REPLACE FUNCTION {d}.f(x INT64) AS (x)",
    "create table function": "CREATE TABLE FUNCTION {d}.{n}() AS (SELECT 1 AS id)",
    "create procedure": "CREATE PROCEDURE {d}.{n}() BEGIN SELECT 1; END",
    "alter schema": "ALTER SCHEMA {d} SET OPTIONS (description = 'x')",
    "add column": "ALTER TABLE {d}.t ADD COLUMN more INT64",
    "drop column": "ALTER TABLE {d}.t DROP COLUMN word",
    "rename column": "ALTER TABLE {d}.t RENAME COLUMN word TO {n}",
    "change type": "ALTER TABLE {d}.t ALTER COLUMN id SET DATA TYPE NUMERIC",
    "rename": "ALTER TABLE {d}.t RENAME TO {n}",
    "set options": "ALTER TABLE {d}.t SET OPTIONS (description = 'x')",
    "alter view": "ALTER VIEW {d}.w SET OPTIONS (description = 'x')",
    "assign policies": "ALTER TABLE {d}.t ALTER COLUMN word SET OPTIONS (data_policies = [])",
    "create row policy": "CREATE ROW ACCESS POLICY {n} ON {d}.t GRANT TO ('user:ada') FILTER USING (TRUE)",
    "drop row policy": "DROP ROW ACCESS POLICY r ON {d}.g",
    "drop row policies": "DROP ALL ROW ACCESS POLICIES ON {d}.g",
    "grant": "GRANT `roles/bigquery.dataViewer` ON TABLE {d}.t TO 'user:eve@athena.local'",
    "revoke": "REVOKE `roles/bigquery.dataViewer` ON TABLE {d}.t FROM 'user:eve@athena.local'",
    "grant on schema": "GRANT `roles/bigquery.dataViewer` ON SCHEMA {d} TO 'user:eve@athena.local'",
    "drop table": "DROP TABLE {d}.t",
    "drop absent table": "DROP TABLE IF EXISTS {d}.{n}",
    "drop view": "DROP VIEW {d}.w",
    "drop function": "DROP FUNCTION {d}.f",
    "drop table function": "DROP TABLE FUNCTION {d}.tf",
    "drop procedure": "DROP PROCEDURE {d}.p",
    "drop schema": "DROP SCHEMA {d} CASCADE",
}
SCRIPTS: dict[str, str] = {
    "script": "DECLARE i INT64 DEFAULT 7; INSERT INTO {d}.t VALUES (i, 'seven');",
    "loop": "FOR r IN (SELECT 1 AS i) DO INSERT INTO {d}.t VALUES (r.i, 'x'); END FOR;",
    "execute immediate": "EXECUTE IMMEDIATE 'DEL' || 'ETE FROM {d}.t WHERE id = 1';",
    "call": "CALL {d}.p();",
    "transaction": "BEGIN TRANSACTION; INSERT INTO {d}.t VALUES (3, 'x'); COMMIT TRANSACTION;",
    "from a temporary table": "CREATE TEMP TABLE x AS SELECT 4 AS id, 'x' AS word; INSERT INTO {d}.t SELECT * FROM x;",
}
CREATES_SCHEMA = "CREATE SCHEMA {d} OPTIONS (default_table_expiration_days = 1)"


def in_table(dataset: str, name: str = "t") -> dict[str, str]:
    return {"projectId": "athena", "datasetId": dataset, "tableId": name}


def _routine(dataset: str, name: str) -> dict[str, Any]:
    return {
        "routineReference": {"projectId": "athena", "datasetId": dataset, "routineId": name},
        "routineType": "SCALAR_FUNCTION", "language": "SQL", "definitionBody": "x",
        "arguments": [{"name": "x", "dataType": {"typeKind": "INT64"}}],
    }  # fmt: skip


def _row_policy(name: str) -> dict[str, Any]:
    return {
        "rowAccessPolicyReference": {"policyId": name}, "filterPredicate": "TRUE", "grantees": ["domain:athena.local"],
    }  # fmt: skip


JOBS: dict[str, Road] = {
    "query": lambda hand, d: hand.job(
        query={"query": "SELECT 5 AS id", "destinationTable": in_table(d, fresh()), "useLegacySql": False}
    ),
    "query truncating": lambda hand, d: hand.job(
        query={"query": "SELECT 5 AS id, 'x' AS word", "destinationTable": in_table(d), "useLegacySql": False,
               "writeDisposition": "WRITE_TRUNCATE"}
    ),
    "query into a partition": lambda hand, d: hand.job(
        query={"query": "SELECT 5 AS id", "destinationTable": in_table(d, f"{fresh()}$20260101"), "useLegacySql": False}
    ),
    "load": lambda hand, d: hand.job(
        load={"sourceUris": ["gs://bucket/loaded.csv"], "destinationTable": in_table(d), "skipLeadingRows": 1}
    ),
    "copy": lambda hand, d: hand.job(copy={"sourceTable": in_table(d), "destinationTable": in_table(d, fresh())}),
}  # fmt: skip
REST: dict[str, Road] = {
    "POST /datasets": lambda hand, d: hand.rest("POST", "/datasets", {"datasetReference": {"datasetId": d}}),
    "PATCH /datasets/{dataset}": lambda hand, d: hand.rest("PATCH", f"/datasets/{d}", {"description": "x"}),
    "PUT /datasets/{dataset}": lambda hand, d: hand.rest("PUT", f"/datasets/{d}", {"description": "x"}),
    "DELETE /datasets/{dataset}": lambda hand, d: hand.rest("DELETE", f"/datasets/{d}?deleteContents=true"),
    "POST /datasets/{dataset}/tables": lambda hand, d: hand.rest(
        "POST", f"/datasets/{d}/tables", {"tableReference": in_table(d, fresh()), "schema": SCHEMA}
    ),
    "PATCH /datasets/{dataset}/tables/{table}": lambda hand, d: hand.rest(
        "PATCH", f"/datasets/{d}/tables/t", {"description": "x"}
    ),
    "PUT /datasets/{dataset}/tables/{table}": lambda hand, d: hand.rest(
        "PUT", f"/datasets/{d}/tables/t", {"description": "x", "schema": SCHEMA}
    ),
    "DELETE /datasets/{dataset}/tables/{table}": lambda hand, d: hand.rest("DELETE", f"/datasets/{d}/tables/t"),
    "POST /datasets/{dataset}/tables/{table}/insertAll": lambda hand, d: hand.rest(
        "POST", f"/datasets/{d}/tables/t/insertAll", {"rows": [{"json": {"id": 6}}]}
    ),
    "POST /datasets/{dataset}/tables/{table}:setIamPolicy": lambda hand, d: hand.rest(
        "POST", f"/datasets/{d}/tables/t:setIamPolicy",
        {"policy": {"bindings": [{"role": "roles/bigquery.dataViewer", "members": ["user:eve@athena.local"]}]}},
    ),
    "POST /datasets/{dataset}/tables/{table}/rowAccessPolicies": lambda hand, d: hand.rest(
        "POST", f"/datasets/{d}/tables/t/rowAccessPolicies", _row_policy(fresh())
    ),
    "PUT /datasets/{dataset}/tables/{table}/rowAccessPolicies/{policy}": lambda hand, d: hand.rest(
        "PUT", f"/datasets/{d}/tables/g/rowAccessPolicies/r", _row_policy("r")
    ),
    "DELETE /datasets/{dataset}/tables/{table}/rowAccessPolicies/{policy}": lambda hand, d: hand.rest(
        "DELETE", f"/datasets/{d}/tables/g/rowAccessPolicies/r"
    ),
    "POST /datasets/{dataset}/routines": lambda hand, d: hand.rest(
        "POST", f"/datasets/{d}/routines", _routine(d, fresh())
    ),
    "PUT /datasets/{dataset}/routines/{routine}": lambda hand, d: hand.rest(
        "PUT", f"/datasets/{d}/routines/f", _routine(d, "f")
    ),
    "DELETE /datasets/{dataset}/routines/{routine}": lambda hand, d: hand.rest("DELETE", f"/datasets/{d}/routines/f"),
    "POST /upload": lambda hand, d: _upload(hand, d),
    "PUT /resumable/upload": lambda hand, d: _resume(hand, d),
}  # fmt: skip


def _load(dataset: str) -> dict[str, Any]:
    load = {"destinationTable": in_table(dataset), "sourceFormat": "NEWLINE_DELIMITED_JSON"}
    return {"configuration": {"load": load}}


def _upload(hand: Hand, dataset: str) -> Any:
    parts = [json.dumps(_load(dataset)), json.dumps({"id": 7})]
    body = "".join(f"--b\r\nContent-Type: application/json\r\n\r\n{part}\r\n" for part in parts) + "--b--"
    path = "/upload/bigquery/v2/projects/athena/jobs?uploadType=multipart"
    return hand.finish(hand.send("POST", path, body.encode(), **{"Content-Type": "multipart/related; boundary=b"}))


def _resume(hand: Hand, dataset: str) -> Any:
    path = "/resumable/upload/bigquery/v2/projects/athena/jobs?uploadType=resumable"
    place = hand.send("POST", path, json.dumps(_load(dataset)).encode())
    data = json.dumps({"id": 8}).encode()
    return hand.finish(hand.send("PUT", place, data, **{"Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}"}))


def refusal(message: str) -> None:
    if message:
        raise RefusedError(message)


def path_of(dataset: str) -> str:
    return f"projects/athena/datasets/{dataset}/tables/t"


def _append_default(hand: Hand, dataset: str) -> None:
    request = arrow_request(f"{path_of(dataset)}/streams/_default", [(1, "a")])
    (answer,) = append(hand.writer, request)
    refusal(answer.error.message)


GRPC: dict[str, Road] = {
    "CreateWriteStream": lambda hand, d: create(hand.writer, path_of(d), KIND.COMMITTED),
    "AppendRows": _append_default,
    "BatchCommitWriteStreams": lambda hand, d: hand.writer.batch_commit_write_streams(
        types.BatchCommitWriteStreamsRequest(parent=path_of(d), write_streams=[])
    ),
}


def is_destructive(name: str) -> bool:
    """Tell whether after a road, told by its name, other roads find too little or too much."""
    return any(word in name for word in ("drop", "column", "rename", "type", "policy", "olicies", "DELETE", "dataset"))


EVERYWHERE_REFUSED: dict[str, Road] = {
    "extract": lambda hand, d: hand.job(
        extract={"sourceTable": in_table(d), "destinationUris": ["gs://bucket/leaked.csv"]}
    ),
    "EXPORT_DATA": by_sql("EXPORT DATA OPTIONS (uri = 'gs://bucket/leaked-*.csv', format = 'CSV') AS SELECT 1 AS id"),
    "CREATE_DATA_POLICY": by_sql(
        "CREATE DATA_POLICY `athena.us.{d}_n` OPTIONS (data_policy_type = 'RAW_DATA_ACCESS_POLICY')"
    ),
    "ALTER_DATA_POLICY": by_sql("ALTER DATA_POLICY `athena.us.{d}` SET OPTIONS (masking_expression = 'ALWAYS_NULL')"),
    "DROP_DATA_POLICY": by_sql("DROP DATA_POLICY `athena.us.{d}`"),
    "GRANT": by_sql("GRANT FINE_GRAINED_READ ON DATA_POLICY `athena.us.{d}` TO 'user:ada'"),
    "POST": lambda hand, d: hand.rest(
        "POST", "/dataPolicies",
        {"dataPolicyId": f"{d}_n", "dataPolicy": {"dataPolicyType": "RAW_DATA_ACCESS_POLICY"}},
    ),
    "PATCH /{policy}": lambda hand, d: hand.rest("PATCH", f"/dataPolicies/{d}", {"grantees": ["user:ada"]}),
    "DELETE /{policy}": lambda hand, d: hand.rest("DELETE", f"/dataPolicies/{d}"),
    "POST /{policy}:addGrantees": lambda hand, d: hand.rest(
        "POST", f"/dataPolicies/{d}:addGrantees", {"grantees": ["user:ada"]}
    ),
    "POST /{policy}:removeGrantees": lambda hand, d: hand.rest(
        "POST", f"/dataPolicies/{d}:removeGrantees", {"grantees": ["user:eve"]}
    ),
}  # fmt: skip


class Stage:
    """A dataset of the owner's, a scratch dataset, and a rehearsal of an administrator's: the hardest to bind."""

    def __init__(self, emulator: Any) -> None:
        self.emulator = emulator
        mark = uuid.uuid4().hex[:12]
        self.outside, self.scratch = f"o_{mark}", f"_rehearsal_{mark}"
        self.admin = Hand(emulator, "root", {"groups": ["admins"]})
        self.run = Hand(emulator, "ada", {"groups": ["admins"], "purpose": "run", "run": RUN, "attempt": 1})
        self.rehearsal = self.rehearsal_of("ada", "admins")
        self.admin.sql(FURNITURE.format(d=self.outside))
        for name in (self.outside, self.scratch):
            self.admin.sql(f"CREATE DATA_POLICY `athena.us.{name}` OPTIONS ({MASKS})")
        self.admin.job(extract={"sourceTable": in_table(self.outside), "destinationUris": ["gs://bucket/loaded.csv"]})

    def rehearsal_of(self, user: str, *groups: str) -> Hand:
        claims = {"groups": list(groups), "purpose": "rehearsal", "run": RUN, "attempt": 1, "scratch": self.scratch}
        return Hand(self.emulator, user, claims)

    def leave(self) -> None:
        """Drop what it made, once nobody needs it any more."""
        for name in (self.outside, self.scratch):
            self.admin.rest("DELETE", f"/dataPolicies/{name}")
            self.admin.sql(f"DROP SCHEMA IF EXISTS {name} CASCADE")

    def furnish(self) -> None:
        self.admin.sql(FURNITURE.format(d=self.scratch))

    def clear(self) -> None:
        self.admin.sql(f"DROP SCHEMA IF EXISTS {self.scratch} CASCADE")

    def world(self) -> Any:
        """Give everything that lasts but the scratch dataset."""
        ask, d = self.admin.rest, self.outside
        listed = ask("GET", "/datasets?all=true&maxResults=1000")["datasets"]
        names = [item["datasetReference"]["datasetId"] for item in listed]
        files = sorted(path for path in (self.emulator.data / "buckets").rglob("*") if path.is_file())
        return [
            [name for name in names if name != self.scratch], ask("GET", f"/datasets/{d}"),
            [ask("GET", f"/datasets/{d}/tables/{name}") for name in ("t", "g", "w", "m")],
            len(ask("GET", f"/datasets/{d}/tables")["tables"]), ask("GET", f"/datasets/{d}/routines"),
            ask("POST", f"/datasets/{d}/tables/t:getIamPolicy", {}), ask("GET", "/dataPolicies"),
            ask("GET", f"/datasets/{d}/tables/g/rowAccessPolicies"), ask("GET", f"/datasets/{d}/tables/t/data"),
            [(path.name, path.stat().st_mtime_ns) for path in files],
        ]  # fmt: skip

    def is_refused(self, road: Callable[[], Any]) -> bool:
        """Tell whether a road is refused as a rehearsal's write; whatever else goes wrong is a failure."""
        refused = ""
        try:
            road()
        except (RefusedError, PermissionDenied) as error:
            refused = str(error)
        assert not refused or f"{REFUSAL} '{self.scratch}'" in refused
        return bool(refused)

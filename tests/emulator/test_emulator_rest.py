"""The REST surface beside queries: what is asked for is answered or refused, never passed over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.cloud import bigquery


class Rest:
    """Raw calls, for what the client sends by itself never."""

    def __init__(self, client: bigquery.Client, url: str) -> None:
        self._http, self._url = client._http, url

    def call(self, method: str, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._http.request(method, f"{self._url}/bigquery/v2/projects/athena{path}", json=body, headers=given)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def rest(emulator: Any, bq: bigquery.Client) -> Rest:
    return Rest(bq, emulator.url)


def _job(**configuration: Any) -> dict[str, Any]:
    return {"configuration": configuration}


def _select(text: str = "SELECT 1", **more: Any) -> dict[str, Any]:
    return {"query": text, "useLegacySql": False, **more}


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ({"query": _select(tableDefinitions={"t": {"sourceFormat": "CSV"}})}, "tableDefinitions of a query job"),
        ({"query": _select(scriptOptions={"statementTimeoutMs": "5"})}, "scriptOptions"),
        ({"query": _select(continuous=True)}, "continuous"),
        ({"query": _select(connectionProperties=[{"key": "time_zone", "value": "Asia/Tokyo"}])}, "time_zone"),
        ({"query": _select(writeDisposition="WRITE_OVER")}, "writeDisposition"),
        ({"query": _select(schemaUpdateOptions=["ALLOW_ALL"])}, "schemaUpdateOptions"),
        ({"query": _select(maximumBytesBilled="much")}, "maximumBytesBilled"),
        ({"query": _select(), "reservation": "r"}, "reservation"),
        ({"query": _select(), "load": {}}, "query, load"),
        ({"copy": {}, "dryRun": True}, "dryRun is for query jobs"),
        ({"copy": {"operationType": "MOVE"}}, "operationType"),
        ({"load": {"hivePartitioningOptions": {"mode": "AUTO"}}}, "hivePartitioningOptions"),
        ({"extract": {"modelExtractOptions": {"trialId": "1"}}}, "modelExtractOptions"),
        ({"query": _select(), "jobTimeoutMs": "soon"}, "jobTimeoutMs"),
    ],
)
def test_a_parameter_that_has_no_effect_is_refused_by_name(
    rest: Rest, configuration: dict[str, Any], said: str
) -> None:
    body = rest.call("POST", "/jobs", _job(**configuration), status=400)
    assert said in body["error"]["message"]


def test_timestamps_are_written_as_asked_for(rest: Rest) -> None:
    text = "SELECT TIMESTAMP '2026-01-02 03:04:05.5+00' AS at, TIMESTAMP '0099-12-31 00:00:00+00' AS old"
    job = {
        "projectId": "athena",
        "jobId": rest.call("POST", "/jobs", _job(query=_select(text)))["jobReference"]["jobId"],
    }
    for wanted, values in {
        "INT64": ["1767323045500000", "-59011545600000000"],
        "ISO8601_STRING": ["2026-01-02T03:04:05.500000Z", "0099-12-31T00:00:00Z"],
        "FLOAT64": ["1.76732304550000000E+9", "-5.90115456000000000E+10"],
    }.items():
        path = f"/queries/{job['jobId']}?formatOptions.timestampOutputFormat={wanted}"
        assert [cell["v"] for cell in rest.call("GET", path)["rows"][0]["f"]] == values
        body = _select(text, formatOptions={"timestampOutputFormat": wanted})
        assert [cell["v"] for cell in rest.call("POST", "/queries", body)["rows"][0]["f"]] == values
    refused = rest.call("POST", "/queries", _select(formatOptions={"timestampOutputFormat": "ROMAN"}), status=400)
    assert "timestampOutputFormat" in refused["error"]["message"]


def test_ddl_says_what_it_did_to_what(rest: Rest, dataset: str) -> None:
    told = []
    for text in (
        "CREATE TABLE IF NOT EXISTS {0}.t (a INT64)",
        "CREATE TABLE IF NOT EXISTS {0}.t (a INT64)",
        "CREATE OR REPLACE TABLE {0}.t (a INT64)",
        "CREATE OR REPLACE VIEW {0}.v AS SELECT 1 AS a",
        "DROP VIEW {0}.v",
        "DROP TABLE IF EXISTS {0}.u",
        "CREATE FUNCTION {0}.f() AS (1)",
        "DROP FUNCTION {0}.f",
        "CREATE SCHEMA IF NOT EXISTS {0}",
    ):
        body = _select(text.format(dataset), dryRun=False)
        job = rest.call("POST", "/queries", body)["jobReference"]["jobId"]
        query = rest.call("GET", f"/jobs/{job}")["statistics"]["query"]
        target = next(query[key] for key in ("ddlTargetTable", "ddlTargetRoutine", "ddlTargetDataset") if key in query)
        told.append((query["ddlOperationPerformed"], list(target.values())[-1]))
    assert told == [
        ("CREATE", "t"), ("SKIP", "t"), ("REPLACE", "t"), ("CREATE", "v"), ("DROP", "v"), ("SKIP", "u"),
        ("CREATE", "f"), ("DROP", "f"), ("SKIP", dataset),
    ]  # fmt: skip


def test_a_patch_changes_what_it_names_and_null_takes_away(rest: Rest, dataset: str) -> None:
    table = f"/datasets/{dataset}/tables/t"
    rest.call("POST", f"/datasets/{dataset}/tables", {
        "tableReference": {"tableId": "t"}, "labels": {"a": "1", "b": "2"}, "description": "old",
        "schema": {"fields": [{"name": "d", "type": "DATE"}]}, "timePartitioning": {"type": "DAY", "field": "d"},
    })  # fmt: skip
    changed = rest.call("PATCH", table, {"labels": {"a": None, "c": "3"}, "description": None,
                                         "timePartitioning": {"expirationMs": "86400000"}})  # fmt: skip
    assert changed["labels"] == {"b": "2", "c": "3"}
    assert "description" not in changed
    assert changed["timePartitioning"] == {"type": "DAY", "field": "d", "expirationMs": "86400000"}
    for partitioning in (None, {"type": "MONTH"}, {"field": "e"}):
        rest.call("PATCH", table, {"timePartitioning": partitioning}, status=400)
    rest.call("PATCH", table, {"description": "x"}, status=412, If_Match="another")
    rest.call("PATCH", table, {"description": "x"}, If_Match=rest.call("GET", table)["etag"])
    rest.call("PATCH", f"/datasets/{dataset}", {"labels": {"k": "v", "l": "w"}})
    assert rest.call("PATCH", f"/datasets/{dataset}", {"labels": {"k": None}})["labels"] == {"l": "w"}


def test_a_table_is_given_as_its_view_says(rest: Rest, dataset: str, bq: bigquery.Client) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS a, STRUCT(2 AS x, [STRUCT(3 AS z, 4 AS w)] AS y) AS b")
    path = f"/datasets/{dataset}/tables/t"
    assert {"numRows", "numTotalLogicalBytes"} <= set(rest.call("GET", path))
    basic = rest.call("GET", f"{path}?view=BASIC&selectedFields=b.y.w")
    assert not [key for key in basic if key.startswith("num")]
    assert json.dumps(basic["schema"]).count('"name"') == 3
    rest.call("GET", f"{path}?view=LITTLE", status=400)
    rows = rest.call("GET", f"{path}/data?selectedFields=b.y.w,a")["rows"]
    assert rows == [{"f": [{"v": "1"}, {"v": {"f": [{"v": [{"v": {"f": [{"v": "4"}]}}]}]}}]}]
    rest.call("GET", f"{path}/data?selectedFields=b.q", status=400)
    dataset_path = f"/datasets/{dataset}"
    assert "access" not in rest.call("GET", f"{dataset_path}?datasetView=METADATA")
    assert "creationTime" not in rest.call("GET", f"{dataset_path}?datasetView=ACL")


def test_lists_are_filtered_as_asked_or_refuse(rest: Rest, dataset: str, bq: bigquery.Client) -> None:
    bq.query_and_wait(f"CREATE FUNCTION {dataset}.f() AS (1); CREATE PROCEDURE {dataset}.p() BEGIN SELECT 1; END;")
    routines = f"/datasets/{dataset}/routines"
    found = rest.call("GET", f"{routines}?filter=routineType:PROCEDURE&readMask=definitionBody")["routines"]
    assert [set(item) for item in found] == [{"etag", "routineReference", "definitionBody"}]
    rest.call("GET", f"{routines}?filter=name:f", status=400)
    rest.call("GET", "/datasets?filter=name:x", status=400)
    rest.call("GET", "/jobs?stateFilter=asleep", status=400)
    job = rest.call("POST", "/jobs", {"jobReference": {"jobId": f"{dataset}_1"}, **_job(query=_select())})
    rest.call("POST", "/jobs", {"jobReference": {"jobId": f"{dataset}_1"}, **_job(query=_select())}, status=409)
    assert "rows" in rest.call("GET", f"/queries/{job['jobReference']['jobId']}")
    minimal = rest.call("GET", "/jobs?stateFilter=pending&stateFilter=done&maxResults=1")["jobs"]
    assert "configuration" not in minimal[0]
    assert "configuration" in rest.call("GET", "/jobs?projection=full&maxResults=1")["jobs"][0]
    view = {"tableReference": {"tableId": "m"}, "materializedView": {"query": f"SELECT 1 AS a FROM {dataset}.t"}}
    bq.query_and_wait(f"CREATE TABLE {dataset}.t (a INT64)")
    assert rest.call("POST", f"/datasets/{dataset}/tables", view)["type"] == "MATERIALIZED_VIEW"
    listed = rest.call("GET", f"/datasets/{dataset}/tables")["tables"]
    assert [(item["tableReference"]["tableId"], item["type"]) for item in listed] == [
        ("m", "MATERIALIZED_VIEW"), ("t", "TABLE"),
    ]  # fmt: skip
    assert all("etag" not in item for item in listed)


def test_a_dry_run_of_dml_gives_the_columns_of_its_target(rest: Rest, dataset: str, bq: bigquery.Client) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t (a INT64, b STRING)")
    body = _job(query=_select(f"INSERT INTO {dataset}.t (b) VALUES ('x')"), dryRun=True)
    query = rest.call("POST", "/jobs", body)["statistics"]["query"]
    assert [item["name"] for item in query["schema"]["fields"]] == ["a", "b"]
    assert [field.name for field in bq.query_and_wait(f"SELECT (a), (b) AS c, (a + 1) FROM {dataset}.t").schema] == [
        "a", "c", "f0_",
    ]  # fmt: skip


def test_streamed_rows_may_hold_what_nothing_declares_if_it_is_asked_for(rest: Rest, dataset: str, bq: Any) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t (a INT64, s ARRAY<STRUCT<x INT64>>)")
    path = f"/datasets/{dataset}/tables/t/insertAll"
    row = {"json": {"a": 1, "q": 2, "s": [{"x": 3, "y": 4}]}}
    assert "insertErrors" in rest.call("POST", path, {"rows": [row]})
    assert "insertErrors" not in rest.call("POST", path, {"rows": [row], "ignoreUnknownValues": True})
    assert [tuple(item.values()) for item in bq.list_rows(f"{dataset}.t")] == [(1, [{"x": 3}])]
    rest.call("POST", path, {"rows": ["a"]}, status=400)


def test_an_upload_is_continued_asked_about_and_given_up(emulator: Any, bq: bigquery.Client, dataset: str) -> None:
    http, base = bq._http, f"{emulator.url}/resumable/upload/bigquery/v2/projects/athena/jobs?uploadType=resumable"
    load = {"destinationTable": {"projectId": "athena", "datasetId": dataset, "tableId": "t"}, "autodetect": True,
            "sourceFormat": "NEWLINE_DELIMITED_JSON"}  # fmt: skip
    data = b'{"a": 1}\n{"a": 2}\n'

    def begin() -> str:
        return http.post(base, json=_job(load=load)).headers["Location"]

    def put(url: str, piece: bytes, place: str | None) -> Any:
        return http.put(url, data=piece, headers={"Content-Range": place} if place else {})

    url = begin()
    assert put(url, data[:5], "bytes 0-4/*").status_code == 308
    assert put(url, b"", "bytes */18").headers["Range"] == "bytes=0-4"
    assert put(url, data[7:], "bytes 7-17/18").status_code == 400
    assert put(url, b"", "bytes some").status_code == 400
    assert put(url, data[5:], "bytes 5-17/18").status_code == 200
    assert put(url, b"", "bytes */18").json()["status"]["state"] == "DONE"
    assert put(begin(), data, None).json()["status"]["state"] == "DONE"
    assert bq.get_table(f"{dataset}.t").num_rows == 4
    url = begin()
    assert http.delete(url).status_code == 499
    assert put(url, data, None).status_code == 404

"""Files of Avro: what extracts and EXPORT DATA write, by another reader; what load jobs read, by another writer."""

from __future__ import annotations

import datetime
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import avro.datafile
import avro.io
import avro.schema
import fastavro
import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

_ROWS = """
    SELECT 1 AS id, 'é' AS text, b'\\x00\\xff' AS raw, 1.5 AS ratio, TRUE AS yes, DATE '2026-01-02' AS day,
      TIME '03:04:05.000006' AS clock, DATETIME '2026-01-02T03:04:05.6' AS civil,
      TIMESTAMP '2026-01-02 03:04:05.000007+00' AS at, NUMERIC '-12.5' AS price,
      BIGNUMERIC '1e-38' AS tiny, JSON '{"a": [1]}' AS tree, [1, 2] AS numbers,
      STRUCT('x' AS name, [STRUCT(TIMESTAMP '1969-12-31 23:59:59+00' AS seen)] AS visits) AS who
    UNION ALL SELECT 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, [], NULL
"""


@pytest.fixture(scope="module")
def folder(emulator: Any) -> Path:
    return emulator.data / "buckets" / "avro-files"


@pytest.fixture(scope="module")
def written(bq: bigquery.Client, folder: Path) -> dict[str, Path]:
    """The rows above in three files: without and with logical types, and by EXPORT DATA."""
    bq.create_dataset("avro_source", exists_ok=True)
    bq.query_and_wait(f"CREATE OR REPLACE TABLE avro_source.rows AS {_ROWS}")
    for name, compression, logical in (("plain", "DEFLATE", False), ("logical", "SNAPPY", True)):
        config = bigquery.ExtractJobConfig(
            destination_format="AVRO", compression=compression, use_avro_logical_types=logical
        )
        bq.extract_table("avro_source.rows", f"gs://avro-files/{name}.avro", job_config=config).result()
    uri = "gs://avro-files/exported-*.avro"
    bq.query_and_wait(
        f"EXPORT DATA OPTIONS (uri = '{uri}', format = 'AVRO', use_avro_logical_types = true) AS {_ROWS} ORDER BY 1"
    )
    names = {"plain": "plain", "logical": "logical", "exported": "exported-000000000000"}
    return {key: folder / f"{name}.avro" for key, name in names.items()}


def _read(path: Path) -> tuple[list[Any], dict[str, Any]]:
    """Read a file by Apache's own reader."""
    with path.open("rb") as file, avro.datafile.DataFileReader(file, avro.io.DatumReader()) as reader:
        return sorted(reader, key=lambda row: row["id"]), json.loads(reader.schema)


def test_moments_are_texts_unless_logical_types_are_asked_for(written: dict[str, Path]) -> None:
    rows, schema = _read(written["plain"])
    kinds = {item["name"]: item["type"][1] for item in schema["fields"] if item["name"] != "numbers"}
    assert schema["name"] == "Root"
    assert kinds["day"] == {"type": "string", "sqlType": "DATE"}
    assert kinds["at"] == {"type": "long", "logicalType": "timestamp-micros"}
    assert kinds["tree"] == {"type": "string", "sqlType": "JSON"}
    assert {key: rows[0][key] for key in ("text", "raw", "ratio", "yes", "day", "clock", "civil")} == {
        "text": "é", "raw": b"\x00\xff", "ratio": 1.5, "yes": True, "day": "2026-01-02", "clock": "03:04:05.000006",
        "civil": "2026-01-02T03:04:05.600000",
    }  # fmt: skip
    assert rows[0]["price"] == Decimal("-12.5")
    assert rows[0]["tiny"] == Decimal("1e-38")
    assert rows[0]["numbers"] == [1, 2]
    seen = datetime.datetime(1969, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
    assert rows[0]["who"] == {"name": "x", "visits": [{"seen": seen}]}
    assert {key for key, value in rows[1].items() if value is not None} == {"id", "numbers"}
    assert rows[1]["numbers"] == []


@pytest.mark.filterwarnings("ignore:Unknown datetime")  # BigQuery's own name of a logical type
def test_logical_types_are_avros_own(written: dict[str, Path]) -> None:
    rows, _ = _read(written["exported"])
    assert rows[0]["day"] == datetime.date(2026, 1, 2)
    assert rows[0]["clock"] == datetime.time(3, 4, 5, 6)
    assert rows[0]["civil"] == "2026-01-02T03:04:05.600000"
    assert rows[0]["at"] == datetime.datetime(2026, 1, 2, 3, 4, 5, 7, tzinfo=datetime.UTC)
    with written["logical"].open("rb") as file:
        reader = fastavro.reader(file)
        assert reader.codec == "snappy"
        assert sorted(reader, key=lambda row: row["id"])[0]["day"] == rows[0]["day"]


def test_an_unknown_compression_is_refused(bq: bigquery.Client, written: dict[str, Path]) -> None:
    config = bigquery.ExtractJobConfig(destination_format="AVRO", compression="GZIP")
    with pytest.raises(BadRequest, match="GZIP cannot be used with Avro"):
        bq.extract_table("avro_source.rows", "gs://avro-files/no.avro", job_config=config).result()


def _load(bq: bigquery.Client, table: str, uri: str, **options: Any) -> bigquery.Table:
    config = bigquery.LoadJobConfig(source_format="AVRO", **options)
    bq.load_table_from_uri(uri, table, job_config=config).result()
    return bq.get_table(table)


def _types(fields: Any) -> dict[str, str]:
    return {item.name: f"{item.field_type} {item.mode}" for item in fields}


def test_a_file_comes_back_with_logical_types_as_it_went(
    bq: bigquery.Client, dataset: str, written: dict[str, Path]
) -> None:
    table = _load(bq, f"athena.{dataset}.back", "gs://avro-files/logical.avro", use_avro_logical_types=True,
                  decimal_target_types=["NUMERIC", "BIGNUMERIC"])  # fmt: skip
    before, after = _types(bq.get_table("avro_source.rows").schema), _types(table.schema)
    assert before.pop("civil") == "DATETIME NULLABLE"
    assert after.pop("civil") == "STRING NULLABLE"  # as BigQuery documents: no logical type of Avro's
    assert after == before
    text = "SELECT TO_JSON_STRING(t) AS row FROM (SELECT * EXCEPT (civil) FROM {}) AS t ORDER BY id"
    rows = [[row["row"] for row in bq.query_and_wait(text.format(name))] for name in ("avro_source.rows", table)]
    assert rows[0] == rows[1]


def test_moments_are_numbers_unless_logical_types_are_asked_for(
    bq: bigquery.Client, dataset: str, written: dict[str, Path]
) -> None:
    table = _load(bq, f"athena.{dataset}.raw", "gs://avro-files/exported-*.avro")
    types = _types(table.schema)
    assert (types["day"], types["clock"], types["at"]) == ("INTEGER NULLABLE",) * 3
    row = next(iter(bq.query_and_wait(f"SELECT day, clock, at FROM {dataset}.raw WHERE id = 1")))
    assert tuple(row.values()) == (20455, 11045000006, 1767323045000007)


def _file(schema: Any, rows: list[Any]) -> io.BytesIO:
    """Write a file by Apache's own writer."""
    sink = io.BytesIO()
    parsed = avro.schema.parse(json.dumps({"type": "record", "name": "Any", "fields": schema}))
    writer = avro.datafile.DataFileWriter(sink, avro.io.DatumWriter(), parsed, codec="deflate")
    for row in rows:
        writer.append(row)
    writer.flush()
    return io.BytesIO(sink.getvalue())


def test_the_types_of_a_file_become_those_that_are_documented(bq: bigquery.Client, dataset: str) -> None:
    point = {"type": "record", "name": "Point", "fields": [{"name": "x", "type": "int"}]}
    schema = [
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "code", "type": {"type": "fixed", "name": "Code", "size": 2}},
        {"name": "labels", "type": {"type": "map", "values": "long"}},
        {"name": "first", "type": point},
        {"name": "more", "type": {"type": "array", "items": "Point"}},
        {"name": "nothing", "type": "null"},
        {"name": "amount", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}]},
    ]
    rows = [{"kind": "B", "code": b"ab", "labels": {"k": 7}, "first": {"x": 1}, "more": [{"x": 2}, {"x": 3}],
             "nothing": None, "amount": Decimal("1.25")}]  # fmt: skip
    config = bigquery.LoadJobConfig(source_format="AVRO")
    bq.load_table_from_file(_file(schema, rows), f"{dataset}.kinds", job_config=config).result()
    assert _types(bq.get_table(f"{dataset}.kinds").schema) == {
        "kind": "STRING REQUIRED", "code": "BYTES REQUIRED", "labels": "RECORD REPEATED", "first": "RECORD REQUIRED",
        "more": "RECORD REPEATED", "amount": "NUMERIC NULLABLE",
    }  # fmt: skip
    text = f"SELECT kind, code, labels[0].key, labels[0].value, first.x, more[1].x, amount FROM {dataset}.kinds"
    assert [tuple(row.values()) for row in bq.query_and_wait(text)] == [("B", b"ab", "k", 7, 1, 3, Decimal("1.25"))]


def test_a_column_of_json_takes_a_text_and_no_other_type_is_changed(bq: bigquery.Client, dataset: str) -> None:
    schema = [{"name": "a", "type": "string"}]
    config = bigquery.LoadJobConfig(source_format="AVRO")
    bq.query_and_wait(f"CREATE TABLE {dataset}.j (a JSON); CREATE TABLE {dataset}.d (a DATE)")
    bq.load_table_from_file(_file(schema, [{"a": "[1]"}]), f"{dataset}.j", job_config=config).result()
    assert next(iter(bq.query_and_wait(f"SELECT a[0] AS a FROM {dataset}.j")))["a"] == 1
    with pytest.raises(BadRequest, match="changed type from DATE to STRING"):
        bq.load_table_from_file(_file(schema, [{"a": "2026-01-02"}]), f"{dataset}.d", job_config=config).result()


@pytest.mark.parametrize(
    ("schema", "rows", "refusal"),
    [
        ([{"name": "u", "type": ["int", "string"]}], [{"u": 1}], "union of several types"),
        ([{"name": "a", "type": {"type": "array", "items": ["null", "int"]}}], [{"a": [None]}], "holds a NULL"),
        ([{"name": "a", "type": {"type": "array", "items": {"type": "array", "items": "int"}}}], [{"a": [[1]]}],
         "array of arrays"),
    ],
)  # fmt: skip
def test_what_bigquery_has_no_type_for_is_refused(
    bq: bigquery.Client, dataset: str, schema: Any, rows: Any, refusal: str
) -> None:
    config = bigquery.LoadJobConfig(source_format="AVRO")
    with pytest.raises(BadRequest, match=refusal):
        bq.load_table_from_file(_file(schema, rows), f"{dataset}.no", job_config=config).result()


def test_a_damaged_file_is_refused_and_writes_nothing(bq: bigquery.Client, dataset: str) -> None:
    whole = _file([{"name": "a", "type": "string"}], [{"a": "x" * 40}] * 500).getvalue()
    config = bigquery.LoadJobConfig(source_format="AVRO")
    bq.query_and_wait(f"CREATE TABLE {dataset}.damaged (a STRING)")
    for broken in (b"no file of Avro", whole[: len(whole) // 2], whole[:200] + b"\xff" * 20 + whole[220:]):
        with pytest.raises(BadRequest, match="AVRO cannot be read"):
            bq.load_table_from_file(io.BytesIO(broken), f"{dataset}.damaged", job_config=config).result()
    assert bq.get_table(f"{dataset}.damaged").num_rows == 0


def test_of_several_files_the_last_tells_the_schema(bq: bigquery.Client, dataset: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    old = _file([{"name": "a", "type": "int"}], [{"a": 1}])
    new = _file(
        [{"name": "a", "type": "long"}, {"name": "b", "type": "string", "default": "none"}], [{"a": 2, "b": "x"}]
    )
    (folder / "many-1.avro").write_bytes(old.getvalue())
    (folder / "many-2.avro").write_bytes(new.getvalue())
    _load(bq, f"athena.{dataset}.many", "gs://avro-files/many-*.avro")
    assert sorted(tuple(row.values()) for row in bq.list_rows(f"{dataset}.many")) == [(1, "none"), (2, "x")]

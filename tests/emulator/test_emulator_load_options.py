"""What a load job puts up with: bad and short rows, unknown values, encodings, words for NULL, relaxed columns."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

_CSV = b'a,b,c\n1,"x, ""y""",2026-01-01\n2,,\n3,"",2026-01-02,more\n4,z\nfive,q,2026-01-03\n'
_JSON = b'{"a": 1, "b": "x"}\n{"a": "one"}\nno json\n{"a": 2, "q": {"r": 1}}\n[3]\n'
_COLUMNS = (("a", "INTEGER"), ("b", "STRING"), ("c", "DATE"))


def _load(bq: bigquery.Client, name: str, data: bytes, kind: str = "CSV", **options: Any) -> Any:
    schema = options.pop("schema", [bigquery.SchemaField(*item) for item in _COLUMNS])
    api = options.pop("api", {})
    config = bigquery.LoadJobConfig(source_format=kind, schema=schema, **options)
    config._properties["load"].update(api)
    job = bq.load_table_from_file(io.BytesIO(data), name, job_config=config)
    job.result()
    return job


def _rows(bq: bigquery.Client, name: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(str(value) for value in row.values()) for row in bq.list_rows(name))


@pytest.mark.parametrize(
    ("options", "bad", "rows"),
    [
        ({"max_bad_records": 3}, 3, [("1", 'x, "y"', "2026-01-01"), ("2", "None", "None")]),
        ({"max_bad_records": 1, "ignore_unknown_values": True, "allow_jagged_rows": True}, 1,
         [("1", 'x, "y"', "2026-01-01"), ("2", "None", "None"), ("3", "", "2026-01-02"), ("4", "z", "None")]),
        ({"max_bad_records": 2, "allow_jagged_rows": True}, 2,
         [("1", 'x, "y"', "2026-01-01"), ("2", "None", "None"), ("4", "z", "None")]),
    ],
)  # fmt: skip
def test_rows_of_csv_that_do_not_fit_are_passed_over_as_far_as_allowed(
    bq: bigquery.Client, dataset: str, options: Any, bad: int, rows: Any
) -> None:
    job = _load(bq, f"{dataset}.t", _CSV, skip_leading_rows=1, **options)
    assert int(job._properties["statistics"]["load"]["badRecords"]) == bad
    assert _rows(bq, f"{dataset}.t") == rows
    with pytest.raises(BadRequest, match="too many bad records"):
        _load(bq, f"{dataset}.t", _CSV, skip_leading_rows=1, **{**options, "max_bad_records": bad - 1})
    assert _rows(bq, f"{dataset}.t") == rows


def test_lines_of_json_that_do_not_fit_are_passed_over_as_far_as_allowed(bq: bigquery.Client, dataset: str) -> None:
    name, kind = f"{dataset}.t", "NEWLINE_DELIMITED_JSON"
    _load(bq, name, _JSON, kind, max_bad_records=3, ignore_unknown_values=True)
    assert _rows(bq, name) == [("1", "x", "None"), ("2", "None", "None")]
    with pytest.raises(BadRequest, match="too many bad records: 4"):
        _load(bq, name, _JSON, kind, max_bad_records=3)
    detected = _load(bq, f"{dataset}.u", b"no\n" + _JSON[:19], kind, max_bad_records=1, schema=None, autodetect=True)
    assert detected.output_rows == 1


def test_a_detected_schema_takes_what_fits(bq: bigquery.Client, dataset: str) -> None:
    data = b"id,word\n1,a\n2,b,c\n3\n"
    _load(bq, f"{dataset}.t", data, schema=None, autodetect=True, max_bad_records=2)
    assert _rows(bq, f"{dataset}.t") == [("1", "a")]


def test_a_file_is_read_in_its_encoding(bq: bigquery.Client, dataset: str) -> None:
    schema = [bigquery.SchemaField("b", "STRING")]
    for encoding, codec in (("ISO-8859-1", "latin-1"), ("UTF-16LE", "utf-16-le"), ("UTF-8", "utf-8")):
        _load(bq, f"{dataset}.t", "é\n".encode(codec), schema=schema, api={"encoding": encoding})
    assert _rows(bq, f"{dataset}.t") == [("é",)] * 3
    with pytest.raises(BadRequest, match="encoding: KLINGON"):
        _load(bq, f"{dataset}.t", b"x\n", schema=schema, api={"encoding": "KLINGON"})


def test_several_words_may_stand_for_null(bq: bigquery.Client, dataset: str) -> None:
    data = b'1,NA,2026-01-01\n2,"NA",null\n3,,2026-01-02\n'
    for number, more in enumerate(({}, {"allow_jagged_rows": True})):
        _load(bq, f"{dataset}.t{number}", data, api={"nullMarkers": ["NA", "null"]}, **more)
        assert _rows(bq, f"{dataset}.t{number}") == [
            ("1", "None", "2026-01-01"), ("2", "NA", "None"), ("3", "", "2026-01-02"),
        ]  # fmt: skip


def test_required_columns_are_relaxed_where_it_is_asked_for(bq: bigquery.Client, dataset: str) -> None:
    bq.query_and_wait(f"CREATE TABLE {dataset}.t (a INT64 NOT NULL, b STRING NOT NULL)")
    schema = [bigquery.SchemaField("a", "INTEGER", "REQUIRED"), bigquery.SchemaField("b", "STRING")]
    with pytest.raises(BadRequest):
        _load(bq, f"{dataset}.t", b"1,\n", schema=schema)
    _load(bq, f"{dataset}.t", b"1,\n", schema=schema, schema_update_options=["ALLOW_FIELD_RELAXATION"])
    assert [field.mode for field in bq.get_table(f"{dataset}.t").schema] == ["REQUIRED", "NULLABLE"]
    assert _rows(bq, f"{dataset}.t") == [("1", "None")]


def test_decimals_and_unknown_columns_of_parquet_are_as_asked_for(bq: bigquery.Client, dataset: str) -> None:
    sink = io.BytesIO()
    pa.parquet.write_table(pa.table({"a": pa.array([Decimal("1.5")], pa.decimal128(5, 2)), "z": [1]}), sink)
    _load(bq, f"{dataset}.t", sink.getvalue(), "PARQUET", schema=None, decimal_target_types=["BIGNUMERIC"])
    assert bq.get_table(f"{dataset}.t").schema[0].field_type == "BIGNUMERIC"
    bq.query_and_wait(f"CREATE TABLE {dataset}.u (a NUMERIC)")
    _load(bq, f"{dataset}.u", sink.getvalue(), "PARQUET", schema=None, ignore_unknown_values=True)
    assert _rows(bq, f"{dataset}.u") == [("1.5",)]
    with pytest.raises(BadRequest, match="decimalTargetTypes without NUMERIC"):
        _load(bq, f"{dataset}.v", sink.getvalue(), "PARQUET", schema=None, decimal_target_types=["STRING"])

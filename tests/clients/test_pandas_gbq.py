"""pandas-gbq: `read_gbq` and `to_gbq`."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pandas as pd
import pandas_gbq
import pytest
from google.cloud import bigquery

TYPES = """
SELECT 1 AS i, 1.5 AS f, TRUE AS b, 'x' AS s, NUMERIC '1.5' AS n, DATE '2026-01-02' AS d,
  TIMESTAMP '2026-01-02 03:04:05.678901+00' AS t, DATETIME '2026-01-02 03:04:05' AS dm, TIME '03:04:05' AS ti,
  [1, 2] AS l, STRUCT(1 AS p, 'q' AS q) AS r, b'raw' AS y, JSON '{"k": 1}' AS j
UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, [], NULL, NULL, NULL
ORDER BY i DESC
"""


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": ["a", "b", None], "count": pd.array([1, 2, None], dtype="Int64"), "share": [0.5, None, 1.5],
            "day": [datetime.date(2026, 1, 1), None, datetime.date(2026, 1, 3)],
            "at": pd.to_datetime(["2026-01-01T10:00:00Z", None, "2026-01-03T10:00:00.123456Z"], format="ISO8601"),
            "is_new": pd.array([True, None, False], dtype="boolean"),
        }
    )  # fmt: skip


@pytest.mark.parametrize("is_storage", [False, True], ids=["rest", "storage"])
def test_a_query_gives_its_types(is_storage: bool) -> None:
    """read_gbq of every type, over REST and Storage Read"""
    frame = pandas_gbq.read_gbq(TYPES, progress_bar_type=None, use_bqstorage_api=is_storage)
    row = frame.iloc[0]
    assert (row.i, row.f, row.b, row.s, row.n) == (1, 1.5, True, "x", decimal.Decimal("1.5"))
    assert pd.Timestamp(row.d) == pd.Timestamp("2026-01-02")
    assert row.t == pd.Timestamp("2026-01-02 03:04:05.678901+00:00")
    assert row.dm == pd.Timestamp("2026-01-02 03:04:05")
    assert row.ti == datetime.time(3, 4, 5)
    assert (list(row.l), row.r, row.y) == ([1, 2], {"p": 1, "q": "q"}, b"raw")
    assert frame.iloc[1].drop("l").isna().all()
    assert str(frame.dtypes["i"]) == "Int64"


def test_a_dataframe_is_written_and_read_back(frame: pd.DataFrame, dataset: str) -> None:
    """to_gbq, then read_gbq of the table by its name"""
    pandas_gbq.to_gbq(frame, f"{dataset}.t", progress_bar=False)
    back = pandas_gbq.read_gbq(f"{dataset}.t", progress_bar_type=None).sort_values("at").reset_index(drop=True)
    wanted = frame.sort_values("at").reset_index(drop=True)
    assert list(back.columns) == list(wanted.columns)
    for column in ("name", "count", "share", "at", "is_new"):
        pd.testing.assert_series_equal(back[column], wanted[column], check_dtype=False)
    assert back["day"].astype("datetime64[us]").tolist()[:2] == [pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-03")]


def test_a_table_that_is_there_is_kept_replaced_or_appended_to(
    frame: pd.DataFrame, bq: bigquery.Client, dataset: str
) -> None:
    """to_gbq with if_exists fail, replace and append"""
    table = f"{dataset}.t"
    pandas_gbq.to_gbq(frame, table, progress_bar=False)
    with pytest.raises(pandas_gbq.exceptions.TableCreationError):
        pandas_gbq.to_gbq(frame, table, progress_bar=False, if_exists="fail")
    pandas_gbq.to_gbq(frame, table, progress_bar=False, if_exists="append")
    assert bq.get_table(table).num_rows == 6
    pandas_gbq.to_gbq(frame[["name"]], table, progress_bar=False, if_exists="replace")
    found = bq.get_table(table)
    assert (found.num_rows, [item.name for item in found.schema]) == (3, ["name"])
    with pytest.raises(pandas_gbq.exceptions.GenericGBQException, match="Cannot add fields"):
        pandas_gbq.to_gbq(pd.DataFrame({"other": [1]}), table, progress_bar=False, if_exists="append")


def test_a_dataset_is_made_on_the_way(frame: pd.DataFrame, bq: bigquery.Client, dataset: str) -> None:
    """to_gbq into a dataset that is absent"""
    bq.delete_dataset(dataset)
    pandas_gbq.to_gbq(frame, f"{dataset}.t", progress_bar=False, location="EU")
    assert bq.get_table(f"{dataset}.t").num_rows == 3


@pytest.mark.parametrize("way", ["load_parquet", "load_csv"])
def test_both_ways_of_loading_give_the_same(frame: pd.DataFrame, bq: bigquery.Client, dataset: str, way: str) -> None:
    """to_gbq through Parquet and through CSV, in chunks, with a declared schema"""
    schema = [{"name": "count", "type": "FLOAT"}, {"name": "name", "type": "STRING", "description": "who"}]
    chunks = {"chunksize": 2, "if_exists": "append"} if way == "load_csv" else {}
    pandas_gbq.to_gbq(frame, f"{dataset}.t", progress_bar=False, api_method=way, table_schema=schema, **chunks)
    kinds = {item.name: item.field_type for item in bq.get_table(f"{dataset}.t").schema}
    assert (kinds["count"], kinds["day"], kinds["at"], kinds["is_new"]) == ("FLOAT", "DATE", "TIMESTAMP", "BOOLEAN")
    sql = f"SELECT COUNT(*) AS n, COUNT(name) AS names, SUM(count) AS total, MAX(at) AS last FROM {dataset}.t"
    found = pandas_gbq.read_gbq(sql, progress_bar_type=None).iloc[0]
    assert (found.n, found.names, found.total, found["last"]) == (3, 2, 3.0, frame["at"].max())


def test_nested_values_are_written(bq: bigquery.Client, dataset: str) -> None:
    """to_gbq of lists and dictionaries"""
    frame = pd.DataFrame({"id": [1, 2], "tags": [["a"], []], "row": [{"x": 1}, {"x": 2}]})
    pandas_gbq.to_gbq(frame, f"{dataset}.t", progress_bar=False)
    back = pandas_gbq.read_gbq(f"SELECT id, tags, `row`.x FROM {dataset}.t ORDER BY id", progress_bar_type=None)
    assert ([list(tags) for tags in back["tags"]], back["x"].tolist()) == ([["a"], []], [1, 2])


def test_a_configuration_reaches_the_job(bq: bigquery.Client, dataset: str) -> None:
    """read_gbq with parameters, a destination, labels, a default dataset"""
    configuration = {
        "query": {
            "queryParameters": [{"name": "p", "parameterType": {"type": "INT64"}, "parameterValue": {"value": "20"}}],
            "parameterMode": "NAMED", "useQueryCache": False,
            "destinationTable": {"projectId": bq.project, "datasetId": dataset, "tableId": "kept"},
        },
        "labels": {"by": "pandas"},
    }  # fmt: skip
    frame = pandas_gbq.read_gbq("SELECT @p + 1 AS a", configuration=configuration, progress_bar_type=None)
    assert frame["a"].tolist() == [21]
    assert bq.get_table(f"{dataset}.kept").num_rows == 1


def test_a_dry_run_tells_the_bytes(bq: bigquery.Client, dataset: str) -> None:
    """read_gbq with dry_run"""
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT i FROM UNNEST([1, 2, 3]) AS i")
    found = pandas_gbq.read_gbq(f"SELECT i FROM {dataset}.t", dry_run=True)
    assert int(found["totalBytesProcessed"] if "totalBytesProcessed" in found else found["total_bytes_processed"]) == 24


def test_columns_types_and_an_index_are_chosen(dataset: str) -> None:
    """read_gbq with index_col, columns, dtypes, max_results"""
    sql = "SELECT i, CAST(i AS STRING) AS s, i / 2 AS h FROM UNNEST([1, 2, 3]) AS i ORDER BY i"
    frame = pandas_gbq.read_gbq(
        sql, index_col="s", columns=["h", "i"], dtypes={"i": np.dtype("float32")}, progress_bar_type=None
    )
    assert (frame.index.tolist(), list(frame.columns), str(frame["i"].dtype)) == (
        ["1", "2", "3"],
        ["h", "i"],
        "float32",
    )
    assert len(pandas_gbq.read_gbq(sql, max_results=2, progress_bar_type=None)) == 2


def test_a_wrong_query_is_an_error_of_the_library(dataset: str) -> None:
    """errors of queries"""
    with pytest.raises(pandas_gbq.exceptions.GenericGBQException, match="Unrecognized name: nothing"):
        pandas_gbq.read_gbq("SELECT nothing FROM UNNEST([1]) AS a", progress_bar_type=None)
    with pytest.raises(pandas_gbq.exceptions.GenericGBQException, match="absent"):
        pandas_gbq.read_gbq(f"SELECT * FROM {dataset}.absent", progress_bar_type=None)


def test_its_sampler_reads_a_part_of_a_table(bq: bigquery.Client, dataset: str) -> None:
    """sample"""
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT i FROM UNNEST(GENERATE_ARRAY(1, 1000)) AS i")
    frame = pandas_gbq.sample(f"{bq.project}.{dataset}.t", target_mb=1, progress_bar_type=None)
    assert 0 < len(frame) <= 1000

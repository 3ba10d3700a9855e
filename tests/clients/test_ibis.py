"""ibis' BigQuery backend: tables, expressions, writes, functions."""

from __future__ import annotations

import atexit
import datetime
import decimal
from collections.abc import Iterator
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from google.api_core import exceptions
from google.cloud import bigquery
from ibis import _

SALES = pd.DataFrame(
    {
        "id": range(1, 11), "shop": ["a", "b"] * 5,
        "amount": [10.0, 20.0, 30.0, 40.0, None, 60.0, 70.0, 80.0, 90.0, 100.0],
        "day": [datetime.date(2026, 1, day) for day in range(1, 11)], "note": ["x y", None] * 5,
    }
)  # fmt: skip


@pytest.fixture
def con(dataset: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a connection as an analyst gets it: no client, no credentials.

    What ibis does at the interpreter's exit, when the platform has stopped, is done at a test's end.
    """
    at_exit, register = [], atexit.register

    def keep(function: Any, *arguments: Any, **named: Any) -> Any:
        if function.__module__.startswith("ibis."):
            at_exit.append(function)
            return function
        return register(function, *arguments, **named)

    monkeypatch.setattr(atexit, "register", keep)
    made = ibis.bigquery.connect(dataset_id=dataset)
    yield made
    for function in at_exit:
        function()
    made.storage_client.transport.close()
    made.disconnect()


@pytest.fixture
def sales(con: Any) -> Any:
    return con.create_table("sales", SALES)


def rows(expression: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in expression.to_pyarrow().to_pylist()]


def test_a_project_is_looked_through(con: Any, sales: Any, bq: bigquery.Client, dataset: str) -> None:
    """connect, list_databases, list_tables, table, schema"""
    assert con.list_tables() == ["sales"]
    assert dataset in con.list_databases()
    assert (con.current_database, con.current_catalog) == (dataset, bq.project)
    found = con.table("sales").schema()
    assert found["id"] == ibis.dtype("int64")
    assert found["day"] == ibis.dtype("date")
    assert con.table("sales", database=f"{bq.project}.{dataset}").count().execute() == 10
    assert isinstance(con.version, str)


def test_rows_are_chosen_and_changed(sales: Any) -> None:
    """filter, mutate, select, order_by, limit, cases, strings, dates"""
    made = (
        sales.filter(_.amount > 25, _.shop == "b")
        .mutate(
            kind=ibis.cases((_.amount > 70, "large"), else_="small"),
            weekday=_.day.day_of_week.full_name(),
            month=_.day.truncate("M"),
            words=_.note.fill_null("none").upper().length(),
        )
        .order_by(ibis.desc("id"))
        .limit(2)
        .select("id", "kind", "weekday", "month", "words")
    )
    assert rows(made) == [
        (10, "large", "Saturday", datetime.date(2026, 1, 1), 4), (8, "large", "Thursday", datetime.date(2026, 1, 1), 4),
    ]  # fmt: skip


def test_rows_are_aggregated(sales: Any) -> None:
    """group_by, aggregate, having, nunique, quantiles, collect, where"""
    made = sales.group_by("shop").agg(
        n=_.count(),
        total=_.amount.sum(),
        mean=_.amount.mean(),
        big=_.count(where=_.amount > 50),
        ids=_.id.collect(order_by=_.id),
    )
    assert rows(made.order_by("shop")) == [
        ("a", 5, 200.0, 50.0, 2, [1, 3, 5, 7, 9]), ("b", 5, 300.0, 60.0, 3, [2, 4, 6, 8, 10]),
    ]  # fmt: skip
    assert sales.shop.nunique().execute() == 2
    assert sales.amount.max().execute() == 100.0
    assert sales.amount.approx_median().execute() in (60.0, 70.0)
    assert rows(sales.shop.value_counts().order_by("shop")) == [("a", 5), ("b", 5)]


def test_tables_are_joined(con: Any, sales: Any) -> None:
    """inner, left, semi, anti joins, union, memtable"""
    shops = ibis.memtable({"shop": ["a", "c"], "city": ["Rome", "Oslo"]})
    joined = sales.join(shops, "shop").agg(n=_.count(), city=_.city.max())
    assert rows(joined) == [(5, "Rome")]
    assert sales.left_join(shops, "shop").filter(_.city.isnull()).count().execute() == 5
    assert sales.semi_join(shops, "shop").count().execute() == 5
    assert sales.anti_join(shops, "shop").count().execute() == 5
    assert ibis.union(sales, sales, distinct=True).count().execute() == 10


def test_windows_look_at_other_rows(sales: Any) -> None:
    """row_number, lag, cumulative sums, rank, windows of rows"""
    window = ibis.window(group_by="shop", order_by="id")
    made = sales.mutate(
        number=ibis.row_number().over(window), before=_.amount.lag().over(window),
        running=_.amount.sum().over(ibis.cumulative_window(group_by="shop", order_by="id")),
        near=_.amount.mean().over(ibis.trailing_window(1, group_by="shop", order_by="id")),
    )  # fmt: skip
    found = rows(made.filter(_.shop == "b").order_by("id").select("number", "before", "running", "near"))
    assert found[:2] == [(0, None, 20.0, 20.0), (1, 20.0, 60.0, 30.0)]
    assert sales.mutate(r=ibis.rank().over(order_by=ibis.desc("amount"))).filter(_.r == 0).id.execute().tolist() == [10]


def test_tables_are_made_filled_and_dropped(con: Any, bq: bigquery.Client, dataset: str) -> None:
    """create_table from schemas, expressions and frames, insert, overwrite, truncate, rename, drop"""
    con.create_table(
        "t", schema=ibis.schema({"a": "int64", "b": "string", "c": "array<int64>", "d": "struct<x: float64>"})
    )
    con.insert("t", pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [[1], [2, 3]], "d": [{"x": 1.0}, {"x": 2.0}]}))
    assert rows(con.table("t").order_by("a").select("a", "c", x=_.d.x)) == [(1, [1], 1.0), (2, [2, 3], 2.0)]
    con.insert("t", con.table("t").filter(_.a == 2))
    assert con.table("t").count().execute() == 3
    con.create_table("u", con.table("t").select("a").distinct(), partition_by=None)
    assert con.table("u").count().execute() == 2
    con.create_table("u", pa.table({"z": [7]}), overwrite=True)
    assert rows(con.table("u")) == [(7,)]
    con.create_table("v", con.table("u"))
    con.truncate_table("v", database=dataset)
    assert con.table("v").count().execute() == 0
    with pytest.raises(exceptions.Conflict):
        con.create_table("v", schema=ibis.schema({"a": "int64"}))
    con.drop_table("v")
    con.drop_table("v", force=True)
    con.drop_table("u")
    assert con.list_tables() == ["t"]


def test_partitioned_tables_are_made(con: Any, bq: bigquery.Client, sales: Any, dataset: str) -> None:
    """create_table with partition_by, cluster_by and options"""
    con.create_table("p", sales, partition_by=["day"], cluster_by=["shop"], options={"description": "by day"})
    found = bq.get_table(f"{dataset}.p")
    assert (found.time_partitioning.field, found.clustering_fields, found.description) == ("day", ["shop"], "by day")


def test_views_and_databases_come_and_go(con: Any, sales: Any, dataset: str) -> None:
    """create_view, drop_view, create_database, drop_database"""
    con.create_view("w", sales.filter(_.id < 3))
    assert con.table("w").count().execute() == 2
    con.drop_view("w")
    assert con.list_tables() == ["sales"]
    con.create_database(f"{dataset}_two")
    con.create_table("t", pd.DataFrame({"a": [1]}), database=f"{dataset}_two")
    assert con.list_tables(database=f"{dataset}_two") == ["t"]
    con.drop_database(f"{dataset}_two", cascade=True)
    assert f"{dataset}_two" not in con.list_databases()


def test_results_come_as_pandas_arrow_and_batches(con: Any, sales: Any, dataset: str) -> None:
    """to_pandas, to_pyarrow, to_pyarrow_batches, limit, params, sql"""
    frame = sales.order_by("id").to_pandas()
    assert frame["amount"].iloc[0] == 10.0
    assert (len(frame), frame["note"].isna().sum()) == (10, 5)
    assert sum(len(batch) for batch in sales.to_pyarrow_batches(chunk_size=3)) == 10
    assert len(sales.to_pandas(limit=3)) == 3
    least = ibis.param("float64")
    assert sales.filter(_.amount >= least).count().execute(params={least: 80.0}) == 3
    assert rows(con.sql(f"SELECT shop, COUNT(*) AS n FROM {dataset}.sales GROUP BY shop ORDER BY shop")) == [
        ("a", 5),
        ("b", 5),
    ]
    assert rows(sales.alias("s").sql("SELECT MAX(id) AS m FROM s")) == [(10,)]
    con.raw_sql(f"CREATE TABLE {dataset}.made AS SELECT 1 AS a")
    assert con.table("made").count().execute() == 1


def test_values_keep_their_types(con: Any) -> None:
    """literals of every type, out and in"""
    given = {
        "i": ibis.literal(1), "f": ibis.literal(1.5), "s": ibis.literal("it's"), "b": ibis.literal(True),
        "n": ibis.literal(decimal.Decimal("1.5"), type="decimal(38, 9)"), "d": ibis.date(2026, 1, 2),
        "t": ibis.time(3, 4, 5), "ts": ibis.timestamp("2026-01-02T03:04:05", timezone="UTC"),
        "y": ibis.literal(b"raw"), "l": ibis.array([1, 2]), "r": ibis.struct({"x": 1, "y": "z"}),
        "none": ibis.null("string"),
    }  # fmt: skip
    (found,) = con.to_pyarrow(ibis.memtable({"one": [1]}).mutate(**given).drop("one")).to_pylist()
    assert found == {
        "i": 1, "f": 1.5, "s": "it's", "b": True, "n": decimal.Decimal("1.5"), "d": datetime.date(2026, 1, 2),
        "t": datetime.time(3, 4, 5), "ts": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), "y": b"raw",
        "l": [1, 2], "r": {"x": 1, "y": "z"}, "none": None,
    }  # fmt: skip


def test_arrays_are_opened(con: Any) -> None:
    """unnest, array functions"""
    made = con.create_table("arrays", schema=ibis.schema({"id": "int64", "xs": "array<int64>"}))
    con.insert("arrays", pd.DataFrame({"id": [1, 2], "xs": [[3, 1], [2]]}))
    assert rows(made.select("id", x=_.xs.unnest()).order_by("x")) == [(1, 1), (2, 2), (1, 3)]
    found = made.order_by("id").select(
        n=_.xs.length(), first=_.xs[0], has=_.xs.contains(2), up=_.xs.map(lambda x: x + 1)
    )
    assert rows(found) == [(2, 3, False, [4, 2]), (1, 2, True, [3])]


def test_wide_tables_are_made_long_and_back(sales: Any) -> None:
    """pivot_longer, pivot_wider, cross tables"""
    long = sales.select("id", "amount").pivot_longer("amount")
    assert long.count().execute() == 10
    wide = sales.select("day", "shop", "amount").pivot_wider(names_from="shop", values_from="amount", names=["a", "b"])
    assert rows(wide.agg(a=_.a.sum(), b=_.b.sum())) == [(200.0, 300.0)]


@ibis.udf.scalar.python
def doubled(x: float) -> float:
    return x * 2


@ibis.udf.scalar.builtin
def farm_fingerprint(value: str) -> int: ...


def test_functions_of_ones_own_run(con: Any, sales: Any) -> None:
    """Python UDFs (compiled to JavaScript) and built-in functions"""
    assert doubled(sales.amount).sum().execute() == 1000.0
    assert sales.filter(_.id == 1).select(h=farm_fingerprint(_.shop)).execute()["h"].iloc[0] == -5528939962900187677


def test_a_wrong_column_is_refused_by_the_warehouse(con: Any, sales: Any, dataset: str) -> None:
    """errors of queries"""
    with pytest.raises(exceptions.BadRequest, match="Unrecognized name: nothing"):
        con.raw_sql(f"SELECT nothing FROM {dataset}.sales")
    with pytest.raises(ibis.common.exceptions.TableNotFound):
        con.table("absent")

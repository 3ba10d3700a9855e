"""The client's side against the real gateway and emulator."""

import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from athena_lab import errors
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.warehouse import query, results
from athena_lab.warehouse.catalog import describe_table, list_tables
from athena_lab.warehouse.connect import connect
from athena_lab.warehouse.estimate import estimate
from athena_lab.warehouse.jobs import cancel_jobs
from athena_lab.warehouse.load import load_file
from athena_lab.warehouse.parameters import bind
from athena_lab.warehouse.sample import Plan, load_sample
from athena_lab.warehouse.statement import read_statement

pytestmark = pytest.mark.stack
NUMBERS = "UNNEST(GENERATE_ARRAY(1, 300000))"
LONG = f"SELECT COUNT(*) AS n FROM {NUMBERS} AS a, {NUMBERS} AS b WHERE a * b = 7"


def ask(client, sql, values=None, **options):
    statement = read_statement(sql)
    bound = bind(statement.parameters, values or {})
    return query.run(client, query.Query(statement, bound, **options))


def test_small_answer_comes_in_one_trip_and_large_one_through_storage(sampled):
    small = ask(sampled, "SELECT tariff_id, is_green FROM sales.tariffs ORDER BY 1")
    assert results.all_rows(sampled, small, is_ordered=True).column("is_green").to_pylist().count(True) == 2
    large = ask(sampled, "SELECT meter_id, kwh FROM metering.readings ORDER BY meter_id, read_at")
    rows = results.all_rows(sampled, large, is_ordered=True)
    assert rows.num_rows == large.total_rows == 20 * 60 * 48
    assert rows.column("meter_id").to_pylist() == sorted(rows.column("meter_id").to_pylist())
    assert results.all_rows(sampled, large, is_ordered=True, max_rows=777).num_rows == 777


def test_rows_of_a_table_are_those_that_were_loaded(sampled):
    rows = results.read_table(sampled, "metering.meters")
    assert rows.num_rows == 20


def test_estimate_says_bytes_and_tables(sampled):
    found = estimate(sampled, read_statement("SELECT kwh FROM metering.readings"))
    assert found.bytes_processed == 20 * 60 * 48 * 8
    assert found.tables == ("metering.readings",)


@pytest.mark.parametrize(
    ("sql", "kind", "words"),
    [
        ("SELECT 1 +\n  FROM x", errors.QuerySyntaxError, "line 2"),
        ("SELECT nope FROM sales.tariffs", errors.QueryError, "nope"),
        ("SELECT * FROM sales.tarifs", errors.NotFoundError, "'sales.tariffs'"),
        ("SELECT * FROM sale.tariffs", errors.NotFoundError, "'sales"),
    ],
)
def test_refused_statement_is_our_own_error(sampled, sql, kind, words):
    with pytest.raises(kind, match="Cannot") as caught:
        ask(sampled, sql)
    assert words in str(caught.value)


def test_small_query_is_not_refused_for_the_ten_megabytes_that_are_billed_at_least(sampled):
    assert ask(sampled, "SELECT kwh FROM metering.readings", max_bytes=20 * 60 * 48 * 8).total_rows


def test_parameters_reach_the_warehouse_with_their_types(warehouse):
    values = {"name": "x' OR 1=1 --", "zero": 0, "ids": [1, 2], "point": {"x": 1}}
    answer = ask(warehouse, "SELECT @name AS a, @zero AS b, ARRAY_LENGTH(@ids) AS c, @point.x AS d", values)
    assert results.first_rows(warehouse, answer).to_pylist() == [{"a": "x' OR 1=1 --", "b": 0, "c": 2, "d": 1}]


def test_jobs_are_cancelled_by_their_labels(parts, warehouse):
    raised = []

    def work():
        try:
            ask(warehouse, LONG, labels={"athena_run": "cancelled-run"}, is_cached=False)
        except errors.AthenaError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    stopped = ()
    with GatewayClient.from_settings(parts.settings) as gateway:
        canceller = connect(gateway)
        while thread.is_alive() and not stopped:
            stopped = cancel_jobs(canceller, {"athena_run": "cancelled-run"})
    thread.join(30)
    assert len(stopped) == 1
    assert isinstance(raised[0], errors.QueryCancelledError)


def test_cancelling_by_no_label_stops_nothing(warehouse):
    assert cancel_jobs(warehouse, {}) == ()


def test_catalog_lists_tables_with_columns_and_sizes(sampled):
    catalog = list_tables(sampled)
    table = next(one for one in catalog.tables if (one.dataset, one.table) == ("metering", "readings"))
    assert (table.rows, table.type) == (20 * 60 * 48, "TABLE")
    assert table.size_bytes > 0
    assert [column.name for column in table.columns][:2] == ["meter_id", "read_at"]
    assert table.columns[2].description.startswith("Energy taken")
    assert describe_table(sampled, "metering.readings").columns == table.columns


def test_sample_that_is_there_is_left_alone(sampled):
    assert load_sample(sampled, plan=Plan(customers=20)) == ()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_file_is_loaded_and_loaded_again_as_said(warehouse, tmp_path, suffix):
    path = tmp_path / f"days.{suffix}"
    if suffix == "csv":
        path.write_text("day,kwh\n2026-01-15,1.5\n2026-01-16,2.5\n")
    elif suffix == "jsonl":
        path.write_text('{"day": "2026-01-15", "kwh": 1.5}\n{"day": "2026-01-16", "kwh": 2.5}\n')
    else:
        pq.write_table(pa.table({"day": ["2026-01-15", "2026-01-16"], "kwh": [1.5, 2.5]}), path)
    table = f"loaded.from_{suffix}"
    said = []
    assert load_file(warehouse, path, table, progress=said.append).rows == 2
    assert len(said) == 2
    with pytest.raises(errors.ConflictError):
        load_file(warehouse, path, table)
    assert load_file(warehouse, path, table, "append").rows == 2
    assert results.read_table(warehouse, table).num_rows == 4
    load_file(warehouse, path, table, "replace")
    assert results.read_table(warehouse, table).num_rows == 2


def test_faults_of_a_load_are_reported_together(warehouse, tmp_path):
    with pytest.raises(errors.InvalidError) as caught:
        load_file(warehouse, tmp_path / "gone.csv", "nodots", "maybe")
    assert [fault.field for fault in caught.value.faults] == ["file", "table", "disposition"]


def test_file_that_is_not_what_its_name_says_is_refused(warehouse, tmp_path):
    path = tmp_path / "broken.parquet"
    path.write_text("this is text")
    with pytest.raises(errors.UserError, match=r"Cannot load 'loaded\.broken'"):
        load_file(warehouse, path, "loaded.broken")


@pytest.mark.filterwarnings("ignore:Retrieving .* via google-cloud-bigquery:PendingDeprecationWarning")
def test_vendor_client_reads_through_our_storage_channel(sampled):
    frame = sampled.query("SELECT meter_id, kwh FROM metering.readings").to_dataframe()
    assert len(frame) == 20 * 60 * 48

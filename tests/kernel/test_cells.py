"""Cells in a real kernel, against the real gateway and emulator."""

import json
import sys
import threading

import pytest
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec

pytestmark = [
    pytest.mark.stack,
    # ipykernel warns about loopback TCP, which is how a test's kernel is reached.
    pytest.mark.filterwarnings("ignore:.*:UserWarning"),
]
MIME = "application/vnd.athena.result+json"
NUMBERS = "UNNEST(GENERATE_ARRAY(1, 300000))"
LONG = f"SELECT COUNT(*) FROM {NUMBERS} AS a, {NUMBERS} AS b WHERE a * b = 7"


class Kernel:
    """A kernel of ours and what its cells give."""

    def __init__(self, environment):
        self.manager = KernelManager()
        argv = [sys.executable, "-m", "athena_lab.kernel", "-f", "{connection_file}"]
        self.manager._kernel_spec = KernelSpec(argv=argv, display_name="Athena", language="python")
        self.manager.start_kernel(env=environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, code, on_output=None):
        """Give the reply's status, the bundles shown, the printed text and the error (name, value, traceback)."""
        shown, printed, errors = [], [], []

        def hook(message):
            kind, content = message["msg_type"], message["content"]
            if kind in ("display_data", "execute_result", "update_display_data"):
                shown.append(content["data"])
            elif kind == "stream":
                printed.append(content["text"])
            elif kind == "error":
                errors.append((content["ename"], content["evalue"], "\n".join(content["traceback"])))
            if on_output is not None:
                on_output(message)

        reply = self.client.execute_interactive(code, output_hook=hook, timeout=90)
        return reply["content"]["status"], shown, "".join(printed), errors[0] if errors else None

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel(parts, sampled):
    started = Kernel(parts.environment)
    yield started
    started.close()


def test_result_is_shown_as_a_grid_and_kept_as_a_value(kernel):
    status, shown, _, error = kernel.run(
        "%%athena tariffs\nSELECT tariff_id, price_per_kwh FROM sales.tariffs ORDER BY tariff_id"
    )
    assert (status, error) == ("ok", None)
    grid = next(bundle[MIME] for bundle in shown if MIME in bundle)
    assert [column["name"] for column in grid["columns"]] == ["tariff_id", "price_per_kwh"]
    assert grid["columns"][1]["type"] == "NUMERIC"
    assert grid["rows"][0] == ["DYN", "0.248"]
    assert (grid["total_rows"], grid["truncated"], grid["name"]) == (5, False, "tariffs")
    assert kernel.run("print(len(tariffs), list(tariffs.df().columns), tariffs.rows[0]['tariff_id'])")[2].strip() == (
        "5 ['tariff_id', 'price_per_kwh'] DYN"
    )


def test_estimate_is_shown_before_the_result(kernel):
    _, shown, _, _ = kernel.run("%%athena\nSELECT SUM(kwh) AS kwh FROM metering.readings")
    assert shown[0]["text/plain"].startswith("Reads ")
    assert any(MIME in bundle for bundle in shown[1:])


def test_live_objects_are_bound_with_their_types(kernel):
    kernel.run("import datetime; day = datetime.date(2025, 12, 31); ids = ['FLEX', 'DYN']; quote = \"x' OR 1=1 --\"")
    status, _, _, error = kernel.run(
        "%%athena bound --params {'n': len(ids)}\n"
        "SELECT @day AS day, @quote AS quote, @n AS n, "
        "(SELECT COUNT(*) FROM sales.tariffs WHERE tariff_id IN UNNEST(@ids)) AS found"
    )
    assert (status, error) == ("ok", None)
    assert kernel.run("print(bound.rows == [{'day': day, 'quote': quote, 'n': 2, 'found': 2}])")[2].strip() == "True"


def test_later_cell_queries_an_earlier_result(kernel):
    kernel.run("%%athena few\nSELECT tariff_id FROM sales.tariffs WHERE is_green")
    status, _, _, error = kernel.run(
        "%%athena joined\nSELECT COUNT(*) AS n FROM few JOIN sales.tariffs AS t ON t.tariff_id = few.tariff_id"
    )
    assert (status, error) == ("ok", None)
    assert kernel.run("print(joined.rows)")[2].strip() == "[{'n': 2}]"


def test_more_rows_than_are_shown_come_whole_through_storage(kernel):
    kernel.run("%%athena many\nSELECT meter_id, read_at, kwh FROM metering.readings ORDER BY meter_id, read_at")
    kernel.run("f = many.df()")
    text = "print(len(f) == len(many) > 50000, f.read_at[0] < f.read_at[1], f.meter_id.is_monotonic_increasing)"
    assert kernel.run(text)[2].strip() == "True True True"


def test_syntax_error_names_line_and_column_of_the_cell(kernel):
    status, _, _, error = kernel.run("%%athena\nSELECT 1 +\n  FROM sales.tariffs")
    assert status == "error"
    assert error[0] == "QuerySyntaxError"
    assert "line 3" in error[1]
    assert "line 3:   FROM sales.tariffs" in error[2]
    assert "Traceback" not in error[2]


def test_missing_table_suggests_near_names(kernel):
    status, _, _, error = kernel.run("%%athena\nSELECT * FROM sales.tarifs")
    assert (status, error[0]) == ("error", "NotFoundError")
    assert "'sales.tariffs'" in error[1]


def test_query_over_budget_is_refused_before_it_runs(kernel):
    status, shown, _, error = kernel.run("%%athena\nSELECT * FROM metering.readings", None)
    assert status == "ok"
    status, shown, _, error = kernel.run("%%athena --max-bytes 1KB\nSELECT * FROM metering.readings")
    assert (status, error[0]) == ("error", "OverBudgetError")
    assert "metering.readings" in error[1]
    assert not any(MIME in bundle for bundle in shown)


def test_dry_run_reads_nothing_and_says_what_it_would(kernel):
    _, shown, _, _ = kernel.run("%%athena --dry_run\nSELECT kwh FROM metering.readings")
    assert "would read" in shown[-1]["text/plain"]


def test_into_creates_replaces_appends_and_refuses(kernel):
    sql = "SELECT tariff_id FROM sales.tariffs"
    for line in ("", "--mode replace", "--mode append"):
        status, _, _, error = kernel.run(f"%%athena --into scratch_cells.copy {line}\n{sql}")
        assert (status, error) == ("ok", None)
    kernel.run("%%athena counted\nSELECT COUNT(*) AS n FROM scratch_cells.copy")
    assert kernel.run("print(counted.rows[0]['n'])")[2].strip() == "10"
    status, _, _, error = kernel.run(f"%%athena --into scratch_cells.copy\n{sql}")
    assert (status, error[0]) == ("error", "ConflictError")


def test_interrupt_stops_the_job_for_real(kernel, warehouse):
    started = threading.Event()

    def interrupt(message):
        if message["msg_type"] == "display_data" and not started.is_set():
            started.set()
            kernel.manager.interrupt_kernel()

    status, _, _, error = kernel.run(f"%%athena --label kind=long --no-cache\n{LONG}", interrupt)
    assert (status, error[0]) == ("error", "KeyboardInterrupt")
    assert "is cancelled" in error[2]
    jobs = [job for job in warehouse.list_jobs(max_results=50) if (job.labels or {}).get("kind") == "long"]
    assert jobs
    for job in jobs:
        with pytest.raises(Exception, match=r"(?i)stopped|cancel"):
            job.result(timeout=20)


def test_default_client_of_another_library_reaches_the_same_warehouse(kernel):
    code = (
        "from google.cloud import bigquery\n"
        "c = bigquery.Client()\n"
        "f = c.query('SELECT meter_id, kwh FROM metering.readings').to_dataframe()\n"
        "print(c.project, len(f) > 50000)"
    )
    status, _, printed, error = kernel.run(code)
    assert (status, error) == ("ok", None)
    assert printed.strip() == "athena True"


def test_line_verbs_show_tables_columns_and_cost(kernel):
    assert "metering.readings" in kernel.run("%athena tables")[1][0]["text/plain"]
    assert "Energy taken" in kernel.run("%athena describe metering.readings")[1][0]["text/plain"]
    assert kernel.run("%athena cost")[0] == "ok"
    assert kernel.run("%athena frobnicate")[3][0] == "InvalidError"


def test_gateway_that_is_down_is_told_in_three_parts(parts):
    (port,) = (1,)
    lonely = Kernel(parts.environment | {"ATHENA_GATEWAY_URL": f"http://127.0.0.1:{port}"})
    try:
        status, _, _, error = lonely.run("%%athena\nSELECT 1")
    finally:
        lonely.close()
    assert (status, error[0]) == ("error", "UnreachableError")
    assert "athena up" in error[1]


def test_saved_output_is_json_that_a_notebook_can_hold(kernel):
    _, shown, _, _ = kernel.run("%%athena\nSELECT [1, 2] AS a, STRUCT(1 AS x, 'y' AS y) AS s, b'\\x00' AS b, 0.5 AS f")
    grid = next(bundle[MIME] for bundle in shown if MIME in bundle)
    assert json.loads(json.dumps(grid))["rows"][0][0] == [1, 2]


def test_a_notebook_and_a_cell_are_promoted_from_a_cell(kernel, parts, tmp_path):
    cells = [
        {"cell_type": "code", "id": name, "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        for name, text in (("a", "a = 1"), ("b", "b = 2"), ("c", "print(a)"))
    ]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": cells}
    (tmp_path / "tide.ipynb").write_text(json.dumps(notebook))
    line = f"%athena promote {tmp_path}/tide.ipynb --cell c --cron '0 6 * * *' --zone Europe/London"
    status, _, printed, error = kernel.run(line)
    assert (status, error) == ("ok", None)
    assert printed.startswith("'tide' version 1 is ")
    assert "It runs at '0 6 * * *' in Europe/London" in printed
    assert "It keeps 1 of the 2 other cells." in printed
    again = kernel.run(line)[2]
    assert "version 1 is current already" in again
    status, _, _, error = kernel.run("%athena promote")
    assert "does not know which notebook it runs" in error[1]
    status, _, _, error = kernel.run("%athena promote --nonsense")
    assert "Usage:" in error[1]

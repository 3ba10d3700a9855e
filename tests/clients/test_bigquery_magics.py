"""bigquery-magics: `%%bigquery` in a real IPython shell."""

from __future__ import annotations

from collections.abc import Iterator

import bigquery_magics
import pandas as pd
import pytest
from google.cloud import bigquery
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

pytestmark = pytest.mark.filterwarnings("ignore:.* via google-cloud-bigquery.* is deprecated:PendingDeprecationWarning")


@pytest.fixture
def shell(kernel_profile: None) -> Iterator[InteractiveShell]:
    """Give a fresh shell with the magics loaded, whose context knows nobody yet."""
    context = bigquery_magics.context
    context._credentials = context._project = None
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()  # the magics ask for the shell of this process
    made.extension_manager.load_extension("bigquery_magics")
    yield made
    context._credentials = context._project = None
    made.history_manager.end_session()
    InteractiveShell.clear_instance()


def run(shell: InteractiveShell, line: str, sql: str) -> str:
    """Run a cell; give what it printed."""
    with capture_output() as captured:
        shell.run_cell_magic("bigquery", line, sql)
    return captured.stdout + captured.stderr


def test_a_cell_gives_a_dataframe(shell: InteractiveShell) -> None:
    """a query's rows, returned"""
    with capture_output():
        frame = shell.run_cell_magic("bigquery", "", "SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, NULL ORDER BY a")
    assert isinstance(frame, pd.DataFrame)
    assert frame["a"].tolist() == [1, 2]
    assert frame["b"].isna().tolist() == [False, True]


@pytest.mark.parametrize("flag", ["", "--use_rest_api", "--verbose"])
def test_a_cells_rows_go_into_a_variable(shell: InteractiveShell, flag: str) -> None:
    """a variable, over REST and over Storage Read"""
    run(shell, f"rows {flag}", "SELECT i FROM UNNEST(GENERATE_ARRAY(1, 3000)) AS i ORDER BY i")
    assert shell.user_ns["rows"]["i"].tolist() == list(range(1, 3001))


def test_parameters_come_from_python(shell: InteractiveShell) -> None:
    """--params as a dictionary and as a variable, with lists"""
    run(shell, 'rows --params {"a": 5, "b": "it\'s", "c": 1.5}', "SELECT @a AS a, @b AS b, @c AS c")
    assert shell.user_ns["rows"].iloc[0].tolist() == [5, "it's", 1.5]
    shell.user_ns["given"] = {"names": ["x", "y"], "k": 3}
    run(shell, "rows --params $given", "SELECT ARRAY_LENGTH(@names) AS n, @k AS k")
    assert shell.user_ns["rows"].iloc[0].tolist() == [2, 3]


def test_a_cell_writes_a_table(shell: InteractiveShell, bq: bigquery.Client, dataset: str) -> None:
    """--destination_table"""
    said = run(shell, f"--destination_table {dataset}.kept", "SELECT 7 AS a")
    assert not said.startswith("ERROR")
    assert [row.a for row in bq.list_rows(f"{bq.project}.{dataset}.kept")] == [7]


def test_a_dry_run_gives_the_job(shell: InteractiveShell, bq: bigquery.Client, dataset: str) -> None:
    """--dry_run"""
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT i FROM UNNEST([1, 2, 3]) AS i")
    run(shell, "job --dry_run --no_query_cache", f"SELECT i FROM {dataset}.t")
    assert shell.user_ns["job"].total_bytes_processed == 24


def test_rows_are_limited_and_budgets_kept(shell: InteractiveShell, bq: bigquery.Client, dataset: str) -> None:
    """--max_results, --maximum_bytes_billed, --project, --location"""
    run(shell, f"rows --max_results 2 --project {bq.project} --location EU", "SELECT * FROM UNNEST([1, 2, 3]) AS a")
    assert len(shell.user_ns["rows"]) == 2
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS a")
    said = run(shell, "--maximum_bytes_billed 1", f"SELECT a FROM {dataset}.t")
    assert "bytesBilledLimitExceeded" in said or "bytes billed" in said


def test_a_wrong_query_says_why(shell: InteractiveShell) -> None:
    """errors of queries"""
    said = run(shell, "", "SELECT nothing FROM UNNEST([1]) AS a")
    assert "Unrecognized name: nothing at [1:8]" in said


def test_a_table_is_read_by_its_name(shell: InteractiveShell, bq: bigquery.Client, dataset: str) -> None:
    """a table's name instead of a query; a query in a variable"""
    bq.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT i FROM UNNEST([1, 2, 3]) AS i")
    run(shell, "rows", f"{bq.project}.{dataset}.t")
    assert sorted(shell.user_ns["rows"]["i"]) == [1, 2, 3]
    shell.user_ns["text"] = "SELECT 42 AS a"
    run(shell, "rows", "$text")
    assert shell.user_ns["rows"]["a"].tolist() == [42]


def test_a_script_gives_its_last_rows(shell: InteractiveShell) -> None:
    """scripts"""
    run(shell, "rows", "DECLARE x INT64 DEFAULT 20; SET x = x + 1; SELECT x * 2 AS a;")
    assert shell.user_ns["rows"]["a"].tolist() == [42]

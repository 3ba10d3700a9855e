"""Airflow's Google provider: BigQuery operators, sensors and the hook, executed without a scheduler."""

from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from google.cloud import bigquery


@pytest.fixture(scope="module", autouse=True)
def airflow_home(kernel_profile: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give Airflow a home of its own and an empty connection: the credentials are the environment's default ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", os.environ.get("AIRFLOW_HOME") or str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", "google-cloud-platform://")
        yield


@pytest.fixture
def context() -> dict[str, Any]:
    """Give what the operators read of a task's context."""
    moment = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    ti = SimpleNamespace(
        try_number=1, task_id="task", dag_id="dag", run_id="run", map_index=-1, xcom_push=lambda **_: None,
        xcom_pull=lambda *_, **__: None,
    )  # fmt: skip
    run = SimpleNamespace(run_after=moment, start_date=moment, logical_date=moment, run_id="run", dag_id="dag", conf={})
    return {"ti": ti, "task_instance": ti, "dag_run": run, "logical_date": moment, "ds": "2026-01-02", "run_id": "run"}


@pytest.fixture
def numbers(bq: bigquery.Client, dataset: str) -> str:
    """Give the name of a table of ten rows."""
    bq.query_and_wait(
        f"CREATE TABLE {dataset}.numbers AS SELECT i, CONCAT('row ', CAST(i AS STRING)) AS name, "
        "DATE '2026-01-01' AS day FROM UNNEST(GENERATE_ARRAY(1, 10)) AS i"
    )
    return f"{bq.project}.{dataset}.numbers"


def task_id() -> str:
    return f"task_{uuid.uuid4().hex[:8]}"


def test_a_query_job_writes_its_destination(bq: bigquery.Client, dataset: str, context: Any) -> None:
    """BigQueryInsertJobOperator: a query with a destination, labels and parameters"""
    from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator

    target = {"projectId": bq.project, "datasetId": dataset, "tableId": "made"}
    operator = BigQueryInsertJobOperator(
        task_id=task_id(),
        configuration={
            "query": {
                "query": "SELECT @n AS a", "useLegacySql": False, "destinationTable": target,
                "writeDisposition": "WRITE_TRUNCATE", "parameterMode": "NAMED",
                "queryParameters": [
                    {"name": "n", "parameterType": {"type": "INT64"}, "parameterValue": {"value": "7"}}
                ],
            },
            "labels": {"by": "airflow"},
        },
    )  # fmt: skip
    job_id = operator.execute(context)
    job = bq.get_job(job_id)
    assert (job.state, job.error_result, job.labels["by"]) == ("DONE", None, "airflow")
    assert [row.a for row in bq.list_rows(f"{bq.project}.{dataset}.made")] == [7]


def test_load_copy_extract_and_scripts_run_as_jobs(
    bq: bigquery.Client, dataset: str, numbers: str, context: Any
) -> None:
    """BigQueryInsertJobOperator: extract, load and copy jobs, scripts"""
    from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator

    source = {"projectId": bq.project, "datasetId": dataset, "tableId": "numbers"}
    uri = f"gs://airflow-bucket/{dataset}/numbers-*.csv"
    for configuration in (
        {"extract": {"sourceTable": source, "destinationUris": [uri]}},
        {"load": {"sourceUris": [uri], "destinationTable": source | {"tableId": "loaded"}, "autodetect": True}},
        {"copy": {"sourceTable": source | {"tableId": "loaded"}, "destinationTable": source | {"tableId": "copied"}}},
        {"query": {"query": f"DECLARE n INT64 DEFAULT 3; DELETE FROM {dataset}.copied WHERE i <= n;",
                   "useLegacySql": False}},
    ):  # fmt: skip
        BigQueryInsertJobOperator(task_id=task_id(), configuration=configuration).execute(context)
    assert bq.get_table(f"{dataset}.loaded").num_rows == 10
    assert bq.get_table(f"{dataset}.copied").num_rows == 7


def test_a_failing_job_fails_the_task(dataset: str, context: Any) -> None:
    """BigQueryInsertJobOperator: errors"""
    from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator

    configuration = {"query": {"query": f"SELECT * FROM {dataset}.absent", "useLegacySql": False}}
    operator = BigQueryInsertJobOperator(task_id=task_id(), configuration=configuration)
    with pytest.raises(Exception, match="absent"):
        operator.execute(context)


def test_a_check_passes_or_fails_by_its_row(numbers: str, context: Any) -> None:
    """BigQueryCheckOperator, BigQueryValueCheckOperator"""
    from airflow.providers.google.cloud.operators.bigquery import BigQueryCheckOperator, BigQueryValueCheckOperator

    good = BigQueryCheckOperator(task_id=task_id(), sql=f"SELECT COUNT(*) FROM `{numbers}`", use_legacy_sql=False)
    good.execute(context)
    bad = BigQueryCheckOperator(
        task_id=task_id(), sql=f"SELECT COUNT(*) FROM `{numbers}` WHERE i > 99", use_legacy_sql=False
    )
    with pytest.raises(Exception, match="Test failed"):
        bad.execute(context)
    sql = f"SELECT SUM(i) FROM `{numbers}`"
    BigQueryValueCheckOperator(task_id=task_id(), sql=sql, pass_value=50, tolerance=0.2, use_legacy_sql=False).execute(
        context
    )
    wrong = BigQueryValueCheckOperator(task_id=task_id(), sql=sql, pass_value=5, use_legacy_sql=False)
    with pytest.raises(Exception, match="Test failed"):
        wrong.execute(context)


def test_columns_and_tables_are_checked(numbers: str, context: Any) -> None:
    """BigQueryColumnCheckOperator, BigQueryTableCheckOperator"""
    from airflow.providers.google.cloud.operators.bigquery import (
        BigQueryColumnCheckOperator,
        BigQueryTableCheckOperator,
    )

    mapping = {"i": {"min": {"equal_to": 1}, "null_check": {"equal_to": 0}, "distinct_check": {"geq_to": 10}}}
    BigQueryColumnCheckOperator(task_id=task_id(), table=numbers, column_mapping=mapping, use_legacy_sql=False).execute(
        context
    )
    checks = {"rows": {"check_statement": "COUNT(*) = 10"}, "sum": {"check_statement": "SUM(i) = 55"}}
    BigQueryTableCheckOperator(task_id=task_id(), table=numbers, checks=checks, use_legacy_sql=False).execute(context)


def test_rows_are_fetched(dataset: str, numbers: str, context: Any) -> None:
    """BigQueryGetDataOperator"""
    from airflow.providers.google.cloud.operators.bigquery import BigQueryGetDataOperator

    operator = BigQueryGetDataOperator(
        task_id=task_id(), dataset_id=dataset, table_id="numbers", max_results=100, selected_fields="i,name",
        use_legacy_sql=False,
    )  # fmt: skip
    assert sorted(row[1] for row in operator.execute(context)) == sorted(f"row {i}" for i in range(1, 11))


def test_datasets_and_tables_are_made_and_deleted(bq: bigquery.Client, context: Any) -> None:
    """BigQueryCreateEmptyDatasetOperator, BigQueryCreateTableOperator, BigQueryDeleteDatasetOperator"""
    from airflow.providers.google.cloud.operators.bigquery import (
        BigQueryCreateEmptyDatasetOperator,
        BigQueryCreateTableOperator,
        BigQueryDeleteDatasetOperator,
        BigQueryGetDatasetTablesOperator,
    )

    name = f"made_{uuid.uuid4().hex[:8]}"
    BigQueryCreateEmptyDatasetOperator(task_id=task_id(), dataset_id=name).execute(context)
    schema = {"schema": {"fields": [{"name": "a", "type": "STRING"}]}}
    BigQueryCreateTableOperator(task_id=task_id(), dataset_id=name, table_id="t", table_resource=schema).execute(
        context
    )
    found = BigQueryGetDatasetTablesOperator(task_id=task_id(), dataset_id=name).execute(context)
    assert [item["tableId"] for item in found] == ["t"]
    BigQueryDeleteDatasetOperator(task_id=task_id(), dataset_id=name, delete_contents=True).execute(context)
    assert name not in {item.dataset_id for item in bq.list_datasets()}


def test_a_sensor_waits_for_a_table(bq: bigquery.Client, dataset: str, numbers: str, context: Any) -> None:
    """BigQueryTableExistenceSensor"""
    from airflow.providers.google.cloud.sensors.bigquery import BigQueryTableExistenceSensor

    def sensor(table: str) -> Any:
        return BigQueryTableExistenceSensor(
            task_id=task_id(), project_id=bq.project, dataset_id=dataset, table_id=table
        )

    assert sensor("numbers").poke(context) is True
    assert sensor("absent").poke(context) is False


def test_the_hook_reads_dataframes(numbers: str) -> None:
    """BigQueryHook.get_df, get_records"""
    from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook

    hook = BigQueryHook(use_legacy_sql=False, location="EU")
    assert hook.get_records(f"SELECT MAX(i), MAX(name) FROM `{numbers}`") == [[10, "row 9"]]
    frame = hook.get_df(f"SELECT i FROM `{numbers}` ORDER BY i", df_type="pandas")
    assert frame["i"].tolist() == list(range(1, 11))

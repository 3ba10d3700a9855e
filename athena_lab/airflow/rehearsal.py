"""The DAG of all rehearsals: it is static, and each of its runs brings along the spec that it executes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from athena_lab.airflow.loader import (
    LOST_WORKER_DELAY,
    LOST_WORKER_RETRIES,
    SCHEMA_VERSION,
    TASK_ID,
    NotebookOperator,
    check_execution,
)
from athena_lab.gateway_api.worker import REHEARSAL_DAG_ID, REHEARSAL_JOB_ID

MOST_ACTIVE = 16
"""Rehearsals at once; Airflow queues the others."""


class RehearsalOperator(NotebookOperator):
    """Execute the bundle that the run's conf names, exactly as a job's run is executed.

    The conf gives no rights: the gateway lets a worker begin only what a user asked it to rehearse.
    """

    ui_color = "#f3e8fd"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(spec={}, **kwargs)

    def spec_of(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Give the spec in the run's conf; raise AirflowFailException saying why there is none to execute."""
        run = context["dag_run"]
        try:
            return read_spec(run.conf)
        except ValueError as error:
            raise AirflowFailException(
                f"Cannot rehearse '{run.run_id}': {error}. Start rehearsals from a notebook's schedule in JupyterLab."
            ) from None


def read_spec(conf: object) -> dict[str, Any]:
    """Take the spec out of a run's conf; raise ValueError saying what is wrong with it."""
    spec = conf.get("spec") if isinstance(conf, Mapping) else None
    if not isinstance(spec, Mapping):
        raise ValueError("its conf has no spec")
    if spec.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise ValueError(f"its schema_version is not {SCHEMA_VERSION}")
    if spec.get("id") != REHEARSAL_JOB_ID:
        raise ValueError(f"its id is not '{REHEARSAL_JOB_ID}'")
    check_execution(spec)
    if spec["retries"] != 0:
        raise ValueError("it has retries, and a rehearsal shows the first failure")
    return dict(spec)


def load_rehearsals() -> dict[str, DAG]:
    """Build the DAG, for the file in the jobs repository that brings it to Airflow."""
    with DAG(
        dag_id=REHEARSAL_DAG_ID,
        dag_display_name="Rehearsals",
        schedule=None,
        catchup=False,
        max_active_runs=MOST_ACTIVE,
        max_active_tasks=MOST_ACTIVE,
        is_paused_upon_creation=False,
        tags=["athena"],
        doc_md=__doc__,
    ) as dag:
        RehearsalOperator(task_id=TASK_ID, owner="athena", retries=LOST_WORKER_RETRIES, retry_delay=LOST_WORKER_DELAY)
    return {dag.dag_id: dag}

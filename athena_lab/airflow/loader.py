"""Turn the specs beside a loader file into DAGs; at parse time nothing but the standard library and Airflow itself."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import (
    DAG,
    Asset,
    AssetAll,
    BaseOperator,
    RetryDecision,
    RetryPolicy,
    get_parsing_context,
)
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from croniter import croniter  # Airflow's own reader of cron, loaded already
from pendulum import instance

from athena_lab.airflow.timetable import ALL, LATEST, JobTimetable
from athena_lab.airflow.waiting import TASK_ID as WAIT_TASK_ID
from athena_lab.airflow.waiting import WaitForUpdates
from athena_lab.gateway_api.assets import asset_uri
from athena_lab.gateway_api.worker import REHEARSAL_DAG_ID, dag_id_of

SCHEMA_VERSION = 1
TIME, UPDATES, TIME_AND_UPDATES = "time", "updates", "time_and_updates"
LOST_WORKER_RETRIES = 2
LOST_WORKER_DELAY = timedelta(seconds=3)
NOTEBOOK_RETRY_DELAY_S = 60
LONGEST_DELAY_S = 24 * 3600
MOST_ACTIVE_RUNS = {"queue": 1, "skip": 16, "allow": 16}
"""Runs of a job at once by its policy for overlaps; under `skip` the gateway lets only one of them begin."""
TASK_ID = "notebook"
CRON_FIELDS = 5
_NAME = re.compile(r"[a-z0-9_]{1,60}")
_HASH = re.compile(r"[0-9a-f]{64}")
_log = logging.getLogger("athena_lab.airflow")


class NotebookFailedError(AirflowException):  # type: ignore[misc]
    """A notebook failed whose owner asked for retries; `failed_before` counts its earlier failures in this run."""

    def __init__(self, message: str, failed_before: int) -> None:
        self.failed_before = failed_before
        super().__init__(message)


class NotebookRetries(RetryPolicy):  # type: ignore[misc]
    """Give a failing notebook its owner's delay; a lost worker never gets here and keeps the task's short one."""

    def __init__(self, delay_s: int, *, has_backoff: bool) -> None:
        self.delay_s, self.has_backoff = delay_s, has_backoff

    def evaluate(self, exception: BaseException, *_: Any, **__: Any) -> RetryDecision:
        """Decide in the task's process; what is no failure of the notebook's is left to Airflow."""
        if not isinstance(exception, NotebookFailedError):
            return RetryDecision.default()
        doublings = exception.failed_before if self.has_backoff else 0
        delay_s = min(self.delay_s * 2**doublings, LONGEST_DELAY_S)
        return RetryDecision.retry(timedelta(seconds=delay_s), "the notebook failed and its owner wants retries")


class NotebookOperator(BaseOperator):  # type: ignore[misc]
    """Execute one version of a job: its notebook, in a sandboxed kernel, with the run's own token."""

    ui_color = "#e8f0fe"

    def __init__(self, *, spec: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self._reporter: Any = None

    def execute(self, context: Mapping[str, Any]) -> None:
        """Run one attempt; a failing notebook fails at once, a failing platform is tried again."""
        # Here and not above: papermill and its kind cost a second, and the DAG processor never executes.
        from athena_lab.airflow import execution  # noqa: PLC0415 (above)

        worker = execution.Worker.from_environment(os.environ)
        try:
            order = _order_of(execution.RunOrder, self.spec_of(context), context)
            execution.execute_run(order, worker, self._remember)
        except execution.RunFailedError as error:
            if error.may_retry:
                raise NotebookFailedError(str(error), error.failed_before) from None
            raise AirflowFailException(str(error)) from None
        except execution.RunSkippedError as error:
            raise AirflowSkipException(str(error)) from None
        except execution.RunStoppedError as error:
            raise AirflowFailException(str(error)) from None

    def spec_of(self, context: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 (a rehearsal's is in its context)
        """Give the spec that a run executes."""
        return self.spec

    def on_kill(self) -> None:
        """Stop the kernel when Airflow ends the task (SIGTERM)."""
        if self._reporter is not None:
            # Here and not above, as in `execute`.
            from athena_lab.airflow.reporting import StopReason  # noqa: PLC0415 (above)

            self._reporter.stop(StopReason.ENDED_BY_AIRFLOW)

    def _remember(self, reporter: Any) -> None:
        self._reporter = reporter


def load_shard(loader_file: str) -> dict[str, DAG]:
    """Build the DAGs of the specs in the folder named like the loader file (`shard_000.py`: `shard_000/*.json`).

    A spec that is wrong is skipped and logged: one broken file must not take down its neighbours. When Airflow asks
    for one DAG (before it runs a task) the other specs are not read.
    """
    folder = Path(loader_file).with_suffix("")
    wanted = get_parsing_context().dag_id
    dags: dict[str, DAG] = {}
    for path in sorted(folder.glob("*.json")):
        if wanted is not None and not wanted.endswith(f"__{path.stem}"):
            continue
        try:
            spec = json.loads(path.read_bytes())
            if spec.get("id") != path.stem:
                raise ValueError("its id is not its file's name")
            dag = build_dag(spec)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, AirflowException) as error:
            _log.error("Cannot load the job '%s': %s. Deploy it again; the other jobs are not affected.", path, error)
            continue
        if wanted is None or dag.dag_id == wanted:
            dags[dag.dag_id] = dag
    return dags


def build_dag(spec: dict[str, Any]) -> DAG:
    """Make the DAG of a spec; raise ValueError, KeyError or TypeError saying what is wrong with it."""
    _check(spec)
    schedule, guards = spec["schedule"], spec.get("guards", {})
    owner = str(spec["owner"])
    with DAG(
        dag_id=dag_id_of(spec["team"], spec["id"]),
        dag_display_name=str(spec["name"]),
        schedule=_schedule_of(spec),
        start_date=_start_of(spec),
        end_date=_moment(schedule, "end"),
        catchup=schedule.get("missed", LATEST) == ALL,
        max_active_runs=MOST_ACTIVE_RUNS[guards.get("overlap", "queue")],
        is_paused_upon_creation=False,
        tags=["athena", f"v{spec['version']}", f"owner:{owner}"],
    ) as dag:
        notebook = NotebookOperator(
            task_id=TASK_ID,
            spec=spec,
            owner=owner,
            retries=LOST_WORKER_RETRIES + spec["retries"],
            retry_delay=LOST_WORKER_DELAY,
            retry_policy=_policy_of(spec["retries"], guards),
            outlets=[Asset(uri) for uri in _uris_of(spec, (spec.get("tables") or {}).get("writes", ()))],
        )
        if _mode_of(spec) == TIME_AND_UPDATES:
            WaitForUpdates(task_id=WAIT_TASK_ID, job_id=spec["id"], version=spec["version"], owner=owner) >> notebook
    return dag


def _schedule_of(spec: Mapping[str, Any]) -> JobTimetable | AssetAll | None:
    """Give what makes the DAG run: its timetable, or that all the tables it waits for were updated."""
    if _mode_of(spec) != UPDATES:
        return timetable_of(spec["schedule"])
    awaited = [Asset(uri) for uri in _uris_of(spec, spec["after"]["tables"])]
    if not awaited:
        raise ValueError("it names no table to run after")
    return AssetAll(*awaited)


def _mode_of(spec: Mapping[str, Any]) -> str:
    return str((spec.get("after") or {}).get("mode", TIME))


def _uris_of(spec: Mapping[str, Any], tables: Iterable[str]) -> list[str]:
    """Name tables as assets; a spec of before the project was kept in it has none."""
    project = str(spec.get("project") or "")
    return [asset_uri(str(table), project) for table in tables] if project else []


def _check(spec: dict[str, Any]) -> None:
    if spec.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"its schema_version is not {SCHEMA_VERSION}")
    for key in ("id", "team"):
        if not isinstance(spec[key], str) or not _NAME.fullmatch(spec[key]):
            raise ValueError(f"its {key} is no name of a-z, 0-9 and _")
    if dag_id_of(spec["team"], spec["id"]) == REHEARSAL_DAG_ID:
        raise ValueError("its DAG would take the place of the platform's rehearsals")
    check_execution(spec)


def check_execution(spec: Mapping[str, Any]) -> None:
    """Check what a worker reads of a spec; raise ValueError saying what is wrong with it."""
    if not _HASH.fullmatch(str(spec.get("bundle"))):
        raise ValueError("its bundle is no SHA-256")
    for key in ("version", "retries", "timeout_s"):
        if type(spec.get(key)) is not int or spec[key] < 0:
            raise ValueError(f"its {key} is no whole number")
    for key in ("source", "guards"):
        if not isinstance(spec.get(key, {}), Mapping):
            raise ValueError(f"its {key} is no object")
    limit = spec.get("guards", {}).get("cell_timeout_s")
    if limit is not None and (type(limit) is not int or limit <= 0):
        raise ValueError("its cell_timeout_s is no whole number of at least 1")
    parameters = spec.get("parameters", ())
    if not isinstance(parameters, list | tuple) or not all(_is_declaration(one) for one in parameters):
        raise ValueError("its parameters are no list of names with types")


def _is_declaration(parameter: object) -> bool:
    return isinstance(parameter, Mapping) and all(isinstance(parameter.get(key), str) for key in ("name", "type"))


def timetable_of(schedule: Mapping[str, Any]) -> JobTimetable | None:
    """Give the timetable of a schedule; None is by hand only. Raises ValueError or KeyError saying what is wrong."""
    if schedule["cron"] is None:
        return None
    cron, timezone = str(schedule["cron"]), str(schedule["timezone"])
    # Airflow checks these only after the whole file was read, and then refuses the whole file.
    ZoneInfo(timezone)
    if len(cron.split()) != CRON_FIELDS or not croniter.is_valid(cron):
        raise ValueError(f"its cron '{cron}' cannot be read")
    end = _moment(schedule, "end")
    missed = schedule.get("missed", LATEST)
    return JobTimetable(cron, timezone=timezone, missed=missed, end=instance(end) if end else None)


def _start_of(spec: Mapping[str, Any]) -> datetime:
    """Give the moment of the first fire: fires before the deployment count only where all are to be made up for."""
    deployed = _moment(spec, "start_at")
    if deployed is None:
        raise ValueError("it has no start_at")
    start = _moment(spec["schedule"], "start")
    if start is None:
        return deployed
    return start if spec["schedule"].get("missed", LATEST) == ALL else max(start, deployed)


def _moment(values: Mapping[str, Any], name: str) -> datetime | None:
    text = values.get(name)
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"its {name} has no zone")
    return moment


def _policy_of(retries: int, guards: Mapping[str, Any]) -> NotebookRetries | None:
    if retries == 0:
        return None
    delay_s = guards.get("retry_delay_s", NOTEBOOK_RETRY_DELAY_S)
    if type(delay_s) is not int or delay_s < 0:
        raise ValueError("its retry_delay_s is no whole number")
    return NotebookRetries(delay_s, has_backoff=guards.get("has_backoff") is True)


def _order_of(kind: Any, spec: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
    """Take from the task's context what the gateway needs to know; a manual run has no logical date."""
    run, instance = context["dag_run"], context["ti"]
    return kind(
        spec=spec,
        dag_id=run.dag_id,
        airflow_run_id=run.run_id,
        run_type=str(getattr(run.run_type, "value", run.run_type)),
        run_after=run.run_after,
        logical_date=run.logical_date,
        try_number=instance.try_number,
        is_last_try=instance.try_number > instance.max_tries,
    )

"""Routes in Airflow's api-server: the next runs of a schedule, by the timetable that will fire them; a spec's DAG."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow.api_fastapi.core_api.security import get_user
from airflow.sdk.exceptions import AirflowException
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable
from fastapi import Depends, FastAPI, HTTPException
from pendulum import instance
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from athena_lab.airflow.loader import build_dag

MOST_RUNS = 100


class PreviewRequest(BaseModel):
    """A cron of five fields in an IANA zone; the `count` runs after `after` (default: now) are wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: str = Field(max_length=200)
    timezone: str = Field(max_length=100)
    count: int = Field(default=10, ge=1, le=MOST_RUNS)
    after: AwareDatetime | None = None


class PreviewAnswer(BaseModel):
    """The next runs, in UTC; fewer than asked for where the schedule ends."""

    runs: tuple[datetime, ...]


class ValidateRequest(BaseModel):
    """A job's spec (as the loader reads it) that is about to be deployed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: dict[str, Any]


class ValidateAnswer(BaseModel):
    """Which DAG Airflow would make of the spec, or why it would not (`error`)."""

    dag_id: str | None = None
    error: str | None = None


app = FastAPI(title="athena_lab in Airflow", dependencies=[Depends(get_user)])


@app.post("/preview")
def preview(request: PreviewRequest) -> PreviewAnswer:
    """Give the next runs of a schedule as Airflow will fire them, daylight saving included."""
    try:
        ZoneInfo(request.timezone)
        timetable = CronTriggerTimetable(request.cron, timezone=request.timezone)
        timetable.validate()
        return PreviewAnswer(runs=next_runs(timetable, request.after or datetime.now(UTC), request.count))
    except (ZoneInfoNotFoundError, ValueError, KeyError, AirflowException) as error:
        raise HTTPException(
            422,
            f"Cannot preview '{request.cron}' in '{request.timezone}': {error}. Use five cron fields and an IANA zone.",
        ) from error


def next_runs(timetable: CronTriggerTimetable, after: datetime, count: int) -> tuple[datetime, ...]:
    """Ask the timetable itself for one run after another, each later than `after`."""
    runs: list[datetime] = []
    restriction = TimeRestriction(earliest=None, latest=None, catchup=True)
    last = DataInterval.exact(instance(after))
    while len(runs) < count:
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        if info is None:
            break
        runs.append(datetime.fromtimestamp(info.run_after.timestamp(), UTC))
        last = DataInterval.exact(info.run_after)
    return tuple(runs)


@app.post("/validate")
def validate(request: ValidateRequest) -> ValidateAnswer:
    """Build the DAG of a spec as the loader will and serialize it as the DAG processor will; say what stops it."""
    try:
        dag = build_dag(request.spec)
        DagSerialization.to_dict(dag)
    except (ValueError, KeyError, TypeError, AirflowException) as error:
        return ValidateAnswer(error=f"Cannot make a DAG of the job: {error}. Correct the job and deploy it again.")
    return ValidateAnswer(dag_id=dag.dag_id)

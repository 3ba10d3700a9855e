"""Routes in Airflow's api-server: the next runs of a schedule, by the timetable that will fire them; a spec's DAG."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from airflow.api_fastapi.core_api.security import get_user
from airflow.sdk.exceptions import AirflowException
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DataInterval, TimeRestriction, Timetable
from fastapi import Depends, FastAPI, HTTPException
from pendulum import instance
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from athena_lab.airflow import standings
from athena_lab.airflow.loader import build_dag, timetable_of

MOST_RUNS = 100


class PreviewRequest(BaseModel):
    """A cron of five fields in an IANA zone, from `start` to `end`; the `count` runs after `after` are wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: str = Field(max_length=200)
    timezone: str = Field(max_length=100)
    count: int = Field(default=10, ge=1, le=MOST_RUNS)
    after: AwareDatetime | None = None
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None


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
app.include_router(standings.router)


@app.post("/preview")
def preview(request: PreviewRequest) -> PreviewAnswer:
    """Give the next runs of a schedule as Airflow will fire them, daylight saving included."""
    try:
        timetable = timetable_of({"cron": request.cron, "timezone": request.timezone})
        if timetable is None:
            return PreviewAnswer(runs=())
        return PreviewAnswer(runs=next_runs(timetable, request))
    except (ZoneInfoNotFoundError, ValueError, KeyError, AirflowException) as error:
        raise HTTPException(
            422,
            f"Cannot preview '{request.cron}' in '{request.timezone}': {error}. Use five cron fields and an IANA zone.",
        ) from error


def next_runs(timetable: Timetable, wanted: PreviewRequest) -> tuple[datetime, ...]:
    """Ask the timetable itself for one run after another, each later than `after` and within the bounds."""
    after = wanted.after or datetime.now(UTC)
    is_ahead = wanted.start is not None and wanted.start > after
    bounds = TimeRestriction(
        earliest=instance(wanted.start) if wanted.start else None,
        latest=instance(wanted.end) if wanted.end else None,
        catchup=True,
    )
    runs: list[datetime] = []
    last = None if is_ahead else DataInterval.exact(instance(after))
    while len(runs) < wanted.count:
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=bounds)
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

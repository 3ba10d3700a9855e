"""A route in Airflow's api-server: how many DAGs stand, in one request (its REST API tells them one by one)."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models.dag import DagModel
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

MOST_DAGS = 500

router = APIRouter()


class StandingsRequest(BaseModel):
    """The DAGs that are wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dag_ids: tuple[str, ...] = Field(max_length=MOST_DAGS)


class Standing(BaseModel):
    """Whether Airflow runs a DAG by itself, and when next (UTC)."""

    dag_id: str
    is_paused: bool
    next_run_at: datetime | None


class StandingsAnswer(BaseModel):
    """The DAGs that Airflow knows of those asked for."""

    dags: tuple[Standing, ...]


@router.post("/standings")
def give_standings(request: StandingsRequest, session: SessionDep) -> StandingsAnswer:
    """Say of each DAG whether it is paused and when it runs next."""
    columns = (DagModel.dag_id, DagModel.is_paused, DagModel.next_dagrun_create_after)
    rows = session.execute(select(*columns).where(DagModel.dag_id.in_(request.dag_ids)))
    return StandingsAnswer(
        dags=tuple(
            Standing(dag_id=dag_id, is_paused=is_paused, next_run_at=moment.astimezone(UTC) if moment else None)
            for dag_id, is_paused, moment in rows
        )
    )

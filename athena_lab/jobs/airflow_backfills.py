"""Backfills in Airflow, through apache-airflow-client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_client.client.api.backfill_api import BackfillApi
from airflow_client.client.api.dag_run_api import DagRunApi
from airflow_client.client.models.backfill_post_body import BackfillPostBody

from athena_lab.errors import NotFoundError
from athena_lab.gateway_api.backfills import BackfillRequest
from athena_lab.jobs.airflow_api import AirflowRun, Scheduler, run_of

_PAGE = 100


@dataclass(frozen=True, slots=True)
class AirflowBackfill:
    """A backfill as Airflow tells it."""

    id: int
    dag_id: str
    from_at: datetime
    to_at: datetime
    created_at: datetime
    ended_at: datetime | None


class AirflowBackfills:
    """Asks Airflow for backfills; its errors are those of `Scheduler`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def preview(self, dag_id: str, request: BackfillRequest) -> tuple[datetime, ...]:
        """Give the fires that a backfill would make runs of."""
        body = _body_of(dag_id, request)
        found = self._scheduler.ask(
            f"backfill of '{dag_id}'", lambda client, limit: BackfillApi(client).create_backfill_dry_run(body, **limit)
        )
        return tuple(one.logical_date.astimezone(UTC) for one in found.backfills if one.logical_date is not None)

    def create(self, dag_id: str, request: BackfillRequest) -> AirflowBackfill:
        """Begin a backfill; raise ConflictError while another of the same job is under way."""
        body = _body_of(dag_id, request)
        found = self._scheduler.ask(
            f"backfill of '{dag_id}'", lambda client, limit: BackfillApi(client).create_backfill(body, **limit)
        )
        return _backfill_of(found)

    def get(self, dag_id: str, backfill_id: int) -> AirflowBackfill | None:
        """Give a backfill, None if Airflow does not know it."""
        try:
            found = self._scheduler.ask(
                f"backfill {backfill_id} of '{dag_id}'",
                lambda client, limit: BackfillApi(client).get_backfill(backfill_id, **limit),
            )
        except NotFoundError:
            return None
        return _backfill_of(found)

    def list(self, dag_id: str, limit: int) -> tuple[AirflowBackfill, ...]:
        """List the latest backfills of a job, the newest first."""
        page = self._scheduler.ask(
            f"backfills of '{dag_id}'",
            lambda client, wait: BackfillApi(client).list_backfills(
                dag_id=dag_id, limit=limit, order_by=["-id"], **wait
            ),
        )
        return tuple(_backfill_of(one) for one in page.backfills)

    def cancel(self, dag_id: str, backfill_id: int) -> None:
        """End a backfill: what has not begun does not begin any more."""
        self._scheduler.ask(
            f"backfill {backfill_id} of '{dag_id}'",
            lambda client, limit: BackfillApi(client).cancel_backfill(backfill_id, **limit),
        )

    def runs(self, backfill: AirflowBackfill) -> Sequence[AirflowRun]:
        """Give the runs of a backfill: those of its kind and span that were queued since it began."""
        found: list[AirflowRun] = []
        while True:
            page = self._page(backfill, len(found))
            found += [run_of(one) for one in page.dag_runs]
            if len(page.dag_runs) < _PAGE:
                return [run for run in found if (run.queued_at or backfill.created_at) >= backfill.created_at]

    def _page(self, backfill: AirflowBackfill, offset: int) -> Any:
        return self._scheduler.ask(
            f"runs of backfill {backfill.id}", lambda client, limit: _page(client, backfill, offset, limit)
        )


def _page(client: Any, backfill: AirflowBackfill, offset: int, limit: dict[str, Any]) -> Any:
    return DagRunApi(client).get_dag_runs(
        backfill.dag_id,
        run_type=["backfill"],
        logical_date_gte=backfill.from_at,
        logical_date_lte=backfill.to_at,
        order_by=["logical_date"],
        limit=_PAGE,
        offset=offset,
        **limit,
    )


def _body_of(dag_id: str, request: BackfillRequest) -> BackfillPostBody:
    return BackfillPostBody(
        dag_id=dag_id,
        from_date=request.from_at,
        to_date=request.to_at,
        max_active_runs=request.max_active_runs,
        reprocess_behavior=request.reprocess.value,
        run_backwards=request.is_newest_first,
        run_on_latest_version=True,
    )


def _backfill_of(found: Any) -> AirflowBackfill:
    return AirflowBackfill(
        id=found.id,
        dag_id=found.dag_id,
        from_at=found.from_date.astimezone(UTC),
        to_at=found.to_date.astimezone(UTC),
        created_at=found.created_at.astimezone(UTC),
        ended_at=found.completed_at.astimezone(UTC) if found.completed_at else None,
    )

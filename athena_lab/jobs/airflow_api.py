"""The door to Airflow: its REST API through apache-airflow-client, errors translated to our tree."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
import urllib3
from airflow_client.client import ApiClient, Configuration
from airflow_client.client.api.asset_api import AssetApi
from airflow_client.client.api.dag_api import DAGApi
from airflow_client.client.api.dag_parsing_api import DAGParsingApi
from airflow_client.client.api.dag_run_api import DagRunApi
from airflow_client.client.api.import_error_api import ImportErrorApi
from airflow_client.client.exceptions import ApiException, OpenApiException
from airflow_client.client.models.dag_patch_body import DAGPatchBody
from airflow_client.client.models.dag_run_patch_body import DAGRunPatchBody
from airflow_client.client.models.trigger_dag_run_post_body import TriggerDAGRunPostBody

from athena_lab import errors
from athena_lab.gateway_api.terms import Schedule

BEACON_DAG_ID = "athena_beacon"
USER = "athena"
_PAGE = 100
_UNAUTHORIZED = 401
_NOT_FOUND = 404
_CONFLICT = 409
_DO = "Check it with `athena status` and `athena logs api-server`."
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class DagStanding:
    """Whether Airflow runs a DAG by itself, and when next."""

    is_paused: bool
    next_run_at: datetime | None


@dataclass(frozen=True, slots=True)
class DagDetails:
    """What Airflow knows of a job's DAG; `version` is the number of its tag `v<N>`."""

    dag_id: str
    version: int | None
    is_paused: bool
    is_stale: bool
    next_run_at: datetime | None
    file_token: str


@dataclass(frozen=True, slots=True)
class AirflowRun:
    """A DAG run as Airflow tells it; `state` is "queued", "running", "success" or "failed"."""

    dag_id: str
    run_id: str
    run_type: str
    state: str
    run_after: datetime
    logical_date: datetime | None
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    conf: dict[str, Any]


class Scheduler:
    """Airflow, reached as its user `athena`; threads may share one."""

    def __init__(self, url: str, password_file: Path, *, user: str = USER, timeout_s: float = 15.0) -> None:
        self._url = url.rstrip("/")
        self._password_file, self._user, self._timeout_s = password_file, user, timeout_s
        self._http = httpx.Client(base_url=self._url, timeout=timeout_s, trust_env=False)
        configuration = Configuration(host=self._url)
        # Once more only where a kept connection breaks under GET, PUT or DELETE, which are safe to repeat.
        configuration.retries = urllib3.Retry(total=1, connect=0, read=1, status=0, other=0, redirect=0)
        self._client = ApiClient(configuration)
        self._token: str | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        self._http.close()
        self._client.rest_client.pool_manager.clear()

    # -- health and DAGs

    def is_up(self) -> bool:
        """Say whether the api-server answers and its scheduler and database are healthy."""
        try:
            health = self._http.get("/api/v2/monitor/health").json()
            parts = (health["metadatabase"]["status"], health["scheduler"]["status"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return False
        return parts == ("healthy", "healthy")

    def details(self, dag_id: str) -> DagDetails | None:
        """Give what Airflow knows of a DAG, None if it does not know it."""
        try:
            found = self._call(f"DAG '{dag_id}'", lambda: DAGApi(self._client).get_dag_details(dag_id, **self._limit()))
        except errors.NotFoundError:
            return None
        return _details_of(found, found.file_token)

    def standings(self, dag_ids: Sequence[str]) -> dict[str, DagStanding]:
        """Give how DAGs stand, by DAG id, in one request; those that Airflow does not know are left out."""
        if not dag_ids:
            return {}

        def read(answer: Any) -> dict[str, DagStanding]:
            return {item["dag_id"]: _standing_of(item) for item in answer["dags"]}

        return self._ask_plugin("/athena/standings", {"dag_ids": list(dag_ids)}, read)

    def deployed_version(self, dag_id: str) -> int | None:
        """Give the version that Airflow has read (tag `v<N>`), None if it has none or dropped the DAG."""
        found = self.details(dag_id)
        return None if found is None or found.is_stale else found.version

    def next_run_at(self, dag_id: str) -> datetime | None:
        """Give when Airflow will start the DAG next, None for none."""
        found = self.details(dag_id)
        return found.next_run_at if found else None

    def reparse(self, dag_id: str | None, sibling_dag_id: str | None) -> None:
        """Ask for the shard's loader to be read now (and the bundle to be refreshed).

        The token is that of the DAG itself, else of another job in the shard; the beacon's serves
        where the loader is new. Raises NotFoundError when Airflow has not even read the beacon yet.
        """
        for known in (dag_id, sibling_dag_id, BEACON_DAG_ID):
            found = self.details(known) if known else None
            if found is not None:
                token = found.file_token
                self._reparse(token)
                return
        raise errors.NotFoundError(
            f"Cannot ask Airflow to read the job: it does not know '{BEACON_DAG_ID}' yet. Wait until it has started."
        )

    def _reparse(self, token: str) -> None:
        try:
            self._call("reparse", lambda: DAGParsingApi(self._client).reparse_dag_file(token, **self._limit()))
        except errors.ConflictError:
            return  # the same request is waiting to be served already

    def import_error(self, shard_path: str, *, since: datetime) -> str | None:
        """Give the last line of why Airflow could not import a loader (path under `dags/`), if it failed `since`."""
        found = self._call(
            f"import errors of '{shard_path}'",
            lambda: ImportErrorApi(self._client).get_import_errors(filename=shard_path, limit=_PAGE, **self._limit()),
        )
        for problem in found.import_errors:
            if _utc(problem.timestamp) >= since:
                lines = [line for line in problem.stack_trace.strip().splitlines() if line.strip()]
                return str(lines[-1]) if lines else "the loader failed without a message"
        return None

    def set_paused(self, dag_id: str, *, is_paused: bool) -> None:
        """Pause or resume a DAG's schedule."""
        body = DAGPatchBody(is_paused=is_paused)
        self._call(
            f"DAG '{dag_id}'",
            lambda: DAGApi(self._client).patch_dag(dag_id, body, update_mask=["is_paused"], **self._limit()),
        )

    def delete(self, dag_id: str) -> None:
        """Forget a DAG and its runs; raise ConflictError while tasks of it run. Unknown already is fine."""
        try:
            self._call(f"DAG '{dag_id}'", lambda: DAGApi(self._client).delete_dag(dag_id, **self._limit()))
        except errors.NotFoundError:
            return

    # -- runs

    def trigger(
        self, dag_id: str, run_id: str, conf: Mapping[str, Any], logical_date: datetime | None = None
    ) -> AirflowRun:
        """Start a run by hand; raise ConflictError if `run_id` exists, NotFoundError for an unknown DAG."""
        body = TriggerDAGRunPostBody(dag_run_id=run_id, conf=dict(conf), logical_date=logical_date)
        run = self._call(
            f"run '{run_id}' of '{dag_id}'",
            lambda: DagRunApi(self._client).trigger_dag_run(dag_id, body, **self._limit()),
        )
        return run_of(run)

    def run(self, dag_id: str, run_id: str) -> AirflowRun | None:
        """Give a run, None if Airflow does not know it."""
        try:
            run = self._call(
                f"run '{run_id}'", lambda: DagRunApi(self._client).get_dag_run(dag_id, run_id, **self._limit())
            )
        except errors.NotFoundError:
            return None
        return run_of(run)

    def run_state(self, dag_id: str, run_id: str) -> str | None:
        """Give a run's state ("queued", "running", "success", "failed"), None if Airflow does not know it."""
        run = self.run(dag_id, run_id)
        return run.state if run else None

    def list_runs(self, dag_id: str, limit: int = 50) -> tuple[AirflowRun, ...]:
        """List a DAG's runs, the newest first; `~` is every DAG."""
        page = self._call(
            f"runs of '{dag_id}'",
            lambda: DagRunApi(self._client).get_dag_runs(
                dag_id, limit=limit, order_by=["-run_after", "-id"], **self._limit()
            ),
        )
        return tuple(run_of(run) for run in page.dag_runs)

    # -- updates of tables

    def updates(self, since: datetime, prefix: str) -> dict[str, datetime]:
        """Give when assets whose URI begins so were last updated, by URI, of those updated since then."""
        found: dict[str, datetime] = {}
        what = {"timestamp_gte": since, "name_prefix_pattern": prefix, "order_by": ["timestamp"], "limit": _PAGE}
        for offset in count(0, _PAGE):
            ask = partial(AssetApi(self._client).get_asset_events, **what, offset=offset, **self._limit())
            page = self._call("updates of tables", ask)
            for event in page.asset_events:
                found[event.uri] = max(_utc(event.timestamp), found.get(event.uri, since))
            if len(page.asset_events) < _PAGE:
                break
        return found

    def stop_run(self, dag_id: str, run_id: str) -> None:
        """Mark a run failed, which ends its tasks; raise NotFoundError if there is none."""
        body = DAGRunPatchBody(state="failed")
        self._call(
            f"run '{run_id}'",
            lambda: DagRunApi(self._client).patch_dag_run(dag_id, run_id, body, update_mask=["state"], **self._limit()),
        )

    # -- our plugin's route in the api-server

    def preview(self, schedule: Schedule, count: int, after: datetime) -> tuple[datetime, ...]:
        """Give the next `count` fires after a moment, as Airflow's own timetable says, in UTC."""
        body = schedule.model_dump(mode="json", include={"cron", "timezone", "start", "end"})
        body |= {"count": count, "after": after.isoformat()}

        def read(answer: Any) -> tuple[datetime, ...]:
            return tuple(_utc(datetime.fromisoformat(text)) for text in answer["runs"])

        return self._ask_plugin("/athena/preview", body, read)

    def _ask_plugin(self, path: str, body: Mapping[str, Any], read: Callable[[Any], Result]) -> Result:
        """Send a request to one of our routes in the api-server; log in anew once if the token has expired."""
        response = self._post(path, body)
        if response.status_code == _UNAUTHORIZED:
            self._login()
            response = self._post(path, body)
        try:
            response.raise_for_status()
            return read(response.json())
        except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
            raise errors.UpstreamError(
                f"Cannot read Airflow's answer: '{path}' answered HTTP {response.status_code}. {_DO}"
            ) from error

    def _post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        with self._reaching():
            return self._http.post(path, json=body, headers={"Authorization": f"Bearer {self._login_once()}"})

    # -- how a request is sent

    def ask(self, what: str, send: Callable[[ApiClient, dict[str, Any]], Result]) -> Result:
        """Send a request of one of the client's other APIs, with the keywords that bound its wait."""
        return self._call(what, lambda: send(self._client, self._limit()))

    def _limit(self) -> dict[str, Any]:
        """Log in if nobody has, and bound the wait."""
        self._login_once()
        return {"_request_timeout": self._timeout_s}

    def _call(self, what: str, ask: Callable[[], Result]) -> Result:
        """Send a request; log in anew once if the token has expired."""
        with self._reaching():
            try:
                return ask()
            except ApiException as error:
                if error.status != _UNAUTHORIZED:
                    raise _refusal(what, error) from error
            self._login()
            try:
                return ask()
            except ApiException as error:
                raise _refusal(what, error) from error

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, urllib3.exceptions.HTTPError) as error:
            raise errors.UnreachableError(
                f"Cannot reach Airflow at '{self._url}' ({type(error).__name__}). "
                "Check it with `athena status`, start it with `athena up`."
            ) from error
        except (OpenApiException, ValueError, LookupError) as error:
            raise errors.UpstreamError(
                f"Cannot understand the answer of Airflow at '{self._url}' ({type(error).__name__}). {_DO}"
            ) from error

    def _login_once(self) -> str:
        with self._lock:
            token = self._token
        return token or self._login()

    def _login(self) -> str:
        try:
            password = self._password_file.read_text().strip()
        except OSError as error:
            raise errors.ConfigurationError(
                f"Cannot log in to Airflow: '{self._password_file}' cannot be read ({error.strerror}). "
                "Start the stack with `athena up`."
            ) from error
        with self._reaching():
            response = self._http.post("/auth/token", json={"username": self._user, "password": password})
        if response.is_error:
            raise errors.UpstreamError(
                f"Cannot log in to Airflow as '{self._user}': it answered HTTP {response.status_code}. {_DO}"
            )
        with self._reaching():
            token = str(response.json()["access_token"])
        with self._lock:
            self._token = self._client.configuration.access_token = token
        return token


def _refusal(what: str, error: ApiException) -> errors.AthenaError:
    if error.status == _NOT_FOUND:
        return errors.NotFoundError(f"Cannot find {what}: Airflow does not know it. Look at the list of jobs.")
    if error.status == _CONFLICT:
        return errors.ConflictError(
            f"Cannot change {what}: its state in Airflow does not allow it ({_detail(error)}). Try again later."
        )
    return errors.UpstreamError(
        f"Cannot ask Airflow about {what}: it answered HTTP {error.status} ({_detail(error)}). {_DO}"
    )


def _detail(error: ApiException) -> str:
    """Give Airflow's own reason in at most 200 characters."""
    try:
        detail = json.loads(error.body or "")["detail"]
    except (ValueError, KeyError, TypeError):
        detail = error.reason
    return str(detail)[:200]


def _details_of(dag: Any, file_token: str) -> DagDetails:
    versions = [int(tag.name[1:]) for tag in dag.tags if tag.name[:1] == "v" and tag.name[1:].isdecimal()]
    return DagDetails(
        dag_id=dag.dag_id,
        version=max(versions, default=None),
        is_paused=dag.is_paused,
        is_stale=dag.is_stale,
        next_run_at=_utc(dag.next_dagrun_run_after) if dag.next_dagrun_run_after else None,
        file_token=file_token,
    )


def _standing_of(item: Mapping[str, Any]) -> DagStanding:
    moment = item["next_run_at"]
    return DagStanding(bool(item["is_paused"]), _utc(datetime.fromisoformat(moment)) if moment else None)


def run_of(run: Any) -> AirflowRun:
    """Read a DAG run of Airflow's client."""
    return AirflowRun(
        dag_id=run.dag_id,
        run_id=run.dag_run_id,
        run_type=str(run.run_type.value),
        state=str(run.state.value),
        run_after=_utc(run.run_after),
        logical_date=_utc(run.logical_date) if run.logical_date else None,
        queued_at=_utc(run.queued_at) if run.queued_at else None,
        started_at=_utc(run.start_date) if run.start_date else None,
        ended_at=_utc(run.end_date) if run.end_date else None,
        conf=dict(run.conf or {}),
    )


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)

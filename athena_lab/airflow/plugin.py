"""Airflow's plugin: routes in the api-server, our timetable. Every Airflow process imports it, so it is light."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from athena_lab.airflow.timetable import JobTimetable


class _Apps:
    """The list of our FastAPI apps, made when the api-server asks: the other processes never load FastAPI for it."""

    def __get__(self, instance: object, owner: type) -> list[dict[str, Any]]:
        # Here and not above: only the api-server may import Airflow's API, which costs seconds.
        from athena_lab.airflow.routes import app  # noqa: PLC0415 (above)

        return [{"app": app, "url_prefix": "/athena", "name": "athena_lab"}]


class AthenaPlugin(AirflowPlugin):  # type: ignore[misc]
    """What Airflow finds through the entry point `airflow.plugins`."""

    name = "athena_lab"
    fastapi_apps = _Apps()
    timetables = (JobTimetable,)

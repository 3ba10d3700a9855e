"""The plugin's routes in Airflow's api-server: its own users only, its own timetable."""

from __future__ import annotations

import json

import pytest

PROGRAM = """
import json, sys
from datetime import UTC, datetime
from fastapi import FastAPI
from fastapi.testclient import TestClient
from airflow import settings
from airflow.api_fastapi.app import create_auth_manager, init_plugins
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.revoked_token import RevokedToken
from airflow.utils.session import create_session

RevokedToken.__table__.create(settings.engine)
DagModel.metadata.create_all(settings.engine, tables=[DagBundleModel.__table__, DagModel.__table__])
with create_session() as session:
    moment = datetime(2026, 11, 24, 6, tzinfo=UTC)
    session.add(DagBundleModel(name="athena"))
    session.flush()
    for number in (1, 2):
        dag = DagModel(dag_id=f"d{number}", is_paused=number == 2, next_dagrun_create_after=moment)
        dag.bundle_name, dag.fileloc, dag.max_active_tasks, dag.max_consecutive_failed_dag_runs = "athena", "x.py", 1, 0
        session.add(dag)
manager = create_auth_manager()
manager.init()
app = FastAPI()
init_plugins(app)
client = TestClient(app)
good = "Bearer " + manager.generate_jwt(SimpleAuthManagerUser(username="athena", role="admin"))
answers = []
for path, headers, body in json.load(sys.stdin):
    headers = {k: v.replace("GOOD", good) for k, v in headers.items()}
    answer = client.post(path, headers=headers, json=body)
    answers.append([answer.status_code, answer.json()])
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def ask(airflow_process):
    def ask(*requests):
        done = airflow_process(PROGRAM, stdin=json.dumps(requests))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return ask


GOOD = {"Authorization": "GOOD"}


def test_routes_answer_airflows_own_users_only(ask, lab):
    body = {"cron": "0 0 * * *", "timezone": "UTC"}
    standings = ("/athena/standings", {"dag_ids": []})
    credentials = ({}, {"Authorization": "Bearer forged"}, {"Authorization": "Basic YTpi"}, GOOD)
    routes = (("/athena/preview", body), ("/athena/validate", {"spec": {}}), standings)
    answers = ask(*((path, headers, content) for path, content in routes for headers in credentials))
    assert [status for status, _ in answers] == [401, 403, 401, 200] * len(routes)


def test_preview_is_airflows_own_timetable_across_daylight_saving(ask):
    def preview(cron, zone, after, count=3):
        return ("/athena/preview", GOOD, {"cron": cron, "timezone": zone, "after": after, "count": count})

    spring, autumn, yearly, never, fields, zone = ask(
        preview("30 17 * * *", "Europe/London", "2027-03-26T00:00:00Z"),
        preview("30 1 * * *", "Europe/London", "2026-10-24T00:00:00Z"),
        preview("0 0 29 2 *", "UTC", "2026-11-24T00:00:00Z", 2),
        preview("0 0 30 2 *", "UTC", "2026-11-24T00:00:00Z", 2),
        preview("61 * * * *", "UTC", "2026-11-24T00:00:00Z"),
        preview("* * * * *", "Mars/Olympus", "2026-11-24T00:00:00Z"),
    )
    assert spring[1]["runs"] == ["2027-03-26T17:30:00Z", "2027-03-27T17:30:00Z", "2027-03-28T16:30:00Z"]
    assert autumn[1]["runs"][0] == "2026-10-24T00:30:00Z"
    assert yearly[1]["runs"] == ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]
    assert [answer[0] for answer in (never, fields, zone)] == [422, 422, 422]
    assert "61 * * * *" in fields[1]["detail"]


def test_validation_says_which_dag_would_be_made_or_why_none(ask, lab):
    good, bad = ask(
        ("/athena/validate", GOOD, {"spec": lab.spec("a" * 64, retries=1)}),
        ("/athena/validate", GOOD, {"spec": lab.spec("a" * 64, schedule={"cron": "61 * * * *", "timezone": "UTC"})}),
    )
    assert good == [200, {"dag_id": "athena__analysts__daily", "error": None}]
    assert bad[0] == 200
    assert "61 * * * *" in bad[1]["error"]


def test_standings_of_known_dags_come_in_one_answer(ask):
    found, too_many = ask(
        ("/athena/standings", GOOD, {"dag_ids": ["d1", "d2", "unknown"]}),
        ("/athena/standings", GOOD, {"dag_ids": ["d"] * 501}),
    )
    moment = "2026-11-24T06:00:00Z"
    assert sorted(found[1]["dags"], key=lambda dag: dag["dag_id"]) == [
        {"dag_id": "d1", "is_paused": False, "next_run_at": moment},
        {"dag_id": "d2", "is_paused": True, "next_run_at": moment},
    ]
    assert too_many[0] == 422

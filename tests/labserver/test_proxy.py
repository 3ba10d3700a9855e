"""Answers and errors of the gateway come through as they are, and its absence is said in three parts."""

import time

from pydantic import TypeAdapter

from athena_lab import __version__
from athena_lab.gateway_api import wire
from athena_lab.gateway_api.jobs import Check, Promotion, RunSummary
from athena_lab.gateway_api.rehearsals import Rehearsal
from athena_lab.labserver.handshake import Handshake


def promote(jupyter, path, name, **more):
    bundle = jupyter.request("POST", "/athena/draft", json={"path": path}).json()
    body = {"bundle": bundle["hash"], "name": name} | more
    answer = jupyter.request("POST", "/athena/api/jobs", json=body)
    assert answer.is_success, answer.text
    return Promotion.model_validate_json(answer.content)


def test_handshake_names_both_sides(jupyter):
    handshake = Handshake.model_validate_json(jupyter.request("GET", "/athena/version").content)
    assert handshake.labserver == __version__
    assert handshake.gateway == wire.Version(version="0.1.0", is_isolated=False)


def test_handshake_says_why_the_gateway_is_away(lonely_jupyter):
    answer = lonely_jupyter.request("GET", "/athena/version")
    handshake = Handshake.model_validate_json(answer.content)
    assert answer.status_code == 200
    assert handshake.gateway is None
    assert handshake.error
    assert handshake.error.error == "UnreachableError"


def test_absent_gateway_is_503_in_three_parts(lonely_jupyter):
    answer = lonely_jupyter.request("GET", "/athena/api/jobs")
    body = wire.ErrorBody.model_validate_json(answer.content)
    assert answer.status_code == 503
    assert body.message.startswith("Cannot reach the gateway at 'http://127.0.0.1:")
    assert "athena up" in body.message


def test_faults_of_the_gateway_arrive_with_its_status(jupyter):
    bundle = jupyter.request("POST", "/athena/draft", json={"path": jupyter.write("faults.ipynb", "1")}).json()
    schedule = {"cron": "61 * * * *", "timezone": "Nowhere/Land"}
    body = {"bundle": bundle["hash"], "name": "", "schedule": schedule}
    answer = jupyter.request("POST", "/athena/api/jobs", json=body)
    faults = wire.ErrorBody.model_validate_json(answer.content).faults
    assert answer.status_code == 422
    assert {fault.field for fault in faults} == {"name", "schedule.cron", "schedule.timezone"}
    checked = Check.model_validate_json(jupyter.request("POST", "/athena/api/jobs/check", json=body).content)
    assert checked.faults == faults


def test_long_poll_waits_until_the_version_is_visible(jupyter, gateway):
    gateway.control(visible_after_s=1.0)
    promotion = promote(jupyter, jupyter.write("wait.ipynb", "1"), "wait")
    started = time.monotonic()
    answer = jupyter.request(
        "GET", f"/athena/api/jobs/{promotion.job_id}/versions/{promotion.version}/promotion", params={"wait_s": "20"}
    )
    assert Promotion.model_validate_json(answer.content).state == "visible"
    assert time.monotonic() - started < 10


def test_waiting_for_one_promotion_does_not_hold_up_other_requests(jupyter, gateway):
    gateway.control(is_scheduler_down=True)
    promotion = promote(jupyter, jupyter.write("hold.ipynb", "1"), "hold")
    path = f"/athena/api/jobs/{promotion.job_id}/versions/{promotion.version}/promotion"
    started = time.monotonic()
    # The same server process answers both: the second while the first is still open would fail if it blocked.
    assert jupyter.request("GET", path, params={"wait_s": "1"}).json()["state"] == "waiting"
    assert jupyter.request("GET", "/athena/api/jobs").is_success
    assert time.monotonic() - started < 10
    gateway.control(is_scheduler_down=False, visible_after_s=0.0)


def test_query_string_reaches_the_gateway(jupyter, gateway):
    assert jupyter.request("GET", "/athena/api/runs", params={"job_id": "none", "limit": "3"}).json() == []


def test_the_number_that_jupyterlab_appends_to_an_address_stays_behind(jupyter, gateway):
    assert len(jupyter.request("GET", "/athena/api/jobs?limit=1&1795516111145").json()["jobs"]) <= 1
    assert jupyter.request("GET", "/athena/api/jobs?1795516111145").is_success
    assert gateway.control()["requests"][-2:] == ["GET /v1/jobs?limit=1", "GET /v1/jobs"]
    assert "GET /v1/runs?job_id=none&limit=3" in gateway.control()["requests"]


def test_token_of_the_gateway_is_in_no_answer_and_no_log(jupyter, gateway):
    for path in ("/athena/version", "/athena/api/me", "/athena/api/jobs", "/api/contents"):
        assert gateway.token not in jupyter.request("GET", path).text
    assert gateway.token not in jupyter.log.read_text()


def test_output_of_a_run_is_a_read_only_notebook_of_the_drive(jupyter, gateway):
    gateway.control(visible_after_s=0.0)
    promotion = promote(jupyter, jupyter.write("drive.ipynb", "print(1)"), "drive")
    run = jupyter.request("POST", f"/athena/api/jobs/{promotion.job_id}/runs", json={}).json()
    model = jupyter.request("GET", f"/athena/contents/{run['id']}.ipynb", params={"content": "1"}).json()
    assert (model["type"], model["format"], model["writable"]) == ("notebook", "json", False)
    assert model["content"]["cells"][0]["source"] == "print(1)"
    assert "content" not in model or model["path"] == f"{run['id']}.ipynb"
    bare = jupyter.request("GET", f"/athena/contents/{run['id']}.ipynb", params={"content": "0"}).json()
    assert bare["content"] is None
    assert bare["format"] is None
    assert jupyter.request("GET", f"/athena/contents/{run['id']}.ipynb/checkpoints").json() == []
    listing = jupyter.request("GET", "/athena/contents/").json()
    assert run["id"] in [item["path"].removesuffix(".ipynb") for item in listing["content"]]
    runs = jupyter.request("GET", "/athena/api/runs").content
    assert run["id"] in [item.id for item in TypeAdapter(list[RunSummary]).validate_json(runs)]


def test_output_of_a_rehearsal_lies_in_a_folder_of_the_drive(jupyter, gateway):
    bundle = jupyter.request("POST", "/athena/draft", json={"path": jupyter.write("try.ipynb", "print(2)")}).json()
    answer = jupyter.request("POST", "/athena/api/rehearsals", json={"bundle": bundle["hash"]})
    rehearsal = Rehearsal.model_validate_json(answer.content)
    path = f"rehearsals/{rehearsal.id}.ipynb"
    model = jupyter.request("GET", f"/athena/contents/{path}", params={"content": "1"}).json()
    assert (model["type"], model["path"], model["writable"]) == ("notebook", path, False)
    assert model["content"]["cells"][0]["source"] == "print(2)"
    assert jupyter.request("GET", f"/athena/contents/{path}/checkpoints").json() == []
    assert jupyter.request("GET", f"/athena/contents/{rehearsal.id}.ipynb").status_code == 404


def test_a_rehearsal_is_followed_and_cancelled_through_the_labserver(jupyter, gateway):
    bundle = jupyter.request("POST", "/athena/draft", json={"path": jupyter.write("stop.ipynb", *"123")}).json()
    begun = jupyter.request("POST", "/athena/api/rehearsals", json={"bundle": bundle["hash"]}).json()
    path = f"/athena/api/rehearsals/{begun['id']}"
    assert jupyter.request("GET", path, params={"wait_s": "20"}).json() != begun
    assert jupyter.request("POST", f"{path}/cancel", json={}).json()["state"] == "cancelled"
    found = jupyter.request("GET", "/athena/api/rehearsals", params={"bundle": bundle["hash"], "limit": "1"}).json()
    assert [(one["id"], one["state"]) for one in found] == [(begun["id"], "cancelled")]


def test_drive_can_be_written_by_nobody(jupyter):
    for method in ("PUT", "PATCH", "POST", "DELETE"):
        assert jupyter.request(method, "/athena/contents/ab.ipynb", json={}).status_code == 405


def test_path_of_the_drive_that_is_no_run_is_not_found(jupyter):
    for path in ("missing.ipynb", "a.txt", "..%2Fjobs.ipynb", "a/b.ipynb", "rehearsals/none.ipynb", "rehearsals"):
        answer = jupyter.request("GET", f"/athena/contents/{path}")
        assert answer.status_code == 404, path
        assert wire.ErrorBody.model_validate_json(answer.content).error == "NotFoundError"

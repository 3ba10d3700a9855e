"""The labserver and the real gateway understand each other: read as the user, checked, deployed, listed, previewed."""

import pytest

from athena_lab.gateway_api import wire
from athena_lab.gateway_api.jobs import Bundle, Check, Job, Promotion
from athena_lab.labserver.handshake import Handshake
from tests.gateway.conftest import TOKENS, Gateway
from tests.labserver import conftest as servers


@pytest.fixture(scope="module")
def real(tmp_path_factory, nursery):
    """Give a Jupyter Server in front of a real gateway process (whose Airflow is the gateway tests' double)."""
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), nursery)
    gateway.start()
    home = tmp_path_factory.mktemp("real")
    address = servers.Gateway(gateway.url, TOKENS["ann"])
    jupyter, process = servers.start_jupyter("jupyter_server", home, servers.environment_of(home, address))
    yield jupyter
    servers.end(process)
    gateway.close()


def ask(jupyter, model, method, path, **options):
    answer = jupyter.request(method, path, **options)
    assert answer.is_success, answer.text
    return model.model_validate_json(answer.content)


def test_notebook_of_the_user_becomes_a_job_of_the_real_gateway(real):
    path = real.write("reports/peak.ipynb", "print(1)", athena={"notebook_id": "an-id"})
    assert ask(real, Handshake, "GET", "/athena/version").gateway is not None
    bundle = ask(real, Bundle, "POST", "/athena/draft", json={"path": path})
    schedule = {"cron": "0 7 * * 1-5", "timezone": "Europe/Berlin"}
    body = {"bundle": bundle.hash, "name": "Daily peak", "schedule": schedule, "parameters": [], "job_id": None}
    body |= {"message": ""}
    check = ask(real, Check, "POST", "/athena/api/jobs/check", json=body)
    assert not check.faults
    promotion = ask(real, Promotion, "POST", "/athena/api/jobs", json=body)
    assert (promotion.version, promotion.is_unchanged) == (1, False)
    waited = ask(
        real, Promotion, "GET", f"/athena/api/jobs/{promotion.job_id}/versions/1/promotion", params={"wait_s": "20"}
    )
    assert waited.version == 1
    job = ask(real, Job, "GET", f"/athena/api/jobs/{promotion.job_id}")
    assert job.source.notebook_id == "an-id"
    again = ask(real, Check, "POST", "/athena/api/jobs/check", json=body | {"job_id": job.id})
    assert again.is_unchanged
    assert again.next_version == 1


def test_faults_of_the_real_gateway_name_the_fields_of_the_form(real):
    bundle = ask(real, Bundle, "POST", "/athena/draft", json={"path": real.write("faults.ipynb", "1")})
    schedule = {"cron": "61 * * * *", "timezone": "Nowhere/Land"}
    body = {"bundle": bundle.hash, "name": "", "schedule": schedule, "parameters": []}
    answer = real.request("POST", "/athena/api/jobs", json=body)
    faults = wire.ErrorBody.model_validate_json(answer.content).faults
    assert answer.status_code == 422
    assert {"name", "schedule.cron", "schedule.timezone"} <= {fault.field for fault in faults}

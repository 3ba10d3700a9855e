"""The README's story without a browser: from a query to a running Airflow job through the gateway's API."""

import base64
import datetime
import json
import re
from pathlib import Path

import nbformat
import pytest

from athena_lab.errors import InvalidError, UnauthenticatedError
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.jobs import JobState, PromoteRequest, RunRequest, RunState
from athena_lab.gateway_api.terms import Parameter, ParameterType, Schedule
from athena_lab.warehouse.connect import connect
from tests.acceptance.notebooks import notebook_of, promote, upload
from tests.acceptance.running_stack import wait_for

pytestmark = [pytest.mark.story, pytest.mark.stack, pytest.mark.timeout(600)]
TOKEN = re.compile(rb"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}")
ROOT = Path(__file__).parent.parent.parent


def test_tour_is_promoted_and_its_run_writes_the_table(stack):
    tour = json.loads((ROOT / "notebooks" / "02_promote.ipynb").read_text())
    with stack.gateway() as gateway:
        bundle = upload(gateway, "notebooks/02_promote.ipynb", tour)
    names = {parameter.name: parameter for parameter in bundle.parameters}
    assert names["day"].type is ParameterType.DATE
    chosen = Parameter(name="day", type=ParameterType.DATE, relative="yesterday")
    promotion = promote(
        stack,
        "tour over http",
        tour,
        schedule=Schedule(cron="0 6 * * *", timezone="Europe/Amsterdam"),
        parameters=(chosen,),
    )
    assert promotion.version == 1
    with stack.gateway() as gateway:
        assert gateway.get_job(promotion.job_id).next_run_at > datetime.datetime.now(datetime.UTC)
        assert gateway.list_runs(job_id=promotion.job_id) == (), "a new job must not run at once"
        run = gateway.run_job(promotion.job_id, RunRequest(parameters={"day": str(names["day"].default)}))
    done = stack.wait_run(run.id, "succeeded")
    assert done.parameters["day"] == names["day"].default
    assert [cell.state for cell in done.cells] == ["succeeded"] * done.cells_total
    with stack.gateway() as gateway:
        output = nbformat.from_dict(gateway.get_output(run.id))
        nbformat.validate(output)
        assert any(cell.cell_type == "code" and cell.outputs for cell in output.cells)
    assert "token" not in json.dumps(output.get("metadata", {})).lower()


def test_relative_date_hangs_on_the_moment_of_the_trigger(stack):
    notebook = notebook_of("print('day is', day)", parameters="import datetime\nday = datetime.date(2020, 1, 1)")
    yesterday = Parameter(name="day", type=ParameterType.DATE, relative="yesterday")
    promotion = promote(stack, "relative", notebook, parameters=(yesterday,), schedule=Schedule(timezone="UTC"))
    run = stack.start_run(promotion.job_id)
    done = stack.wait_run(run.id, "succeeded")
    expected = (done.anchor.astimezone(datetime.UTC) - datetime.timedelta(days=1)).date().isoformat()
    assert done.parameters["day"] == expected
    with stack.gateway() as gateway:
        assert f"day is {expected}" in json.dumps(gateway.get_output(run.id))


def test_deploying_again_changes_nothing_and_a_change_is_the_next_version(stack):
    first = promote(stack, "versions", notebook_of("x = 1"))
    again = promote(stack, "versions", notebook_of("x = 1"))
    second = promote(stack, "versions", notebook_of("x = 2"))
    assert (first.version, again.version, again.is_unchanged, second.version) == (1, 1, True, 2)
    assert second.job_id == first.job_id


def test_failing_cell_fails_at_once_and_keeps_the_partial_output(stack):
    promotion = promote(stack, "failing", notebook_of("print('before')", "1 / 0", "print('never')"))
    run = stack.start_run(promotion.job_id)
    failed = stack.wait_run(run.id, "failed")
    assert "ZeroDivisionError" in (failed.error or "")
    assert [cell.state for cell in failed.cells] == ["succeeded", "failed", "pending"]
    with stack.gateway() as gateway:
        text = json.dumps(gateway.get_output(run.id))
    assert "before" in text
    assert "ZeroDivisionError" in text


def test_running_run_is_cancelled_and_its_kernel_is_gone(stack):
    marker = "athena_cancel_probe"
    promotion = promote(
        stack, "endless", notebook_of(f"import time\n{marker} = 1\nprint('started')", "time.sleep(600)")
    )
    run = stack.start_run(promotion.job_id)
    stack.wait_run(run.id, "running")
    wait_for("the first cell", lambda: stack.get_run(run.id).cells_done >= 1)
    with stack.gateway() as gateway:
        gateway.cancel_run(run.id)
    stack.wait_run(run.id, "cancelled", deadline_s=30)
    wait_for("the kernel's end", lambda: not processes_with(f"ATHENA_RUN={run.id}"), deadline_s=30)


def processes_with(variable: str) -> list[str]:
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in environ.read_bytes().split(b"\0"):
                found.append(environ.parent.name)
        except OSError:
            continue
    return found


def test_job_is_paused_resumed_and_deleted(stack):
    promotion = promote(stack, "short lived", notebook_of("x = 1"), schedule=Schedule(cron="0 6 * * *"))
    with stack.gateway() as gateway:
        assert gateway.pause_job(promotion.job_id).state is JobState.PAUSED
        assert gateway.resume_job(promotion.job_id).state is JobState.ACTIVE
        gateway.delete_job(promotion.job_id)
        assert promotion.job_id not in {job.id for job in gateway.list_jobs()}


def test_run_outlives_its_token_which_is_nowhere_to_be_found(stack):
    look = (
        "import os, pathlib\nprint(sorted(os.environ.items()))\nprint(pathlib.Path('/proc/self/cmdline').read_bytes())"
    )
    slow = "import time; time.sleep(20)"
    query = "%%athena late\nSELECT COUNT(*) AS n FROM metering.readings"
    promotion = promote(stack, "longer than a token", notebook_of(look, query, slow, query))
    run = stack.start_run(promotion.job_id)
    stack.wait_run(run.id, "succeeded")
    with stack.gateway() as gateway:
        text = json.dumps(gateway.get_output(run.id))
    assert "ATHENA_TOKEN_FD" in text
    assert not TOKEN.search(text.encode())
    places = ["gateway/outputs", "gateway/bundles", "jobs.git", "logs", "airflow", "workspace"]
    files = [file for place in places for file in (stack.home / place).rglob("*") if file.is_file()]
    assert files
    # Airflow keeps tokens of its own between its processes; a token of ours names its issuer.
    assert not [file for file in files if any(map(is_ours, TOKEN.finditer(file.read_bytes())))]


def is_ours(found: re.Match[bytes]) -> bool:
    payload = found[0].split(b".")[1]
    return b"athena-gateway" in base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))


def test_scheduled_runs_happen_by_themselves(stack):
    promotion = promote(stack, "every minute", notebook_of("print('tick')"), schedule=Schedule(cron="* * * * *"))

    def two_scheduled():
        with stack.gateway() as gateway:
            runs = gateway.list_runs(job_id=promotion.job_id)
        done = [run for run in runs if run.type == "scheduled" and run.state is RunState.SUCCEEDED]
        return done if len(done) >= 2 else None

    wait_for("two scheduled runs", two_scheduled, deadline_s=200, pause_s=2)
    with stack.gateway() as gateway:
        gateway.delete_job(promotion.job_id)


def test_all_faults_of_a_form_come_back_at_once(stack):
    with stack.gateway() as gateway:
        bundle = upload(gateway, "faulty.ipynb", notebook_of("x = n", parameters="n: int = 3"))
        request = PromoteRequest(
            bundle=bundle.hash,
            name="",
            schedule=Schedule(cron="61 * * * *", timezone="Europe/Amsterdm"),
            parameters=(Parameter(name="n", type=ParameterType.INTEGER, value="many"),),
        )
        with pytest.raises(InvalidError) as refused:
            gateway.promote(request)
    fields = {fault.field.split(".")[0] for fault in refused.value.faults}
    assert {"name", "schedule", "parameters"} <= fields
    assert "Europe/Amsterdam" in str(refused.value)


def test_consolidated_warehouse_answers_a_query(stack):
    with stack.gateway() as gateway:
        client = connect(gateway)
        rows = list(client.query_and_wait("SELECT COUNT(*) AS n FROM metering.readings"))
        assert rows[0].n > 1000
        assert any(table.table == "customers" for table in gateway.get_catalog().tables)


def test_stranger_is_refused(stack):
    with GatewayClient(stack.url("gateway"), lambda: "nobody") as stranger, pytest.raises(UnauthenticatedError):
        stranger.list_jobs()

"""The gateway killed at each seam of a promotion: the old state or the new is left, and a retry makes one version."""

import os
import signal

import pytest

from athena_lab.errors import UnreachableError
from athena_lab.gateway.seams import CRASH_CODE, SEAMS
from athena_lab.gateway_api.jobs import PromotionState, RunRequest

BEFORE_THE_COMMIT = {"bundle", "audit"}


@pytest.mark.parametrize("seam", SEAMS)
def test_a_gateway_killed_at_a_seam_leaves_one_state_and_a_retry_one_version(make_gateway, seam):
    gateway = make_gateway()
    gateway.start(ATHENA_CRASH_AT=seam)
    request = gateway.request_of()
    with pytest.raises(UnreachableError):
        gateway.ann.promote(request)
    assert gateway.wait_for_end() == CRASH_CODE

    gateway.start()
    after = [(job.id, job.version) for job in gateway.ann.list_jobs()]
    assert after == ([] if seam in BEFORE_THE_COMMIT else [("daily_sales", 1)])

    again = gateway.ann.promote(request)
    assert (again.job_id, again.version) == ("daily_sales", 1)
    assert again.is_unchanged == (seam not in BEFORE_THE_COMMIT)
    assert gateway.ann.get_promotion("daily_sales", 1, wait_s=20).state is PromotionState.VISIBLE
    assert [item.version for item in gateway.ann.list_versions("daily_sales")] == [1]
    assert gateway.commits() == ["Deploy daily_sales v1", "Bring the platform's files up to date"]
    assert list(gateway.airflow.dags) == ["athena_beacon", "athena__local__daily_sales"]
    decisions = [record["decision"] for record in gateway.records() if record["action"] == "job.promote"]
    assert set(decisions) == {"allowed"}
    assert len(decisions) == (1 if seam == "bundle" else 2)


def test_an_update_killed_after_its_commit_is_finished_without_any_retry(make_gateway):
    gateway = make_gateway()
    gateway.start()
    gateway.deploy("print(1)")
    update = gateway.request_of("print(2)")
    gateway.terminate()
    gateway.start(ATHENA_CRASH_AT="commit")
    with pytest.raises(UnreachableError):
        gateway.ann.promote(update)
    assert gateway.wait_for_end() == CRASH_CODE
    gateway.start()
    assert gateway.ann.get_promotion("daily_sales", 2, wait_s=20).state is PromotionState.VISIBLE
    assert gateway.commits()[0] == "Deploy daily_sales v2"


def test_a_gateway_killed_outright_knows_its_runs_and_goes_on_with_the_audit(make_gateway):
    gateway = make_gateway()
    gateway.start()
    job = gateway.deploy()
    run = gateway.ann.run_job(job.id, RunRequest())
    attempt = gateway.worker.begin_attempt(gateway.attempt_request(run, job))
    os.kill(gateway.pid, signal.SIGKILL)
    assert gateway.wait_for_end() == -signal.SIGKILL
    # A record that was being written when the machine stopped: its action never happened.
    with (gateway.home.gateway / "audit.jsonl").open("ab") as audit:
        audit.write(b'{"action": "half')
    gateway.start()
    assert gateway.worker.heartbeat(run.id, attempt.attempt).token
    assert gateway.as_holder_of(attempt.token).get_me().run == run.id
    assert {record["action"] for record in gateway.records()} > {"attempt.begin", "attempt.heartbeat"}

"""Runs over a real socket: people, workers and a run's own credential."""

import pytest

from athena_lab.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnauthenticatedError
from athena_lab.gateway_api.jobs import RunRequest, RunState
from athena_lab.gateway_api.tokens import GATEWAY, WAREHOUSE, TokenVerifier
from athena_lab.gateway_api.worker import CellEvent, Finish

NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


@pytest.fixture(scope="module")
def job(gateway):
    return gateway.deploy("print('runs')", name="Runs")


def begin(gateway, job, **changes):
    run = gateway.ann.run_job(job.id, RunRequest(parameters={"day": "2026-01-31"}))
    return run, gateway.worker.begin_attempt(gateway.attempt_request(run, job, **changes))


def finish_of(state, run, **fields):
    return Finish(state=state, at=run.queued_at, **fields)


def test_a_run_is_recorded_cell_by_cell_with_its_output(gateway, job):
    run, attempt = begin(gateway, job)
    assert (run.state, attempt.parameters) == (RunState.QUEUED, {"day": "2026-01-31"})
    worker = gateway.worker
    worker.report_cell(run.id, 1, CellEvent(index=0, state="started", at=run.queued_at, cells_total=2))
    worker.save_output(run.id, 1, NOTEBOOK)
    seen = gateway.ann.get_run(run.id)
    assert (seen.state, seen.has_output, seen.cells[0].state) == (RunState.RUNNING, True, "running")
    worker.report_cell(run.id, 1, CellEvent(index=0, state="succeeded", at=run.queued_at, cells_total=2))
    worker.finish_attempt(run.id, 1, finish_of("succeeded", run))
    assert gateway.ann.get_run(run.id).state is RunState.SUCCEEDED
    assert gateway.ann.get_output(run.id)["nbformat"] == 4
    assert gateway.ann.list_runs(job_id=job.id, limit=1)[0].cells_done == 1
    assert gateway.ann.get_job(job.id).last_run.id == run.id


def test_a_worker_fetches_the_bundle_by_its_hash(gateway, job):
    assert gateway.worker.fetch_bundle(job.bundle)[:2] == b"PK"


def test_the_runs_own_token_reads_that_run_and_gets_a_warehouse_token_bound_to_it(gateway, job):
    run, attempt = begin(gateway, job)
    other, _ = begin(gateway, job)
    own = gateway.as_holder_of(attempt.token)
    assert own.get_me().run == run.id
    assert own.get_version().api == 1
    assert own.get_run(run.id).id == run.id
    with pytest.raises(ForbiddenError):
        own.get_run(other.id)
    token = own.get_warehouse_token()
    claims = TokenVerifier(gateway.home.jwks, gateway.home.revoked, WAREHOUSE).verify(token.token)
    assert (claims.user, claims.purpose, claims.run, claims.attempt) == ("ann", "run", run.id, 1)
    assert claims.groups == ("analysts",)


def test_a_request_that_is_sent_again_with_its_key_starts_one_run_also_over_a_restart(make_gateway):
    gateway = make_gateway()
    gateway.start()
    job, request = gateway.deploy(), RunRequest(parameters={"day": "2026-01-31"})
    run = gateway.ann.run_job(job.id, request, key="k1")
    assert gateway.ann.run_job(job.id, request, key="k1") == run
    gateway.terminate()
    gateway.start()
    assert gateway.ann.run_job(job.id, request, key="k1").id == run.id
    with pytest.raises(InvalidError, match="'k1' for this request: it came with another one"):
        gateway.ann.run_job(job.id, RunRequest(), key="k1")
    with pytest.raises(ForbiddenError):
        gateway.bob.run_job(job.id, request, key="k1")
    assert [one.id for one in gateway.ann.list_runs(job_id=job.id)] == [run.id]
    assert gateway.ann.run_job(job.id, request).id != run.id


@pytest.mark.parametrize("key", ["two words", "k" * 256])
def test_a_key_that_is_none_is_refused_with_its_headers_name(gateway, job, key):
    with pytest.raises(InvalidError) as refused:
        gateway.ann.run_job(job.id, RunRequest(), key=key)
    assert [fault.field for fault in refused.value.faults] == ["Idempotency-Key"]


def test_a_run_may_not_promote_run_cancel_pause_or_delete(gateway, job):
    run, attempt = begin(gateway, job)
    own = gateway.as_holder_of(attempt.token)
    request = gateway.request_of("print('runs')", name="Runs")
    for forbidden in (
        lambda: own.promote(request),
        lambda: own.run_job(job.id, RunRequest()),
        lambda: own.cancel_run(run.id),
        lambda: own.pause_job(job.id),
        lambda: own.resume_job(job.id),
        lambda: own.delete_job(job.id),
        lambda: own.get_output(run.id),
        lambda: own.list_runs(),
        lambda: own.list_jobs(),
        lambda: own.heartbeat(run.id, 1),
        lambda: own.fetch_bundle(job.bundle),
    ):
        with pytest.raises(ForbiddenError):
            forbidden()


def test_a_heartbeat_renews_the_token_and_the_end_of_the_attempt_revokes_every_one(gateway, job):
    run, attempt = begin(gateway, job)
    renewed = gateway.worker.heartbeat(run.id, 1)
    assert renewed.token != attempt.token
    gateway.worker.finish_attempt(run.id, 1, finish_of("failed", run, error="NameError"))
    for token in (attempt.token, renewed.token):
        with pytest.raises(UnauthenticatedError, match="revoked"):
            gateway.as_holder_of(token).get_me()
        for audience in (GATEWAY, WAREHOUSE):
            with pytest.raises(UnauthenticatedError, match="revoked"):
                TokenVerifier(gateway.home.jwks, gateway.home.revoked, audience).verify(token)
    with pytest.raises(ConflictError):
        gateway.worker.heartbeat(run.id, 1)
    assert gateway.ann.get_run(run.id).error == "NameError"


def test_a_second_attempt_takes_the_token_and_the_voice_of_the_first(gateway, job):
    run, first = begin(gateway, job)
    warehouse = gateway.as_holder_of(first.token).get_warehouse_token().token
    second = gateway.worker.begin_attempt(gateway.attempt_request(run, job, try_number=2, worker="worker-2"))
    assert second.attempt == 2
    with pytest.raises(UnauthenticatedError):
        gateway.as_holder_of(first.token).get_me()
    with pytest.raises(UnauthenticatedError):
        TokenVerifier(gateway.home.jwks, gateway.home.revoked, WAREHOUSE).verify(warehouse)
    assert gateway.as_holder_of(second.token).get_me().attempt == 2
    with pytest.raises(ConflictError):
        gateway.worker.save_output(run.id, 1, NOTEBOOK)
    with pytest.raises(ConflictError):
        gateway.worker.heartbeat(run.id, 1)
    assert [one.state for one in gateway.ann.get_run(run.id).attempts] == ["abandoned", "running"]


def test_a_cancelled_run_hears_of_it_and_is_stopped_in_airflow(gateway, job, until):
    run, _ = begin(gateway, job)
    assert gateway.ann.cancel_run(run.id).state is RunState.RUNNING
    assert gateway.worker.heartbeat(run.id, 1).is_cancelled
    gateway.worker.finish_attempt(run.id, 1, finish_of("cancelled", run))
    assert gateway.ann.get_run(run.id).state is RunState.CANCELLED
    until(lambda: state_in_airflow(gateway, run) == "failed", "Airflow's run is stopped")
    with pytest.raises(ConflictError):
        gateway.ann.cancel_run(run.id)


def test_a_worker_that_ignores_a_cancellation_loses_its_token(gateway, job, until):
    run, attempt = begin(gateway, job)
    gateway.ann.cancel_run(run.id)
    until(lambda: gateway.ann.get_run(run.id).state is RunState.CANCELLED, "the grace is over")
    with pytest.raises(UnauthenticatedError):
        gateway.as_holder_of(attempt.token).get_me()
    with pytest.raises(ConflictError):
        gateway.worker.heartbeat(run.id, 1)


def test_a_scheduled_run_that_waits_in_airflow_is_listed(gateway, job, until):
    run = {**gateway.airflow.runs[0], "dag_run_id": "scheduled__1", "run_type": "scheduled", "state": "queued"}
    gateway.airflow.runs.append(run)
    types = until(lambda: [one.type for one in gateway.ann.list_runs() if one.type == "scheduled"], "it is listed")
    assert types == ["scheduled"]


def test_other_people_see_and_stop_no_run(gateway, job):
    run, _ = begin(gateway, job)
    gateway.worker.save_output(run.id, 1, NOTEBOOK)
    for forbidden in (gateway.bob.get_run, gateway.bob.get_output, gateway.bob.cancel_run):
        with pytest.raises(ForbiddenError):
            forbidden(run.id)
    assert gateway.bob.list_runs() == ()
    assert gateway.bob.list_runs(job_id=job.id) == ()


def test_an_output_that_is_no_notebook_or_of_no_attempt_is_refused(gateway, job):
    run, _ = begin(gateway, job)
    with pytest.raises(InvalidError):
        gateway.worker.save_output(run.id, 1, b"not json")
    with pytest.raises(NotFoundError):
        gateway.worker.save_output(run.id, 7, NOTEBOOK)
    with pytest.raises(NotFoundError, match="saved none yet"):
        gateway.ann.get_output(run.id)


def test_runs_and_their_outputs_survive_a_restart(make_gateway):
    gateway = make_gateway()
    gateway.start()
    job = gateway.deploy()
    run, _ = begin(gateway, job)
    gateway.worker.save_output(run.id, 1, NOTEBOOK)
    before = gateway.ann.get_run(run.id)
    assert gateway.terminate() == 0
    gateway.start()
    after = gateway.ann.get_run(run.id)
    # Where the restart took long, the run is "retrying" until its worker is heard of again.
    assert after.model_copy(update={"state": before.state}) == before
    assert gateway.ann.get_output(run.id)["nbformat"] == 4
    assert not gateway.worker.heartbeat(run.id, 1).is_cancelled


def test_a_run_outlives_its_tokens_life_by_its_heartbeats(make_gateway, until):
    gateway = make_gateway(ATHENA_RUN_TOKEN_S="2")
    gateway.start()
    job = gateway.deploy()
    run, attempt = begin(gateway, job)

    def is_expired():
        try:
            gateway.as_holder_of(attempt.token).get_me()
        except UnauthenticatedError:
            return True
        return False

    until(is_expired, "the first token expires")
    assert gateway.as_holder_of(gateway.worker.heartbeat(run.id, 1).token).get_me().run == run.id


def state_in_airflow(gateway, run):
    return next(one["state"] for one in gateway.airflow.runs if one["dag_run_id"] == run.airflow_run_id)

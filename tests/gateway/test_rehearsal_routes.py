"""Rehearsals over a real socket; the notebook names no table, since these tests' warehouse is nobody."""

import threading
import time

import pytest

from athena_lab.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnreachableError
from athena_lab.gateway_api.jobs import RunState
from athena_lab.gateway_api.rehearsals import RehearsalRequest
from athena_lab.gateway_api.terms import Parameter, ParameterType
from athena_lab.gateway_api.tokens import WAREHOUSE, TokenVerifier
from athena_lab.gateway_api.worker import REHEARSAL_DAG_ID, AttemptRequest, CellEvent, Finish

NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


def rehearse(gateway, text="print('rehearsed')", **fields):
    """Ask as ann, of a gateway whose Airflow has read the DAG of rehearsals."""
    dags = gateway.airflow.dags
    dags.setdefault(REHEARSAL_DAG_ID, {**dags["athena_beacon"], "dag_id": REHEARSAL_DAG_ID})
    return gateway.ann.rehearse(RehearsalRequest(bundle=gateway.upload(text), **fields))


def begin(gateway, rehearsal):
    run = next(run for run in gateway.airflow.runs if run["conf"]["athena_request"] == rehearsal.id)
    spec = run["conf"]["spec"]
    return gateway.worker.begin_attempt(
        AttemptRequest(
            dag_id=REHEARSAL_DAG_ID,
            airflow_run_id=run["dag_run_id"],
            run_type="manual",
            run_after=rehearsal.queued_at,
            job_id=spec["id"],
            version=spec["version"],
            bundle=spec["bundle"],
            try_number=1,
            worker="worker-1",
            is_isolated=False,
        )
    )


def end(gateway, rehearsal, state="succeeded"):
    gateway.worker.finish_attempt(rehearsal.id, 1, Finish(state=state, at=rehearsal.queued_at))


def test_a_rehearsal_runs_with_a_token_that_is_bound_to_its_scratch_dataset(gateway):
    day = Parameter(name="day", type=ParameterType.DATE, value="2026-01-31")
    rehearsal = rehearse(gateway, parameters=(day,))
    attempt = begin(gateway, rehearsal)
    assert attempt.parameters == {"day": "2026-01-31"}
    own = gateway.as_holder_of(attempt.token)
    verifier = TokenVerifier(gateway.home.jwks, gateway.home.revoked, WAREHOUSE)
    for token in (own.get_warehouse_token().token, gateway.worker.heartbeat(rehearsal.id, 1).token):
        claims = verifier.verify(token)
        assert (claims.user, claims.purpose, claims.run) == ("ann", "rehearsal", rehearsal.id)
        assert claims.scratch == rehearsal.scratch_dataset
    for forbidden in (lambda: own.get_rehearsal(rehearsal.id), lambda: own.cancel_rehearsal(rehearsal.id)):
        with pytest.raises(ForbiddenError):
            forbidden()
    assert gateway.worker.fetch_bundle(gateway.airflow.runs[-1]["conf"]["spec"]["bundle"])[:2] == b"PK"
    end(gateway, rehearsal)


def test_a_rehearsal_that_is_asked_for_again_with_its_key_is_the_same_one(gateway):
    asked = RehearsalRequest(bundle=rehearse(gateway).bundle)
    rehearsal = gateway.ann.rehearse(asked, key="r1")
    assert gateway.ann.rehearse(asked, key="r1") == rehearsal
    with pytest.raises(InvalidError, match="'r1' for this request"):
        gateway.ann.rehearse(RehearsalRequest(bundle=asked.bundle, timeout_s=60), key="r1")
    found = gateway.ann.list_rehearsals(asked.bundle)
    assert [one.id for one in found].count(rehearsal.id) == 1
    for one in (one for one in found if not one.state.is_final):  # those of other tests have ended
        gateway.ann.cancel_rehearsal(one.id)


def test_a_rehearsal_is_shown_cell_by_cell_with_its_output_to_its_owner_alone(gateway):
    rehearsal = rehearse(gateway)
    begin(gateway, rehearsal)
    event = CellEvent(index=1, state="started", at=rehearsal.queued_at, cells_total=3)
    gateway.worker.report_cell(rehearsal.id, 1, event)
    gateway.worker.save_output(rehearsal.id, 1, NOTEBOOK)
    seen = gateway.ann.get_rehearsal(rehearsal.id)
    assert (seen.state, seen.has_output) == (RunState.RUNNING, True)
    assert [(cell.index, cell.state) for cell in seen.cells] == [(0, "running"), (1, "pending")]
    assert gateway.ann.get_rehearsal_output(rehearsal.id)["nbformat"] == 4
    assert gateway.ann.list_rehearsals(rehearsal.bundle, limit=1) == (seen,)
    assert rehearsal.id not in [run.id for run in gateway.ann.list_runs()]
    bob = gateway.bob
    assert bob.list_rehearsals(rehearsal.bundle) == ()
    for forbidden in (bob.get_rehearsal, bob.get_rehearsal_output, bob.cancel_rehearsal, bob.get_run):
        with pytest.raises(ForbiddenError):
            forbidden(rehearsal.id)
    end(gateway, rehearsal)


def test_whoever_waits_hears_of_a_change_before_the_time_is_up(gateway):
    rehearsal = rehearse(gateway)
    begin(gateway, rehearsal)
    teller = threading.Timer(0.5, end, (gateway, rehearsal))
    started = time.monotonic()
    teller.start()
    assert gateway.ann.get_rehearsal(rehearsal.id, wait_s=15).state is RunState.SUCCEEDED
    assert 0.4 < time.monotonic() - started < 10
    teller.join()
    assert gateway.ann.get_rehearsal(rehearsal.id, wait_s=15).state is RunState.SUCCEEDED
    assert time.monotonic() - started < 12


def test_a_cancelled_rehearsal_is_stopped_in_airflow_and_the_audit_names_who_did_it(gateway, until):
    rehearsal = rehearse(gateway)
    gateway.ann.cancel_rehearsal(rehearsal.id)
    state = lambda: next(  # noqa: E731
        run["state"] for run in gateway.airflow.runs if run["conf"]["athena_request"] == rehearsal.id
    )
    until(lambda: state() == "failed", "Airflow's run is stopped")
    with pytest.raises(ConflictError):
        gateway.ann.cancel_rehearsal(rehearsal.id)
    told = [
        (one["user"], one["action"], one["decision"])
        for one in gateway.records()
        if one["object"].get("run") == rehearsal.id and one["action"].startswith("rehearsal.")
    ]
    assert told == [("ann", "rehearsal.request", "allowed"), ("ann", "rehearsal.cancel", "allowed")]


def test_a_version_tells_that_its_bundle_was_rehearsed(gateway):
    text = "print('rehearsed, then deployed')"
    rehearsal = rehearse(gateway, text)
    begin(gateway, rehearsal)
    end(gateway, rehearsal)
    job = gateway.deploy(text, name="Rehearsed")
    ended_at = gateway.ann.get_rehearsal(rehearsal.id).ended_at
    assert [one.rehearsed_at for one in gateway.ann.list_versions(job.id)] == [ended_at]
    assert gateway.ann.get_version_content(job.id, 1).rehearsed_at == ended_at
    assert gateway.ann.get_job(job.id).rehearsed_at == ended_at


def test_what_cannot_be_rehearsed_is_refused_with_the_reason(gateway):
    with pytest.raises(NotFoundError):
        gateway.ann.get_rehearsal("0" * 32)
    with pytest.raises(InvalidError, match="Upload"):
        gateway.ann.rehearse(RehearsalRequest(bundle="0" * 64))
    with pytest.raises(UnreachableError, match="warehouse"):
        rehearse(gateway, "%%athena\nINSERT INTO ds.days SELECT * FROM ds.orders")


def test_rehearsals_outlive_a_restart_of_the_gateway(make_gateway):
    made = make_gateway()
    made.start()
    rehearsal = rehearse(made)
    made.terminate()
    made.start()
    assert made.ann.get_rehearsal(rehearsal.id) == rehearsal
    assert begin(made, rehearsal).owner == "ann"


def test_a_gateway_whose_warehouse_is_bigquery_refuses_rehearsals(make_gateway):
    made = make_gateway()
    made.start(ATHENA_WAREHOUSE_URL="", ATHENA_WAREHOUSE_GRPC="")
    with pytest.raises(ConflictError, match="embedded"):
        rehearse(made)

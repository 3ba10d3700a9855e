"""Promotion over a real socket: bundles, checks, deployments, schedules, other people's jobs."""

import time

import pytest

from athena_lab.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnreachableError,
)
from athena_lab.gateway_api.jobs import BundleUpload, JobState, PromotionState, RunRequest, Source
from athena_lab.gateway_api.terms import Schedule


def test_a_notebook_becomes_a_job_that_airflow_shows(gateway):
    job = gateway.deploy("print('shown')", name="Shown")
    assert (job.id, job.owner, job.version, job.state) == ("shown", "ann", 1, JobState.ACTIVE)
    assert [parameter.name for parameter in job.parameters] == ["day", "limit"]
    assert "shown" in [item.id for item in gateway.ann.list_jobs()]
    assert [item.version for item in gateway.ann.list_versions("shown")] == [1]


def test_the_wait_for_a_promotion_ends_when_airflow_shows_it_and_not_before(gateway):
    gateway.airflow.is_reading = False
    promotion = gateway.ann.promote(gateway.request_of("print('slow')", name="Slow"))
    started = time.monotonic()
    still = gateway.ann.get_promotion("slow", promotion.version, wait_s=0.6)
    assert still.state is not PromotionState.VISIBLE
    assert time.monotonic() - started >= 0.6
    gateway.airflow.is_reading = True
    started = time.monotonic()
    assert gateway.ann.get_promotion("slow", promotion.version, wait_s=20).state is PromotionState.VISIBLE
    assert time.monotonic() - started < 15


def test_a_check_says_every_fault_at_once_and_changes_nothing(gateway):
    before = gateway.commits()
    request = gateway.request_of("print('bad')").model_copy(
        update={"name": "", "schedule": Schedule(cron="61 * * * *", timezone="Mars/Olympus"), "retries": -1}
    )
    check = gateway.ann.check_promotion(request)
    assert {fault.field for fault in check.faults} >= {"name", "schedule.cron", "schedule.timezone", "retries"}
    with pytest.raises(InvalidError) as caught:
        gateway.ann.promote(request)
    assert {fault.field for fault in caught.value.faults} == {fault.field for fault in check.faults}
    assert gateway.commits() == before


def test_a_check_without_fault_previews_ten_runs(gateway):
    request = gateway.request_of("print('fine')", name="Fine")
    asked = len(gateway.airflow.requests)
    assert gateway.ann.check_promotion(request, with_runs=False).next_runs == ()
    assert ("POST", "/athena/preview") not in gateway.airflow.requests[asked:]
    check = gateway.ann.check_promotion(request)
    assert (check.faults, len(check.next_runs), check.next_version) == ((), 10, 1)


def test_the_preview_tells_faults_before_it_asks_airflow(gateway):
    fine = gateway.ann.preview_schedule(Schedule(cron="0 6 * * *", timezone="Europe/London"))
    assert len(fine.runs) == 10
    assert fine.faults == ()
    wrong = gateway.ann.preview_schedule(Schedule(cron="* * * * *", timezone="Nowhere/At_All"))
    assert [fault.field for fault in wrong.faults] == ["schedule.timezone", "schedule.cron"]
    assert gateway.ann.preview_schedule(Schedule()).runs == ()


def test_with_airflow_down_a_preview_is_unreachable_but_a_check_still_works(make_gateway):
    gateway = make_gateway()
    gateway.airflow.stop()
    gateway.start()
    with pytest.raises(UnreachableError):
        gateway.ann.preview_schedule(Schedule(cron="0 6 * * *"))
    check = gateway.ann.check_promotion(gateway.request_of())
    assert (check.faults, check.next_runs) == ((), ())


def test_with_airflow_down_a_promotion_waits_and_is_finished_once_it_is_back(make_gateway):
    gateway = make_gateway()
    gateway.airflow.stop()
    gateway.start()
    promotion = gateway.ann.promote(gateway.request_of())
    assert promotion.state is PromotionState.WAITING
    with pytest.raises(UnreachableError):
        gateway.ann.pause_job(promotion.job_id)
    with pytest.raises(UnreachableError):
        gateway.ann.run_job(promotion.job_id, RunRequest())
    assert gateway.ann.list_runs() == ()
    gateway.airflow.start()
    seen = gateway.ann.get_promotion(promotion.job_id, 1, wait_s=20)
    assert seen.state is PromotionState.VISIBLE
    assert gateway.commits() == ["Deploy daily_sales v1", "Bring the platform's files up to date"]


def test_the_same_content_again_changes_nothing(gateway):
    gateway.deploy("print('same')", name="Same")
    before = gateway.commits()
    again = gateway.ann.promote(gateway.request_of("print('same')", name="Same"))
    assert (again.version, again.is_unchanged) == (1, True)
    assert gateway.commits() == before


def test_a_bundle_without_kernel_or_with_a_path_outside_is_refused_with_all_faults(gateway):
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
    files = ({"path": "../secret", "content_base64": "eA=="}, {"path": "a", "content_base64": "!"})
    with pytest.raises(InvalidError) as caught:
        gateway.ann.upload_bundle(BundleUpload(notebook=notebook, source=Source(path="bad.ipynb"), files=files))
    assert len(caught.value.faults) >= 3


def test_a_job_is_paused_resumed_and_deleted(gateway):
    gateway.deploy("print('pause')", name="Pause me")
    assert gateway.ann.pause_job("pause_me").state is JobState.PAUSED
    with pytest.raises(ConflictError, match="paused"):
        gateway.ann.run_job("pause_me", RunRequest())
    assert gateway.ann.resume_job("pause_me").state is JobState.ACTIVE
    assert gateway.ann.delete_job("pause_me").state is JobState.DELETED
    assert "pause_me" not in [job.id for job in gateway.ann.list_jobs()]
    with pytest.raises(ConflictError, match="deleted"):
        gateway.ann.run_job("pause_me", RunRequest())


def test_nobody_uses_the_job_of_somebody_else(gateway):
    job = gateway.deploy("print('mine')", name="Mine")
    bob = gateway.bob
    for forbidden in (
        lambda: bob.get_job("mine"),
        lambda: bob.list_versions("mine"),
        lambda: bob.get_promotion("mine", 1),
        lambda: bob.pause_job("mine"),
        lambda: bob.resume_job("mine"),
        lambda: bob.delete_job("mine"),
        lambda: bob.run_job("mine", RunRequest()),
        lambda: bob.promote(gateway.request_of("print('mine')", name="Mine", job_id="mine")),
    ):
        with pytest.raises(ForbiddenError):
            forbidden()
    assert bob.list_jobs() == ()
    with pytest.raises(InvalidError, match="Mine"):
        bob.promote(gateway.request_of("print('his')", name="Mine"))
    assert gateway.ann.get_job("mine") == job


def test_what_does_not_exist_is_not_found(gateway):
    for missing in (
        lambda: gateway.ann.get_job("nothing"),
        lambda: gateway.ann.list_versions("nothing"),
        lambda: gateway.ann.get_promotion("nothing", 1),
        lambda: gateway.ann.delete_job("nothing"),
        lambda: gateway.ann.run_job("nothing", RunRequest()),
        lambda: gateway.ann.get_run("0" * 32),
        lambda: gateway.ann.get_output("0" * 32),
        lambda: gateway.ann.cancel_run("../../etc"),
        lambda: gateway.worker.fetch_bundle("0" * 64),
    ):
        with pytest.raises(NotFoundError):
            missing()

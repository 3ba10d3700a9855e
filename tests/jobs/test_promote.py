"""Promotion with real git, SQLite and bundle store, and a double of Airflow's REST API."""

from __future__ import annotations

from datetime import timedelta

import pytest

from athena_lab.errors import (
    AuditError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnreachableError,
)
from athena_lab.gateway_api.bundles import EnvironmentLock
from athena_lab.gateway_api.jobs import JobQuery, JobState, PromotionState, Source
from athena_lab.gateway_api.terms import Parameter, ParameterType, Schedule
from athena_lab.jobs.promotion_plan import is_same_source
from athena_lab.jobs.repository import Change

MOMENT = "2026-11-24T06:00:00Z"
LOCK = EnvironmentLock(python="3.11", requirements=f"six==1.16.0 \\\n    --hash=sha256:{'a' * 64}\n")


def test_a_promotion_becomes_visible_with_its_version(workbench):
    promoter = workbench.open()
    made = promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    assert (made.job_id, made.version, made.state) == ("daily_sales", 1, PromotionState.COMMITTED)
    workbench.clock.move(1)
    seen = promoter.poll("daily_sales", 1)
    assert seen.state is PromotionState.VISIBLE
    assert seen.visible_at - seen.requested_at == timedelta(seconds=1)
    assert workbench.audited[0][0] == "job.promote"
    assert workbench.audited[0][1]["job_id"] == "daily_sales"


def test_the_same_content_again_makes_no_commit(workbench):
    promoter = workbench.open()
    promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    before = workbench.log()
    again = promoter.promote(workbench.request(message="again"), workbench.ann, workbench.audit)
    assert (again.version, again.is_unchanged) == (1, True)
    assert workbench.log() == before


def test_a_version_that_would_lose_its_locked_environment_is_told(workbench):
    def check(lock):
        request = workbench.request().model_copy(update={"bundle": workbench.bundle("print(2)", lock=lock)})
        return [(one.field, one.message) for one in promoter.check(request, workbench.ann).warnings]

    promoter, locked = workbench.open(), workbench.request()
    promoter.promote(locked, workbench.ann, workbench.audit)
    assert check(None) == check(LOCK) == [], "nothing is lost"
    locked = locked.model_copy(update={"bundle": workbench.bundle("print(1)", lock=LOCK)})
    promoter.promote(locked, workbench.ann, workbench.audit)
    assert check(LOCK) == []
    ((field, message),) = check(None)
    assert field == "environment"
    assert "(packages: 1)" in message


def test_earlier_content_is_a_new_version_that_names_its_origin(workbench):
    promoter = workbench.open()
    for text in ("one", "two", "one"):
        promoter.promote(workbench.request(text), workbench.ann, workbench.audit)
    versions = promoter.versions("daily_sales")
    assert [(item.version, item.origin) for item in versions] == [(3, 1), (2, None), (1, None)]
    assert versions[0].content_hash == versions[2].content_hash
    assert workbench.open().versions("daily_sales") == versions


def test_an_update_asks_for_the_shards_own_loader_and_a_first_job_for_the_beacons(workbench):
    promoter = workbench.open()
    promoter.promote(workbench.request("one"), workbench.ann, workbench.audit)
    promoter.promote(workbench.request("two"), workbench.ann, workbench.audit)
    promoter.promote(workbench.request("one", name="Other", path="o.ipynb"), workbench.ann, workbench.audit)
    assert workbench.airflow.reparsed == ["beacon.py", "energy/shard_000.py", "energy/shard_000.py"]
    assert promoter.poll("other", 1).state is PromotionState.VISIBLE
    assert promoter.poll("daily_sales", 2).state is PromotionState.VISIBLE


def test_airflow_is_asked_to_read_the_platforms_files_once_a_former_repository_has_them(workbench):
    first = workbench.open()
    first.pump()
    assert workbench.airflow.reparsed == [], "it finds them by itself in a repository that is new"
    repository = workbench.opened[-1].repository
    repository.commit(Change({"dags/rehearsal.py": None}), "athena", "Go back")
    repository.push()
    again = workbench.open()
    workbench.airflow.stop()
    again.pump()
    workbench.airflow.start()
    for _ in range(3):
        again.pump()
    assert workbench.airflow.reparsed == ["beacon.py"]


def test_start_at_moves_only_when_the_schedule_changes(workbench):
    promoter = workbench.open()
    promoter.promote(workbench.request("one"), workbench.ann, workbench.audit)
    first = workbench.clock()
    workbench.clock.move(3600)
    promoter.promote(workbench.request("two"), workbench.ann, workbench.audit)
    repository = workbench.opened[0].repository
    assert repository.spec("daily_sales").start_at == first
    promoter.promote(workbench.request("two", schedule=Schedule(cron="0 7 * * *")), workbench.ann, workbench.audit)
    assert repository.spec("daily_sales").start_at == workbench.clock()


def test_every_fault_of_a_form_is_told_at_once_and_nothing_changes(workbench):
    promoter = workbench.open()
    request = workbench.request(
        name=" ",
        schedule=Schedule(cron="61 * * * *", timezone="Europe/Londn"),
        parameters=(
            Parameter(name="limit", type=ParameterType.INTEGER, value="ten"),
            Parameter(name="x; import os", type=ParameterType.STRING, value="a"),
        ),
        retries=-1,
        timeout_s=0,
        message="m" * 1001,
    )
    before = workbench.log()
    with pytest.raises(InvalidError) as caught:
        promoter.promote(request, workbench.ann, workbench.audit)
    fields = {fault.field for fault in caught.value.faults}
    assert fields == {
        "name", "schedule.cron", "schedule.timezone", "parameters.limit", "parameters.x; import os", "retries",
        "timeout_s", "message",
    }  # fmt: skip
    assert {fault.field for fault in promoter.check(request, workbench.ann).faults} == fields
    assert workbench.log() == before
    assert workbench.audited == []


def test_an_unknown_bundle_is_a_fault(workbench):
    promoter = workbench.open()
    request = workbench.request().model_copy(update={"bundle": "0" * 64})
    (fault,) = promoter.check(request, workbench.ann).faults
    assert fault.field == "bundle"
    for bad in ("../../etc/passwd", "", "z" * 64):
        with pytest.raises(InvalidError, match="none with that hash"):
            promoter.promote(request.model_copy(update={"bundle": bad}), workbench.ann, workbench.audit)


def test_a_damaged_bundle_is_refused_before_anything_changes(workbench):
    promoter = workbench.open()
    request = workbench.request()
    stored = workbench.home / "gateway" / "bundles" / f"{request.bundle}.zip"
    stored.write_bytes(stored.read_bytes()[:-30])
    with pytest.raises(InvalidError, match="stored whole"):
        promoter.promote(request, workbench.ann, workbench.audit)


def test_a_name_taken_by_another_owner_is_a_fault_whatever_its_case(workbench):
    promoter = workbench.open()
    promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    request = workbench.request(name="DAILY sales", path="other.ipynb")
    (fault,) = promoter.check(request, workbench.bob).faults
    assert fault.message == "Cannot name the job 'DAILY sales': another owner's job has that name. Choose another name."
    (own,) = promoter.check(request, workbench.ann).faults
    assert "your job of 'sales.ipynb' has that name" in own.message


def test_the_same_notebook_and_name_is_the_next_version_of_its_job(workbench):
    promoter = workbench.open()
    promoter.promote(workbench.request("one"), workbench.ann, workbench.audit)
    check = promoter.check(workbench.request("two"), workbench.ann)
    assert (check.job_id, check.next_version, check.is_unchanged) == ("daily_sales", 2, False)
    assert len(check.next_runs) == 10
    promoter.promote(workbench.request("two"), workbench.ann, workbench.audit)
    assert [job.version for job in promoter.find(JobQuery(), workbench.ann).jobs] == [2]


def test_another_users_job_cannot_be_deployed_paused_or_deleted(workbench):
    promoter = workbench.open()
    promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    workbench.audited.clear()
    request = workbench.request("two", name="Mine now", job_id="daily_sales")
    assert [fault.field for fault in promoter.check(request, workbench.bob).faults] == ["job_id"]
    with pytest.raises(ForbiddenError):
        promoter.promote(request, workbench.bob, workbench.audit)
    for action in (promoter.pause, promoter.resume, promoter.delete):
        with pytest.raises(ForbiddenError):
            action("daily_sales", workbench.bob, workbench.audit)
    with pytest.raises(NotFoundError):
        promoter.pause("nothing", workbench.ann, workbench.audit)
    assert workbench.audited == []
    assert promoter.find(JobQuery(), workbench.bob).jobs == ()


def test_a_job_that_moved_on_refuses_the_stale_form(workbench):
    promoter = workbench.open()
    promoter.promote(workbench.request("one"), workbench.ann, workbench.audit)
    promoter.promote(workbench.request("two"), workbench.ann, workbench.audit)
    stale = workbench.request("three", job_id="daily_sales", expected_version=1)
    assert [fault.field for fault in promoter.check(stale, workbench.ann).faults] == ["expected_version"]
    with pytest.raises(ConflictError, match="at version 2 now"):
        promoter.promote(stale, workbench.ann, workbench.audit)
    # The retry of a deployment whose answer was lost is no conflict.
    retry = workbench.request("two", job_id="daily_sales", expected_version=1)
    assert promoter.promote(retry, workbench.ann, workbench.audit).is_unchanged


def test_without_an_audit_record_nothing_is_deployed(workbench):
    promoter = workbench.open()
    before = workbench.log()

    def refuse(_event: str, _detail: dict) -> None:
        raise AuditError("Cannot write the audit.")

    with pytest.raises(AuditError):
        promoter.promote(workbench.request(), workbench.ann, refuse)
    assert workbench.log() == before
    assert promoter.find(JobQuery(), workbench.ann).jobs == ()


def test_with_airflow_down_a_promotion_waits_and_is_finished_once(workbench):
    promoter = workbench.open()
    workbench.airflow.stop()
    made = promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    assert made.state is PromotionState.WAITING
    assert "waiting for the scheduler" in made.message
    assert workbench.log()[0] == "Deploy daily_sales v1"
    assert promoter.check(workbench.request("two"), workbench.ann).faults == ()
    assert promoter.pump() == 1
    workbench.airflow.start()
    workbench.clock.move(5)
    promoter = workbench.open()
    assert promoter.pump() == 1
    assert promoter.pump() == 0
    assert promoter.promotion("daily_sales", 1).state is PromotionState.VISIBLE
    assert workbench.log().count("Deploy daily_sales v1") == 1
    assert workbench.airflow.reparsed == ["beacon.py"]


def test_airflow_is_asked_again_with_growing_pauses(workbench):
    promoter = workbench.open()
    workbench.airflow.is_reading = False
    promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    for _ in range(20):
        workbench.clock.move(1)
        promoter.pump()
    assert len(workbench.airflow.reparsed) == 4  # at once, and after 2, 4 and 8 seconds


def test_a_promotion_that_takes_long_is_looked_at_rarely_and_keeps_no_pass_busy(workbench):
    promoter = workbench.open()
    workbench.airflow.is_reading = False
    promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    assert promoter.pump() == 1
    for _ in range(600):
        workbench.clock.move(1)
        promoter.pump()
    workbench.airflow.requests.clear()
    busy = 0
    for _ in range(600):
        workbench.clock.move(0.1)
        busy += promoter.pump()
    assert busy <= 60  # of 600 passes within a minute
    assert len(workbench.airflow.requests) <= 40
    workbench.airflow.is_reading = True
    for _ in range(30):
        workbench.clock.move(10)
        promoter.pump()
    assert promoter.promotion("daily_sales", 1).state is PromotionState.VISIBLE


def test_a_loader_that_fails_is_told_and_heals(workbench):
    promoter = workbench.open()
    workbench.airflow.is_reading = False
    promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    old = {
        "filename": "energy/shard_000.py", "bundle_name": "jobs", "import_error_id": 1,
        "stack_trace": "Traceback\nOldError: x\n", "timestamp": "2020-01-01T00:00:00Z",
    }  # fmt: skip
    workbench.airflow.import_errors = [old]
    workbench.clock.move(1)
    assert promoter.poll("daily_sales", 1).state is PromotionState.COMMITTED
    workbench.airflow.import_errors = [
        old | {"timestamp": "2026-11-24T06:00:01Z", "stack_trace": "Traceback\nKeyError: 'cron'\n\n"}
    ]
    failed = promoter.poll("daily_sales", 1)
    assert failed.state is PromotionState.FAILED
    assert "KeyError: 'cron'" in failed.message
    workbench.airflow.import_errors = []
    workbench.airflow.is_reading = True
    workbench.clock.move(100)
    promoter.pump()
    promoter.pump()
    assert promoter.promotion("daily_sales", 1).state is PromotionState.VISIBLE


def test_pausing_and_resuming_is_airflows_and_needs_it(workbench):
    promoter = workbench.open()
    promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    assert promoter.pause("daily_sales", workbench.ann, workbench.audit).state is JobState.PAUSED
    assert promoter.promote(workbench.request("two"), workbench.ann, workbench.audit).version == 2
    assert promoter.job("daily_sales").state is JobState.PAUSED
    workbench.airflow.stop()
    assert [job.state for job in promoter.find(JobQuery(), workbench.ann).jobs] == [JobState.PAUSED]
    with pytest.raises(UnreachableError, match="Start it with `athena up`"):
        promoter.resume("daily_sales", workbench.ann, workbench.audit)
    workbench.airflow.start()
    job = promoter.resume("daily_sales", workbench.ann, workbench.audit)
    assert job.state is JobState.ACTIVE
    assert job.next_run_at is not None


def test_a_job_that_airflow_has_not_read_cannot_be_paused_yet(workbench):
    promoter = workbench.open()
    workbench.airflow.is_reading = False
    promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    with pytest.raises(ConflictError, match="has not read it yet"):
        promoter.pause("daily_sales", workbench.ann, workbench.audit)


def test_a_deleted_job_is_gone_from_git_and_airflow_and_its_id_stays_taken(workbench):
    promoter = workbench.open()
    promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    dag_id = "athena__energy__daily_sales"
    workbench.airflow.runs.append(
        workbench.airflow.dags[dag_id]
        | {"dag_run_id": "r", "state": "running", "dag_versions": [], "run_type": "manual", "run_after": MOMENT}
    )
    deleted = promoter.delete("daily_sales", workbench.ann, workbench.audit)
    assert deleted.state is JobState.DELETED
    assert promoter.find(JobQuery(), workbench.ann).jobs == ()
    assert workbench.airflow.runs[0]["state"] == "failed"
    for _ in range(30):
        workbench.clock.move(10)
        left = promoter.pump()
    assert left == 0
    assert dag_id not in workbench.airflow.dags
    assert promoter.delete("daily_sales", workbench.ann, workbench.audit).state is JobState.DELETED
    assert workbench.log().count("Delete daily_sales v1") == 1
    assert len(promoter.versions("daily_sales")) == 1
    again = promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    assert (again.job_id, again.version) == ("daily_sales_2", 1)


def test_a_deletion_with_airflow_down_is_finished_later(workbench):
    promoter = workbench.open()
    promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    promoter.pump()
    workbench.airflow.stop()
    promoter.delete("daily_sales", workbench.ann, workbench.audit)
    assert promoter.pump() == 1
    workbench.airflow.start()
    promoter = workbench.open()
    for _ in range(30):
        workbench.clock.move(10)
        left = promoter.pump()
    assert left == 0
    assert set(workbench.airflow.dags) == {"athena_beacon"}


def test_a_job_given_back_by_git_alone_gets_its_outbox_entries_again(workbench):
    promoter = workbench.open()
    promoter.promote(workbench.request("one"), workbench.ann, workbench.audit)
    promoter.promote(workbench.request("two"), workbench.ann, workbench.audit)
    workbench.opened[0].outbox.close()
    for file in (workbench.home / "gateway").glob("outbox.sqlite*"):
        file.unlink()
    promoter = workbench.open()
    assert promoter.pump() == 0
    assert promoter.promotion("daily_sales", 2).state is PromotionState.VISIBLE
    assert promoter.promotion("daily_sales", 1).state is PromotionState.VISIBLE
    with pytest.raises(NotFoundError):
        promoter.promotion("daily_sales", 3)


def test_a_clone_that_was_lost_is_made_again(workbench):
    import shutil

    workbench.open().promote(workbench.request("one"), workbench.ann, workbench.audit)
    shutil.rmtree(workbench.home / "gateway" / "clone")
    promoter = workbench.open()
    assert promoter.promote(workbench.request("two"), workbench.ann, workbench.audit).version == 2


def test_jobs_are_found_by_words_by_their_notebook_and_page_by_page(workbench):
    promoter = workbench.open()
    for name in ("Daily peak", "daily sum", "Weekly peak"):
        promoter.promote(workbench.request(name=name), workbench.ann, workbench.audit)

    def names(**query):
        page = promoter.find(JobQuery(**query), workbench.ann)
        return [job.name for job in page.jobs], page.total

    assert names() == (["Daily peak", "daily sum", "Weekly peak"], 3)
    assert names(search="PEAK daily") == (["Daily peak"], 1)
    assert names(offset=1, limit=1) == (["daily sum"], 3)
    path = promoter.find(JobQuery(), workbench.ann).jobs[0].source.path
    assert names(path=path)[1] == 3
    assert names(path="elsewhere.ipynb", notebook_id="unknown") == ([], 0)


def test_a_selection_of_cells_is_not_the_notebook_nor_another_selection():
    whole = Source(path="a.ipynb", notebook_id="n")
    some = whole.model_copy(update={"cell_ids": ("a", "b")})
    assert is_same_source(some, some.model_copy(update={"path": "renamed.ipynb"}))
    assert not is_same_source(whole, some)
    assert not is_same_source(some, whole.model_copy(update={"cell_ids": ("a",)}))
    assert not is_same_source(whole, whole.model_copy(update={"cell_id": "a"}))


def test_names_that_look_alike_are_one_name(workbench):
    promoter = workbench.open()
    promoter.promote(workbench.request(name="Café"), workbench.ann, workbench.audit)
    for name in ("Cafe\u0301", "CAFÉ", "Ca\u200dfé"):
        (fault,) = promoter.check(workbench.request(name=name, path="other.ipynb"), workbench.ann).faults
        assert "your job of 'sales.ipynb' has that name" in fault.message
    assert [job.name for job in promoter.find(JobQuery(search="cafe\u0301"), workbench.ann).jobs] == ["Café"]


@pytest.mark.parametrize("name", ["🚀 📈", "👩\u200d💻 report", "يومي", "דוח יומי", "日次レポート", "می\u200cشود"])
def test_a_name_of_any_script_is_kept_as_it_is(workbench, name):
    promoter = workbench.open()
    made = promoter.promote(workbench.request(name=name), workbench.ann, workbench.audit)
    assert promoter.job(made.job_id).name == name
    assert promoter.poll(made.job_id, 1).state is PromotionState.VISIBLE


@pytest.mark.parametrize("name", ["a\u202eb", "a\u0000b", "a\nb", "\u200d", "a\ufeffb"])
def test_a_name_with_what_nobody_sees_is_refused(workbench, name):
    (fault,) = workbench.open().check(workbench.request(name=name), workbench.ann).faults
    assert fault.field == "name"

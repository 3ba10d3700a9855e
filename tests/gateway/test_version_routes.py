"""Versions over a real socket: looking back, comparing, rolling back, editing, copying, handing over, restoring."""

import base64
import io
import zipfile

import pytest

from athena_lab.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from athena_lab.gateway_api.jobs import JobState, PromotionState, RunRequest
from athena_lab.gateway_api.terms import After, AfterMode, Schedule, Tables
from athena_lab.gateway_api.versions import (
    CloneRequest,
    DiffRequest,
    EditRequest,
    ImportRequest,
    RollbackRequest,
    TransferRequest,
)


def two_versions(gateway, name: str) -> str:
    gateway.deploy(f"print('{name}', 1)", name=name)
    return gateway.deploy(f"print('{name}', 2)", name=name).id


def settle(client, promotion):
    seen = client.get_promotion(promotion.job_id, promotion.version, wait_s=10)
    assert seen.state is PromotionState.VISIBLE, seen
    return client.get_job(promotion.job_id)


def test_a_version_is_given_whole_without_outputs(gateway):
    job = two_versions(gateway, "Whole")
    first, second = (gateway.ann.get_version_content(job, number) for number in (1, 2))
    assert "1)" in first.notebook["cells"][1]["source"]
    assert "2)" in second.notebook["cells"][1]["source"]
    assert (first.version, first.schedule.cron, first.owner) == (1, "30 6 * * *", "ann")
    assert all(cell.get("outputs", []) == [] for cell in first.notebook["cells"])
    with pytest.raises(NotFoundError, match="never deployed"):
        gateway.ann.get_version_content(job, 3)


def test_two_versions_and_an_undeployed_bundle_are_compared(gateway):
    job = two_versions(gateway, "Compare")
    diff = gateway.ann.diff_job(job, DiffRequest(version=1))
    assert (diff.version, diff.to_version, [cell.kind for cell in diff.cells]) == (1, 2, ["changed"])
    assert {line.kind for line in diff.cells[0].lines} == {"removed", "added"}
    assert (diff.same_cells, diff.is_same, diff.fields) == (1, False, ())
    assert gateway.ann.diff_job(job, DiffRequest(version=2)).is_same
    open_one = gateway.ann.diff_job(job, DiffRequest(bundle=gateway.upload("print('Compare', 1)")))
    assert (open_one.version, open_one.to_version, len(open_one.cells)) == (2, None, 1)


def test_a_comparison_with_nothing_or_with_what_does_not_exist_is_refused(gateway):
    job = two_versions(gateway, "Nothing to compare")
    with pytest.raises(InvalidError, match="names nothing"):
        gateway.ann.diff_job(job, DiffRequest())
    with pytest.raises(NotFoundError):
        gateway.ann.diff_job(job, DiffRequest(version=9))
    with pytest.raises(NotFoundError):
        gateway.ann.diff_job(job, DiffRequest(bundle="0" * 64))


def test_a_rollback_is_a_new_version_that_names_its_origin(gateway):
    job = two_versions(gateway, "Roll back")
    promotion = gateway.ann.rollback_job(job, RollbackRequest(version=1))
    now = settle(gateway.ann, promotion)
    versions = gateway.ann.list_versions(job)
    assert now.version == 3
    assert (versions[0].origin, versions[0].message, versions[0].bundle) == (1, "Roll back to v1", versions[2].bundle)
    assert gateway.ann.diff_job(job, DiffRequest(version=1)).is_same
    record = [entry for entry in gateway.records() if entry["action"] == "job.rollback"][-1]
    assert (record["object"]["job_id"], record["object"]["to"]) == (job, 1)


def test_a_rollback_to_the_current_content_changes_nothing(gateway):
    job = two_versions(gateway, "Roll nowhere")
    before = gateway.commits()
    promotion = gateway.ann.rollback_job(job, RollbackRequest(version=2))
    assert (promotion.version, promotion.is_unchanged) == (2, True)
    with pytest.raises(NotFoundError):
        gateway.ann.rollback_job(job, RollbackRequest(version=7))
    with pytest.raises(ConflictError, match="version 2 now"):
        gateway.ann.rollback_job(job, RollbackRequest(version=1, expected_version=1))
    assert gateway.commits() == before


def test_a_rollback_keeps_the_name_that_the_job_has_now(gateway):
    job = two_versions(gateway, "Old name")
    gateway.ann.edit_job(job, EditRequest(name="New name"))
    promotion = gateway.ann.rollback_job(job, RollbackRequest(version=1))
    assert settle(gateway.ann, promotion).name == "New name"
    assert gateway.ann.list_versions(job)[0].origin == 1


def test_schedule_and_parameters_are_edited_without_the_notebook(gateway):
    job = two_versions(gateway, "Edit")
    before = gateway.ann.get_job(job)
    day = before.parameters[0].model_copy(update={"value": "2026-02-02"})
    request = EditRequest(schedule=Schedule(cron="0 8 * * 1"), parameters=(day,), message="later", expected_version=2)
    after = settle(gateway.ann, gateway.ann.edit_job(job, request))
    assert (after.version, after.bundle, after.schedule.cron) == (3, before.bundle, "0 8 * * 1")
    assert [parameter.value for parameter in after.parameters] == ["2026-02-02", before.parameters[1].value]
    fields = {one.field for one in gateway.ann.diff_job(job, DiffRequest(version=2)).fields}
    assert fields == {"schedule.cron", "schedule.timezone", "parameters.day.value"}
    assert gateway.ann.edit_job(job, EditRequest()).is_unchanged


def test_an_edit_with_faults_tells_all_of_them_and_changes_nothing(gateway):
    job = two_versions(gateway, "Bad edit")
    wrong = gateway.ann.get_job(job).parameters[0].model_copy(update={"name": "x; import os"})
    before = gateway.commits()
    with pytest.raises(InvalidError) as caught:
        gateway.ann.edit_job(
            job, EditRequest(name=" ", schedule=Schedule(cron="61 * * * *"), parameters=(wrong,), retries=99)
        )
    fields = {fault.field.split(".")[0] for fault in caught.value.faults}
    assert fields >= {"name", "schedule", "parameters", "retries"}
    with pytest.raises(ConflictError):
        gateway.ann.edit_job(job, EditRequest(retries=1, expected_version=1))
    assert gateway.commits() == before


def test_a_job_is_renamed_but_not_to_a_name_that_is_taken(gateway):
    job = two_versions(gateway, "Rename me")
    gateway.deploy("print('taken')", name="Taken name")
    assert settle(gateway.ann, gateway.ann.edit_job(job, EditRequest(name="Renamed"))).name == "Renamed"
    with pytest.raises(InvalidError, match="taken name"):
        gateway.ann.edit_job(job, EditRequest(name="taken name"))


def test_a_clone_is_a_job_of_its_own(gateway):
    job = two_versions(gateway, "Clone me")
    clone = settle(gateway.ann, gateway.ann.clone_job(job, CloneRequest(name="Cloned")))
    original = gateway.ann.get_job(job)
    assert (clone.id, clone.version, clone.bundle, clone.schedule) == ("cloned", 1, original.bundle, original.schedule)
    with pytest.raises(InvalidError, match="has that name"):
        gateway.ann.clone_job(job, CloneRequest(name="CLONE me"))
    with pytest.raises(InvalidError):
        gateway.ann.clone_job(job, CloneRequest(name=" "))
    assert gateway.ann.get_job(job) == original


def test_a_job_given_away_is_paused_and_its_former_owner_has_no_right_to_it(gateway):
    job = two_versions(gateway, "Give away")
    with pytest.raises(InvalidError, match="no such user"):
        gateway.ann.transfer_job(job, TransferRequest(owner="nobody"))
    with pytest.raises(ConflictError, match="theirs already"):
        gateway.ann.transfer_job(job, TransferRequest(owner="ann"))
    gateway.ann.transfer_job(job, TransferRequest(owner="bob"))
    for forbidden in (
        lambda: gateway.ann.get_job(job),
        lambda: gateway.ann.resume_job(job),
        lambda: gateway.ann.transfer_job(job, TransferRequest(owner="ann")),
        lambda: gateway.ann.get_version_content(job, 1),
    ):
        with pytest.raises(ForbiddenError):
            forbidden()
    theirs = gateway.bob.get_job(job)
    assert (theirs.owner, theirs.state, theirs.version) == ("bob", JobState.PAUSED, 3)
    assert gateway.bob.resume_job(job).state is JobState.ACTIVE
    assert [entry["object"]["to"] for entry in gateway.records() if "to" in entry["object"]][-1] == "bob"


def test_a_job_with_a_run_under_way_is_not_given_away(gateway):
    job = two_versions(gateway, "Busy")
    gateway.ann.run_job(job, RunRequest())
    with pytest.raises(ConflictError, match="run is under way"):
        gateway.ann.transfer_job(job, TransferRequest(owner="bob"))
    assert gateway.ann.get_job(job).state is JobState.ACTIVE


def test_a_run_that_the_former_owner_asked_for_does_not_begin(make_gateway):
    gateway = make_gateway()
    gateway.start()
    job = gateway.deploy("print('handed')", name="Handed")
    run = gateway.ann.run_job(job.id, RunRequest())
    for one in gateway.airflow.runs:
        one["state"] = "success"  # Airflow lost sight of it, and starts it later
    settle(gateway.bob, gateway.ann.transfer_job(job.id, TransferRequest(owner="bob")))
    with pytest.raises(ConflictError, match="another owner"):
        gateway.worker.begin_attempt(gateway.attempt_request(run, gateway.bob.get_job(job.id)))


def test_a_deleted_job_comes_back_with_its_versions(gateway):
    job = two_versions(gateway, "Bring back")
    with pytest.raises(ConflictError, match="not deleted"):
        gateway.ann.restore_job(job)
    gateway.ann.delete_job(job)
    back = settle(gateway.ann, gateway.ann.restore_job(job))
    assert (back.state, back.version) == (JobState.ACTIVE, 3)
    assert [(one.version, one.origin) for one in gateway.ann.list_versions(job)] == [(3, 2), (2, None), (1, None)]
    assert gateway.airflow.paths("deleted").count(f"deleted/local/{job}.json") == 0
    assert gateway.ann.delete_job(job).state is JobState.DELETED


def test_a_deleted_job_whose_name_is_taken_does_not_come_back(gateway):
    job = two_versions(gateway, "Twice named")
    gateway.ann.delete_job(job)
    assert gateway.deploy("print('second')", name="Twice named").id != job
    with pytest.raises(ConflictError, match="has that name"):
        gateway.ann.restore_job(job)
    with pytest.raises(ForbiddenError):
        gateway.bob.restore_job(job)
    with pytest.raises(NotFoundError):
        gateway.ann.restore_job("never_was")


def test_a_deleted_job_that_would_close_a_circle_does_not_come_back(gateway):
    def deploy(name, reads, writes):
        tables = Tables(reads=(reads,), writes=(writes,))
        after = After(mode=AfterMode.UPDATES, tables=(reads,))
        fields = {"tables": tables, "after": after, "schedule": Schedule()}
        request = gateway.request_of(f"print('{name}')", name=name).model_copy(update=fields)
        return settle(gateway.ann, gateway.ann.promote(request))

    first = deploy("Round one", "ring.z", "ring.x")
    gateway.ann.delete_job(first.id)
    deploy("Round two", "ring.x", "ring.z")
    before = gateway.commits()
    with pytest.raises(InvalidError, match="wait in a circle"):
        gateway.ann.restore_job(first.id)
    assert gateway.commits() == before


def test_an_exported_job_becomes_a_new_one(gateway):
    job = two_versions(gateway, "Export me")
    exported = gateway.ann.export_job(job)
    assert "secret" not in exported.model_dump_json().casefold()
    made = settle(gateway.bob, gateway.bob.import_job(ImportRequest(job=exported, name="Imported")))
    assert (made.owner, made.version, made.schedule) == ("bob", 1, exported.schedule)
    assert (made.source.path, made.source.notebook_id) == ("sales.ipynb", None)
    mine = gateway.ann.get_version_content(job, 2).notebook
    assert gateway.bob.get_version_content(made.id, 1).notebook == mine
    with pytest.raises(InvalidError, match="has that name"):
        gateway.ann.import_job(ImportRequest(job=exported))


def zip_of(**members: bytes) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        ("no base64!", "not base64"),
        (base64.b64encode(b"no zip").decode(), "damaged"),
        (zip_of(notebook_ipynb=b"{}"), "lacks a readable notebook"),
        (zip_of(notebook_ipynb=b"{}", manifest_json=b"{}"), "not the one that was exported"),
        (zip_of(bomb=b"\0" * (101 * 1024**2)), "more than the"),
    ],
    ids=["text", "bytes", "half", "other", "bomb"],
)
def test_a_file_that_is_no_export_is_refused(gateway, archive, why):
    exported = gateway.ann.export_job(two_versions(gateway, "Sound")).model_copy(update={"archive_base64": archive})
    before = gateway.commits()
    with pytest.raises(InvalidError, match=why):
        gateway.ann.import_job(ImportRequest(job=exported, name="Broken"))
    assert gateway.commits() == before


def test_nobody_looks_into_or_changes_the_job_of_somebody_else(gateway):
    job = two_versions(gateway, "Not yours")
    before = gateway.commits()
    bob = gateway.bob
    for forbidden in (
        lambda: bob.get_version_content(job, 1),
        lambda: bob.diff_job(job, DiffRequest(version=1)),
        lambda: bob.rollback_job(job, RollbackRequest(version=1)),
        lambda: bob.edit_job(job, EditRequest(name="Mine")),
        lambda: bob.clone_job(job, CloneRequest(name="Mine")),
        lambda: bob.transfer_job(job, TransferRequest(owner="bob")),
        lambda: bob.restore_job(job),
        lambda: bob.export_job(job),
    ):
        with pytest.raises(ForbiddenError):
            forbidden()
    assert gateway.commits() == before
    denied = {
        entry["action"] for entry in gateway.records() if entry["decision"] == "denied" and entry["user"] == "bob"
    }
    assert denied >= {"job.version", "job.diff", "job.rollback", "job.edit", "job.clone", "job.transfer", "job.export"}

"""The audit: one record a decision, chained, on the disk, or no decision."""

import json
import resource
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from athena_lab.errors import AuditError, ForbiddenError, InvalidError, UnauthenticatedError
from athena_lab.gateway.audit import Audit, AuditEntry, verify_chain
from athena_lab.gateway.repeats import Repeats
from athena_lab.gateway_api.jobs import RunRequest
from athena_lab.gateway_api.terms import Schedule

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def entry_of(number: int, **changes) -> AuditEntry:
    fields = {
        "user": "ann",
        "kind": "user",
        "token_id": "t1",
        "purpose": "interactive",
        "action": "job.read",
        "object": {"job": f"job {number}"},
        "decision": "allowed",
    }
    return AuditEntry(**fields | changes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.jsonl"


@pytest.fixture
def open_audit(path):
    opened = []

    def open_(where=path):
        opened.append(Audit(where, lambda: NOW))
        return opened[-1]

    yield open_
    for audit in opened:
        audit.close()


def write(open_audit, count=3):
    audit = open_audit()
    for number in range(count):
        audit.record(entry_of(number))
    return audit


def test_records_chain_over_a_restart(path, tmp_path):
    for start in range(3):
        audit = Audit(path, lambda: NOW)
        audit.record(entry_of(start))
        audit.close()
    assert verify_chain(path) == 3
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record["sequence"] for record in records] == [1, 2, 3]
    assert records[1]["previous"] == records[0]["hash"]


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_single_changed_byte_is_found(path, open_audit, line):
    write(open_audit)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b"ann", b"bob")
    path.write_bytes(b"".join(lines))
    with pytest.raises(AuditError, match="was changed"):
        verify_chain(path)


@pytest.mark.parametrize(
    "change", [lambda lines: lines[1:], lambda lines: [lines[0], lines[2]], lambda lines: lines[1::-1]]
)
def test_a_removed_or_moved_record_is_found(path, open_audit, change):
    write(open_audit)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(AuditError):
        verify_chain(path)


def test_what_a_crash_left_of_a_record_is_cut_and_the_chain_goes_on(path, open_audit):
    audit = Audit(path, lambda: NOW)
    audit.record(entry_of(1))
    audit.close()
    with path.open("ab") as file:
        file.write(b'{"action":"half of a rec')
    open_audit().record(entry_of(2))
    assert verify_chain(path) == 2


def test_only_one_gateway_may_write(path, open_audit):
    open_audit()
    with pytest.raises(AuditError):
        open_audit()


def test_a_full_disk_refuses(open_audit, tmp_path):
    full = tmp_path / "full.jsonl"
    full.symlink_to("/dev/full")
    audit = open_audit(full)
    with pytest.raises(AuditError, match="No space left"):
        audit.record(entry_of(1))


def test_a_record_that_fits_in_part_leaves_nothing_of_itself(path):
    # A limit on the size of files stands for a disk that fills up in the middle of a record.
    code = f"""
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from athena_lab.errors import AuditError
from athena_lab.gateway.audit import Audit, AuditEntry
audit = Audit(Path({str(path)!r}), lambda: datetime.now(UTC))
entry = AuditEntry("ann", "user", "t", "interactive", "job.read", {{}}, "allowed")
audit.record(entry)
resource.setrlimit(resource.RLIMIT_FSIZE, (Path({str(path)!r}).stat().st_size + 100,) * 2)
try:
    audit.record(entry)
except AuditError:
    sys.exit(7)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 7
    assert verify_chain(path) == 1
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_file_that_was_replaced_meanwhile_refuses(path, open_audit):
    audit = write(open_audit)
    path.rename(path.with_suffix(".old"))
    with pytest.raises(AuditError):
        audit.record(entry_of(9))
    path.write_text("")
    with pytest.raises(AuditError, match="replaced"):
        audit.record(entry_of(9))


def test_polled_requests_are_new_again_after_a_minute():
    clock = [0.0]
    repeats = Repeats(lambda: clock[0])
    assert repeats.is_new("a")
    repeats.remember("a")
    assert not repeats.is_new("a")
    assert repeats.is_new("b")
    clock[0] = 60.0
    assert repeats.is_new("a")


# -- through the real gateway


def new_records(gateway, act):
    before = len(gateway.records())
    act()
    return gateway.records()[before:]


def test_every_change_has_one_record_that_says_who_did_what_to_what(gateway):
    request = gateway.request_of("print('audited')", name="Audited")
    (record,) = new_records(gateway, lambda: gateway.ann.promote(request))
    assert (record["action"], record["user"], record["kind"], record["decision"]) == (
        "job.promote",
        "ann",
        "user",
        "allowed",
    )
    assert record["object"]["job_id"] == "audited"
    assert record["object"]["bundle"] == request.bundle
    gateway.ann.get_promotion("audited", 1, wait_s=20)
    for name, act in {
        "job.pause": lambda: gateway.ann.pause_job("audited"),
        "job.resume": lambda: gateway.ann.resume_job("audited"),
        "run.request": lambda: gateway.ann.run_job("audited", RunRequest()),
        "run.cancel": lambda: gateway.ann.cancel_run(gateway.ann.list_runs()[0].id),
        "warehouse.token": lambda: gateway.ann.get_warehouse_token(),
        "job.delete": lambda: gateway.ann.delete_job("audited"),
    }.items():
        actions = [(one["action"], one["decision"]) for one in new_records(gateway, act) if one["action"] != "run.list"]
        assert actions == [(name, "allowed")]


def test_denials_of_every_sort_are_recorded(gateway):
    job = gateway.deploy("print('denied')", name="Denied")

    def refused(error, act):
        with pytest.raises(error):
            act()

    denials = {
        "UnauthenticatedError": lambda: refused(UnauthenticatedError, gateway.as_holder_of("x" * 40).get_me),
        "ForbiddenError": lambda: refused(ForbiddenError, lambda: gateway.bob.delete_job(job.id)),
        "InvalidError": lambda: refused(
            InvalidError, lambda: gateway.ann.run_job(job.id, RunRequest(parameters={"no": 1}))
        ),
    }
    for reason, act in denials.items():
        (record,) = new_records(gateway, act)
        assert (record["decision"], record["reason"]) == ("denied", reason)
    (record,) = new_records(gateway, lambda: gateway.send("PUT", "/v1/worker/attempts/x/1/output", "worker"))
    assert (record["kind"], record["user"], record["object"]) == ("unknown", "", {"run": "x", "attempt": "1"})


def test_polling_is_recorded_once_a_minute_but_each_of_its_denials(gateway):
    polled = new_records(gateway, lambda: [gateway.ann.get_me() for _ in range(5)])
    assert len(polled) <= 1

    def poll_what_is_not_mine():
        for _ in range(3):
            with pytest.raises(ForbiddenError):
                gateway.bob.get_job(gateway.deploy("print('denied')", name="Denied").id)

    denied = [one for one in new_records(gateway, poll_what_is_not_mine) if one["decision"] == "denied"]
    assert len(denied) == 3


def test_no_credential_and_nothing_that_a_user_typed_is_in_the_audit(gateway):
    with pytest.raises(InvalidError):
        gateway.ann.promote(gateway.request_of("print('x')", name="Private " * 40))
    gateway.ann.preview_schedule(Schedule(cron="typed by hand"))
    text = (gateway.home.gateway / "audit.jsonl").read_text() + gateway.log.read_text()
    for secret in ("token-of-ann", gateway.worker_key, "Private", "typed by hand"):
        assert secret not in text


def test_without_an_audit_the_answer_is_no_and_nothing_is_done(make_gateway):
    gateway = make_gateway()
    gateway.start()
    job = gateway.deploy()
    request = gateway.request_of("print('other')", name="Other")
    run = gateway.ann.run_job(job.id, RunRequest())
    path = gateway.home.gateway / "audit.jsonl"
    # The file taken away: what a lost disk looks like (root, who runs CI, may write to a read-only file).
    path.rename(path.with_suffix(".gone"))
    commits, runs = gateway.commits(), len(gateway.airflow.runs)
    bundles = len(list((gateway.home.gateway / "bundles").iterdir()))
    for refused in (
        lambda: gateway.ann.promote(request),
        lambda: gateway.ann.pause_job(job.id),
        lambda: gateway.ann.delete_job(job.id),
        lambda: gateway.ann.run_job(job.id, RunRequest()),
        lambda: gateway.ann.cancel_run(run.id),
        lambda: gateway.upload("print('third')"),
        lambda: gateway.ann.get_warehouse_token(),
        lambda: gateway.worker.begin_attempt(gateway.attempt_request(run, job)),
        lambda: gateway.as_holder_of("nobody").get_me(),
    ):
        with pytest.raises(AuditError, match="nothing was done"):
            refused()
    assert gateway.commits() == commits
    assert len(gateway.airflow.runs) == runs
    assert len(list((gateway.home.gateway / "bundles").iterdir())) == bundles
    assert not gateway.airflow.dags["athena__local__daily_sales"]["is_paused"]
    path.with_suffix(".gone").replace(path)
    seen = gateway.ann.get_run(run.id)
    assert (seen.state.value, seen.attempts) == ("queued", ())
    gateway.records()

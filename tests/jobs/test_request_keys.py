"""A request that is sent again with its key starts nothing more, whatever died in between."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from athena_lab.errors import ConflictError, InProgressError, InvalidError, UnreachableError
from athena_lab.gateway_api.jobs import RunRequest
from athena_lab.jobs.request_keys import KEPT_FOR, KeyedRequest, RequestKeys


class Office:
    """Keys in a file, and a list of what was started; `now` is moved by hand."""

    def __init__(self, path):
        self.path, self.now, self.started = path, datetime(2026, 11, 24, tzinfo=UTC), []
        self.keys = RequestKeys(path, now=lambda: self.now)

    def reopen(self):
        self.keys.close()
        self.keys = RequestKeys(self.path, now=lambda: self.now)

    def send(self, key="k1", owner="ann", action="run daily", note="", begin=None):
        asked = KeyedRequest(owner, key, action, RunRequest(note=note))
        return self.keys.once(asked, begin or self.begin, self.find)

    def begin(self, keep):
        name = f"run {len(self.started) + 1}"
        keep(name)
        self.started.append(name)
        return name

    def find(self, name):
        return name if name in self.started else None


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path / "runs.sqlite")
    yield made
    made.keys.close()


def test_the_same_request_gives_what_it_started_also_after_a_restart(office):
    assert office.send() == "run 1"
    assert office.send() == "run 1"
    office.reopen()
    assert office.send() == "run 1"
    assert office.started == ["run 1"]


def test_a_request_without_a_key_starts_something_each_time(office):
    assert (office.send(key=None), office.send(key=None)) == ("run 1", "run 2")


@pytest.mark.parametrize("other", [{"note": "another"}, {"action": "run weekly"}])
def test_a_key_that_came_with_another_request_is_refused_in_words(office, other):
    office.send()
    with pytest.raises(InvalidError, match="'k1' for this request: it came with another one") as refused:
        office.send(**other)
    assert [fault.field for fault in refused.value.faults] == ["Idempotency-Key"]
    assert office.started == ["run 1"]


def test_a_key_is_its_owners_own(office):
    assert office.send() == "run 1"
    assert office.send(owner="bob", note="another") == "run 2"


def test_a_key_is_forgotten_after_a_day(office):
    office.send()
    office.now += KEPT_FOR
    assert office.send() == "run 1"
    office.now += timedelta(seconds=1)
    assert office.send(note="another") == "run 2"


def test_what_was_refused_before_it_started_leaves_its_key_free(office):
    def refuse(_keep):
        raise ConflictError("Cannot run: it is paused. Resume it.")

    with pytest.raises(ConflictError):
        office.send(begin=refuse)
    assert office.send(note="another") == "run 1"


def test_what_failed_or_died_after_its_key_was_kept_begins_anew(office):
    def die(keep):
        keep("run 0")
        raise UnreachableError("Cannot reach Airflow: it is away. Start it.")

    with pytest.raises(UnreachableError):
        office.send(begin=die)
    office.reopen()
    assert office.send() == "run 1"
    assert office.send() == "run 1"


def test_the_second_of_two_at_once_is_told_to_wait(office):
    is_begun, may_end = threading.Event(), threading.Event()

    def begin(keep):
        is_begun.set()
        assert may_end.wait(10)
        return office.begin(keep)

    first = threading.Thread(target=office.send, kwargs={"begin": begin})
    first.start()
    assert is_begun.wait(10)
    try:
        with pytest.raises(InProgressError, match="still being answered"):
            office.send()
        assert office.send(key="k2") == "run 1"
    finally:
        may_end.set()
        first.join()
    assert office.send() == "run 2"

"""The jobs repository and the bundle store full, read-only or locked: it is said, and nothing is lost or done twice."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import time

import pytest

from athena_lab.errors import AthenaError, ConfigurationError, UnreachableError
from athena_lab.gateway_api.jobs import PromotionState
from athena_lab.jobs import repository as repositories

FULL = "No space left on device"
READ_ONLY = "Read-only file system"
SAID = {
    # What git 2.39 says on a tmpfs that is full, or mounted read-only.
    FULL: "remote: error: unable to write loose object file: {}\nremote: fatal: failed to write object",
    READ_ONLY: "remote: fatal: Unable to create temporary file '/srv/jobs.git/./objects/incoming/x': {}",
}


@pytest.fixture
def seam(tmp_path, monkeypatch):
    """Put a git before the real one that fails a verb as a disk in trouble makes it fail; `seam(None)` heals it.

    Why a double: no disk can be filled or mounted without the machine's own rights. The words are the real ones.
    """
    folder, trouble = tmp_path / "bin", tmp_path / "trouble"
    folder.mkdir()
    real = shutil.which("git")
    script = f'for word in "$@"; do if [ -f {trouble}.$word ]; then cat {trouble}.$word >&2; exit 128; fi; done'
    (folder / "git").write_text(f'#!/bin/sh\n{script}\nexec {real} "$@"\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def fail(verb: str | None, said: str = "") -> None:
        for old in tmp_path.glob("trouble.*"):
            old.unlink()
        if verb:
            tmp_path.joinpath(f"trouble.{verb}").write_text(said)

    return fail


@pytest.mark.parametrize("why", [FULL, READ_ONLY])
def test_a_remote_in_trouble_makes_a_deployment_wait_and_takes_it_once(workbench, seam, why):
    promoter = workbench.open()
    promoter.promote(workbench.request("one"), workbench.ann, workbench.audit)
    rest = "error: remote unpack failed: unpack-objects abnormal exit\nTo /srv/jobs.git\n"
    rest += " ! [remote rejected] main -> main (unpacker error)\nerror: failed to push some refs to '/srv/jobs.git'\n"
    seam("push", SAID[why].format(why) + "\n" + rest)
    waiting = promoter.promote(workbench.request("two"), workbench.ann, workbench.audit)
    assert waiting.state is PromotionState.WAITING
    assert why in waiting.message
    assert "It is tried again until it answers." in waiting.message
    with pytest.raises(UnreachableError, match=why):
        promoter.promote(workbench.request("three"), workbench.ann, workbench.audit)
    assert workbench.log()[0] == "Deploy daily_sales v1"
    promoter = workbench.open()  # a gateway that starts meanwhile
    promoter.pump()
    assert promoter.promotion("daily_sales", 2).state is PromotionState.WAITING
    seam(None)
    promoter.pump()
    workbench.clock.move(5)
    promoter.pump()
    assert promoter.promotion("daily_sales", 2).state is PromotionState.VISIBLE
    assert workbench.log()[:-1] == ["Deploy daily_sales v2", "Deploy daily_sales v1"]


@pytest.mark.parametrize("verb", ["read-tree", "hash-object", "write-tree", "commit-tree", "update-ref"])
def test_a_full_clone_refuses_a_deployment_and_leaves_nothing_of_it(workbench, seam, verb):
    promoter = workbench.open()
    promoter.promote(workbench.request("one"), workbench.ann, workbench.audit)
    seam(verb, f"fatal: sha1 file 'athena-index.lock' write error: {FULL}\n")
    with pytest.raises(AthenaError, match=f"Cannot finish 'git {verb}' on the jobs repository: .*{FULL}"):
        promoter.promote(workbench.request("two"), workbench.ann, workbench.audit)
    assert [item.version for item in promoter.versions("daily_sales")] == [1]
    assert workbench.opened[0].outbox.prepared() == []
    seam(None)
    assert promoter.promote(workbench.request("two"), workbench.ann, workbench.audit).version == 2
    assert workbench.log()[:-1] == ["Deploy daily_sales v2", "Deploy daily_sales v1"]


def test_a_clone_that_cannot_be_written_is_named(workbench):
    promoter = workbench.open()
    lock = workbench.home / "gateway" / "clone.lock"
    lock.unlink()
    lock.mkdir()  # no user, root neither, can open it for writing
    with pytest.raises(ConfigurationError, match=r"Cannot write to the clone .* Check the disk and the folder's owner"):
        promoter.promote(workbench.request(), workbench.ann, workbench.audit)
    lock.rmdir()
    assert promoter.promote(workbench.request(), workbench.ann, workbench.audit).version == 1


def test_a_lock_that_another_process_keeps_ends_in_words_and_then_the_deployment_goes_on(workbench, monkeypatch):
    promoter = workbench.open()
    monkeypatch.setattr(repositories, "_LOCK_WAIT_S", 0.2)
    with (workbench.home / "gateway" / "clone.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)  # of another opening of the file: it holds against this process, too
        began = time.monotonic()
        with pytest.raises(UnreachableError, match=r"another process has held 'clone\.lock'"):
            promoter.promote(workbench.request(), workbench.ann, workbench.audit)
        assert time.monotonic() - began < 10
    assert promoter.promote(workbench.request(), workbench.ann, workbench.audit).version == 1


@pytest.mark.parametrize("name", ["config", "HEAD", "packed-refs", "objects/info/commit-graph"])
def test_a_lock_that_a_killed_git_left_in_the_clone_stops_no_start(workbench, name):
    workbench.open().promote(workbench.request("one"), workbench.ann, workbench.audit)
    lock = workbench.home / "gateway" / "clone" / f"{name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    promoter = workbench.open()
    workbench.opened[-1].repository.maintain()
    assert promoter.promote(workbench.request("two"), workbench.ann, workbench.audit).version == 2


def test_a_full_bundle_store_says_so_and_keeps_no_part_of_what_did_not_fit(workbench):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # stands for a disk that fills up within the bundle
    try:
        with pytest.raises(
            UnreachableError, match=r"Cannot store the bundle .* Check the bundle store, then try again"
        ):
            workbench.bundle("print('much')")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((workbench.home / "gateway" / "bundles").iterdir()) == []
    assert workbench.bundle("print('much')")

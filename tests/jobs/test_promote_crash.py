"""A gateway killed at any seam of a promotion leaves the old state or the new one, and a retry makes one version."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from athena_lab.gateway_api.jobs import PromotionState

SPAWNER = """
import json, os, sys
from datetime import UTC, datetime
from pathlib import Path
from athena_lab.gateway_api.jobs import PromoteRequest
from athena_lab.gateway_api.wire import Principal
from athena_lab.jobs.airflow_api import Scheduler
from athena_lab.jobs.bundle_lineage import BundleLineage
from athena_lab.jobs.bundle_store import BundleStore
from athena_lab.jobs.outbox import Outbox
from athena_lab.jobs.promote import Promoter, PromotionRules, Services
from athena_lab.jobs.repository import JobsRepository

def promote(home, url, seam, request, ready, go):
    def at_seam(name):
        if name == seam:
            os._exit(9)

    if seam == "outbox":
        JobsRepository.commit = lambda *_: os._exit(9)
    bundles = BundleStore(str(home / "gateway" / "bundles"))
    services = Services(
        JobsRepository(home / "jobs.git", home / "gateway" / "clone"),
        Outbox(home / "gateway" / "outbox.sqlite"),
        bundles,
        Scheduler(url, home / "password"),
        BundleLineage(bundles, None, "athena", now=lambda: datetime.now(UTC)),
    )
    promoter = Promoter(services, PromotionRules(900, "energy"), now=lambda: datetime.now(UTC), at_seam=at_seam)
    promoter.recover()
    os.write(ready, b"r")
    os.read(go, 1)
    request = PromoteRequest.model_validate_json(request)
    made = promoter.promote(request, Principal(kind="user", user="ann"), lambda *_: None)
    if seam != "answer":
        (home / f"answer-{os.getpid()}").write_text(f"{made.job_id} {made.version} {made.is_unchanged}")
    os._exit(9 if seam == "answer" else 0)

for line in sys.stdin:
    home, url, tasks = json.loads(line)
    ready, go, pids = os.pipe(), os.pipe(), []
    for seam, request in tasks:
        pid = os.fork()
        if pid == 0:
            try:
                promote(Path(home), url, seam, request, ready[1], go[0])
            finally:
                os._exit(1)
        pids.append(pid)
    for _ in tasks:
        os.read(ready[0], 1)
    os.write(go[1], b"g" * len(tasks))
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    answers = [answer for pid in pids if (answer := Path(home, f"answer-{pid}")).exists()]
    print(json.dumps([codes, [answer.read_text() for answer in answers]]), flush=True)
"""


@pytest.fixture(scope="module")
def spawner():
    """A process that has imported everything once, and forks a gateway for each promotion it is told of."""
    command = [sys.executable, "-c", SPAWNER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()
        process.wait(timeout=30)


def promote_in_processes(spawner, workbench, *tasks: tuple[str, object]) -> tuple[list[int], list[str]]:
    """Promote at the same moment, each in a process of its own; give exit codes and sorted answers."""
    lines = [(seam, request.model_dump_json()) for seam, request in tasks]
    spawner.stdin.write(json.dumps([str(workbench.home), workbench.airflow.url, lines]) + "\n")
    spawner.stdin.flush()
    codes, answers = json.loads(spawner.stdout.readline())
    return codes, sorted(answers)


@pytest.mark.parametrize("seam", ["bundle", "audit", "outbox", "commit", "push", "reparse", "answer"])
def test_killed_at_a_seam_the_state_is_old_or_new_and_the_retry_makes_one_version(workbench, spawner, seam):
    workbench.open().promote(workbench.request("one"), workbench.ann, workbench.audit)
    codes, _ = promote_in_processes(spawner, workbench, (seam, workbench.request("two")))
    assert codes == [9]
    promoter = workbench.open()
    is_new = seam in ("commit", "push", "reparse", "answer")
    assert promoter.job("daily_sales").version == (2 if is_new else 1)
    assert workbench.log().count("Deploy daily_sales v2") == (1 if is_new else 0)
    assert not workbench.opened[-1].outbox.prepared()
    retried = promoter.promote(workbench.request("two"), workbench.ann, workbench.audit)
    assert (retried.version, retried.is_unchanged) == (2, is_new)
    assert [item.version for item in promoter.versions("daily_sales")] == [2, 1]
    workbench.clock.move(100)
    promoter.pump()
    workbench.clock.move(100)
    assert promoter.pump() == 0
    assert promoter.promotion("daily_sales", 2).state is PromotionState.VISIBLE


def test_a_seam_that_raises_leaves_a_state_that_the_same_process_can_go_on_from(workbench):
    def fail(name: str) -> None:
        if name == seam:
            raise KeyboardInterrupt

    for seam in ("bundle", "audit", "commit", "push", "reparse"):
        promoter = workbench.open(fail)
        request = workbench.request(f"text of {seam}")
        with pytest.raises(KeyboardInterrupt):
            promoter.promote(request, workbench.ann, workbench.audit)
        wanted, seam = seam, ""
        promoter.promote(request, workbench.ann, workbench.audit)
        versions = promoter.versions("daily_sales")
        assert len(versions) == len({item.content_hash for item in versions}), wanted


def test_two_gateways_promoting_one_notebook_at_once_make_one_job(workbench, spawner):
    workbench.open()
    request = workbench.request("same")
    codes, answers = promote_in_processes(spawner, workbench, ("", request), ("", request))
    assert codes == [0, 0]
    assert answers == ["daily_sales 1 False", "daily_sales 1 True"]
    assert workbench.log().count("Deploy daily_sales v1") == 1


def test_many_gateways_promoting_different_content_at_once_make_versions_of_one_job(workbench, spawner):
    workbench.open()
    tasks = [("", workbench.request(f"text {number}")) for number in range(4)]
    codes, answers = promote_in_processes(spawner, workbench, *tasks)
    assert codes == [0] * 4
    assert answers == [f"daily_sales {number} False" for number in range(1, 5)]
    assert workbench.open().job("daily_sales").version == 4

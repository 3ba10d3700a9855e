"""What 10, 1,000 and 10,000 jobs cost: cold start, a deployment, the dag-processor's work for it, lists and search.

Each scale is a stack of its own; the jobs are written into its repository at once, as one commit, while it is down.
"""

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from athena_lab import stack
from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.jobs import JobQuery
from athena_lab.jobs.job_listing import entry_of
from athena_lab.jobs.outbox import EntryState, Outbox
from athena_lab.jobs.platform_files import LOADER
from athena_lab.jobs.repository import SHARD_SIZE, Change, JobsRepository
from athena_lab.jobs.spec import JobSpec, with_content_hash
from athena_lab.jobs.spec_index import SpecPath
from athena_lab.settings import Home
from bench.figures import Figure
from bench.jobs import await_visible, deploy, promote, run_s
from bench.stacks import gateway_of, home_folder, start_in

SCALES = tuple(int(text) for text in os.environ.get("ATHENA_BENCH_JOBS", "10,1000,10000").split(","))
DEPLOYMENTS = 20
SEARCHES = 10
KNOWN_DEADLINE_S = 3600.0


def measure() -> Iterator[Figure]:
    """Measure each scale; the baseline of a figure is that of the first scale."""
    first: dict[str, float] = {}
    for scale in SCALES:
        for name, value, unit, n in _measure_at(scale):
            yield Figure(f"{name}_at_{scale}", round(value, 3), unit, first.get(name), n)
            first.setdefault(name, round(value, 3))


def _measure_at(scale: int) -> Iterator[tuple[str, float, str, int]]:
    with home_folder() as home:
        _fill(home, scale)
        began = time.monotonic()
        handle = start_in(home)
        try:
            with gateway_of(handle) as gateway:
                yield "jobs_ready_s", time.monotonic() - began, "s", 1
                _await_known(gateway, scale)
                yield "jobs_known_s", time.monotonic() - began, "s", 1
                yield from _deployments(handle, gateway)
                yield from _lists(gateway)
        finally:
            handle.stop()


def _deployments(handle: stack.Handle, gateway: GatewayClient) -> Iterator[tuple[str, float, str, int]]:
    before = _cpu_s(handle, "dag-processor"), time.monotonic()
    new = [deploy(gateway, f"new {n}", "x = 1") for n in range(DEPLOYMENTS)]
    updates = [deploy(gateway, "new 0", f"x = {n + 2}") for n in range(DEPLOYMENTS)]
    cpu_s, elapsed_s = (after - start for after, start in zip(_cpu_and_now(handle), before, strict=True))
    yield "deploy_s_p50", statistics.median(new), "s", DEPLOYMENTS
    yield "deploy_s_max", max(new), "s", DEPLOYMENTS
    yield "deploy_update_s_p50", statistics.median(updates), "s", DEPLOYMENTS
    yield "deploy_update_s_max", max(updates), "s", DEPLOYMENTS
    yield "dag_processor_cpu_s_a_change", cpu_s / (2 * DEPLOYMENTS), "s", 2 * DEPLOYMENTS
    yield "dag_processor_cpu_share", cpu_s / elapsed_s, "", 1
    promotion = promote(gateway, "first run", "x = 1")
    await_visible(gateway, promotion, KNOWN_DEADLINE_S)
    yield "first_run_after_deploy_s", run_s(gateway, promotion.job_id), "s", 1
    yield "second_run_s", run_s(gateway, promotion.job_id), "s", 1


def _lists(gateway: GatewayClient) -> Iterator[tuple[str, float, str, int]]:
    yield "list_s_p50", _median_s(gateway, JobQuery(limit=50)), "s", SEARCHES
    yield "search_s_p50", _median_s(gateway, JobQuery(search="filler 00003", limit=50)), "s", SEARCHES


def _median_s(gateway: GatewayClient, query: JobQuery) -> float:
    samples = []
    for _ in range(SEARCHES):
        began = time.monotonic()
        if not gateway.find_jobs(query).jobs:
            raise RuntimeError(f"nothing was found for {query}")
        samples.append(time.monotonic() - began)
    return statistics.median(samples)


# -- many jobs at once


def _fill(home: Home, count: int) -> None:
    """Make a home that holds `count` deployed jobs, beside the one that they are copies of."""
    handle = start_in(home)
    try:
        with gateway_of(handle) as gateway:
            promotion = promote(gateway, "pattern", "x = 0")
            await_visible(gateway, promotion, KNOWN_DEADLINE_S)
    finally:
        handle.stop()
    owners = [(folder, folder.stat()) for folder in (home.gateway, home.jobs_repository)]
    for folder, _ in owners:
        _give(folder, os.getuid(), os.getgid())  # git works in folders of one's own only
    _write_copies(home, promotion.job_id, count)
    for folder, owner in owners:
        _give(folder, owner.st_uid, owner.st_gid)


def _write_copies(home: Home, job_id: str, count: int) -> None:
    """Commit copies of a job, and note that Airflow has read them."""
    repository = JobsRepository(home.jobs_repository, home.gateway / "clone")
    pattern = repository.spec(job_id)
    specs = [_copy_of(pattern, number) for number in range(count)]
    files: dict[str, str | None] = {}
    for number, spec in enumerate(specs):
        path = SpecPath(spec.team, f"shard_{1 + number // SHARD_SIZE:03d}", spec.id)
        files[path.spec], files[path.loader] = spec.model_dump_json(), LOADER
    repository.commit(Change(files), "bench", f"Add {count} jobs")
    repository.push()
    outbox = Outbox(home.gateway / "outbox.sqlite")
    outbox.put_all([entry_of(spec, EntryState.VISIBLE) for spec in specs])
    outbox.close()


def _copy_of(pattern: JobSpec, number: int) -> JobSpec:
    name = f"filler {number:05}"
    changes = {"id": name.replace(" ", "_"), "name": name, "deployed_at": datetime.now(UTC)}
    return with_content_hash(pattern.model_copy(update=changes))


def _give(folder: Path, user: int, group: int) -> None:
    """Make a folder and all that is in it somebody's."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, group)


def _await_known(gateway: GatewayClient, count: int) -> None:
    """Wait until Airflow has a next run for every job."""
    end = time.monotonic() + KNOWN_DEADLINE_S
    while not all(job.next_run_at for job in gateway.list_jobs()):
        if time.monotonic() > end:
            raise TimeoutError(f"Airflow does not know {count} jobs after {KNOWN_DEADLINE_S} s")
        time.sleep(1)


def _cpu_and_now(handle: stack.Handle) -> Sequence[float]:
    return _cpu_s(handle, "dag-processor"), time.monotonic()


def _cpu_s(handle: stack.Handle, name: str) -> float:
    """CPU seconds of a process of the stack and of its ended children (proc(5))."""
    pid = next(one.pid for one in handle.record.processes if one.name == name)
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")

"""How long a deployment takes: from the promote request to the new version in Airflow's API, beside 0 to 1,000 jobs."""

import json
import os
import statistics
import time
from collections.abc import Iterator

import nbformat

from athena_lab.gateway_api.client import GatewayClient
from athena_lab.gateway_api.jobs import (
    BundleUpload,
    PromoteRequest,
    Promotion,
    PromotionState,
    RunRequest,
    RunState,
    Source,
)
from athena_lab.gateway_api.terms import Schedule
from bench.figures import Figure
from bench.stacks import gateway_of, started

DEPLOYMENTS = 20
SCALES = tuple(int(text) for text in os.environ.get("ATHENA_BENCH_SCALES", "0,100,1000").split(","))
DEADLINE_S = 60.0


def measure() -> Iterator[Figure]:
    """Deploy new jobs and updates of one job, 20 each, with more and more other active jobs known to Airflow."""
    with started() as handle, gateway_of(handle) as gateway:
        there = 0
        for scale in SCALES:
            _fill(gateway, there, scale)
            there = scale
            new = [_deploy(gateway, f"new {scale} {n}", "x = 1") for n in range(DEPLOYMENTS)]
            updates = [_deploy(gateway, f"new {scale} 0", f"x = {n + 2}") for n in range(DEPLOYMENTS)]
            yield Figure(f"deploy_s_p50_at_{scale}", _median(new), "s", None, DEPLOYMENTS)
            yield Figure(f"deploy_s_max_at_{scale}", round(max(new), 2), "s", None, DEPLOYMENTS)
            yield Figure(f"deploy_update_s_p50_at_{scale}", _median(updates), "s", None, DEPLOYMENTS)
            yield Figure(f"deploy_update_s_max_at_{scale}", round(max(updates), 2), "s", None, DEPLOYMENTS)
        yield Figure("first_run_after_deploy_s", *_first_run(gateway))


def _fill(gateway: GatewayClient, there: int, wanted: int) -> None:
    """Deploy jobs until Airflow knows `wanted` of them."""
    for n in range(there, wanted):
        last = _promote(gateway, f"filler {n}", f"x = {n}")
    if wanted > there:
        _await_visible(gateway, last, DEADLINE_S * 10)


def _promote(gateway: GatewayClient, name: str, code: str) -> Promotion:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook.metadata.kernelspec = {"name": "athena", "display_name": "Athena", "language": "python"}
    content = json.loads(nbformat.writes(notebook))
    bundle = gateway.upload_bundle(BundleUpload(notebook=content, source=Source(path=f"{name}.ipynb")))
    return gateway.promote(PromoteRequest(bundle=bundle.hash, name=name, schedule=Schedule(cron="0 6 1 1 *")))


def _await_visible(gateway: GatewayClient, promotion: Promotion, deadline_s: float) -> None:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        now = gateway.get_promotion(promotion.job_id, promotion.version, wait_s=10)
        if now.state is PromotionState.VISIBLE:
            return
    raise TimeoutError(f"{promotion.job_id} v{promotion.version} is not in Airflow after {deadline_s} s: {now.state}")


def _deploy(gateway: GatewayClient, name: str, code: str) -> float:
    began = time.monotonic()
    promotion = _promote(gateway, name, code)
    _await_visible(gateway, promotion, DEADLINE_S)
    return time.monotonic() - began


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 2)


def _first_run(gateway: GatewayClient) -> tuple[float, str, float, int]:
    """Give the seconds from the trigger to the end of the first and (as baseline) the second run after a deployment."""
    promotion = _promote(gateway, "first run", "x = 1")
    _await_visible(gateway, promotion, DEADLINE_S)
    first, second = (_run_s(gateway, promotion.job_id) for _ in range(2))
    return round(first, 2), "s", round(second, 2), 1


def _run_s(gateway: GatewayClient, job_id: str) -> float:
    began = time.monotonic()
    run = gateway.run_job(job_id, RunRequest())
    while not run.state.is_final:
        time.sleep(0.05)
        run = gateway.get_run(run.id)
        if time.monotonic() - began > DEADLINE_S:
            raise TimeoutError(f"the run of {job_id} has not ended after {DEADLINE_S} s")
    if run.state is not RunState.SUCCEEDED:
        raise RuntimeError(f"the run of {job_id} {run.state}: {run.error}")
    return time.monotonic() - began

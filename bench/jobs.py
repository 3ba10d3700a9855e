"""What a benchmark does with jobs: promote a cell, wait for Airflow, run it."""

import json
import time

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

DEADLINE_S = 60.0


def promote(gateway: GatewayClient, name: str, code: str) -> Promotion:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook.metadata.kernelspec = {"name": "athena", "display_name": "Athena", "language": "python"}
    content = json.loads(nbformat.writes(notebook))
    bundle = gateway.upload_bundle(BundleUpload(notebook=content, source=Source(path=f"{name}.ipynb")))
    return gateway.promote(PromoteRequest(bundle=bundle.hash, name=name, schedule=Schedule(cron="0 6 1 1 *")))


def await_visible(gateway: GatewayClient, promotion: Promotion, deadline_s: float) -> None:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        now = gateway.get_promotion(promotion.job_id, promotion.version, wait_s=10)
        if now.state is PromotionState.VISIBLE:
            return
    raise TimeoutError(f"{promotion.job_id} v{promotion.version} is not in Airflow after {deadline_s} s: {now.state}")


def deploy(gateway: GatewayClient, name: str, code: str) -> float:
    began = time.monotonic()
    promotion = promote(gateway, name, code)
    await_visible(gateway, promotion, DEADLINE_S)
    return time.monotonic() - began


def run_s(gateway: GatewayClient, job_id: str) -> float:
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

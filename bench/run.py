"""What a run costs: CPU of our operator against bare nbclient on a notebook of 50 cells; baseline: papermill's own."""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import nbformat

from athena_lab.gateway_api.jobs import BundleUpload, PromoteRequest, Source
from athena_lab.gateway_api.worker import dag_id_of
from bench.figures import Figure
from bench.stacks import gateway_of, started

CELLS, ROUNDS = 50, 5
WAYS = ("nbclient", "papermill", "operator")


def measure() -> Iterator[Figure]:
    """Run the same notebook three ways, each in a process of its own, in turn; CPU includes the kernel's."""
    notebook = make_notebook()
    with started() as handle, gateway_of(handle) as gateway, tempfile.TemporaryDirectory() as folder:
        bundle = gateway.upload_bundle(BundleUpload(notebook=notebook, source=Source(path="bench.ipynb")))
        job = gateway.promote(PromoteRequest(bundle=bundle.hash, name="bench"))
        file = Path(folder) / "bench.ipynb"
        file.write_text(json.dumps(notebook))
        order = {"file": str(file), "job_id": job.job_id, "bundle": bundle.hash, "home": str(handle.home.root)}
        order |= {"gateway_url": handle.url("gateway"), "cache": str(Path(folder) / "cache")}
        cpu: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(ROUNDS):
            for way in WAYS:
                cpu[way].append(_cpu_of(way, order))
    median = {way: statistics.median(values) for way, values in cpu.items()}
    ratio, peer = median["operator"] / median["nbclient"], median["papermill"] / median["nbclient"]
    yield Figure("run_cpu_ratio", round(ratio, 2), "CPU s / nbclient's CPU s", round(peer, 2), ROUNDS)
    yield Figure("run_cpu_s", round(median["operator"], 2), "CPU s", round(median["nbclient"], 2), ROUNDS)


def make_notebook() -> dict:
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.cells = [nbformat.v4.new_code_cell(f"print('line', {n}); x = {n}") for n in range(CELLS)]
    return json.loads(nbformat.writes(notebook))


def _cpu_of(way: str, order: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "bench.run", way, json.dumps(order)], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _run_nbclient(order: dict[str, str]) -> None:
    import nbclient

    notebook = nbformat.read(order["file"], as_version=4)
    nbclient.NotebookClient(notebook, timeout=None, kernel_name="python3").execute()
    nbformat.write(notebook, order["file"] + ".out.ipynb")


def _run_papermill(order: dict[str, str]) -> None:
    import papermill

    papermill.execute_notebook(order["file"], order["file"] + ".out.ipynb", progress_bar=False)


def _run_operator(order: dict[str, str]) -> None:
    from datetime import UTC, datetime

    from athena_lab.airflow.execution import RunOrder, Worker, execute_run

    spec = {"id": order["job_id"], "version": 1, "bundle": order["bundle"], "parameters": [], "retries": 0}
    environ = {
        **os.environ,
        "ATHENA_GATEWAY_URL": order["gateway_url"],
        "ATHENA_WORKER_KEY_FILE": str(Path(order["home"]) / "worker" / "worker.key"),
        "ATHENA_BUNDLE_CACHE": order["cache"],
        "ATHENA_WORKER_NAME": "bench",
    }
    run = RunOrder(
        spec=spec,
        dag_id=dag_id_of("local", order["job_id"]),
        airflow_run_id=f"scheduled__{uuid.uuid4()}",
        run_type="scheduled",
        run_after=datetime.now(UTC),
        logical_date=None,
        try_number=1,
        is_last_try=True,
    )
    execute_run(run, Worker.from_environment(environ))


if __name__ == "__main__":
    {"nbclient": _run_nbclient, "papermill": _run_papermill, "operator": _run_operator}[sys.argv[1]](
        json.loads(sys.argv[2])
    )

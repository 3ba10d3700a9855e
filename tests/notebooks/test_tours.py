"""The tours run from top to bottom on the sample, as they would in a job."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
TOURS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", TOURS, ids=lambda path: path.stem)
def test_tour_is_valid_and_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "athena"
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook.cells)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def run(path, output, parts, *words):
    kernels = output.parent / "jupyter" / "kernels" / "athena"
    kernels.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "athena_lab.kernel", "-f", "{connection_file}"]
    (kernels / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Athena", "language": "python"}))
    environment = parts.environment | {"JUPYTER_PATH": str(kernels.parents[1])}
    return subprocess.run(
        [sys.executable, "-m", "papermill", str(path), str(output), "--no-progress-bar", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.mark.stack
@pytest.mark.parametrize("path", TOURS, ids=lambda path: path.stem)
def test_tour_runs_through_papermill(path, parts, sampled, tmp_path):
    done = run(path, tmp_path / "out.ipynb", parts)
    assert done.returncode == 0, done.stderr[-3000:]
    notebook = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert all(cell.get("outputs") for cell in notebook.cells if cell.cell_type == "code" and "%%athena" in cell.source)


@pytest.mark.stack
def test_promoted_notebook_twice_leaves_what_one_run_leaves(parts, sampled, tmp_path):
    counts = []
    for _ in range(2):
        done = run(FOLDER / "02_promote.ipynb", tmp_path / "out.ipynb", parts, "-p", "min_kwh", "10.0")
        assert done.returncode == 0, done.stderr[-3000:]
        counts.append(
            [tuple(row) for row in sampled.query_and_wait("SELECT COUNT(*), MIN(kwh) FROM reports.heavy_use")]
        )
    assert counts[0] == counts[1]
    assert counts[0][0][0] > 0
    assert counts[0][0][1] >= 10


@pytest.mark.stack
def test_failing_cell_fails_the_run(parts, sampled, tmp_path):
    notebook = nbformat.read(FOLDER / "02_promote.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("%%athena\nSELECT * FROM sales.tarifs"))
    nbformat.write(notebook, tmp_path / "in.ipynb")
    done = run(tmp_path / "in.ipynb", tmp_path / "out.ipynb", parts)
    assert done.returncode != 0
    assert "NotFoundError" in done.stderr

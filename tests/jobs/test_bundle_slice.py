"""A promoted cell or selection takes what it needs, unless the user knows better, and says what will be missing."""

import json
import zipfile
from io import BytesIO

import pytest

from athena_lab.errors import InvalidError
from athena_lab.gateway_api.bundles import Execution
from athena_lab.gateway_api.jobs import BundleUpload, Source
from athena_lab.jobs.bundle import build_bundle
from athena_lab.jobs.slicing import hash_source

KERNEL = {"name": "python3", "display_name": "Python 3"}


def notebook_of(make_cell, *sources):
    cells = [make_cell(source, f"c{index}") for index, source in enumerate(sources)]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": KERNEL}, "cells": cells}


def promoted(notebook, *targets, **more):
    source = Source(path="n.ipynb", cell_id=targets[0] if len(targets) == 1 else None, cell_ids=targets[1:] and targets)
    return build_bundle(BundleUpload(notebook=notebook, source=source, **more))


def cells_of(built):
    with zipfile.ZipFile(BytesIO(built.archive)) as opened:
        return [cell["id"] for cell in json.loads(opened.read("notebook.ipynb"))["cells"]]


def ran(notebook, *order):
    texts = {cell["id"]: cell["source"] for cell in notebook["cells"]}
    return tuple(Execution(cell_id=i, source_sha256=hash_source(texts[i]), count=n) for n, i in enumerate(order, 1))


@pytest.fixture
def three(make_cell):
    return notebook_of(make_cell, "a = 1", "b = 2", "c = a", "print(c)")


def test_ticked_cells_replace_the_slice_and_the_target_stays(three):
    built = promoted(three, "c3", kept_cells=("c1", "c2"))
    assert cells_of(built) == ["c1", "c2", "c3"]
    assert [(cell.is_needed, cell.is_kept) for cell in built.summary.slice] == [
        (True, False),
        (False, True),
        (True, True),
        (True, True),
    ]
    assert built.summary.warnings == ("'a = 1' is left out, so this may be missing: a",)


def test_no_tick_at_all_leaves_the_target(three):
    assert cells_of(promoted(three, "c3", kept_cells=())) == ["c3"]


def test_a_tick_of_a_cell_that_is_gone_is_a_fault(three):
    with pytest.raises(InvalidError, match="'c9': the saved notebook has no such code cell to keep"):
        promoted(three, "c3", kept_cells=("c9",))


def test_a_selection_keeps_all_its_cells_and_what_each_needs(make_cell):
    notebook = notebook_of(make_cell, "a = 1", "x = 0", "print(a)", "b = 2", "print(b)")
    built = promoted(notebook, "c2", "c4")
    assert cells_of(built) == ["c0", "c2", "c3", "c4"]
    assert [cell.cell_id for cell in built.summary.slice if cell.is_target] == ["c2", "c4"]


def test_the_kernels_order_decides_where_it_is_known(make_cell):
    notebook = notebook_of(make_cell, "a = 1", "print(a)", "a = 2")
    assert cells_of(promoted(notebook, "c1")) == ["c0", "c1"]
    built = promoted(notebook, "c1", executions=ran(notebook, "c0", "c2", "c1"))
    assert cells_of(built) == ["c2", "c1"]
    assert [cell.cell_id for cell in built.summary.slice] == ["c0", "c1", "c2"]
    assert any("in which they ran" in note for note in built.summary.undecided)


def test_a_cell_that_changed_since_it_ran_is_told(make_cell):
    notebook = notebook_of(make_cell, "a = 1", "print(a)")
    executions = ran(notebook, "c0", "c1")
    notebook["cells"][0]["source"] = "a = 5"
    assert "cell 0 was changed after it ran" in promoted(notebook, "c1", executions=executions).summary.undecided


def test_state_of_the_kernel_that_no_cell_makes_is_told(make_cell):
    notebook = notebook_of(make_cell, "b = 1", "print(a, b, z)")
    built = promoted(notebook, "c1", names=("a", "b"))
    assert built.summary.missing_names == ("a",)
    assert any("the kernel holds a, but no cell" in warning for warning in built.summary.warnings)
    assert promoted(notebook, "c1").summary.missing_names == ()


def test_a_parameters_cell_above_keeps_its_place(make_cell):
    notebook = notebook_of(make_cell, "from datetime import date", "day = date(2026, 1, 1)", "print(day)")
    notebook["cells"][1]["metadata"] = {"tags": ["parameters"]}
    assert cells_of(promoted(notebook, "c2")) == ["c0", "c1", "c2"]

"""What a caller is told of the jobs around theirs, over a real socket."""

import nbformat
import pytest

from athena_lab.errors import ForbiddenError, InvalidError, NotFoundError
from athena_lab.gateway_api.jobs import BundleUpload, PromoteRequest, Source
from athena_lab.gateway_api.terms import After, AfterMode, Schedule, Tables
from athena_lab.gateway_api.worker import WaitQuery


def notebook_of(name):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cell = nbformat.v4.new_code_cell(f"print({name!r})", id="c1")
    return nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})


def deploy(client, name, reads=(), writes=(), **fields):
    notebook = notebook_of(name)
    upload = BundleUpload(notebook=notebook, source=Source(path=f"{name}.ipynb", notebook_id=name))
    tables = Tables(reads=tuple(reads), writes=tuple(writes))
    fields = {"schedule": Schedule(), "tables": tables} | fields
    return client.promote(PromoteRequest(bundle=client.upload_bundle(upload).hash, name=name, **fields)).job_id


@pytest.fixture(scope="module")
def chain(gateway):
    """Ann's job reads what bob's writes, bob's what another of bob's writes; ann's second reads ann's first."""
    ann, bob = gateway.ann, gateway.bob
    return {
        "far": deploy(bob, "Far", writes=["ds.far"], schedule=Schedule(cron="0 5 * * *")),
        "near": deploy(bob, "Near", ["ds.far"], ["ds.near"], schedule=Schedule(cron="0 6 * * *")),
        "mine": deploy(ann, "Mine", ["ds.near", "ds.nobody"], ["ds.mine"]),
        "last": deploy(ann, "Last", ["ds.mine"], after=After(mode=AfterMode.UPDATES, tables=("athena.ds.mine",))),
    }


def test_a_job_shows_who_writes_what_it_reads_and_nothing_beyond(gateway, chain):
    found = gateway.ann.get_dependencies(chain["mine"])
    told = {(one.table, one.job_name, one.owner, one.schedule) for one in found.upstreams}
    assert told == {("ds.near", "Near", "bob", "0 6 * * * UTC"), ("ds.nobody", None, None, "")}
    nodes = {node.name: (node.depth, node.is_own) for node in found.nodes}
    assert nodes == {"Mine": (0, True), "Near": (-1, False), "Last": (1, True), "ds.nobody": (-1, False)}
    assert {(edge.source, edge.target, edge.is_awaited) for edge in found.edges} == {
        (chain["near"], chain["mine"], False),
        (chain["mine"], chain["last"], True),
        ("table:ds.nobody", chain["mine"], False),
    }
    assert gateway.ann.get_job(chain["last"]).after.tables == ("ds.mine",), "the own project is left out"


def test_other_peoples_jobs_are_not_looked_into(gateway, chain):
    with pytest.raises(ForbiddenError):
        gateway.ann.get_dependencies(chain["near"])
    with pytest.raises(NotFoundError):
        gateway.ann.get_dependencies("nothing")


def test_a_check_tells_what_it_would_wait_for_and_refuses_a_circle(gateway, chain):
    job = gateway.ann.get_job(chain["mine"])
    request = PromoteRequest(bundle=job.bundle, name=job.name, job_id=job.id, tables=Tables(reads=("ds.near",)))
    awaited = request.model_copy(update={"after": After(mode=AfterMode.UPDATES, tables=("ds.near",))})
    check = gateway.ann.check_promotion(awaited)
    assert check.faults == ()
    assert [(one.job_name, one.is_awaited) for one in check.upstreams] == [("Near", True)]
    circle = Tables(reads=("ds.last",), writes=("ds.mine",))
    last = Tables(reads=("ds.mine",), writes=("ds.last",))
    done = gateway.ann.get_job(chain["last"])
    gateway.ann.promote(PromoteRequest(bundle=done.bundle, name=done.name, after=done.after, tables=last))
    after = After(mode=AfterMode.UPDATES, tables=("ds.last",))
    with pytest.raises(InvalidError, match="would wait in a circle"):
        gateway.ann.promote(request.model_copy(update={"tables": circle, "after": after}))
    timed = gateway.ann.check_promotion(request.model_copy(update={"tables": circle}))
    assert (timed.faults, timed.cycle) == ((), (chain["mine"], chain["last"], chain["mine"]))
    assert "goes in a circle" in timed.warnings[-1].message


def test_names_that_are_no_tables_are_faults_of_the_form(gateway, chain):
    job = gateway.ann.get_job(chain["mine"])
    tables = Tables(reads=("alone", "ds.*", ""), writes=("ds.x_*",))
    check = gateway.ann.check_promotion(PromoteRequest(bundle=job.bundle, name=job.name, tables=tables))
    assert [fault.field for fault in check.faults] == ["tables.reads", "tables.reads", "tables.writes"]


def test_only_workers_ask_which_runs_may_begin(gateway):
    with pytest.raises(ForbiddenError):
        gateway.ann.ask_waits(WaitQuery(runs=()))
    assert gateway.worker.ask_waits(WaitQuery(runs=())).ready == ()

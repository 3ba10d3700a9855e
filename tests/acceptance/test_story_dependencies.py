"""Jobs that wait for one another, on a running stack: inferred, woken by an update, waiting, late, cancelled."""

import pytest

from athena_lab.errors import InvalidError
from athena_lab.gateway_api.jobs import PromoteRequest, RunState
from athena_lab.gateway_api.terms import After, AfterMode, Schedule
from tests.acceptance.notebooks import notebook_of, promote, upload
from tests.acceptance.running_stack import wait_for

pytestmark = [pytest.mark.story, pytest.mark.stack, pytest.mark.timeout(600)]


def run_of(stack, job_id, kind, but=None):
    """Give the newest run of a job that something of this kind started, None if there is none."""
    with stack.gateway() as gateway:
        runs = [run for run in gateway.list_runs(job_id=job_id) if run.type == kind and run.id != but]
    return runs[0] if runs else None


def test_jobs_run_by_themselves_after_the_tables_they_read(stack):
    source, report = f"reports.source_{stack.suffix}", f"reports.report_{stack.suffix}"
    writes = notebook_of(f"%%athena made --into {source} --mode replace\nSELECT 1 AS day, 2.5 AS kwh")
    reads = notebook_of(f"%%athena report --into {report} --mode replace\nSELECT SUM(kwh) AS kwh FROM {source}")
    after = After(mode=AfterMode.UPDATES, tables=(source,))
    timed = After(mode=AfterMode.TIME_AND_UPDATES, tables=(source,), deadline_s=60)

    first = promote(stack, "source", writes)
    second = promote(stack, "report", reads, after=after)
    looks = notebook_of(f"%%athena\nSELECT * FROM {source}")
    waiting = promote(stack, "timed", looks, after=timed, schedule=Schedule(cron="* * * * *"))

    with stack.gateway() as gateway:
        bundle = upload(gateway, "report.ipynb", reads)
        assert (bundle.lineage.reads, bundle.lineage.writes) == ((source,), (report,))
        assert bundle.lineage.columns == {f"{report}.kwh": (f"{source}.kwh",)}
        (upstream,) = gateway.get_dependencies(second.job_id).upstreams
        assert (upstream.job_id, upstream.owner, upstream.is_awaited) == (first.job_id, gateway.get_me().user, True)
        with pytest.raises(InvalidError, match="would wait in a circle"):
            gateway.promote(
                PromoteRequest(
                    bundle=upload(gateway, "source.ipynb", writes).hash,
                    name=f"source {stack.suffix}",
                    job_id=first.job_id,
                    after=After(mode=AfterMode.UPDATES, tables=(report,)),
                )
            )
        cleared = gateway.get_dependencies(first.job_id)
        assert {edge.target for edge in cleared.edges} == {second.job_id, waiting.job_id}

    held = wait_for("a run of the schedule", lambda: run_of(stack, waiting.job_id, "scheduled"), deadline_s=90)
    held = stack.wait_run(held.id, "waiting")
    assert held.waits_for == (source,)

    assert run_of(stack, second.job_id, "asset_triggered") is None
    stack.wait_run(stack.start_run(first.job_id).id, "succeeded")
    woken = wait_for("a run after the update", lambda: run_of(stack, second.job_id, "asset_triggered"))
    done = stack.wait_run(woken.id, "succeeded")
    assert done.anchor is not None
    assert stack.wait_run(held.id, "succeeded").waits_for == ()

    following = wait_for(
        "the next run of the schedule", lambda: run_of(stack, waiting.job_id, "scheduled", but=held.id), deadline_s=90
    )
    stack.wait_run(following.id, "waiting")
    with stack.gateway() as gateway:
        gateway.pause_job(waiting.job_id)
        gateway.cancel_run(following.id)
    assert stack.wait_run(following.id, "cancelled").state is RunState.CANCELLED

"""The Athena sidebar in a real browser: jobs, runs that move, errors, outputs, and a gateway that goes away."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.ui

CELLS = ("day = '2026-01-01'\nlimit = 10", "print(day)", "print(limit)", "print('end')")


@pytest.fixture
def job(lab, gateway):
    """Deploy one job through the labserver; give its name."""
    gateway.control(visible_after_s=0.0, failing_cell=None, is_scheduler_down=False)
    for known in lab.request("GET", "/athena/api/jobs").json()["jobs"]:
        lab.request("DELETE", f"/athena/api/jobs/{known['id']}")
    path = lab.write("peak.ipynb", *CELLS)
    bundle = lab.request("POST", "/athena/draft", json={"path": path}).json()
    parameters = [
        {"name": "day", "type": "date", "default": "2026-01-01", "relative": "yesterday"},
        {"name": "limit", "type": "int", "default": 10, "value": 25},
    ]
    body = {
        "bundle": bundle["hash"],
        "name": "Daily peak",
        "schedule": {"cron": "0 7 * * 1-5", "timezone": "Europe/Berlin"},
        "parameters": parameters,
    }
    assert lab.request("POST", "/athena/api/jobs", json=body).is_success
    return "Daily peak"


def open_sidebar(page):
    page.get_by_role("tab", name="Athena", exact=False).first.click()
    sidebar = page.get_by_role("region", name="Athena jobs")
    expect(sidebar).to_be_visible()
    return sidebar


def start_run(sidebar, name, **values):
    item = sidebar.get_by_role("listitem", name=name, exact=True)
    item.get_by_role("button", name="Run now").click()
    form = item.get_by_role("form", name=f"Run {name} now")
    for parameter, value in values.items():
        form.get_by_label(f"Value of {parameter}").fill(value)
    form.get_by_role("button", name="Start run").click()
    return item.get_by_role("list", name=f"Runs of {name}").get_by_role("listitem")


def test_run_by_hand_goes_from_queued_to_done_and_its_output_opens(open_notebook, gateway, job, shoot):
    page = open_notebook("1")
    sidebar = open_sidebar(page)
    item = sidebar.get_by_role("listitem", name=job, exact=True)
    expect(item.get_by_text("Weekdays at 07:00 (Europe/Berlin)")).to_be_visible()
    expect(item.get_by_text("Next:")).to_be_visible()
    expect(sidebar.get_by_text("not isolated")).to_be_visible()
    run = start_run(sidebar, job, limit="99").first
    expect(run.get_by_text("queued", exact=True)).to_be_visible()
    expect(run.get_by_text("running", exact=True)).to_be_visible()
    expect(run.get_by_role("progressbar", name="Cells done")).to_be_visible()
    expect(run.get_by_text(re.compile(r"cell \d/4"))).to_be_visible()
    shoot(page, "sidebar-running")
    expect(run.get_by_text("done", exact=True)).to_be_visible()
    expect(item.get_by_text("last run: done")).to_be_visible()
    assert gateway.control()["last_run_request"]["parameters"] == {"limit": 99}
    run_id = run.get_attribute("data-run-id")
    run.get_by_role("button", name="Open output").click()
    page.wait_for_function(
        "id => window.jupyterapp.shell.currentWidget?.context?.path === `AthenaRuns:${id}.ipynb`", arg=run_id
    )
    expect(page.locator(".jp-NotebookPanel:visible .jp-CodeCell")).to_have_count(4)
    # Looking at an output starts no kernel, and the output cannot be saved over.
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session") is None
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.context.contentsModel.writable") is False
    shoot(page, "sidebar-output")


def test_failed_run_shows_its_error_at_once_and_its_partial_output(open_notebook, gateway, job, shoot):
    gateway.control(failing_cell=2)
    page = open_notebook("1", theme="dark")
    sidebar = open_sidebar(page)
    run = start_run(sidebar, job).first
    expect(run.get_by_text("Cell 3: NotFoundError: table 'sales.missing' does not exist.")).to_be_visible()
    expect(run.get_by_text("failed", exact=True)).to_be_visible()
    expect(run.get_by_role("button", name="Open output")).to_be_visible()
    assert gateway.control()["last_run_request"]["parameters"] == {}
    shoot(page, "sidebar-failed-dark")


def test_running_run_is_cancelled(open_notebook, job):
    page = open_notebook("1")
    run = start_run(open_sidebar(page), job).first
    expect(run.get_by_text("running", exact=True)).to_be_visible()
    run.get_by_role("button", name="Cancel run").click()
    expect(run.get_by_text("cancelled", exact=True)).to_be_visible()
    expect(run.get_by_role("button", name="Cancel run")).to_have_count(0)


def test_value_of_the_wrong_type_starts_no_run(open_notebook, lab, job):
    page = open_notebook("1")
    sidebar = open_sidebar(page)
    item = sidebar.get_by_role("listitem", name=job, exact=True)
    item.get_by_role("button", name="Run now").click()
    item.get_by_label("Value of limit").fill("many")
    item.get_by_role("button", name="Start run").click()
    expect(item.get_by_text("it is not of type int. Use a whole number.")).to_be_visible()
    assert lab.request("GET", "/athena/api/runs?job_id=daily_peak").json() == []


def test_job_is_paused_resumed_and_after_a_question_deleted(open_notebook, job, shoot):
    page = open_notebook("1")
    sidebar = open_sidebar(page)
    item = sidebar.get_by_role("listitem", name=job, exact=True)
    item.get_by_role("button", name="Pause").click()
    expect(item.get_by_text("paused", exact=True)).to_be_visible()
    item.get_by_role("button", name="Resume").click()
    expect(item.get_by_text("active", exact=True)).to_be_visible()
    item.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete the job “Daily peak”?")
    shoot(page, "sidebar-delete")
    dialog.get_by_role("button", name="Keep").click()
    expect(item).to_be_visible()
    item.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the job").click()
    expect(sidebar.get_by_text("“Daily peak” is deleted.")).to_be_visible()
    sidebar.get_by_role("button", name="Undo").click()
    expect(item).to_be_visible()
    item.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the job").click()
    sidebar.get_by_role("button", name="Keep it deleted").click()
    expect(sidebar.get_by_role("status")).to_contain_text("No jobs yet. Open a notebook and press")
    shoot(page, "sidebar-empty")


def test_gateway_of_another_api_number_is_said(open_notebook, gateway, job):
    gateway.control(api=99)
    try:
        sidebar = open_sidebar(open_notebook("1"))
        expect(sidebar.get_by_role("alert")).to_contain_text("are of different releases")
    finally:
        gateway.control(api=1)


def test_gateway_that_goes_away_is_said_and_asked_again(open_notebook, job, shoot):
    page = open_notebook("1")
    sidebar = open_sidebar(page)
    expect(sidebar.get_by_role("listitem", name=job, exact=True)).to_be_visible()
    away = '{"error": "UnreachableError", "message": "Cannot reach the gateway. Start it.", "faults": []}'
    page.route("**/athena/api/jobs?*", lambda route: route.fulfill(status=503, body=away))
    page.route("**/athena/api/jobs", lambda route: route.fulfill(status=503, body=away))
    page.evaluate("() => window.jupyterapp.commands.execute('athena:show-sidebar')")
    alert = sidebar.get_by_role("alert")
    expect(alert).to_contain_text("Cannot reach the gateway. Start it.")
    expect(sidebar.get_by_role("listitem", name=job, exact=True)).to_be_visible()
    shoot(page, "sidebar-away")
    page.unroute_all()
    alert.get_by_role("button", name="Try again").click()
    expect(alert).to_have_count(0)


def test_an_alerts_link_shows_the_run_in_the_sidebar(open_notebook, lab, job):
    page = open_notebook("1")
    known = lab.request("GET", "/athena/api/jobs").json()["jobs"][0]
    run = lab.request("POST", f"/athena/api/jobs/{known['id']}/runs", json={"parameters": {}}).json()
    page.goto(f"{lab.url}/lab?token={lab.token}&athena-run={run['id']}")
    sidebar = page.get_by_role("region", name="Athena jobs")
    expect(sidebar.get_by_role("list", name=f"Runs of {job}").get_by_role("listitem")).to_have_count(1)
    page.goto(f"{lab.url}/lab?token={lab.token}&athena-run=unknown")
    expect(sidebar.get_by_role("alert")).to_contain_text("Cannot show run 'unknown'")

"""The form's sections in a real browser: the slice, dependencies, guard rails and alerts; and a list of many jobs."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.ui

SLICED = ("import math", "unused = 1", "radius = 3", "def area(r):\n    return math.pi * r**2", "print(area(radius))")
UPSTREAM = {
    "table": "sales.orders",
    "job_id": "daily_orders",
    "job_name": "Daily orders",
    "owner": "bob",
    "schedule": "0 6 * * * UTC",
}


@pytest.fixture(autouse=True)
def clean(lab, gateway):
    """Leave no job of another test, and nothing upstream."""
    gateway.control(visible_after_s=0.2, is_scheduler_down=False, upstreams=[])
    for known in lab.request("GET", "/athena/api/jobs?limit=500").json()["jobs"]:
        lab.request("DELETE", f"/athena/api/jobs/{known['id']}")
    yield
    gateway.control(upstreams=[])


def open_form(page, button="Schedule this notebook"):
    page.get_by_role("button", name=button).click()
    form = page.get_by_role("form")
    expect(form.get_by_label("Name", exact=True)).to_be_visible()
    return form


def unfold(form, title):
    section = form.get_by_role("group", name=title, exact=True)
    if section.get_attribute("open") is None:
        section.locator("summary").click()
    return section


def deploy(form, version):
    expect(form.get_by_role("button", name="Deploy")).to_be_enabled()
    form.get_by_role("button", name="Deploy").click()
    expect(form.get_by_text(re.compile(rf"^v{version} is live in Airflow after"))).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_promoted_cell_shows_its_slice_and_keeps_what_is_ticked(open_notebook, gateway, shoot, theme):
    page = open_notebook(*SLICED, theme=theme)
    page.locator(".jp-CodeCell").nth(4).click()
    form = open_form(page, "Promote cell")
    cells = form.get_by_role("group", name="Cells that run").get_by_role("listitem")
    expect(cells).to_have_count(5)
    expect(cells.nth(0)).to_contain_text("for math")
    expect(cells.nth(1)).to_contain_text("not needed")
    expect(cells.nth(4)).to_contain_text("promoted")
    expect(cells.nth(4).get_by_role("checkbox")).to_be_disabled()
    cells.nth(1).get_by_role("checkbox").check()
    expect(cells.nth(1)).to_contain_text("kept by you")
    cells.nth(2).get_by_role("checkbox").uncheck()
    expect(cells.nth(2)).to_contain_text("left out although needed for radius")
    shoot(page, f"slice-{theme}")
    deploy(form, 1)
    assert [cell["source"] for cell in gateway.control()["last_upload"]["notebook"]["cells"]] == list(SLICED)
    assert len(gateway.control()["last_upload"]["kept_cells"]) == 3

    page.get_by_role("tab", name=re.compile("^Schedule ")).locator(".lm-TabBar-tabCloseIcon").click()
    form = open_form(page, "Promote cell")
    expect(form.get_by_text("unchanged: v1 is current")).to_be_visible()
    expect(form.get_by_role("group", name="Cells that run").get_by_role("checkbox", checked=True)).to_have_count(4)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_job_waits_for_the_job_whose_table_it_reads(open_notebook, gateway, shoot, theme, lab):
    gateway.control(upstreams=[UPSTREAM])
    page = open_notebook("%%athena\nCREATE OR REPLACE TABLE sales.daily AS SELECT * FROM sales.orders", theme=theme)
    form = open_form(page)
    # It unfolds itself once the gateway has said who writes the table.
    expect(form.get_by_text("reads what Daily orders writes")).to_be_visible()
    section = unfold(form, "After what")
    expect(section.get_by_role("img", name=re.compile("^Dependencies of"))).to_be_visible()
    section.get_by_label("Runs", exact=True).select_option("at its times, and not before its tables were updated")
    expect(section.get_by_role("checkbox", name="sales.orders")).to_be_checked()
    expect(section.get_by_text("Daily orders (bob · 0 6 * * * UTC)")).to_be_visible()
    expect(section.get_by_label("Tables that it writes")).to_have_value("sales.daily")
    section.get_by_label("Say that it is late after").fill("soon")
    expect(section.get_by_text("Cannot read the duration 'soon'.")).to_be_visible()
    expect(form.get_by_role("button", name="Deploy")).to_be_disabled()
    section.get_by_label("Say that it is late after").fill("90 min")
    shoot(page, f"after-{theme}")
    deploy(form, 1)
    job = lab.request("GET", "/athena/api/jobs").json()["jobs"][0]
    assert job["after"] == {"mode": "time_and_updates", "tables": ["sales.orders"], "deadline_s": 5400}


def test_guard_rails_and_alerts_come_back_as_they_were_deployed(open_notebook, shoot, lab):
    page = open_notebook("print(1)")
    form = open_form(page)
    rails = unfold(form, "Guard rails")
    rails.get_by_label("Retries of a failed notebook").fill("3")
    rails.get_by_label("Wait between retries").fill("5 min")
    rails.get_by_label("Wait twice as long each time").check()
    rails.get_by_label("Bytes billed a run").fill("10 GB")
    rails.get_by_label("When a run is still under way").select_option("skip the new run")
    alerts = unfold(form, "Alerts")
    alerts.get_by_role("button", name="Add an alert").click()
    alerts.get_by_label("Mail address").fill("ann@example.org")
    shoot(page, "guards-light")
    deploy(form, 1)
    job = lab.request("GET", "/athena/api/jobs").json()["jobs"][0]
    assert job["retries"] == 3
    guards = job["guards"]
    assert (guards["retry_delay_s"], guards["has_backoff"], guards["cell_timeout_s"]) == (300, True, None)
    assert (guards["overlap"], guards["run_bytes"], guards["month_bytes"]) == ("skip", 10_000_000_000, None)
    alert = {"on": "failure", "channel": "mail", "target": "ann@example.org", "condition": None}
    assert job["alerts"] == [alert]

    page.get_by_role("tab", name=re.compile("^Schedule ")).locator(".lm-TabBar-tabCloseIcon").click()
    form = open_form(page)
    expect(form.get_by_text("unchanged: v1 is current")).to_be_visible()
    expect(unfold(form, "Guard rails").get_by_label("Bytes billed a run")).to_have_value("10 GB")
    expect(unfold(form, "Alerts").get_by_label("Mail address")).to_have_value("ann@example.org")


def test_a_file_is_scheduled_from_the_file_browser(open_notebook, lab, gateway, shoot):
    (lab.root / "peak.sql").write_text("SELECT region, MAX(mwh) AS peak FROM energy.demand GROUP BY region")
    page = open_notebook("print(1)")
    page.get_by_role("button", name="Refresh the file browser.").click()
    page.locator(".jp-DirListing-item", has_text="peak.sql").click(button="right")
    page.get_by_role("menuitem", name="Schedule this file").click()
    form = page.get_by_role("form", name="Schedule peak.sql")
    form.get_by_label("Write the result to the table").fill("energy.peaks")
    expect(form.get_by_label("Tables that it writes")).to_have_value("energy.peaks")
    expect(form.get_by_label("Tables that it reads")).to_have_value("energy.demand")
    shoot(page, "sql-light")
    deploy(form, 1)
    assert gateway.control()["last_upload"]["destination"]["table"] == "energy.peaks"


def test_many_jobs_are_shown_page_by_page_and_searched(open_notebook, lab, shoot):
    page = open_notebook("print(1)", name="many.ipynb")
    bundle = lab.request("POST", "/athena/draft", json={"path": "many.ipynb"}).json()["hash"]
    for number in range(70):
        body = {"bundle": bundle, "name": f"Job {number:02}"}
        assert lab.request("POST", "/athena/api/jobs", json=body).is_success
    page.evaluate("() => window.jupyterapp.commands.execute('athena:show-sidebar')")
    sidebar = page.get_by_role("region", name="Athena jobs")
    items = sidebar.get_by_role("list", name="Jobs").locator("> li")
    expect(items).to_have_count(50)
    sidebar.get_by_role("button", name="50 of 70 jobs are shown.").scroll_into_view_if_needed()
    expect(items).to_have_count(70)
    sidebar.get_by_role("searchbox", name="Search jobs").fill("job 4")
    expect(items).to_have_count(10)
    shoot(page, "sidebar-search")
    sidebar.get_by_role("searchbox", name="Search jobs").fill("nothing like it")
    expect(sidebar.get_by_text("No job has these words.")).to_be_visible()

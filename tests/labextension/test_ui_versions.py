"""Versions in a real browser: the chip follows edits, the panel shows what differs, a rollback makes a new version."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.ui

ID = "11111111-2222-4333-8444-555555555555"
CELLS = ("day = '2026-01-01'", "total = 1\nprint(total)", "print(day)")


@pytest.fixture
def clean(lab, gateway):
    """Leave no job of another test."""
    gateway.control(visible_after_s=0.2, failing_cell=None, is_scheduler_down=False)
    for known in lab.request("GET", "/athena/api/jobs").json()["jobs"]:
        lab.request("DELETE", f"/athena/api/jobs/{known['id']}")


@pytest.fixture
def schedule(lab, clean):
    """Give a function that deploys a notebook as its panel does; gives the job's id."""

    def deploy(path: str, *, cron: str = "0 7 * * *", message: str = "", job_id: str | None = None) -> str:
        bundle = lab.request("POST", "/athena/draft", json={"path": path}).json()
        body = {
            "bundle": bundle["hash"],
            "name": path.removesuffix(".ipynb"),
            "schedule": {"cron": cron, "timezone": "Europe/Berlin"},
            "message": message,
            "job_id": job_id,
        }
        answer = lab.request("POST", "/athena/api/jobs", json=body)
        assert answer.is_success, answer.text
        return answer.json()["job_id"]

    return deploy


def chip(page):
    return page.get_by_role("button", name=re.compile("^Schedule: "))


def edit(page, index: int, source: str):
    page.evaluate(
        "([index, source]) => window.jupyterapp.shell.currentWidget.content.model.cells.get(index)"
        ".sharedModel.setSource(source)",
        [index, source],
    )


def refresh(page):
    page.evaluate("() => window.jupyterapp.commands.execute('athena:refresh-versions')")


def test_chip_of_a_notebook_without_a_job_opens_its_form(open_notebook, clean):
    page = open_notebook(*CELLS)
    expect(chip(page)).to_have_text("not scheduled")
    chip(page).click()
    expect(page.get_by_role("form", name=re.compile("^Schedule "))).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_chip_follows_edits_and_opens_what_differs_and_rolls_back(open_notebook, lab, schedule, shoot, theme):
    name = f"Peak {theme}.ipynb"
    lab.write(name, *CELLS[:2], athena={"notebook_id": ID})
    job = schedule(name, cron="0 6 * * *", message="first")
    page = open_notebook(*CELLS, name=name, theme=theme, athena={"notebook_id": ID})
    assert schedule(name, message="adds the day", job_id=job) == job
    refresh(page)
    expect(chip(page)).to_have_text("v2, up to date")
    edit(page, 1, "total = 2\nprint(total)")
    expect(chip(page)).to_have_text("v2, 1 cell differs")
    shoot(page, f"chip-{theme}")

    chip(page).click()
    panel = page.get_by_role("region", name=f"Versions of {job_name(name)}")
    changed = panel.get_by_role("listitem", name="Cell 2: changed")
    expect(changed).to_contain_text("total = 2")
    expect(changed.locator(".jp-Athena-line-removed")).to_have_text(re.compile("total = 1"))
    expect(panel.get_by_text("1 cell differs, 2 are the same")).to_be_visible()
    expect(panel.get_by_role("table")).to_have_count(0)

    first = panel.get_by_role("listitem", name="Version 1")
    expect(first).to_contain_text("first")
    first.get_by_role("button", name=re.compile("^v1")).click()
    expect(panel.get_by_role("row", name="schedule.cron 0 6 * * * 0 7 * * *")).to_be_visible()
    expect(panel.get_by_role("list", name="Cells that differ").get_by_role("listitem")).to_have_count(2)
    shoot(page, f"versions-{theme}")

    first.get_by_role("button", name="Roll back to v1").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Roll back to v1?")
    dialog.get_by_role("button", name="Roll back to v1").click()
    expect(panel.get_by_role("status")).to_have_text("v3 is live in Airflow")
    newest = panel.get_by_role("listitem", name="Version 3")
    expect(newest).to_contain_text("same as v1")
    expect(newest).to_contain_text("current")
    shoot(page, f"rolled-back-{theme}")
    page.get_by_role("tab", name=name).first.click()
    expect(chip(page)).to_have_text("v3, 2 cells differ")


def job_name(path: str) -> str:
    return path.removesuffix(".ipynb")


def test_a_rollback_that_is_not_confirmed_changes_nothing(open_notebook, lab, gateway, schedule):
    lab.write("Kept.ipynb", *CELLS[:2], athena={"notebook_id": ID})
    job = schedule("Kept.ipynb")
    page = open_notebook(*CELLS, name="Kept.ipynb", athena={"notebook_id": ID})
    schedule("Kept.ipynb", job_id=job)
    refresh(page)
    expect(chip(page)).to_have_text("v2, up to date")
    chip(page).click()
    panel = page.get_by_role("region", name="Versions of Kept")
    panel.get_by_role("button", name="Roll back to v1").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert lab.request("GET", f"/athena/api/jobs/{job}/versions").json()[0]["version"] == 2


def test_a_copy_does_not_take_the_job_and_gets_an_id_of_its_own(open_notebook, lab, gateway, schedule):
    lab.write("Original.ipynb", *CELLS, athena={"notebook_id": ID})
    job = schedule("Original.ipynb")
    page = open_notebook(*CELLS, name="Copied.ipynb", athena={"notebook_id": ID})
    expect(chip(page)).to_have_text("not scheduled")
    chip(page).click()
    form = page.get_by_role("form", name=re.compile("^Schedule "))
    expect(form.get_by_text("makes v1")).to_be_visible()
    source = gateway.control()["last_upload"]["source"]
    assert source["path"] == "Copied.ipynb"
    assert source["notebook_id"] not in (None, ID)
    assert lab.request("GET", f"/athena/api/jobs/{job}").json()["source"]["path"] == "Original.ipynb"


def test_a_renamed_notebook_keeps_its_job(open_notebook, lab, schedule):
    lab.write("Before.ipynb", *CELLS, athena={"notebook_id": ID})
    schedule("Before.ipynb")
    (lab.root / "Before.ipynb").unlink()
    page = open_notebook(*CELLS, name="After.ipynb", athena={"notebook_id": ID})
    expect(chip(page)).to_have_text("v1, up to date")


def test_sidebar_opens_the_versions_of_a_job_whose_notebook_is_closed(open_notebook, lab, schedule):
    lab.write("Closed.ipynb", *CELLS, athena={"notebook_id": ID})
    schedule("Closed.ipynb")
    page = open_notebook("print(1)")
    page.get_by_role("tab", name="Athena", exact=False).first.click()
    sidebar = page.get_by_role("region", name="Athena jobs")
    sidebar.get_by_role("listitem", name="Closed").get_by_role("button", name="Versions").click()
    panel = page.get_by_role("region", name="Versions of Closed")
    expect(panel.get_by_role("heading", name="v1 → v1")).to_contain_text("every cell is the same")


def test_a_new_notebook_at_the_former_path_of_a_renamed_one_is_not_scheduled(open_notebook, lab, schedule):
    lab.write("Untitled.ipynb", *CELLS, athena={"notebook_id": ID})
    schedule("Untitled.ipynb")
    (lab.root / "Untitled.ipynb").rename(lab.root / "Report.ipynb")
    page = open_notebook("print('new')", name="Untitled.ipynb")
    expect(chip(page)).to_have_text("not scheduled")

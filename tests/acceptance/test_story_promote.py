"""The story of a promotion in a real browser: chip, diff, rollback; one cell of ten; a job that runs after another."""

import re

import pytest
from playwright.sync_api import expect

from tests.acceptance.lab_page import deploy, open_panel, open_sidebar, shoot, start_run, write_notebook
from tests.acceptance.notebooks import notebook_of

pytestmark = [pytest.mark.story, pytest.mark.stack, pytest.mark.ui, pytest.mark.timeout(900)]
TEN = (
    *("import math", "noise = [3, 1, 2]", "noise.sort()", "rate = 0.25", "print(noise)"),
    *("def cost(kwh):\n    return round(kwh * rate, 2)", "other = math.pi", "print(other)", "print(cost(40))", "1 / 0"),
)


def test_an_edit_shows_in_the_chip_and_the_diff_is_deployed_and_rolled_back(stack, open_lab):
    path = f"chip_{stack.suffix}.ipynb"
    write_notebook(stack, path, notebook_of("a = 1", "print(a)"))
    page = open_lab(path)
    chip = page.get_by_role("button", name=re.compile("^Schedule: "))
    expect(chip).to_have_text("not scheduled")
    form = open_panel(page)
    deploy(form, 1)
    page.get_by_role("tab", name=path, exact=True).click()
    expect(chip).to_have_text("v1, up to date")
    page.locator(".jp-NotebookPanel:visible .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("a = 2")
    expect(chip).to_have_text("v1, 1 cell differs")
    chip.click()
    versions = page.get_by_role("region", name=re.compile("^Versions of "))
    expect(versions.get_by_role("list", name="Cells that differ").get_by_role("listitem")).to_have_count(1)
    expect(versions.get_by_text("a = 2")).to_be_visible()
    shoot(page, "8-diff")
    page.get_by_role("tab", name=re.compile("^Schedule ")).click()
    page.get_by_role("tab", name=re.compile("^Schedule ")).locator(".lm-TabBar-tabCloseIcon").click()
    page.get_by_role("tab", name=path, exact=True).click()
    deploy(open_panel(page), 2)
    page.get_by_role("tab", name=path, exact=True).click()
    expect(chip).to_have_text("v2, up to date")
    chip.click()
    versions.get_by_role("button", name="Roll back to v1").click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Roll back")).click()
    expect(versions.get_by_role("status").first).to_have_text("v3 is live in Airflow")
    expect(versions.get_by_role("listitem", name="Version 3", exact=True)).to_contain_text("same as v1")
    page.get_by_role("tab", name=path, exact=True).click()
    expect(chip).to_have_text("v3, 1 cell differs")
    shoot(page, "9-rolled-back")


def test_one_cell_of_ten_is_promoted_with_the_three_that_it_needs(stack, open_lab):
    path = f"ten_{stack.suffix}.ipynb"
    write_notebook(stack, path, notebook_of(*TEN))
    page = open_lab(path)
    page.locator(".jp-CodeCell").nth(8).click()
    page.get_by_role("button", name="Promote cell").click()
    form = page.get_by_role("form")
    slice_list = form.get_by_role("group", name="Cells that run")
    expect(slice_list.get_by_role("checkbox")).to_have_count(9)
    expect(slice_list.get_by_role("checkbox", checked=True)).to_have_count(3)
    shoot(page, "10-slice")
    name = form.get_by_label("Name", exact=True).input_value()
    deploy(form, 1)
    item = open_sidebar(page).get_by_role("listitem", name=name, exact=True)
    run = start_run(item, name)
    expect(run.get_by_text("done", exact=True)).to_be_visible(timeout=120_000)
    run.get_by_role("button", name="Open output").click()
    expect(page.locator(".jp-NotebookPanel:visible").get_by_text("10.0", exact=True)).to_be_visible()


def test_a_job_that_reads_what_another_writes_runs_by_itself_after_it(stack, open_lab):
    table = f"reports.kwh_{stack.suffix}"
    writer, reader = f"a_{stack.suffix}.ipynb", f"b_{stack.suffix}.ipynb"
    write_notebook(stack, writer, notebook_of(f"%%athena made --into {table} --mode replace\nSELECT 2.5 AS kwh"))
    write_notebook(stack, reader, notebook_of(f"%%athena\nSELECT SUM(kwh) AS kwh FROM {table}"))
    page = open_lab(writer)
    form = open_panel(page)
    form.get_by_label("Repeats").select_option("By hand")
    first = form.get_by_label("Name", exact=True).input_value()
    deploy(form, 1)

    page = open_lab(reader)
    form = open_panel(page)
    second = form.get_by_label("Name", exact=True).input_value()
    section = form.get_by_role("group", name="After what", exact=True)
    expect(section.get_by_role("img", name=re.compile("^Dependencies of"))).to_contain_text(first)
    section.get_by_label("Runs", exact=True).select_option("when its tables were updated")
    expect(section.get_by_role("checkbox", name=table)).to_be_checked()
    shoot(page, "11-after")
    deploy(form, 1)
    sidebar = open_sidebar(page)
    start_run(sidebar.get_by_role("listitem", name=first, exact=True), first)
    item = sidebar.get_by_role("listitem", name=second, exact=True)
    item.get_by_title("Show or hide the runs of this job").click()
    run = item.get_by_role("list", name=f"Runs of {second}").get_by_role("listitem").first
    expect(run.get_by_text("by data")).to_be_visible(timeout=120_000)
    expect(run.get_by_text("done", exact=True)).to_be_visible(timeout=120_000)
    shoot(page, "12-after-run")
    item.get_by_role("button", name="Dependencies").click()
    expect(item.get_by_role("img", name=f"Dependencies of {second}")).to_contain_text(first)
    shoot(page, "13-dependencies")


def test_a_backfill_is_counted_before_it_is_started(stack, open_lab):
    path = f"back_{stack.suffix}.ipynb"
    write_notebook(stack, path, notebook_of("print('past')"))
    page = open_lab(path)
    form = open_panel(page)
    name = form.get_by_label("Name", exact=True).input_value()
    deploy(form, 1)
    item = open_sidebar(page).get_by_role("listitem", name=name, exact=True)
    item.get_by_role("button", name="Backfill").click()
    backfill = item.get_by_role("form", name=f"Backfill {name}")
    expect(backfill.get_by_role("button", name="Start backfill")).to_be_disabled()
    backfill.get_by_label("From (Europe/Amsterdam)").fill("2026-11-20T00:00")
    backfill.get_by_label("Until (Europe/Amsterdam)").fill("2026-11-21T12:00")
    expect(backfill.get_by_role("status")).to_contain_text("2 runs, from Fri")
    shoot(page, "14-backfill")
    backfill.get_by_role("button", name="Start backfill").click()
    runs = item.get_by_role("list", name=f"Runs of {name}").get_by_role("listitem").filter(has_text="backfill")
    expect(runs).to_have_count(2, timeout=120_000)
    expect(runs.filter(has_text="done")).to_have_count(2, timeout=120_000)

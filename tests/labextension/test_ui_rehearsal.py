"""A rehearsal in a real browser: its cells while it runs, its tables and refusals after, and what stands by Deploy."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.ui

WRITING = (
    "limit = 10",
    "%%athena\nINSERT INTO sales.daily (region, mwh) SELECT region, mwh FROM sales.orders",
    "%%athena\nCREATE OR REPLACE TABLE sales.peaks AS SELECT MAX(mwh) AS peak FROM sales.daily",
)
REFUSED = "Cannot write 'sales.log': a rehearsal may write only to the dataset '_rehearsal_0f0f0f0f0f0f'."


@pytest.fixture(autouse=True)
def clean(lab, gateway):
    """Leave no job of another test, and a warehouse with one of the two tables."""
    usual = {"failing_cell": None, "refused": [], "columns_added": [], "rehearsal_refusal": None}
    gateway.control(**usual, visible_after_s=0.2, known_tables={"sales.daily": 1200})
    yield
    gateway.control(**usual, known_tables={})


def open_section(page):
    page.get_by_role("button", name="Schedule this notebook").click()
    form = page.get_by_role("form")
    section = form.get_by_role("group", name="Rehearsal", exact=True)
    expect(section.get_by_role("button", name="Rehearse")).to_be_enabled()
    return form, section


def edit(page, source):
    page.evaluate(
        """source => {
          const panels = [...window.jupyterapp.shell.widgets('main')];
          const notebook = panels.find(panel => panel.content && panel.content.model && panel.content.model.cells);
          notebook.content.model.cells.get(0).sharedModel.setSource(source);
        }""",
        source,
    )


def show(section):
    section.evaluate("element => element.scrollIntoView({block: 'start'})")


def test_a_rehearsal_is_followed_to_its_tables_and_found_again(open_notebook, gateway, shoot):
    gateway.control(columns_added=["margin FLOAT64"])
    page = open_notebook(*WRITING, name="Rehearsed.ipynb")
    form, section = open_section(page)
    expect(form.locator(".jp-Athena-standing")).to_have_text("Not rehearsed")
    section.get_by_role("button", name="Rehearse").press("Enter")
    cells = section.get_by_role("table", name="Cells of the rehearsal")
    expect(cells.get_by_role("row", name=re.compile("^Copies of the tables it writes"))).to_be_visible()
    expect(section.locator("[aria-live]").get_by_text(re.compile(r"^Cell \d of 3 is running…$"))).to_be_visible()
    expect(section.get_by_role("timer")).to_be_visible()
    expect(form.get_by_role("button", name="Deploy")).to_be_enabled()
    shoot(page, "rehearsal-running")
    expect(form.locator(".jp-Athena-standing")).to_have_text(re.compile(r"^Rehearsed \d\d:\d\d, succeeded$"))
    expect(cells.get_by_role("row", name=re.compile(r"^2 INSERT INTO sales\.daily .* done 0\.80 s$"))).to_be_visible()
    tables = section.get_by_role("table", name="Tables that the rehearsal wrote")
    daily = tables.get_by_role("row", name=re.compile("^sales.daily "))
    expect(daily).to_contain_text(re.compile("1,200 → 1,230"))
    expect(daily).to_contain_text("added: margin FLOAT64")
    expect(daily).to_contain_text(re.compile(r"_rehearsal_[0-9a-f]{12}\.sales__daily"))
    expect(tables.get_by_role("row", name=re.compile("^sales.peaks new table"))).to_be_visible()
    expect(section.get_by_text("It billed 31.5 MB")).to_be_visible()
    show(section)
    shoot(page, "rehearsal-light")

    edit(page, "limit = 11")
    expect(form.locator(".jp-Athena-standing")).to_have_text("Rehearsed before the last change")
    expect(section.get_by_text("This rehearsal was of earlier content")).to_be_visible()
    edit(page, "limit = 10")
    expect(form.locator(".jp-Athena-standing")).to_contain_text("succeeded")
    page.get_by_role("tab", name=re.compile("^Schedule ")).locator(".lm-TabBar-tabCloseIcon").click()
    form, section = open_section(page)
    expect(form.locator(".jp-Athena-standing")).to_contain_text("succeeded")
    form.get_by_role("button", name="Deploy").click()
    form.get_by_role("button", name="Show in the Athena sidebar").click()
    card = page.get_by_role("region", name="Athena jobs").get_by_role("listitem", name="Rehearsed", exact=True)
    expect(card.get_by_text("v1", exact=True)).to_be_visible()
    expect(card.get_by_text("not rehearsed")).to_have_count(0)
    section.get_by_role("button", name="Open the output").click()
    expect(page.locator(".jp-NotebookPanel:visible").get_by_text("limit = 10")).to_be_visible()


def test_refusals_failures_and_a_stop_are_said_with_what_to_do(open_notebook, gateway, shoot):
    refusal = "Cannot rehearse: this warehouse cannot confine a token to one dataset. Deploy without a rehearsal."
    gateway.control(rehearsal_refusal={"status": 403, "error": "ForbiddenError", "message": refusal})
    page = open_notebook(*WRITING, theme="dark")
    form, section = open_section(page)
    section.get_by_role("button", name="Rehearse").click()
    expect(section.get_by_role("alert")).to_contain_text(refusal)
    expect(form.get_by_role("button", name="Deploy")).to_be_enabled()

    results = form.get_by_role("group", name="Where results go", exact=True)
    results.locator("summary").click()
    expect(results.get_by_role("listitem").first).to_have_text("sales.daily 1,200 rows, owner: ann")
    expect(results.get_by_role("listitem").last).to_contain_text("is not there")

    refused = [{"cell": 1, "text": REFUSED}]
    gateway.control(rehearsal_refusal=None, failing_cell=1, refused=refused)
    section.get_by_role("button", name="Rehearse").click()
    expect(form.locator(".jp-Athena-standing")).to_have_text("The rehearsal failed")
    expect(section.get_by_role("alert")).to_have_count(0)
    expect(section.get_by_text("Cell 2: NotFoundError: no table 'sales.missing'.")).to_be_visible()
    expect(section.get_by_role("list", name="Refused writes")).to_have_text(f"Cell 2: {REFUSED}")
    expect(section.get_by_role("row", name=re.compile("^3 CREATE OR REPLACE TABLE sales.peaks .* not run"))).to_be_visible()
    show(section)
    shoot(page, "rehearsal-failed-dark")

    section.get_by_role("button", name="Rehearse").click()
    section.get_by_role("button", name="Stop").click()
    expect(form.locator(".jp-Athena-standing")).to_have_text("The rehearsal was stopped")
    form.get_by_label("Name", exact=True).fill("")
    expect(section.get_by_text("Mend the fault of the form first.")).to_be_visible()
    expect(section.get_by_role("button", name="Rehearse")).to_be_disabled()

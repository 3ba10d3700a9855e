"""The story of a rehearsal in a real browser: an edited notebook shows what it would change before it is deployed."""

import re

import pytest
from playwright.sync_api import expect

from tests.acceptance.lab_page import deploy, open_panel, run_all, shoot, write_notebook
from tests.acceptance.notebooks import notebook_of

pytestmark = [pytest.mark.story, pytest.mark.stack, pytest.mark.ui, pytest.mark.timeout(900)]


def test_what_a_notebook_would_change_is_seen_in_a_rehearsal_and_then_deployed(stack, open_lab):
    path, table = f"try_{stack.suffix}.ipynb", f"reports.try_{stack.suffix}"
    made = f"%%athena made --into {table} --mode replace\nSELECT 1 AS kwh"
    write_notebook(stack, path, notebook_of("limit = 1", made))
    page = open_lab(path)
    run_all(page)
    cell = page.locator(".jp-NotebookPanel:visible .jp-CodeCell").nth(1)
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[2]:")
    cell.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.type(", 2 AS price UNION ALL SELECT 3, 4")

    form = open_panel(page)
    standing = form.locator(".jp-Athena-standing")
    expect(standing).to_have_text("Not rehearsed")
    section = form.get_by_role("group", name="Rehearsal", exact=True)
    section.get_by_role("button", name="Rehearse").click()
    expect(standing).to_have_text(re.compile(r"^Rehearsed \d\d:\d\d, succeeded$"), timeout=120_000)
    row = section.get_by_role("table", name="Tables that the rehearsal wrote").get_by_role("row").last
    expect(row).to_contain_text(table)
    expect(row).to_contain_text("1 → 2")
    expect(row).to_contain_text("added: price INT")
    section.evaluate("element => element.scrollIntoView({block: 'start'})")
    shoot(page, "15-rehearsed")
    # The table itself is as it was.
    results = form.get_by_role("group", name="Where results go", exact=True)
    results.locator("summary").click()
    expect(results.get_by_role("list", name="Tables that get results")).to_contain_text("1 row")
    deploy(form, 1)
    section.get_by_role("button", name="Open the output").click()
    expect(page.locator(".jp-NotebookPanel:visible").get_by_text("price UNION ALL").first).to_be_visible()

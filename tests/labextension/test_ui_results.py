"""The grid of a query's result and the colours of its SQL, in a real browser and both themes."""

import json

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.ui

MIME = "application/vnd.athena.result+json"
PAYLOAD = {
    "version": 1,
    "name": "peaks",
    "columns": [
        {"name": "day", "type": "DATE"},
        {"name": "peak_mw", "type": "FLOAT"},
        {"name": "note", "type": "STRING"},
        {"name": "meters", "type": "INTEGER"},
    ],
    "rows": [
        [f"2026-{1 + i // 28:02}-{1 + i % 28:02}", 8000 + i / 10, None if i % 3 else "holiday", i] for i in range(300)
    ],
    "total_rows": 1234,
    "bytes_processed": 12_300_000,
    "cost": None,
    "currency": None,
    "job_id": "job_1",
    "elapsed_ms": 210,
    "truncated": True,
}
SHOW = f"""import json
from IPython.display import display
display({{{MIME!r}: json.loads({json.dumps(PAYLOAD)!r})}}, raw=True)"""
QUERY = (
    "%%athena peaks\nSELECT day, MAX(demand) AS peak -- per day\nFROM `energy.load` WHERE day > @start AND note = 'a'"
)


def run_first_cell(page):
    page.locator(".jp-CodeCell").first.click()
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
    grid = page.get_by_role("grid", name="Result peaks")
    expect(grid.get_by_role("gridcell").first).to_be_visible()
    return grid


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_result_is_a_grid_that_says_its_size(open_notebook, shoot, theme):
    page = open_notebook(SHOW, QUERY, theme=theme)
    grid = run_first_cell(page)
    assert grid.get_attribute("aria-rowcount") == "1235"
    expect(page.get_by_text("1,234 rows · first 300 shown · 12.3 MB processed · 0.21 s")).to_be_visible()
    # Only the rows in sight are in the page.
    assert grid.get_by_role("row").count() < 40
    number = grid.get_by_role("gridcell", name="8000.1", exact=True)
    assert number.evaluate("cell => getComputedStyle(cell).textAlign") in ("end", "right")
    assert grid.locator("td.jp-mod-null").first.inner_text() == "NULL"
    shoot(page, f"result-{theme}")


def test_keys_move_through_the_grid_and_copy_takes_the_cell(open_notebook, shoot):
    page = open_notebook(SHOW)
    grid = run_first_cell(page)
    grid.get_by_role("gridcell", name="2026-01-01", exact=True).click()
    focused = page.locator("td:focus")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(focused).to_have_text("8000.1")
    page.keyboard.press("PageDown")
    expect(focused).to_have_text("8001.4")
    page.keyboard.press("Control+End")
    expect(focused).to_have_text("299")
    shoot(page, "result-end")
    page.keyboard.press("Home")
    expect(focused).to_have_text("2026-11-20")
    page.keyboard.press("Control+Home")
    expect(focused).to_have_text("2026-01-01")
    copied = page.evaluate(
        """() => {
          const event = new ClipboardEvent('copy', {bubbles: true, clipboardData: new DataTransfer()});
          document.activeElement.dispatchEvent(event);
          return event.clipboardData.getData('text/plain');
        }"""
    )
    assert copied == "2026-01-01"


def test_query_cell_is_coloured_as_sql_only_while_its_first_line_is_the_magic(open_notebook):
    page = open_notebook(QUERY, "SELECT = 1")
    colours = """index => {
      const cell = window.jupyterapp.shell.currentWidget.content.widgets[index];
      const spans = [...cell.node.querySelectorAll('.cm-line span')];
      const word = spans.find(span => span.textContent === 'SELECT');
      return word ? getComputedStyle(word).fontWeight : null;
    }"""
    page.wait_for_function(f"() => ({colours})(0) === '700' || ({colours})(0) === 'bold'")
    assert page.evaluate(colours, 1) not in ("700", "bold")
    expect(page.locator(".jp-CodeCell").first.locator(".jp-Athena-magic")).to_have_count(1)
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.model.cells.get(0).sharedModel.setSource('SELECT = 2')"
    )
    expect(page.locator(".jp-Athena-magic")).to_have_count(0)

"""What the browser stories do with a page of JupyterLab."""

import json
import os
import re
from pathlib import Path

from tests.acceptance.running_stack import RunningStack

ROOT = Path(__file__).parent.parent.parent
SHOTS = ROOT / "artifacts" / "story"


def shoot(page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def write_notebook(stack: RunningStack, path: str, notebook: dict) -> None:
    """Put a notebook into the analyst's workspace as the analyst owns it."""
    target = stack.home / "workspace" / path
    target.write_text(json.dumps(notebook))
    owner = target.parent.stat()
    os.chown(target, owner.st_uid, owner.st_gid)


def run_all(page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def open_panel(page):
    from playwright.sync_api import expect

    page.get_by_role("button", name="Schedule this notebook").click()
    form = page.get_by_role("form", name=re.compile("^Schedule "))
    expect(form.get_by_label("Name", exact=True)).to_be_visible()
    return form


def deploy(form, version: int | str) -> None:
    from playwright.sync_api import expect

    expect(form.get_by_role("button", name="Deploy")).to_be_enabled()
    form.get_by_role("button", name="Deploy").click()
    expect(form.get_by_role("status")).to_have_text(re.compile(rf"^v{version} is live in Airflow after \d+\.\d+ s"))


def open_sidebar(page):
    from playwright.sync_api import expect

    page.get_by_role("tab", name="Athena", exact=False).first.click()
    sidebar = page.get_by_role("region", name="Athena jobs")
    expect(sidebar).to_be_visible()
    return sidebar


def start_run(item, name: str):
    item.get_by_role("button", name="Run now").click()
    item.get_by_role("form", name=f"Run {name} now").get_by_role("button", name="Start run").click()
    return item.get_by_role("list", name=f"Runs of {name}").get_by_role("listitem").first

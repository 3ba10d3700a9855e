"""What the acceptance tests share: the stack of `make lab` on a fresh home, and JupyterLab in a browser."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.lab_page import shoot
from tests.acceptance.running_stack import RunningStack, started_stack

SHORT = {"ATHENA_MINIMUM_INTERVAL_S": "60", "ATHENA_RUN_TOKEN_S": "10", "ATHENA_WAREHOUSE_TOKEN_S": "15"}


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """`make lab` on a fresh home; the shortest interval and a token's life are lowered so that both can be awaited.

    While working on the tests, ATHENA_STORY_HOME names the home of a stack that runs already.
    """
    if running := os.environ.get("ATHENA_STORY_HOME"):
        home = Path(running)
        yield RunningStack(home, json.loads((home / "stack.json").read_text()))
        return
    with started_stack(["make", "lab", "ARGS=--no-browser"], SHORT) as started:
        yield started


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield running
        running.close()


@pytest.fixture
def open_lab(stack, browser, request):
    """Give a function that opens a notebook of the workspace in JupyterLab, with its kernel idle."""
    contexts = []
    url = re.sub(r"/lab/tree/.*", "/lab/tree/", stack.status()["urls"]["lab"])
    token = (stack.home / "analyst" / "lab.token").read_text().strip()

    def open_page(path: str):
        context = browser.new_context(viewport={"width": 1400, "height": 900}, timezone_id="Europe/Amsterdam")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{url}{path}?token={token}&reset")
        panel = page.locator(".jp-NotebookPanel:visible")
        panel.locator(".jp-CodeCell").first.wait_for()
        # Before the session stands a command to run cells would be answered with a choice of kernels.
        page.locator("#jp-main-statusbar").get_by_text("Athena (Python 3) | Idle").wait_for(timeout=90_000)
        page.locator("#jupyterlab-splash").wait_for(state="detached")
        return page

    yield open_page
    for number, context in enumerate(contexts):
        shoot(context.pages[-1], f"last-{re.sub('[^a-z_]', '', request.node.name)}-{number}")
        context.close()

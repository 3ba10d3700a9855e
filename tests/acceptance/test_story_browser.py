"""The README's story in a real browser: explore, schedule, watch, run, cancel, against the stack of `make lab`."""

import os
import pwd
import re
import subprocess

import pytest

from tests.acceptance.lab_page import deploy, open_panel, open_sidebar, run_all, shoot, start_run, write_notebook
from tests.acceptance.notebooks import notebook_of
from tests.acceptance.running_stack import ATHENA

pytestmark = [pytest.mark.story, pytest.mark.stack, pytest.mark.ui, pytest.mark.timeout(900)]


def test_first_notebook_explores_the_warehouse_and_shows_grids(open_lab):
    page = open_lab("notebooks/01_explore.ipynb")

    run_all(page)
    grid = page.get_by_role("grid").first
    grid.get_by_role("gridcell").first.wait_for()
    assert int(grid.get_attribute("aria-rowcount")) > 1
    is_busy = "() => [...document.querySelectorAll('.jp-InputPrompt')].some(p => p.textContent === '[*]:')"
    page.wait_for_function(f"() => !({is_busy})()")
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']").count() == 0
    shoot(page, "1-explore")


def test_notebook_is_scheduled_run_and_its_output_opened(stack, open_lab):
    from playwright.sync_api import expect

    page = open_lab("notebooks/02_promote.ipynb")
    form = open_panel(page)
    name = f"daily demand {stack.suffix}"
    form.get_by_label("Name", exact=True).fill(name)
    form.get_by_label("Repeats").select_option("Daily")
    form.get_by_label("Time", exact=True).fill("06:00")
    expect(form.get_by_role("list", name="Next runs").get_by_role("listitem")).to_have_count(10)
    shoot(page, "2-schedule")
    deploy(form, r"\d+")  # on a stack that is there already, the tour may be scheduled
    shoot(page, "3-deployed")
    form.get_by_role("button", name="Show in the Athena sidebar").click()
    item = page.get_by_role("region", name="Athena jobs").get_by_role("listitem", name=name, exact=True)
    run = start_run(item, name)
    expect(run.get_by_text(re.compile("queued|running"))).to_be_visible()
    shoot(page, "4-running")
    expect(run.get_by_text("done", exact=True)).to_be_visible(timeout=120_000)
    run.get_by_role("button", name="Open output").click()
    expect(page.locator(".jp-NotebookPanel:visible .jp-OutputArea-output").first).to_be_visible()
    shoot(page, "5-output")


def test_button_on_a_scheduled_notebook_makes_the_next_version(stack, open_lab):
    from playwright.sync_api import expect

    path = f"versions_{stack.suffix}.ipynb"
    write_notebook(stack, path, notebook_of("print(limit)", parameters="limit: int = 3"))
    page = open_lab(path)
    form = open_panel(page)
    name = form.get_by_label("Name", exact=True).input_value()
    deploy(form, 1)
    page.get_by_role("tab", name=re.compile("^Schedule ")).locator(".lm-TabBar-tabCloseIcon").click()
    form = open_panel(page)
    expect(form.get_by_text(f"Scheduled as “{name}”, v1 is current.")).to_be_visible()
    form.get_by_label("Value of limit").fill("4")
    deploy(form, 2)


def test_failing_cell_shows_at_once_and_a_running_run_is_cancelled(stack, open_lab):
    from playwright.sync_api import expect

    path = f"trouble_{stack.suffix}.ipynb"
    cells = ("print('before')", "1 / zero", "import time\ntime.sleep(600)")
    write_notebook(stack, path, notebook_of(*cells, parameters="zero: int = 0"))
    page = open_lab(path)
    form = open_panel(page)
    name = form.get_by_label("Name", exact=True).input_value()
    deploy(form, 1)
    item = open_sidebar(page).get_by_role("listitem", name=name, exact=True)
    run = start_run(item, name)
    expect(run.get_by_text("ZeroDivisionError")).to_be_visible()
    expect(run.get_by_text("failed", exact=True)).to_be_visible()
    shoot(page, "6-failed")
    run.get_by_role("button", name="Open output").click()
    expect(page.locator(".jp-NotebookPanel:visible").get_by_text("before", exact=True)).to_be_visible()
    item.get_by_role("button", name="Run now").click()
    item.get_by_label("Value of zero").fill("1")
    item.get_by_role("button", name="Start run").click()
    run = item.get_by_role("list", name=f"Runs of {name}").get_by_role("listitem").first
    expect(run.get_by_text("running", exact=True)).to_be_visible()
    expect(run.get_by_text(re.compile("cell 4/4"))).to_be_visible()
    run.get_by_role("button", name="Cancel run").click()
    expect(run.get_by_text("cancelled", exact=True)).to_be_visible()
    item.get_by_role("button", name="Pause").click()
    expect(item.get_by_text("paused", exact=True)).to_be_visible()
    item.get_by_role("button", name="Resume").click()
    expect(item.get_by_text("active", exact=True)).to_be_visible()
    shoot(page, "7-history")
    item.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the job").click()
    expect(item).to_have_count(0)


def test_one_cell_is_promoted(stack, open_lab):
    from playwright.sync_api import expect

    path = f"cells_{stack.suffix}.ipynb"
    write_notebook(stack, path, notebook_of("x = 20", "print(x + 1)", "raise SystemError('not mine')"))
    page = open_lab(path)
    page.locator(".jp-CodeCell").nth(1).click()
    page.get_by_role("button", name="Promote cell").click()
    form = page.get_by_role("form")
    expect(form.get_by_role("heading", name=re.compile("^Promote a cell of"))).to_be_visible()
    name = form.get_by_label("Name", exact=True).input_value()
    deploy(form, 1)
    item = open_sidebar(page).get_by_role("listitem", name=name, exact=True)
    run = start_run(item, name)
    expect(run.get_by_text("done", exact=True)).to_be_visible(timeout=120_000)


def test_two_labs_that_deploy_at_once_make_one_job(stack, open_lab):
    from playwright.sync_api import expect

    path = f"twins_{stack.suffix}.ipynb"
    write_notebook(stack, path, notebook_of("print('twin')"))
    pages = [open_lab(path) for _ in range(2)]
    for page in pages:
        # Both Labs save the notebook; JupyterLab asks the one that comes second.
        dialog = page.get_by_role("dialog").filter(has_text="File Changed")
        page.add_locator_handler(dialog, lambda found: found.get_by_role("button", name="Overwrite").click())
    forms = [open_panel(page) for page in pages]
    name = forms[0].get_by_label("Name", exact=True).input_value()
    for form in forms:
        form.get_by_role("button", name="Deploy").click(no_wait_after=True)
    for form in forms:
        expect(form.get_by_role("status")).to_have_text(re.compile(r"^v\d is live|unchanged|v\d is current"))
    with stack.gateway() as gateway:
        assert [job.name for job in gateway.list_jobs()].count(name) == 1


def test_gateway_has_no_read_access_to_the_notebooks(stack):
    if not stack.status()["is_isolated"]:
        assert os.geteuid() != 0, "started as root, each process has a user of its own"
        return
    gateway = pwd.getpwnam("athena-gateway")
    look = ["setpriv", f"--reuid={gateway.pw_uid}", f"--regid={gateway.pw_gid}", "--clear-groups", "ls"]
    assert subprocess.run([*look, stack.home / "workspace"], capture_output=True).returncode != 0
    assert subprocess.run([*look, stack.home / "gateway"], capture_output=True).returncode == 0


def test_status_and_logs_tell_what_runs(stack):
    found = stack.status()
    names = {process["name"] for process in found["processes"]}
    assert {"emulator", "gateway", "postgres", "api-server", "scheduler", "dag-processor", "lab"} <= names
    logs = subprocess.run([ATHENA, "logs", "gateway", "--home", stack.home], capture_output=True, check=True)
    assert b"eyJ" not in logs.stdout, "no token in a log"

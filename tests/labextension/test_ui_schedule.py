"""Scheduling a notebook in a real browser: the buttons, the form, its faults, the stopwatch, the next version."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.ui

CELLS = ("day = '2026-01-01'\nlimit = 10\nis_full = True\nregion = 'VIC'", "print(day)", "print(limit)")


def tag_parameters(page):
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.model.cells.get(0).setMetadata('tags', ['parameters'])"
    )


def open_panel(page):
    page.get_by_role("button", name="Schedule this notebook").click()
    form = page.get_by_role("form", name=re.compile("^Schedule "))
    expect(form.get_by_label("Name", exact=True)).to_be_visible()
    return form


def deploy(form):
    expect(form.get_by_role("button", name="Deploy")).to_be_enabled()
    form.get_by_role("button", name="Deploy").click()


def test_notebook_is_scheduled_with_a_stopwatch_and_its_button_then_makes_the_next_version(
    open_notebook, gateway, shoot
):
    gateway.control(visible_after_s=1.0)
    page = open_notebook(*CELLS, name="Daily peak.ipynb")
    tag_parameters(page)
    form = open_panel(page)
    expect(form.get_by_label("Time zone")).to_have_value("Europe/Berlin")
    expect(form.get_by_role("list", name="Next runs").get_by_role("listitem")).to_have_count(10)
    form.get_by_label("Repeats").select_option("Weekdays")
    form.get_by_label("Time", exact=True).fill("06:30")
    expect(form.get_by_label("Cron expression")).to_have_value("30 6 * * 1-5")
    form.get_by_label("Date of day").select_option("yesterday")
    form.get_by_label("Value of limit").fill("25")
    expect(form.get_by_text("makes v1")).to_be_visible()
    expect(form.get_by_role("list", name="Next runs").get_by_text("06:30").first).to_be_visible()
    shoot(page, "schedule-light")
    deploy(form)
    expect(form.get_by_role("timer")).to_be_visible()
    expect(form.get_by_role("status")).to_have_text(re.compile(r"^v1 is live in Airflow after \d\.\d s$"))
    shoot(page, "schedule-deployed")

    upload = gateway.control()["last_upload"]
    assert upload["source"]["path"] == "Daily peak.ipynb"
    assert re.fullmatch(r"[0-9a-f-]{36}", upload["source"]["notebook_id"])

    page.get_by_role("tab", name="Schedule Daily peak.ipynb").locator(".lm-TabBar-tabCloseIcon").click()
    form = open_panel(page)
    expect(form.get_by_text("Scheduled as “Daily peak”, v1 is current.")).to_be_visible()
    expect(form.get_by_label("Repeats")).to_have_value("weekdays")
    expect(form.get_by_label("Date of day")).to_have_value("yesterday")
    expect(form.get_by_label("Value of limit")).to_have_value("25")
    expect(form.get_by_text("unchanged: v1 is current")).to_be_visible()
    form.get_by_label("Value of limit").fill("26")
    expect(form.get_by_text("makes v2")).to_be_visible()
    deploy(form)
    expect(form.get_by_role("status")).to_have_text(re.compile(r"^v2 is live in Airflow after"))
    form.get_by_role("button", name="Show in the Athena sidebar").click()
    expect(page.get_by_role("region", name="Athena jobs").get_by_role("listitem", name="Daily peak")).to_be_visible()


def test_every_fault_stands_beside_its_field_and_deploy_waits(open_notebook, shoot):
    page = open_notebook(*CELLS)
    tag_parameters(page)
    form = open_panel(page)
    form.get_by_label("Name", exact=True).fill("")
    form.get_by_label("Repeats").select_option("Cron expression")
    form.get_by_label("Cron expression").fill("61 * * * *")
    form.get_by_label("Time zone").fill("Europe/Berlim")
    form.get_by_label("Value of limit").fill("many")
    expect(form.get_by_text("4 faults to mend.")).to_be_visible()
    for label, text in {
        "Name": "it has no name",
        "Cron expression": "is not valid",
        "Time zone": "there is none",
    }.items():
        field = form.get_by_label(label, exact=True)
        expect(field).to_have_attribute("aria-invalid", "true")
        ids = field.get_attribute("aria-describedby")
        assert text in " ".join(page.locator(f"[id='{part}']").inner_text() for part in ids.split())
    expect(form.get_by_text("Cannot pass 'many' as 'limit': it is not of type int.")).to_be_visible()
    expect(form.get_by_role("button", name="Deploy")).to_be_disabled()
    shoot(page, "schedule-faults")


def test_unsaved_changes_are_saved_before_they_are_scheduled(open_notebook, gateway):
    page = open_notebook(*CELLS)
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.model.cells.get(1).sharedModel.setSource('print(42)')"
    )
    open_panel(page)
    assert gateway.control()["last_upload"]["notebook"]["cells"][1]["source"] == "print(42)"


def test_waiting_for_the_scheduler_is_said_and_ends_when_it_is_back(open_notebook, gateway):
    gateway.control(is_scheduler_down=True)
    page = open_notebook(*CELLS)
    form = open_panel(page)
    deploy(form)
    expect(form.get_by_role("status")).to_contain_text("waiting for the scheduler")
    gateway.control(is_scheduler_down=False, visible_after_s=0.0)
    expect(form.get_by_role("status")).to_contain_text("is live in Airflow after")


def test_one_cell_is_promoted_from_its_toolbar(open_notebook, gateway, shoot):
    page = open_notebook(*CELLS)
    page.locator(".jp-CodeCell").nth(1).click()
    page.get_by_role("button", name="Promote cell").click()
    form = page.get_by_role("form")
    expect(form.get_by_role("heading", name=re.compile("^Promote a cell of"))).to_be_visible()
    upload = gateway.control()["last_upload"]
    assert upload["source"]["cell_id"] == upload["notebook"]["cells"][1]["id"]


def test_notebook_without_a_kernel_is_refused_with_what_to_do(open_notebook):
    page = open_notebook("print(1)")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.deleteMetadata('kernelspec')")
    page.get_by_role("button", name="Schedule this notebook").click()
    alert = page.get_by_role("form").get_by_role("alert")
    expect(alert).to_contain_text("it names no kernel. Choose one at the top right")
    expect(alert.get_by_role("button", name="Try again")).to_be_visible()


def test_commands_are_in_palette_and_menu_with_words_and_arguments(open_notebook):
    page = open_notebook("print(1)")
    commands = page.evaluate(
        """async () => {
          const { commands } = window.jupyterapp;
          const ids = commands.listCommands().filter(id => id.startsWith('athena:'));
          return Promise.all(ids.map(async id => [
            id, commands.label(id), commands.caption(id), (await commands.describedBy(id)).args !== null
          ]));
        }"""
    )
    assert len(commands) == 7
    assert all(label and caption and described for _, label, caption, described in commands)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    expect(page.get_by_role("menuitem", name="Schedule this notebook")).to_be_visible()


def test_form_is_whole_in_the_dark_theme(open_notebook, shoot):
    page = open_notebook(*CELLS, theme="dark")
    tag_parameters(page)
    form = open_panel(page)
    expect(form.get_by_role("list", name="Next runs").get_by_role("listitem")).to_have_count(10)
    shoot(page, "schedule-dark")
